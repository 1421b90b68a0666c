/* NMIs where a hypervisor is most likely to lose, double or nest one: while the target keeps
 * exiting, and around a fault inside an NMI handler. And exits with TR, GS, FS, GDT and IDT full of
 * rubbish. */
#include "apic.h"
#include "cede.h"
#include "clock.h"
#include "cpu.h"
#include "fault.h"
#include "report.h"
#include "smp.h"
#include "smp_probes.h"

enum { STORM = 500, PATIENCE_MS = 2000 };

static volatile u32 stop, nested, inside, send_now, sent, faults_inside, count_before_iret;

static void loop_of_exits(u64 kind)
{
    while (!stop) {
        if (kind == 0) {
            cpuid(0, 0);
        } else if (kind == 1) {
            wrmsr(msr_selector(0), 0x4300c0);
        } else {
            cpuid(0, 0);
            wrmsr(msr_selector(1), 0x43ff29);
            wrmsr(MSR_EFER, rdmsr(MSR_EFER));
        }
    }
}

static void on_nmi_depth(struct frame *frame)
{
    (void)frame;
    if (inside++) {
        nested++;
    }
    inside--;
}

static void storm_one(struct core *target, u64 kind)
{
    stop = inside = nested = 0;
    target->count[VECTOR_NMI] = 0;
    target->handler[VECTOR_NMI] = on_nmi_depth;
    core_begin(target, loop_of_exits, kind);
    for (u32 round = 1; round <= STORM; round++) {
        u64 end = deadline(PATIENCE_MS);
        apic_send(target->apic_id, ICR_ASSERT | ICR_NMI);
        while (target->count[VECTOR_NMI] < round && !past(end)) {
            pause();
        }
        if (target->count[VECTOR_NMI] != round) {
            test_fail("core %u, loop %lu: %u NMIs after %u", target->index, kind,
                      target->count[VECTOR_NMI], round);
            break;
        }
    }
    delay_us(1000);
    stop = 1;
    expect(core_wait(target, PATIENCE_MS), "core %u does not stop", target->index);
    expect(target->count[VECTOR_NMI] == STORM, "core %u, loop %lu: %u NMIs", target->index, kind,
           target->count[VECTOR_NMI]);
    expect(!nested, "core %u: %u nested", target->index, nested);
    target->handler[VECTOR_NMI] = NULL;
}

static void storm(void)
{
    static const char *const names[] = {"nmi-during-cpuid", "nmi-during-selector-wrmsr",
                                        "nmi-during-mixed-exits"};
    for (u32 kind = 0; kind < COUNT(names); kind++) {
        test_begin(names[kind]);
        for (u32 i = 1; i < MIN(core_count, 3U); i++) {
            storm_one(cores[i], kind);
        }
        test_end();
    }
}

static void undefined(u64 unused)
{
    (void)unused;
    __asm__ volatile("ud2");
}

/* First NMI: have another core send a second one, then fault in every way that there is. attempt()
 * comes back without IRET, so NMIs stay blocked until this handler's own IRET. */
static void on_nmi_faulting(struct frame *frame)
{
    (void)frame;
    struct core *core = this_core();
    u64 value, end = deadline(PATIENCE_MS);
    nested += inside != 0;
    if (core->count[VECTOR_NMI] > 1) {
        return;
    }
    inside = 1;
    send_now = 1;
    while (!sent && !past(end)) {
        pause();
    }
    delay_us(500);
    faults_inside += wrmsr_safe(MSR_VM_HSAVE_PA, 0xfff) != NO_FAULT;
    faults_inside += wrmsr_safe(0xc0011030, ~0ULL) != NO_FAULT;
    faults_inside += rdmsr_safe(0xc0010230, &value) != NO_FAULT;
    expect(attempt(undefined, 0, NULL) == VECTOR_UD, "UD2 inside the handler");
    cpuid(0, 0);
    wrmsr(msr_selector(0), 0x43ff29);
    delay_us(500);
    count_before_iret = core->count[VECTOR_NMI];
    inside = 0;
}

