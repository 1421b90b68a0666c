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

#define ZEN4 0x19

/* With what the usual policy grants. */
static struct msr_context context(u32 family, enum pmu_mode pmu)
{
    return (struct msr_context){
        .family = (u16)family, .pmu = (u8)pmu, .granted = BIT(FEATURE_CYCLES)};
}

/* What Linux 6.1 and 6.12 touch on the AMD server processors of families 17h to 1Ah from power-on
 * until perf, resctrl, cpufreq, EDAC and hwmon are up: compiled from the sources named, under
 * arch/x86 unless they begin with drivers/. */
static const struct linux_msr linux_msrs[] = {
    {ONE(0x10), P, "TSC", "kernel/tsc.c"},
    {ONE(0x1b), TW, "IA32_APICBASE", "kernel/apic/apic.c, kernel/cpu/topology.c"},
    {ONE(0x3b), P, "IA32_TSC_ADJUST", "kernel/tsc_sync.c"},
    {ONE(0x48), P, "IA32_SPEC_CTRL", "kernel/cpu/bugs.c, entry/entry.S"},
    {ONE(0x49), P, "IA32_PRED_CMD", "kernel/cpu/amd.c, mm/tlb.c"},
    {ONE(0x8b), P, "AMD64_PATCH_LEVEL", "kernel/cpu/amd.c, kernel/cpu/microcode/amd.c"},
    {ONE(0xe7), P, "IA32_MPERF", "kernel/cpu/aperfmperf.c, events/msr.c"},
    {ONE(0xe8), P, "IA32_APERF", "kernel/cpu/aperfmperf.c, events/msr.c"},
    {ONE(0xfe), P, "MTRRcap", "kernel/cpu/mtrr/mtrr.c"},
    {ONE(0x10a), P, "IA32_ARCH_CAPABILITIES", "kernel/cpu/common.c"},
    {ONE(0x10b), P, "IA32_FLUSH_CMD", "mm/tlb.c"},
    {0x174, 0x176, 1, P, "IA32_SYSENTER_CS, ESP, EIP", "kernel/cpu/common.c"},
    {0x179, 0x17b, 1, P, "IA32_MCG_CAP, STATUS, CTL", "kernel/cpu/mce/core.c"},
    {0x1cc, 0x1d4, 1, D(FEATURE_FRED), "IA32_FRED_*", "kernel/fred.c"},
    {ONE(0x1d9), TW, "IA32_DEBUGCTLMSR", "include/asm/debugreg.h, kernel/process.c"},
    {0x200, 0x20f, 1, P, "MTRRphysBase, MTRRphysMask", "kernel/cpu/mtrr/generic.c"},
    {ONE(0x250), P, "MTRRfix64K_00000", "kernel/cpu/mtrr/generic.c"},
    {0x258, 0x259, 1, P, "MTRRfix16K", "kernel/cpu/mtrr/generic.c"},
    {0x268, 0x26f, 1, P, "MTRRfix4K", "kernel/cpu/mtrr/generic.c"},
    {ONE(0x277), P, "IA32_CR_PAT", "mm/pat/memtype.c"},
    {ONE(0x2ff), P, "MTRRdefType", "kernel/cpu/mtrr/generic.c"},
    {0x400, 0x47f, 1, P, "IA32_MCx_CTL, STATUS, ADDR, MISC", "kernel/cpu/mce/core.c"},
    {ONE(0x6a0), P, "IA32_U_CET", "kernel/shstk.c, kernel/cpu/common.c"},
    {ONE(0x6a2), P, "IA32_S_CET", "kernel/cpu/common.c"},
    {ONE(0x6a7), P, "IA32_PL3_SSP", "kernel/shstk.c"},
    {ONE(0x6e0), P, "IA32_TSC_DEADLINE", "kernel/apic/apic.c"},
    {0x802, 0x82f, 1, P, "x2APIC ID to LVT", "include/asm/apic.h"},
    {ONE(0x830), TW, "x2APIC ICR", "include/asm/apic.h"},
    {0x832, 0x83f, 1, P, "x2APIC timer, self-IPI", "include/asm/apic.h"},
    {0x840, 0x853, 1, P, "x2APIC extended LVT", "kernel/cpu/mce/amd.c through setup_APIC_eilvt"},
    {ONE(0xc81), P, "IA32_L3_QOS_CFG", "kernel/cpu/resctrl/rdtgroup.c"},
    {ONE(0xc82), P, "IA32_L2_QOS_CFG", "kernel/cpu/resctrl/rdtgroup.c"},
    {ONE(0xc8d), D(FEATURE_QOS_MONITOR), "IA32_QM_EVTSEL", "kernel/cpu/resctrl/monitor.c"},
    {ONE(0xc8e), D(FEATURE_QOS_MONITOR), "IA32_QM_CTR", "kernel/cpu/resctrl/monitor.c"},
    {ONE(0xc8f), P, "IA32_PQR_ASSOC", "include/asm/resctrl.h"},
    {0xc90, 0xd0f, 1, P, "IA32_L3_CBM", "kernel/cpu/resctrl/core.c"},
    {0xd10, 0xd4f, 1, P, "IA32_L2_CBM", "kernel/cpu/resctrl/core.c"},
    {ONE(0xda0), P, "IA32_XSS", "kernel/fpu/xstate.c"},
    {ONE(0xc0000080), T, "EFER", "kernel/cpu/common.c, kernel/cpu/amd.c"},
    {0xc0000081, 0xc0000084, 1, P, "STAR, LSTAR, CSTAR, SYSCALL_MASK", "kernel/cpu/common.c"},
    {ONE(0xc00000e9), Z, "F17H_IRPERF", "events/msr.c"},
    {0xc0000100, 0xc0000103, 1, P, "FS_BASE to TSC_AUX",
     "kernel/process_64.c, kernel/cpu/common.c"},
    {ONE(0xc0000104), D(FEATURE_SVM), "AMD64_TSC_RATIO", "kvm/svm/svm.c"},
    {ONE(0xc000010e), D(FEATURE_LBR_STACK), "AMD64_LBR_SELECT", "events/amd/lbr.c"},
    {ONE(0xc000010f), D(FEATURE_LBR_STACK), "AMD_DBG_EXTN_CFG",
     "events/amd/lbr.c, events/amd/brs.c"},
    {0xc0000200, 0xc000027f, 1, P, "IA32_MBA_BW", "kernel/cpu/resctrl/core.c"},
    {0xc0000280, 0xc00002ff, 1, P, "IA32_SMBA_BW", "kernel/cpu/resctrl/core.c"},
    {0xc0000300, 0xc0000303, 1, P, "AMD64_PERF_CNTR_GLOBAL_*", "events/amd/core.c"},
    {ONE(0xc00003fd), D(FEATURE_QOS_MONITOR), "IA32_L3_QOS_ABMC_CFG",
     "kernel/cpu/resctrl/monitor.c"},
    {ONE(0xc00003ff), P, "IA32_L3_QOS_EXT_CFG", "kernel/cpu/resctrl"},
    {0xc0000400, 0xc0000401, 1, D(FEATURE_QOS_MONITOR), "IA32_EVT_CFG_BASE", "kernel/cpu/resctrl"},
    {0xc0000408, 0xc0000409, 1, P, "MC4_MISC1, MC4_MISC2", "kernel/cpu/mce/amd.c"},
    {ONE(0xc0000410), P, "CU_DEF_ERR", "kernel/cpu/mce/amd.c"},
    {0xc0002000, 0xc00023ff, 1, P, "SMCA banks 0 to 63", "kernel/cpu/mce/amd.c"},
    {0xc0010000, 0xc0010003, 1, T, "K7_EVNTSEL", "events/amd/core.c"},
    {0xc0010004, 0xc0010007, 1, P, "K7_PERFCTR", "events/amd/core.c"},
    {ONE(0xc0010010), F, "AMD64_SYSCFG", "kernel/cpu/mtrr/generic.c, mm/mem_encrypt_identity.c"},
    {ONE(0xc0010015), TW, "K7_HWCR", "kernel/cpu/amd.c, drivers/cpufreq/acpi-cpufreq.c"},
    {ONE(0xc001001a), F, "K8_TOP_MEM1", "drivers/edac/amd64_edac.c"},
    {ONE(0xc001001d), F, "K8_TOP_MEM2", "kernel/cpu/mtrr/generic.c, drivers/edac/amd64_edac.c"},
    {ONE(0xc001001f), P, "AMD64_NB_CFG", "pci/amd_bus.c"},
    {ONE(0xc0010020), P, "AMD64_PATCH_LOADER", "kernel/cpu/microcode/amd.c"},
    {0xc0010044, 0xc001004a, 1, P, "AMD64_MCx_MASK", "kernel/cpu/mce/amd.c"},
    {ONE(0xc0010055), P, "K8_INT_PENDING_MSG", "kernel/process.c"},
    {ONE(0xc0010058), F, "FAM10H_MMIO_CONF_BASE", "kernel/amd_nb.c, pci/mmconfig-shared.c"},
    {ONE(0xc0010061), P, "AMD_PSTATE_LIMIT", "drivers/cpufreq"},
    {ONE(0xc0010062), P, "AMD_PERF_CTL", "drivers/cpufreq/acpi-cpufreq.c"},
    {ONE(0xc0010063), P, "AMD_PERF_STATUS", "drivers/cpufreq/acpi-cpufreq.c"},
    {0xc0010064, 0xc001006b, 1, P, "AMD_PSTATE_DEF", "drivers/acpi/processor_perflib.c"},
    {ONE(0xc0010080), P, "AMD64_FREQ_SENSITIVITY", "drivers/cpufreq/amd_freq_sensitivity.c"},
    {0xc0010112, 0xc0010113, 1, MSR_PASS, MSR_GP, SAFE, "K8_TSEG_ADDR, MASK", "kernel/cpu/amd.c"},
    {ONE(0xc0010114), T, "VM_CR", "kernel/cpu/amd.c"},
    {ONE(0xc0010117), D(FEATURE_SVM), "VM_HSAVE_PA", "kvm/svm/svm.c"},
    {ONE(0xc001011b), D(FEATURE_SVM), "AMD64_SVM_AVIC_DOORBELL", "kvm/svm/avic.c"},
    {ONE(0xc001011f), P, "AMD64_VIRT_SPEC_CTRL", "kernel/cpu/bugs.c, kernel/process.c"},
    {ONE(0xc0010130), D(FEATURE_SEV), "AMD64_SEV_ES_GHCB", "coco/sev/core.c"},
    {ONE(0xc0010131), D(FEATURE_SEV), "AMD64_SEV", "mm/mem_encrypt_identity.c"},
    {0xc0010132, 0xc0010133, 1, D(FEATURE_SEV), "AMD64_RMP_BASE, END", "virt/svm/sev.c"},
    {ONE(0xc0010136), D(FEATURE_SEV), "AMD64_RMP_CFG", "virt/svm/sev.c"},
    {0xc0010140, 0xc0010141, 1, P, "AMD64_OSVW", "kernel/cpu/amd.c, kvm/svm/svm.c"},
    {0xc0010200, 0xc001020a, 2, T, "F15H_PERF_CTL", "events/amd/core.c"},
    {0xc0010201, 0xc001020b, 2, P, "F15H_PERF_CTR", "events/amd/core.c"},
    {0xc0010230, 0xc001023b, 1, D(FEATURE_UNCORE), "F16H_L2I_PERF, L3", "events/amd/uncore.c"},
    {0xc0010240, 0xc0010247, 1, D(FEATURE_UNCORE), "F15H_NB_PERF, DF", "events/amd/uncore.c"},
    {0xc0010248, 0xc001025f, 1, D(FEATURE_UNCORE), "more DF pairs, PerfMonV2",
     "events/amd/uncore.c"},
    {ONE(0xc0010280), P, "F15H_PTSC", "events/msr.c"},
    {0xc0010299, 0xc001029b, 1, D(FEATURE_POWER), "AMD_RAPL",
     "events/rapl.c, powercap, amd_energy"},
    {0xc00102b0, 0xc00102b4, 1, P, "AMD_CPPC", "drivers/cpufreq/amd-pstate.c, kernel/acpi/cppc.c"},
    {0xc00102f0, 0xc00102f1, 1, P, "AMD_PPIN", "kernel/cpu/common.c"},
    {0xc0010300, 0xc001031f, 1, D(FEATURE_LBR_STACK), "AMD_SAMP_BR_FROM",
     "events/amd/lbr.c, brs.c"},
    {0xc0010400, 0xc001043f, 1, P, "AMD64_SMCA_MCx_MASK", "kernel/cpu/mce/amd.c"},
    {0xc0010800, 0xc001085f, 1, D(FEATURE_UNCORE), "F19H_UMC_PERF", "events/amd/uncore.c"},
    {ONE(0xc0011002), P, "AMD64_CPUID_FN_7", "kernel/cpu/amd.c"},
    {ONE(0xc0011004), P, "AMD64_CPUID_FN_1", "kernel/cpu/amd.c"},
    {ONE(0xc0011005), P, "CPUID 8000_0001 override", "kernel/cpu/topology_amd.c"},
    {ONE(0xc001100c), P, "FAM10H_NODE_ID", "kernel/cpu/topology_amd.c"},
    {0xc0011019, 0xc001101b, 1, P, "F16H_DR1 to DR3_ADDR_MASK", "kernel/cpu/amd.c"},
    {ONE(0xc0011020), P, "AMD64_LS_CFG", "kernel/cpu/amd.c, kernel/process.c"},
    {ONE(0xc0011021), P, "F15H_IC_CFG", "kernel/cpu/amd.c, kernel/amd_nb.c"},
    {ONE(0xc0011022), P, "AMD64_DC_CFG", "kernel/cpu/amd.c"},
    {ONE(0xc0011023), P, "AMD64_TW_CFG", "kernel/cpu/amd.c"},
    {ONE(0xc0011027), P, "F16H_DR0_ADDR_MASK", "kernel/cpu/amd.c"},
    {ONE(0xc0011028), P, "AMD64_FP_CFG", "kernel/cpu/amd.c"},
    {ONE(0xc0011029), P, "AMD64_DE_CFG", "kernel/cpu/amd.c, kernel/cpu/common.c"},
    {ONE(0xc001102a), P, "AMD64_BU_CFG2", "kernel/cpu/amd.c"},
    {ONE(0xc001102c), P, "F15H_EX_CFG", "kvm"},
    {ONE(0xc001102e), P, "ZEN4_BP_CFG", "kernel/cpu/amd.c, kernel/cpu/bugs.c"},
    {0xc0011030, 0xc001103d, 1, D(FEATURE_IBS), "AMD64_IBS*", "events/amd/ibs.c"},
    {ONE(0xc00110e3), P, "ZEN2_SPECTRAL_CHICKEN", "kernel/cpu/amd.c"},
#undef P
#undef T
#undef TW
#undef D
#undef F
#undef Z
#undef ONE
};

