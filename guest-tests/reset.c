/* reset.efi WAY: ends the machine, with firmware still there or (word `late`) after
 * ExitBootServices. Reboot: acpi, cf9, keyboard, port92, triple, efi (ResetSystem). Power-off: s4,
 * s5 (PM1 control), efi-off. */
#include "cpu.h"
#include "clock.h"
#include "machine.h"
#include "report.h"

enum { SLP_EN = 1 << 13, KEYBOARD_STATUS = 0x64 };

static void by_acpi(void)
{
    if (machine.reset_space == 1) {
        outb((u16)machine.reset_address, machine.reset_value);
    } else if (machine.reset_space == 0) {
        *(volatile u8 *)machine.reset_address = machine.reset_value;
    }
}

static void by_cf9(void)
{
    outb(0xcf9, 0x02);
    outb(0xcf9, 0x06);
}

static void by_keyboard(void)
{
    u32 patience = 100000;
    while ((inb(KEYBOARD_STATUS) & 2) && --patience) {
    }
    outb(KEYBOARD_STATUS, 0xfe);
}

static void by_port92(void)
{
    outb(0x92, inb(0x92) & 0xfe);
    outb(0x92, inb(0x92) | 1);
}

static void by_triple_fault(void)
{
    struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) none = {0, 0};
    __asm__ volatile("cli; lidt %0; ud2" ::"m"(none));
}

static EFI_RUNTIME_SERVICES *runtime;

static void by_efi(void)
{
    runtime->ResetSystem(EfiResetCold, EFI_SUCCESS, 0, NULL);
}

static void by_efi_off(void)
{
    runtime->ResetSystem(EfiResetShutdown, EFI_SUCCESS, 0, NULL);
}

/* As Linux does: the type first, then all of it again with the bit that sleeps. */
static void by_pm1(u8 type)
{
    u16 control = (u16)((inw(machine.pm1a_control) & ~0x3c00) | type << 10);
    outw(machine.pm1a_control, control);
    outw(machine.pm1a_control, (u16)(control | SLP_EN));
}

static void by_s4(void)
{
    by_pm1(machine.s4_type);
}

static void by_s5(void)
{
    by_pm1(machine.s5_type);
}

static const struct {
    const char *name;
    void (*act)(void);
} ways[] = {
    {"acpi", by_acpi},
    {"cf9", by_cf9},
    {"keyboard", by_keyboard},
    {"port92", by_port92},
    {"triple", by_triple_fault},
    {"efi-off", by_efi_off},
    {"efi", by_efi},
    {"s4", by_s4},
    {"s5", by_s5},
};

static void reset(u64 unused)
{
    (void)unused;
    runtime = machine.firmware->RuntimeServices;
    if (option_word("late")) {
        machine_leave_firmware();
    }
    for (u32 i = 0; i < COUNT(ways); i++) {
        if (option_word(ways[i].name)) {
            say("info: reset by %s", ways[i].name);
            ways[i].act();
            delay_us(2000000);
            break;
        }
    }
    test_begin("reset");
    test_fail("the machine goes on after \"%s\"", machine.options);
    test_end();
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, reset);
}
