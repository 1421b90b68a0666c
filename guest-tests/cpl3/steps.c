/* User code under a debugger: single steps, and a breakpoint on an instruction that exits. */
#include "cpl3.h"
#include "apic.h"
#include "cpu.h"
#include "fault.h"
#include "machine.h"
#include "report.h"

enum { STEPS = 16, DR6_BS = 1 << 14, COM1_SCRATCH = 0x3ff };

void user_step_nop(u64 argument);
void user_step_cpuid(u64 argument);
void user_step_out(u64 argument);
void user_step_in(u64 argument);
void user_step_store(u64 argument);
void user_step_syscall(u64 argument);
void user_loop_cpuid(u64 argument);
void user_loop_out(u64 argument);
extern char user_break_cpuid[], user_break_out[];

static u64 rips[STEPS], dr6s[STEPS];
static u32 count;

static void on_step(struct frame *frame)
{
    if (count < STEPS) {
        rips[count] = frame->rip;
        dr6s[count] = READ_DR(6);
    }
    count++;
    WRITE_DR(6, 0xffff0ff0);
}

/* Each function is instructions of known length, then RET and the library's INT 0x80. */
static void step(const char *name, core_work *function, u64 argument, const u8 *ends, u32 steps)
{
    count = 0;
    int vector = attempt_user_with(RFLAGS_TF | RFLAGS_IOPL, function, argument, NULL);
    expect(vector == NO_FAULT, "%s gave %d", name, vector);
    expect(count == steps + 1, "%s: %u debug exceptions", name, count); /* and one behind RET */
    for (u32 i = 0; i < MIN(steps, count); i++) {
        expect(rips[i] == (u64)function + ends[i], "%s: step %u ends at %ld", name, i,
               (long)(rips[i] - (u64)function));
        expect(dr6s[i] & DR6_BS, "%s: DR6 %lx at step %u", name, dr6s[i], i);
    }
}

static void steps(void)
{
    static const u8 nop[] = {1, 2}, cpuid_ends[] = {1, 3, 5, 6}, port[] = {3, 4, 5},
                    store[] = {2, 3};
    test_begin("cpl3-steps");
    this_core()->handler[VECTOR_DB] = on_step;
    step("NOP", user_step_nop, 0, nop, COUNT(nop));
    step("CPUID", user_step_cpuid, 0, cpuid_ends, COUNT(cpuid_ends));
    step("OUT", user_step_out, COM1_SCRATCH, port, COUNT(port));
    step("IN", user_step_in, COM1_SCRATCH, port, COUNT(port));
    if (!apic_is_x2()) {
        step("APIC store", user_step_store, APIC_PAGE + APIC_TPR, store, COUNT(store));
        xapic_write(APIC_TPR, 0);
    }
    this_core()->handler[VECTOR_DB] = NULL;
    test_end();
}

static void on_breakpoint(struct frame *frame)
{
    on_step(frame);
    frame->rflags |= RFLAGS_RF;
}

/* A fault before the instruction; RF carries it over once, and is gone after. */
static void breakpoint(const char *name, core_work *function, char *where)
{
    count = 0;
    WRITE_DR(0, (u64)where);
    WRITE_DR(7, 0x400 | 2); /* G0, execution */
    int vector = attempt_user_with(RFLAGS_IOPL, function, COM1_SCRATCH, NULL);
    WRITE_DR(7, 0x400);
    expect(vector == NO_FAULT, "%s gave %d", name, vector);
    expect(count == 2, "%s: %u debug exceptions in two turns", name, count);
    for (u32 i = 0; i < MIN(count, 2U); i++) {
        expect(rips[i] == (u64)where && (dr6s[i] & 0xf) == 1, "%s: at %ld, DR6 %lx", name,
               (long)(rips[i] - (u64)where), dr6s[i]);
    }
}

static void breakpoints(void)
{
    test_begin("cpl3-breakpoints");
    this_core()->handler[VECTOR_DB] = on_breakpoint;
    breakpoint("CPUID", user_loop_cpuid, user_break_cpuid);
    breakpoint("OUT", user_loop_out, user_break_out);
    this_core()->handler[VECTOR_DB] = NULL;
    test_end();
}

/* Bochs ends at the first of them in a triple fault. */
void step_probes(void)
{
    steps();
    if (!option_word("no-breakpoints")) {
        breakpoints();
    }
}
