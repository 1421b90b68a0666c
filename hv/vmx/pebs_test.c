/* Precise samples: what is switched at exits and entries, and what writes of their registers do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "fake/fake_vmx.h"
#include "msr/msr_table.c"
#include "msr/rows_amd.c"
#define rows intel_rows
#include "msr/rows_intel.c"
#undef rows
#define rows partition_rows
#include "msr/rows_partition.c"
#undef rows
#include "pmu/intel.c"
#include "pmu/lbr_intel.c"
#include "pmu/filter.c"
#include "pmu/policy.c"
#include "vmx/pebs.c"

struct vmx vmx;

static struct guest guest;
static struct cpu cpu;

static int set_up(void **state)
{
    (void)state;
    memset(&cpu, 0, sizeof(cpu));
    memset(&guest, 0, sizeof(guest));
    memset(&fake, 0, sizeof(fake));
    memset(fake_vmcs, 0, sizeof(fake_vmcs));
    cpu.guest = &guest;
    cpu.pmu.intel.caps = (struct pmu_intel_caps){.version = 5, .general = 0xff, .fixed = 0xf};
    guest.msr = (struct msr_context){
        .vendor = CPU_INTEL, .family = 6, .model = 0x6a, .granted = BIT(FEATURE_PEBS)};
    vmx.global_ctrl = true;
    vmx.global_list = false;
    fake_msr(0x3f1, 0, ~0ULL);
    fake_msr(0x3f2, 0, 0xff00000f);
    fake_msr(0x600, 0, MASK(46, 0));
    return 0;
}

static u64 value_of(u32 msr)
{
    u64 value = 0;

    assert_true(rdmsr_safe(msr, &value));
    return value;
}

/* Lists as the processor walks them (27.4, 28.6): what it finds, in its order. */
static void expect_list(u32 address, u32 count, u32 first, u32 second)
{
    const struct msr_entry *entry = (const struct msr_entry *)fake_vmcs[address];
    u32 entries = !!first + !!second;

    assert_int_equal(fake_vmcs[count], entries);
    if (entries)
        assert_int_equal((u64)entry % 16, 0);
    if (first)
        assert_int_equal(entry[0].msr, first);
    if (second)
        assert_int_equal(entry[1].msr, second);
}

/* Enabled before the counters run, disabled after they have stopped; a guest that does not use it
 * has the lists that it had without. */
static void lists_are_in_use_while_samples_are(void **state)
{
    (void)state;
    for (u32 list = 0; list < 2; list++) {
        u32 global = list ? 0x38f : 0;

        vmx.global_list = list;
        vmx_write_lists(&cpu);
        expect_list(0x200a, 0x4014, global, 0);
        expect_list(0x2008, 0x4010, global, 0);
        expect_list(0x2006, 0x400e, global, 0);
        assert_true(vmx_pebs_write(&cpu, 0x3f1, 0x100000001));
        expect_list(0x200a, 0x4014, 0x3f1, global);
        expect_list(0x2008, 0x4010, list ? 0x38f : 0x3f1, list ? 0x3f1 : 0);
        expect_list(0x2006, 0x400e, global, 0);
        assert_int_equal(((struct msr_entry *)fake_vmcs[0x200a])->value, 0x100000001);
        assert_int_equal(((struct msr_entry *)fake_vmcs[0x2008])[list].value, 0);
        assert_true(vmx_pebs_write(&cpu, 0x3f1, 2)); /* the same lists */
        assert_int_equal(((struct msr_entry *)fake_vmcs[0x200a])->value, 2);
        assert_true(vmx_pebs_write(&cpu, 0x3f1, 0));
        expect_list(0x200a, 0x4014, global, 0);
        expect_list(0x2008, 0x4010, global, 0);
        assert_int_equal(value_of(0x3f1), 0);
    }
    assert_int_equal(cpu.exits[EXIT_PMU_WRITE], 6);
}

