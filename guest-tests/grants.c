/* grants.efi: what the policy grants beyond the core's counters is as on the bare machine while it
 * is granted, absent before, and 0 after it was withdrawn. On the image that changes the policy on
 * request (build/faulty/cede.efi), on a bed that has such registers (P). Load options: changes=N.
 */
#include "apic.h"
#include "cede.h"
#include "clock.h"
#include "fault.h"
#include "machine.h"
#include "policy/policy.h"
#include "report.h"
#include "smp.h"

enum { CHANGES = 1000, PATIENCE_MS = 120000, LOOPS = 1000 };

#define RUNS BIT(22)

/* A register that counts, and what switches it; 0: always on. `bit` of a CPUID register says that
 * it is there. */
static const struct counting {
    bool amd, gp; /* gp: absent means a fault, otherwise that it reads 0 */
    u32 control, counter;
    u32 leaf;
    char reg;
    u8 bit;
} registers[] = {
    {true, true, 0xc0010230, 0xc0010231, 0x80000001, 'c', 28}, /* L3 */
    {true, true, 0xc001023a, 0xc001023b, 0x80000001, 'c', 28},
    {true, true, 0xc0010246, 0xc0010247, 0x80000001, 'c', 24}, /* data fabric */
    {true, true, 0, 0xc001029b, 0x80000007, 'd', 14},          /* energy of the package */
    {false, false, 0x394, 0x395, 0, 0, 0},                     /* the uncore's clock */
    {false, false, 0x701, 0x703, 0, 0, 0},                     /* a CBO, which needs E01H, too */
    {false, false, 0, 0x611, 0, 0, 0},                         /* energy of the package */
};

#define UNCORE_GLOBAL    0xe01
#define UNCORE_GLOBAL_EN BIT(29)

static bool amd;

static u32 change(u32 item)
{
    return (u32)hypercall(POLICY_CALL, 0, item);
}

static bool shown(const struct counting *c)
{
    struct cpuid leaf = cpuid(c->leaf, 0);

    return ((c->reg == 'c' ? leaf.ecx : leaf.edx) >> c->bit) & 1;
}

static void spend_time(void)
{
    for (u32 i = 0; i < LOOPS; i++) {
        pause();
    }
}

static void switch_on(const struct counting *c)
{
    if (!amd) {
        wrmsr_safe(UNCORE_GLOBAL, UNCORE_GLOBAL_EN);
    }
    if (c->control) {
        wrmsr_safe(c->control, RUNS | 1);
    }
}

static void expect_there(const struct counting *c)
{
    u64 before = 0, after = 0;

    switch_on(c);
    expect(rdmsr_safe(c->counter, &before) == NO_FAULT, "%x faults", c->counter);
    for (u32 i = 0; i < 100; i++) {
        spend_time();
    }
    rdmsr_safe(c->counter, &after);
    expect(after > before, "%x stands at %lx", c->counter, after);
    expect(!c->leaf || shown(c), "CPUID %x hides %x", c->leaf, c->counter);
}

/* `gone`: it was there before. */
static void expect_gone(const struct counting *c, bool gone)
{
    u64 value = 1;
    int fault = rdmsr_safe(c->counter, &value);

    if (c->gp && !gone) {
        expect(fault == VECTOR_GP, "RDMSR %x: vector %d", c->counter, fault);
        expect(wrmsr_safe(c->control ? c->control : c->counter, 0) == VECTOR_GP,
               "WRMSR does not fault");
    } else {
        expect(fault == NO_FAULT && !value, "%x: vector %d, %lx", c->counter, fault, value);
        expect(!c->control || wrmsr_safe(c->control, RUNS) == NO_FAULT, "%x takes no write",
               c->control);
    }
    expect(!c->leaf || !shown(c), "CPUID %x shows %x", c->leaf, c->counter);
}

/* AMD's branch records and samples: the switch of each, and a register that keeps what is written.
 */
static const struct recording {
    u32 control, kept, leaf;
    char reg;
    u8 bit;
} recorders[] = {
    {0xc000010f, 0xc0010301, 0x80000022, 'a', 1},  /* DBG_EXTN_CFG, the first entry of the stack */
    {0xc0011033, 0xc0011034, 0x80000001, 'c', 10}, /* IBS_OP_CTL, IBS_OP_RIP */
};

#define RECORDERS ((u32)(sizeof recorders / sizeof recorders[0]))

static bool shows_recorder(const struct recording *r)
{
    struct cpuid leaf = cpuid(r->leaf, 0);

    return ((r->reg == 'a' ? leaf.eax : leaf.ecx) >> r->bit) & 1;
}

