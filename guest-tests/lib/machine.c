#include "machine.h"
#include "apic.h"
#include "clock.h"
#include "cpu.h"
#include "fault.h"
#include "kept_text.h"
#include "paging.h"
#include "report.h"
#include "restart.h"
#include "smp.h"

enum { MAP_PAGES = 32 };

bool is_amd, only_old_names;
struct machine machine = {.reset_space = 0xff, .s3_type = 0xff, .s4_type = 0xff, .s5_type = 0xff};

static const EFI_GUID loaded_image_guid = {
    0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};

static void read_options(void)
{
    EFI_LOADED_IMAGE *image = NULL;
    EFI_GUID guid = loaded_image_guid;
    machine.firmware->BootServices->HandleProtocol(machine.image, &guid, (void **)&image);
    u32 length = image ? image->LoadOptionsSize / 2 : 0;
    const u16 *text = image ? image->LoadOptions : NULL;
    for (u32 i = 0; i < MIN(length, COUNT(machine.options) - 1); i++) {
        machine.options[i] = text[i] < 0x80 ? (char)text[i] : '?';
    }
}

static bool starts_with(const char *text, const char *start)
{
    for (; *start; text++, start++) {
        if (*text != *start) {
            return false;
        }
    }
    return true;
}

static const char *find_word(const char *word)
{
    for (const char *at = machine.options; *at; at++) {
        if ((at == machine.options || at[-1] == ' ') && starts_with(at, word)) {
            return at;
        }
    }
    return NULL;
}

bool option_word(const char *word)
{
    return find_word(word);
}

static const char *find_value(const char *name)
{
    const char *at = find_word(name);
    while (at && *at && *at != '=') {
        at++;
    }
    return at && *at ? at + 1 : at;
}

u64 option_number(const char *name, u64 fallback)
{
    const char *at = find_value(name);
    u64 value = 0;
    if (!at) {
        return fallback;
    }
    for (; *at >= '0' && *at <= '9'; at++) {
        value = value * 10 + (u64)(*at - '0');
    }
    return value;
}

static u64 option_hex(const char *name)
{
    u64 value = 0;
    for (const char *at = find_value(name); at && *at > ' '; at++) {
        value = value * 16 + (u64)(*at <= '9' ? *at - '0' : *at - 'a' + 10);
    }
    return value;
}

static EFI_RUNTIME_SERVICES *runtime;

static void end_by_restart(void)
{
    restart(runtime);
}

/* The self-test's way: a kept block for the text, and the next step at the next boot. */
static void report_where_told(void)
{
    u64 at = option_hex("report");
    struct kept *block = (struct kept *)at;
    runtime = machine.firmware->RuntimeServices;
    if (at && at < GIB(4) && kept_is_whole(block, at, GIB(4) - at)) {
        report_into(block, end_by_restart);
    }
}

static u64 pages_below(u64 limit, u64 pages)
{
    EFI_PHYSICAL_ADDRESS address = limit;
    EFI_STATUS status = machine.firmware->BootServices->AllocatePages(
        AllocateMaxAddress, EfiLoaderCode, pages, &address);
    if (EFI_ERROR(status)) {
        test_begin("memory");
        test_fail("no %lu pages below %lx", pages, limit);
        test_end();
        finish();
    }
    for (u64 i = 0; i < pages * PAGE / 8; i++) {
        ((volatile u64 *)address)[i] = 0;
    }
    return address;
}

u64 machine_pages(u64 pages)
{
    return pages_below(0xffffffff, pages);
}

static void build_cores(void)
{
    u32 ids[MAX_CORES], self = apic_id();
    core_count = acpi_processors(machine.rsdp, ids, MAX_CORES);
    if (!core_count) {
        ids[core_count++] = self;
    }
    u64 base = ALIGN_UP(machine_pages((core_count + 1) * CORE_BLOCK / PAGE), CORE_BLOCK);
    for (u32 i = 0, next = 1; i < core_count; i++) {
        u32 index = ids[i] == self ? 0 : next++ % core_count;
        cores[index] = (struct core *)(base + index * CORE_BLOCK);
        core_build(cores[index], index, ids[i]);
    }
}

static void build_trampolines(void)
{
    u64 pages[TRAMPOLINE_PAGES];
    for (u32 i = 0; i < TRAMPOLINE_PAGES; i++) {
        pages[i] = pages_below(0x9ffff, 1);
    }
    trampoline_build(pages);
}

UINTN machine_read_map(void)
{
    UINTN key = 0;
    UINT32 version;
    machine.map_size = MAP_PAGES * PAGE;
    machine.firmware->BootServices->GetMemoryMap(&machine.map_size, (void *)machine.map, &key,
                                                 &machine.map_stride, &version);
    return key;
}

EFI_STATUS machine_run(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware, core_work *test)
{
    machine.image = image;
    machine.firmware = firmware;
    is_amd = cpuid(0, 0).ecx == 0x444d4163; /* "cAMD" */
    firmware->BootServices->SetWatchdogTimer(0, 0, 0, NULL);
    say(" ");
    read_options();
    report_where_told();
    acpi_read(&machine);
    clock_calibrate(machine.pm_timer);
    machine.map = (u8 *)machine_pages(MAP_PAGES);
    paging_build(machine_pages(PAGING_PAGES));
    idt_build();
    build_cores();
    build_trampolines();
    machine_read_map();
    call_on_stack(test, 0, (u64)cores[0] + CORE_BLOCK);
    return EFI_SUCCESS;
}

void find_selectors(void)
{
    only_old_names = is_amd && wrmsr_safe(0xc0010200, 0) != NO_FAULT;
}

static void mask_legacy_interrupts(void)
{
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
}

void machine_leave_firmware(void)
{
    EFI_STATUS status = EFI_INVALID_PARAMETER;
    for (u32 i = 0; i < 3 && EFI_ERROR(status); i++) {
        UINTN key = machine_read_map();
        status = machine.firmware->BootServices->ExitBootServices(machine.image, key);
    }
    irq_off();
    if (EFI_ERROR(status)) {
        test_begin("exit-boot-services");
        test_fail("status %lx", (u64)status);
        test_end();
        finish();
    }
    machine.firmware = NULL;
    mask_legacy_interrupts();
    WRITE_CR(4, (READ_CR(4) & CR4_LA57) | CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT);
    core_load(cores[0]);
    apic_enable();
    find_selectors();
    cores[0]->starts = 1;
}
