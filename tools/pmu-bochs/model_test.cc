/* The model's logic on this machine, without an emulator: instructions are tallied as instrument.h
 * does. */
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>
extern "C" {
#include <cmocka.h>
}

#include "model/acpi.h"
#include "model/amd.h"
#include "model/intel.h"
#include "model/socket.h"

using namespace pmu;

static Tally tally;

struct FakeMachine : Machine {
    uint64_t now = 0;
    unsigned pmis = 0;
    bool svm = false;
    uint64_t ip = 0;
    unsigned samples = 0, entry = 99;
    uint64_t next_ip() override
    {
        return ip;
    }
    bool fetched_from(uint64_t at, uint64_t *physical) override
    {
        *physical = at + 0x1000000;
        return true;
    }
    void deliver_extended(unsigned which) override
    {
        samples++;
        entry = which;
    }
    uint64_t clock() override
    {
        return now;
    }
    void deliver_pmi() override
    {
        pmis++;
    }
    bool svm_enabled() override
    {
        return svm;
    }
};

static void retire(Core &core, unsigned flags = 0)
{
    if (!tally.hot)
        return;
    tally.count[BRANCHES][tally.mode] += flags & OP_BRANCH;
    if (flags & tally.branch_flags)
        core.branch_retired(flags);
    if (--tally.budget <= 0) {
        core.instruction_done();
        core.settle();
    }
}

static void retire_many(Core &core, unsigned n)
{
    while (n--)
        retire(core);
}

static void branch(Core &core, uint64_t from, bool taken)
{
    if (tally.branch_flags & OP_BRANCH)
        core.conditional(from, from + 0x100, taken);
    retire(core, OP_BRANCH | OP_CONDITIONAL);
}

/* WRMSR: it retires unless it faults. */
static Access wrmsr(Core &core, uint32_t msr, uint64_t value)
{
    Access access = core.wrmsr(msr, value);
    if (access == DONE)
        retire(core);
    return access;
}

static uint64_t rdmsr(Core &core, uint32_t msr)
{
    uint64_t value = 0xdead;
    assert_int_equal(core.rdmsr(msr, &value), DONE);
    return value;
}

static Options with(const char *text)
{
    Options options;
    assert_null(parse_options(text, &options));
    memset(&tally, 0, sizeof tally);
    return options;
}

enum : uint64_t { INSTR_OS_USR = 0x4300c0, INSTR_INT = 0x5300c0, BRANCHES_OS_USR = 0x4300c4 };

static void enabling_is_not_counted_disabling_is(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_PERFEVTSEL0, INSTR_OS_USR);
    retire_many(core, 10);
    wrmsr(core, IA32_PERFEVTSEL0, 0);
    retire_many(core, 5);
    assert_int_equal(rdmsr(core, IA32_PMC0), 11);
    wrmsr(core, IA32_FIXED_CTR_CTRL, 3);
    wrmsr(core, IA32_PERF_GLOBAL_CTRL, 1ULL << 32);
    retire_many(core, 7);
    wrmsr(core, IA32_PERF_GLOBAL_CTRL, 0);
    assert_int_equal(rdmsr(core, IA32_FIXED_CTR0), 8);
}

static void a_running_counter_takes_a_write_at_once(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_PERFEVTSEL0, INSTR_OS_USR);
    retire_many(core, 100);
    wrmsr(core, IA32_PMC0, 1000);
    assert_int_equal(rdmsr(core, IA32_PMC0), 1000);
    retire_many(core, 3);
    assert_int_equal(rdmsr(core, IA32_PMC0), 1003);
}

static void overflow_is_at_the_wrap(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_PMC0, (uint32_t)-49);
    wrmsr(core, IA32_PERFEVTSEL0, INSTR_INT);
    retire_many(core, 48);
    assert_int_equal(rdmsr(core, IA32_PERF_GLOBAL_STATUS), 0);
    retire(core);
    assert_int_equal(rdmsr(core, IA32_PERF_GLOBAL_STATUS), 1);
    assert_int_equal(rdmsr(core, IA32_PMC0), 0);
    assert_int_equal(machine.pmis, 1);
    retire(core);
    assert_int_equal(rdmsr(core, IA32_PMC0), 1);
    assert_int_equal(wrmsr(core, IA32_PERF_GLOBAL_STATUS, 0), FAULT);
    wrmsr(core, IA32_PERF_GLOBAL_STATUS_RESET, 1);
    assert_int_equal(rdmsr(core, IA32_PERF_GLOBAL_STATUS), 0);
}

static void skid_delays_the_interrupt_not_the_status(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with("skid=20"));
    wrmsr(core, IA32_PMC0, (uint32_t)-10);
    wrmsr(core, IA32_PERFEVTSEL0, INSTR_INT);
    retire_many(core, 10);
    assert_int_equal(rdmsr(core, IA32_PERF_GLOBAL_STATUS), 1);
    wrmsr(core, IA32_PERFEVTSEL0, 0);
    retire_many(core, 18);
    assert_int_equal(machine.pmis, 0);
    retire(core);
    assert_int_equal(machine.pmis, 1);
}

static void a_rejected_write_changes_nothing(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_PERFEVTSEL0, INSTR_OS_USR);
    retire_many(core, 3);
    assert_int_equal(wrmsr(core, IA32_PERFEVTSEL0, 1ULL << 32), FAULT);
    assert_int_equal(wrmsr(core, IA32_A_PMC0, 1ULL << 48), FAULT);
    assert_int_equal(wrmsr(core, IA32_PERF_GLOBAL_CTRL, 1ULL << 40), FAULT);
    assert_int_equal(wrmsr(core, IA32_FIXED_CTR_CTRL, 4), FAULT);
    assert_int_equal(wrmsr(core, IA32_DEBUGCTL, 1 << 7), FAULT);
    assert_int_equal(wrmsr(core, IA32_PERF_CAPABILITIES, 0), FAULT);
    assert_int_equal(rdmsr(core, IA32_PMC0), 3);
}

static void legacy_writes_are_sign_extended(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_PMC0, 0xffff12340000000fULL);
    assert_int_equal(rdmsr(core, IA32_PMC0), 0xf);
    wrmsr(core, IA32_PMC0, 0x80000000);
    assert_int_equal(rdmsr(core, IA32_A_PMC0), 0xffff80000000ULL);
}

