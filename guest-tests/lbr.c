/* lbr.efi: what Intel's branch records hold, of either kind, after code whose branches are known;
 * around exits, faults, interrupts and PMIs. Each record is a line
 *
 *     test: lbr: NAME N FROM TO [missed]
 *
 * with addresses counted from the code's start: a run under Cede is to say what a bare one says.
 * Cede has `allow lbr` (tools/tests.d/lbr.conf); with load option `denied` it has not, and the test
 * is that there is nothing. Load option exits=N: so many exits must leave no record. */
#include "lbr/lbr.h"
#include "apic.h"
#include "cede.h"
#include "fault.h"
#include "machine.h"
#include "perfmon.h"
#include "report.h"

enum { DEEPEST = 32, EXITS = 10000, TURNS_COUNTED = 100, OVERFLOW_AFTER = 77 };

#define DEBUGCTL        0x1d9U
#define DEBUGCTL_LBR    BIT(0)
#define DEBUGCTL_FREEZE BIT(11)
#define CAPABILITIES    0x345U
#define MISC_ENABLE     0x1a0U
#define MSR_ABSENT      0x4fffU
#define VECTOR_SOFT     0x83
#define VECTOR_WOKEN    0x91

/* The two kinds' registers; SELECT and DEPTH have no like. */
static const struct kind {
    u32 from, to, info, enable;
    bool arch;
} older = {0x680, 0x6c0, 0xdc0, DEBUGCTL, false}, newer = {0x1500, 0x1600, 0x1200, 0x14ce, true};

#define LBR_SELECT  0x1c8U
#define LBR_TOS     0x1c9U
#define LBR_CTL_ALL 0x7f0007ULL

/* What is let in: everything, far branches alone, and calls as a stack. */
enum filter { ALL, FAR, CALL_STACK };
static const u64 select_values[] = {0, 0xff & ~3ULL, 0x3c4};
static const u64 ctl_values[] = {LBR_CTL_ALL, 0x400007, 0x38000f};

static const struct kind *kind;
static u32 depth;

static u32 place(u32 age)
{
    return kind->arch ? age : (u32)(rdmsr(LBR_TOS) - age) % DEEPEST;
}

static void empty(void)
{
    for (u32 i = 0; i < depth; i++) {
        wrmsr(kind->from + i, 0);
        wrmsr(kind->to + i, 0);
        wrmsr(kind->info + i, 0);
    }
}

static struct lbr_switch switch_of(enum filter filter, u64 debugctl)
{
    if (kind->arch) {
        wrmsr(DEBUGCTL, debugctl);
        return (struct lbr_switch){kind->enable, ctl_values[filter], 0};
    }
    wrmsr(LBR_SELECT, select_values[filter]);
    return (struct lbr_switch){kind->enable, debugctl | DEBUGCTL_LBR, 0};
}

static void run(lbr_body *body, enum filter filter, u64 debugctl)
{
    struct lbr_switch how = switch_of(filter, debugctl);

    empty();
    body(&how);
}

/* -> how many there are */
static u32 show(const char *name)
{
    u32 age = 0;

    for (; age < depth && rdmsr(kind->from + place(age)); age++) {
        u32 at = place(age);
        long from = (long)(rdmsr(kind->from + at) - (u64)lbr_start),
             to = (long)(rdmsr(kind->to + at) - (u64)lbr_start);

        say("test: lbr: %s %u %ld %ld%s", name, age, from, to,
            rdmsr(kind->info + at) >> 63 ? " missed" : "");
    }
    return age;
}

static void records(const char *name, lbr_body *body, enum filter filter, u32 wanted)
{
    test_begin(name);
    run(body, filter, 0);
    u32 seen = show(name);
    expect(seen == wanted, "%u records, not %u", seen, wanted);
    test_end();
}

/* --- faults and interrupts ------------------------------------------------------------------- */

static void skip_two(struct frame *frame)
{
    frame->rip += 2;
}

