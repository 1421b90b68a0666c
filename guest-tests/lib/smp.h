/* Starting cores by INIT and SIPI, after ExitBootServices. */
#ifndef CEDE_GUEST_SMP_H
#define CEDE_GUEST_SMP_H

#include "core.h"
#include "trampoline.h"

#define TRAMPOLINE_PAGES 3

/* What INIT and SIPI left in the registers; filled by trampoline.S. */
struct start_record {
    u32 arrived;
    u32 eax, ebx, ecx, edx, esi, edi, ebp, esp;
    u32 cr0, cr2, cr3, cr4, eflags;
    u16 cs, ds, es, ss, fs, gs;
    u32 dr6, dr7;
    u16 gdtr[4], idtr[4]; /* limit, base (two words), unused */
    u32 efer;
};

struct start_order {
    u32 mode; /* START_LONG ... */
    u32 cr3, cr4;
    u32 paging32, cr4_32;
    u32 target; /* xAPIC destination of the three interrupts, shifted to bits 31:24 */
    u16 gdtr_limit;
    u32 gdtr_base;
    u16 pad0;
    u32 far32_offset;
    u16 far32_selector, pad1;
    u32 far64_offset;
    u16 far64_selector, pad2;
    u64 stack, core, entry;
} __attribute__((packed));

/* How to start a core; all zero: 64-bit 4-level paging from the first trampoline page. */
struct start {
    u32 page; /* 0 to TRAMPOLINE_PAGES - 1 */
    u32 mode;
    bool la57;
    u32 paging32, cr4_32;
    bool no_init; /* SIPI only: is to be ignored by a running core */
};

void trampoline_build(const u64 pages[TRAMPOLINE_PAGES]);
volatile struct start_record *start_record(u32 page);
volatile u32 *start_results(u32 page);
u32 start_vector(u32 page);

/* Writes the order for this core into the page, and clears its record. */
void start_prepare(struct core *core, const struct start *start);

/* INIT, SIPI, SIPI as in SDM 8.4.4.1; true when the core has come to core_main(). */
bool core_start(struct core *core, const struct start *start);

/* Starts every core; reports the first that does not come up through test_fail(). */
bool start_all(void);

/* Whether INIT-SIPI came up within the time. */
bool start_seen(struct core *core, u32 starts_before, u32 milliseconds);

void apic_forms64(volatile u32 *results, u32 target);

#endif
