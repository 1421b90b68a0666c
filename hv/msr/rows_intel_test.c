/* Intel's rows: what kernels touch works or is survived, nothing programs an event unjudged, and
 * the VMX bitmap says what the table says. msr_table_test.c has what does not depend on the vendor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "msr/rows_amd.c"
#include "msr/rows_partition.c"
#include "msr/rows_intel.c"
#include "msr/msr_table.c"
#include "fake/msr_rows_check.h"

/* One model for each part, and the ones that stand for most: Ice Lake (bed P), Sapphire Rapids,
 * Silvermont; the last is nobody's yet. */
static const u8 models[] = {0x1a, 0x2a, 0x2e, 0x2d, 0x3f, 0x55, 0x86, 0x7e, 0x8f, 0x37, 0xfe};

/* With what the usual policy grants. */
static struct msr_context context(u8 model, enum pmu_mode pmu)
{
    return (struct msr_context){.vendor = CPU_INTEL,
                                .family = 6,
                                .model = model,
                                .pmu = (u8)pmu,
                                .granted = BIT(FEATURE_CYCLES),
                                .fixed_restricted = true};
}

/* What Linux 6.1 and 6.12 touch on Intel's processors from power-on until perf, resctrl, cpufreq,
 * thermal, EDAC and turbostat are up: compiled from the sources named, under arch/x86 unless they
 * begin with drivers/. */
