/* records.efi: AMD's branch records and instruction-based sampling, where the policy grants them:
 * what they hold of known code is as on the bare machine, also around exits, and nothing of the
 * hypervisor but what docs/policy.md says of samples. Bed P only. Load options: exits=N. */
#include "records/records.h"
#include "apic.h"
#include "cpu.h"
#include "cede.h"
#include "fault.h"
#include "machine.h"
#include "report.h"

#define DEBUGCTL      0x1d9U
#define LAST_BRANCH   0x1dbU /* from, to; then of the one before an interrupt */
#define LBR_SELECT    0xc000010eU
#define DBG_EXTN_CFG  0xc000010fU
#define LBR_STACK     0xc0010300U
#define IBS_OP_CTL    0xc0011033U
#define IBS_OP_RIP    0xc0011034U
#define IBS_OP_DATA3  0xc0011037U
#define IBS_DC_LINEAR 0xc0011038U
#define IBS_CTL       0xc001103aU

enum { APIC_EXTENDED_LVT = 0x500, LVT_NMI = 0x400, DEPTH = 16, PERIOD = 256 };

#define OP_ENABLE BIT(17)
#define OP_VALID  BIT(18)
#define MISSED    BIT(63)
#define IP        MASK(57, 0)

extern char _text[], _etext[];

static bool is_own(u64 address)
{
    return address >= (u64)_text && address < (u64)_etext;
}

static void clear_stack(void)
{
    for (u32 i = 0; i < 2 * DEPTH; i++) {
        wrmsr(LBR_STACK + i, 0);
    }
}

static u64 from(u32 i)
{
    return rdmsr(LBR_STACK + 2 * i) & IP;
}

static u64 to(u32 i)
{
    return rdmsr(LBR_STACK + 2 * i + 1) & IP;
}

/* `skipped`: entries of the way to the exit and back, which the table does not have. */
static void expect_known(u32 entry, u32 i)
{
    u64 base = (u64)known_branches;

    expect(from(entry) == base + known[i].from, "entry %u is from +%lx, not +%lx", entry,
           from(entry) - base, known[i].from);
    expect(to(entry) == base + known[i].to, "entry %u is to +%lx, not +%lx", entry,
           to(entry) - base, known[i].to);
}

static void known_ones(u32 exit)
{
    static const char *const names[] = {"branches", "branches-cpuid", "branches-rdmsr",
                                        "branches-selector", "branches-apic"};
    u32 entry = 0, filled = 0;

    test_begin(names[exit]);
    clear_stack();
    known_branches(exit);
    expect_known(entry++, KNOWN_BRANCHES - 1);
    expect(is_own(from(entry)) && is_own(to(entry)), "entry 1 is from %lx", from(entry));
    entry++;
    expect(is_own(from(entry)) && is_own(to(entry)), "entry 2 is from %lx", from(entry));
    entry++;
    for (u32 i = KNOWN_BRANCHES - 1; i--; entry++) {
        expect_known(entry, i);
    }
    for (u32 i = 0; i < DEPTH; i++) {
        filled += rdmsr(LBR_STACK + 2 * i + 1) >> 63;
    }
    expect(filled == KNOWN_BRANCHES + 2, "%u entries are valid", filled);
    test_end();
}

/* Bits 3 to 8 of LBR_SELECT leave out calls, returns, indirect and relative jumps; what is left is
 * the conditional one. Bit 0 leaves out all of the kernel's. */
static void filters(void)
{
    test_begin("branches-filtered");
    clear_stack();
    wrmsr(LBR_SELECT, 0x1f8);
    known_branches(BY_CPUID);
    expect_known(0, 1);
    expect(!rdmsr(LBR_STACK + 3), "a second one is from %lx", from(1));
    clear_stack();
    wrmsr(LBR_SELECT, 1);
    known_branches(BY_CPUID);
    expect(!rdmsr(LBR_STACK + 1), "one of the kernel is from %lx", from(0));
    wrmsr(LBR_SELECT, 0);
    test_end();
}

