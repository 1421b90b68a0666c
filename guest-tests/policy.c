/* policy.efi: the PMU's policy changes while the guest's counters run. On the image that does this
 * on request (build/faulty/cede.efi), on a bed whose PMU counts. Load options: changes=N. */
#include "policy/policy.h"
#include "apic.h"
#include "cede.h"
#include "clock.h"
#include "fault.h"
#include "machine.h"
#include "perfmon.h"
#include "report.h"
#include "smp.h"

enum { LOOPS = 100, CHANGES = 1000, PATIENCE_MS = 60000, PERIOD = 5000, SAMPLED_LOOPS = 2000000 };

#define MSR_HWCR        0xc0010015U
#define HWCR_IRPERF_EN  BIT(30)
#define MSR_IRPERF      0xc00000e9U
#define MSR_DEBUGCTL    0x1d9U
#define MSR_LAST_BRANCH 0x1dbU /* from, to; and of the last exception */

static const struct perfmon *p;
static bool amd;

static u64 rdpmc(u32 counter)
{
    u32 low, high;

    __asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(counter));
    return (u64)high << 32 | low;
}

static u32 change(u32 item)
{
    return (u32)hypercall(POLICY_CALL, 0, item);
}

/* Near returns: counted on both vendors, in nobody's architectural preset. */
static u32 denied_event(void)
{
    return amd ? 0xc8 : 0x08c4;
}

static void select(u32 counter, u32 event, u32 flags)
{
    wrmsr(perfmon_selector(p, counter), event | flags | SELECT_OS | SELECT_EN);
}

static __attribute__((noinline)) void leaf(void)
{
    __asm__ volatile("");
}

static void return_often(void)
{
    for (u32 i = 0; i < LOOPS; i++) {
        leaf();
    }
}

/* What counter 0 gained by LOOPS returns and a few more. */
static u64 gain(void)
{
    u64 before = rdmsr(perfmon_counter(p, 0));

    return_often();
    return rdmsr(perfmon_counter(p, 0)) - before;
}

static void set_up(u32 event)
{
    perfmon_reset(p);
    select(0, event, 0);
    wrmsr(p->global_ctrl, perfmon_all(p));
}

static void expect_counting(bool counting, const char *when)
{
    u64 gained = gain();

    expect(counting ? gained >= LOOPS : !gained, "%s: %lu gained", when, gained);
}

static void denied_in_filtered_only(void)
{
    u64 written;

    test_begin("denied-event");
    set_up(denied_event());
    written = rdmsr(perfmon_selector(p, 0));
    expect_counting(false, "filtered");
    expect(change(POLICY_FULL) == core_count, "not all cores were stopped");
    expect_counting(true, "full");
    change(POLICY_FILTERED);
    expect_counting(false, "filtered again");
    change(POLICY_ALL);
    expect_counting(true, "everything allowed");
    change(POLICY_ARCHITECTURAL);
    expect_counting(false, "the first list again");
    expect(rdmsr(perfmon_selector(p, 0)) == written, "the selector reads otherwise");
    test_end();
}

static u64 denial_field(u32 core, u32 row, u32 field)
{
    return hypercall(HYPERCALL_DENIAL, core, row * DENIAL_FIELDS + field);
}

/* The row of a denied selector on this core, or the number of rows. */
static u32 denial_row(u32 core, u64 value)
{
    u32 row = 0;

    while (
        denial_field(core, row, DENIAL_COUNT) != HYPERCALL_ERROR &&
        (denial_field(core, row, DENIAL_VALUE) != value || denial_field(core, row, DENIAL_MSR))) {
        row++;
    }
    return row;
}

static void denials_are_on_record(void)
{
    u32 core = (u32)hypercall(HYPERCALL_SELF, 0, 0), row;
    u64 value = denied_event() | SELECT_OS | SELECT_EN | SELECT_USR, rip;

    test_begin("denial-record");
    for (u32 i = 0; i < LOOPS; i++) {
        wrmsr(perfmon_selector(p, 0), value);
    }
    wrmsr(perfmon_selector(p, 0), 0);
    row = denial_row(core, value);
    expect(denial_field(core, row, DENIAL_COUNT) == LOOPS, "row %u: %lu denials, not %u", row,
           denial_field(core, row, DENIAL_COUNT), LOOPS);
    expect(denial_field(core, row, DENIAL_CR3) == READ_CR(3), "another address space");
    rip = denial_field(core, row, DENIAL_RIP);
    expect(rip - (u64)denials_are_on_record < 4096, "at %lx", rip);
    expect(denial_field(core, row, DENIAL_LAST) > denial_field(core, row, DENIAL_FIRST),
           "no time went by");
    test_end();
}

