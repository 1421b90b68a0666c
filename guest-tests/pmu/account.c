/* Exact exit accounting: each class of operation, done N times, raises the one counter that it may
 * by N and no other. docs/design.md (Exits, all of them) names what must never exit. Asking the
 * counters exits too, and is counted as EXIT_HYPERCALL apart. */
#include "apic.h"
#include "cede.h"
#include "clock.h"
#include "cpu.h"
#include "fault.h"
#include "machine.h"
#include "paging.h"
#include "pmu_probes.h"
#include "report.h"
#include "smp.h"

enum { TIMES = 1000, NONE = -1, VECTOR_TIMER = 0xa8, VECTOR_SELF = 0xa9, PATIENCE_MS = 5000 };

struct operation {
    const char *name;
    void (*once)(void);
    int reason; /* enum exit_reason or NONE */
    u32 exits;  /* per time */
};

static void nothing(void)
{
}

static void cpuid_0(void)
{
    cpuid(0, 0);
}

static void cpuid_1(void)
{
    cpuid(1, 0);
}

static void cpuid_ext(void)
{
    cpuid(0x80000001, 0);
}

static void selector_allowed(void)
{
    wrmsr(msr_selector(0), 0x4300c0);
}

static void selector_denied(void)
{
    wrmsr(msr_selector(0), 0x43ff29);
}

static void selector_zero(void)
{
    wrmsr(msr_selector(0), 0);
}

static void selector_read(void)
{
    rdmsr(msr_selector(0));
}

static void counter_write(void)
{
    wrmsr(msr_counter(0), 0x123456);
}

static void counter_read(void)
{
    rdmsr(msr_counter(0));
}

static void read_tsc(void)
{
    rdtsc();
    u32 low, high, aux;
    __asm__ volatile("rdtscp" : "=a"(low), "=d"(high), "=c"(aux));
}

static void read_tsc_msr(void)
{
    rdmsr(MSR_TSC);
}

static void write_lstar(void)
{
    wrmsr(MSR_LSTAR, 0x1234);
}

static void write_bases(void)
{
    wrmsr(MSR_GS_BASE, 0x1000);
    wrmsr(MSR_KERNEL_GS, 0x2000);
    __asm__ volatile("swapgs; swapgs");
}

static void reload_cr3(void)
{
    WRITE_CR(3, READ_CR(3));
}

static void write_cr0_cr4(void)
{
    WRITE_CR(0, READ_CR(0) ^ CR0_TS);
    __asm__ volatile("clts");
    WRITE_CR(4, READ_CR(4) ^ CR4_PGE);
}

static void flush_page(void)
{
    invlpg(0x100000);
}

static void debug_registers(void)
{
    WRITE_DR(0, 0x1000);
    WRITE_DR(6, READ_DR(6));
}

static void flags(void)
{
    __asm__ volatile("pushf; popf; cli" ::: "memory", "cc");
    pause();
}

static void ports(void)
{
    outb(0x80, 0x55);
    inb(0x80);
    inl(0xcf8);
    inl(machine.pm_timer);
}

static void fault_ud(u64 unused)
{
    (void)unused;
    __asm__ volatile("ud2");
}

static void fault_pf(u64 address)
{
    *(volatile u8 *)address = 1;
}

static void faults(void)
{
    attempt(fault_ud, 0, NULL);
    attempt(fault_pf, WINDOW_BASE + 100 * PAGE, NULL);
}

static void fault_user(u64 unused)
{
    (void)unused;
}

static void ring3(void)
{
    attempt_user(fault_user, 0, NULL);
}

static void efer_write(void)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
}

static void pm1_read(void)
{
    inw(machine.pm1a_control);
}

static void virt_insn(u64 address)
{
    if (is_amd) {
        __asm__ volatile("vmrun" ::"a"(address) : "memory");
    } else {
        __asm__ volatile("vmxon (%0)" ::"r"(&address) : "memory", "cc");
    }
}

static void virtualization(void)
{
    attempt(virt_insn, 0, NULL);
}

static void apic_reads(void)
{
    apic_read(APIC_TPR);
    apic_read(APIC_IRR);
}

static void tpr_write(void)
{
    apic_write(APIC_TPR, 0);
}

static void tpr_cr8(void)
{
    WRITE_CR(8, READ_CR(8));
}