static __attribute__((noinline)) void user_branches(u64 turns)
{
    for (u64 i = 0; i < turns; i++) {
        __asm__ volatile("" ::: "memory");
    }
}

/* Of user code only: its loop, and no way in or out. */
static void of_user_code(void)
{
    test_begin("branches-user");
    clear_stack();
    wrmsr(LBR_SELECT, 1);
    wrmsr(DBG_EXTN_CFG, BIT(6));
    attempt_user(user_branches, 40, NULL);
    wrmsr(DBG_EXTN_CFG, 0);
    wrmsr(LBR_SELECT, 0);
    for (u32 i = 2; i < DEPTH; i++) {
        u64 start = (u64)user_branches;

        expect(from(i) >= start && from(i) < start + 64 && to(i) >= start && to(i) < from(i),
               "entry %u is from %lx to %lx", i, from(i), to(i));
    }
    test_end();
}

static void undefined(u64 unused)
{
    (void)unused;
    __asm__ volatile("ud2");
}

/* The last branch before an exception is kept, exits or not. */
static void last_branch(void)
{
    u64 before;

    test_begin("last-branch");
    wrmsr(DEBUGCTL, 1);
    cpuid(0, 0);
    attempt(undefined, 0, NULL);
    cpuid(0, 0);
    wrmsr(DEBUGCTL, 0);
    before = rdmsr(LAST_BRANCH + 2);
    for (u32 i = 0; i < 4; i++) {
        expect(is_own(rdmsr(LAST_BRANCH + i)), "%x reads %lx", LAST_BRANCH + i,
               rdmsr(LAST_BRANCH + i));
    }
    cpuid(0, 0);
    expect(rdmsr(LAST_BRANCH + 2) == before, "it changes while it is off");
    expect(rdmsr(LAST_BRANCH + 3) == (u64)undefined, "the last one before #UD is to %lx",
           rdmsr(LAST_BRANCH + 3));
    test_end();
}

static u64 seed = 14;

static u32 any(u32 below)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (u32)(seed >> 33) % below;
}

/* No address of whoever handles them is in any stack. */
static void random_exits(u32 count)
{
    u32 strange = 0, entries = 0;

    test_begin("branches-random-exits");
    clear_stack();
    wrmsr(DEBUGCTL, 1);
    for (u32 n = 0; n < count; n++) {
        known_branches(any(WAYS_OUT));
        for (u32 i = 0; i < DEPTH; i++) {
            u32 entry = any(DEPTH);
            bool valid = rdmsr(LBR_STACK + 2 * entry + 1) >> 63;

            entries += valid;
            strange += valid && (!is_own(from(entry)) || !is_own(to(entry)));
        }
        strange += !is_own(rdmsr(LAST_BRANCH)) || !is_own(rdmsr(LAST_BRANCH + 1));
    }
    wrmsr(DEBUGCTL, 0);
    expect(!strange, "%u of %u entries are not from here", strange, entries);
    expect(entries > count, "%u entries in all", entries);
    test_end();
}

/* --- samples ---------------------------------------------------------------------------------- */

/* So that the sample is due at the n-th instruction after the WRMSR, from 2 on. */
static u64 due_in(u32 n)
{
    return PERIOD / 16 | OP_ENABLE | (u64)(PERIOD - n) << 32;
}

/* -> the instruction of the sequence that was sampled; STRAIGHT: none, STRAIGHT + 1: nobody's here
 */
static u32 sampled(core_work *sequence, const u32 *table, u32 n)
{
    u64 base = (u64)sequence, rip;

    sequence(due_in(n));
    if (!(rdmsr(IBS_OP_CTL) & OP_VALID)) {
        return STRAIGHT;
    }
    rip = rdmsr(IBS_OP_RIP);
    wrmsr(IBS_OP_CTL, 0);
    for (u32 i = 0; i < STRAIGHT; i++) {
        if (rip == base + table[i]) {
            return i;
        }
    }
    return STRAIGHT + 1;
}