static uint64_t count_with(uint64_t select)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_PERFEVTSEL0, select);
    for (unsigned k = 0; k < 10; k++) { /* B B . . B B . . ... : 10 branches of 20, in 5 pairs */
        branch(core, 0x1000, true);
        branch(core, 0x1008, true);
        retire_many(core, 2);
    }
    uint64_t value = rdmsr(core, IA32_PMC0);
    return value;
}

static void thresholds_and_edges(void **)
{
    const uint64_t CMASK1 = 1 << 24, CMASK2 = 2 << 24;
    assert_int_equal(count_with(BRANCHES_OS_USR), 20);
    assert_int_equal(count_with(BRANCHES_OS_USR | CMASK1), 20);
    assert_int_equal(count_with(BRANCHES_OS_USR | CMASK2), 0);
    assert_int_equal(count_with(BRANCHES_OS_USR | CMASK1 | SELECT_INV), 20);
    assert_int_equal(count_with(BRANCHES_OS_USR | CMASK2 | SELECT_INV), 40);
    assert_int_equal(count_with(BRANCHES_OS_USR | CMASK1 | SELECT_EDGE), 10);
    assert_int_equal(count_with(INSTR_OS_USR | 16 << 24 | SELECT_INV), 40);
    assert_int_equal(count_with(0x4301a4), 160); /* slots */
    assert_int_equal(count_with(0x4300ff), 0);   /* no such event */
}

static void branches_mispredict_where_they_must(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_PERFEVTSEL0, 0x4300c5);
    for (unsigned k = 0; k < 1000; k++)
        branch(core, 0x1000, k < 999);
    assert_int_equal(rdmsr(core, IA32_PMC0), 1);
}

static void indirect_branches_and_returns_mispredict(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_PERFEVTSEL0, 0x4380c5); /* indirect */
    wrmsr(core, IA32_PERFEVTSEL0 + 1, 0x4300c5);
    auto jump = [&](uint64_t to) {
        core.jumped(0x1000, to, OP_INDIRECT);
        retire(core, OP_BRANCH | OP_INDIRECT);
    };
    for (unsigned k = 0; k < 10; k++)
        jump(0x2000); /* the first time it is new */
    assert_int_equal(rdmsr(core, IA32_PMC0), 1);
    jump(0x3000);
    assert_int_equal(rdmsr(core, IA32_PMC0), 2);
    core.barrier();
    jump(0x3000);
    assert_int_equal(rdmsr(core, IA32_PMC0), 3);
    core.jumped(0x1000, 0x5000, OP_CALL);
    retire(core, OP_BRANCH | OP_CALL);
    core.jumped(0x5000, 0x1005, OP_RETURN);
    retire(core, OP_BRANCH | OP_RETURN);
    assert_int_equal(rdmsr(core, IA32_PMC0 + 1), 3);
    core.jumped(0x5000, 0x9000, OP_RETURN); /* to nobody who called */
    retire(core, OP_BRANCH | OP_RETURN);
    assert_int_equal(rdmsr(core, IA32_PMC0 + 1), 4);
    assert_int_equal(rdmsr(core, IA32_PMC0), 3);
}

static void overflows_before_a_late_interrupt_are_one(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with("skid=20"));
    wrmsr(core, IA32_PMC0, (uint32_t)-10);
    wrmsr(core, IA32_PMC0 + 1, (uint32_t)-16);
    wrmsr(core, IA32_PERFEVTSEL0, INSTR_INT);
    wrmsr(core, IA32_PERFEVTSEL0 + 1, INSTR_INT);
    retire_many(core, 100);
    assert_int_equal(rdmsr(core, IA32_PERF_GLOBAL_STATUS), 3);
    assert_int_equal(machine.pmis, 1);
}

static void a_flushed_line_misses_again(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_PERFEVTSEL0, 0x43412e);
    wrmsr(core, IA32_PERFEVTSEL0 + 1, 0x434f2e);
    for (unsigned k = 0; k < 10; k++)
        core.accessed(k & 1 ? 0x1000 : 0x2000);
    assert_int_equal(rdmsr(core, IA32_PMC0), 2);
    assert_int_equal(rdmsr(core, IA32_PMC0 + 1), 10);
    core.accessed(0x1020); /* the same line as before */
    assert_int_equal(rdmsr(core, IA32_PMC0 + 1), 10);
    core.flushed(0x1020);
    core.accessed(0x1000);
    assert_int_equal(rdmsr(core, IA32_PMC0), 3);
}

static void what_is_stored_only_has_reserved_bits_too(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    assert_int_equal(wrmsr(core, MSR_OFFCORE_RSP_0, 0x10001), DONE);
    assert_int_equal(rdmsr(core, MSR_OFFCORE_RSP_0), 0x10001);
    assert_int_equal(wrmsr(core, MSR_OFFCORE_RSP_1, 1ULL << 40), FAULT);
    assert_int_equal(wrmsr(core, MSR_PEBS_FRONTEND, 0x11), DONE);
    assert_int_equal(rdmsr(core, MSR_PEBS_FRONTEND), 0x11);
    assert_int_equal(wrmsr(core, MSR_PEBS_LD_LAT, 3), DONE);
    assert_int_equal(rdmsr(core, MSR_PEBS_LD_LAT), 3);
}

/* A core that records: what becomes of what the emulator says. */
struct Recorder : Intel {
    using Intel::Intel;
    Branch last = {};
    unsigned count = 0;
    bool on = true;
    bool records_branches() const override
    {
        return on;
    }
    void taken(const Branch &branch) override
    {
        last = branch;
        count++;
    }
};

static void branches_are_put_together(void **)
{
    FakeMachine machine;
    Recorder core(tally, machine, with(""));
    core.changed();
    retire(core);
    branch(core, 0x1000, true);
    assert_int_equal(core.count, 1);
    assert_int_equal(core.last.from, 0x1000);
    assert_int_equal(core.last.to, 0x1100);
    assert_int_equal(core.last.kind, CONDITIONAL_JUMP);
    branch(core, 0x1000, false);
    retire(core);
    assert_int_equal(core.count, 1);
    core.enter_mode(MODE_USER);
    core.far(0x2000, 0x3000, 0, false); /* SYSCALL: counted as user's, ends in the kernel */
    retire(core, OP_BRANCH | OP_FAR);
    assert_int_equal(core.last.kind, FAR_TRANSFER);
    assert_int_equal(core.last.from_mode, MODE_USER);
    assert_int_equal(core.last.to_mode, 0);
    core.jumped(0x10, 0x20, OP_CALL | OP_INDIRECT);
    retire(core, OP_BRANCH | OP_CALL | OP_INDIRECT);
    assert_int_equal(core.last.kind, INDIRECT_CALL);
    core.on = false;
    branch(core, 0x1000, true);
    assert_int_equal(core.count, 3);
}

