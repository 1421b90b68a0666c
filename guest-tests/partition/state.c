/* What the registers of a core hold, and how to leave all of them dirty. tools/test-guests compares
 * what two lives of a partition show, the first of which nobody has dirtied. */
#include "cpu.h"
#include "core.h"
#include "fault.h"
#include "partition.h"
#include "report.h"

#define NOWHERE  GIB(3) /* beyond the partition's memory, within the loader's tables */
#define XCR0_SET 0x2e7  /* x87, SSE, AVX, AVX-512, protection keys: what dirty_vectors() fills */

struct msr_range {
    u32 first, last;
};

static const struct msr_range all[] = {
    {0, 0x1fff}, {0xc0000000, 0xc0001fff}, {0xc0010000, 0xc0011fff}};

static bool is_in(const struct msr_range *ranges, u32 count, u32 msr)
{
    for (u32 i = 0; i < count; i++) {
        if (msr >= ranges[i].first && msr <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

/* Those that count by themselves: only what they cannot have counted since the start is shown. */
static u64 steady(u32 msr, u64 value)
{
    static const struct msr_range counts[] = {
        {0xe7, 0xe8}, {0x839, 0x839}, {0xc00000e7, 0xc00000e9}};

    if (msr == MSR_TSC) {
        return 0;
    }
    return is_in(counts, COUNT(counts), msr) ? value >> 44 : value;
}

/* What is 0 is not shown. */
static void show_number(const char *what, u32 number, u64 value)
{
    if (value) {
        say("state: core %u %s %x = %lx", this_core()->index, what, number, value);
    }
}

static void show_msrs(void)
{
    for (u32 i = 0; i < COUNT(all); i++) {
        for (u32 msr = all[i].first; msr <= all[i].last; msr++) {
            u64 value;
            if (rdmsr_safe(msr, &value) == NO_FAULT) {
                show_number("msr", msr, steady(msr, value));
            }
        }
    }
}

static void show_control(void)
{
    show_number("cr", 0, READ_CR(0));
    show_number("cr", 2, READ_CR(2));
    show_number("cr", 4, READ_CR(4));
    show_number("dr", 0, READ_DR(0));
    show_number("dr", 1, READ_DR(1));
    show_number("dr", 2, READ_DR(2));
    show_number("dr", 3, READ_DR(3));
    show_number("dr", 6, READ_DR(6));
    show_number("dr", 7, READ_DR(7));
    show_number("nowhere", 0, *(volatile u64 *)NOWHERE);
}

/* --- x87 and vectors --- */

static u64 area[2048] __attribute__((aligned(64)));

static u64 xgetbv(void)
{
    u32 low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low | (u64)high << 32;
}

static void xsetbv(u64 value)
{
    __asm__ volatile("xsetbv" ::"a"((u32)value), "d"((u32)(value >> 32)), "c"(0) : "memory");
}

/* Lets this core use all that there is. -> XCR0 as it was, 0 where there is no XSAVE */
static u64 open_vectors(void)
{
    u64 cr4 = READ_CR(4) | CR4_OSFXSR, old = 0;
    struct cpuid d = cpuid(0xd, 0);
    bool xsave = cpuid(1, 0).ecx & BIT(26);

    WRITE_CR(4, xsave ? cr4 | CR4_OSXSAVE : cr4);
    if (xsave) {
        old = xgetbv();
        xsetbv(d.eax | (u64)d.edx << 32);
    }
    return old;
}

static void show_area(void)
{
    for (u32 i = 0; i < COUNT(area); i++) {
        if (i != 3) { /* MXCSR_MASK is beside MXCSR */
            show_number("area", i * 8, area[i]);
        }
    }
    show_number("mxcsr", 0, (u32)area[3]);
}

static void clear_area(void)
{
    for (u32 i = 0; i < COUNT(area); i++) {
        area[i] = 0;
    }
}

static void show_vectors(void)
{
    u64 cr4 = READ_CR(4), xcr0 = open_vectors();

    clear_area();
    show_number("xcr", 0, xcr0);
    if (xcr0) {
        __asm__ volatile("xsave64 %0" : "+m"(area) : "a"(~0U), "d"(~0U) : "memory");
        xsetbv(xcr0);
    } else {
        __asm__ volatile("fxsave64 %0" : "=m"(area)::"memory");
    }
    WRITE_CR(4, cr4);
    show_area();
}

static void dirty_vectors(void)
{
    u64 xcr0 = open_vectors();

    for (u32 i = 0; i < COUNT(area); i++) {
        area[i] = 0x5a5a5a5a5a5a5a5a;
    }
    area[0] = 0xff000000027f; /* FCW; FTW says that all registers are in use */
    area[3] = 0x1fa0;         /* MXCSR */
    if (!xcr0) {
        __asm__ volatile("fxrstor64 %0" ::"m"(area) : "memory");
        return;
    }
    for (u32 i = 64; i < 72; i++) {
        area[i] = 0; /* the header */
    }
    area[64] = xgetbv() & XCR0_SET;
    __asm__ volatile("xrstor64 %0" ::"m"(area), "a"(~0U), "d"(~0U) : "memory");
}

/* --- MSRs --- */

/* Commands; and what the way out needs. */
static const struct msr_range left_alone[] = {
    {MSR_APIC_BASE, MSR_APIC_BASE},   {0x79, 0x79},   {MSR_X2APIC_EOI, MSR_X2APIC_EOI},
    {MSR_X2APIC_ICR, MSR_X2APIC_ICR}, {0x83f, 0x83f}, {MSR_EFER, MSR_EFER},
};

/* One of these is good for most registers that can be written at all. */
static bool dirty_msr(u32 msr)
{
    static const u64 values[] = {~0ULL,
                                 0xffff888012345678,
                                 0x0606060606060606,
                                 1ULL << 47,
                                 0x1f0,
                                 0xf0,
                                 0x40a5,
                                 7,
                                 3,
                                 2,
                                 1,
                                 4,
                                 8};
    u64 old, now;

    if (is_in(left_alone, COUNT(left_alone), msr) || rdmsr_safe(msr, &old) != NO_FAULT) {
        return false;
    }
    for (u32 i = 0; i < COUNT(values); i++) {
        if (wrmsr_safe(msr, values[i]) == NO_FAULT && rdmsr_safe(msr, &now) == NO_FAULT &&
            steady(msr, now) != steady(msr, old)) {
            return true;
        }
    }
    return false;
}

static void dirty_msrs(void)
{
    u32 count = 0;

    for (u32 i = 0; i < COUNT(all); i++) {
        for (u32 msr = all[i].first; msr <= all[i].last; msr++) {
            count += dirty_msr(msr);
        }
    }
    say("info: dirty: core %u, %u MSRs", this_core()->index, count);
}

static void dirty_control(void)
{
    WRITE_DR(0, 0x12345670);
    WRITE_DR(1, 0x12345671);
    WRITE_DR(2, 0x12345672);
    WRITE_DR(3, 0x12345673);
    WRITE_DR(6, 0xffff0fff);
    WRITE_DR(7, 0x0500);
    WRITE_CR(2, 0x12345678);
    *(volatile u64 *)NOWHERE = 0x123456789abcdef;
}

void show_state(u64 unused)
{
    (void)unused;
    irq_off();
    show_control();
    show_vectors();
    show_msrs();
}

volatile u32 dirty_cores;

/* The core is good for nothing afterwards. */
void dirty_state(u64 unused)
{
    (void)unused;
    irq_off();
    dirty_control();
    dirty_vectors();
    dirty_msrs();
    atomic_add(&dirty_cores, 1);
    if (this_core()->index) {
        for (;;) {
            __asm__ volatile("cli; hlt");
        }
    }
}