static const struct linux_msr linux_msrs[] = {
    {ONE(0x10), P, "TSC", "kernel/tsc.c"},
    {ONE(0x17), P, "IA32_PLATFORM_ID", "kernel/cpu/microcode/intel.c"},
    {ONE(0x1b), TW, "IA32_APICBASE", "kernel/apic/apic.c"},
    {ONE(0x33), P, "TEST_CTRL", "kernel/cpu/intel.c"},
    {ONE(0x34), P, "SMI_COUNT", "events/msr.c"},
    {ONE(0x3a), MSR_TRAP, MSR_GP, SAFE, "IA32_FEAT_CTL", "kernel/cpu/feat_ctl.c"},
    {ONE(0x3b), P, "IA32_TSC_ADJUST", "kernel/tsc_sync.c"},
    {0x40, 0x47, 1, Z, "LBR_CORE_FROM", "events/intel/lbr.c"},
    {ONE(0x48), P, "IA32_SPEC_CTRL", "kernel/cpu/bugs.c, entry/entry.S"},
    {ONE(0x49), P, "IA32_PRED_CMD", "mm/tlb.c"},
    {0x4e, 0x4f, 1, P, "PPIN", "kernel/cpu/common.c"},
    {ONE(0x79), TW, "IA32_UCODE_WRITE", "kernel/cpu/microcode/intel.c"},
    {ONE(0x8b), P, "IA32_UCODE_REV", "kernel/cpu/microcode/intel.c"},
    {0x8c, 0x8f, 1, D(FEATURE_SGX), "IA32_SGXLEPUBKEYHASH", "kernel/cpu/sgx/main.c"},
    {ONE(0xbd), P, "IA32_XAPIC_DISABLE_STATUS", "kernel/apic/apic.c"},
    {0xc1, 0xc8, 1, P, "IA32_PERFCTR", "events/intel/core.c"},
    {ONE(0xcd), P, "FSB_FREQ", "kernel/tsc_msr.c"},
    {ONE(0xce), P, "PLATFORM_INFO", "kernel/cpu/intel.c, drivers/cpufreq/intel_pstate.c"},
    {ONE(0xcf), MSR_TRAP, MSR_GP, SAFE, "IA32_CORE_CAPS", "kernel/cpu/intel.c"},
    {ONE(0xe1), P, "IA32_UMWAIT_CONTROL", "kernel/cpu/umwait.c"},
    {ONE(0xe2), P, "PKG_CST_CONFIG_CONTROL", "drivers/idle/intel_idle.c"},
    {0xe7, 0xe8, 1, P, "IA32_MPERF, APERF", "kernel/cpu/aperfmperf.c, events/msr.c"},
    {ONE(0xfe), P, "MTRRcap", "kernel/cpu/mtrr/mtrr.c"},
    {0x10a, 0x10b, 1, P, "IA32_ARCH_CAPABILITIES, FLUSH_CMD", "kernel/cpu/bugs.c"},
    {ONE(0x10f), P, "TSX_FORCE_ABORT", "events/intel/core.c, kernel/cpu/tsx.c"},
    {0x122, 0x123, 1, P, "IA32_TSX_CTRL, MCU_OPT_CTRL", "kernel/cpu/tsx.c, bugs.c"},
    {ONE(0x140), P, "MISC_FEATURES_ENABLES", "kernel/cpu/intel.c"},
    {0x174, 0x176, 1, P, "IA32_SYSENTER", "kernel/cpu/common.c"},
    {0x179, 0x17b, 1, P, "IA32_MCG", "kernel/cpu/mce/core.c"},
    {0x186, 0x18d, 1, T, "IA32_PERFEVTSEL", "events/intel/core.c"},
    {0x198, 0x199, 1, P, "IA32_PERF_STATUS, CTL", "drivers/cpufreq"},
    {0x19a, 0x19c, 1, P, "IA32_THERM", "kernel/cpu/mce/therm_throt.c"},
    {ONE(0x1a0), T, "IA32_MISC_ENABLE", "kernel/cpu/intel.c, boot/compressed/misc.c"},
    {ONE(0x1a2), P, "IA32_TEMPERATURE_TARGET", "drivers/hwmon/coretemp.c"},
    {0x1a6, 0x1a7, 1, T, "OFFCORE_RSP", "events/intel/core.c"},
    {ONE(0x1aa), P, "MISC_PWR_MGMT", "drivers/cpufreq/intel_pstate.c"},
    {0x1ad, 0x1ae, 1, P, "TURBO_RATIO_LIMIT", "kernel/cpu/aperfmperf.c"},
    {0x1b0, 0x1b2, 1, P, "IA32_ENERGY_PERF_BIAS, PACKAGE_THERM", "kernel/cpu/intel_epb.c"},
    {0x1c4, 0x1c5, 1, P, "IA32_XFD", "kernel/fpu/xstate.c"},
    {0x1c8, 0x1c9, 1, Z, "LBR_SELECT, TOS: on a bare Ice Lake without asking",
     "events/intel/lbr.c"},
    {0x1cc, 0x1d4, 1, D(FEATURE_FRED), "IA32_FRED_*", "kernel/fred.c"},
    {ONE(0x1d9), TW, "IA32_DEBUGCTLMSR", "kernel/process.c, events/intel/core.c"},
    {0x1f2, 0x1f3, 1, MSR_PASS, MSR_GP, SAFE, "IA32_SMRR", "kernel/cpu/mtrr"},
    {ONE(0x1fc), P, "POWER_CTL", "drivers/idle/intel_idle.c"},
    {0x200, 0x213, 1, TW, "MTRRphysBase, MTRRphysMask", "kernel/cpu/mtrr/generic.c"},
    {ONE(0x250), TW, "MTRRfix64K_00000", "kernel/cpu/mtrr/generic.c"},
    {0x258, 0x259, 1, TW, "MTRRfix16K", "kernel/cpu/mtrr/generic.c"},
    {0x268, 0x26f, 1, TW, "MTRRfix4K", "kernel/cpu/mtrr/generic.c"},
    {ONE(0x277), P, "IA32_CR_PAT", "mm/pat/memtype.c"},
    {0x280, 0x29f, 1, P, "IA32_MCx_CTL2", "kernel/cpu/mce/intel.c"},
    {ONE(0x2ff), TW, "MTRRdefType", "kernel/cpu/mtrr/generic.c"},
    {0x309, 0x30c, 1, P, "CORE_PERF_FIXED_CTR", "events/intel/core.c"},
    {ONE(0x329), P, "PERF_METRICS", "events/intel/core.c"},
    {ONE(0x345), MSR_TRAP, MSR_GP, SAFE, "IA32_PERF_CAPABILITIES", "events/intel/core.c"},
    {ONE(0x38d), T, "CORE_PERF_FIXED_CTR_CTRL", "events/intel/core.c"},
    {0x38e, 0x390, 1, P, "CORE_PERF_GLOBAL_*", "events/intel/core.c"},
    {0x394, 0x396, 1, Z, "uncore fixed, CBO_CONFIG", "events/intel/uncore_snb.c"},
    {0x3b0, 0x3b3, 1, Z, "uncore ARB", "events/intel/uncore_snb.c"},
    {0x3f1, 0x3f2, 1, D(FEATURE_PEBS), "IA32_PEBS_ENABLE, DATA_CFG", "events/intel/ds.c"},
    {0x3f6, 0x3f7, 1, T, "PEBS_LD_LAT_THRESHOLD, FRONTEND", "events/intel/core.c"},
    {0x3f8, 0x3fe, 1, P, "PKG and CORE_Cx_RESIDENCY", "events/intel/cstate.c"},
    {0x400, 0x47f, 1, P, "IA32_MCx_CTL, STATUS, ADDR, MISC", "kernel/cpu/mce/core.c"},
    {0x480, 0x491, 1, D(FEATURE_VMX), "IA32_VMX_*", "kernel/cpu/feat_ctl.c, kvm"},
    {0x4c1, 0x4c8, 1, P, "IA32_PMC", "events/intel/core.c"},
    {0x560, 0x561, 1, D(FEATURE_PT), "IA32_RTIT_OUTPUT", "events/intel/pt.c"},
    {0x570, 0x572, 1, D(FEATURE_PT), "IA32_RTIT_CTL, STATUS, CR3", "events/intel/pt.c"},
    {0x580, 0x587, 1, D(FEATURE_PT), "IA32_RTIT_ADDR", "events/intel/pt.c"},
    {ONE(0x600), D(FEATURE_PEBS), "IA32_DS_AREA", "events/intel/ds.c"},
    {ONE(0x606), P, "RAPL_POWER_UNIT", "events/rapl.c"},
    {0x60d, 0x610, 1, P, "PKG_C2_RESIDENCY, POWER_LIMIT", "drivers/powercap"},
    {ONE(0x611), Z, "PKG_ENERGY_STATUS", "events/rapl.c, drivers/powercap"},
    {ONE(0x619), Z, "DRAM_ENERGY_STATUS", "events/rapl.c"},
    {ONE(0x639), Z, "PP0_ENERGY_STATUS", "events/rapl.c"},
    {ONE(0x641), Z, "PP1_ENERGY_STATUS", "events/rapl.c"},
    {ONE(0x64d), Z, "PLATFORM_ENERGY_STATUS", "events/rapl.c"},
    {ONE(0x64e), P, "PPERF", "events/msr.c"},
    {0x680, 0x69f, 1, Z, "LBR_NHM_FROM", "events/intel/lbr.c"},
    {ONE(0x6a0), P, "IA32_U_CET", "kernel/shstk.c"},
    {ONE(0x6a2), P, "IA32_S_CET", "kernel/cpu/common.c"},
    {0x6a4, 0x6a8, 1, P, "IA32_PLx_SSP, INT_SSP_TAB", "kernel/shstk.c"},
    {0x6c0, 0x6df, 1, Z, "LBR_NHM_TO", "events/intel/lbr.c"},
    {ONE(0x6e0), P, "IA32_TSC_DEADLINE", "kernel/apic/apic.c"},
    {ONE(0x6e1), P, "IA32_PKRS", "kernel/cpu/common.c"},
    {0x700, 0x72f, 1, Z, "uncore CBO", "events/intel/uncore_snb.c, uncore_snbep.c"},
    {0x770, 0x777, 1, P, "HWP", "drivers/cpufreq/intel_pstate.c"},
    {0x802, 0x82f, 1, P, "x2APIC ID to LVT", "include/asm/apic.h"},
    {ONE(0x830), P, "x2APIC ICR", "include/asm/apic.h"},
    {0x832, 0x83f, 1, P, "x2APIC timer, self-IPI", "include/asm/apic.h"},
    {0x985, 0x98a, 1, P, "UINTR", "user interrupts"},
    {0xc81, 0xc82, 1, P, "IA32_L3, L2_QOS_CFG", "kernel/cpu/resctrl/rdtgroup.c"},
    {0xc8d, 0xc8e, 1, D(FEATURE_QOS_MONITOR), "IA32_QM_EVTSEL, CTR", "kernel/cpu/resctrl"},
    {ONE(0xc8f), P, "IA32_PQR_ASSOC", "include/asm/resctrl.h"},
    {0xc90, 0xcff, 1, P, "IA32_L3_CBM", "kernel/cpu/resctrl/core.c"},
    {0xd10, 0xd5f, 1, P, "IA32_L2_CBM, MBA", "kernel/cpu/resctrl/core.c"},
    {ONE(0xd93), P, "IA32_PASID", "kernel/traps.c"},
    {ONE(0xda0), TW, "IA32_XSS", "kernel/fpu/xstate.c"},
    {0xdc0, 0xddf, 1, Z, "LBR_INFO_0", "events/intel/lbr.c"},
    {0xe00, 0xe0f, 1, Z, "uncore C boxes, SKL global", "events/intel/uncore_snbep.c"},
    {0x1200, 0x121f, 1, D(FEATURE_LBR), "ARCH_LBR_INFO", "events/intel/lbr.c"},
    {0x1309, 0x130c, 1, D(FEATURE_STORES), "RELOAD_FIXED_CTR", "events/intel/ds.c"},
    {0x1328, 0x1329, 1, T, "SNOOP_RSP", "events/intel/core.c"},
    {0x14c1, 0x14c8, 1, D(FEATURE_STORES), "RELOAD_PMC", "events/intel/ds.c"},
    {0x14ce, 0x14cf, 1, D(FEATURE_LBR), "ARCH_LBR_CTL, DEPTH", "events/intel/lbr.c"},
    {0x1500, 0x151f, 1, D(FEATURE_LBR), "ARCH_LBR_FROM", "events/intel/lbr.c"},
    {0x1600, 0x161f, 1, D(FEATURE_LBR), "ARCH_LBR_TO", "events/intel/lbr.c"},
    {ONE(0x17d0), TW, "IA32_HW_FEEDBACK_PTR", "drivers/thermal/intel/intel_hfi.c"},
    {0x17d1, 0x17d2, 1, P, "IA32_HW_FEEDBACK_CONFIG, CHAR", "drivers/thermal/intel/intel_hfi.c"},
    {0x1900, 0x191c, 4, P, "IA32_PMC_V6_GP0_CTR", "events/intel/core.c"},
    {0x1901, 0x191d, 4, T, "IA32_PMC_V6_GP0_CFG_A", "events/intel/core.c"},
    {0x1902, 0x191e, 4, D(FEATURE_STORES), "IA32_PMC_V6_GP0_CFG_B", "events/intel/core.c"},
    {0x1903, 0x191f, 4, D(FEATURE_STORES), "IA32_PMC_V6_GP0_CFG_C", "events/intel/core.c"},
    {0x1980, 0x198c, 4, P, "IA32_PMC_V6_FX0_CTR", "events/intel/core.c"},
    {0x2000, 0x2fff, 1, Z, "uncore discovery and boxes", "events/intel/uncore_discovery.c"},
    {0xc0000080, 0xc0000084, 1, P, "EFER, SYSCALL", "kernel/cpu/common.c"},
    {0xc0000100, 0xc0000103, 1, P, "FS_BASE to TSC_AUX", "kernel/process_64.c"},
#undef P
#undef T
#undef TW
#undef Z
#undef D
#undef ONE
};