static void eoi_write(void)
{
    apic_write(APIC_EOI, 0);
}

static void lvt_write(void)
{
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASK | VECTOR_TIMER);
    apic_write(APIC_LVT_PMC, 0x400);
    apic_write(APIC_TIMER_INITIAL, 0);
}

/* One write of ICR; the interrupt itself is taken at once, and its EOI is a write as well in xAPIC
 * mode. */
static void quiet(struct frame *frame)
{
    (void)frame;
}

static void icr_nmi_self(void)
{
    if (apic_is_x2()) {
        wrmsr(MSR_X2APIC_ICR, (u64)this_core()->apic_id << 32 | ICR_ASSERT | ICR_NMI);
    } else {
        xapic_write(APIC_ICR, ICR_ASSERT | ICR_NMI);
    }
}

static void self_ipi_msr(void)
{
    wrmsr(0x83f, VECTOR_SELF);
    irq_window();
    wrmsr(MSR_X2APIC_EOI, 0);
}

/* Reads APIC_BASE for its mode each time: reading that MSR does not exit either. */
static const struct operation common[] = {
    {"nothing", nothing, NONE, 0},
    {"cpuid-0", cpuid_0, EXIT_CPUID, 1},
    {"cpuid-1", cpuid_1, EXIT_CPUID, 1},
    {"cpuid-80000001", cpuid_ext, EXIT_CPUID, 1},
    {"selector-allowed", selector_allowed, EXIT_PMU_WRITE, 1},
    {"selector-denied", selector_denied, EXIT_PMU_WRITE, 1},
    {"selector-zero", selector_zero, EXIT_PMU_WRITE, 1},
    {"counter-write", counter_write, NONE, 0},
    {"counter-read", counter_read, NONE, 0},
    {"rdtsc", read_tsc, NONE, 0},
    {"rdmsr-tsc", read_tsc_msr, NONE, 0},
    {"wrmsr-lstar", write_lstar, NONE, 0},
    {"wrmsr-gs-base", write_bases, NONE, 0},
    {"cr3", reload_cr3, NONE, 0},
    {"cr0-cr4", write_cr0_cr4, NONE, 0},
    {"cr8", tpr_cr8, NONE, 0},
    {"invlpg", flush_page, NONE, 0},
    {"debug-registers", debug_registers, NONE, 0},
    {"flags-pause", flags, NONE, 0},
    {"ports", ports, NONE, 0},
    {"faults", faults, NONE, 0},
    {"ring-3", ring3, NONE, 0},
    {"apic-reads", apic_reads, NONE, 0},
    {"pm1-read", pm1_read, EXIT_IO, 1},
    {"virtualization", virtualization, EXIT_VIRT_INSN, 1},
};

/* GuestOnly is forced into AMD's selectors, so that reading them exits; and the ICR is policed
 * there. */
static const struct operation amd_only[] = {
    {"selector-read", selector_read, EXIT_PMU_READ, 1},
};

/* EOI, LVT and timer too are exits on AMD as long as the APIC is a page, whose ICR is policed. */
static const struct operation xapic_only[] = {
    {"xapic-tpr", tpr_write, EXIT_APIC_PAGE, 1},
    {"xapic-eoi", eoi_write, EXIT_APIC_PAGE, 1},
    {"xapic-lvt-timer", lvt_write, EXIT_APIC_PAGE, 3},
    {"xapic-icr", icr_nmi_self, EXIT_APIC_PAGE, 1},
};

static const struct operation x2apic_only[] = {
    {"x2apic-tpr", tpr_write, NONE, 0},         {"x2apic-eoi", eoi_write, NONE, 0},
    {"x2apic-lvt-timer", lvt_write, NONE, 0},   {"x2apic-icr", icr_nmi_self, EXIT_IPI, 1},
    {"x2apic-self-ipi", self_ipi_msr, NONE, 0},
};

/* Intel reports INIT and SIPI where they arrive: nothing of the APIC is intercepted. */
static const struct operation xapic_intel[] = {
    {"xapic-tpr", tpr_write, NONE, 0},
    {"xapic-eoi", eoi_write, NONE, 0},
    {"xapic-lvt-timer", lvt_write, NONE, 0},
    {"xapic-icr", icr_nmi_self, NONE, 0},
};

