/* Intel's TCO timer as chipsets from ICH9 to the 9 series and C610 have it (ICH9
 * datasheet 13.9, 10.1.60): behind the ISA bridge's PMBASE. When it has run out twice, the machine
 * is reset, if NO_REBOOT lets it. */
#include "selftest/watchdog.h"

#include "lib/cpu.h"

enum { ISA_BRIDGE = 31 << 11, PCI_ID = 0, PMBASE = 0x40, ACPI_CNTL = 0x44, RCBA = 0xf0 };
enum { TCO = 0x60, TCO_RLD = 0, TCO1_STS = 4, TCO2_STS = 6, TCO1_CNT = 8, TCO_TMR = 0x12 };
enum {
    TIMEOUT = 1 << 3,
    SECOND_TIMEOUT = 1 << 1,
    HALT = 1 << 11,
    MOST = 0x3ff,
    TICKS_PER_MINUTE = 100
};
enum { GENERAL_CONTROL = 0x3410, NO_REBOOT = 1 << 5, ENABLED = 1, ACPI_ENABLED = 1 << 7 };

/* ISA bridges, by device ID. */
static const struct {
    u16 first, last;
} bridges[] = {
    {0x2910, 0x2919}, /* ICH9, and QEMU's q35 */
    {0x3b00, 0x3b1f}, /* 5 series, 3400 */
    {0x1c40, 0x1c5f}, /* 6 series */
    {0x1d40, 0x1d41}, /* C600, X79 */
    {0x1e40, 0x1e5f}, /* 7 series */
    {0x8c40, 0x8c5f}, /* 8 series */
    {0x8cc0, 0x8cdf}, /* 9 series */
    {0x8d40, 0x8d5f}, /* C610, X99 */
};

static u32 pci_read(u32 offset)
{
    outl(0xcf8, BIT(31) | ISA_BRIDGE | offset);
    return inl(0xcfc);
}

static bool known(u32 id)
{
    for (u32 i = 0; i < COUNT(bridges); i++)
        if ((id & 0xffff) == 0x8086 && id >> 16 >= bridges[i].first && id >> 16 <= bridges[i].last)
            return true;
    return false;
}

/* Its ports; 0: there is none. */
static u16 find(void)
{
    if (!known(pci_read(PCI_ID)) || !(pci_read(ACPI_CNTL) & ACPI_ENABLED) ||
        !(pci_read(RCBA) & ENABLED))
        return 0;
    return (u16)((pci_read(PMBASE) & 0xff80) + TCO);
}

/* A board may have strapped it so that it cannot be cleared. */
static bool may_reboot(void)
{
    volatile u32 *control = (volatile u32 *)((u64)(pci_read(RCBA) & ~0x3fffU) + GENERAL_CONTROL);

    *control &= ~(u32)NO_REBOOT;
    return !(*control & NO_REBOOT);
}

bool watchdog_start(u32 seconds)
{
    u16 tco = find();
    u32 ticks = seconds * TICKS_PER_MINUTE / 60 / 2;

    if (!tco || !may_reboot())
        return false;
    outw(tco + TCO1_STS, TIMEOUT);
    outw(tco + TCO2_STS, SECOND_TIMEOUT);
    outw(tco + TCO_TMR, (u16)MIN(ticks, (u32)MOST));
    outw(tco + TCO_RLD, 1);
    outw(tco + TCO1_CNT, (u16)(inw(tco + TCO1_CNT) & ~HALT));
    return true;
}

void watchdog_stop(void)
{
    u16 tco = find();

    if (tco)
        outw(tco + TCO1_CNT, (u16)(inw(tco + TCO1_CNT) | HALT));
}