static void check_linux_msr(const struct linux_msr *row, u32 msr, u8 model)
{
    struct msr_context cpu = context(model, PMU_FILTERED);
    struct msr_verdict verdict = msr_judge(&cpu, msr);

    if (verdict.read != row->read || verdict.write != row->write || !verdict.known)
        fail_msg("%x %s (%s) on model %x: read %u, write %u, known %u", msr, row->name, row->where,
                 model, verdict.read, verdict.write, verdict.known);
}

static void linux_boots_and_starts_perf(void **state)
{
    static const u8 common[] = {0x3f, 0x55, 0x7e, 0x8f, 0x37};
    u32 count = 0;

    (void)state;
    for (u32 i = 0; i < COUNT(linux_msrs); i++)
        for (u32 j = 0; j < COUNT(common); j++)
            for (u32 msr = linux_msrs[i].first; msr <= linux_msrs[i].last;
                 msr += linux_msrs[i].step) {
                check_linux_msr(&linux_msrs[i], msr, common[j]);
                count += j == 0;
            }
    print_message("counted: %u MSRs judged, named by %zu lines of Linux\n", count,
                  COUNT(linux_msrs));
}

static bool row_has_feature(u32 msr, enum feature feature)
{
    for (u32 i = 0; i < msr_rows_intel.count; i++)
        if (holds(&msr_rows_intel.rows[i], msr) && msr_rows_intel.rows[i].feature == feature)
            return true;
    return false;
}