static void allowed_until_tightened(void)
{
    test_begin("tightened");
    set_up(p->event[INSTRUCTIONS]);
    expect_counting(true, "allowed");
    change(POLICY_ONLY_CYCLES);
    expect_counting(false, "not in the new list");
    change(POLICY_ARCHITECTURAL);
    expect_counting(true, "allowed again");
    test_end();
}

static u64 count_calls(u32 call, u32 first, u32 second)
{
    u64 before = rdmsr(perfmon_counter(p, 0));

    for (u32 i = 0; i < LOOPS; i++) {
        hypercall(call, 0, first);
        hypercall(call, 0, second);
    }
    return rdmsr(perfmon_counter(p, 0)) - before;
}

/* An allowed event loses nothing and gains nothing: each call is the same guest instructions. */
static void exact_meanwhile(void)
{
    u64 plain, changing;

    test_begin("exact");
    set_up(p->event[INSTRUCTIONS]);
    plain = count_calls(HYPERCALL_VERSION, 0, 0);
    changing = count_calls(POLICY_CALL, POLICY_ALL, POLICY_ARCHITECTURAL);
    expect(plain == changing, "%lu instructions, %lu when the policy changes", plain, changing);
    test_end();
}

static __attribute__((noinline)) void exit_often(void)
{
    for (u32 i = 0; i < LOOPS; i++) {
        cpuid(0, 0);
    }
}

/* Each CPUID is credited to every counter that counts instructions, whichever has which number. */
static void all_counters_agree(u32 item)
{
    u64 first;

    perfmon_reset(p);
    for (u32 i = 0; i < p->counters; i++) {
        select(i, p->event[INSTRUCTIONS], 0);
    }
    change(item);
    wrmsr(p->global_ctrl, perfmon_all(p));
    exit_often();
    wrmsr(p->global_ctrl, 0);
    first = rdmsr(perfmon_counter(p, 0));
    expect(first > 2 * LOOPS, "change %u: %lu instructions", item, first);
    for (u32 i = 1; i < p->counters; i++) {
        expect(rdmsr(perfmon_counter(p, i)) == first,
               "change %u: counter %u has %lu, the first %lu", item, i,
               rdmsr(perfmon_counter(p, i)), first);
    }
}

static void credited_after_a_change(void)
{
    test_begin("credited");
    all_counters_agree(POLICY_ALL);
    all_counters_agree(POLICY_ARCHITECTURAL);
    all_counters_agree(POLICY_FULL);
    all_counters_agree(POLICY_FILTERED);
    test_end();
}

static void off_reads_zero(void)
{
    u64 selector;

    test_begin("off");
    set_up(p->event[INSTRUCTIONS]);
    selector = rdmsr(perfmon_selector(p, 0));
    change(POLICY_OFF);
    expect(!rdmsr(perfmon_selector(p, 0)), "a selector does not read 0");
    expect(!rdmsr(perfmon_counter(p, 0)), "a counter does not read 0");
    expect(!rdmsr(p->global_ctrl), "global control does not read 0");
    expect(!rdpmc(0), "RDPMC does not read 0");
    wrmsr(perfmon_selector(p, 0), selector + 1);
    wrmsr(perfmon_counter(p, 0), 5);
    change(POLICY_FILTERED);
    expect(rdmsr(perfmon_selector(p, 0)) == selector, "the selector did not come back");
    expect_counting(true, "on again");
    test_end();
}

/* AMD's IRPerf counts the hypervisor too: in mode full only, whatever the list. */
static u64 irperf_gain(void)
{
    u64 before;

    wrmsr(MSR_HWCR, rdmsr(MSR_HWCR) | HWCR_IRPERF_EN);
    before = rdmsr(MSR_IRPERF);
    return_often();
    return rdmsr(MSR_IRPERF) - before;
}