static void go_on(struct frame *frame)
{
    (void)frame;
}

static void woken(struct frame *frame)
{
    (void)frame;
    apic_eoi();
}

static void faults(void)
{
    struct core *me = this_core();

    me->handler[VECTOR_UD] = me->handler[VECTOR_GP] = skip_two;
    me->handler[VECTOR_BP] = me->handler[VECTOR_SOFT] = go_on;
    records("faults", lbr_faults, FAR, 6);
    lbr_msr = MSR_ABSENT;
    records("general-protection", lbr_denied, FAR, 4);
    me->handler[VECTOR_GP] = me->handler[VECTOR_BP] = me->handler[VECTOR_SOFT] = NULL;
    me->handler[VECTOR_WOKEN] = woken;
    apic_enable();
    apic_send(apic_id(), ICR_ASSERT | VECTOR_WOKEN);
    records("halt", lbr_halt, FAR, 2);
}

/* Both rings, apart: what leads to user code is in its list, what leads out of it is not. */
static void rings(void)
{
    static const u64 user_only[] = {1, LBR_CTL_ALL & ~2ULL};

    test_begin("user");
    this_core()->handler[VECTOR_UD] = skip_two;
    struct lbr_switch how = switch_of(ALL, 0);
    empty();
    if (!kind->arch) {
        wrmsr(LBR_SELECT, user_only[0]);
    }
    wrmsr(how.msr, kind->arch ? user_only[1] : how.on);
    attempt_user(lbr_user, 0, NULL);
    wrmsr(how.msr, 0);
    show("user");
    this_core()->handler[VECTOR_UD] = NULL;
    test_end();
}

/* --- PMIs ------------------------------------------------------------------------------------ */

static const struct perfmon *p;
static u32 pmis;

static void on_pmi(struct frame *frame)
{
    (void)frame;
    pmis++;
    wrmsr(kind->enable, 0);
    perfmon_acknowledge(p, ICR_NMI);
}

/* From an empty stack, an NMI and a freeze after so many instructions of the body. */
static void run_to_pmi(u32 after, lbr_body *body)
{
    struct lbr_switch how = switch_of(ALL, DEBUGCTL_FREEZE);

    pmis = 0;
    perfmon_reset(p);
    empty();
    apic_write(APIC_LVT_PMC, ICR_NMI);
    wrmsr(perfmon_counter(p, 0), perfmon_before(after));
    wrmsr(perfmon_selector(p, 0), p->event[INSTRUCTIONS] | SELECT_OS | SELECT_EN | SELECT_INT);
    wrmsr(p->global_ctrl, perfmon_all(p));
    body(&how);
    wrmsr(p->global_ctrl, 0);
}

static void end_pmis(void)
{
    perfmon_reset(p);
    this_core()->handler[VECTOR_NMI] = NULL;
    apic_write(APIC_LVT_PMC, APIC_LVT_MASK);
    test_end();
}

/* Frozen at the overflow, which is an instruction of the loop: nothing of the handler is seen. */
static void freeze(void)
{
    test_begin("freeze");
    this_core()->handler[VECTOR_NMI] = on_pmi;
    apic_enable();
    run_to_pmi(OVERFLOW_AFTER, lbr_counted);
    show("freeze");
    expect(pmis == 1, "%u PMIs", pmis);
    end_pmis();
}

/* The overflow at each instruction around three exits in turn, those that Cede carries out among
 * them: how many branches are on record then. */
static void freeze_around_exits(void)
{
    test_begin("freeze-around-exits");
    this_core()->handler[VECTOR_NMI] = on_pmi;
    lbr_msr = perfmon_selector(p, 1);
    lbr_value = 0;
    for (u32 after = 1; after < 50; after++) {
        u32 seen = 0;

        run_to_pmi(after, lbr_exits);
        while (seen < depth && rdmsr(kind->from + place(seen))) {
            seen++;
        }
        say("test: lbr: frozen after %u: %u records, %u PMIs", after, seen, pmis);
    }
    end_pmis();
}

