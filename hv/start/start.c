/* How a core gets into its guest: called by the loader (HV_START), or through the trampoline after
 * a SIPI. */
#include "base/asm.h"
#include "guest/management.h"
#include "guest.h"
#include "host/host.h"
#include "guest/kick.h"
#include "serial/log.h"
#include "base/msr.h"
#include "guest/startup.h"
#include "vendor.h"

u64 hv_start(const struct launch *launch, u32 index, u64 ssp);
__attribute__((noreturn)) void hv_run(struct cpu *cpu);
__attribute__((noreturn)) void hv_sipi(struct cpu *cpu);

/* On the loader's stack. Returns the core's struct cpu (hv/start/entry.S goes on with hv_run on its
 * stack), or an enum hv_status with nothing changed. */
u64 hv_start(const struct launch *launch, u32 index, u64 ssp)
{
    struct cpu *cpu;
    enum hv_status status;

    if (index >= hv.info->cpu_count)
        return HV_BAD_INFO;
    cpu = cpu_at(index);
    if ((rdmsr(IA32_APIC_BASE) & APIC_BASE_ADDRESS) != hv.apic_base)
        return HV_APIC_MOVED;
    status = vendor->capture(cpu, launch, ssp);
    return status ? status : (u64)cpu;
}

void hv_run(struct cpu *cpu)
{
    host_load(cpu);
    startup_note_captured(cpu);
    kick_attend(cpu);
    vendor->enter(cpu);
}

/* On the hypervisor's tables and this core's stack, with the trampoline's GDT and no IDT. */
void hv_sipi(struct cpu *cpu)
{
    host_load(cpu);
    if (vendor->enable(cpu) != HV_OK) {
        log_line("core %u (APIC ID %x) cannot be virtualized: it stays stopped", (u64)cpu->index,
                 (u64)cpu->apic_id);
        cpu_stop();
    }
    management_claim(cpu);
    guest_claim(cpu);
    vendor->reset(cpu, (u8)cpu->sipi);
    startup_note_captured(cpu);
    kick_attend(cpu);
    vendor->enter(cpu);
}
