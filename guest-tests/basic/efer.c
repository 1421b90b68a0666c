/* MSRs that live in a guest's saved state: what is written reads back, on every core. */
#include "basic.h"
#include "cpu.h"
#include "fault.h"
#include "report.h"

static void efer_bit(u64 bit)
{
    u64 efer = rdmsr(MSR_EFER);
    wrmsr(MSR_EFER, efer | bit);
    expect(rdmsr(MSR_EFER) == (efer | bit), "bit %lx: EFER %lx", bit, rdmsr(MSR_EFER));
    wrmsr(MSR_EFER, efer & ~bit);
    expect(rdmsr(MSR_EFER) == (efer & ~bit), "no bit %lx: EFER %lx", bit, rdmsr(MSR_EFER));
    wrmsr(MSR_EFER, efer);
}

/* SCE has an effect to see: SYSCALL raises #UD without it. */
static void do_syscall(u64 unused)
{
    (void)unused;
    __asm__ volatile("syscall" ::: "rcx", "r11", "memory");
}

static void syscall_target(void)
{
    __asm__ volatile("int $0x80");
}

static void syscall_follows_sce(void)
{
    u64 efer = rdmsr(MSR_EFER);
    wrmsr(MSR_EFER, efer & ~(u64)EFER_SCE);
    expect(attempt(do_syscall, 0, NULL) == VECTOR_UD, "SYSCALL without SCE");
    wrmsr(MSR_EFER, efer | EFER_SCE);
    wrmsr(MSR_STAR, (u64)SEL_CODE64 << 32 | (u64)SEL_DATA << 48);
    wrmsr(MSR_LSTAR, (u64)syscall_target);
    expect(attempt_user(do_syscall, 0, NULL) == NO_FAULT, "SYSCALL with SCE faulted");
    wrmsr(MSR_EFER, efer);
}

static void round_trip(u32 msr, u64 value)
{
    u64 old = rdmsr(msr);
    wrmsr(msr, value);
    expect(rdmsr(msr) == value, "core %u: MSR %x is %lx, not %lx", this_core()->index, msr,
           rdmsr(msr), value);
    wrmsr(msr, old);
    expect(rdmsr(msr) == old, "core %u: MSR %x did not go back", this_core()->index, msr);
}

static void state_msrs(u64 unused)
{
    static const u32 bases[] = {MSR_LSTAR, 0xc0000083, MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS};
    (void)unused;
    u64 own = (u64)this_core();
    for (u32 i = 0; i < COUNT(bases); i++) {
        round_trip(bases[i], own + i);
    }
    round_trip(MSR_STAR, 0x0013000800000000ULL | this_core()->index);
    round_trip(0xc0000084, 0x700 + this_core()->index); /* SFMASK */
    round_trip(0x174, SEL_CODE64);                      /* SYSENTER_CS, ESP, EIP */
    round_trip(0x175, own);
    round_trip(0x176, own + 1);
    round_trip(MSR_PAT, 0x0007040600070406ULL);
    efer_bit(EFER_SCE);
    efer_bit(EFER_NXE);
}

void efer_probes(void)
{
    test_begin("state-msrs");
    expect(core_run_all(state_msrs, 0, 5000), "a core did not finish");
    test_end();
    test_begin("efer-sce-effect");
    syscall_follows_sce();
    test_end();
}
