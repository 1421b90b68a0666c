/* Memory that firmware's map calls reserved holds the hypervisor, if there is one. A guest may
 * touch it from every core, for data and as code, and neither sees nor changes anything of it. */
#include "basic.h"
#include "cede.h"
#include "cpu.h"
#include "fault.h"
#include "machine.h"
#include "paging.h"
#include "report.h"

enum { MAX_RANGES = 64 };

struct range {
    u64 base, end;
};

static struct range ranges[MAX_RANGES];
static u32 range_count;
static volatile u32 pages_read, pages_of_ones;
static bool careful;

static const EFI_MEMORY_DESCRIPTOR *descriptor(UINTN index)
{
    return (const EFI_MEMORY_DESCRIPTOR *)(machine.map + index * machine.map_stride);
}

static u64 end_of(const EFI_MEMORY_DESCRIPTOR *d)
{
    return d->PhysicalStart + d->NumberOfPages * PAGE;
}

/* Reserved ranges among RAM: those above the last usable byte below 4 GiB are devices and ECAM. */
static u64 ram_end(void)
{
    u64 end = 0;
    for (UINTN i = 0; i < machine.map_size / machine.map_stride; i++) {
        const EFI_MEMORY_DESCRIPTOR *d = descriptor(i);
        bool usable = d->Type == EfiConventionalMemory || d->Type == EfiBootServicesData ||
                      d->Type == EfiLoaderData;
        end = usable && end_of(d) <= GIB(4) ? MAX(end, end_of(d)) : end;
    }
    return end + MIB(16);
}

static void gather(void)
{
    u64 limit = ram_end();
    range_count = 0;
    for (UINTN i = 0; i < machine.map_size / machine.map_stride; i++) {
        const EFI_MEMORY_DESCRIPTOR *d = descriptor(i);
        if (d->Type == EfiReservedMemoryType && end_of(d) <= limit && range_count < MAX_RANGES) {
            ranges[range_count++] = (struct range){d->PhysicalStart, end_of(d)};
            say("info: reserved %lx-%lx", d->PhysicalStart, end_of(d) - 1);
        }
    }
}

static bool all_ones(u64 page)
{
    for (u64 i = 0; i < PAGE / 8; i++) {
        if (((volatile u64 *)page)[i] != ~0ULL) {
            return false;
        }
    }
    return true;
}

/* The reserved pages that are not Cede's are firmware's: there the same value goes back; on a real
 * machine, which may write there between the two accesses (option word `careful`), not even that.
 */
static void scribble(u64 page)
{
    volatile u64 *words = (volatile u64 *)page;
    for (u64 i = 0; i < PAGE / 8; i += 64) {
        u64 old = words[i];
        if (under_cede() && old == ~0ULL) {
            words[i] = 0x5aa5deadbeef0000 + i;
        } else if (!careful) {
            words[i] = old;
        }
    }
}

static void look(u64 page)
{
    bool ones = all_ones(page);
    atomic_add(&pages_read, 1);
    atomic_add(&pages_of_ones, ones);
}

/* The touch is a core_work: look, or scribble, on every reserved page. */
static void touch_all(u64 touch)
{
    struct fault fault;
    for (u32 i = 0; i < range_count; i++) {
        for (u64 page = ranges[i].base; page < ranges[i].end; page += PAGE) {
            int vector = attempt((core_work *)touch, page, &fault);
            expect(vector == NO_FAULT || vector == VECTOR_PF || vector == VECTOR_GP,
                   "core %u, page %lx: vector %d", this_core()->index, page, vector);
        }
    }
}

static void execute(u64 page)
{
    ((void (*)(void))page)();
}

/* Ones are FF FF, which no processor executes. What was written may stay in the page of ones, which
 * is the guest's, but it is nobody's secret and Cede goes on answering. */
static void judge_cede(u32 ones)
{
    struct fault fault;
    u64 kept = hypercall(HYPERCALL_MEMORY, 0, 0) / PAGE;
    test_begin_cede("memory-hidden");
    expect(ones >= kept, "%u pages read as ones, Cede keeps %lu", ones, kept);
    for (u32 i = 0; i < core_count; i++) {
        expect(hypercall(HYPERCALL_EXITS, i, EXIT_CPUID) != HYPERCALL_ERROR, "core %u", i);
    }
    for (u32 i = 0; i < range_count && ones; i++) {
        if (all_ones(ranges[i].base)) {
            int vector = attempt(execute, ranges[i].base, &fault);
            expect(vector == VECTOR_UD, "executing %lx: vector %d", ranges[i].base, vector);
        }
    }
    test_end();
}

static void expect_answers(void)
{
    test_begin_cede("memory-hidden-after-writes");
    for (u32 i = 0; i < core_count; i++) {
        expect(hypercall(HYPERCALL_CORE, i, 0) >> 32 == CORE_RUNNING, "core %u", i);
    }
    test_end();
}

static void on_all_cores(const char *name, core_work *touch)
{
    test_begin(name);
    expect(core_run_all(touch_all, (u64)touch, 60000), "a core did not finish");
    test_end();
}

void hidden_memory_probes(void)
{
    gather();
    careful = option_word("careful");
    pages_read = pages_of_ones = 0;
    touch_all((u64)look);
    u32 read = pages_read, ones = pages_of_ones;
    say("info: reserved pages read %u, of ones %u", read, ones);
    if (under_cede()) {
        judge_cede(ones);
    }
    on_all_cores("memory-reserved-read", look);
    on_all_cores("memory-reserved-write", scribble);
    on_all_cores("memory-reserved-read-again", look);
    if (under_cede()) {
        expect_answers();
    }
}