static void check_linux_msr(const struct linux_msr *row, u32 msr, u32 family)
{
    struct msr_context cpu = context(family, PMU_FILTERED);
    struct msr_verdict verdict = msr_judge(&cpu, msr);

    if (verdict.read != row->read || verdict.write != row->write || !verdict.known)
        fail_msg("%x %s (%s): read %u, write %u, known %u", msr, row->name, row->where,
                 verdict.read, verdict.write, verdict.known);
}

static void linux_boots_and_starts_perf(void **state)
{
    u32 count = 0;

    (void)state;
    for (u32 i = 0; i < COUNT(linux_msrs); i++)
        for (u32 family = 0x17; family <= 0x1a; family++)
            for (u32 msr = linux_msrs[i].first; msr <= linux_msrs[i].last;
                 msr += linux_msrs[i].step) {
                check_linux_msr(&linux_msrs[i], msr, family);
                count += family == 0x17;
            }
    print_message("counted: %u MSRs judged, named by %zu lines of Linux\n", count,
                  COUNT(linux_msrs));
}

static bool row_has_feature(u32 msr, enum feature feature)
{
    for (u32 i = 0; i < msr_rows_amd.count; i++)
        if (holds(&msr_rows_amd.rows[i], msr))
            return msr_rows_amd.rows[i].feature == feature;
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
        print_message("%s\n", row->name);
        assert_int_not_equal(row->guard, NOT_DENIED);
        if (row->guard != SAFE)
            assert_true(row_has_feature(row->first, row->guard));
    }
}