/* cpuid_table_test.c proves that each of these features is hidden. */
static void denials_are_survived(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(linux_msrs); i++) {
        const struct linux_msr *row = &linux_msrs[i];

        if (row->read != MSR_GP && row->write != MSR_GP)
            continue;
        assert_int_not_equal(row->guard, NOT_DENIED);
        if (row->guard != SAFE && !row_has_feature(row->first, row->guard))
            fail_msg("%s is not denied for its feature's sake", row->name);
    }
}

/* What means something else on some processors. */
static void numbers_with_two_meanings(void **state)
{
    static const struct {
        u32 msr;
        u8 model, read, write;
    } cases[] = {
        {0x391, 0x1a, MSR_IGNORE, MSR_IGNORE},  {0x391, 0x3a, MSR_IGNORE, MSR_IGNORE},
        {0x391, 0x2d, MSR_PASS, MSR_PASS},      {0x391, 0x5e, MSR_PASS, MSR_PASS},
        {0x391, 0x7e, MSR_PASS, MSR_PASS},      {0x392, 0x8f, MSR_PASS, MSR_PASS},
        {0x3c0, 0x2c, MSR_IGNORE, MSR_IGNORE},  {0x3c0, 0x7e, MSR_PASS, MSR_PASS},
        {0xc8f, 0x2e, MSR_IGNORE, MSR_IGNORE},  {0xc8f, 0x3f, MSR_PASS, MSR_PASS},
        {0xda0, 0x2d, MSR_IGNORE, MSR_IGNORE},  {0xda0, 0x8f, MSR_PASS, MSR_TRAP},
        {0xdc0, 0x3e, MSR_IGNORE, MSR_IGNORE},  {0xdc0, 0x55, MSR_IGNORE, MSR_IGNORE},
        {0x1c00, 0x86, MSR_IGNORE, MSR_IGNORE}, {0x1c00, 0x6a, MSR_PASS, MSR_PASS},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        struct msr_context cpu = context(cases[i].model, PMU_FILTERED);
        struct msr_verdict verdict = msr_judge(&cpu, cases[i].msr);

        if (verdict.read != cases[i].read || verdict.write != cases[i].write)
            fail_msg("%x on model %x: %u, %u", cases[i].msr, cases[i].model, verdict.read,
                     verdict.write);
    }
}