static const struct operation x2apic_intel[] = {
    {"x2apic-tpr", tpr_write, NONE, 0},         {"x2apic-eoi", eoi_write, NONE, 0},
    {"x2apic-lvt-timer", lvt_write, NONE, 0},   {"x2apic-icr", icr_nmi_self, NONE, 0},
    {"x2apic-self-ipi", self_ipi_msr, NONE, 0},
};

/* Where INITs do not exit (emulators) NMIs do (EXIT_TABLE); nowhere else may they. */
static bool nmis_exit;

static u64 exits_here(u32 reason)
{
    return hypercall(HYPERCALL_EXITS, (u32)hypercall(HYPERCALL_SELF, 0, 0), reason);
}

static void see_whether_nmis_exit(void)
{
    u64 before = exits_here(EXIT_NMI), end = deadline(100);
    apic_send(this_core()->apic_id, ICR_ASSERT | ICR_NMI);
    while (exits_here(EXIT_NMI) == before && !past(end)) {
        pause();
    }
    nmis_exit = exits_here(EXIT_NMI) != before;
    say("info: NMIs %s", nmis_exit ? "exit" : "do not exit");
}

static void snapshot(u64 exits[EXIT_REASONS])
{
    u32 self = (u32)hypercall(HYPERCALL_SELF, 0, 0);
    for (u32 reason = 0; reason < EXIT_REASONS; reason++) {
        exits[reason] = hypercall(HYPERCALL_EXITS, self, reason);
    }
}

static void judge(const char *name, const u64 before[], const u64 after[], int reason, u64 wanted)
{
    for (int r = 0; r < EXIT_REASONS; r++) {
        u64 rise = after[r] - before[r], right = r == reason ? wanted : 0;
        if (r == EXIT_HYPERCALL || (r == EXIT_NMI && nmis_exit)) {
            continue;
        }
        expect(rise == right, "core %u: %s raised reason %d by %lu, not %lu", this_core()->index,
               name, r, rise, right);
    }
}

static void account(const struct operation *o)
{
    u64 before[EXIT_REASONS], after[EXIT_REASONS];
    bool cede = under_cede();
    if (cede) {
        snapshot(before);
    }
    for (u32 i = 0; i < TIMES; i++) {
        o->once();
    }
    if (cede) {
        snapshot(after);
        judge(o->name, before, after, o->reason, (u64)o->exits * TIMES);
    }
}

struct list {
    const struct operation *operations;
    u32 count;
};

static void account_list(u64 argument)
{
    const struct list *list = (const struct list *)argument;
    for (u32 i = 0; i < list->count; i++) {
        account(&list->operations[i]);
    }
    selector_zero();
}

/* EFER is special: writes exit, reads may. */
static void account_efer(u64 unused)
{
    u64 before[EXIT_REASONS], after[EXIT_REASONS];
    (void)unused;
    snapshot(before);
    for (u32 i = 0; i < TIMES; i++) {
        efer_write();
    }
    snapshot(after);
    expect(after[EXIT_MSR_WRITE] - before[EXIT_MSR_WRITE] == TIMES, "%lu EFER writes counted",
           after[EXIT_MSR_WRITE] - before[EXIT_MSR_WRITE]);
    expect(after[EXIT_MSR_READ] - before[EXIT_MSR_READ] <= TIMES, "%lu EFER reads counted",
           after[EXIT_MSR_READ] - before[EXIT_MSR_READ]);
}

/* A second of HLT and timer interrupts: on AMD in xAPIC mode one exit per EOI, else none. */
static void account_timer(u64 unused)
{
    u64 before[EXIT_REASONS], after[EXIT_REASONS], end = deadline(PATIENCE_MS);
    struct core *core = this_core();
    bool exits = is_amd && !apic_is_x2();
    (void)unused;
    core->count[VECTOR_TIMER] = 0;
    apic_write(APIC_TIMER_DIVIDE, 0xb);
    apic_write(APIC_LVT_TIMER, 1 << 17 | VECTOR_TIMER);
    apic_write(APIC_TIMER_INITIAL, 2000000);
    snapshot(before);
    u32 ticks = core->count[VECTOR_TIMER];
    while (core->count[VECTOR_TIMER] < ticks + 50 && !past(end)) {
        __asm__ volatile("sti; hlt; cli" ::: "memory");
    }
    snapshot(after);
    ticks = core->count[VECTOR_TIMER] - ticks;
    apic_write(APIC_TIMER_INITIAL, 0);
    apic_write(APIC_LVT_TIMER, APIC_LVT_MASK | VECTOR_TIMER);
    expect(ticks >= 50, "core %u: %u ticks", core->index, ticks);
    judge("hlt-and-timer", before, after, exits ? EXIT_APIC_PAGE : NONE, exits ? ticks : 0);
    irq_window();
}