static void nothing_known_changes_on_newer_processors(void **state)
{
    struct msr_context newer = {
        .family = AMD_NEWEST + 1, .unknown_gp = true, .granted = BIT(FEATURE_CYCLES)};

    (void)state;
    for (u32 i = 0; i < COUNT(linux_msrs); i++)
        assert_int_equal(msr_judge(&newer, linux_msrs[i].first).read, linux_msrs[i].read);
}

static void unknown_msrs(void **state)
{
    static const struct {
        u32 family;
        bool unknown_gp;
        enum msr_action expected;
    } cases[] = {
        {0x19, false, MSR_PASS}, {0x19, true, MSR_PASS}, {0x1a, true, MSR_PASS},
        {0x1b, false, MSR_PASS}, {0x1b, true, MSR_GP},
    };
    static const u32 unknown[] = {0x2,        0x345,      0x1fff,     0xc0000304, 0xc0001fff,
                                  0xc0010270, 0xc0011fff, 0xc0012000, 0x3fffffff, 0xffffffff};

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        struct msr_context cpu = {.family = cases[i].family, .unknown_gp = cases[i].unknown_gp};

        for (u32 j = 0; j < COUNT(unknown); j++) {
            assert_int_equal(msr_judge(&cpu, unknown[j]).read, cases[i].expected);
            assert_int_equal(msr_judge(&cpu, unknown[j]).write, cases[i].expected);
            assert_false(msr_judge(&cpu, unknown[j]).known);
        }
    }
}