static void events_are_branches_once_they_are_delivered(void **)
{
    FakeMachine machine;
    Recorder core(tally, machine, with(""));
    core.changed();
    retire(core);
    core.enter_mode(MODE_USER);
    core.event_begins(0x500, MODE_USER, 3); /* its delivery faults */
    core.event_begins(0x500, MODE_USER, 14);
    assert_int_equal(core.count, 0);
    core.event_ends(0x9000, 0);
    core.enter_mode(0);
    assert_int_equal(core.count, 1);
    assert_int_equal(core.last.kind, EVENT);
    assert_int_equal(core.last.vector, 14);
    assert_int_equal(core.last.from, 0x500);
    assert_int_equal(core.last.to, 0x9000);
    assert_int_equal(core.last.from_mode, MODE_USER);
    core.event_begins(0x600, 0, 32);
    core.event_lost(); /* an exit */
    core.event_ends(0x9000, 0);
    assert_int_equal(core.count, 1);
    core.enter_mode(0);
    core.event_begins(0x700, 0, 0x80); /* INT n: one branch, the instruction's, in its mode */
    core.far(0x6fe, 0xa000, 0, true);
    retire(core, OP_BRANCH | OP_FAR);
    core.event_ends(0xa000, 0);
    assert_int_equal(core.count, 2);
    assert_int_equal(core.last.kind, FAR_TRANSFER);
    assert_int_equal(core.last.from, 0x6fe);
    assert_int_equal(tally.count[BRANCHES][0], 1);
}

/* What is predicted is the guest's still when it goes on after an exit, as on the bare machine. */
static void an_exit_forgets_no_prediction(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_PERFEVTSEL0, 0x4300c5);
    for (unsigned k = 0; k < 5; k++)
        branch(core, 0x1000, false);
    uint64_t missed = rdmsr(core, IA32_PMC0);
    core.leaves_guest();
    core.load_global_ctrl(0);
    core.settle();
    retire_many(core, 5);
    core.enters_guest();
    core.load_global_ctrl(1);
    core.settle();
    branch(core, 0x1000, false);
    assert_int_equal(rdmsr(core, IA32_PMC0), missed);
    wrmsr(core, IA32_PERF_GLOBAL_CTRL, 0);
    wrmsr(core, IA32_PERF_GLOBAL_CTRL, 1);
    branch(core, 0x1000, false); /* first taken for taken again */
    assert_int_equal(rdmsr(core, IA32_PMC0), missed + 1);
}

/* --- branch records ----------------------------------------------------------------------------
 */
static void go(Core &core, uint64_t from, uint64_t to, unsigned flags)
{
    if (tally.branch_flags & OP_BRANCH)
        core.jumped(from, to, flags);
    retire(core, OP_BRANCH | flags);
}

static void event(Core &core, uint64_t from, unsigned from_mode, uint64_t to, uint8_t vector)
{
    core.event_begins(from, (uint8_t)from_mode, vector);
    core.event_ends(to, 0);
    core.enter_mode(0);
}

static void legacy_records_go_round(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    assert_int_equal(rdmsr(core, IA32_PERF_CAPABILITIES) & 0x3f, 5);
    wrmsr(core, IA32_DEBUGCTL, DEBUGCTL_LBR);
    for (uint64_t k = 0; k < 40; k++) {
        retire_many(core, 3);
        go(core, 0x1000 + k, 0x2000 + k, 0);
    }
    assert_int_equal(rdmsr(core, MSR_LASTBRANCH_TOS), 40 % 32);
    assert_int_equal(rdmsr(core, MSR_LASTBRANCH_FROM + 8), 0x1000 + 39);
    assert_int_equal(rdmsr(core, MSR_LASTBRANCH_TO + 9), 0x2000 + 8);
    assert_int_equal(rdmsr(core, MSR_LBR_INFO + 8), 4);
    assert_int_equal(core.lbr_stack(0).from, 0x1000 + 39);
    assert_int_equal(core.lbr_stack(31).from, 0x1000 + 8);
    wrmsr(core, IA32_DEBUGCTL, 0);
    go(core, 1, 2, 0);
    assert_int_equal(core.lbr_stack(0).from, 0x1000 + 39);
    assert_int_equal(wrmsr(core, MSR_LASTBRANCH_FROM, 0x123456), DONE);
    assert_int_equal(rdmsr(core, MSR_LASTBRANCH_FROM), 0x123456);
    assert_int_equal(wrmsr(core, MSR_LASTBRANCH_FROM, 1ULL << 48), FAULT);
    assert_int_equal(wrmsr(core, MSR_LBR_INFO, 1ULL << 20), FAULT);
    assert_int_equal(wrmsr(core, MSR_LBR_SELECT, 1 << 10), FAULT);
    assert_int_equal(wrmsr(core, IA32_LBR_CTL, 0), FAULT);
}

static void mispredictions_are_marked(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_DEBUGCTL, DEBUGCTL_LBR);
    go(core, 0x1000, 0x2000, OP_INDIRECT);
    assert_int_equal(core.lbr_stack(0).info >> 63, 1);
    go(core, 0x1000, 0x2000, OP_INDIRECT);
    assert_int_equal(core.lbr_stack(0).info >> 63, 0);
}

struct Open : Intel {
    using Intel::Intel;
    using Intel::taken;
};

/* Which of the eight kinds, to user and to kernel, get through a filter: bit 2 n, 2 n + 1. */
static unsigned through(Open &core)
{
    static uint64_t marks = 0x5000;
    unsigned seen = 0;
    for (unsigned kind = 0; kind < 8; kind++)
        for (unsigned user = 0; user < 2; user++) {
            uint64_t mark = ++marks;
            core.taken({mark, mark, (BranchKind)kind, false, 0, (uint8_t)user, 14, false});
            seen |= (unsigned)(core.lbr_stack(0).from == mark) << (2 * kind + user);
        }
    return seen;
}