/* Every MSR that programs what is counted, sampled or traced, from the SDM and Linux's uncore
 * drivers, apart from the table. */
static const struct {
    u32 first, last, step;
    bool core; /* the core PMU's own: passes in mode `full` */
} programs_events[] = {
    {0x186, 0x18f, 1, true},                              /* PERFEVTSEL */
    {0x190, 0x197, 1, false},                             /* and beyond */
    {0x1901, 0x1925, 4, true},                            /* CFG_A */
    {0x1902, 0x1926, 4, false},                           /* CFG_B */
    {0x1903, 0x1927, 4, false},                           /* CFG_C */
    {0x1928, 0x197f, 1, false},                           /* and beyond */
    {0x1982, 0x19be, 4, false},                           /* the fixed counters' */
    {0x1983, 0x19bf, 4, false}, {0x38d, 0x38d, 1, true},  /* FIXED_CTR_CTRL */
    {0x1a6, 0x1a7, 1, false},                             /* OFFCORE_RSP */
    {0x3e0, 0x3e3, 1, false},                             /* OMR */
    {0x1328, 0x1329, 1, false},                           /* SNOOP_RSP */
    {0x3f6, 0x3f7, 1, true},                              /* PEBS_LD_LAT, PEBS_FRONTEND */
    {0x3f1, 0x3f2, 1, false},                             /* PEBS_ENABLE */
    {0x3f4, 0x3f5, 1, false},   {0x600, 0x600, 1, false}, /* DS_AREA */
    {0x1d9, 0x1d9, 1, false},                             /* DEBUGCTL */
    {0x14ce, 0x14cf, 1, false},                           /* LBR_CTL */
    {0x570, 0x570, 1, false},                             /* RTIT_CTL */
    {0xc8d, 0xc8d, 1, false},                             /* QM_EVTSEL */
    {0x394, 0x397, 1, false},                             /* uncore */
    {0x3b0, 0x3b7, 1, false},   {0x700, 0x76f, 1, false},
    {0xa40, 0xbff, 1, false},   {0xe00, 0xfff, 1, false},
    {0x2000, 0x3fff, 1, false}, {0xda0, 0xda0, 1, false}, /* XSS: XRSTORS with LBR and PT state */
};

