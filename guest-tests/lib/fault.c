#include "fault.h"
#include "apic.h"
#include "cpu.h"
#include "report.h"

struct attempt {
    u64 saved_rsp;
    struct attempt *outer;
    struct fault fault;
};

struct gate {
    u16 offset0, selector;
    u8 ist, type;
    u16 offset1;
    u32 offset2, reserved;
};

struct table_register {
    u16 limit;
    u64 base;
} __attribute__((packed));

struct user_call {
    core_work *function;
    u64 argument, rflags;
};

struct msr_call {
    u32 msr;
    u64 value;
};

int attempt_call(core_work *function, u64 argument, u64 *saved_rsp);
void attempt_abort(u64 saved_rsp, int vector) __attribute__((noreturn));
void enter_user(core_work *function, u64 argument, u64 stack, u64 rflags);
void exception_dispatch(struct frame *frame);

static struct gate idt[256] __attribute__((aligned(16)));

static void gate_set(u32 vector, u32 dpl, u32 ist)
{
    u64 stub = (u64)exception_stubs + 16 * vector;
    idt[vector] = (struct gate){
        .offset0 = (u16)stub,
        .selector = SEL_CODE64,
        .ist = (u8)ist,
        .type = (u8)(0x8e | dpl << 5),
        .offset1 = (u16)(stub >> 16),
        .offset2 = (u32)(stub >> 32),
    };
}

void idt_build(void)
{
    for (u32 vector = 0; vector < 256; vector++) {
        gate_set(vector, 0, 0);
    }
    gate_set(VECTOR_BP, 3, 0);
    gate_set(VECTOR_OF, 3, 0);
    gate_set(VECTOR_USER_END, 3, 0);
    gate_set(VECTOR_DF, 0, 1);
    gate_set(VECTOR_IST7, 0, 7);
    gate_set(VECTOR_ABSENT, 3, 0);
    idt_set_present(VECTOR_ABSENT, false);
}

void idt_set_present(u32 vector, bool present)
{
    idt[vector].type = (u8)((idt[vector].type & 0x7f) | (present ? 0x80 : 0));
}

void idt_load(void)
{
    struct table_register r = {sizeof idt - 1, (u64)idt};
    __asm__ volatile("lidt %0" ::"m"(r));
}

static void fatal(struct core *core, struct frame *f)
{
    test_begin("exception");
    test_fail("core %u vector %lu error %lx rip %lx cs %lx rflags %lx rsp %lx cr2 %lx image %lx",
              core->index, f->vector, f->error, f->rip, f->cs, f->rflags, f->rsp, READ_CR(2),
              (u64)exception_stubs);
    test_end();
    finish();
}

static void fault_record(struct fault *fault, const struct frame *frame)
{
    fault->vector = (int)frame->vector;
    fault->cr2 = READ_CR(2);
    fault->dr6 = READ_DR(6);
    fault->frame = *frame;
}

static void fault_taken(struct core *core, struct frame *frame)
{
    struct attempt *a = core->attempt;
    if (!a) {
        fatal(core, frame);
    }
    fault_record(&a->fault, frame);
    attempt_abort(a->saved_rsp, frame->vector == VECTOR_USER_END ? NO_FAULT : (int)frame->vector);
}

__attribute__((used)) void exception_dispatch(struct frame *frame)
{
    struct core *core = this_core();
    interrupt_handler *handler = core->handler[frame->vector];
    core->count[frame->vector]++;
    if (handler) {
        handler(frame);
    } else if (frame->vector == VECTOR_USER_END ||
               (frame->vector < 32 && frame->vector != VECTOR_NMI)) {
        fault_taken(core, frame);
    } else if (frame->vector >= 32 && frame->vector != VECTOR_SPURIOUS) {
        apic_eoi();
    }
}

int attempt(core_work *function, u64 argument, struct fault *fault)
{
    struct core *core = this_core();
    struct attempt a = {.outer = core->attempt};
    core->attempt = &a;
    int vector = attempt_call(function, argument, &a.saved_rsp);
    core->attempt = a.outer;
    if (fault) {
        *fault = a.fault;
        fault->vector = vector;
    }
    return vector;
}

static void user_start(u64 argument)
{
    struct user_call *call = (struct user_call *)argument;
    enter_user(call->function, call->argument, (u64)this_core() + CORE_USER_TOP, call->rflags);
}

int attempt_user_with(u64 rflags, core_work *function, u64 argument, struct fault *fault)
{
    struct user_call call = {function, argument, rflags | RFLAGS_FIXED};
    return attempt(user_start, (u64)&call, fault);
}

int attempt_user(core_work *function, u64 argument, struct fault *fault)
{
    return attempt_user_with(0, function, argument, fault);
}

static void do_rdmsr(u64 argument)
{
    struct msr_call *call = (struct msr_call *)argument;
    call->value = rdmsr(call->msr);
}

static void do_wrmsr(u64 argument)
{
    struct msr_call *call = (struct msr_call *)argument;
    wrmsr(call->msr, call->value);
}

int rdmsr_safe(u32 msr, u64 *value)
{
    struct msr_call call = {.msr = msr};
    int vector = attempt(do_rdmsr, (u64)&call, NULL);
    *value = call.value;
    return vector;
}

int wrmsr_safe(u32 msr, u64 value)
{
    struct msr_call call = {msr, value};
    return attempt(do_wrmsr, (u64)&call, NULL);
}