static void filters(void **)
{
    FakeMachine machine;
    Open core(tally, machine, with(""));
    wrmsr(core, IA32_DEBUGCTL, DEBUGCTL_LBR);
    static const struct {
        unsigned select, ctl;
        unsigned through;
    } cases[] = {
        {0, 0x7f0006, 0xffff},
        {1, 0x7f0004, 0xaaaa},
        {2, 0x7f0002, 0x5555},
        {1 << 2, 0x7e0006, 0xfffc},
        {1 << 7, 0x7d0006, 0xfff3},
        {1 << 6, 0x7b0006, 0xffcf},
        {1 << 3, 0x770006, 0xff3f},
        {1 << 4, 0x6f0006, 0xfcff},
        {1 << 5, 0x5f0006, 0xf3ff},
        {1 << 8, 0x3f0006, 0x0fff},
        {0x1ff, 0, 0},
    };
    for (const auto &c : cases) {
        wrmsr(core, MSR_LBR_SELECT, c.select);
        assert_int_equal(through(core), c.through);
    }
    Open arch(tally, machine, with("lbr=arch"));
    for (const auto &c : cases) {
        wrmsr(arch, IA32_LBR_CTL, c.ctl | LBR_CTL_EN);
        assert_int_equal(through(arch), c.through);
    }
}

static void call_stack_mode(void **)
{
    for (const char *kind : {"lbr=legacy", "lbr=arch"}) {
        FakeMachine machine;
        Intel core(tally, machine, with(kind));
        if (core.architectural_lbr())
            wrmsr(core, IA32_LBR_CTL, 0x38000f);
        else {
            wrmsr(core, MSR_LBR_SELECT, 0x3c4);
            wrmsr(core, IA32_DEBUGCTL, DEBUGCTL_LBR);
        }
        go(core, 0x100, 0x200, OP_CALL);
        go(core, 0x210, 0x300, OP_CALL | OP_INDIRECT);
        go(core, 0x310, 0x315, OP_CALL); /* only asks where it is */
        go(core, 0x320, 0x400, 0);
        assert_int_equal(core.lbr_stack(0).from, 0x210);
        assert_int_equal(core.lbr_stack(1).from, 0x100);
        go(core, 0x400, 0x212, OP_RETURN);
        assert_int_equal(core.lbr_stack(0).from, 0x100);
        assert_int_equal(core.lbr_stack(core.lbr_depth() - 1).from, 0);
        go(core, 0x220, 0x105, OP_RETURN);
        go(core, 0x110, 0x120, OP_RETURN); /* one too many */
        for (unsigned k = 0; k < core.lbr_depth(); k++)
            assert_int_equal(core.lbr_stack(k).from, 0);
    }
}

static void architectural_records(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with("lbr=arch"));
    uint64_t value;
    assert_int_equal(rdmsr(core, IA32_PERF_CAPABILITIES) & 0x3f, 0x3f);
    assert_int_equal(core.leaf_1c().eax, 0xb);
    assert_int_equal(rdmsr(core, IA32_LBR_DEPTH), 32);
    assert_int_equal(wrmsr(core, IA32_LBR_DEPTH, 24), FAULT);
    assert_int_equal(wrmsr(core, IA32_LBR_DEPTH, 8), DONE);
    assert_int_equal(core.rdmsr(IA32_LBR_FROM + 8, &value), FAULT);
    assert_int_equal(core.rdmsr(MSR_LASTBRANCH_FROM, &value), UNKNOWN);
    assert_int_equal(wrmsr(core, IA32_LBR_CTL, 1 << 4), FAULT);
    wrmsr(core, IA32_LBR_CTL, 0x7f0007);
    for (uint64_t k = 0; k < 10; k++)
        go(core, 0x1000 + k, 0x2000 + k, 0);
    assert_int_equal(rdmsr(core, IA32_LBR_FROM), 0x1009);
    assert_int_equal(rdmsr(core, IA32_LBR_TO + 7), 0x2002);
    assert_int_equal(rdmsr(core, IA32_LBR_INFO), 1 | LBR_INFO_CYC_CNT_VALID | 2ULL << 56);
    event(core, 0x300, 0, 0x9000, 1); /* #DB is an exception like any */
    assert_int_equal(rdmsr(core, IA32_LBR_FROM), 0x300);
    assert_int_equal(rdmsr(core, IA32_LBR_INFO) >> 56 & 0xf, 8);
    wrmsr(core, IA32_LBR_DEPTH, 8);
    assert_int_equal(rdmsr(core, IA32_LBR_FROM), 0);
    assert_int_equal(rdmsr(core, IA32_LBR_CTL), 0x7f0007);
}

static void a_debug_exception_ends_recording(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_DEBUGCTL, DEBUGCTL_LBR);
    event(core, 0x300, 0, 0x9000, 13);
    assert_int_equal(core.lbr_stack(0).from, 0x300);
    core.event_begins(0x400, MODE_GUEST, 1); /* by VM entry */
    core.event_ends(0x9000, MODE_GUEST);
    assert_int_equal(rdmsr(core, IA32_DEBUGCTL), DEBUGCTL_LBR);
    core.enter_mode(0);
    event(core, 0x400, 0, 0x9000, 1);
    assert_int_equal(core.lbr_stack(0).from, 0x300);
    assert_int_equal(rdmsr(core, IA32_DEBUGCTL), 0);
}

static void a_pmi_freezes_records(void **)
{
    for (const char *version : {"version=5", "version=3"}) {
        FakeMachine machine;
        Intel core(tally, machine, with(version));
        wrmsr(core, IA32_DEBUGCTL, DEBUGCTL_LBR | DEBUGCTL_FREEZE_LBRS_ON_PMI);
        wrmsr(core, IA32_PMC0, (uint32_t)-5);
        wrmsr(core, IA32_PERFEVTSEL0, INSTR_INT);
        retire_many(core, 3);
        go(core, 0x100, 0x200, 0);
        go(core, 0x300, 0x400, 0); /* overflows, and is on record */
        assert_int_equal(machine.pmis, 1);
        go(core, 0x500, 0x600, 0);
        assert_int_equal(core.lbr_stack(0).from, 0x300);
        bool frozen = rdmsr(core, IA32_PERF_GLOBAL_STATUS) & STATUS_LBR_FRZ;
        assert_int_equal(frozen, strcmp(version, "version=5") == 0);
        assert_int_equal(rdmsr(core, IA32_DEBUGCTL) & DEBUGCTL_LBR, frozen);
        if (!frozen)
            continue;
        wrmsr(core, IA32_PERF_GLOBAL_STATUS_RESET, STATUS_LBR_FRZ | 1);
        go(core, 0x500, 0x600, 0);
        assert_int_equal(core.lbr_stack(0).from, 0x500);
    }
}

