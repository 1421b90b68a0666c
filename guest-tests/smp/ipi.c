/* Interrupts between all pairs of cores, one outstanding at a time: each arrives exactly once,
 * nothing else arrives anywhere. Receivers sleep in HLT with interrupts on. */
#include "apic.h"
#include "clock.h"
#include "cpu.h"
#include "report.h"
#include "smp.h"
#include "smp_probes.h"

enum {
    VECTOR_PAIR = 0x91,
    VECTOR_GROUP = 0x92,
    VECTOR_LOWEST = 0x93,
    VECTOR_STOP = 0x94,
    PAIR_ROUNDS = 100,
    GROUP_ROUNDS = 100,
    PATIENCE_MS = 2000,
};

static volatile u32 stop;

static void listen(u64 unused)
{
    (void)unused;
    while (!stop) {
        __asm__ volatile("sti; hlt; cli" ::: "memory");
    }
}

static bool wait_count(struct core *core, u32 vector, u32 wanted)
{
    u64 end = deadline(PATIENCE_MS);
    while (core->count[vector] != wanted) {
        if (past(end)) {
            return false;
        }
        irq_window(); /* the sender may be among the receivers */
        pause();
    }
    return true;
}

static void send_pair(struct core *to, u32 command, u32 vector)
{
    for (u32 round = 0; round < PAIR_ROUNDS; round++) {
        u32 before = to->count[vector];
        apic_send(to->apic_id, command);
        if (!wait_count(to, vector, before + 1)) {
            test_fail("core %u to %u, command %x, round %u: count %u, was %u", this_core()->index,
                      to->index, command, round, to->count[vector], before);
            return;
        }
    }
}

static void send_to_all(u64 command)
{
    u32 vector = command & 0x700 ? VECTOR_NMI : (u32)command & 0xff;
    for (u32 i = 0; i < core_count; i++) {
        if (cores[i] != this_core()) {
            send_pair(cores[i], (u32)command, vector);
        }
    }
}

/* All others listen while the sender works. */
static void with_listeners(struct core *sender, core_work *work, u64 argument)
{
    stop = 0;
    for (u32 i = 1; i < core_count; i++) {
        core_begin(cores[i], cores[i] == sender ? work : listen, cores[i] == sender ? argument : 0);
    }
    irq_on();
    if (sender == cores[0]) {
        work(argument);
    } else if (!core_wait(sender, 60000)) {
        test_fail("sender %u did not finish", sender->index);
    }
    irq_off();
    stop = 1;
    for (u32 i = 1; i < core_count; i++) {
        apic_send(cores[i]->apic_id, ICR_ASSERT | VECTOR_STOP);
        expect(core_wait(cores[i], PATIENCE_MS), "core %u does not stop", i);
    }
}

static void clear_counts(u32 vector)
{
    for (u32 i = 0; i < core_count; i++) {
        cores[i]->count[vector] = 0;
    }
}

static void expect_counts(u32 vector, u32 each)
{
    for (u32 i = 0; i < core_count; i++) {
        expect(cores[i]->count[vector] == each, "core %u: %u interrupts, not %u", i,
               cores[i]->count[vector], each);
    }
}

static void pairs(const char *name, u32 command, u32 vector)
{
    test_begin(name);
    clear_counts(vector);
    for (u32 i = 0; i < core_count; i++) {
        with_listeners(cores[i], send_to_all, command);
    }
    expect_counts(vector, PAIR_ROUNDS * (core_count - 1));
    test_end();
}

/* A command that reaches every core in the mask, once each. */
struct group {
    const char *name;
    u32 destination, command;
    bool self, others;
};

static void send_group(u64 argument)
{
    const struct group *g = (const struct group *)argument;
    u32 vector = g->command & 0x700 ? VECTOR_NMI : g->command & 0xff;
    for (u32 round = 0; round < GROUP_ROUNDS; round++) {
        u32 before[MAX_CORES];
        for (u32 i = 0; i < core_count; i++) {
            before[i] = cores[i]->count[vector];
        }
        apic_send(g->destination, g->command);
        for (u32 i = 0; i < core_count; i++) {
            bool member = cores[i] == this_core() ? g->self : g->others;
            if (member && !wait_count(cores[i], vector, before[i] + 1)) {
                test_fail("from %u, core %u, round %u: count %u, was %u", this_core()->index, i,
                          round, cores[i]->count[vector], before[i]);
                return;
            }
        }
    }
}

static void group(const struct group *g)
{
    u32 vector = g->command & 0x700 ? VECTOR_NMI : g->command & 0xff;
    u32 senders = (g->self ? 1 : 0) + (g->others ? core_count - 1 : 0);
    test_begin(g->name);
    clear_counts(vector);
    for (u32 i = 0; i < core_count; i++) {
        with_listeners(cores[i], send_group, (u64)g);
    }
    expect_counts(vector, GROUP_ROUNDS * senders);
    test_end();
}