static void check_programming(u8 model, enum pmu_mode pmu)
{
    struct msr_context cpu = context(model, pmu);

    for (u32 i = 0; i < COUNT(programs_events); i++)
        for (u32 msr = programs_events[i].first; msr <= programs_events[i].last;
             msr += programs_events[i].step) {
            bool passes = msr_judge(&cpu, msr).write == MSR_PASS;

            if (passes != (pmu == PMU_FULL && programs_events[i].core))
                fail_msg("%x in mode %u, model %x: passes %u", msr, pmu, model, passes);
        }
}

static void no_event_is_programmed_past_the_filter(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(models); i++)
        for (enum pmu_mode pmu = PMU_FILTERED; pmu <= PMU_OFF; pmu++)
            check_programming(models[i], pmu);
}

/* Cycles are counted by these without a selector; branch stacks are not switched. */
static void nothing_is_counted_past_the_policy(void **state)
{
    static const struct {
        u32 first, last;
        enum feature feature;
    } counters[] = {
        {0xe7, 0xe8, FEATURE_CYCLES}, {0x64e, 0x64e, FEATURE_CYCLES}, {0x40, 0x47, FEATURE_LBR},
        {0x60, 0x67, FEATURE_LBR},    {0x1c8, 0x1c9, FEATURE_LBR},    {0x1db, 0x1de, FEATURE_LBR},
        {0x680, 0x69f, FEATURE_LBR},  {0x6c0, 0x6df, FEATURE_LBR},    {0xdc0, 0xddf, FEATURE_LBR},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(counters); i++)
        for (u32 msr = counters[i].first; msr <= counters[i].last; msr++) {
            struct msr_context cpu = context(0x7e, PMU_FULL);

            cpu.granted = (u32)~BIT(counters[i].feature);
            assert_int_equal(msr_judge(&cpu, msr).read, MSR_IGNORE);
            assert_int_equal(msr_judge(&cpu, msr).write, MSR_IGNORE);
            cpu.granted = (u32)BIT(counters[i].feature);
            assert_int_equal(msr_judge(&cpu, msr).read, MSR_PASS);
            assert_int_equal(msr_judge(&cpu, msr).write, MSR_PASS);
        }
}

/* Of what is above, a partition has these. */
static void partitions_have_no_other_way(void **state)
{
    static const u32 same[] = {0xe7, 0xe8, 0x1c8, 0x1c9, 0x1db, 0x1de, 0x680};
    struct msr_context cpu = context(0x7e, PMU_FILTERED);

    (void)state;
    cpu.partition = true;
    cpu.granted = 0;
    for (u32 i = 0; i < COUNT(same); i++)
        assert_int_equal(msr_judge(&cpu, same[i]).read, MSR_IGNORE);
    assert_int_equal(msr_judge(&cpu, 0x64e).read, MSR_GP);
    assert_int_equal(msr_judge(&cpu, 0x1c).write, MSR_GP);
}

static void fixed_counters_exit_only_when_restricted(void **state)
{
    struct msr_context cpu = context(0x7e, PMU_FILTERED);

    (void)state;
    assert_int_equal(msr_judge(&cpu, 0x38d).write, MSR_TRAP);
    cpu.fixed_restricted = false;
    assert_int_equal(msr_judge(&cpu, 0x38d).write, MSR_PASS);
    assert_int_equal(msr_judge(&cpu, 0x38d).read, MSR_PASS);
    cpu.pmu = PMU_OFF;
    assert_int_equal(msr_judge(&cpu, 0x38d).write, MSR_IGNORE);
}

static void icr_exits_only_when_policed(void **state)
{
    struct msr_context cpu = context(0x7e, PMU_FILTERED);

    (void)state;
    assert_int_equal(msr_judge(&cpu, 0x830).write, MSR_PASS);
    cpu.police_icr = true;
    assert_int_equal(msr_judge(&cpu, 0x830).write, MSR_TRAP);
    assert_int_equal(msr_judge(&cpu, 0x830).read, MSR_PASS);
}