/* A guest's calls would reach Cede, which knows none of them, and addresses that it gives would be
 * Cede's to translate. */
static void an_outer_hypervisors_msrs_are_denied(void **state)
{
    static const u32 outer[] = {0x11,       0x12,       0x40000000, 0x40000001, 0x40000020,
                                0x40000073, 0x40000118, 0x40001090, 0x4000ffff, 0x4b564d00,
                                0x4b564d01, 0x4b564d02, 0x4b564d05, 0x4b564d08, 0x4b564dff};

    (void)state;
    for (u32 n = 0; n < 4; n++) {
        const struct msr_context cpu = {.vendor = n & 1 ? CPU_INTEL : CPU_AMD,
                                        .pmu = PMU_FULL,
                                        .granted = ~0U,
                                        .partition = n & 2};

        for (u32 i = 0; i < COUNT(outer); i++) {
            assert_int_equal(msr_judge(&cpu, outer[i]).read, MSR_GP);
            assert_int_equal(msr_judge(&cpu, outer[i]).write, MSR_GP);
        }
    }
}

/* Every MSR that programs what is counted or sampled, from the APM and the PPRs, apart from the
 * table. */
static const struct {
    u32 first, last;
    bool core; /* the core PMU's own: passes in mode `full` */
} programs_events[] = {
    {0x1d9, 0x1d9, false},           /* DebugCtl */
    {0xc8d, 0xc8d, false},           /* QM_EVTSEL */
    {0xc00003fd, 0xc00003fe, false}, /* ABMC */
    {0xc0000400, 0xc0000401, false}, /* BMEC */
    {0xc000010e, 0xc000010f, false}, /* LBR_SELECT, DBG_EXTN_CFG */
    {0xc0010000, 0xc0010003, true},  /* PerfEvtSel */
    {0xc0010200, 0xc0010200, true},  {0xc0010202, 0xc0010202, true},
    {0xc0010204, 0xc0010204, true},  {0xc0010206, 0xc0010206, true},
    {0xc0010208, 0xc0010208, true},  {0xc001020a, 0xc001020a, true},
    {0xc001020c, 0xc001022f, false}, {0xc0010230, 0xc001025f, false}, /* L2I, L3, NB, DF */
    {0xc0010300, 0xc001037f, false},                                  /* LBR stack, BRS */
    {0xc0010800, 0xc00108ff, false},                                  /* UMC */
    {0xc0011030, 0xc001103f, false},                                  /* IBS */
};

