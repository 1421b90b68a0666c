/* Kernel code that neither traps nor exits. */
#include "apic.h"
#include "exact.h"
#include "paging.h"

enum { TURNS = 1000, BUFFER = 4096 };

static u8 buffer[2 * BUFFER];

static void empty(void)
{
}

static void nops(void)
{
    __asm__ volatile(".fill 1000, 1, 0x90");
}

static void loop(void)
{
    u64 turns = 10 * TURNS;
    __asm__ volatile("1: dec %0; jnz 1b" : "+r"(turns)::"cc");
}

/* Not all branches are taken, and which are depends on data. */
static void conditional(void)
{
    u32 odd = 0, state = 1;
    for (u32 i = 0; i < TURNS; i++) {
        state = state * 1664525 + 1013904223;
        __asm__ volatile("test $0x10000, %1; jz 1f; inc %0; 1:" : "+r"(odd) : "r"(state) : "cc");
    }
    exact_result = odd;
}

static void calls(void)
{
    u64 turns = TURNS;
    __asm__ volatile("1: call 2f; dec %0; jnz 1b; jmp 3f; 2: ret; 3:"
                     : "+r"(turns)::"cc", "memory");
}

static void indirect(void)
{
    u64 turns = TURNS;
    __asm__ volatile("lea 4f(%%rip), %%rax; lea 5f(%%rip), %%rcx\n"
                     "1: call *%%rax; jmp *%%rcx; 4: ret; 5: dec %0; jnz 1b"
                     : "+r"(turns)::"rax", "rcx", "cc", "memory");
}

static __attribute__((noinline)) u32 fibonacci(u32 n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static void recursion(void)
{
    exact_result = fibonacci(15);
}

static void strings(void)
{
    void *from = buffer, *to = buffer + BUFFER;
    u64 n = BUFFER;
    __asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(n)::"memory");
    to = buffer, n = BUFFER / 8;
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(n) : "a"(0) : "memory");
    to = buffer, n = BUFFER;
    __asm__ volatile("repe scasb" : "+D"(to), "+c"(n) : "a"(0) : "cc");
    from = buffer, to = buffer + BUFFER, n = BUFFER;
    __asm__ volatile("repe cmpsb" : "+S"(from), "+D"(to), "+c"(n)::"cc");
    from = buffer, n = 0;
    __asm__ volatile("rep lodsb; lodsb" : "+S"(from), "+c"(n)::"rax");
}

static void atomics(void)
{
    static volatile u32 word;
    for (u32 i = 0; i < TURNS; i++) {
        __atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
        __atomic_exchange_n(&word, i, __ATOMIC_SEQ_CST);
    }
}

static void arithmetic(void)
{
    u64 value = 0x123456789abcdefULL;
    for (u32 i = 1; i < TURNS; i++) {
        value = value * 6364136223846793005ULL / i + i;
    }
    exact_result = value;
}

static void control_registers(void)
{
    for (u32 i = 0; i < 10; i++) {
        WRITE_CR(3, READ_CR(3));
        WRITE_CR(0, READ_CR(0) ^ CR0_TS);
        __asm__ volatile("clts");
        WRITE_CR(4, READ_CR(4) ^ CR4_PGE);
        WRITE_CR(4, READ_CR(4) ^ CR4_PGE);
        WRITE_CR(8, READ_CR(8));
        WRITE_DR(0, 0x1000);
        WRITE_DR(6, READ_DR(6));
        invlpg(WINDOW_BASE);
    }
}

static void time_stamps(void)
{
    for (u32 i = 0; i < 100; i++) {
        u32 low, high, aux;
        rdtsc();
        __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
        __asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(0));
    }
}

static void segments(void)
{
    for (u32 i = 0; i < 100; i++) {
        __asm__ volatile("mov %%ds, %%eax; mov %%eax, %%ds; mov %%ss, %%eax; mov %%eax, %%ss; nop; "
                         "swapgs; swapgs"
                         "; pushfq; popfq" ::
                             : "rax", "memory", "cc");
    }
}

static void caches(void)
{
    __asm__ volatile("wbinvd; mfence; lfence; sfence; clflush %0" : "+m"(buffer[0])::"memory");
}

static void fpu(void)
{
    static u8 area[512] __attribute__((aligned(16)));
    __asm__ volatile("fninit; fxsave %0; fxrstor %0; fnclex" : "+m"(area));
}

#define SELF_IRETQ                                                                          \
    "mov %%ss, %%eax; push %%rax; lea 8(%%rsp), %%rax; push %%rax; pushfq; mov %%cs, %%eax" \
    "; push %%rax; lea 2f(%%rip), %%rax; push %%rax; iretq; 2:"

/* Far returns and IRET to the same privilege. */
static void far_transfers(void)
{
    for (u32 i = 0; i < 100; i++) {
        __asm__ volatile("mov %%cs, %%eax; push %%rax; lea 1f(%%rip), %%rax; push %%rax; lretq; "
                         "1:\n" SELF_IRETQ ::
                             : "rax", "memory", "cc");
    }
}

static const struct workload list[] = {
    {"empty", empty, NULL, 0, 1},
    {"straight-code", nops, NULL, 0, 1000},
    {"loop", loop, NULL, 0, 20 * TURNS},
    {"conditional-branches", conditional, NULL, 0, 3 * TURNS},
    {"calls-and-returns", calls, NULL, 0, 4 * TURNS},
    {"indirect-branches", indirect, NULL, 0, 5 * TURNS},
    {"recursion", recursion, NULL, 0, TURNS},
    {"string-operations", strings, NULL, 0, 10},
    {"atomics", atomics, NULL, 0, 2 * TURNS},
    {"multiply-and-divide", arithmetic, NULL, 0, 3 * TURNS},
    {"control-registers", control_registers, NULL, 0, 100},
    {"rdtsc-rdpmc", time_stamps, NULL, 0, 300},
    {"segments-and-flags", segments, NULL, 0, 900},
    {"cache-control", caches, NULL, 0, 5},
    {"fpu-state", fpu, NULL, 0, 4},
    {"far-transfers", far_transfers, NULL, 0, 1000},
};

const struct workloads plain_workloads = {list, COUNT(list)};
