/* What a partition is promised. */
#include "apic.h"
#include "clock.h"
#include "core.h"
#include "cpu.h"
#include "fault.h"
#include "partition.h"
#include "report.h"
#include "smp.h"

enum {
    ACPI_RSDP_ADDR = 0x70,
    E820_ENTRIES = 0x1e8,
    RAMDISK = 0x218,
    E820_TABLE = 0x2d0,
    E820_RAM = 1,
    PIECES = 0x10000, /* of the loader, below 1 MiB */
    PIECES_END = 0x1a000,
    ACPI = 0xe0000,
    ACPI_END = 0x100000,
};

#define X2APIC_ESR 0x828
#define PATTERN    0xdeadbeefcafef00dULL
#define LOCKED     BIT(0) /* IA32_XAPIC_DISABLE_STATUS */

static u32 get32(const u8 *at)
{
    return *(const u32 *)at;
}

static u64 get64(const u8 *at)
{
    return *(const u64 *)at;
}

/* --- the boot protocol --- */

static u64 find_end(void)
{
    u64 last = 0;

    for (u32 i = 0; i < boot_params[E820_ENTRIES]; i++) {
        const u8 *entry = boot_params + E820_TABLE + 20 * i;
        u64 end = get64(entry) + get64(entry + 8);
        if (get32(entry + 16) == E820_RAM && end <= GIB(4)) {
            last = MAX(last, end);
        }
    }
    return last;
}

void probe_start(void)
{
    memory_end = find_end();
    test_begin("start");
    expect(get32(boot_params + 0x202) == 0x53726448, "no setup header in boot_params");
    expect(boot_params[0x210] == 0xff, "type_of_loader %x", (u32)boot_params[0x210]);
    expect(!(rflags() & RFLAGS_IF), "interrupts are on");
    expect(rdmsr(MSR_EFER) == 0x500, "EFER %lx", rdmsr(MSR_EFER));
    expect(rdmsr(X2APIC_ESR) == 0, "the APIC holds an error against us: %lx", rdmsr(X2APIC_ESR));
    expect(memory_end >= MIB(16), "memory ends at %lx", memory_end);
    expect(word_number("tsc_early_khz=", 0) > 1000, "tsc_early_khz: %s", command_line());
    test_end();
    say("info: %smemory %lu MiB, command line: %s", test_section_name(), memory_end / MIB(1),
        command_line());
}

/* --- memory --- */

struct hole {
    u64 first, end;
};

/* Used by Cede's pieces and by this kernel. */
static void find_holes(struct hole holes[4])
{
    u64 initrd = get32(boot_params + RAMDISK), size = get32(boot_params + RAMDISK + 4);

    holes[0] = (struct hole){PIECES, PIECES_END};
    holes[1] = (struct hole){ACPI, ACPI_END};
    holes[2] = (struct hole){(u64)image_start, (u64)image_end};
    holes[3] = (struct hole){initrd, ALIGN_UP(initrd + size, 4096)};
}

static u64 skip_holes(const struct hole *holes, u64 address)
{
    for (u32 i = 0; i < 4; i++) {
        if (address >= holes[i].first && address < holes[i].end) {
            address = holes[i].end;
        }
    }
    return address;
}

/* The first 8 bytes of the page that are not 0; NULL if all are. */
static const u64 *find_data(u64 page)
{
    const u64 *at = (const u64 *)page;
    u64 count = 512;
    bool clean;

    __asm__ volatile("repe scasq" : "+D"(at), "+c"(count), "=@cce"(clean) : "a"(0ULL) : "memory");
    return clean ? NULL : at - 1;
}

void probe_memory(void)
{
    struct hole holes[4];
    const u64 *data = NULL;
    u64 pages = 0;

    find_holes(holes);
    test_begin("memory-zero");
    for (u64 page = skip_holes(holes, 0); page < memory_end && !data;
         page = skip_holes(holes, page + 4096)) {
        data = find_data(page);
        pages++;
    }
    expect(!data, "%lx at %lx", data ? *data : 0, (u64)data);
    expect(pages * 4096 > memory_end / 2, "only %lu pages looked at", pages);
    test_end();
}

