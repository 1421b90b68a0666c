/* Exceptions in the hypervisor. Expected ones have a fix-up; a machine check belongs to the guest;
 * anything else is our bug: it is reported and stops this core only. */
#include "base/asm.h"
#include "host/host.h"
#include "host/machine_check.h"
#include "serial/log.h"
#include "vendor.h"

enum { DB = 1, NMI = 2, GP = 13, PF = 14, MC = 18, SX = 30 };

struct fixup {
    int at, to; /* relative to their own addresses */
};

extern const struct fixup fixups_start[], fixups_end[];
extern const char image_start[], text_end[];

void exception(struct frame *frame);

static bool fix_up(struct frame *frame)
{
    for (const struct fixup *f = fixups_start; f < fixups_end; f++) {
        if (frame->rip == (u64)&f->at + (u64)(long)f->at) {
            frame->rip = (u64)&f->to + (u64)(long)f->to;
            return true;
        }
    }
    return false;
}

static bool in_text(u64 address)
{
    return address >= (u64)image_start && address < (u64)text_end;
}

/* Follows saved frame pointers, as far as they stay in this core's stack. */
static void backtrace(const struct cpu *cpu, u64 rbp)
{
    u64 top = (u64)cpu, bottom = top - CPU_STACK_TOP + PAGE_SIZE;

    for (u32 depth = 0; depth < 16 && rbp >= bottom && rbp <= top - 16 && rbp % 8 == 0; depth++) {
        const u64 *saved = (const u64 *)rbp;

        if (in_text(saved[1]))
            log_line("panic:   called from hv.elf+%x", saved[1] - (u64)image_start);
        rbp = saved[0];
    }
}

static void report(const struct frame *frame, const struct cpu *cpu)
{
    log_panic();
    log_line("panic: core %u: exception %u, error %x, at hv.elf+%x (%x)", (u64)cpu->index,
             frame->vector, frame->error, frame->rip - (u64)image_start, frame->rip);
    log_line("panic:   rax %x rbx %x rcx %x rdx %x", frame->rax, frame->rbx, frame->rcx,
             frame->rdx);
    log_line("panic:   rsi %x rdi %x rbp %x rsp %x", frame->rsi, frame->rdi, frame->rbp,
             frame->rsp);
    log_line("panic:   r8 %x r9 %x r10 %x r11 %x", frame->r8, frame->r9, frame->r10, frame->r11);
    log_line("panic:   r12 %x r13 %x r14 %x r15 %x", frame->r12, frame->r13, frame->r14,
             frame->r15);
    log_line("panic:   cr2 %x cr3 %x rflags %x", read_cr2(), read_cr3(), frame->rflags);
    backtrace(cpu, frame->rbp);
    log_line("panic: this core is stopped; the others go on. Please report it with these lines.");
}

/* Too late to be seen before the entry that is about to happen: look again. */
static void look_again(struct frame *frame)
{
    if (frame->rip >= (u64)vendor->window_start && frame->rip < (u64)vendor->window_end)
        frame->rip = (u64)vendor->late;
}

void exception(struct frame *frame)
{
    struct cpu *cpu = this_cpu();

    if ((frame->vector == GP || frame->vector == PF) && fix_up(frame))
        return;
    /* The host sets no breakpoint and no TF. Bochs 3.0 carries a single-step trap of the guest over
     * #VMEXIT. */
    if (frame->vector == DB)
        return;
    if (frame->vector == MC) {
        machine_check_in_host(cpu);
        look_again(frame);
        return;
    }
    if ((frame->vector == SX || frame->vector == NMI) && vendor->let_in(cpu, frame->vector)) {
        look_again(frame);
        return;
    }
    report(frame, cpu);
    cpu_stop();
}
