/* The trap flag over instructions that a hypervisor emulates: #DB comes once, right after each,
 * with DR6.BS, as after any other instruction (APM 13.1.4). And debug registers stay the guest's.
 */
#include "basic.h"
#include "cpu.h"
#include "fault.h"
#include "report.h"

enum { MAX_STEPS = 8, DR6_BS = 1 << 14, DR6_B0 = 1 << 0 };

static volatile u64 steps[MAX_STEPS], dr6_seen[MAX_STEPS];
static volatile u32 step_count;

static void on_debug(struct frame *frame)
{
    if (step_count < MAX_STEPS) {
        steps[step_count] = frame->rip;
        dr6_seen[step_count] = READ_DR(6);
    }
    step_count++;
    WRITE_DR(6, 0xffff0ff0);
    if (step_count >= MAX_STEPS) {
        frame->rflags &= ~(u64)RFLAGS_TF;
    }
}

/* Steps: after the instruction, after NOP, after the POPF that clears TF (a trap for the
 * instruction that began with TF set). */
#define STEP(name, before, text)                                                             \
    static u64 name(void)                                                                    \
    {                                                                                        \
        u64 after;                                                                           \
        __asm__ volatile(before                                                              \
                         "\n"                                                                \
                         "lea 1f(%%rip), %0; pushf; pushf; orl $0x100, (%%rsp); popf\n" text \
                         "\n1: nop\n popf\n"                                                 \
                         : "=&r"(after)                                                      \
                         : "D"(msr_selector(0))                                              \
                         : "rax", "rbx", "rcx", "rdx", "memory", "cc");                      \
        return after;                                                                        \
    }

STEP(step_nop, "", "nop")
STEP(step_cpuid, "xor %%eax, %%eax; xor %%ecx, %%ecx", "cpuid")
STEP(step_rdmsr, "mov $0xc0000080, %%ecx", "rdmsr")
STEP(step_selector, "mov %%edi, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx", "wrmsr")
STEP(step_efer, "mov $0xc0000080, %%ecx; rdmsr", "wrmsr")

static void check_steps(const char *name, u64 (*run)(void))
{
    test_begin(name);
    step_count = 0;
    u64 after = run();
    expect(step_count == 3, "%u debug exceptions", step_count);
    expect(steps[0] == after, "first at %ld", (long)(steps[0] - after));
    expect(steps[1] == after + 1, "second at %ld", (long)(steps[1] - after));
    for (u32 i = 0; i < MIN(step_count, 3U); i++) {
        expect(dr6_seen[i] & DR6_BS, "DR6 %lx at step %u", dr6_seen[i], i);
    }
    test_end();
}

/* An execution breakpoint on CPUID, and a data breakpoint: DR0-DR7 act on the guest's own code. */
static void breakpoint(void)
{
    static volatile u32 watched;
    test_begin("breakpoint-data");
    step_count = 0;
    WRITE_DR(0, (u64)&watched);
    WRITE_DR(7, 0x400 | 2 | 1 << 16 | 3 << 18); /* G0, write, 4 bytes */
    watched = 1;
    cpuid(0, 0);
    watched = 2;
    WRITE_DR(7, 0x400);
    expect(step_count == 2, "%u debug exceptions", step_count);
    expect((dr6_seen[0] & 0xf) == DR6_B0, "DR6 %lx", dr6_seen[0]);
    test_end();
}

void single_step_probes(void)
{
    struct core *core = this_core();
    core->handler[VECTOR_DB] = on_debug;
    check_steps("step-nop", step_nop);
    check_steps("step-cpuid", step_cpuid);
    check_steps("step-rdmsr", step_rdmsr);
    check_steps("step-selector-wrmsr", step_selector);
    check_steps("step-efer-wrmsr", step_efer);
    breakpoint();
    core->handler[VECTOR_DB] = NULL;
}