/* Counters, global control and status, metrics. */
static void what_the_pmu_is_for_passes(void **state)
{
    static const u32 data[] = {0xc1,  0xca,  0x4c1, 0x4ca, 0x309,  0x318,  0x329,  0x38e,
                               0x38f, 0x390, 0x391, 0x392, 0x1900, 0x1924, 0x1980, 0x834};

    (void)state;
    for (u32 i = 0; i < COUNT(data); i++) {
        struct msr_context on = context(0x7e, PMU_FILTERED), off = context(0x7e, PMU_OFF);

        assert_int_equal(msr_judge(&on, data[i]).read, MSR_PASS);
        assert_int_equal(msr_judge(&on, data[i]).write, MSR_PASS);
        assert_int_equal(msr_judge(&off, data[i]).write, data[i] == 0x834 ? MSR_PASS : MSR_IGNORE);
    }
}

static void grants_open_their_feature_only(void **state)
{
    struct msr_context cpu = context(0x8f, PMU_FILTERED);

    (void)state;
    cpu.granted = BIT(FEATURE_UNCORE) | BIT(FEATURE_VMX) | BIT(FEATURE_PT) | BIT(FEATURE_PEBS);
    assert_int_equal(msr_judge(&cpu, 0x2ff0).write, MSR_PASS);
    assert_int_equal(msr_judge(&cpu, 0x1a6).write, MSR_TRAP);
    assert_int_equal(msr_judge(&cpu, 0x611).read, MSR_IGNORE);
    assert_int_equal(msr_judge(&cpu, 0x480).read, MSR_GP); /* never granted */
    assert_int_equal(msr_judge(&cpu, 0x570).write, MSR_GP);
    assert_int_equal(msr_judge(&cpu, 0x14c1).write, MSR_GP); /* reloading, which is another's */
}

/* Records are written where the guest says, while the hypervisor says so; the registers stay for a
 * driver that goes on after they were withdrawn. */
static void precise_samples_are_guarded(void **state)
{
    static const u32 registers[] = {0x3f1, 0x3f2, 0x600};

    (void)state;
    for (u32 i = 0; i < COUNT(registers); i++) {
        struct msr_context cpu = context(0x8f, PMU_FILTERED);

        assert_int_equal(msr_judge(&cpu, registers[i]).read, MSR_GP);
        cpu.granted = BIT(FEATURE_PEBS);
        assert_int_equal(msr_judge(&cpu, registers[i]).read, MSR_PASS);
        assert_int_equal(msr_judge(&cpu, registers[i]).write, MSR_TRAP);
        cpu.granted = 0;
        cpu.withdrawn = BIT(FEATURE_PEBS);
        assert_int_equal(msr_judge(&cpu, registers[i]).read, MSR_PASS);
        assert_int_equal(msr_judge(&cpu, registers[i]).write, MSR_TRAP);
        cpu.partition = true;
        assert_int_equal(msr_judge(&cpu, registers[i]).write, MSR_TRAP);
        cpu.withdrawn = 0;
        assert_int_equal(msr_judge(&cpu, registers[i]).write, MSR_GP);
    }
}

/* Names that must never reach the processor from a guest. */
static void nothing_runs_outside_paging(void **state)
{
    static const u32 never_written[] = {0x1b,  0x3a,  0x9b,  0x9e,  0x1a0, 0x1f2, 0x1f3,
                                        0x1f4, 0x1f5, 0x345, 0x480, 0x48b, 0x493, 0x4e0,
                                        0x560, 0x561, 0x570, 0x600, 0x982, 0x3f1, 0x3f4};

    (void)state;
    for (u32 i = 0; i < COUNT(models); i++)
        for (enum pmu_mode pmu = PMU_FILTERED; pmu <= PMU_OFF; pmu++) {
            struct msr_context cpu = context(models[i], pmu);

            cpu.granted = ~0U;
            for (u32 j = 0; j < COUNT(never_written); j++)
                assert_int_not_equal(msr_judge(&cpu, never_written[j]).write, MSR_PASS);
        }
}

