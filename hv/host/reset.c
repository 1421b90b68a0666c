/* Resetting the machine. */
#include "base/asm.h"
#include "hv.h"

#define PORT_RESET_CONTROL 0xcf9 /* PCI reset: full, then the edge */
#define PORT_KEYBOARD      0x64
#define KEYBOARD_PULSE     0xfe

static void wait_a_little(void)
{
    for (u32 i = 0; i < 1000000; i++)
        pause();
}

static void reset_by_acpi(const struct boot_reset *reset)
{
    if (reset->space == 1)
        outb((u16)reset->address, reset->value);
    else if (reset->space == 0)
        *(volatile u8 *)reset->address = reset->value;
}

void platform_reset(void)
{
    write_cr3(hv.full_cr3); /* the register may be anywhere */
    reset_by_acpi(&hv.info->reset);
    wait_a_little();
    outb(PORT_RESET_CONTROL, 0x02);
    outb(PORT_RESET_CONTROL, 0x06);
    wait_a_little();
    outb(PORT_KEYBOARD, KEYBOARD_PULSE);
    wait_a_little();
    for (;;) { /* the last resort: a triple fault in the host */
        struct pseudo_descriptor none = {0, 0};

        __asm__ volatile("lidt %0; ud2" : : "m"(none));
    }
}