/* Also the pieces, so that a start finds them only if Cede copies them again. */
void dirty_memory(void)
{
    struct hole holes[4];

    find_holes(holes);
    holes[0].end = 0; /* GDT and page tables are in use; all else may go */
    holes[1].end = holes[3].end = 0;
    for (u64 page = skip_holes(holes, 0x30000); page < memory_end;
         page = skip_holes(holes, page + 4096)) {
        for (u32 i = 0; i < 512; i++) {
            ((volatile u64 *)page)[i] = PATTERN;
        }
    }
    *(volatile u32 *)(boot_params + 0x202) = 0;
    say("info: %sdirty", test_section_name());
}

/* --- ACPI --- */

static bool sums_to_zero(const u8 *at, u32 size)
{
    u8 sum = 0;

    while (size--) {
        sum = (u8)(sum + *at++);
    }
    return !sum;
}

static const u8 *find_table(const char *signature)
{
    const u8 *rsdp = (const u8 *)get64(boot_params + ACPI_RSDP_ADDR);
    const u8 *xsdt = (const u8 *)get64(rsdp + 24);

    expect(sums_to_zero(rsdp, 36) && sums_to_zero(xsdt, get32(xsdt + 4)), "RSDP, XSDT: bad sums");
    for (u32 at = 36; at + 8 <= get32(xsdt + 4); at += 8) {
        const u8 *table = (const u8 *)get64(xsdt + at);
        if (get32(table) == get32((const u8 *)signature)) {
            expect(sums_to_zero(table, get32(table + 4)), "%s: bad sum", signature);
            return table;
        }
    }
    return NULL;
}

u32 tables_cpus(u32 ids[], u32 room)
{
    const u8 *madt = find_table("APIC");
    u32 count = 0;

    for (u32 at = 44; madt && at < get32(madt + 4) && count < room; at += madt[at + 1]) {
        ids[count++] = madt[at] == 9 ? get32(madt + at + 4) : madt[at + 3];
    }
    return count;
}

/* --- the machine --- */

static void write_apic_base(u64 value)
{
    wrmsr(MSR_APIC_BASE, value);
}

static void probe_apic(void)
{
    u64 value = 0;

    test_begin("x2apic-locked");
    expect(apic_is_x2(), "APIC_BASE %lx", rdmsr(MSR_APIC_BASE));
    expect(cpuid(7, 0).edx & BIT(29), "CPUID.7 EDX %x", cpuid(7, 0).edx);
    expect(rdmsr_safe(0x10a, &value) == NO_FAULT && (value & BIT(21)), "ARCH_CAPABILITIES %lx",
           value);
    expect(rdmsr_safe(0xbd, &value) == NO_FAULT && (value & LOCKED), "XAPIC_DISABLE_STATUS %lx",
           value);
    expect(attempt(write_apic_base, rdmsr(MSR_APIC_BASE) & ~0xc00ULL, NULL) == VECTOR_GP,
           "the APIC could be switched off");
    expect(apic_is_x2(), "no longer in x2APIC mode");
    test_end();
}

static void probe_ports(void)
{
    test_begin("ports-absent");
    for (u32 port = 0; port < 0x10000; port++) {
        if ((port >= 0x3f8 && port <= 0x3ff) || (port >= 0x600 && port <= 0x602)) {
            continue;
        }
        u8 value = inb((u16)port);
        expect(value == 0xff, "port %x reads %x", port, (u32)value);
    }
    expect(inl(0xcf8) == ~0U && inw(0x70) == 0xffff, "wider reads are not ones");
    test_end();
}

void probe_machine(void)
{
    test_begin("hypervisor-bit");
    expect(cpuid(1, 0).ecx & BIT(31), "CPUID.1 ECX %x", cpuid(1, 0).ecx);
    test_end();
    probe_apic();
    probe_ports();
}

/* --- cores --- */

