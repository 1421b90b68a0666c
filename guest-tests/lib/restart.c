#include "restart.h"
#include "cpu.h"

enum { RESET_CONTROL = 0xcf9, KEYBOARD = 0x64, KEYBOARD_FULL = 2, KEYBOARD_RESET = 0xfe };

/* A warm one: without bit 3 the power stays on, and with it what memory has. */
static void by_chipset(void)
{
    outb(RESET_CONTROL, 0x02);
    outb(RESET_CONTROL, 0x06);
}

static void by_keyboard(void)
{
    u32 patience = 100000;
    while ((inb(KEYBOARD) & KEYBOARD_FULL) && --patience) {
    }
    outb(KEYBOARD, KEYBOARD_RESET);
}

static void by_triple_fault(void)
{
    static const struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) none;
    __asm__ volatile("lidt %0; ud2" ::"m"(none));
}

/* Each of them takes its time. Not by the clock, which may not have been calibrated. */
static void wait_a_while(void)
{
    for (u32 i = 0; i < 2000000; i++) {
        inb(0x80);
    }
}

void restart(EFI_RUNTIME_SERVICES *runtime)
{
    if (runtime) {
        runtime->ResetSystem(EfiResetWarm, EFI_SUCCESS, 0, NULL);
        wait_a_while();
    }
    irq_off();
    by_chipset();
    wait_a_while();
    by_keyboard();
    wait_a_while();
    for (;;) {
        by_triple_fault();
    }
}
