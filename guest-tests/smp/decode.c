/* Writes to the xAPIC page in every form and from every processor mode: a hypervisor that traps
 * them must decode them all. The forms are in lib/apic_forms.inc. */
#include "apic.h"
#include "clock.h"
#include "cpu.h"
#include "paging.h"
#include "report.h"
#include "smp.h"
#include "smp_probes.h"

enum { PATIENCE_MS = 2000, TPR_LOW = 0x80 };

/* What apic_forms leaves, in order. Flags are SF ZF PF CF as LAHF gives them: OR 0x80 yields 0xC5
 * (even parity), AND 0xF00 yields 0, ADD 0xFFFFFF80 to 0x90 yields 0x10 with a carry (odd parity).
 */
static const u32 expected[] = {
    0x10, 0x20, 0x30, 0x40, 0x30 /* old value from XCHG */,
    0x45, 0x04, 0xc5, 0x45, 0x44,
    0x00, 0x10, 0x90, 0x9a, 0x90,
    0x01, 0x10, 0x55, 0x60,
};
_Static_assert(COUNT(expected) == APIC_FORM_RESULTS, "apic_forms.inc stores as many");

static void check_results(volatile u32 *results, const char *mode)
{
    for (u32 i = 0; i < COUNT(expected); i++) {
        expect(results[i] == expected[i], "%s, result %u: %x, not %x", mode, i, results[i],
               expected[i]);
    }
}

static void clear_interrupts(void)
{
    for (u32 i = 0; i < 3; i++) {
        cores[0]->count[APIC_FORM_VECTOR + i] = 0;
    }
}

static void check_interrupts(const char *mode)
{
    u64 end = deadline(PATIENCE_MS);
    while (!past(end) &&
           !(cores[0]->count[APIC_FORM_VECTOR] && cores[0]->count[APIC_FORM_VECTOR + 1] &&
             cores[0]->count[APIC_FORM_VECTOR + 2])) {
        irq_window();
    }
    for (u32 i = 0; i < 3; i++) {
        expect(cores[0]->count[APIC_FORM_VECTOR + i] == 1, "%s: interrupt %u arrived %u times",
               mode, i, cores[0]->count[APIC_FORM_VECTOR + i]);
    }
}

struct mode {
    const char *name, *test;
    u32 start;
    u32 cr4;
    bool pae;
};

/* Before 64-bit mode: the trampoline runs the forms on its way. */
static void from_mode(const struct mode *m)
{
    struct start start = {
        .mode = m->start,
        .paging32 = m->pae ? paging_root_pae() : paging_root_legacy(),
        .cr4_32 = m->cr4,
    };
    test_begin(m->test);
    for (u32 i = 1; i < MIN(core_count, 3U); i++) {
        clear_interrupts();
        for (u32 n = 0; n < APIC_FORM_RESULTS; n++) {
            start_results(0)[n] = ~0U;
        }
        expect(core_start(cores[i], &start), "core %u did not come through", i);
        check_results(start_results(0), m->name);
        check_interrupts(m->name);
    }
    test_end();
}

static volatile u32 results64[APIC_FORM_RESULTS];

static void run_forms64(u64 unused)
{
    (void)unused;
    apic_forms64(results64, cores[0]->apic_id << 24);
}

static void forms64(struct core *core, const char *mode)
{
    clear_interrupts();
    for (u32 i = 0; i < APIC_FORM_RESULTS; i++) {
        results64[i] = ~0U;
    }
    expect(core == cores[0] ? (run_forms64(0), true) : core_run(core, run_forms64, 0, PATIENCE_MS),
           "%s: core %u did not finish", mode, core->index);
    check_results(results64, mode);
    check_interrupts(mode);
}

/* Instructions laid across a page boundary; the second page is mapped from elsewhere in physical
 * memory. All take RDI = the APIC page, ESI = a value. */
struct crossing {
    const char *name;
    u8 prelude_length, length;
    u8 bytes[16]; /* prelude, then the instruction */
    u32 esi, result;
};

