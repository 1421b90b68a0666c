#include "msr_table.h"

/* AMD's MSRs, families 10h to 1Ah, in order of their numbers (APM volume 2 appendix A; the PPRs;
 * Linux's msr-index.h for the names). What passes is listed too when an operating system uses it: a
 * row is what makes an MSR known on a processor newer than this table. */

#define FULL_ROW(first, last, step, rule, feature, from, to, reason)        \
    {                                                                       \
        first, last, step, RULE_##rule, FEATURE_##feature, from, to, reason \
    }
#define ROW(first, last, rule, feature, reason) \
    FULL_ROW(first, last, 1, rule, feature, 0, 0, reason)
#define ROW_STEP(first, last, step, rule, feature, reason) \
    FULL_ROW(first, last, step, rule, feature, 0, 0, reason)
#define ROW_FAMILIES(first, last, rule, feature, from, to, reason) \
    FULL_ROW(first, last, 1, rule, feature, from, to, reason)

const struct msr_row msr_rows_amd[] = {
    ROW(0x00000000, 0x00000001, PASS, NONE, "MCA, old aliases"),
    ROW(0x00000010, 0x00000010, PASS, NONE, "TSC"),
    ROW(0x0000001b, 0x0000001b, TRAP_WRITE, NONE, "APIC_BASE: no relocation"),
    ROW(0x0000003b, 0x0000003b, PASS, NONE, "TSC_ADJUST"),
    ROW(0x00000048, 0x00000049, PASS, NONE, "SPEC_CTRL, PRED_CMD"),
    ROW(0x0000008b, 0x0000008b, PASS, NONE, "PATCH_LEVEL"),
    ROW(0x000000e7, 0x000000e8, PASS, NONE, "MPERF, APERF"),
    ROW(0x000000fe, 0x000000fe, PASS, NONE, "MTRRcap"),
    ROW(0x0000010a, 0x0000010b, PASS, NONE, "ARCH_CAPABILITIES, FLUSH_CMD"),
    ROW(0x00000174, 0x00000176, PASS, NONE, "SYSENTER"),
    ROW(0x00000179, 0x0000017b, PASS, NONE, "MCG"),
    ROW(0x000001cc, 0x000001d4, DENY, FRED, "FRED: not in the VMCB"),
    ROW(0x000001d9, 0x000001d9, PASS, NONE, "DebugCtl: single-step by branch"),
    ROW(0x000001db, 0x000001de, PASS, NONE, "last branch: own core"),
    ROW(0x00000200, 0x0000020f, PASS, NONE, "MTRR, variable"),
    ROW(0x00000250, 0x00000250, PASS, NONE, "MTRR, fixed"),
    ROW(0x00000258, 0x00000259, PASS, NONE, "MTRR, fixed"),
    ROW(0x00000268, 0x0000026f, PASS, NONE, "MTRR, fixed"),
    ROW(0x00000277, 0x00000277, PASS, NONE, "PAT: the VMCB's"),
    ROW(0x000002ff, 0x000002ff, PASS, NONE, "MTRR default type"),
    ROW(0x00000400, 0x0000047f, PASS, NONE, "MCA banks"),
    ROW(0x000006a0, 0x000006a0, PASS, NONE, "U_CET"),
    ROW(0x000006a2, 0x000006a2, PASS, NONE, "S_CET: the VMCB's"),
    ROW(0x000006a4, 0x000006a8, PASS, NONE, "shadow stack pointers"),
    ROW(0x000006e0, 0x000006e0, PASS, NONE, "TSC_DEADLINE"),
    ROW(0x00000800, 0x0000082f, PASS, NONE, "x2APIC"),
    ROW(0x00000830, 0x00000830, TRAP_WRITE, NONE, "x2APIC ICR: INIT, SIPI"),
    ROW(0x00000831, 0x000008ff, PASS, NONE, "x2APIC"),
    ROW(0x00000c81, 0x00000c82, PASS, NONE, "cache allocation: QOS_CFG"),
    ROW(0x00000c8d, 0x00000c8e, DENY, QOS_MONITOR, "QM_EVTSEL, QM_CTR: other cores"),
    ROW(0x00000c8f, 0x00000c8f, PASS, NONE, "PQR_ASSOC: allocation"),
    ROW(0x00000c90, 0x00000d4f, PASS, NONE, "cache allocation masks"),
    ROW(0x00000da0, 0x00000da0, PASS, NONE, "XSS"),

    ROW(0xc0000080, 0xc0000080, TRAP, NONE, "EFER: SVME is the hypervisor's"),
    ROW(0xc0000081, 0xc0000084, PASS, NONE, "SYSCALL"),
    ROW(0xc00000e7, 0xc00000e9, PASS, NONE, "MPERF, APERF, IRPERF: own core"),
    ROW(0xc0000100, 0xc0000103, PASS, NONE, "FS, GS, KernelGSbase, TSC_AUX"),
    ROW(0xc0000104, 0xc0000104, DENY, SVM, "TSC_RATIO: scales a guest's TSC"),
    ROW_FAMILIES(0xc0000105, 0xc0000106, DENY, LWP, 0x15, 0x15, "LWP: writes samples to memory"),
    ROW(0xc0000108, 0xc0000108, PASS, NONE, "PREFETCH_CONTROL"),
    ROW(0xc000010e, 0xc000010f, DENY, LBR, "LBR_SELECT, DBG_EXTN_CFG"),
    ROW(0xc0000200, 0xc00002ff, PASS, NONE, "bandwidth allocation"),
    ROW(0xc0000300, 0xc0000303, PASS, PMU, "PerfMonV2 globals: own core"),
    ROW(0xc00003fd, 0xc00003fe, DENY, QOS_MONITOR, "ABMC: monitor assignment"),
    ROW(0xc00003ff, 0xc00003ff, PASS, NONE, "L3_QOS_EXT_CFG: allocation"),
    ROW(0xc0000400, 0xc0000401, DENY, QOS_MONITOR, "BMEC: monitored events"),
    ROW(0xc0000408, 0xc0000410, PASS, NONE, "MCA MISC, deferred errors"),
    ROW(0xc0002000, 0xc0002fff, PASS, NONE, "SMCA banks"),

    ROW(0xc0010000, 0xc0010003, TRAP, PMU_SELECTOR, "PerfEvtSel: alias of PERF_CTL"),
    ROW(0xc0010004, 0xc0010007, PASS, PMU, "PerfCtr: data, own core"),
    ROW(0xc0010010, 0xc0010010, FROZEN, NONE, "SYSCFG: encryption, DRAM routing"),
    ROW(0xc0010015, 0xc0010015, TRAP_WRITE, NONE, "HWCR: SMMLOCK"),
    ROW(0xc0010016, 0xc0010019, FROZEN, NONE, "IORR: DRAM or MMIO"),
    ROW(0xc001001a, 0xc001001a, FROZEN, NONE, "TOP_MEM: DRAM or MMIO"),
    ROW(0xc001001b, 0xc001001b, PASS, NONE, "CLK_CTL"),
    ROW(0xc001001d, 0xc001001d, FROZEN, NONE, "TOM2: DRAM or MMIO"),
    ROW(0xc001001f, 0xc0010020, PASS, NONE, "NB_CFG, PATCH_LOADER"),
    ROW(0xc0010022, 0xc0010022, PASS, NONE, "MCA redirection"),
    ROW(0xc0010030, 0xc0010035, PASS, NONE, "processor name"),
    ROW(0xc0010041, 0xc0010042, PASS, NONE, "FID, VID"),
    ROW(0xc0010044, 0xc001004c, PASS, NONE, "MCA masks"),
    ROW(0xc0010050, 0xc0010056, PASS, NONE, "SMI on I/O, INT_PENDING"),
    ROW(0xc0010058, 0xc0010058, FROZEN, NONE, "MMIO_CONF_BASE: over any memory"),
    ROW(0xc0010060, 0xc001006b, PASS, NONE, "P-states"),
    ROW(0xc0010070, 0xc0010074, PASS, NONE, "P-states, C-state port, watchdog"),
    ROW_FAMILIES(0xc001007a, 0xc001007b, DENY, POWER, 0x15, 0x16, "power accumulator: other cores"),
    ROW(0xc0010080, 0xc0010081, PASS, NONE, "frequency feedback: own core"),
    ROW(0xc0010111, 0xc0010113, LOCKED, NONE, "SMM_BASE, SMM_ADDR, SMM_MASK"),
    ROW(0xc0010114, 0xc0010114, TRAP, SVM, "VM_CR: R_INIT"),
    ROW(0xc0010115, 0xc0010115, DENY, SVM, "IGNNE"),
    ROW(0xc0010116, 0xc0010116, DENY, NONE, "SMM_CTL: enters SMM's memory"),
    ROW(0xc0010117, 0xc0010117, DENY, SVM, "VM_HSAVE_PA"),
    ROW(0xc0010118, 0xc0010118, DENY, SVM, "SVM_KEY"),
    ROW(0xc0010119, 0xc0010119, DENY, NONE, "SMM_KEY: unlocks SMM"),
    ROW(0xc001011a, 0xc001011a, PASS, NONE, "local SMI status"),
    ROW(0xc001011b, 0xc001011b, DENY, SVM, "AVIC doorbell: any core"),
    ROW(0xc001011e, 0xc001011e, DENY, SEV, "VM_PAGE_FLUSH"),
    ROW(0xc001011f, 0xc001011f, PASS, NONE, "VIRT_SPEC_CTRL"),
    ROW(0xc0010130, 0xc0010138, DENY, SEV, "GHCB, SEV, RMP, Secure AVIC"),
    ROW(0xc0010140, 0xc0010141, PASS, NONE, "OSVW"),
    ROW_STEP(0xc0010200, 0xc001020a, 2, TRAP, PMU_SELECTOR, "PERF_CTL"),
    ROW_STEP(0xc0010201, 0xc001020b, 2, PASS, PMU, "PERF_CTR: data, own core"),
    ROW(0xc001020c, 0xc001022f, DENY, NONE, "where further selectors would be"),
    ROW(0xc0010230, 0xc001023f, DENY, UNCORE, "L2I, L3 counters: other cores"),
    ROW(0xc0010240, 0xc001025f, DENY, UNCORE, "NB, data fabric: other cores"),
    ROW(0xc0010280, 0xc0010280, PASS, NONE, "PTSC"),
    ROW(0xc0010290, 0xc0010298, PASS, NONE, "P-state, C-state limits"),
    ROW(0xc0010299, 0xc001029b, DENY, POWER, "RAPL: other cores"),
    ROW(0xc00102b0, 0xc00102b5, PASS, NONE, "CPPC"),
    ROW(0xc00102f0, 0xc00102f1, PASS, NONE, "PPIN"),
    ROW(0xc0010300, 0xc001037f, DENY, LBR, "LBR v2, BRS stack"),
    ROW(0xc0010400, 0xc001043f, PASS, NONE, "SMCA masks"),
    ROW(0xc0010800, 0xc00108ff, DENY, UNCORE, "UMC counters: other cores"),

    ROW(0xc0011002, 0xc0011005, PASS, NONE, "CPUID overrides"),
    ROW(0xc001100c, 0xc001100d, PASS, NONE, "node ID, CPUID override"),
    ROW(0xc0011019, 0xc001101b, PASS, NONE, "DR address masks"),
    ROW(0xc0011020, 0xc001102f, PASS, NONE, "LS, IC, DC, FP, DE, BP_CFG"),
    ROW(0xc0011030, 0xc001103f, DENY, IBS, "IBS: physical addresses, host code"),
    ROW(0xc00110e3, 0xc00110e3, PASS, NONE, "SPECTRAL_CHICKEN"),
};

const u32 msr_rows_amd_count = COUNT(msr_rows_amd);