static void check_programming(enum pmu_mode pmu, u32 family, u32 granted)
{
    struct msr_context cpu = {.family = (u16)family, .pmu = (u8)pmu, .granted = granted};

    for (u32 i = 0; i < COUNT(programs_events); i++)
        for (u32 msr = programs_events[i].first; msr <= programs_events[i].last; msr++) {
            bool passes = msr_judge(&cpu, msr).write == MSR_PASS;

            if (passes != (pmu == PMU_FULL && programs_events[i].core))
                fail_msg("%x in mode %u, family %x: passes %u", msr, pmu, family, passes);
        }
}

static void no_event_is_programmed_past_the_filter(void **state)
{
    (void)state;
    for (u32 family = 0x10; family <= 0x1c; family++)
        for (enum pmu_mode pmu = PMU_FILTERED; pmu <= PMU_OFF; pmu++)
            check_programming(pmu, family, 0);
}

static void lightweight_profiling_is_denied_where_it_exists(void **state)
{
    struct msr_context cpu = context(0x15, PMU_FILTERED);

    (void)state;
    assert_int_equal(msr_judge(&cpu, 0xc0000105).write, MSR_GP);
    cpu.family = 0x17;
    assert_false(msr_judge(&cpu, 0xc0000105).known);
}

static void pmu_off_reads_zero_and_ignores_writes(void **state)
{
    static const u32 pmu[] = {0xc0010000, 0xc0010003, 0xc0010004, 0xc0010007,
                              0xc0010200, 0xc001020b, 0xc0000300, 0xc0000303};
    struct msr_context cpu = context(ZEN4, PMU_OFF);

    (void)state;
    for (u32 i = 0; i < COUNT(pmu); i++) {
        assert_int_equal(msr_judge(&cpu, pmu[i]).read, MSR_IGNORE);
        assert_int_equal(msr_judge(&cpu, pmu[i]).write, MSR_IGNORE);
    }
}