static const struct crossing crossings[] = {
    {"mov imm", 0, 10, {0xc7, 0x87, TPR_LOW, 0, 0, 0, 0x11, 0, 0, 0}, 0, 0x11},
    {"mov reg", 0, 6, {0x89, 0xb7, TPR_LOW, 0, 0, 0}, 0x22, 0x22},
    {"mov rex imm",
     3,
     11,
     {0x49, 0x89, 0xf8, 0x41, 0xc7, 0x80, TPR_LOW, 0, 0, 0, 0x33, 0, 0, 0},
     0,
     0x33},
    {"mov sib", 0, 7, {0x89, 0xb4, 0x27, TPR_LOW, 0, 0, 0}, 0x44, 0x44},
    {"or imm8", 0, 7, {0x83, 0x8f, TPR_LOW, 0, 0, 0, 0x05}, 0, 0x45},
    {"or imm32", 0, 10, {0x81, 0x8f, TPR_LOW, 0, 0, 0, 0x82, 0, 0, 0}, 0, 0xc7},
    {"and reg", 0, 6, {0x21, 0xb7, TPR_LOW, 0, 0, 0}, 0xf0, 0xc0},
    {"add imm8", 0, 7, {0x83, 0x87, TPR_LOW, 0, 0, 0, 0x10}, 0, 0xd0},
    {"xchg", 0, 6, {0x87, 0xb7, TPR_LOW, 0, 0, 0}, 0x66, 0x66},
    {"mov moffs", 2, 9, {0x89, 0xf0, 0xa3, TPR_LOW, 0, 0xe0, 0xfe, 0, 0, 0, 0}, 0x77, 0x77},
};

static u8 code_pages[4][PAGE] __attribute__((aligned(4096)));

static void put(u32 where, u8 byte)
{
    code_pages[where < PAGE ? 0 : 2][where % PAGE] = byte;
}

static void cross(const struct crossing *c, u32 before_boundary, u64 base)
{
    u32 at = (u32)PAGE - before_boundary - c->prelude_length, total = c->prelude_length + c->length;
    for (u32 i = 0; i < total; i++) {
        put(at + i, c->bytes[i]);
    }
    put(at + total, 0xc3);
    ((void (*)(u64, u64))(base + at))(APIC_PAGE, c->esi);
    expect(xapic_read(APIC_TPR) == c->result, "%s, %u bytes before the boundary: TPR %x, not %x",
           c->name, before_boundary, xapic_read(APIC_TPR), c->result);
}

static void cross_all(u64 unused)
{
    (void)unused;
    u64 base = window_map(8, (u64)code_pages[0], PTE_ALL);
    window_map(9, (u64)code_pages[2], PTE_ALL);
    for (u32 split = 1; split < 11; split++) {
        xapic_write(APIC_TPR, 0);
        for (u32 i = 0; i < COUNT(crossings); i++) {
            if (split < crossings[i].length) {
                cross(&crossings[i], split, base);
            } else {
                xapic_write(APIC_TPR, crossings[i].result);
            }
        }
    }
    xapic_write(APIC_TPR, 0);
}

static void crossing_pages(void)
{
    for (u32 i = 0; i < PAGE; i++) {
        code_pages[1][i] = code_pages[3][i] = 0xcc;
    }
    test_begin("decode-across-pages");
    cross_all(0);
    for (u32 i = 1; i < core_count; i++) {
        expect(core_run(cores[i], cross_all, 0, PATIENCE_MS), "core %u did not finish", i);
    }
    test_end();
}

static void five_level(void)
{
    static const struct start plain, la57 = {.la57 = true};
    test_begin("decode-5-level");
    if ((cpuid(7, 0).ecx & BIT(16)) && core_count > 1) {
        expect(core_start(cores[1], &la57), "no start with 5-level paging");
        forms64(cores[1], "5-level");
        expect(core_run(cores[1], cross_all, 0, PATIENCE_MS), "across pages: did not finish");
        expect(core_start(cores[1], &plain), "no start with 4-level paging");
    }
    test_end();
}

void decode_probes(void)
{
    static const struct mode modes[] = {
        {"real mode", "decode-real-mode", START_REAL, 0, false},
        {"32-bit, no paging", "decode-32-no-paging", START_PROT, 0, false},
        {"32-bit paging", "decode-32-paging", START_PAGED, 1 << 4, false},
        {"PAE paging", "decode-32-pae", START_PAGED, 1 << 5, true},
    };
    if (apic_is_x2()) {
        say("info: firmware left the APIC in x2APIC mode: no page to write");
        return;
    }
    test_begin("decode-64");
    for (u32 i = 0; i < core_count; i++) {
        forms64(cores[i], "64-bit");
    }
    test_end();
    crossing_pages();
    for (u32 i = 0; i < COUNT(modes); i++) {
        from_mode(&modes[i]);
    }
    five_level();
}