/* A guest's cycles do not run on in its host. */
static void an_exit_stops_records_and_cycles(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_DEBUGCTL, DEBUGCTL_LBR);
    go(core, 0x100, 0x200, 0);
    retire_many(core, 3);
    core.leaves_guest();
    core.load_debugctl(0);
    core.settle();
    go(core, 0x777, 0x888, 0);
    retire_many(core, 50);
    core.enters_guest();
    core.load_debugctl(DEBUGCTL_LBR);
    core.settle();
    retire_many(core, 4);
    go(core, 0x300, 0x400, 0);
    assert_int_equal(core.lbr_stack(0).from, 0x300);
    assert_int_equal(core.lbr_stack(0).info, 8);
    assert_int_equal(core.lbr_stack(1).from, 0x100);
}

static void freezing(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_DEBUGCTL, DEBUGCTL_FREEZE_PERFMON_ON_PMI);
    wrmsr(core, IA32_PMC0, (uint32_t)-5);
    wrmsr(core, IA32_PERFEVTSEL0, INSTR_INT);
    retire_many(core, 50);
    assert_int_equal(rdmsr(core, IA32_PMC0), 0);
    assert_int_equal(rdmsr(core, IA32_PERF_GLOBAL_STATUS), STATUS_CTR_FRZ | 1);
    assert_int_equal(rdmsr(core, IA32_PERF_GLOBAL_CTRL), 0xff);
    wrmsr(core, IA32_PERF_GLOBAL_STATUS_RESET, STATUS_CTR_FRZ | 1);
    retire_many(core, 4);
    assert_int_equal(rdmsr(core, IA32_PMC0), 4);

    Intel old(tally, machine, with("version=3"));
    wrmsr(old, IA32_DEBUGCTL, DEBUGCTL_FREEZE_PERFMON_ON_PMI);
    wrmsr(old, IA32_PMC0, (uint32_t)-5);
    wrmsr(old, IA32_PERFEVTSEL0, INSTR_INT);
    retire_many(old, 50);
    assert_int_equal(rdmsr(old, IA32_PMC0), 0);
    assert_int_equal(rdmsr(old, IA32_PERF_GLOBAL_CTRL), 0);
    assert_int_equal(rdmsr(old, IA32_PERF_GLOBAL_STATUS), 1);
}

static void metrics_sum_to_all_slots(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_FIXED_CTR_CTRL, 0x3000);
    wrmsr(core, IA32_FIXED_CTR0 + 3, 0);
    wrmsr(core, IA32_PERF_METRICS, 0);
    wrmsr(core, IA32_PERF_GLOBAL_CTRL, GLOBAL_METRICS | 1ULL << 35);
    for (unsigned k = 0; k < 100; k++) {
        branch(core, 0x1000, k % 7 == 0);
        retire(core);
    }
    uint64_t metrics;
    assert_true(core.rdpmc(0x20000000, &metrics));
    assert_int_equal(
        (metrics & 0xff) + (metrics >> 8 & 0xff) + (metrics >> 16 & 0xff) + (metrics >> 24), 0xff);
    assert_int_equal(metrics & 0xff, 0xff / 4);
    assert_true(metrics >> 8 & 0xff);
    assert_int_equal(rdmsr(core, IA32_FIXED_CTR0 + 3), 4 * 200);
}

static void versions_enumerate_what_they_have(void **)
{
    FakeMachine machine;
    uint64_t value;
    Intel one(tally, machine, with("version=1"));
    assert_int_equal(one.rdmsr(IA32_PERF_GLOBAL_CTRL, &value), FAULT);
    assert_int_equal(one.rdmsr(IA32_FIXED_CTR0, &value), UNKNOWN);
    Intel three(tally, machine, with("version=3 fixed=3"));
    assert_int_equal(three.rdmsr(IA32_PERF_GLOBAL_INUSE, &value), FAULT);
    assert_int_equal(wrmsr(three, IA32_PERFEVTSEL0, SELECT_ANY), DONE);
    assert_false(three.rdpmc(0x40000003, &value));
    assert_false(three.rdpmc(8, &value));
    Intel six(tally, machine, with("version=6 gp=6 width=40"));
    assert_int_equal(six.leaf_0a().eax, 0x08280606);
    wrmsr(six, IA32_PMC_GP0_CTR + 4, 77);
    assert_int_equal(rdmsr(six, IA32_PMC0 + 1), 77);
    wrmsr(six, IA32_PMC_GP0_CTR + 5, INSTR_OS_USR);
    assert_int_equal(rdmsr(six, IA32_PERFEVTSEL0 + 1), INSTR_OS_USR);
    assert_int_equal(six.rdmsr(IA32_PMC_GP0_CTR + 6, &value), UNKNOWN);
    assert_int_equal(rdmsr(six, IA32_PERF_GLOBAL_INUSE), 2);
}

static void modes_are_apart(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_PERFEVTSEL0, 0x4100c0);
    wrmsr(core, IA32_PERFEVTSEL0 + 1, 0x4200c0);
    core.enter_mode(MODE_USER);
    retire_many(core, 30);
    core.enter_mode(0);
    retire_many(core, 4);
    assert_int_equal(rdmsr(core, IA32_PMC0), 30);
    assert_int_equal(rdmsr(core, IA32_PMC0 + 1), 4);
}

static void reference_cycles_follow_the_clock(void **)
{
    FakeMachine machine;
    Intel core(tally, machine, with(""));
    wrmsr(core, IA32_FIXED_CTR_CTRL, 0x300);
    wrmsr(core, IA32_PERF_GLOBAL_CTRL, 1ULL << 34);
    machine.now = 500;
    assert_int_equal(rdmsr(core, IA32_FIXED_CTR0 + 2), 500);
    core.stop_clock();
    machine.now = 900;
    core.start_clock();
    machine.now = 1000;
    assert_int_equal(rdmsr(core, IA32_FIXED_CTR0 + 2), 600);
}

static unsigned guest_and_host(uint64_t filter, bool svm)
{
    FakeMachine machine;
    machine.svm = svm;
    Amd core(tally, machine, with(""));
    wrmsr(core, PERF_CTL0, INSTR_OS_USR | filter);
    retire_many(core, 10);
    core.enter_mode(MODE_GUEST);
    retire_many(core, 100);
    core.enter_mode(0);
    return (unsigned)rdmsr(core, PERF_CTL0 + 1);
}

