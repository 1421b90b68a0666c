/* Every way out that a partition could try. Each probe says what it tried and what came back; it
 * fails when something came back that is not this partition's. That the others do not notice is
 * seen at the others. */
#include "apic.h"
#include "cede.h"
#include "clock.h"
#include "core.h"
#include "cpu.h"
#include "fault.h"
#include "paging.h"
#include "partition.h"
#include "report.h"

enum { IDS = 64, STORM = 20000 };

static u64 seed = 0x123456789abcdefULL;

static u64 random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

static bool alive(void)
{
    return rdmsr(MSR_APIC_BASE) & APIC_BASE_EXTD;
}

/* --- memory beyond its own --- */

#define WINDOW GIB(3) /* of the loader's tables: beyond this guest's memory, or at least unused */

static u64 *window_entry(void)
{
    u64 *level4 = (u64 *)paging_root(false);
    u64 *pointers = (u64 *)(level4[0] & MASK(51, 12));
    u64 *directory = (u64 *)(pointers[WINDOW / GIB(1)] & MASK(51, 12));

    return &directory[(WINDOW / MIB(2)) & 511];
}

static u64 seen, mine;

static void do_read(u64 address)
{
    seen = *(volatile u64 *)address;
}

static void do_write(u64 address)
{
    *(volatile u64 *)address = mine;
}

/* A read gives ones, or faults. What was written may be read again (Cede has a page of its own for
 * each partition behind all that is not there), but never what another guest wrote. */
static void try_memory(u64 physical, u32 *ones, u32 *faults)
{
    u64 *entry = window_entry(), old = *entry;

    *entry = ALIGN_DOWN(physical, MIB(2)) | 0xe3;
    WRITE_CR(3, READ_CR(3));
    u64 address = WINDOW + physical % MIB(2);
    int vector = attempt(do_read, address, NULL);
    expect(vector != NO_FAULT || seen == ~0ULL, "%lx reads %lx", physical, seen);
    *(vector == NO_FAULT ? ones : faults) += 1;
    mine = random();
    attempt(do_write, address, NULL);
    vector = attempt(do_read, address, NULL);
    expect(vector != NO_FAULT || seen == ~0ULL || seen == mine, "%lx after a write: %lx", physical,
           seen);
    mine = ~0ULL;
    attempt(do_write, address, NULL);
    *entry = old;
    WRITE_CR(3, READ_CR(3));
}

static void foreign_memory(void)
{
    u32 ones = 0, faults = 0, bits = cpuid(0x80000008, 0).eax & 0xff;

    test_begin("foreign-memory");
    seed ^= rdtsc() << 7;
    for (u64 at = memory_end; at < memory_end + GIB(1); at += MIB(2) - 4096) {
        try_memory(at, &ones, &faults);
    }
    for (u32 bit = 31; bit < 52; bit++) {
        if (BIT(bit) >= memory_end) {
            try_memory(BIT(bit), &ones, &faults);
        }
    }
    for (u32 i = 0; i < 1000; i++) {
        try_memory(memory_end + random() % (BIT(bits) - memory_end) / 8 * 8, &ones, &faults);
    }
    for (u64 at = 0xfec00000; at < GIB(4); at += 0x1f1000) { /* IOAPIC, HPET, APIC, flash */
        try_memory(at, &ones, &faults);
    }
    test_end();
    say("info: %s%u places read ones, %u faulted", test_section_name(), ones, faults);
}

/* --- other cores --- */

static bool is_own(u32 id)
{
    for (u32 i = 0; i < core_count; i++) {
        if (cores[i]->apic_id == id) {
            return true;
        }
    }
    return false;
}

static void do_send(u64 value)
{
    wrmsr(MSR_X2APIC_ICR, value);
}

static u32 send_refused;

static void send(u32 destination, u32 command)
{
    send_refused += attempt(do_send, (u64)destination << 32 | command, NULL) != NO_FAULT;
}