/* On AMD INIT and SIPI are counted on the core that sends them. */
static void account_start(void)
{
    u64 before[EXIT_REASONS], after[EXIT_REASONS];
    static const struct start plain;
    u32 starts = cores[1]->starts;
    start_prepare(cores[1], &plain);
    snapshot(before);
    apic_send(cores[1]->apic_id, ICR_ASSERT | ICR_INIT);
    delay_us(10000);
    apic_send(cores[1]->apic_id, ICR_ASSERT | ICR_SIPI | start_vector(0));
    snapshot(after);
    expect(start_seen(cores[1], starts, PATIENCE_MS), "core 1 did not start");
    /* In xAPIC mode ICR's upper half was written as well, twice. */
    judge("init-sipi", before, after, EXIT_START, 2);
}

static void account_start_probe(void)
{
    u64 page_before, page_after;
    u32 self = (u32)hypercall(HYPERCALL_SELF, 0, 0);
    test_begin_cede("exits-init-sipi");
    if (core_count > 1 && apic_is_x2()) {
        account_start();
    } else if (core_count > 1) {
        static const struct start plain;
        page_before = hypercall(HYPERCALL_EXITS, self, EXIT_START);
        expect(core_start(cores[1], &plain), "core 1 did not start");
        page_after = hypercall(HYPERCALL_EXITS, self, EXIT_START);
        expect(page_after - page_before >= 2 && page_after - page_before <= 3,
               "%lu exits for INIT and one or two SIPIs", page_after - page_before);
    }
    test_end();
}

static void run_list(const char *bare_name, const char *cede_name, const struct list *list)
{
    if (under_cede()) {
        test_begin_cede(cede_name);
        expect(core_run_all(account_list, (u64)list, PATIENCE_MS * 4), "a core did not finish");
        test_end();
    }
    test_begin(bare_name);
    account_list((u64)list);
    test_end();
}

static void one_mode(const struct list *list, const char *bare_name, const char *cede_name)
{
    run_list(bare_name, cede_name, list);
    if (under_cede()) {
        test_begin_cede("exits-hlt-and-timer");
        expect(core_run_all(account_timer, 0, PATIENCE_MS * 4), "a core did not finish");
        test_end();
    }
    if (under_cede() && is_amd) {
        account_start_probe();
    }
}

static void enter_x2apic(u64 unused)
{
    (void)unused;
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EXTD);
    apic_enable();
}

#define LIST(name)        \
    (const struct list)   \
    {                     \
        name, COUNT(name) \
    }

static void per_vendor(void)
{
    const struct list amd = LIST(amd_only);
    if (is_amd) {
        run_list("operations-amd", "exits-exact-amd", &amd);
    }
    if (is_amd && under_cede()) {
        test_begin_cede("exits-efer");
        expect(core_run_all(account_efer, 0, PATIENCE_MS), "a core did not finish");
        test_end();
    }
}

void account_probes(void)
{
    const struct list all = LIST(common);
    const struct list xapic = is_amd ? LIST(xapic_only) : LIST(xapic_intel);
    const struct list x2apic = is_amd ? LIST(x2apic_only) : LIST(x2apic_intel);
    for (u32 i = 0; i < core_count; i++) {
        cores[i]->handler[VECTOR_SELF] = quiet;
    }
    if (under_cede()) {
        see_whether_nmis_exit();
    }
    run_list("operations", "exits-exact", &all);
    per_vendor();
    if (!apic_is_x2()) {
        one_mode(&xapic, "operations-xapic", "exits-exact-xapic");
    }
    if (cpuid(1, 0).ecx & BIT(21)) {
        core_run_all(enter_x2apic, 0, PATIENCE_MS);
        test_section("x2apic-");
        one_mode(&x2apic, "operations-x2apic", "exits-exact-x2apic");
        run_list("operations", "exits-exact", &all);
        test_section("");
    }
}