static void amd_counts_host_and_guest_as_asked(void **)
{
    const uint64_t GUEST = 1ULL << 40, HOST = 1ULL << 41;
    assert_int_equal(guest_and_host(0, true), 110);
    assert_int_equal(guest_and_host(GUEST, true), 100);
    assert_int_equal(guest_and_host(HOST, true), 10);
    assert_int_equal(guest_and_host(GUEST | HOST, true), 110);
    assert_int_equal(guest_and_host(GUEST, false), 110);
}

static void amd_registers(void **)
{
    FakeMachine machine;
    uint64_t value;
    Amd core(tally, machine, with(""));
    wrmsr(core, K7_EVNTSEL0 + 1, ~0ULL & ~(1ULL << 22));
    assert_int_equal(rdmsr(core, PERF_CTL0 + 2), 0x0000030fff97ffffULL);
    wrmsr(core, PERF_CTL0 + 2, INSTR_INT);
    wrmsr(core, K7_PERFCTR0 + 1, (uint64_t)-3);
    retire_many(core, 4);
    assert_int_equal(rdmsr(core, PERF_CTL0 + 3), 1);
    assert_int_equal(rdmsr(core, PERF_GLOBAL_STATUS), 2);
    assert_int_equal(machine.pmis, 1);
    wrmsr(core, PERF_GLOBAL_STATUS_CLR, 2);
    assert_int_equal(rdmsr(core, PERF_GLOBAL_STATUS), 0);
    assert_int_equal(wrmsr(core, PERF_GLOBAL_CTL, 1 << 6), FAULT);
    assert_true(core.rdpmc(5, &value));
    assert_false(core.rdpmc(6, &value));
    wrmsr(core, HWCR, 1 << 30);
    retire_many(core, 9);
    assert_int_equal(rdmsr(core, IRPERF_COUNT), 9);

    Amd old(tally, machine, with("v2=0"));
    assert_int_equal(old.rdmsr(PERF_GLOBAL_STATUS, &value), UNKNOWN);
    wrmsr(old, PERF_CTL0, INSTR_OS_USR); /* EN alone decides */
    retire_many(old, 6);
    assert_int_equal(rdmsr(old, PERF_CTL0 + 1), 6);
}

/* As port 0xf5 wants it: without any counter, and with one that comes and goes. */
static void all_instructions_are_tallied(void **)
{
    FakeMachine machine;
    Amd core(tally, machine, with(""));
    retire_many(core, 5);
    core.tally_always(MODE_GUEST);
    retire(core); /* the OUT itself */
    uint64_t guest = core.instructions(GUEST_MODES), host = core.instructions(HOST_MODES);
    retire_many(core, 7);
    core.enter_mode(0);
    retire_many(core, 3);
    assert_int_equal(wrmsr(core, PERF_CTL0, INSTR_OS_USR), DONE);
    assert_int_equal(wrmsr(core, PERF_CTL0, 0), DONE);
    retire_many(core, 3);
    assert_int_equal(core.instructions(GUEST_MODES) - guest, 7);
    assert_int_equal(core.instructions(HOST_MODES) - host, 8);
}

static void options_are_checked(void **)
{
    Options options;
    assert_null(parse_options("gp=4  fixed=3 skid=9", &options));
    assert_int_equal(options.gp, 4);
    assert_int_equal(options.metrics, 0);
    assert_string_equal(parse_options("gp=4 gp=9", &options), "gp=9");
    assert_non_null(parse_options("unknown=1", &options));
    assert_non_null(parse_options("gp=4x", &options));
    assert_null(parse_options("lbr=arch gp=3", &options));
    assert_int_equal(options.lbr, 1);
    assert_int_equal(options.gp, 3);
    assert_non_null(parse_options("lbr=archaic", &options));
}

static void acpi_is_well_formed(void **)
{
    AcpiFiles files = acpi_files(4, 512 << 20);
    assert_int_equal(files.rsdp.size(), 20);
    assert_int_equal(files.loader.size() % 128, 0);
    uint32_t at = 64, tables = 0;
    while (at < files.tables.size()) {
        uint32_t length;
        memcpy(&length, &files.tables[at + 4], 4);
        assert_in_range(length, 36, files.tables.size() - at);
        at += length;
        tables++;
    }
    assert_int_equal(tables, 4);
    assert_int_equal(at, files.tables.size());
}

/* The socket's counters are one vendor's, run while control and global control let them, and keep
 * their value while not. */
/* --- AMD's branch records ---------------------------------------------------------------------
 */

static Branch taken_branch(uint64_t from, BranchKind kind, bool user, bool missed)
{
    uint8_t mode = user ? (uint8_t)MODE_USER : (uint8_t)0;
    return {from, from + 0x10, kind, missed, mode, mode, 0, false};
}

static uint64_t lbr_msr(const AmdLbr &lbr, uint32_t msr)
{
    uint64_t value = 0xdead;
    assert_int_equal(lbr.rdmsr(msr, &value), DONE);
    return value;
}

static void the_latest_branch_is_first(void **)
{
    AmdLbr lbr(true);
    assert_false(lbr.records(false));
    lbr.taken(taken_branch(0x1000, RELATIVE_JUMP, false, false), false);
    assert_int_equal(lbr_msr(lbr, LBR_STACK + 1), 0);
    lbr.wrmsr(DBG_EXTN_CFG, 1 << 6);
    assert_true(lbr.records(false));
    assert_false(lbr.records(true)); /* frozen */
    for (uint64_t n = 1; n <= 20; n++)
        lbr.taken(taken_branch(n << 12, RELATIVE_JUMP, false, n == 20), false);
    for (unsigned n = 0; n < 16; n++) {
        uint64_t from = (20ULL - n) << 12;
        assert_int_equal(lbr_msr(lbr, LBR_STACK + 2 * n), from | (n == 0 ? 1ULL << 63 : 0));
        assert_int_equal(lbr_msr(lbr, LBR_STACK + 2 * n + 1), (from + 0x10) | 3ULL << 62);
    }
    lbr.taken(taken_branch(0x99000, RELATIVE_JUMP, false, false), true);
    assert_int_equal(lbr_msr(lbr, LBR_STACK + 2), 19 << 12);
    lbr.wrmsr(LBR_STACK + 30, 7);
    assert_int_equal(lbr_msr(lbr, LBR_STACK + 30), 7);
    assert_int_equal(lbr.wrmsr(DBG_EXTN_CFG, 1), FAULT);
    assert_int_equal(lbr.wrmsr(LBR_SELECT, 0x200), FAULT);
    assert_int_equal(lbr.wrmsr(LBR_STACK + 32, 0), UNKNOWN);
    assert_int_equal(AmdLbr(false).wrmsr(LBR_STACK, 0), UNKNOWN);
}