/* Cycles and instructions are counted by these without a selector: where the policy does not grant
 * it, they read 0, on every family, for the sole tenant and for partitions. */
static void nothing_is_counted_past_the_policy(void **state)
{
    static const struct {
        u32 msr;
        enum feature feature;
        bool partitions;
    } counters[] = {
        {0xe7, FEATURE_CYCLES, true},        {0xe8, FEATURE_CYCLES, true},
        {0xc00000e7, FEATURE_CYCLES, true},  {0xc00000e8, FEATURE_CYCLES, true},
        {0xc00000e9, FEATURE_IRPERF, true},  {0xc0010080, FEATURE_CYCLES, false},
        {0xc0010081, FEATURE_CYCLES, false},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(counters); i++)
        for (u32 family = 0x10; family <= 0x1c; family++)
            for (u32 partition = 0; partition <= (u32)counters[i].partitions; partition++) {
                struct msr_context cpu = {.family = (u16)family, .partition = partition};

                cpu.granted = (u32)~BIT(counters[i].feature);
                assert_int_equal(msr_judge(&cpu, counters[i].msr).read, MSR_IGNORE);
                assert_int_equal(msr_judge(&cpu, counters[i].msr).write, MSR_IGNORE);
                cpu.granted = (u32)BIT(counters[i].feature);
                assert_int_equal(msr_judge(&cpu, counters[i].msr).read, MSR_PASS);
                assert_int_equal(msr_judge(&cpu, counters[i].msr).write, MSR_PASS);
            }
}

/* The processor's last-branch registers would show the hypervisor's own. */
static void last_branches_are_not_shown(void **state)
{
    (void)state;
    for (u32 partition = 0; partition < 2; partition++)
        for (u32 msr = 0x1db; msr <= 0x1de; msr++) {
            struct msr_context cpu = {.family = ZEN4, .pmu = PMU_FULL, .partition = partition};

            assert_int_equal(msr_judge(&cpu, msr).read, MSR_IGNORE);
            assert_int_equal(msr_judge(&cpu, 0x1d9).write, MSR_TRAP);
            cpu.granted = BIT(FEATURE_LBR);
            assert_int_equal(msr_judge(&cpu, msr).read, MSR_PASS);
            assert_int_equal(msr_judge(&cpu, 0x1d9).write, MSR_PASS);
            assert_int_equal(msr_judge(&cpu, 0xc000010f).write, MSR_GP); /* BRS' on Zen 3 */
            assert_int_equal(msr_judge(&cpu, 0xc0010300).read, MSR_GP);
            cpu.granted |= BIT(FEATURE_LBR_STACK);
            assert_int_equal(msr_judge(&cpu, 0xc000010e).write, MSR_PASS);
            assert_int_equal(msr_judge(&cpu, 0xc001031f).read, MSR_PASS);
        }
}

static void grants_open_their_feature_only(void **state)
{
    struct msr_context cpu = {.family = ZEN4, .granted = BIT(FEATURE_IBS) | BIT(FEATURE_SVM)};

    (void)state;
    assert_int_equal(msr_judge(&cpu, 0xc0011033).write, MSR_PASS);
    assert_int_equal(msr_judge(&cpu, 0xc0010299).read, MSR_GP);
    assert_int_equal(msr_judge(&cpu, 0xc0010117).write, MSR_GP); /* never granted */
}

/* What was granted once is not gone for who uses it: it reads 0. What never was is absent. */
static void a_withdrawn_feature_reads_0(void **state)
{
    struct msr_context cpu = {.family = ZEN4, .granted = BIT(FEATURE_IBS)};

    (void)state;
    cpu.withdrawn = BIT(FEATURE_UNCORE) | BIT(FEATURE_IBS);
    assert_int_equal(msr_judge(&cpu, 0xc0010230).read, MSR_IGNORE);
    assert_int_equal(msr_judge(&cpu, 0xc0010230).write, MSR_IGNORE);
    assert_int_equal(msr_judge(&cpu, 0xc0011033).write, MSR_PASS); /* granted again */
    assert_int_equal(msr_judge(&cpu, 0xc0010299).read, MSR_GP);
    cpu.partition = true;
    assert_int_equal(msr_judge(&cpu, 0xc0010230).read, MSR_GP);
}