/* Every delivery mode, trigger and level, at one destination that is not its own. */
static void every_mode(u32 destination, u32 flags)
{
    for (u32 mode = 0; mode < 8; mode++) {
        for (u32 edge = 0; edge < 4; edge++) {
            send(destination, flags | mode << 8 | edge << 14 | 0x41);
        }
    }
}

static void answer(u64 unused)
{
    (void)unused;
}

static void idle_cores_answer(void)
{
    for (u32 i = 1; i < core_count; i++) {
        if (cores[i]->starts) {
            expect(core_run(cores[i], answer, 0, 3000), "own core %u is gone", i);
        }
    }
}

static void foreign_apics(void)
{
    test_begin("foreign-apics");
    for (u32 id = 0; id < IDS; id++) {
        if (!is_own(id)) {
            every_mode(id, 0);
        }
    }
    for (u32 bit = 8; bit < 32; bit++) {
        every_mode((u32)BIT(bit), 0);
    }
    idle_cores_answer();
    test_end();
    say("info: %s%u commands refused by #GP", test_section_name(), send_refused);
}

static u32 counted(u32 vector)
{
    u32 sum = 0;

    for (u32 i = 0; i < core_count; i++) {
        sum += cores[i]->count[vector];
    }
    return sum;
}

/* Broadcasts reach each of its own cores, once, and that is all. Other cores are in HLT with
 * interrupts on. */
static void broadcasts(void)
{
    static const struct {
        const char *name;
        u32 destination, command, self;
    } forms[] = {{"broadcast", ~0U, 0, 1},
                 {"all", 0, ICR_ALL, 1},
                 {"others", 0, ICR_OTHERS, 0},
                 {"logical-all", ~0U, ICR_LOGICAL, 1}};
    u32 others = 0;

    for (u32 i = 1; i < core_count; i++) {
        others += cores[i]->starts != 0;
    }
    for (u32 i = 0; i < COUNT(forms); i++) {
        u32 vector = 0x60 + i, before = counted(vector), want = before + others + forms[i].self;
        u64 end = deadline(2000);
        test_begin(forms[i].name);
        send(forms[i].destination, forms[i].command | ICR_ASSERT | vector);
        while (counted(vector) != want && !past(end)) {
            irq_window();
        }
        expect(counted(vector) == want, "%u of %u arrived", counted(vector) - before,
               want - before);
        test_end();
    }
}

static void storms(void)
{
    test_begin("storms");
    for (u32 i = 0; i < STORM; i++) {
        u32 id = (u32)random() % IDS;
        if (!is_own(id)) {
            send(id, ICR_NMI | ICR_ASSERT);
            send(id, ICR_INIT | ICR_ASSERT);
            send(id, ICR_SIPI | ICR_ASSERT | (u32)(random() & 0xff));
            send(id, ICR_ASSERT | (u32)(16 + random() % 240));
        }
    }
    for (u32 i = 0; i < STORM;
         i++) { /* logical: clusters without its own cores are found by luck */
        send((u32)random() | 0xffff0000, ICR_LOGICAL | ICR_NMI | ICR_ASSERT);
    }
    idle_cores_answer();
    test_end();
}

/* --- MSRs --- */

/* Writes that act on this core as on any machine, and would end or confuse the test: its own x2APIC
 * (probed above), the TSC, where interrupts and system calls go. */
static bool is_own_affair(u32 msr)
{
    return (msr >= 0x800 && msr <= 0x8ff) || msr == MSR_TSC || msr == 0x3b || msr == 0x6e0 ||
           msr == MSR_APIC_BASE || msr == MSR_EFER;
}

static u32 readable, writable, first_writable, last_writable;

/* Ranges of those that take some bit: for a reader to judge. */
static void note_writable(u32 msr)
{
    if (writable && msr != last_writable + 1) {
        say("info: %swritable: %x-%x", test_section_name(), first_writable, last_writable);
        first_writable = msr;
    }
    first_writable = writable ? first_writable : msr;
    last_writable = msr;
    writable++;
}

