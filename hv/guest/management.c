#include "guest/management.h"
#include "apic/apic.h"
#include "base/asm.h"
#include "console/console.h"
#include "hv.h"
#include "serial/log.h"
#include "base/msr.h"
#include "apic/icr.h"
#include "guest/startup.h"
#include "vendor.h"

/* So that a kick reaches processors that the guest has switched meanwhile (APM 16.9). */
static void follow_x2apic(const struct cpu *other)
{
    u64 base = rdmsr(IA32_APIC_BASE);

    if ((other->apic_base & APIC_BASE_EXTD) && !(base & APIC_BASE_EXTD))
        wrmsr(IA32_APIC_BASE, base | APIC_BASE_EXTD);
}

static __attribute__((noreturn)) void keep_for_console(struct cpu *cpu)
{
    apic_reset(); /* disabled by software it takes no interrupts */
    cpu->captured = false;
    cpu->state = CORE_MANAGEMENT;
    log_line("core %u is kept for the console", (u64)cpu->index);
    for (;;) {
        follow_x2apic(cpu_at(hv.info->bsp));
        console_rest(cpu);
    }
}

void management_claim(struct cpu *cpu)
{
    if (cpu->kept)
        keep_for_console(cpu);
}

void management_take(struct cpu *self)
{
    u32 index = hv.info->console.management;
    struct cpu *kept;

    if (index >= hv.info->cpu_count || index == hv.info->bsp || cpu_at(index)->kept)
        return;
    kept = cpu_at(index);
    kept->kept = true;
    startup_ipi(self, ICR_MODE_INIT << 8 | (u32)ICR_ASSERT, kept->apic_id, true);
    if (!vendor->init_exits())
        startup_ipi(self, ICR_MODE_SIPI << 8 | (u32)ICR_ASSERT, kept->apic_id, true);
}