static void wait_two(u64 unused)
{
    (void)unused;
    u64 end = deadline(PATIENCE_MS * 2);
    while (this_core()->count[VECTOR_NMI] < 2 && !past(end)) {
        pause();
    }
    delay_us(1000);
}

static void fault_inside_one(struct core *target)
{
    u64 end = deadline(PATIENCE_MS);
    send_now = sent = inside = nested = faults_inside = count_before_iret = 0;
    target->count[VECTOR_NMI] = 0;
    target->handler[VECTOR_NMI] = on_nmi_faulting;
    core_begin(target, wait_two, 0);
    apic_send(target->apic_id, ICR_ASSERT | ICR_NMI);
    while (!send_now && !past(end)) {
        pause();
    }
    apic_send(target->apic_id, ICR_ASSERT | ICR_NMI);
    sent = 1;
    expect(core_wait(target, PATIENCE_MS * 4), "core %u did not finish", target->index);
    expect(count_before_iret == 1, "core %u: %u NMIs before the handler's IRET", target->index,
           count_before_iret);
    expect(target->count[VECTOR_NMI] == 2, "core %u: %u NMIs", target->index,
           target->count[VECTOR_NMI]);
    expect(!nested, "core %u: nested", target->index);
    target->handler[VECTOR_NMI] = NULL;
}

static void fault_inside(void)
{
    test_begin("nmi-handler-faults");
    for (u32 i = 1; i < core_count; i++) {
        fault_inside_one(cores[i]);
    }
    test_end();
    say("info: nmi-handler-faults: %u of 3 MSR accesses faulted", faults_inside);
}

static void exits(void)
{
    cpuid(0, 0);
    cpuid(0x80000001, 0);
    wrmsr(msr_selector(0), 0x4300c0);
    wrmsr(MSR_EFER, rdmsr(MSR_EFER));
    inb(0x80);
}

struct table_register {
    u16 limit;
    u64 base;
} __attribute__((packed));

static void without_tables(void)
{
    struct table_register gdt, idt, none = {0, 0xdead000};
    __asm__ volatile("sgdt %0; sidt %1; lgdt %2; lidt %2" : "=m"(gdt), "=m"(idt) : "m"(none));
    exits();
    __asm__ volatile("lgdt %0; lidt %1" ::"m"(gdt), "m"(idt));
}

/* On SVM the host runs on the guest's TR, LDTR, FS and GS (docs/design.md, The pieces): they may
 * say anything. */
static void rubbish(u64 unused)
{
    (void)unused;
    struct core *core = this_core();
    u64 old_low = core->gdt[SEL_TSS / 8], old_high = core->gdt[SEL_TSS / 8 + 1];
    core->gdt[SEL_TSS / 8] = 0x89ULL << 40 | 0x345000ULL << 16 | 0x67 | 0x12ULL << 56;
    core->gdt[SEL_TSS / 8 + 1] = 0xffff8000;
    __asm__ volatile("ltr %0; lldt %1" ::"r"((u16)SEL_TSS), "r"((u16)0));
    wrmsr(MSR_GS_BASE, 0xffff8000deadb000);
    wrmsr(MSR_FS_BASE, 0x00007fffffffffff);
    wrmsr(MSR_KERNEL_GS, 0xffffffffffffffff);
    exits();
    without_tables();
    core->gdt[SEL_TSS / 8] = old_low;
    core->gdt[SEL_TSS / 8 + 1] = old_high;
    expect(rdmsr(MSR_GS_BASE) == 0xffff8000deadb000, "GS base changed");
    expect(rdmsr(MSR_FS_BASE) == 0x00007fffffffffff, "FS base changed");
    expect(rdmsr(MSR_KERNEL_GS) == 0xffffffffffffffff, "KERNEL_GS_BASE changed");
    core_load(core);
}

static void rubbish_everywhere(void)
{
    test_begin("exits-with-rubbish-tr-gs-fs");
    for (u32 round = 0; round < 100; round++) {
        expect(core_run_all(rubbish, 0, PATIENCE_MS), "round %u: a core did not finish", round);
    }
    test_end();
}

void nmi_probes(void)
{
    storm();
    fault_inside();
    rubbish_everywhere();
}
