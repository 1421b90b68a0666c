/* walk.efi: whether any MSR but the selectors programs an event. Each MSR in turn gets what would
 * start a counter in a selector, and then in FIXED_CTR_CTRL: events that the policy denies. Bare
 * this finds all names of these registers, under Cede none. Only what one write does is seen. On a
 * bed whose PMU counts. */
#include "cede.h"
#include "cpu.h"
#include "fault.h"
#include "machine.h"
#include "perfmon.h"
#include "report.h"

enum { RETURNS = 20, MOST_FOUND = 64 };

struct range {
    u32 first, last;
};

static const struct range walked[] = {
    {0x0, 0x3fff},
    {0x40000000, 0x400000ff},
    {0xc0000000, 0xc0003fff},
    {0xc0010000, 0xc0013fff},
};

/* Here any value acts on more than the PMU, and nothing counts. */
static const struct range left_out[] = {
    {0x10, 0x10},             /* TSC */
    {0x1b, 0x1b},             /* APIC_BASE */
    {0x3b, 0x3b},             /* TSC_ADJUST */
    {0x49, 0x49},             /* PRED_CMD */
    {0x79, 0x79},             /* BIOS_UPDT_TRIG */
    {0x10b, 0x10b},           /* FLUSH_CMD */
    {0x1a0, 0x1a0},           /* MISC_ENABLE */
    {0x200, 0x2ff},           /* MTRRs, PAT */
    {0x6e0, 0x6e0},           /* TSC_DEADLINE */
    {0x800, 0x8ff},           /* x2APIC */
    {0xc0000080, 0xc0000080}, /* EFER */
    {0xc0010010, 0xc0010020}, /* SYSCFG, HWCR, IORRs, TOP_MEM, PATCH_LOADER */
    {0xc0010110, 0xc001011f}, /* SMM's and SVM's */
};

static const struct perfmon *p;
static u32 counters, fixed;
static u32 found[MOST_FOUND], found_count, written;

static bool leave_out(u32 msr)
{
    for (u32 i = 0; i < COUNT(left_out); i++) {
        if (msr >= left_out[i].first && msr <= left_out[i].last) {
            return true;
        }
    }
    return false;
}

static void discover(void)
{
    if (is_amd) {
        counters = p->counters;
        return;
    }
    counters = cpuid(0xa, 0).eax >> 8 & 0xff;
    fixed = cpuid(0xa, 0).edx & 0x1f;
}

static __attribute__((noinline)) void leaf(void)
{
    __asm__ volatile("");
}

static u64 sum_of_counters(void)
{
    u64 sum = 0;

    for (u32 i = 0; i < counters; i++) {
        sum += rdmsr(perfmon_counter(p, i));
    }
    for (u32 i = 0; i < fixed; i++) {
        sum += rdmsr(MSR_FIXED_CTR0 + i);
    }
    return sum;
}

static bool something_counts(void)
{
    u64 before;

    wrmsr(p->global_ctrl, (BIT(counters) - 1) | (BIT(fixed) - 1) << 32);
    before = sum_of_counters();
    for (u32 i = 0; i < RETURNS; i++) {
        leaf();
    }
    return sum_of_counters() != before;
}

static void try(u32 msr, u64 value)
{
    u64 old;

    if (leave_out(msr) || rdmsr_safe(msr, &old) != NO_FAULT) {
        return;
    }
    if (wrmsr_safe(msr, value) != NO_FAULT) {
        return;
    }
    written++;
    if (something_counts()) {
        found[found_count++ % MOST_FOUND] = msr;
    }
    wrmsr_safe(msr, old);
    wrmsr(p->global_ctrl, 0);
}

static void walk(u64 value)
{
    perfmon_reset(p);
    for (u32 i = 0; i < COUNT(walked); i++) {
        for (u32 msr = walked[i].first; msr <= walked[i].last; msr++) {
            try(msr, value);
        }
    }
}

/* Selectors and their other names, PERFEVTSEL and from version 6 on CFG_A, or PERF_CTL and
 * PerfEvtSel; and FIXED_CTR_CTRL. */
static u32 found_bare(void)
{
    if (is_amd) {
        return counters + 4;
    }
    return counters * ((cpuid(0xa, 0).eax & 0xff) >= 6 ? 2 : 1) + 1;
}

static void msr_walk(u64 unused)
{
    u32 expected;

    (void)unused;
    machine_leave_firmware();
    test_begin("msr-walk");
    p = perfmon_here();
    expect(p, "no counters with a global control");
    if (p) {
        discover();
        walk((is_amd ? 0xc8 : 0x08c4) | SELECT_OS | SELECT_EN); /* near returns */
        walk(FIXED_CTR_OS << 12);                               /* slots */
        expected = under_cede() ? 0 : found_bare();
        expect(found_count == expected, "%u MSRs program an event, not %u", found_count, expected);
        say("info: %u writes of MSRs were taken; %u programmed an event", written, found_count);
        for (u32 i = 0; i < found_count && i < MOST_FOUND; i++) {
            say("info: %x", found[i]);
        }
    }
    test_end();
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, msr_walk);
}