enum { VECTOR_PING = 0x50, PINGS = 1000 };

static volatile u64 last_tsc;
static volatile u32 backwards;

/* In turn on each core: time does not go back from one to the next. */
static void look_at_time(u64 unused)
{
    (void)unused;
    u64 now = rdtsc();

    backwards += now < last_tsc;
    last_tsc = now;
}

static void probe_time(void)
{
    test_begin("tsc-in-step");
    for (u32 round = 0; round < 100; round++) {
        for (u32 i = 0; i < core_count; i++) {
            i ? (void)core_run(cores[i], look_at_time, 0, 1000) : look_at_time(0);
        }
    }
    expect(!backwards, "%u times backwards", backwards);
    test_end();
}

static void receive(u64 count)
{
    u64 end = deadline(5000);
    u32 *mine = (u32 *)&this_core()->count[VECTOR_PING];

    while (__atomic_load_n(mine, __ATOMIC_ACQUIRE) < count && !past(end)) {
        irq_window();
    }
}

static void probe_pings(void)
{
    test_begin("pings");
    for (u32 i = 1; i < core_count; i++) {
        u32 before = cores[i]->count[VECTOR_PING];
        core_begin(cores[i], receive, before + PINGS);
        for (u32 n = 1; n <= PINGS; n++) {
            u64 end = deadline(2000);
            apic_send(cores[i]->apic_id, ICR_ASSERT | VECTOR_PING);
            while (cores[i]->count[VECTOR_PING] < before + n && !past(end)) {
                pause();
            }
        }
        expect(core_wait(cores[i], 6000), "core %u hangs", i);
        expect(cores[i]->count[VECTOR_PING] == before + PINGS, "core %u got %u of %u", i,
               cores[i]->count[VECTOR_PING] - before, PINGS);
    }
    test_end();
}

void probe_cores(void)
{
    test_begin("cores");
    expect(cores[0]->apic_id == apic_id(), "APIC ID %u, MADT's first %u", apic_id(),
           cores[0]->apic_id);
    bool started = start_all();
    test_end();
    say("info: %s%u cores", test_section_name(), core_count);
    if (!started || has_word("quick")) {
        return;
    }
    probe_time();
    probe_pings();
}

/* --- the workload: sums that must be right, and interrupts that must all come --- */

static volatile u64 wrong;

static void add_up(u64 seed)
{
    u64 a = seed, b = seed, index = this_core()->index;

    __asm__("" : "+r"(b)); /* or the compiler adds up once */

    for (u32 i = 0; i < 200000; i++) {
        a = a * 6364136223846793005ULL + 1442695040888963407ULL;
    }
    for (u32 i = 0; i < 200000; i++) {
        b = b * 6364136223846793005ULL + 1442695040888963407ULL;
    }
    if (a != b || this_core()->index != index) {
        __atomic_add_fetch(&wrong, 1, __ATOMIC_SEQ_CST);
    }
}

static void work_round(u64 round)
{
    expect(core_run_all(add_up, rdtsc(), 60000), "a core hangs in round %lu", round);
    expect(!wrong, "%lu wrong results in round %lu", wrong, round);
    for (u32 i = 1; i < core_count; i++) {
        u32 before = cores[i]->count[VECTOR_PING];
        core_begin(cores[i], receive, before + 1);
        apic_send(cores[i]->apic_id, ICR_ASSERT | VECTOR_PING);
        expect(core_wait(cores[i], 10000) && cores[i]->count[VECTOR_PING] == before + 1,
               "round %lu: core %u lost an interrupt", round, i);
    }
}

enum { SAID_EVERY = 64 }; /* what nobody reads must not push the beginning out of Cede's ring */

void work(u64 rounds)
{
    test_begin("work");
    for (u64 round = 1; probe_good() && (!rounds || round <= rounds); round++) {
        work_round(round);
        if (round == 1 || round % SAID_EVERY == 0) {
            say("info: %sround %lu", test_section_name(), round);
        }
    }
    test_end();
}
