/* Every MSR that holds an address at which the processor, or what hangs on it, reads, writes or
 * routes memory past the second-level map: trapped by who judges it, locked, or denied. MTRRs are
 * not among them: they give memory its type, and AMD's fixed ones route it only with SYSCFG's
 * leave. Linear addresses are walked through the guest's maps; they are here where the processor
 * writes by itself, at some time later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "msr/rows_amd.c"
#include "msr/rows_partition.c"
#include "msr/rows_intel.c"
#include "msr/msr_table.c"

#define LOCKED MSR_GP
#define FROZEN MSR_IGNORE

static const struct address_msr {
    u32 first, last;
    u8 tenant, partition; /* what a write does */
    const char *name;
} intel_addresses[] =
    {
        {0x1b, 0x1b, MSR_TRAP, MSR_TRAP, "IA32_APIC_BASE"},
        {0x79, 0x79, MSR_TRAP, MSR_GP, "IA32_BIOS_UPDT_TRIG"},
        {0x80, 0x80, LOCKED, MSR_GP, "MSR_TRACE_HUB_STH_ACPIBAR_BASE"},
        {0x9b, 0x9b, MSR_GP, MSR_GP, "IA32_SMM_MONITOR_CTL: MSEG"},
        {0x9e, 0x9e, MSR_GP, MSR_GP, "IA32_SMBASE"},
        {0xee, 0xee, MSR_GP, MSR_GP, "RAR: action vector"},
        {0xef, 0xef, MSR_GP, MSR_GP, "RAR: payload table"},
        {0xed, 0xed, MSR_GP, MSR_GP, "RAR: control"},
        {0x1f2, 0x1f3, LOCKED, MSR_GP, "IA32_SMRR_PHYSBASE, PHYSMASK"},
        {0x1f4, 0x1f5, LOCKED, MSR_GP, "PRMRR_PHYS_BASE, MASK"},
        {0x1f6, 0x1f7, LOCKED, MSR_GP, "SMRR2"},
        {0x2a0, 0x2a7, LOCKED, MSR_GP, "PRMRR_BASE_0 and its like"},
        {0x2f4, 0x2f5, LOCKED, MSR_GP, "UNCORE_PRMRR_PHYS_BASE, MASK"},
        {0x3f4, 0x3f4, MSR_GP, MSR_GP, "IA32_PEBS_BASE"},
        {0x560, 0x561, MSR_GP, MSR_GP, "IA32_RTIT_OUTPUT_BASE, MASK_PTRS"},
        {0x600, 0x600, MSR_GP, MSR_GP, "IA32_DS_AREA: linear"},
        {0x981, 0x984, LOCKED, MSR_GP,
         "IA32_TME_*: which addresses are keys, EXCLUDE_BASE and MASK"},
        {0x1400, 0x1401, LOCKED, MSR_GP, "IA32_SEAMRR_PHYS_BASE, MASK"},
        {0x17d0, 0x17d0, MSR_TRAP, MSR_GP, "IA32_HW_FEEDBACK_PTR"},
},
  amd_addresses[] = {
      {0x1b, 0x1b, MSR_TRAP, MSR_TRAP, "APIC_BASE"},
      {0xc0010010, 0xc0010010, FROZEN, FROZEN, "SYSCFG: whether TOM2, IORRs and fixed MTRRs route"},
      {0xc0010016, 0xc0010019, FROZEN, MSR_GP, "IORRBase, IORRMask"},
      {0xc001001a, 0xc001001a, FROZEN, MSR_GP, "TOP_MEM"},
      {0xc001001d, 0xc001001d, FROZEN, MSR_GP, "TOM2"},
      {0xc0010058, 0xc0010058, FROZEN, FROZEN, "MMIO_CFG_BASE_ADDR"},
      {0xc0010111, 0xc0010111, LOCKED, MSR_GP, "SMM_BASE"},
      {0xc0010112, 0xc0010113, LOCKED, MSR_GP, "SMMAddr, SMMMask"},
      {0xc0010116, 0xc0010116, MSR_GP, MSR_GP, "SMM_CTL"},
      {0xc0010117, 0xc0010117, MSR_GP, MSR_GP, "VM_HSAVE_PA"},
      {0xc001011b, 0xc001011b, MSR_GP, MSR_GP, "AVIC doorbell"},
      {0xc001011e, 0xc001011e, MSR_GP, MSR_GP, "VM_PAGE_FLUSH"},
      {0xc0010130, 0xc0010130, MSR_GP, MSR_GP, "GHCB"},
      {0xc0010132, 0xc0010133, MSR_GP, MSR_GP, "RMP_BASE, RMP_END"},
      {0xc0010136, 0xc0010138, MSR_GP, MSR_GP, "RMP_CFG, Secure AVIC"},
      {0xc0011030, 0xc001103f, MSR_GP, MSR_GP, "IBS: physical addresses to be read"},
      {0xc00110a2, 0xc00110a2, FROZEN, MSR_GP, "PSP_ADDR"},
};

static void check(const struct msr_context *cpu, const struct address_msr *row)
{
    for (u32 msr = row->first; msr <= row->last; msr++) {
        u8 write = msr_judge(cpu, msr).write;

        if (write != (cpu->partition ? row->partition : row->tenant))
            fail_msg("%x (%s), family %x model %x mode %u, partition %u: %u", msr, row->name,
                     cpu->family, cpu->model, cpu->pmu, cpu->partition, write);
    }
}

/* In every mode, with little and with all that a policy can grant. */
static void check_row(struct msr_context cpu, const struct address_msr *row)
{
    for (u32 partition = 0; partition < 2; partition++)
        for (enum pmu_mode mode = PMU_FILTERED; mode <= PMU_OFF; mode++) {
            cpu.partition = partition;
            cpu.pmu = (u8)mode;
            cpu.granted = FEATURES_OF_POLICY;
            check(&cpu, row);
            cpu.granted = FEATURES_GRANTABLE & ~(u32)BIT(FEATURE_IBS); /* whose are but reported */
            check(&cpu, row);
        }
}

static void check_all(struct msr_context cpu, const struct address_msr *rows, u32 count)
{
    for (u32 i = 0; i < count; i++)
        check_row(cpu, &rows[i]);
}

static void no_msr_reaches_memory_past_the_maps(void **state)
{
    (void)state;
    for (u16 family = 0x10; family <= 0x1c; family++)
        check_all((struct msr_context){.vendor = CPU_AMD, .family = family}, amd_addresses,
                  COUNT(amd_addresses));
    for (u32 i = 0; i < COUNT(intel_models); i++)
        check_all(
            (struct msr_context){.vendor = CPU_INTEL, .family = 6, .model = intel_models[i].model},
            intel_addresses, COUNT(intel_addresses));
    check_all((struct msr_context){.vendor = CPU_INTEL, .family = 6, .model = 0xfe},
              intel_addresses, COUNT(intel_addresses));
}

/* LWP's control block, where there is LWP. */
static void lightweight_profiling_is_denied(void **state)
{
    (void)state;
    for (u32 partition = 0; partition < 2; partition++) {
        struct msr_context cpu = {.family = 0x15, .partition = partition};

        assert_int_equal(msr_judge(&cpu, 0xc0000106).write, MSR_GP);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_msr_reaches_memory_past_the_maps),
        cmocka_unit_test(lightweight_profiling_is_denied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