static void set_logical_id(u64 unused)
{
    (void)unused;
    if (!apic_is_x2()) {
        xapic_write(APIC_DFR, ~0U);
        xapic_write(APIC_LDR, this_core()->index < 8 ? 1U << (24 + this_core()->index) : 0);
    }
}

static u32 logical_id(const struct core *core)
{
    u32 id = core->apic_id;
    return apic_is_x2() ? (id >> 4) << 16 | 1U << (id & 15) : 1U << core->index;
}

/* Logical destinations: each core alone, addressed by its bit; then all bits at once. */
static void send_logical(u64 unused)
{
    (void)unused;
    u32 all = 0;
    for (u32 i = 0; i < core_count; i++) {
        u32 before = cores[i]->count[VECTOR_GROUP];
        apic_send(logical_id(cores[i]), ICR_ASSERT | ICR_LOGICAL | VECTOR_GROUP);
        expect(wait_count(cores[i], VECTOR_GROUP, before + 1), "core %u not reached", i);
        all |= logical_id(cores[i]);
    }
    for (u32 round = 0; round < GROUP_ROUNDS; round++) {
        u32 before[MAX_CORES];
        for (u32 i = 0; i < core_count; i++) {
            before[i] = cores[i]->count[VECTOR_GROUP];
        }
        apic_send(all, ICR_ASSERT | ICR_LOGICAL | VECTOR_GROUP);
        for (u32 i = 0; i < core_count; i++) {
            expect(wait_count(cores[i], VECTOR_GROUP, before[i] + 1), "core %u, round %u", i,
                   round);
        }
    }
}

static void logical(void)
{
    test_begin("ipi-logical");
    if (core_count <= 8) {
        core_run_all(set_logical_id, 0, PATIENCE_MS);
        clear_counts(VECTOR_GROUP);
        for (u32 i = 0; i < core_count; i++) {
            with_listeners(cores[i], send_logical, 0);
        }
        expect_counts(VECTOR_GROUP, core_count * (GROUP_ROUNDS + 1));
    }
    test_end();
}

static u32 total(u32 vector)
{
    u32 sum = 0;
    for (u32 i = 0; i < core_count; i++) {
        sum += cores[i]->count[vector];
    }
    return sum;
}

/* Lowest priority: one of the addressed cores takes it, which one is the processor's choice. */
static void send_lowest(u64 unused)
{
    (void)unused;
    u32 all = 0;
    for (u32 i = 0; i < core_count; i++) {
        all |= logical_id(cores[i]);
    }
    for (u32 round = 0; round < GROUP_ROUNDS; round++) {
        u32 before = total(VECTOR_LOWEST);
        u64 end = deadline(PATIENCE_MS);
        apic_send(all, ICR_ASSERT | ICR_LOGICAL | 1 << 8 | VECTOR_LOWEST);
        while (total(VECTOR_LOWEST) != before + 1 && !past(end)) {
            irq_window();
        }
        expect(total(VECTOR_LOWEST) == before + 1, "round %u: %u taken", round,
               total(VECTOR_LOWEST) - before);
    }
}

static void lowest(void)
{
    test_begin("ipi-lowest-priority");
    if (core_count <= 8 && !apic_is_x2()) {
        clear_counts(VECTOR_LOWEST);
        with_listeners(cores[0], send_lowest, 0);
    }
    test_end();
}

void ipi_probes(void)
{
    static const struct group groups[] = {
        {"ipi-self", 0, ICR_ASSERT | ICR_SELF | VECTOR_GROUP, true, false},
        {"ipi-others", 0, ICR_ASSERT | ICR_OTHERS | VECTOR_GROUP, false, true},
        {"ipi-all", 0, ICR_ASSERT | ICR_ALL | VECTOR_GROUP, true, true},
        {"ipi-others-nmi", 0, ICR_ASSERT | ICR_OTHERS | ICR_NMI, false, true},
    };
    struct group broadcast = {"ipi-physical-broadcast", apic_is_x2() ? ~0U : 0xff,
                              ICR_ASSERT | VECTOR_GROUP, true, true};
    pairs("ipi-pairs-fixed", ICR_ASSERT | VECTOR_PAIR, VECTOR_PAIR);
    pairs("ipi-pairs-nmi", ICR_ASSERT | ICR_NMI, VECTOR_NMI);
    for (u32 i = 0; i < COUNT(groups); i++) {
        group(&groups[i]);
    }
    group(&broadcast);
    logical();
    lowest();
}
