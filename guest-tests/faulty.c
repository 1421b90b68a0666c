/* faulty.efi: the hypervisor's own faults, on an image that makes them on request
 * (build/faulty/cede.efi). Each application processor asks for one that must stop it; the boot
 * processor sees that it is stopped, and that the rest of the machine goes on. What the console
 * says is checked by tools/tests.list.
 *
 * Words: `screen`: the first letter is there too. `boot`: then the boot processor asks for one,
 * too, and nobody goes on. `reset`: then the machine is reset. `check`: the firmware has been told
 * to start `cede.efi --check` after that. `later`: the next run does that instead, without a fault
 * and as an OS that uses all memory, so that --check is two boots away. */
#include "boot_next.h"
#include "cede.h"
#include "clock.h"
#include "faulty/faulty.h"
#include "machine.h"
#include "report.h"
#include "smp.h"

static void ask(u64 item)
{
    hypercall(FAULTY_CALL, 0, (u32)item);
}

static bool stopped(u32 core)
{
    for (u32 tries = 0; tries < 2000; tries++) {
        if (hypercall(HYPERCALL_CORE, core, 0) >> 32 == CORE_STOPPED)
            return true;
        delay_us(1000);
    }
    return false;
}

static void expect_stop(u32 core, u32 item, const char *name)
{
    test_begin(name);
    core_begin(cores[core], ask, item);
    expect(stopped(core), "core %u goes on after fault %u", core, item);
    test_end();
}

static void check_next(void)
{
    boot_next("\\cede.efi", "--check", 7);
}

static bool was_here(void)
{
    static EFI_GUID guid = {
        0xcede0002, 0x0000, 0x4000, {0x80, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02}};
    u8 mark = 0;
    UINTN size = sizeof mark;
    machine.firmware->RuntimeServices->GetVariable(L"CedeFaulty", &guid, NULL, &size, &mark);
    set_variable(L"CedeFaulty", &guid, &(u8){1}, 1);
    return mark;
}

static void use_all_memory(void)
{
    for (u8 *at = machine.map; at + machine.map_stride <= machine.map + machine.map_size;
         at += machine.map_stride) {
        const EFI_MEMORY_DESCRIPTOR *range = (const void *)at;
        if (range->Type != EfiConventionalMemory) {
            continue;
        }
        for (u64 *word = (u64 *)range->PhysicalStart, *end = word + range->NumberOfPages * 512;
             word < end; word++) {
            *word = 0x5a5a5a5a5a5a5a5a;
        }
    }
}

static void reset(void)
{
    say("info: reset");
    outb(0xcf9, 0x02);
    outb(0xcf9, 0x06);
    delay_us(2000000);
}

static void faulty(u64 unused)
{
    static const char *const names[FAULTY_COUNT] = {
        [FAULTY_UD2] = "host-ud2",
        [FAULTY_WRITE_TEXT] = "host-text-is-read-only",
        [FAULTY_WRITE_RODATA] = "host-rodata-is-read-only",
        [FAULTY_GUARD_PAGE] = "host-guard-page",
        [FAULTY_RUN_DATA] = "host-data-is-not-executable",
    };

    (void)unused;
    if (option_word("later") && was_here()) {
        check_next();
        machine_leave_firmware();
        use_all_memory();
        reset();
    }
    if (option_word("check")) {
        check_next();
    }
    screen_find();
    machine_leave_firmware();
    test_begin("host-fixups");
    expect(hypercall(FAULTY_CALL, 0, FAULTY_FIXUPS) == 1, "an expected fault was not fixed up");
    test_end();
    test_begin("start-cores");
    start_all();
    test_end();
    for (u32 item = FAULTY_UD2; item < FAULTY_COUNT && item < core_count; item++)
        expect_stop(item, item, names[item]);
    test_begin("the-rest-goes-on");
    expect(hypercall(HYPERCALL_VERSION, 0, 0) == CEDE_VERSION, "no hypercall after the reports");
    test_end();
    if (option_word("screen")) {
        screen_probe();
    }
    if (option_word("boot")) {
        ask(FAULTY_UD2);
    }
    if (option_word("reset")) {
        reset();
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, faulty);
}
