/* Ports: legacy devices, the PM timer and PCI configuration work as on the bare machine; and
 * suspend is refused under Cede, since a resume would run without it. */
#include "basic.h"
#include "cede.h"
#include "clock.h"
#include "cpu.h"
#include "fault.h"
#include "machine.h"
#include "report.h"

enum {
    PIT_COUNTER2 = 0x42,
    PIT_COMMAND = 0x43,
    PORT_B = 0x61,
    CMOS_INDEX = 0x70,
    CMOS_DATA = 0x71,
    COM1_SCRATCH = 0x3ff,
    PCI_ADDRESS = 0xcf8,
    PCI_DATA = 0xcfc,
    SLP_EN = 1 << 13,
};

static const u16 harmless[] = {0x20,  0x21,  0xa0,  0xa1,  0x40,  0x41,  0x42,  0x61,  0x64,
                               0x71,  0x80,  0x84,  0x87,  0x92,  0xb2,  0xb3,  0xed,  0xf0,
                               0x3b0, 0x3da, 0x3f9, 0x3fb, 0x3fd, 0xcf8, 0xcf9, 0xcfb, 0xcfc};

static void survive_reads(void)
{
    volatile u32 sum = 0;
    test_begin("ports-read");
    for (u32 i = 0; i < COUNT(harmless); i++) {
        sum += inb(harmless[i]);
        sum += (harmless[i] & 1) ? 0 : inw(harmless[i]);
        sum += (harmless[i] & 3) ? 0 : inl(harmless[i]);
    }
    outb(0x80, 0x55);
    outb(0xed, 0x55);
    test_end();
}

/* Counter 2 in mode 0, gate on: its output rises after the count. */
static void pit_counts(void)
{
    test_begin("port-pit");
    u8 old = inb(PORT_B);
    u64 end = deadline(2000);
    outb(PORT_B, (u8)((old & ~2) | 1));
    outb(PIT_COMMAND, 0xb0);
    outb(PIT_COUNTER2, 0x00);
    outb(PIT_COUNTER2, 0x10);
    while (!(inb(PORT_B) & 0x20) && !past(end)) {
    }
    expect(inb(PORT_B) & 0x20, "counter 2 never ran out");
    outb(PORT_B, old);
    test_end();
}

static void pm_timer_counts(void)
{
    test_begin("port-pm-timer");
    u32 first = inl(machine.pm_timer), second = first;
    u64 end = deadline(1000);
    while (second == first && !past(end)) {
        second = inl(machine.pm_timer);
    }
    expect(machine.pm_timer && second != first, "stands still at %x", first);
    test_end();
}

static void cmos_reads(void)
{
    test_begin("port-cmos");
    outb(CMOS_INDEX, 0x0d);
    u8 valid = inb(CMOS_DATA);
    expect(valid & 0x80, "register D is %x", (u32)valid);
    test_end();
}

static u32 pci_read(u32 address)
{
    outl(PCI_ADDRESS, 0x80000000 | address);
    return inl(PCI_DATA);
}

static void pci_configuration(void)
{
    test_begin("port-pci");
    u32 id = pci_read(0);
    outl(PCI_ADDRESS, 0x80000000);
    expect(inl(PCI_ADDRESS) == 0x80000000, "address reads back %x", inl(PCI_ADDRESS));
    expect(id != 0xffffffff && id != 0, "host bridge is %x", id);
    expect(inw(PCI_DATA) == (id & 0xffff), "16 bits read %x", (u32)inw(PCI_DATA));
    expect(inw(PCI_DATA + 2) == id >> 16, "16 bits at +2 read %x", (u32)inw(PCI_DATA + 2));
    expect(inb(PCI_DATA + 1) == (id >> 8 & 0xff), "8 bits read %x", (u32)inb(PCI_DATA + 1));
    test_end();
}

struct string_read {
    u16 port, words[4];
    u64 left;
    void *end;
};

static void read_string(u64 argument)
{
    struct string_read *r = (struct string_read *)argument;
    r->left = 4;
    r->end = r->words;
    __asm__ volatile("rep insw" : "+D"(r->end), "+c"(r->left) : "d"(r->port) : "memory");
}