/* --- nothing of the hypervisor's ------------------------------------------------------------- */

static u32 random_number(void)
{
    static u32 state = 1;

    return state = state * 1664525 + 1013904223;
}

static const struct {
    lbr_body *body;
    u32 msr;
} exits[] = {{lbr_cpuid, 0},     {lbr_rdmsr, 0x186},        {lbr_wrmsr, 0x186},
             {lbr_wrmsr, 0x187}, {lbr_rdmsr, CAPABILITIES}, {lbr_rdmsr, MISC_ENABLE},
             {lbr_rdmsr, 0x187}};

/* Without a branch of the guest's, no exit leaves one. */
static void exits_leave_nothing(u32 count)
{
    u32 found = 0;
    struct lbr_switch how = switch_of(ALL, 0);

    test_begin("exits-leave-nothing");
    empty();
    lbr_value = 0;
    for (u32 i = 0; i < count; i++) {
        u32 one = (random_number() >> 8) % COUNT(exits);

        lbr_msr = exits[one].msr;
        exits[one].body(&how);
        for (u32 k = 0; k < depth && !found; k++) {
            if (rdmsr(kind->from + k) || rdmsr(kind->to + k) || rdmsr(kind->info + k)) {
                found = i + 1;
            }
        }
    }
    expect(!found, "after %u exits there is a record", found);
    test_end();
}

/* --- where it is not granted ----------------------------------------------------------------- */

static void expect_none(u32 msr)
{
    u64 value = 0;

    expect(rdmsr_safe(msr, &value) != NO_FAULT || !value, "MSR %x reads %lx", msr, value);
}

static void denied(void)
{
    test_begin("absent");
    expect(!(cpuid(7, 0).edx & BIT(19)), "CPUID shows architectural records");
    expect(!(rdmsr(CAPABILITIES) & 0x3f), "PERF_CAPABILITIES %lx", rdmsr(CAPABILITIES));
    wrmsr(DEBUGCTL, DEBUGCTL_LBR);
    expect(!(rdmsr(DEBUGCTL) & DEBUGCTL_LBR), "DEBUGCTL.LBR can be set");
    wrmsr_safe(newer.enable, LBR_CTL_ALL);
    cpuid(0, 0);
    for (u32 i = 0; i < DEEPEST; i++) {
        expect_none(older.from + i);
        expect_none(older.to + i);
        expect_none(older.info + i);
        expect_none(newer.from + i);
    }
    expect_none(LBR_SELECT);
    expect_none(newer.enable);
    test_end();
}

static bool known_kind(void)
{
    u64 value = 0;

    kind = cpuid(7, 0).edx & BIT(19) ? &newer : &older;
    depth = kind->arch ? (u32)rdmsr(0x14cf) : DEEPEST;
    test_begin("kind");
    expect(rdmsr_safe(CAPABILITIES, &value) == NO_FAULT && (value & 0x3f), "LBR_FMT is 0");
    expect((value & 0x3f) == (kind->arch ? 0x3fU : 5U), "format %lx", value & 0x3f);
    say("info: %s records, %u of them", kind->arch ? "architectural" : "older", depth);
    return test_end();
}

static void everything(void)
{
    records("plain", lbr_plain, ALL, 5);
    records("indirect", lbr_indirect, ALL, 5);
    lbr_msr = 0x186;
    lbr_value = 0;
    records("around-exits", lbr_exits, ALL, 4);
    records("calls-and-back", lbr_calls, CALL_STACK, 0);
    records("call-stack", lbr_deep, CALL_STACK, 3);
    faults();
    rings();
    p = perfmon_here();
    if (p) {
        freeze();
        freeze_around_exits();
    }
    exits_leave_nothing((u32)option_number("exits", EXITS));
}

static void lbr(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    if (option_word("denied")) {
        denied();
    } else if (known_kind()) {
        everything();
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, lbr);
}