static void amds_filters_leave_out(void **)
{
    static const BranchKind kinds[] = {CONDITIONAL_JUMP, RELATIVE_CALL, INDIRECT_CALL, NEAR_RETURN,
                                       INDIRECT_JUMP,    RELATIVE_JUMP, FAR_TRANSFER,  EVENT};
    for (unsigned bit = 0; bit < 9; bit++) {
        AmdLbr lbr(true);
        lbr.wrmsr(DBG_EXTN_CFG, 1 << 6);
        lbr.wrmsr(LBR_SELECT, 1 << bit);
        for (unsigned k = 0; k < 8; k++)
            for (unsigned user = 0; user < 2; user++) {
                unsigned own = k == 7 ? 8 : k + 2;
                bool left_out = bit < 2 ? bit == user : bit == own;
                lbr.wrmsr(LBR_STACK + 1, 0);
                lbr.taken(taken_branch(0x5000, kinds[k], user, false), false);
                assert_int_equal(lbr_msr(lbr, LBR_STACK + 1) >> 63, !left_out);
            }
    }
}

static void the_last_branch_before_an_event_is_kept(void **)
{
    AmdLbr lbr(false);
    lbr.wrmsr(AMD_DEBUGCTL, 1);
    lbr.taken(taken_branch(0x1000, NEAR_RETURN, false, false), false);
    Branch event = taken_branch(0x2000, EVENT, false, false);
    event.vector = 6;
    lbr.taken(event, false);
    assert_int_equal(lbr_msr(lbr, 0x1db), 0x2000);
    assert_int_equal(lbr_msr(lbr, 0x1dc), 0x2010);
    assert_int_equal(lbr_msr(lbr, 0x1dd), 0x1000);
    assert_int_equal(lbr_msr(lbr, 0x1de), 0x1010);
    assert_int_equal(lbr_msr(lbr, AMD_DEBUGCTL), 1);
    event.vector = 1;
    lbr.taken(event, false);
    assert_int_equal(lbr_msr(lbr, AMD_DEBUGCTL), 0);
    lbr.taken(taken_branch(0x3000, NEAR_RETURN, false, false), false);
    assert_int_equal(lbr_msr(lbr, 0x1db), 0x2000);
}

/* What LBR virtualization moves: all of the guest's; of the host's not the stack. */
static void records_change_hands(void **)
{
    AmdLbr lbr(true);
    lbr.wrmsr(AMD_DEBUGCTL, 0x1002);
    lbr.wrmsr(DBG_EXTN_CFG, 1 << 6);
    for (uint64_t n = 1; n <= 5; n++)
        lbr.taken(taken_branch(n << 12, RELATIVE_JUMP, false, false), false);
    AmdLbr::State host = lbr.state();
    assert_int_equal(host.stack[0], 5 << 12);
    assert_int_equal(host.stack[8], 1 << 12);
    AmdLbr::State guest = {0xffff, {1, 2, 3, 4}, 0xffff, {0x77}, 0xffff};
    lbr.load_guest(guest);
    assert_int_equal(lbr_msr(lbr, AMD_DEBUGCTL), 0x1803);
    assert_int_equal(lbr_msr(lbr, DBG_EXTN_CFG), 1 << 6);
    assert_int_equal(lbr_msr(lbr, LBR_SELECT), 0x1ff);
    assert_int_equal(lbr_msr(lbr, LBR_STACK), 0x77);
    assert_int_equal(lbr_msr(lbr, 0x1de), 4);
    lbr.load_host(host);
    assert_int_equal(lbr_msr(lbr, AMD_DEBUGCTL), 0x1002);
    assert_int_equal(lbr_msr(lbr, 0x1db), 0);
    assert_int_equal(lbr_msr(lbr, LBR_STACK), 0x77);
    assert_int_equal(lbr_msr(lbr, LBR_SELECT), 0x1ff);
}

/* --- samples ---------------------------------------------------------------------------------- */

enum : uint64_t { IBS_OP_EN = 1 << 17, IBS_OP_VAL = 1 << 18 };

/* Instructions of four bytes in a row. */
static void walk(Core &core, FakeMachine &machine, unsigned n)
{
    while (n--) {
        machine.ip += 4;
        retire(core);
    }
}

static void an_op_is_sampled_when_its_period_is_over(void **)
{
    FakeMachine machine;
    Amd core(tally, machine, with(""));
    wrmsr(core, IBS_OP_CTL, 2 | IBS_OP_EN); /* each 32nd */
    walk(core, machine, 31);
    assert_int_equal(machine.samples, 0);
    assert_int_equal(rdmsr(core, IBS_OP_CTL) >> 32, 31);
    core.inspected_access(0x123457, 0x9457, 4, true, false);
    core.inspected_access(0x200000, 0x9000, 4, false, true);
    walk(core, machine, 1);
    assert_int_equal(machine.samples, 1);
    assert_int_equal(machine.entry, 0);
    assert_int_equal(rdmsr(core, IBS_OP_CTL), 32ULL << 32 | IBS_OP_VAL | IBS_OP_EN | 2);
    assert_int_equal(rdmsr(core, IBS_OP_RIP), 31 * 4);
    assert_int_equal(rdmsr(core, IBS_DC_LINEAR), 0x123457);
    assert_int_equal(rdmsr(core, IBS_DC_PHYSICAL), 0x9457);
    assert_int_equal(rdmsr(core, IBS_OP_DATA3), 3ULL << 22 | 3 << 17 | 1 << 8 | 3);
    walk(core, machine, 100);
    assert_int_equal(machine.samples, 1); /* until somebody has taken note */
    assert_int_equal(core.wrmsr(IBS_CTL, 0), FAULT);
}