/* Names that must never reach the processor from a guest. */
static void nothing_runs_outside_paging(void **state)
{
    static const u32 never_written[] = {0x1b,       0x830,      0xc0000080, 0xc0010010, 0xc0010015,
                                        0xc0010016, 0xc0010019, 0xc001001a, 0xc001001d, 0xc0010058,
                                        0xc0010111, 0xc0010112, 0xc0010113, 0xc0010114, 0xc0010116,
                                        0xc0010117, 0xc0010118, 0xc0010119, 0xc001011b, 0xc0010132};

    (void)state;
    for (u32 family = 0x10; family <= 0x1c; family++)
        for (enum pmu_mode pmu = PMU_FILTERED; pmu <= PMU_OFF; pmu++) {
            struct msr_context cpu = {.family = (u16)family, .pmu = (u8)pmu, .granted = ~0U};

            for (u32 i = 0; i < COUNT(never_written); i++)
                assert_int_not_equal(msr_judge(&cpu, never_written[i]).write, MSR_PASS);
        }
}

static u8 map[8192 + 2];

static u32 map_bits(u32 msr)
{
    u32 base = msr < 0x2000 ? 0 : msr < 0xc0010000 ? 0x800 : 0x1000;

    return map[1 + base + (msr & 0x1fff) / 4] >> (msr & 3) * 2 & 3;
}

static void check_map(const struct msr_context *cpu)
{
    static const u32 bases[] = {0, 0xc0000000, 0xc0010000};

    memset(map, 0x5a, sizeof(map));
    msr_bitmap_svm(map + 1, cpu);
    for (u32 i = 0; i < COUNT(bases); i++)
        for (u32 msr = bases[i]; msr < bases[i] + 0x2000; msr++) {
            struct msr_verdict verdict = msr_judge(cpu, msr);
            u32 expected = (verdict.read != MSR_PASS) + 2 * (verdict.write != MSR_PASS);

            if (map_bits(msr) != expected)
                fail_msg("%x: map %u, table %u", msr, map_bits(msr), expected);
        }
    for (u32 i = 0x1800; i < 0x2000; i++)
        assert_int_equal(map[1 + i], 0xff);
    assert_true(map[0] == 0x5a && map[8193] == 0x5a);
}

static void map_says_what_the_table_says(void **state)
{
    (void)state;
    for (u32 family = 0x10; family <= 0x1c; family++)
        for (enum pmu_mode pmu = PMU_FILTERED; pmu <= PMU_OFF; pmu++)
            for (u32 more = 0; more < 4; more++) {
                struct msr_context cpu = {.family = (u16)family,
                                          .pmu = (u8)pmu,
                                          .unknown_gp = more & 1,
                                          .granted = more & 2 ? ~0U : 0};

                check_map(&cpu);
            }
}

/* APM 15.11: two bits each, from 0, 800H and 1000H on. */
static void the_map_has_three_ranges(void **state)
{
    static const struct {
        u32 msr;
        int bit;
    } cases[] = {
        {0, 0},
        {0x1fff, 0x800 * 8 - 2},
        {0x2000, -1},
        {0x40000000, -1},
        {0xbfffffff, -1},
        {0xc0000000, 0x800 * 8},
        {0xc0001fff, 0x1000 * 8 - 2},
        {0xc0002000, -1},
        {0xc000ffff, -1},
        {0xc0010000, 0x1000 * 8},
        {0xc0011fff, 0x1800 * 8 - 2},
        {0xc0012000, -1},
        {0xffffffff, -1},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++)
        assert_int_equal(svm_bit(cases[i].msr), cases[i].bit);
}

static void rows_are_well_formed(void **state)
{
    (void)state;
    expect_well_formed(&msr_rows_amd);
}

static void families(void **state)
{
    (void)state;
    assert_int_equal(msr_cpu_family(0x00100f43), 0x10);
    assert_int_equal(msr_cpu_family(0x00830f10), 0x17);
    assert_int_equal(msr_cpu_family(0x00a10f11), 0x19);
    assert_int_equal(msr_cpu_family(0x00b00f21), 0x1a);
    assert_int_equal(msr_cpu_family(0x000806ea), 6);
}

/* What a partition may reach passes on the processor that has it, and only that; the permission map
 * agrees with the judgement. */
