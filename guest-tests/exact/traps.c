/* Exceptions, taken and handled: by giving up what faulted, by skipping it, by repairing and doing
 * it again. */
#include "exact.h"
#include "fault.h"
#include "paging.h"

enum { TURNS = 100, SLOT = 200, PAGES = 16, VECTOR_SOFT = 0x85 };

static void ud2(u64 unused)
{
    (void)unused;
    __asm__ volatile("ud2");
}

static void divide_by_zero(u64 zero)
{
    u64 low = 1, high = 0;
    __asm__ volatile("div %2" : "+a"(low), "+d"(high) : "r"(zero) : "cc");
}

static void non_canonical(u64 unused)
{
    (void)unused;
    *(volatile u8 *)BIT(62) = 1;
}

static void touch(u64 address)
{
    *(volatile u8 *)address = 1;
}

static void give_up(core_work *function, u64 argument)
{
    for (u32 i = 0; i < TURNS; i++) {
        exact_result += (u64)attempt(function, argument, NULL);
    }
}

static void invalid_opcodes(void)
{
    give_up(ud2, 0);
}

static void divide_errors(void)
{
    give_up(divide_by_zero, 0);
}

static void protection_faults(void)
{
    give_up(non_canonical, 0);
}

static void page_faults(void)
{
    give_up(touch, WINDOW_BASE + SLOT * PAGE);
}

/* Handlers that return by IRET. */
static void skip_two(struct frame *frame)
{
    frame->rip += 2;
    exact_result++;
}

static void skipped(void)
{
    struct core *core = this_core();
    core->handler[VECTOR_UD] = skip_two;
    for (u32 i = 0; i < TURNS; i++) {
        __asm__ volatile("ud2; nop; ud2");
    }
    core->handler[VECTOR_UD] = NULL;
}

static void map_page(struct frame *frame)
{
    u64 slot = (READ_CR(2) - WINDOW_BASE) / PAGE;
    (void)frame;
    window_map((u32)slot, (u64)this_core() + CORE_USER_TOP, PTE_ALL);
    exact_result++;
}

static void unmap_pages(void)
{
    for (u32 i = 0; i < PAGES; i++) {
        window_map(SLOT + i, 0, 0);
    }
}

static void demand_paging(void)
{
    struct core *core = this_core();
    core->handler[VECTOR_PF] = map_page;
    for (u32 i = 0; i < PAGES; i++) {
        touch(WINDOW_BASE + (SLOT + i) * PAGE);
    }
    core->handler[VECTOR_PF] = NULL;
}

/* A repeated instruction that faults in the middle, goes on, and counts once. */
static void string_across_fault(void)
{
    struct core *core = this_core();
    void *to = (void *)(WINDOW_BASE + SLOT * PAGE);
    u64 n = PAGES * PAGE;
    core->handler[VECTOR_PF] = map_page;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(0) : "memory");
    core->handler[VECTOR_PF] = NULL;
}

static void see(struct frame *frame)
{
    (void)frame;
    exact_result++;
}

static void breakpoints(void)
{
    struct core *core = this_core();
    core->handler[VECTOR_BP] = see;
    for (u32 i = 0; i < TURNS; i++) {
        __asm__ volatile("int3");
    }
    core->handler[VECTOR_BP] = NULL;
}

static void software_interrupts(void)
{
    struct core *core = this_core();
    core->handler[VECTOR_SOFT] = see;
    for (u32 i = 0; i < TURNS; i++) {
        __asm__ volatile("int $0x85");
    }
    core->handler[VECTOR_SOFT] = NULL;
}

static void step(struct frame *frame)
{
    (void)frame;
    WRITE_DR(6, 0xffff0ff0);
    exact_result++;
}

/* CPUID and a selector's WRMSR exit under Cede, which then owes the #DB. */
static void single_step(void)
{
    struct core *core = this_core();
    u64 flags = rflags();
    core->handler[VECTOR_DB] = step;
    __asm__ volatile(
        "push %0; popfq; nop; nop; xor %%eax, %%eax; cpuid; mov %1, %%ecx; xor %%eax, %%eax"
        "; xor %%edx, %%edx; wrmsr; nop; push %2; popfq; nop" ::"r"(flags | RFLAGS_TF),
        "r"(perfmon_selector(exact_pmu, FIRST_FREE_COUNTER)), "r"(flags)
        : "rax", "rbx", "rcx", "rdx", "cc", "memory");
    core->handler[VECTOR_DB] = NULL;
}

/* Faults of MSR accesses: absent everywhere, and to reserved bits. */
static void absent_msrs(void)
{
    u64 value;
    for (u32 i = 0; i < TURNS; i++) {
        exact_result += (u64)rdmsr_safe(0xc0001fff, &value);
        exact_result += (u64)wrmsr_safe(0xc0001fff, 0);
        exact_result += (u64)wrmsr_safe(0x12345678, 0);
        exact_result += (u64)wrmsr_safe(MSR_EFER, BIT(40));
    }
}

static void vmrun(u64 unused)
{
    (void)unused;
    __asm__ volatile("vmrun %%rax" ::"a"(0UL));
}

static void vmxon(u64 address)
{
    __asm__ volatile("vmxon %0" ::"m"(*(u64 *)address) : "cc");
}

/* No virtualization is on, so these are #UD. */
static void virtualization(void)
{
    static u64 region;
    for (u32 i = 0; i < TURNS; i++) {
        exact_result += (u64)attempt(vmrun, 0, NULL);
        exact_result += (u64)attempt(vmxon, (u64)&region, NULL);
    }
}

static const struct workload list[] = {
    {"invalid-opcodes", invalid_opcodes, NULL, 0, 10 * TURNS},
    {"divide-errors", divide_errors, NULL, 0, 10 * TURNS},
    {"protection-faults", protection_faults, NULL, 0, 10 * TURNS},
    {"page-faults", page_faults, NULL, 0, 10 * TURNS},
    {"skipped-faults", skipped, NULL, 0, 80 * TURNS},
    {"demand-paging", demand_paging, unmap_pages, 0, 50 * PAGES},
    {"string-across-faults", string_across_fault, unmap_pages, 0, 50 * PAGES},
    {"breakpoints", breakpoints, NULL, 0, 40 * TURNS},
    {"int-n", software_interrupts, NULL, 0, 40 * TURNS},
    {"single-step", single_step, NULL, 0, 400},
    {"msr-faults", absent_msrs, NULL, 0, 40 * TURNS},
    {"virtualization-ud", virtualization, NULL, 0, 20 * TURNS},
};

const struct workloads trap_workloads = {list, COUNT(list)};
