/* SDM volume 3, chapters 16 and 17; APM volume 2, chapter 9. */
#include "host/machine_check.h"
#include "base/asm.h"
#include "base/msr.h"
#include "guest.h"
#include "hv.h"
#include "serial/log.h"
#include "vendor.h"

#define IA32_MCG_CAP       0x179
#define MCG_CAP_COUNT(cap) FIELD(cap, 7, 0)
#define MCG_CAP_SER_P      BIT(24)
#define MCG_STATUS_EIPV    BIT(1)
#define MC_STATUS(bank)    (0x401 + 4 * (bank))
#define MC_ADDR(bank)      (0x402 + 4 * (bank))
#define STATUS_VAL         BIT(63)
#define STATUS_OVER        BIT(62)
#define STATUS_UC          BIT(61)
#define STATUS_EN          BIT(60)
#define STATUS_ADDRV       BIT(58)
#define STATUS_PCC         BIT(57)
#define STATUS_S           BIT(56) /* Intel with recovery: it was signalled by a machine check */
#define STATUS_CONTEXT     BIT(55) /* what ran is affected: AR, of AMD TCC */
#define STATUS_SIGNALLED   (STATUS_VAL | STATUS_UC | STATUS_EN)
#define AMD_RECOVERS       (BIT(0) | BIT(1)) /* CPUID 8000_0007 EBX: overflow recovery, SUCCOR */

/* Whether the processor tells errors that it has contained from others. */
static bool can_recover(u64 cap)
{
    u32 regs[4];

    if (hv.intel)
        return cap & MCG_CAP_SER_P;
    cpuid(0x80000007, 0, regs);
    return (regs[1] & AMD_RECOVERS) == AMD_RECOVERS;
}

static bool has_signalled(u64 status, bool recovers)
{
    return (status & STATUS_SIGNALLED) == STATUS_SIGNALLED &&
           (!hv.intel || !recovers || (status & STATUS_S));
}

/* Of a bank that has signalled. One that several cores share speaks to each of them; whose
 * instruction it was about has EIPV (SDM 16.9.3.1). */
static enum machine_check judge_bank(u64 status, u64 mcg_status, bool recovers)
{
    if ((status & STATUS_PCC) || !recovers)
        return MC_IS_FATAL;
    if (!(status & STATUS_CONTEXT) || (hv.intel && !(mcg_status & MCG_STATUS_EIPV)))
        return MC_GOES_ON;
    return status & STATUS_OVER ? MC_IS_FATAL : MC_STOPS;
}

static void report_bank(const struct cpu *cpu, u32 bank, u64 status,
                        void (*say)(const char *format, ...))
{
    u64 address = 0;

    if (status & STATUS_ADDRV)
        rdmsr_safe(MC_ADDR(bank), &address);
    say("machine check on core %u: bank %u, status %x, address %x", (u64)cpu->index, (u64)bank,
        status, address);
}

enum machine_check machine_check_judge(const struct cpu *cpu, void (*say)(const char *format, ...))
{
    u64 mcg_status = rdmsr(IA32_MCG_STATUS), cap = rdmsr(IA32_MCG_CAP), status;
    enum machine_check worst = mcg_status & MCG_STATUS_RIPV ? MC_GOES_ON : MC_STOPS;
    bool recovers = can_recover(cap);

    for (u32 bank = 0; bank < MCG_CAP_COUNT(cap); bank++) {
        if (!rdmsr_safe(MC_STATUS(bank), &status) || !has_signalled(status, recovers))
            continue;
        report_bank(cpu, bank, status, say);
        worst = MAX(worst, judge_bank(status, mcg_status, recovers));
        wrmsr_safe(MC_STATUS(bank), 0);
    }
    wrmsr(IA32_MCG_STATUS, 0);
    return worst;
}

void machine_check_reset(const struct cpu *cpu)
{
    log_panic();
    log_line("fatal: machine check that cannot be restarted, core %u; resetting", (u64)cpu->index);
    platform_reset();
}

static bool runs_firmwares_guest(const struct cpu *cpu)
{
    return cpu->captured && cpu->state == CORE_RUNNING && !is_partition(cpu->guest);
}

static bool guest_takes(struct cpu *cpu)
{
    struct code_state at;

    vendor->code_state(cpu, &at);
    return (at.paging.cr4 & CR4_MCE) && (rdmsr(IA32_MCG_STATUS) & MCG_STATUS_RIPV);
}

static void say_nothing(const char *format, ...)
{
    (void)format;
}

/* What was interrupted may have been writing to the log. */
static enum machine_check judge_quietly(const struct cpu *cpu)
{
    if (!lock_try(&log_lock))
        return machine_check_judge(cpu, say_nothing);
    unlock(&log_lock);
    return machine_check_judge(cpu, log_note);
}

void machine_check_in_host(struct cpu *cpu)
{
    bool passed_on = runs_firmwares_guest(cpu);

    if (passed_on ? guest_takes(cpu) && vendor->inject_machine_check(cpu)
                  : judge_quietly(cpu) == MC_GOES_ON)
        return;
    machine_check_reset(cpu);
}

bool machine_check_came(void)
{
    u64 status;

    return rdmsr_safe(IA32_MCG_STATUS, &status) && (status & MCG_STATUS_MCIP);
}