static void a_count_goes_on_where_it_is_put(void **)
{
    FakeMachine machine;
    Amd core(tally, machine, with(""));
    wrmsr(core, IBS_OP_CTL, 30ULL << 32 | 2 | IBS_OP_EN | 1 << 20); /* 32 + 2^20 */
    assert_int_equal(rdmsr(core, IBS_OP_CTL) >> 32, 30);
    wrmsr(core, IBS_OP_CTL, 30ULL << 32 | 2 | IBS_OP_EN);
    walk(core, machine, 2);
    assert_int_equal(machine.samples, 1);
    wrmsr(core, IBS_OP_CTL, 2); /* off */
    walk(core, machine, 100);
    assert_int_equal(machine.samples, 1);
}

/* An interrupt before the tagged one: what runs next is sampled in its place. */
static void what_begins_next_is_sampled(void **)
{
    FakeMachine machine;
    Amd core(tally, machine, with(""));
    wrmsr(core, IBS_OP_CTL, 1 | IBS_OP_EN);
    walk(core, machine, 15);
    core.event_begins(60, 0, 32);
    core.event_ends(0x8000, 0);
    core.enter_mode(0);
    walk(core, machine, 1);
    assert_int_equal(rdmsr(core, IBS_OP_RIP), 0x8000);
}

static void a_fetch_has_its_physical_address(void **)
{
    FakeMachine machine;
    Amd core(tally, machine, with(""));
    wrmsr(core, IBS_FETCH_CTL, 1ULL << 48 | 1);
    walk(core, machine, 16);
    assert_int_equal(machine.samples, 1);
    assert_int_equal(rdmsr(core, IBS_FETCH_LINEAR), 60);
    assert_int_equal(rdmsr(core, IBS_FETCH_PHYSICAL), 0x1000000 + 60);
    assert_int_equal(rdmsr(core, IBS_FETCH_CTL) >> 49 & 0xb, 0xb); /* valid, complete, physical */
    Amd none(tally, machine, with("ibs=0 lbrv2=0"));
    uint64_t value;
    assert_int_equal(none.rdmsr(IBS_FETCH_CTL, &value), UNKNOWN);
    assert_int_equal(none.rdmsr(LBR_STACK, &value), UNKNOWN);
    assert_int_equal(none.rdmsr(LAST_BRANCH_FROM, &value), DONE);
}

static void counters_of_the_socket(void **)
{
    Socket socket;
    uint64_t value;
    socket.reset();
    assert_int_equal(socket.rdmsr(true, 0xc0010230, 0, &value), UNKNOWN);
    assert_int_equal(socket.rdmsr(false, 0x700, 0, &value), UNKNOWN);
    assert_int_equal(socket.wrmsr(true, 0x701, 100, 1 << 22), DONE);
    socket.rdmsr(true, 0x703, 200, &value);
    assert_int_equal(value, 0);
    socket.wrmsr(true, 0xe01, 300, 1 << 29);
    socket.rdmsr(true, 0x703, 350, &value);
    assert_int_equal(value, 50);
    socket.wrmsr(true, 0x703, 350, 0xfffffffffff0);
    socket.wrmsr(true, 0x701, 370, 0);
    socket.rdmsr(true, 0x703, 999, &value);
    assert_int_equal(value, 4); /* 48 bits */
    socket.rdmsr(true, 0x702, 999, &value);
    assert_int_equal(value, 0);
    socket.wrmsr(true, 0x394, 1000, 1 << 22);
    socket.wrmsr(true, 0xe01, 1000, 0);
    socket.rdmsr(true, 0x395, 1010, &value);
    assert_int_equal(value, 10); /* the clock heeds its own control only */
    assert_int_equal(socket.wrmsr(true, 0x611, 0, 1), FAULT);
    assert_int_equal(socket.rdmsr(true, 0x611, 0x1234567000, &value), DONE);
    assert_int_equal(value, 0x1234567);
    socket.wrmsr(false, 0xc0010246, 0, 1 << 22);
    assert_true(socket.rdpmc(9, 77, &value));
    assert_int_equal(value, 77);
    assert_true(socket.rdpmc(15, 77, &value));
    assert_int_equal(value, 0);
    assert_false(socket.rdpmc(16, 77, &value));
    assert_false(socket.rdpmc(5, 77, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_branch_is_first),
        cmocka_unit_test(amds_filters_leave_out),
        cmocka_unit_test(the_last_branch_before_an_event_is_kept),
        cmocka_unit_test(records_change_hands),
        cmocka_unit_test(an_op_is_sampled_when_its_period_is_over),
        cmocka_unit_test(a_count_goes_on_where_it_is_put),
        cmocka_unit_test(what_begins_next_is_sampled),
        cmocka_unit_test(a_fetch_has_its_physical_address),
        cmocka_unit_test(counters_of_the_socket),
        cmocka_unit_test(enabling_is_not_counted_disabling_is),
        cmocka_unit_test(a_running_counter_takes_a_write_at_once),
        cmocka_unit_test(overflow_is_at_the_wrap),
        cmocka_unit_test(skid_delays_the_interrupt_not_the_status),
        cmocka_unit_test(a_rejected_write_changes_nothing),
        cmocka_unit_test(legacy_writes_are_sign_extended),
        cmocka_unit_test(thresholds_and_edges),
        cmocka_unit_test(branches_mispredict_where_they_must),
        cmocka_unit_test(indirect_branches_and_returns_mispredict),
        cmocka_unit_test(overflows_before_a_late_interrupt_are_one),
        cmocka_unit_test(a_flushed_line_misses_again),
        cmocka_unit_test(what_is_stored_only_has_reserved_bits_too),
        cmocka_unit_test(branches_are_put_together),
        cmocka_unit_test(events_are_branches_once_they_are_delivered),
        cmocka_unit_test(an_exit_forgets_no_prediction),
        cmocka_unit_test(legacy_records_go_round),
        cmocka_unit_test(mispredictions_are_marked),
        cmocka_unit_test(filters),
        cmocka_unit_test(call_stack_mode),
        cmocka_unit_test(architectural_records),
        cmocka_unit_test(a_debug_exception_ends_recording),
        cmocka_unit_test(a_pmi_freezes_records),
        cmocka_unit_test(an_exit_stops_records_and_cycles),
        cmocka_unit_test(freezing),
        cmocka_unit_test(metrics_sum_to_all_slots),
        cmocka_unit_test(versions_enumerate_what_they_have),
        cmocka_unit_test(modes_are_apart),
        cmocka_unit_test(reference_cycles_follow_the_clock),
        cmocka_unit_test(amd_counts_host_and_guest_as_asked),
        cmocka_unit_test(amd_registers),
        cmocka_unit_test(all_instructions_are_tallied),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(acpi_is_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
