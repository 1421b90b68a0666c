#include "smp.h"
#include "apic.h"
#include "clock.h"
#include "cpu.h"
#include "paging.h"
#include "report.h"

extern char trampoline_begin[], trampoline_prot[], trampoline_long[], trampoline_end[];

_Static_assert(sizeof(struct start_record) == 0x60, "trampoline.S knows the layout");
_Static_assert(sizeof(struct start_order) == 0x48, "trampoline.h knows the layout");

static u64 trampolines[TRAMPOLINE_PAGES];

static const u64 start_gdt[] = {
    0,
    [SEL_CODE64 / 8] = 0x00af9b000000ffff,
    [SEL_DATA / 8] = 0x00cf93000000ffff,
    [SEL_CODE32 / 8] = 0x00cf9b000000ffff,
};
_Static_assert(sizeof start_gdt <= TRAMPOLINE_RESULTS - TRAMPOLINE_GDT, "GDT overlaps results");

static void copy(u64 to, const void *from, u64 size)
{
    for (u64 i = 0; i < size; i++) {
        ((volatile u8 *)to)[i] = ((const u8 *)from)[i];
    }
}

void trampoline_build(const u64 pages[TRAMPOLINE_PAGES])
{
    for (u32 i = 0; i < TRAMPOLINE_PAGES; i++) {
        trampolines[i] = pages[i];
        copy(pages[i], trampoline_begin, (u64)(trampoline_end - trampoline_begin));
        copy(pages[i] + TRAMPOLINE_GDT, start_gdt, sizeof start_gdt);
    }
}

volatile struct start_record *start_record(u32 page)
{
    return (volatile struct start_record *)(trampolines[page] + TRAMPOLINE_RECORD);
}

volatile u32 *start_results(u32 page)
{
    return (volatile u32 *)(trampolines[page] + TRAMPOLINE_RESULTS);
}

u32 start_vector(u32 page)
{
    return (u32)(trampolines[page] >> 12);
}

static u32 page_offset(u32 page, const char *label)
{
    return (u32)(trampolines[page] + (u64)(label - trampoline_begin));
}

void start_prepare(struct core *core, const struct start *start)
{
    struct start_order order = {
        .mode = start->mode,
        .cr3 = (u32)paging_root(start->la57),
        .cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | (start->la57 ? CR4_LA57 : 0),
        .paging32 = start->paging32,
        .cr4_32 = start->cr4_32,
        .target = cores[0]->apic_id << 24,
        .gdtr_limit = sizeof start_gdt - 1,
        .gdtr_base = (u32)trampolines[start->page] + TRAMPOLINE_GDT,
        .far32_offset = page_offset(start->page, trampoline_prot),
        .far32_selector = SEL_CODE32,
        .far64_offset = page_offset(start->page, trampoline_long),
        .far64_selector = SEL_CODE64,
        .stack = (u64)core + CORE_BLOCK,
        .core = (u64)core,
        .entry = (u64)core_main,
    };
    copy(trampolines[start->page] + TRAMPOLINE_ORDER, &order, sizeof order);
    start_record(start->page)->arrived = 0;
    core->work = NULL;
    core->attempt = NULL;
}

bool start_seen(struct core *core, u32 starts_before, u32 milliseconds)
{
    u64 end = deadline(milliseconds);
    while (core->starts == starts_before) {
        if (past(end)) {
            return false;
        }
        pause();
    }
    return true;
}

bool core_start(struct core *core, const struct start *start)
{
    u32 before = core->starts, sipi = ICR_ASSERT | ICR_SIPI | start_vector(start->page);
    start_prepare(core, start);
    if (!start->no_init) {
        apic_send(core->apic_id, ICR_ASSERT | ICR_INIT);
        delay_us(1000); /* SDM asks for 10 ms; no processor since the P6 needs it */
    }
    apic_send(core->apic_id, sipi);
    if (start_seen(core, before, 2)) {
        return true;
    }
    apic_send(core->apic_id, sipi);
    return start_seen(core, before, 2000);
}

bool start_all(void)
{
    static const struct start plain;
    for (u32 i = 1; i < core_count; i++) {
        if (!core_start(cores[i], &plain)) {
            test_fail("core %u (APIC ID %u) did not start", i, cores[i]->apic_id);
            return false;
        }
    }
    return true;
}
