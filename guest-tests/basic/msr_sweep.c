/* Reads every MSR in the ranges that permission maps cover and some outside, on all cores at once,
 * and writes back what was read where that has no side effect on a real machine. Which of them
 * fault is the hypervisor's choice and an info line; that the machine lives on and its own state is
 * untouched is not. */
#include "basic.h"
#include "cede.h"
#include "core.h"
#include "cpu.h"
#include "fault.h"
#include "report.h"

struct range {
    u32 first, last;
};

static const struct range swept[] = {
    {0x0, 0x1fff},
    {0xc0000000, 0xc0001fff},
    {0xc0010000, 0xc0011fff},
    {0x2000, 0x200f},
    {0x40000000, 0x400000ff},
    {0xc0002000, 0xc000200f},
    {0xc0012000, 0xc001200f},
    {0xfffffff0, 0xffffffff},
};

/* A write here acts, even of the value just read. */
static const struct range acting[] = {
    {0x10, 0x10},             /* TSC */
    {0x1b, 0x1b},             /* APIC_BASE: probed on its own in smp.efi */
    {0x3b, 0x3b},             /* TSC_ADJUST */
    {0x49, 0x49},             /* PRED_CMD */
    {0x79, 0x79},             /* BIOS_UPDT_TRIG */
    {0x10b, 0x10b},           /* FLUSH_CMD */
    {0x6e0, 0x6e0},           /* TSC_DEADLINE */
    {0x800, 0x8ff},           /* x2APIC: ICR, EOI, SELF_IPI */
    {0xc0010020, 0xc0010020}, /* PATCH_LOADER */
};

/* State that the sweep must leave alone. */
static const u32 kept[] = {MSR_APIC_BASE, MSR_PAT,     MSR_EFER,    MSR_STAR, MSR_LSTAR,
                           MSR_FS_BASE,   MSR_GS_BASE, 0xc0000084U, 0x174U,   0x2ffU};

static u32 reads_refused, writes_refused;

static bool in(const struct range *ranges, u32 count, u32 msr)
{
    for (u32 i = 0; i < count; i++) {
        if (msr >= ranges[i].first && msr <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

static void one(u32 msr)
{
    u64 value;
    int vector = rdmsr_safe(msr, &value);
    expect(vector == NO_FAULT || vector == VECTOR_GP, "RDMSR %x: vector %d", msr, vector);
    if (vector != NO_FAULT) {
        atomic_add(&reads_refused, 1);
        return;
    }
    if (in(acting, COUNT(acting), msr)) {
        return;
    }
    vector = wrmsr_safe(msr, value);
    expect(vector == NO_FAULT || vector == VECTOR_GP, "WRMSR %x: vector %d", msr, vector);
    atomic_add(&writes_refused, vector != NO_FAULT);
}

static void sweep(u64 unused)
{
    u64 before[COUNT(kept)];
    (void)unused;
    for (u32 i = 0; i < COUNT(kept); i++) {
        before[i] = rdmsr(kept[i]);
    }
    for (u32 i = 0; i < COUNT(swept); i++) {
        for (u32 msr = swept[i].first;; msr++) {
            one(msr);
            if (msr == swept[i].last) {
                break;
            }
        }
    }
    for (u32 i = 0; i < COUNT(kept); i++) {
        expect(rdmsr(kept[i]) == before[i], "core %u: MSR %x is %lx, was %lx", this_core()->index,
               kept[i], rdmsr(kept[i]), before[i]);
    }
}

void msr_sweep(void)
{
    reads_refused = writes_refused = 0;
    test_begin("msr-sweep");
    expect(core_run_all(sweep, 0, 60000), "a core did not finish");
    if (under_cede()) {
        expect(hypercall(HYPERCALL_VERSION, 0, 0) == CEDE_VERSION, "Cede no longer answers");
    }
    test_end();
    say("info: msr-sweep: %u reads and %u writes refused, all cores together", reads_refused,
        writes_refused);
}