static void irperf_in_full_only(void)
{
    if (!amd)
        return;
    test_begin("irperf");
    change(POLICY_ALL);
    expect(!irperf_gain() && !rdmsr(MSR_IRPERF), "it counts under a list");
    expect(!(cpuid(0x80000008, 0).ebx & BIT(1)), "CPUID shows it under a list");
    change(POLICY_FULL);
    expect(irperf_gain() > LOOPS, "it does not count in mode full");
    expect(cpuid(0x80000008, 0).ebx & BIT(1), "CPUID hides it in mode full");
    change(POLICY_OFF);
    expect(!rdmsr(MSR_IRPERF), "it reads while off");
    change(POLICY_ARCHITECTURAL);
    expect(!rdmsr(MSR_IRPERF), "it reads again under a list");
    test_end();
}

/* What a last-branch record would hold is the hypervisor's, too. */
static void no_last_branch(void)
{
    test_begin("last-branch");
    wrmsr(MSR_DEBUGCTL, 1);
    return_often();
    for (u32 msr = MSR_LAST_BRANCH; msr < MSR_LAST_BRANCH + 4; msr++) {
        u64 value = 1;

        expect(rdmsr_safe(msr, &value) != NO_FAULT || !value, "%x reads %lx", msr, value);
    }
    expect(!(rdmsr(MSR_DEBUGCTL) & 1), "it is on");
    test_end();
}

/* --- another core runs what is denied under it ----------------------------------------------- */

static volatile u32 stop;
static volatile u64 published, turns;

static void publish(u64 unused)
{
    (void)unused;
    set_up(denied_event());
    while (!stop) {
        return_often();
        published = rdmsr(perfmon_counter(p, 0));
        turns++;
    }
    perfmon_reset(p);
}

static void let_it_turn(void)
{
    u64 until = turns + 3, end = deadline(PATIENCE_MS);

    while (turns < until && !past(end)) {
        pause();
    }
}

static void stops_elsewhere(void)
{
    u64 before, after;

    if (core_count < 2)
        return;
    test_begin("stops-on-other-cores");
    stop = 0;
    change(POLICY_FULL);
    core_begin(cores[1], publish, 0);
    let_it_turn();
    before = published;
    let_it_turn();
    expect(published > before, "it does not count to begin with");
    change(POLICY_FILTERED);
    let_it_turn();
    before = published;
    let_it_turn();
    after = published;
    expect(before == after, "%lu more after the change", after - before);
    stop = 1;
    expect(core_wait(cores[1], PATIENCE_MS), "core 1 hangs");
    test_end();
}

/* --- PMIs under a storm of changes ----------------------------------------------------------- */

static u64 sampled_rest[2];
static u32 sampled[2];

static void on_pmi(struct frame *frame)
{
    (void)frame;
    wrmsr(perfmon_counter(p, 0), perfmon_before(PERIOD));
    perfmon_acknowledge(p, ICR_NMI);
}

static __attribute__((noinline)) void sampled_loop(void)
{
    __asm__ volatile("mov %0, %%ecx; 1: dec %%ecx; jnz 1b" : : "i"(SAMPLED_LOOPS) : "ecx", "cc");
}

static void sample(u64 run)
{
    struct core *me = this_core();

    me->handler[VECTOR_NMI] = on_pmi;
    me->count[VECTOR_NMI] = 0;
    apic_enable();
    perfmon_reset(p);
    apic_write(APIC_LVT_PMC, ICR_NMI);
    wrmsr(perfmon_counter(p, 0), perfmon_before(PERIOD));
    select(0, p->event[INSTRUCTIONS], SELECT_INT);
    wrmsr(p->global_ctrl, 1);
    sampled_loop();
    wrmsr(p->global_ctrl, 0);
    sampled_rest[run] = rdmsr(perfmon_counter(p, 0));
    sampled[run] = me->count[VECTOR_NMI];
    apic_write(APIC_LVT_PMC, APIC_LVT_MASK);
    perfmon_reset(p);
}