static void the_host_never_has_it_enabled(void **state)
{
    (void)state;
    assert_true(vmx_pebs_write(&cpu, 0x3f1, 0xf000000ff));
    assert_int_equal(value_of(0x3f1), 0);
    assert_int_equal(cpu.vmx.guest_pebs.value, 0xf000000ff);
}

/* Counters that are not there; PEBS to a trace (62:61), precise store (63): #GP, and nothing
 * changes. */
static void only_counters_can_be_enabled(void **state)
{
    static const u64 refused[] = {BIT(8), BIT(36), BIT(60), BIT(61), BIT(62), BIT(63)};

    (void)state;
    assert_true(vmx_pebs_write(&cpu, 0x3f1, 1));
    for (u32 i = 0; i < COUNT(refused); i++) {
        assert_false(vmx_pebs_write(&cpu, 0x3f1, refused[i] | 2));
        assert_int_equal(cpu.vmx.guest_pebs.value, 1);
    }
    fake.msrs = 0; /* and a processor that has none */
    assert_false(vmx_pebs_write(&cpu, 0x3f1, 1));
}

static void branch_records_need_their_grant(void **state)
{
    (void)state;
    assert_true(vmx_pebs_write(&cpu, 0x3f2, 0x1f00000f));
    assert_int_equal(value_of(0x3f2), 0x1f000007);
    guest.msr.granted |= BIT(FEATURE_LBR);
    assert_true(vmx_pebs_write(&cpu, 0x3f2, 0x1f00000f));
    assert_int_equal(value_of(0x3f2), 0x1f00000f);
    assert_false(vmx_pebs_write(&cpu, 0x3f2, 0x10));
    guest.msr.granted &= ~(u32)BIT(FEATURE_LBR);
    vmx_pebs_follow(&cpu);
    assert_int_equal(value_of(0x3f2), 0x1f000007);
}

/* The processor judges where the area is. */
static void the_area_is_the_guests(void **state)
{
    (void)state;
    assert_true(vmx_pebs_write(&cpu, 0x600, 0x7fff12345678));
    assert_int_equal(value_of(0x600), 0x7fff12345678);
    assert_false(vmx_pebs_write(&cpu, 0x600, BIT(47)));
    assert_int_equal(value_of(0x600), 0x7fff12345678);
}

/* At once; and the driver that goes on moves its area all the same, so that nothing is written to
 * where it was once the grant is back. */
static void withdrawn_while_in_use(void **state)
{
    (void)state;
    assert_true(vmx_pebs_write(&cpu, 0x3f1, 1));
    vmx_pebs_follow(&cpu);
    assert_int_equal(cpu.vmx.guest_pebs.value, 1);
    guest.msr.granted = 0;
    guest.msr.withdrawn = BIT(FEATURE_PEBS);
    vmx_pebs_follow(&cpu);
    expect_list(0x200a, 0x4014, 0, 0);
    assert_true(vmx_is_pebs(&cpu, 0x3f1));
    assert_true(vmx_pebs_write(&cpu, 0x3f1, 1));
    expect_list(0x200a, 0x4014, 0, 0);
    assert_int_equal(cpu.vmx.guest_pebs.value, 0);
    assert_true(vmx_pebs_write(&cpu, 0x600, 0x5000));
    assert_int_equal(value_of(0x600), 0x5000);
}

static void only_where_given(void **state)
{
    static const u32 registers[] = {0x3f1, 0x3f2, 0x600};

    (void)state;
    for (u32 i = 0; i < COUNT(registers); i++)
        assert_true(vmx_is_pebs(&cpu, registers[i]));
    assert_false(vmx_is_pebs(&cpu, 0x3f6));
    assert_false(vmx_is_pebs(&cpu, 0x186));
    guest.msr.granted = 0;
    for (u32 i = 0; i < COUNT(registers); i++)
        assert_false(vmx_is_pebs(&cpu, registers[i]));
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lists_are_in_use_while_samples_are),
        TEST(the_host_never_has_it_enabled),
        TEST(only_counters_can_be_enabled),
        TEST(branch_records_need_their_grant),
        TEST(the_area_is_the_guests),
        TEST(withdrawn_while_in_use),
        TEST(only_where_given),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