/* REP INS, from a port that nobody intercepts; and from PM1 control, where Cede may refuse it. */
static void string_forms(void)
{
    struct string_read r = {.port = PCI_ADDRESS};
    test_begin("port-string");
    outl(PCI_ADDRESS, 0x80001234);
    expect(attempt(read_string, (u64)&r, NULL) == NO_FAULT, "REP INSW faulted");
    expect(r.left == 0 && r.end == r.words + 4, "REP INSW stopped early");
    for (u32 i = 0; i < 4; i++) {
        expect(r.words[i] == inw(PCI_ADDRESS), "word %u is %x", i, (u32)r.words[i]);
    }
    test_end();
    r.port = machine.pm1a_control;
    say("info: REP INSW from PM1 control: fault %d", attempt(read_string, (u64)&r, NULL));
}

struct string_write {
    u16 port;
    const void *from;
    u64 left;
};

#define WRITE_STRING(name, text)                                                         \
    static void name(u64 argument)                                                       \
    {                                                                                    \
        struct string_write *w = (struct string_write *)argument;                        \
        __asm__ volatile(text : "+S"(w->from), "+c"(w->left) : "d"(w->port) : "memory"); \
    }

WRITE_STRING(write_once, "outsb")
WRITE_STRING(write_bytes, "rep outsb")
WRITE_STRING(write_bytes_a32, "rep outsb (%%esi), %%dx")
WRITE_STRING(write_backwards, "std; rep outsb; cld")
WRITE_STRING(write_words, "rep outsw")

/* At the scratch register of the console's UART, where Cede watches if it shares the port. */
static void string_to_uart(void)
{
    static const struct {
        const char *name;
        core_work *write;
        u32 start, count, end, left; /* bytes of the text, and what RCX is then */
    } forms[] = {
        {"OUTSB", write_once, 1, 9, 2, 9},          {"REP OUTSB", write_bytes, 0, 5, 5, 0},
        {"REP OUTSB 0", write_bytes, 4, 0, 4, 0},   {"A32", write_bytes_a32, 2, 4, 6, 0},
        {"backwards", write_backwards, 5, 3, 2, 0},
    };
    static const char text[] = "abcdefgh";
    u8 last = 0;

    test_begin("port-outs");
    outb(COM1_SCRATCH, 0);
    for (u32 i = 0; i < COUNT(forms); i++) {
        struct string_write w = {COM1_SCRATCH, text + forms[i].start, forms[i].count};
        int fault = attempt(forms[i].write, (u64)&w, NULL);
        int step = forms[i].end < forms[i].start ? 1 : -1;

        expect(fault == NO_FAULT, "%s: fault %d", forms[i].name, fault);
        expect(w.from == text + forms[i].end, "%s: RSI is off", forms[i].name);
        expect(w.left == forms[i].left, "%s: RCX is %lu", forms[i].name, w.left);
        if (forms[i].count)
            last = (u8)text[forms[i].end + (u32)step];
        expect(inb(COM1_SCRATCH) == last, "%s: wrote %x", forms[i].name, (u32)inb(COM1_SCRATCH));
    }
    test_end();
}

static void pm1_control(void)
{
    u16 port = machine.pm1a_control, old = inw(port);
    test_begin("port-pm1-control");
    outw(port, old);
    expect(inw(port) == old, "reads %x, wrote %x", (u32)inw(port), (u32)old);
    outw(port, (u16)(old & ~SLP_EN));
    outb(port, (u8)old);
    expect(inw(port) == old, "after a byte write it reads %x", (u32)inw(port));
    test_end();
    say("info: PM1a control at %x, S3 type %x, S5 type %x", (u32)port, (u32)machine.s3_type,
        (u32)machine.s5_type);
    if (under_cede()) {
        /* Cede hides \_S3 from ACPI; 1 is its type on QEMU's ICH9. */
        u16 type = machine.s3_type == 0xff ? 1 : machine.s3_type;
        test_begin_cede("suspend-refused");
        u16 asleep = (u16)((old & ~0x1c00) | type << 10 | SLP_EN);
        outw(port, asleep);
        outb(port + 1, (u8)(asleep >> 8));
        outl(port, asleep);
        struct string_write w = {port, &asleep, 1};
        attempt(write_words, (u64)&w, NULL);
        expect(w.left == 0, "OUTSW is not carried out");
        expect(hypercall(HYPERCALL_VERSION, 0, 0) == CEDE_VERSION, "Cede no longer answers");
        test_end();
        outw(port, old);
    }
}

void port_probes(void)
{
    survive_reads();
    pit_counts();
    pm_timer_counts();
    cmos_reads();
    pci_configuration();
    string_forms();
    string_to_uart();
    pm1_control();
}
