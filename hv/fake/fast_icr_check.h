/* What the fast path does with a write to the x2APIC's ICR, the same on both vendors: for their
 * tests, which have `cpu`, writes_msr(), set_rip(), expect_done() and expect_nothing_else_done().
 */
#ifndef CEDE_FAST_ICR_CHECK_H
#define CEDE_FAST_ICR_CHECK_H

static void expect_sent(u64 value)
{
    u64 ipis = cpu->exits[EXIT_IPI];

    wrmsr(IA32_X2APIC_ICR, 0);
    set_rip(0x100);
    writes_msr(IA32_X2APIC_ICR, value);
    expect_done(0x102);
    assert_int_equal(rdmsr(IA32_X2APIC_ICR), value);
    assert_int_equal(cpu->exits[EXIT_IPI], ipis + 1);
}

static void expect_not_sent(u64 value)
{
    writes_msr(IA32_X2APIC_ICR, value);
    expect_nothing_else_done();
}

static void a_sole_guest_sends_what_starts_nobody(void **state)
{
    (void)state;
    expect_sent(0x0000000500000040);
    expect_sent(0xffffffff000c0840); /* logical, to all but itself */
    expect_sent(0x0000000500000400); /* an NMI */
    expect_sent(0x00000005000000c4); /* what would be an allowed event */
    expect_not_sent(0x500000500);    /* INIT */
    expect_not_sent(0x500004500);
    expect_not_sent(0x50000069a); /* SIPI */
    expect_not_sent(0x500000d00); /* logical */
    assert_int_equal(cpu->exits[EXIT_IPI], 4);
}

static void an_ipi_that_faults_is_not_sent(void **state)
{
    (void)state;
    expect_not_sent(0x500100040); /* a reserved bit */
}

static void one_of_several_guests_sends_to_its_own_cores_only(void **state)
{
    static u16 owners[] = {0, 1, 1, 0};

    (void)state;
    hv.icr_judged = ICR_JUDGE_ALL;
    hv.owners = owners;
    hv.owner_count = COUNT(owners);
    cpu->guest_index = 1;
    expect_sent(0x100000040);
    expect_sent(0x200004440);
    expect_not_sent(0x000000040);
    expect_not_sent(0x300000040);
    expect_not_sent(0x400000040); /* nobody's */
    expect_not_sent(0x100004500); /* INIT */
    expect_not_sent(0x10000069a);
    expect_not_sent(0x1000c0040); /* more than one */
    expect_not_sent(0x100000840);
    writes_msr(IA32_X2APIC_ICR, 0x100000040);
    fake.msr[fake_msr_index(IA32_X2APIC_ICR)].valid = 0;
    expect_nothing_else_done();
}

#endif
