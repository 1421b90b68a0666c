/* One core of the machine while a test owns it: its descriptor tables, stacks, interrupt counts and
 * handlers. The structure starts an aligned block that also holds the stacks, so that code finds
 * its own core from RSP alone and nothing a probe does to GS, FS or TR can mislead it. */
#ifndef CEDE_GUEST_CORE_H
#define CEDE_GUEST_CORE_H

#include "types.h"

#define CORE_BLOCK      KIB(256)
#define CORE_RING0_TOP  KIB(48) /* stack for exceptions from ring 3 */
#define CORE_DOUBLE_TOP KIB(64) /* stack (IST1) of #DF */
#define CORE_USER_TOP   KIB(96) /* stack of ring 3 code */
#define MAX_CORES       512

enum selector {
    SEL_CODE64 = 0x08,
    SEL_DATA = 0x10,
    SEL_CODE32 = 0x18,
    SEL_CODE16 = 0x20,
    SEL_DATA16 = 0x28,
    SEL_USER_DATA = 0x38 | 3,
    SEL_USER_CODE = 0x40 | 3,
    SEL_TSS = 0x48, /* two slots */
    SEL_ABSENT = 0x58,
    GDT_SLOTS = 12,
};

enum vector {
    VECTOR_DE = 0,
    VECTOR_DB = 1,
    VECTOR_NMI = 2,
    VECTOR_BP = 3,
    VECTOR_OF = 4,
    VECTOR_UD = 6,
    VECTOR_NM = 7,
    VECTOR_DF = 8,
    VECTOR_TS = 10,
    VECTOR_NP = 11,
    VECTOR_SS = 12,
    VECTOR_GP = 13,
    VECTOR_PF = 14,
    VECTOR_MF = 16,
    VECTOR_AC = 17,
    VECTOR_XM = 19,
    VECTOR_USER_END = 0x80, /* ring 3 code came to its end */
    VECTOR_IST7 = 0x81,     /* a gate whose IST entry a short TSS does not have */
    VECTOR_ABSENT = 0x82,   /* a gate that is not present */
    VECTOR_WAKE = 0xe0,     /* gets an idle core out of HLT to see its work */
    VECTOR_SPURIOUS = 0xff,
};

/* What entry.S pushes, lowest address first. */
struct frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
    u64 vector, error;
    u64 rip, cs, rflags, rsp, ss;
};

typedef void interrupt_handler(struct frame *frame);
typedef void core_work(u64 argument);

struct tss {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3, io_map;
} __attribute__((packed));

/* Local APIC registers as a core found them when it came up, before it changed any. */
struct apic_at_start {
    u32 svr, tpr, ldr, dfr, timer_initial, lvt[6];
};

struct attempt;

struct core {
    u32 index, apic_id;
    struct attempt *attempt; /* innermost, see fault.h */
    volatile u32 count[256]; /* interrupts and exceptions taken, by vector */
    interrupt_handler *volatile handler[256];
    u64 gdt[GDT_SLOTS];
    struct tss tss;

    core_work *volatile work; /* set by core_begin(), cleared when done */
    volatile u64 argument;
    volatile u32 starts; /* times that it came up in core_main() */
    struct apic_at_start apic_at_start;
};

extern struct core *cores[MAX_CORES];
extern u32 core_count; /* 0 is the boot processor */

static inline struct core *this_core(void)
{
    u64 here = (u64)__builtin_frame_address(0);
    return (struct core *)ALIGN_DOWN(here, CORE_BLOCK);
}

/* Fills a zeroed block. */
void core_build(struct core *core, u32 index, u32 apic_id);

/* Loads GDT, segments, IDT, TR, CR3 of the test library. Interrupts off. */
void core_load(struct core *core);

/* Runs function on the running core with the library's tables while firmware is up; puts firmware's
 * back. */
void core_borrow(core_work *function, u64 argument);

/* Never returns: what a started processor does, in 64-bit mode, interrupts off. */
void core_main(struct core *core) __attribute__((noreturn));

/* Work on another core; interrupts are off while it runs. An idle core sleeps in HLT: on an
 * emulator, spinning ones would starve those that work. core_wait() is false when it did not end
 * within the time. */
void core_begin(struct core *core, core_work *work, u64 argument);
bool core_wait(struct core *core, u32 milliseconds);
bool core_run(struct core *core, core_work *work, u64 argument, u32 milliseconds);

/* On every started core at once, this one included; false when one did not end. */
bool core_run_all(core_work *work, u64 argument, u32 milliseconds);

/* entry.S */
void call_on_stack(core_work *function, u64 argument, u64 stack_top);
extern char exception_stubs[];

#endif