static void write_bits(u32 msr, u64 value)
{
    bool any = false;

    for (u32 bit = 0; bit < 64; bit++) {
        int vector = wrmsr_safe(msr, value ^ BIT(bit));
        expect(vector == NO_FAULT || vector == VECTOR_GP, "WRMSR %x: vector %d", msr, vector);
        any |= vector == NO_FAULT;
        if (vector == NO_FAULT) {
            wrmsr_safe(msr, value);
        }
    }
    if (any) {
        note_writable(msr);
    }
}

static void try_msr(u32 msr, bool every_bit)
{
    u64 value = 0;
    int vector = rdmsr_safe(msr, &value);

    expect(vector == NO_FAULT || vector == VECTOR_GP, "RDMSR %x: vector %d", msr, vector);
    readable += vector == NO_FAULT;
    if (is_own_affair(msr)) {
        return;
    }
    if (vector == NO_FAULT || every_bit) {
        write_bits(msr, vector == NO_FAULT ? value : 0);
        return;
    }
    wrmsr_safe(msr, 0);
    wrmsr_safe(msr, ~0ULL);
    wrmsr_safe(msr, BIT(random() % 64));
}

static void msrs(void)
{
    static const u32 starts[] = {0,          0xc0000000, 0xc0010000, 0x40000000,
                                 0x4b564d00, 0x2000,     0xc0012000, 0xfffff000};
    bool every_bit = has_word("every-bit");

    test_begin("msrs");
    readable = writable = 0;
    for (u32 i = 0; i < COUNT(starts); i++) {
        for (u32 msr = starts[i]; msr < starts[i] + (i < 3 ? 0x2000U : 0x100U); msr++) {
            try_msr(msr, every_bit);
        }
    }
    say("info: %swritable: %x-%x", test_section_name(), first_writable, last_writable);
    expect(alive(), "the APIC has changed");
    test_end();
    say("info: %s%u MSRs readable, %u writable", test_section_name(), readable, writable);
}

/* --- ports --- */

static void ports(void)
{
    static const struct {
        u16 port;
        u8 value;
    } resets[] = {{0xcf9, 6}, {0xcf9, 0xe}, {0x64, 0xfe}, {0x92, 1}, {0xb2, 1}, {0x604, 0x20}};

    test_begin("ports");
    for (u32 i = 0; i < COUNT(resets); i++) {
        outb(resets[i].port, resets[i].value);
    }
    outl(0xcf8, 0x80000000);
    expect(inl(0xcfc) == ~0U, "PCI configuration reads %x", inl(0xcfc));
    for (u32 port = 0; port < 0x10000; port++) {
        if ((port >= 0x3f5 && port <= 0x3ff) || (port >= 0x5fd && port <= 0x602)) {
            continue;
        }
        outb((u16)port, (u8)random());
        outl((u16)port, (u32)random());
        u32 value = inl((u16)port);
        expect(value == ~0U, "port %x reads %x", port, value);
    }
    test_end();
}

/* --- hypercalls, other instructions --- */

static void hypercalls(void)
{
    u32 answered = 0, known = 0;

    test_begin("hypercalls");
    for (u32 core = 0; core < 4 * IDS; core++) {
        known += hypercall(HYPERCALL_CORE, core, 0) != HYPERCALL_ERROR;
    }
    expect(known == core_count, "told of %u cores", known);
    for (u32 call = 0; call < 256; call++) {
        for (u32 i = 0; i < 64; i++) {
            u32 core = i < 32 ? i : (u32)random(), item = i < 16 ? i : (u32)random();
            answered += hypercall(call, core, item) != HYPERCALL_ERROR;
        }
    }
    expect(alive(), "the APIC has changed");
    test_end();
    say("info: %s%u hypercalls answered", test_section_name(), answered);
}

static u8 page[4096] __attribute__((aligned(4096)));

