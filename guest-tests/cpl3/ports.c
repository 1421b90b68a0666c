/* Ports for user code: by IOPL, and by the TSS' bitmap (APM 12.2.4). One port that nobody
 * intercepts, one of the console's UART, which Cede shares, and PM1 control. */
#include "cpl3.h"
#include "cede.h"
#include "cpu.h"
#include "fault.h"
#include "machine.h"
#include "report.h"

enum { POST = 0x80, COM1_SCRATCH = 0x3ff, COM1_MCR = 0x3fc };

struct io {
    u16 port;
    u32 value;
    u8 bytes[4];
};

/* RDI: a struct io. */
USER(do_in, "mov (%%rdi), %%dx; in %%dx, %%al; mov %%eax, 4(%%rdi)")
USER(do_in16, "mov (%%rdi), %%dx; in %%dx, %%ax; mov %%eax, 4(%%rdi)")
USER(do_out, "mov (%%rdi), %%dx; mov 4(%%rdi), %%eax; out %%al, %%dx")
USER(do_outs, "mov (%%rdi), %%dx; lea 8(%%rdi), %%rsi; outsb")
USER(do_ins, "mov (%%rdi), %%dx; add $8, %%rdi; insb")

static const struct {
    const char *name;
    core_work *execute;
} forms[] = {{"IN", do_in}, {"OUT", do_out}, {"OUTS", do_outs}, {"INS", do_ins}};
enum { STRINGS = 2 }; /* come last */

static int at(u64 rflags, u32 form, u16 port)
{
    struct io io = {.port = port, .value = 0x5a, .bytes = {0x5a}};
    return attempt_user_with(rflags, forms[form].execute, (u64)&io, NULL);
}

static int read16(u64 rflags, u16 port, u16 *value)
{
    struct io io = {.port = port};
    int vector = attempt_user_with(rflags, do_in16, (u64)&io, NULL);
    *value = (u16)io.value;
    return vector;
}

static void without_permission(void)
{
    const u16 ports[] = {POST, COM1_SCRATCH, machine.pm1a_control};
    test_begin("cpl3-ports-denied");
    outb(COM1_SCRATCH, 0x33);
    for (u32 i = 0; i < COUNT(ports); i++) {
        for (u32 form = 0; form < COUNT(forms); form++) {
            int vector = at(0, form, ports[i]);
            expect(vector == VECTOR_GP, "%s at %x gave %d", forms[form].name, (u32)ports[i],
                   vector);
        }
    }
    expect(inb(COM1_SCRATCH) == 0x33, "the scratch register has changed");
    test_end();
}

/* INS, and OUTS from user code, get #GP from Cede at a port that it watches (docs/design.md). */
static bool is_limit(u32 form, u16 port, int vector)
{
    return under_cede() && form >= STRINGS && port != POST && vector == VECTOR_GP;
}

static void with_permission(u64 rflags, const char *by)
{
    for (u32 form = 0; form < COUNT(forms); form++) {
        int post = at(rflags, form, POST), scratch = at(rflags, form, COM1_SCRATCH);
        expect(post == NO_FAULT, "%s by %s: %d", forms[form].name, by, post);
        expect(scratch == NO_FAULT || is_limit(form, COM1_SCRATCH, scratch),
               "%s at the UART by %s: %d", forms[form].name, by, scratch);
    }
    struct io io = {.port = COM1_SCRATCH, .value = 0xa5};
    expect(attempt_user_with(rflags, do_out, (u64)&io, NULL) == NO_FAULT, "OUT faults");
    expect(inb(COM1_SCRATCH) == 0xa5, "the scratch register is %x", (u32)inb(COM1_SCRATCH));
    io.value = 0xdddddddd;
    expect(attempt_user_with(rflags, do_in, (u64)&io, NULL) == NO_FAULT, "IN faults");
    expect((io.value & 0xff) == 0xa5, "IN gave %x", io.value);
}

static struct {
    struct tss tss;
    u8 map[0x10000 / 8 + 1];
} wide;

static void load_tss(const struct tss *tss, u64 limit)
{
    struct core *core = this_core();
    u64 base = (u64)tss;
    core->gdt[SEL_TSS / 8] =
        (limit & 0xffff) | (base & 0xffffff) << 16 | 0x89ULL << 40 | (base >> 24 & 0xff) << 56;
    core->gdt[SEL_TSS / 8 + 1] = base >> 32;
    core_load(core);
}

static void allow(u16 port)
{
    wide.map[port / 8] &= (u8) ~(1 << port % 8);
}

static void by_bitmap(void)
{
    struct core *core = this_core();
    for (u32 i = 0; i < sizeof wide.map; i++) {
        wide.map[i] = 0xff;
    }
    wide.tss = core->tss;
    wide.tss.io_map = sizeof wide.tss;
    allow(POST);
    allow(COM1_SCRATCH);
    test_begin("cpl3-ports-bitmap");
    load_tss(&wide.tss, sizeof wide - 1);
    with_permission(0, "the bitmap");
    expect(at(0, 0, COM1_MCR) == VECTOR_GP, "IN of a port that the bitmap denies");
    u16 value;
    expect(read16(0, COM1_SCRATCH, &value) == VECTOR_GP, "IN of 16 bits, of which it denies 8");
    expect(read16(0, machine.pm1a_control, &value) == VECTOR_GP, "IN of PM1 control");
    load_tss(&core->tss, sizeof core->tss - 1);
    test_end();
}

void port_probes(void)
{
    without_permission();
    test_begin("cpl3-ports-iopl");
    with_permission(RFLAGS_IOPL, "IOPL");
    u16 value, port = machine.pm1a_control;
    expect(read16(RFLAGS_IOPL, port, &value) == NO_FAULT && value == inw(port), "PM1 control is %x",
           (u32)value);
    test_end();
    by_bitmap();
}
