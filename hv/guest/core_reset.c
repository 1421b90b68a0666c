#include "guest/core_reset.h"
#include "apic/apic.h"
#include "base/asm.h"
#include "base/msr.h"
#include "counters/pmu.h"
#include "hv.h"

#define LVT_RESET                     BIT(16) /* masked */
#define X2APIC_LVT_CMCI               0x82f
#define IA32_X2APIC_VERSION           0x803
#define X2APIC_HAS_EXTENDED           BIT(31) /* AMD: 840H to 853H (APM 16.3.4) */
#define X2APIC_EXTENDED               0x840
#define X2APIC_EXTENDED_END           0x853
#define IA32_PERF_GLOBAL_STATUS_RESET 0x390
#define MSR_PERF_GLOBAL_STATUS_CLR    0xc0000302

/* Of what rows_partition.c lets pass, all that a RESET resets (SDM table 10-1, APM table 14-1):
 * its test holds the two together. What a processor lacks faults, and stays so. */
static const struct reset_msrs {
    u32 first, last, value;
} reset_msrs[] = {
    {0x48, 0x48, 0},             /* SPEC_CTRL */
    {0xe7, 0xe8, 0},             /* MPERF, APERF */
    {0x122, 0x122, 0},           /* TSX_CTRL */
    {0x140, 0x140, 0},           /* MISC_FEATURES_ENABLES */
    {0x174, 0x176, 0},           /* SYSENTER */
    {0x1a6, 0x1a7, 0},           /* OFFCORE_RSP */
    {0x1c4, 0x1c5, 0},           /* XFD, XFD_ERR: first, or XRSTOR would meet them */
    {0x1c8, 0x1c9, 0},           /* LBR_SELECT, TOS */
    {0x1d9, 0x1d9, 0},           /* DEBUGCTL */
    {0x1db, 0x1de, 0},           /* last branch */
    {0x329, 0x329, 0},           /* PERF_METRICS */
    {0x3f1, 0x3f2, 0},           /* PEBS_ENABLE, PEBS_DATA_CFG */
    {0x3f6, 0x3f7, 0},           /* PEBS_LD_LAT, PEBS_FRONTEND */
    {0x600, 0x600, 0},           /* DS_AREA */
    {0x6a0, 0x6a0, 0},           /* U_CET */
    {0x6a2, 0x6a2, 0},           /* S_CET */
    {0x6a4, 0x6a8, 0},           /* shadow stack pointers */
    {0x6e0, 0x6e1, 0},           /* TSC_DEADLINE, PKRS */
    {0x808, 0x808, 0},           /* x2APIC: TPR, which is CR8 */
    {0x82f, 0x82f, LVT_RESET},   /* LVT CMCI */
    {0x832, 0x834, LVT_RESET},   /* LVT timer, thermal, performance counters */
    {0x837, 0x837, LVT_RESET},   /* LVT error */
    {0x838, 0x838, 0},           /* the timer's initial count */
    {0x83e, 0x83e, 0},           /* ... and its divisor */
    {0x848, 0x84f, ~0U},         /* AMD: interrupt enable */
    {0x850, 0x853, LVT_RESET},   /* AMD: extended LVT */
    {0x828, 0x828, 0},           /* ESR, after all that may set it */
    {0xd90, 0xd90, 0},           /* BNDCFGS */
    {0x1328, 0x1329, 0},         /* SNOOP_RSP */
    {0xc0000081, 0xc0000084, 0}, /* SYSCALL */
    {0xc00000e9, 0xc00000e9, 0}, /* IRPERF */
    {0xc0000100, 0xc0000103, 0}, /* FS, GS, KernelGSbase, TSC_AUX */
    {0xc001011f, 0xc001011f, 0}, /* VIRT_SPEC_CTRL */
};

/* Of those only: QEMU's APIC notes in ESR, for good, that it has been asked for a register that it
 * has not, where processors raise #GP. */
static bool is_there(u32 msr)
{
    if (msr == X2APIC_LVT_CMCI)
        return hv.intel;
    if (msr < X2APIC_EXTENDED || msr > X2APIC_EXTENDED_END)
        return true;
    return rdmsr(IA32_X2APIC_VERSION) & X2APIC_HAS_EXTENDED;
}

static void write_reset_msrs(void)
{
    for (u32 i = 0; i < COUNT(reset_msrs); i++)
        for (u32 msr = reset_msrs[i].first; msr <= reset_msrs[i].last; msr++)
            if (is_there(msr))
                wrmsr_safe(msr, reset_msrs[i].value);
}

static void clear_status(u32 status, u32 clear)
{
    u64 set;

    if (rdmsr_safe(status, &set))
        wrmsr_safe(clear, set);
}

/* After a RESET global control lets all counters count, so that software that does not know it
 * finds them as they were without (SDM 20.2.2; Intel's is in the VMCS). */
static void reset_pmu(struct cpu *cpu)
{
    pmu_restart(cpu);
    if (hv.intel)
        clear_status(IA32_PERF_GLOBAL_STATUS, IA32_PERF_GLOBAL_STATUS_RESET);
    if (!pmu.amd.perfmon_v2)
        return;
    wrmsr_safe(MSR_PERF_GLOBAL_CTL, BIT(pmu.amd.counters) - 1);
    clear_status(MSR_PERF_GLOBAL_STATUS, MSR_PERF_GLOBAL_STATUS_CLR);
}

/* What XRSTOR loads into every component that the guest may have used: the initial configuration.
 * The header follows 512 bytes for FXRSTOR, whose first and fourth words have FCW and MXCSR. */
static u64 initial[72] __attribute__((aligned(64))) = {[0] = 0x37f, [3] = 0x1f80};
#define XCOMP_BV     65
#define CPUID_XSAVES BIT(3) /* CPUID.0DH.1 EAX */

#define XSAVES_STATE (BIT(10) | BIT(11) | BIT(12) | BIT(14)) /* PASID, CET, user interrupts */

/* With XSAVES also what MSRs would reach that partitions have not. Its format has no MXCSR, which
 * the processor resets with SSE (SDM 13.8.2); Bochs does not. */
static void restore_initial(void)
{
    u32 regs[4];

    cpuid(0xd, 1, regs);
    if (!(regs[0] & CPUID_XSAVES)) {
        xrstor(initial);
        return;
    }
    wrmsr_safe(IA32_XSS, regs[2] & XSAVES_STATE);
    initial[XCOMP_BV] = BIT(63);
    xrstors(initial);
    ldmxcsr((u32)initial[3]);
    wrmsr_safe(IA32_XSS, 0);
}

/* x87, vectors, tiles, protection keys. FNINIT clears the x87's last pointers, which XRSTOR keeps
 * on some of AMD's processors (CPUID 8000_0008 EBX[2]). */
static void reset_extended_state(void)
{
    u32 regs[4];

    fninit();
    if (!(hv.host_cr4 & CR4_OSXSAVE)) {
        fxrstor(initial);
        return;
    }
    cpuid(0xd, 0, regs);
    xsetbv_safe(0, regs[0] | (u64)regs[3] << 32);
    restore_initial();
    xsetbv_safe(0, 1); /* XCR0: x87 alone */
}

void core_reset(struct cpu *cpu)
{
    cpu->init_sent = false;
    cpu->sipi = 0;
    apic_enable_x2apic();
    apic_reset();
    apic_note(cpu);
    write_reset_msrs();
    reset_extended_state();
    reset_pmu(cpu);
}