static void samples_meanwhile(u32 changes)
{
    u32 done = 0;

    if (core_count < 2)
        return;
    test_begin("samples");
    core_run(cores[1], sample, 0, PATIENCE_MS);
    core_begin(cores[1], sample, 1);
    while (cores[1]->work && done < changes) {
        change(done++ % 2 ? POLICY_ARCHITECTURAL : POLICY_ALL);
    }
    expect(core_wait(cores[1], PATIENCE_MS), "core 1 hangs");
    say("info: %u changes during %u samples", done, sampled[1]);
    for (; done < changes; done++) {
        change(done % 2 ? POLICY_ARCHITECTURAL : POLICY_ALL);
    }
    change(POLICY_ARCHITECTURAL);
    expect(sampled[0] > SAMPLED_LOOPS * 2 / PERIOD / 2, "%u samples to begin with", sampled[0]);
    expect(sampled[0] == sampled[1] && sampled_rest[0] == sampled_rest[1],
           "%u samples and %lx left, %u and %lx when the policy changes", sampled[0],
           sampled_rest[0], sampled[1], sampled_rest[1]);
    test_end();
}

/* --- branch records that come and go ---------------------------------------------------------- */

enum { LBR_ENTRIES = 32, NEAR = 4 << 20 };

#define MSR_CAPABILITIES 0x345U
#define MSR_LBR_CTL      0x14ceU
#define LBR_CTL_ALL      0x7f0007ULL

static bool arch_lbr;
static volatile u64 own_records, foreign_records;

static void switch_records(void)
{
    wrmsr(arch_lbr ? MSR_LBR_CTL : MSR_DEBUGCTL, arch_lbr ? LBR_CTL_ALL : 1);
}

/* Each half by itself, as the grant may come or go between the two. */
static void look_at_half(u64 address)
{
    bool own = address - (u64)switch_records + NEAR < 2 * NEAR;

    if (address)
        *(own ? &own_records : &foreign_records) += 1;
}

static void look_at_record(u32 i)
{
    look_at_half(rdmsr((arch_lbr ? 0x1500 : 0x680) + i));
    look_at_half(rdmsr((arch_lbr ? 0x1600 : 0x6c0) + i));
}

/* As a driver does that once found them: it meets no fault, whether they are granted or not. */
static void record_all_the_time(u64 unused)
{
    (void)unused;
    while (!stop) {
        switch_records();
        return_often();
        for (u32 i = 0; i < LBR_ENTRIES; i++) {
            look_at_record(i);
        }
        turns++;
    }
    wrmsr(arch_lbr ? MSR_LBR_CTL : MSR_DEBUGCTL, 0);
}

static u64 records_meanwhile(u32 item)
{
    change(item);
    let_it_turn();
    own_records = 0;
    let_it_turn();
    return own_records;
}

static void records_come_and_go(u32 changes)
{
    u64 on, off;

    if (amd || core_count < 2)
        return;
    test_begin("branch-records");
    change(POLICY_LBR);
    arch_lbr = (rdmsr(MSR_CAPABILITIES) & 0x3f) == 0x3f;
    expect(rdmsr(MSR_CAPABILITIES) & 0x3f, "the grant is not in force");
    stop = 0;
    core_begin(cores[1], record_all_the_time, 0);
    for (u32 i = 0; i < changes; i++) {
        change(i % 2 ? POLICY_LBR : POLICY_ARCHITECTURAL);
    }
    on = records_meanwhile(POLICY_LBR);
    off = records_meanwhile(POLICY_ARCHITECTURAL);
    stop = 1;
    expect(core_wait(cores[1], PATIENCE_MS), "core 1 hangs");
    expect(on > 2 * LBR_ENTRIES - 2, "%lu records while they are granted", on);
    expect(!off, "%lu records while they are not", off);
    expect(!foreign_records, "%lu records of what is not the guest's", foreign_records);
    say("info: %lu records, %s", on, arch_lbr ? "architectural" : "of the older kind");
    test_end();
}

static void policy(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    amd = cpuid(0, 0).ecx == 0x444d4163;
    p = perfmon_here();
    test_begin("set-up");
    expect(p, "no counters with a global control");
    expect(start_all(), "a core does not start");
    if (test_end()) {
        denials_are_on_record();
        denied_in_filtered_only();
        allowed_until_tightened();
        exact_meanwhile();
        credited_after_a_change();
        off_reads_zero();
        irperf_in_full_only();
        no_last_branch();
        stops_elsewhere();
        records_come_and_go((u32)option_number("changes", CHANGES));
        samples_meanwhile((u32)option_number("changes", CHANGES));
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, policy);
}