#define INSTRUCTION(name, text)                                                   \
    static void name(u64 argument)                                                \
    {                                                                             \
        __asm__ volatile(text ::"a"(argument), "c"(0), "d"(0) : "memory", "rbx"); \
    }

INSTRUCTION(do_vmrun, "vmrun")
INSTRUCTION(do_vmload, "vmload")
INSTRUCTION(do_vmsave, "vmsave")
INSTRUCTION(do_clgi, "clgi")
INSTRUCTION(do_stgi, "stgi")
INSTRUCTION(do_skinit, "skinit")
INSTRUCTION(do_vmxon, "vmxon (%%rax)")
INSTRUCTION(do_vmlaunch, "vmlaunch")
INSTRUCTION(do_vmptrld, "vmptrld (%%rax)")
INSTRUCTION(do_xsetbv, "xsetbv")
INSTRUCTION(do_rsm, "rsm")
INSTRUCTION(do_getsec, "getsec")
INSTRUCTION(do_monitor, "monitor")
INSTRUCTION(do_rdpmc, "mov $0x1234, %%ecx; rdpmc")
INSTRUCTION(do_wbinvd, "wbinvd")
INSTRUCTION(do_invd, "invd")
INSTRUCTION(do_no_cache, "mov %%cr0, %%rax; mov %%rax, %%rbx; bts $30, %%rax; mov %%rax, %%cr0; "
                         "wbinvd; mov %%rbx, %%cr0")
INSTRUCTION(do_cr4_vmxe, "mov %%cr4, %%rax; bts $13, %%rax; mov %%rax, %%cr4")

static const struct {
    const char *name;
    core_work *execute;
} must_fault[] =
    {
        {"vmrun", do_vmrun},       {"vmload", do_vmload},     {"vmsave", do_vmsave},
        {"clgi", do_clgi},         {"stgi", do_stgi},         {"skinit", do_skinit},
        {"xsetbv 0", do_xsetbv},   {"rsm", do_rsm},           {"getsec", do_getsec},
        {"vmxon", do_vmxon},       {"vmlaunch", do_vmlaunch}, {"vmptrld", do_vmptrld},
        {"cr4.vmxe", do_cr4_vmxe},
},
  harmless[] = {
      {"monitor", do_monitor}, {"rdpmc", do_rdpmc},     {"wbinvd", do_wbinvd},
      {"invd", do_invd},       {"cr0.cd", do_no_cache},
};

enum { ANYBODYS = 9 }; /* come first; QEMU's TCG takes the others for something else on AMD */

static void forbidden(void)
{
    test_begin("instructions");
    for (u32 i = 0; i < (is_amd ? ANYBODYS : COUNT(must_fault)); i++) {
        int vector = attempt(must_fault[i].execute, (u64)page, NULL);
        expect(vector == VECTOR_UD || vector == VECTOR_GP, "%s: vector %d", must_fault[i].name,
               vector);
    }
    for (u32 i = 0; i < COUNT(harmless); i++) {
        int vector = attempt(harmless[i].execute, (u64)page, NULL);
        say("info: %s%s: vector %d", test_section_name(), harmless[i].name, vector);
    }
    test_end();
}

/* Whatever the processor makes of them, it makes it in this guest's memory. No exception is left to
 * tell of it. */
void wild_tables(void)
{
    u64 *entry = (u64 *)page;

    for (u32 i = 0; i < sizeof page / sizeof *entry; i++) {
        entry[i] = random() | 1;
    }
    __asm__ volatile("mov %0, %%cr3" ::"r"(page) : "memory");
}

static void exits(void)
{
    test_begin("exits");
    for (u32 i = 0; i < 200000; i++) {
        cpuid(0, 0);
    }
    expect(cpuid(0, 0).eax, "no CPUID");
    test_end();
}

void hostile(u64 rounds)
{
    for (u64 round = 0; round < rounds; round++) {
        foreign_memory();
        foreign_apics();
        broadcasts();
        storms();
        msrs();
        ports();
        hypercalls();
        forbidden();
        exits();
    }
}
