/* msrs.efi: which MSRs of Cede's rows (hv/msr/) this machine has, by reading each. One line for
 * neighbours of one row that do the same; RULE is what the row says (hv/msr/msr_table.h):
 *
 *     msr: FIRST-LAST RULE reads|faults
 *
 * Bare it is the machine's own answer; tools/report compares what must be the same under Cede. What
 * is read is not said: some are numbers of this one processor. Nothing is written. */
#include "cede.h"
#include "cpu.h"
#include "fault.h"
#include "machine.h"
#include "msr/msr_table.h"
#include "report.h"

/* Reading it is an order: Hyper-V's HV_X64_MSR_GUEST_IDLE halts the processor (TLFS 10.1.4). */
#define MSR_GUEST_IDLE 0x400000f0U

static const char *const rules[] = {
    [RULE_PASS] = "pass",
    [RULE_TRAP] = "trap",
    [RULE_TRAP_WRITE] = "trap-write",
    [RULE_TRAP_READ] = "trap-read",
    [RULE_ICR] = "icr",
    [RULE_DENY] = "deny",
    [RULE_ZERO] = "zero",
    [RULE_LOCKED] = "locked",
    [RULE_FROZEN] = "frozen",
    [RULE_TRAP_FROZEN] = "trap-frozen",
};

static bool reads(u32 msr)
{
    u64 value;
    return msr != MSR_GUEST_IDLE && rdmsr_safe(msr, &value) == NO_FAULT;
}

/* What holds on some processors only is as good as unknown here. */
static const char *rule_of(const struct msr_row *row)
{
    return row->parts ? "by-model" : rules[row->rule];
}

static void say_run(const struct msr_row *row, u32 first, u32 last, bool read)
{
    say("msr: %08x-%08x %s %s", first, last, rule_of(row), read ? "reads" : "faults");
}

/* -> how many can be read */
static u32 read_row(const struct msr_row *row)
{
    u32 first = row->first, readable = 0, msr = row->first;
    bool before = reads(first);
    for (; msr <= row->last; msr += row->step) {
        bool now = reads(msr);
        readable += now;
        if (now != before) {
            say_run(row, first, msr - row->step, before);
            first = msr;
            before = now;
        }
    }
    say_run(row, first, msr - row->step, before);
    return readable;
}

static void read_rows(const struct msr_rows *rows)
{
    u32 denied = 0, passed = 0;
    for (u32 i = 0; i < rows->count; i++) {
        const struct msr_row *row = &rows->rows[i];
        u32 readable = read_row(row);
        denied += row->rule == RULE_DENY && !row->parts ? readable : 0;
        passed += row->rule == RULE_PASS ? readable : 0;
    }
    test_begin("msrs-read");
    expect(passed, "not one of the MSRs that pass can be read");
    test_end();
    if (under_cede()) {
        test_begin_cede("msrs-denied");
        expect(!denied, "%u MSRs that are denied can be read", denied);
        test_end();
    }
}

static void msrs(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    say("info: Cede %s", under_cede() ? "is here" : "is not here");
    read_rows(is_amd ? &msr_rows_amd : &msr_rows_intel);
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, msrs);
}
