/* Branch records and the VMCS: who has IA32_LBR_CTL switched, and what a grant that comes or goes
 * does to a guest that runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "fake/fake_vmx.h"

#include "vmx/lbr.c"

#define EXIT_BIT  BIT(26)
#define ENTRY_BIT BIT(21)
#define LBR       BIT(FEATURE_LBR)

struct vmx vmx;

static struct guest guest;
static struct cpu cpu = {.guest = &guest};

u64 pmu_intel_debugctl(u32 granted, u64 value)
{
    return granted & LBR ? value : value & ~1ULL;
}

static void controls_are_the_granted_guests(void **state)
{
    (void)state;
    for (u32 way = 0; way < 4; way++) {
        struct vmx_lbr_controls controls;

        vmx.lbr_ctl = way & 1;
        guest.msr.granted = way & 2 ? LBR : ~(u32)LBR;
        controls = vmx_lbr_controls(&cpu);
        assert_int_equal(controls.exit, way == 3 ? EXIT_BIT : 0);
        assert_int_equal(controls.entry, way == 3 ? ENTRY_BIT : 0);
    }
}

static void follow(bool architectural, u32 granted)
{
    vmx.lbr_ctl = architectural;
    guest.msr.granted = granted;
    fake_vmcs[0x2802] = 0x1801;
    fake_vmcs[0x2816] = 0x7f0007;
    fake_vmcs[0x400c] = 0x200;
    fake_vmcs[0x4012] = 0x2200; /* IA-32e mode, as the processor keeps it */
    vmx_lbr_follow(&cpu);
}

static void a_withdrawal_stops_records(void **state)
{
    (void)state;
    follow(false, 0);
    assert_int_equal(fake_vmcs[0x2802], 0x1800);
    assert_int_equal(fake_vmcs[0x2816], 0x7f0007); /* there is none */
    follow(true, 0);
    assert_int_equal(fake_vmcs[0x2802], 0x1800);
    assert_int_equal(fake_vmcs[0x2816], 0);
    assert_int_equal(fake_vmcs[0x400c], 0x200);
    assert_int_equal(fake_vmcs[0x4012], 0x2200);
}

/* Another change of the policy leaves them running. */
static void a_grant_sets_controls_and_stops_nothing(void **state)
{
    (void)state;
    follow(false, LBR);
    assert_int_equal(fake_vmcs[0x2802], 0x1801);
    assert_int_equal(fake_vmcs[0x4012], 0x2200);
    follow(true, LBR);
    assert_int_equal(fake_vmcs[0x2816], 0x7f0007);
    assert_int_equal(fake_vmcs[0x400c], 0x200 | EXIT_BIT);
    assert_int_equal(fake_vmcs[0x4012], 0x2200 | ENTRY_BIT);
}

/* Beside IA32_LBR_CTL, DEBUGCTL.LBR is nothing that an entry should load. */
static void debugctl_keeps_lbr_of_the_older_kind_only(void **state)
{
    (void)state;
    guest.msr.granted = ~0U;
    vmx.lbr_ctl = false;
    assert_int_equal(vmx_debugctl_grants(&cpu), ~0U);
    vmx.lbr_ctl = true;
    assert_int_equal(vmx_debugctl_grants(&cpu), ~(u32)LBR);
    guest.msr.granted = 0;
    assert_int_equal(vmx_debugctl_grants(&cpu), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(controls_are_the_granted_guests),
        cmocka_unit_test(a_withdrawal_stops_records),
        cmocka_unit_test(a_grant_sets_controls_and_stops_nothing),
        cmocka_unit_test(debugctl_keeps_lbr_of_the_older_kind_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