static void expect_recorder(const struct recording *r)
{
    u64 value = 0;

    expect(wrmsr_safe(r->kept, 0x1234) == NO_FAULT, "%x faults", r->kept);
    expect(rdmsr_safe(r->kept, &value) == NO_FAULT && value == 0x1234, "%x reads %lx", r->kept,
           value);
    expect(shows_recorder(r), "CPUID %x hides %x", r->leaf, r->kept);
}

static void expect_no_recorder(const struct recording *r, bool gone)
{
    u64 value = 1;
    int fault = rdmsr_safe(r->kept, &value), control = wrmsr_safe(r->control, 0);

    if (gone) {
        expect(fault == NO_FAULT && !value, "%x: vector %d, %lx", r->kept, fault, value);
        expect(control == NO_FAULT, "%x: vector %d", r->control, control);
    } else {
        expect(fault == VECTOR_GP && control == VECTOR_GP, "%x: vectors %d, %d", r->kept, fault,
               control);
    }
    expect(!shows_recorder(r), "CPUID %x shows %x", r->leaf, r->kept);
}

static void all_gone(const char *name, bool gone)
{
    test_begin(name);
    for (u32 i = 0; amd && i < RECORDERS; i++) {
        expect_no_recorder(&recorders[i], gone);
    }
    for (u32 i = 0; i < sizeof registers / sizeof registers[0]; i++) {
        if (registers[i].amd == amd) {
            expect_gone(&registers[i], gone);
        }
    }
    test_end();
}

static void all_there(void)
{
    test_begin("granted");
    expect(change(POLICY_EVERYTHING) == core_count, "not all cores were stopped");
    for (u32 i = 0; i < sizeof registers / sizeof registers[0]; i++) {
        if (registers[i].amd == amd) {
            expect_there(&registers[i]);
        }
    }
    for (u32 i = 0; amd && i < RECORDERS; i++) {
        expect_recorder(&recorders[i]);
    }
    test_end();
}

static const struct counting *first_register(void)
{
    const struct counting *c = registers;

    while (c->amd != amd) {
        c++;
    }
    return c;
}

/* What is granted is nobody's affair but the guest's. */
static void no_exits(void)
{
    const struct counting *c = first_register();
    u32 self = (u32)hypercall(HYPERCALL_SELF, 0, 0);
    u64 before;

    test_begin("no-exits");
    before = cede_exits(self);
    for (u32 i = 0; i < LOOPS; i++) {
        wrmsr(c->control, RUNS | 1);
        (void)rdmsr(c->counter);
    }
    expect(cede_exits(self) == before, "%lu exits", cede_exits(self) - before);
    test_end();
}

static volatile u32 stop;
static volatile u64 turns, nonzero;

/* A driver that goes on whatever happens to its registers: a fault would end it. */
static void use(u64 unused)
{
    const struct counting *c = first_register();

    (void)unused;
    while (!stop) {
        if (amd) {
            wrmsr(0xc000010f, BIT(6));       /* branches are recorded */
            wrmsr(0xc0011033, BIT(17) | 16); /* and ops sampled, without an interrupt */
        }
        wrmsr(c->control, RUNS | 1);
        nonzero += rdmsr(c->counter) != 0;
        turns++;
    }
    if (amd) {
        wrmsr(0xc000010f, 0);
        wrmsr(0xc0011033, 0);
    }
}

static void on_and_off(u32 changes)
{
    if (core_count < 2) {
        return;
    }
    test_begin("on-and-off");
    core_begin(cores[1], use, 0);
    for (u32 i = 0; i < changes; i++) {
        change(i % 2 ? POLICY_EVERYTHING : POLICY_ARCHITECTURAL);
        if (i % 64 < 2) {
            spend_time();
        }
    }
    stop = 1;
    expect(core_wait(cores[1], PATIENCE_MS), "core 1 hangs");
    expect(nonzero && nonzero < turns, "%lu of %lu reads found a value", nonzero, turns);
    say("info: %u changes during %lu reads", changes, turns);
    change(POLICY_ARCHITECTURAL);
    test_end();
}

static void grants(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    amd = cpuid(0, 0).ecx == 0x444d4163;
    test_begin("set-up");
    expect(start_all(), "a core does not start");
    if (test_end()) {
        all_gone("absent", false);
        all_there();
        no_exits();
        change(POLICY_ARCHITECTURAL);
        all_gone("withdrawn", true);
        on_and_off((u32)option_number("changes", CHANGES));
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, grants);
}