static void samples_of_straight_code(void)
{
    test_begin("samples");
    for (u32 n = 2; n <= STRAIGHT; n++) {
        u32 at = sampled(straight_plain, straight_plain_table, n);

        expect(at == n - 1, "after %u instructions it is number %u", n, at);
    }
    test_end();
}

static void samples_of_a_load(void)
{
    test_begin("samples-load");
    expect(sampled(straight_load, straight_load_table, STRAIGHT_EXIT) == STRAIGHT_EXIT - 1,
           "it is not the load");
    expect((rdmsr(IBS_OP_DATA3) & 3) == 1, "it loads and stores %lx", rdmsr(IBS_OP_DATA3));
    expect(rdmsr(IBS_DC_LINEAR) == (u64)&straight_data, "from %lx", rdmsr(IBS_DC_LINEAR));
    test_end();
}

/* Up to an exit samples are as bare. Then, until so many of the hypervisor's instructions are
 * through, they are of the hypervisor: one for one exit, and only its address. */
static void samples_around_an_exit(void)
{
    u32 strange = 0, late = 0;

    test_begin("samples-before-exit");
    for (u32 n = 2; n < STRAIGHT_EXIT; n++) {
        u32 at = sampled(straight_cpuid, straight_cpuid_table, n);

        expect(at == n - 1, "after %u instructions it is number %u", n, at);
    }
    test_end();
    for (u32 n = STRAIGHT_EXIT; n < PERIOD; n++) {
        u32 at = sampled(straight_cpuid, straight_cpuid_table, n);

        strange += at == STRAIGHT + 1 && !is_own(rdmsr(IBS_OP_RIP));
        late += at < STRAIGHT && at >= STRAIGHT_EXIT;
    }
    test_begin("samples-behind-exit");
    expect(late == STRAIGHT - STRAIGHT_EXIT, "%u of %u instructions are sampled", late,
           STRAIGHT - STRAIGHT_EXIT);
    expect(under_cede() || !strange, "%u samples are of nobody", strange);
    test_end();
    say("info: %u samples of the hypervisor at %u exits", strange, PERIOD - STRAIGHT_EXIT);
}

static volatile u32 nmis, foreign;

static void take_sample(struct frame *unused)
{
    (void)unused;
    nmis += (rdmsr(IBS_OP_CTL) & OP_VALID) != 0;
    foreign += !is_own(rdmsr(IBS_OP_RIP));
    wrmsr(IBS_OP_CTL, nmis < 1000 ? PERIOD / 16 | OP_ENABLE : 0);
}

/* By NMI through the extended LVT entry that the firmware has chosen. */
static void samples_interrupt(void)
{
    u32 entry = APIC_EXTENDED_LVT + 16 * (u32)(rdmsr(IBS_CTL) & 15), turns = 0;

    test_begin("samples-nmi");
    this_core()->handler[VECTOR_NMI] = take_sample;
    apic_write(entry, LVT_NMI);
    wrmsr(IBS_OP_CTL, PERIOD / 16 | OP_ENABLE);
    while (nmis < 1000 && turns < 1000000) {
        turns++;
        __asm__ volatile("" ::: "memory");
    }
    apic_write(entry, APIC_LVT_MASK);
    expect(nmis == 1000, "%u samples", nmis);
    expect(!foreign, "%u of them from elsewhere", foreign);
    test_end();
    wrmsr(IBS_OP_CTL, 0);
    this_core()->handler[VECTOR_NMI] = NULL;
}

static void records(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    test_begin("set-up");
    expect(cpuid(0x80000022, 0).eax & BIT(1), "no stack of branch records");
    expect(cpuid(0x80000001, 0).ecx & BIT(10), "no instruction-based sampling");
    if (test_end()) {
        for (u32 exit = 0; exit < WAYS_OUT; exit++) {
            known_ones(exit);
        }
        filters();
        of_user_code();
        last_branch();
        random_exits((u32)option_number("exits", 10000));
        samples_of_straight_code();
        samples_of_a_load();
        samples_around_an_exit();
        samples_interrupt();
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, records);
}