static void unknown_msrs(void **state)
{
    static const struct {
        u16 family;
        u8 model;
        bool unknown_gp;
        enum msr_action expected;
    } cases[] = {
        {6, 0x7e, false, MSR_PASS}, {6, 0x7e, true, MSR_PASS}, {6, 0xfe, false, MSR_PASS},
        {6, 0xfe, true, MSR_GP},    {19, 0x01, true, MSR_GP},  {6, 0x1a, true, MSR_PASS},
    };
    static const u32 unknown[] = {0x2,        0x500 - 1,  0x1000,     0x1fff,
                                  0x4000,     0xc0000090, 0xc0001fff, 0xc0010000,
                                  0xc0010200, 0x3fffffff, 0x40010000, 0xffffffff};

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        struct msr_context cpu = {.vendor = CPU_INTEL,
                                  .family = cases[i].family,
                                  .model = cases[i].model,
                                  .unknown_gp = cases[i].unknown_gp};

        for (u32 j = 0; j < COUNT(unknown); j++) {
            assert_int_equal(msr_judge(&cpu, unknown[j]).read, cases[i].expected);
            assert_int_equal(msr_judge(&cpu, unknown[j]).write, cases[i].expected);
            assert_false(msr_judge(&cpu, unknown[j]).known);
        }
        assert_true(msr_judge(&cpu, 0x186).known);
    }
}

/* --- the VMX bitmap --------------------------------------------------------------------------- */

static u8 map[4096 + 2];

static u32 map_bit(u32 msr, bool write)
{
    u32 at = (msr >= 0xc0000000 ? 0x400 : 0) + (write ? 0x800 : 0) + (msr & 0x1fff) / 8;

    return map[1 + at] >> msr % 8 & 1;
}

static void check_map(const struct msr_context *cpu)
{
    static const u32 bases[] = {0, 0xc0000000};

    memset(map, 0x5a, sizeof(map));
    msr_bitmap_vmx(map + 1, cpu);
    for (u32 i = 0; i < COUNT(bases); i++)
        for (u32 msr = bases[i]; msr < bases[i] + 0x2000; msr++) {
            struct msr_verdict verdict = msr_judge(cpu, msr);

            if (map_bit(msr, false) != (verdict.read != MSR_PASS) ||
                map_bit(msr, true) != (verdict.write != MSR_PASS))
                fail_msg("%x: map %u %u, table %u %u", msr, map_bit(msr, false), map_bit(msr, true),
                         verdict.read, verdict.write);
        }
    assert_true(map[0] == 0x5a && map[4097] == 0x5a);
}

static void map_says_what_the_table_says(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(models); i++)
        for (enum pmu_mode pmu = PMU_FILTERED; pmu <= PMU_OFF; pmu++)
            for (u32 more = 0; more < 16; more++) {
                struct msr_context cpu = context(models[i], pmu);

                cpu.unknown_gp = more & 1;
                cpu.granted = more & 2 ? ~0U : 0;
                cpu.fixed_restricted = more & 4;
                cpu.police_icr = more & 8;
                check_map(&cpu);
            }
}

static void rows_are_well_formed(void **state)
{
    (void)state;
    expect_well_formed(&msr_rows_intel);
}

static void models_are_listed_once(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(intel_models); i++)
        for (u32 j = 0; j < i; j++)
            assert_int_not_equal(intel_models[i].model, intel_models[j].model);
    assert_int_equal(msr_cpu_model(0x000706e5), 0x7e);
    assert_int_equal(msr_cpu_model(0x000206a7), 0x2a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linux_boots_and_starts_perf),
        cmocka_unit_test(denials_are_survived),
        cmocka_unit_test(numbers_with_two_meanings),
        cmocka_unit_test(no_event_is_programmed_past_the_filter),
        cmocka_unit_test(nothing_is_counted_past_the_policy),
        cmocka_unit_test(partitions_have_no_other_way),
        cmocka_unit_test(fixed_counters_exit_only_when_restricted),
        cmocka_unit_test(icr_exits_only_when_policed),
        cmocka_unit_test(what_the_pmu_is_for_passes),
        cmocka_unit_test(grants_open_their_feature_only),
        cmocka_unit_test(precise_samples_are_guarded),
        cmocka_unit_test(nothing_runs_outside_paging),
        cmocka_unit_test(unknown_msrs),
        cmocka_unit_test(map_says_what_the_table_says),
        cmocka_unit_test(rows_are_well_formed),
        cmocka_unit_test(models_are_listed_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