static void partitions_are_denied_by_default(void **state)
{
    static const struct {
        u32 msr;
        u8 read, write;
    } cases[] = {
        {0x10, MSR_PASS, MSR_IGNORE},
        {0x1b, MSR_TRAP, MSR_TRAP},
        {0x79, MSR_GP, MSR_GP},
        {0xbd, MSR_TRAP, MSR_GP},
        {0xfe, MSR_IGNORE, MSR_IGNORE},
        {0x10a, MSR_TRAP, MSR_GP},
        {0x179, MSR_IGNORE, MSR_IGNORE},
        {0x200, MSR_GP, MSR_GP},
        {0x277, MSR_PASS, MSR_PASS},
        {0x2ff, MSR_TRAP, MSR_IGNORE},
        {0x401, MSR_GP, MSR_GP},
        {0x80b, MSR_PASS, MSR_PASS},
        {0x830, MSR_PASS, MSR_TRAP},
        {0x835, MSR_PASS, MSR_IGNORE},
        {0x841, MSR_PASS, MSR_IGNORE},
        {0x850, MSR_PASS, MSR_PASS},
        {0xc90, MSR_GP, MSR_GP},
        {0x17d0, MSR_GP, MSR_GP},
        {0xc0000080, MSR_TRAP, MSR_TRAP},
        {0xc0000082, MSR_PASS, MSR_PASS},
        {0xc0010015, MSR_PASS, MSR_IGNORE},
        {0xc0010061, MSR_GP, MSR_GP},
        {0xc0010062, MSR_GP, MSR_GP},
        {0xc0010111, MSR_GP, MSR_GP},
        {0xc0010117, MSR_GP, MSR_GP},
        {0xc0010200, MSR_TRAP, MSR_TRAP},
        {0xc0010201, MSR_PASS, MSR_PASS},
        {0xc0010230, MSR_GP, MSR_GP},
        {0xc001102a, MSR_GP, MSR_GP},
    };
    struct msr_context cpu = context(ZEN4, PMU_FILTERED);
    static u8 bitmap[8192];

    (void)state;
    cpu.partition = true;
    for (u32 i = 0; i < COUNT(cases); i++) {
        struct msr_verdict verdict = msr_judge(&cpu, cases[i].msr);

        if (verdict.read != cases[i].read || verdict.write != cases[i].write)
            fail_msg("%x: %u %u", cases[i].msr, verdict.read, verdict.write);
    }
    msr_bitmap_svm(bitmap, &cpu);
    for (u32 i = 0; i < 3 * 0x2000; i++) {
        u32 msr = (i & 0x1fff) + (const u32[]){0, 0xc0000000, 0xc0010000}[i >> 13];
        u32 bits = bitmap[i / 4] >> i % 4 * 2 & 3;
        struct msr_verdict verdict = msr_judge(&cpu, msr);

        if (bits != ((verdict.read != MSR_PASS) | (u32)(verdict.write != MSR_PASS) << 1))
            fail_msg("%x: map and judgement differ", msr);
    }
    for (u32 i = 0x1800; i < sizeof(bitmap); i++)
        assert_int_equal(bitmap[i], 0xff);
}

static void partitions_rows_are_well_formed(void **state)
{
    (void)state;
    expect_well_formed(&msr_rows_partition);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linux_boots_and_starts_perf),
        cmocka_unit_test(denials_are_survived),
        cmocka_unit_test(nothing_known_changes_on_newer_processors),
        cmocka_unit_test(unknown_msrs),
        cmocka_unit_test(an_outer_hypervisors_msrs_are_denied),
        cmocka_unit_test(no_event_is_programmed_past_the_filter),
        cmocka_unit_test(lightweight_profiling_is_denied_where_it_exists),
        cmocka_unit_test(pmu_off_reads_zero_and_ignores_writes),
        cmocka_unit_test(nothing_is_counted_past_the_policy),
        cmocka_unit_test(last_branches_are_not_shown),
        cmocka_unit_test(grants_open_their_feature_only),
        cmocka_unit_test(a_withdrawn_feature_reads_0),
        cmocka_unit_test(nothing_runs_outside_paging),
        cmocka_unit_test(map_says_what_the_table_says),
        cmocka_unit_test(the_map_has_three_ranges),
        cmocka_unit_test(rows_are_well_formed),
        cmocka_unit_test(families),
        cmocka_unit_test(partitions_are_denied_by_default),
        cmocka_unit_test(partitions_rows_are_well_formed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
