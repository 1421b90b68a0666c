#include "base/asm.h"
#include "hv.h"
#include "vendor.h"

/* SMM handlers wait for all cores, so SMIs must get through. */
void cpu_stop(void)
{
    struct cpu *cpu = this_cpu();

    cpu->state = CORE_STOPPED;
    while (cpu->captured && vendor->breathe) {
        vendor->breathe(cpu);
        pause();
    }
    for (;;)
        __asm__ volatile("cli; hlt");
}
