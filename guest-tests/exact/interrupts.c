/* Interrupts that the workload raises itself, so that they come at the same instruction every time;
 * and a timer's, whose handler counts the same wherever it strikes. */
#include "apic.h"
#include "exact.h"
#include "fault.h"

enum { TURNS = 50, VECTOR_SELF = 0x90, VECTOR_TIMER = 0x91, TICKS = 20000 };

static void acknowledge(struct frame *frame)
{
    (void)frame;
    exact_result++;
    apic_eoi();
}

static void see_nmi(struct frame *frame)
{
    (void)frame;
    exact_result++;
}

static void handle(void)
{
    struct core *core = this_core();
    core->handler[VECTOR_SELF] = core->handler[VECTOR_TIMER] = acknowledge;
    core->handler[VECTOR_NMI] = see_nmi;
    apic_write(APIC_TIMER_DIVIDE, 0xb);
    apic_write(APIC_LVT_TIMER, VECTOR_TIMER);
}

/* Held until the window opens. */
static void self_ipi(void)
{
    for (u32 i = 0; i < TURNS; i++) {
        apic_send(0, ICR_ASSERT | ICR_SELF | VECTOR_SELF);
        irq_window();
    }
}

static void self_ipi_at_once(void)
{
    irq_on();
    for (u32 i = 0; i < TURNS; i++) {
        apic_send(0, ICR_ASSERT | ICR_SELF | VECTOR_SELF);
        __asm__ volatile("nop; nop; nop; nop");
    }
    irq_off();
}

static void self_nmi(void)
{
    u32 self = this_core()->apic_id;
    for (u32 i = 0; i < TURNS; i++) {
        apic_send(self, ICR_ASSERT | ICR_NMI);
        __asm__ volatile("nop; nop; nop; nop");
    }
}

/* The interrupt is there before HLT is: STI's shadow covers it, and HLT ends at once. */
static void halt_self_ipi(void)
{
    for (u32 i = 0; i < TURNS; i++) {
        apic_send(0, ICR_ASSERT | ICR_SELF | VECTOR_SELF);
        __asm__ volatile("sti; hlt; cli" ::: "memory");
    }
}

static void halt_timer(void)
{
    for (u32 i = 0; i < TURNS; i++) {
        apic_write(APIC_TIMER_INITIAL, TICKS);
        __asm__ volatile("sti; hlt; cli" ::: "memory");
    }
}

/* It strikes somewhere in the loop, which is ten times as long. */
static void timer_in_loop(void)
{
    u64 turns = 10 * TICKS;
    apic_write(APIC_TIMER_INITIAL, TICKS);
    irq_on();
    __asm__ volatile("1: dec %0; jnz 1b" : "+r"(turns)::"cc");
    irq_off();
}

static const struct workload list[] = {
    {"self-ipi", self_ipi, handle, 0, 40 * TURNS},
    {"self-ipi-interrupts-on", self_ipi_at_once, handle, 0, 40 * TURNS},
    {"self-nmi", self_nmi, handle, 0, 40 * TURNS},
    {"hlt-self-ipi", halt_self_ipi, handle, 0, 40 * TURNS},
    {"hlt-timer", halt_timer, handle, 0, 40 * TURNS},
    {"timer-in-loop", timer_in_loop, handle, 0, 20 * TICKS},
};

const struct workloads interrupt_workloads = {list, COUNT(list)};
