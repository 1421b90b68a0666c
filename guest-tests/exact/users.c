/* CPL 3, and the ways between the rings. */
#include "exact.h"
#include "fault.h"
#include "paging.h"

enum { TURNS = 1000, SLOT = 240 };

static void user(core_work *function, u64 argument)
{
    attempt_user(function, argument, NULL);
}

static void see(struct frame *frame)
{
    (void)frame;
    exact_result++;
}

static void skip_two(struct frame *frame)
{
    frame->rip += 2;
    exact_result++;
}

static void map_page(struct frame *frame)
{
    (void)frame;
    window_map(SLOT, (u64)this_core() + CORE_USER_TOP, PTE_ALL);
    exact_result++;
}

/* STAR: SYSCALL takes CS from 47:32 and SS 8 further on, SYSRET SS and CS 8 and 16 behind 63:48
 * (APM 6.1.1). */
static void prepare_syscall(char *entry)
{
    wrmsr(MSR_STAR, (u64)((SEL_USER_DATA & ~3) - 8) << 48 | (u64)SEL_CODE64 << 32);
    wrmsr(MSR_LSTAR, (u64)entry);
    wrmsr(0xc0000084, RFLAGS_IF | RFLAGS_TF);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
}

static void prepare_plain_syscall(void)
{
    prepare_syscall(syscall_entry);
}

static void prepare_cpuid_syscall(void)
{
    prepare_syscall(syscall_entry_cpuid);
}

static void prepare_touch(void)
{
    window_map(SLOT, 0, 0);
}

/* The gates of INT3 and INT 0x80 are open to CPL 3; this one's is not, so it is #GP, repaired like
 * the rest. */
static void loop(void)
{
    user(user_loop, 10 * TURNS);
}

static void calls(void)
{
    user(user_calls, TURNS);
}

static void strings(void)
{
    user(user_strings, 2048);
}

static void leaves(void)
{
    user(user_cpuid, TURNS);
}

static void syscalls(void)
{
    user(user_syscalls, TURNS);
}

/* The gate of INT3 is open to CPL 3; INT n's is not: #GP, and skipped. */
static void interrupts(void)
{
    struct core *core = this_core();
    core->handler[VECTOR_GP] = skip_two;
    core->handler[VECTOR_BP] = see;
    user(user_interrupts, TURNS);
    core->handler[VECTOR_GP] = core->handler[VECTOR_BP] = NULL;
}

static void faults(void)
{
    this_core()->handler[VECTOR_UD] = skip_two;
    user(user_faults, TURNS);
    this_core()->handler[VECTOR_UD] = NULL;
}

static void demand_paging(void)
{
    this_core()->handler[VECTOR_PF] = map_page;
    user(user_touch, WINDOW_BASE + SLOT * PAGE);
    this_core()->handler[VECTOR_PF] = NULL;
}

static void transitions(void)
{
    for (u32 i = 0; i < TURNS; i++) {
        user(user_loop, 3);
    }
}

static void counters(void)
{
    WRITE_CR(4, READ_CR(4) | CR4_PCE);
    user(user_rdpmc, TURNS);
    WRITE_CR(4, READ_CR(4) & ~(u64)CR4_PCE);
}

static const struct workload list[] = {
    {"user-loop", loop, NULL, 20 * TURNS, 30},
    {"user-calls", calls, NULL, 4 * TURNS, 30},
    {"user-strings", strings, NULL, 6, 30},
    {"user-cpuid", leaves, NULL, 6 * TURNS, 30},
    {"user-syscalls", syscalls, prepare_plain_syscall, 4 * TURNS, 2 * TURNS},
    {"user-syscalls-cpuid", syscalls, prepare_cpuid_syscall, 4 * TURNS, 7 * TURNS},
    {"user-int-n", interrupts, NULL, 3 * TURNS, 80 * TURNS},
    {"user-faults", faults, NULL, 3 * TURNS, 40 * TURNS},
    {"user-demand-paging", demand_paging, prepare_touch, 2, 80},
    {"user-kernel-transitions", transitions, NULL, 7 * TURNS, 60 * TURNS},
    {"user-rdpmc-rdtsc", counters, NULL, 5 * TURNS, 30},
};

const struct workloads user_workloads = {list, COUNT(list)};
