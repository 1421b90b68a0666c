/* Which frame buffer Cede may draw on, and which register says where it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "machine/screen.c"

#define FRAME 0x20d0000000ULL
#define ECAM  0xb0000000ULL

static EFI_GRAPHICS_OUTPUT_MODE_INFORMATION info;
static EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE mode;
static EFI_GRAPHICS_OUTPUT_PROTOCOL output;

struct device {
    EFI_PCI_IO_PROTOCOL protocol;
    UINTN segment, bus, slot, function;
    u32 bars[6];
};
static struct device devices[3];

static EFI_HANDLE output_handles[] = {&output},
                  device_handles[] = {&devices[0], &devices[1], &devices[2]};

EFI_HANDLE *handles_with(EFI_GUID *guid, UINTN *count)
{
    *count = guid == &output_guid ? 1 : 3;
    return guid == &output_guid ? output_handles : device_handles;
}

void *protocol(EFI_HANDLE handle, EFI_GUID *guid)
{
    (void)guid;
    return handle;
}

void pool_free(void *pool)
{
    (void)pool;
}

static EFI_STATUS EFIAPI locate(EFI_PCI_IO_PROTOCOL *self, UINTN *segment, UINTN *bus, UINTN *slot,
                                UINTN *function)
{
    const struct device *device = (void *)self;

    *segment = device->segment;
    *bus = device->bus;
    *slot = device->slot;
    *function = device->function;
    return EFI_SUCCESS;
}

static EFI_STATUS EFIAPI read_config(EFI_PCI_IO_PROTOCOL *self, EFI_PCI_IO_PROTOCOL_WIDTH width,
                                     UINT32 offset, UINTN count, VOID *buffer)
{
    assert_int_equal(width, EfiPciIoWidthUint32);
    assert_int_equal(offset, 0x10);
    memcpy(buffer, ((struct device *)(void *)self)->bars, count * 4);
    return EFI_SUCCESS;
}

static int set_up(void **state)
{
    static const u32 bars[3][6] = {
        {0xc0000000, 0xd001, 0xc000000c, 0x20, 0, 0},
        {0xd000000c, 0x20, 0xe0000000, 0, 0xd101, 0},
        {0xd800000c, 0x20, 0, 0, 0, 0},
    };

    (void)state;
    info =
        (EFI_GRAPHICS_OUTPUT_MODE_INFORMATION){.HorizontalResolution = 1024,
                                               .VerticalResolution = 768,
                                               .PixelFormat = PixelBlueGreenRedReserved8BitPerColor,
                                               .PixelsPerScanLine = 1088};
    mode = (EFI_GRAPHICS_OUTPUT_PROTOCOL_MODE){
        .Info = &info, .FrameBufferBase = FRAME + 0x1000, .FrameBufferSize = 1088 * 768 * 4};
    output.Mode = &mode;
    for (u32 i = 0; i < 3; i++) {
        devices[i] = (struct device){.bus = 3, .slot = i, .function = 1};
        devices[i].protocol.GetLocation = locate;
        devices[i].protocol.Pci.Read = read_config;
        memcpy(devices[i].bars, bars[i], sizeof bars[i]);
    }
    return 0;
}

static void what_is_linear(void **state)
{
    struct boot_screen screen = screen_find(0);

    (void)state;
    assert_int_equal(screen.base, FRAME + 0x1000);
    assert_int_equal(screen.size, 1088 * 768 * 4);
    assert_int_equal(screen.width, 1024);
    assert_int_equal(screen.height, 768);
    assert_int_equal(screen.pitch, 1088);
    assert_int_equal(screen.bar, 0);
    info.PixelFormat = PixelBltOnly;
    assert_int_equal(screen_find(ECAM).width, 0);
    info.PixelFormat = PixelBitMask;
    assert_int_equal(screen_find(ECAM).width, 0);
    info.PixelFormat = PixelRedGreenBlueReserved8BitPerColor;
    assert_int_equal(screen_find(0).width, 1024);
    info.PixelsPerScanLine = 1000;
    assert_int_equal(screen_find(0).width, 0);
    info.PixelsPerScanLine = 1088;
    mode.FrameBufferBase = 0;
    assert_int_equal(screen_find(0).width, 0);
}

/* No more than the firmware says that there is, nor than needs tables without end. */
static void of_large_ones_the_top(void **state)
{
    (void)state;
    mode.FrameBufferSize = 1088 * 100 * 4 + 5;
    assert_int_equal(screen_find(0).height, 100);
    info.HorizontalResolution = info.PixelsPerScanLine = 7680;
    info.VerticalResolution = 4320;
    mode.FrameBufferSize = 7680ULL * 4320 * 4;
    assert_true(screen_find(0).size <= MIB(16));
    assert_int_equal(screen_find(0).height, MIB(16) / (7680 * 4));
}

static void its_bar(void **state)
{
    struct boot_screen screen = screen_find(ECAM);

    (void)state;
    assert_int_equal(screen.bar, ECAM + (3 << 20 | 1 << 15 | 1 << 12) + 0x10);
    assert_int_equal(screen.bar_value, 0x20d000000c);
    assert_int_equal(screen.bar_bits, 64);
    devices[1].segment = 1; /* not in that memory: the next best, which is no harm */
    assert_int_equal(screen_find(ECAM).bar, ECAM + (3 << 20 | 0 << 15 | 1 << 12) + 0x18);
    mode.FrameBufferBase = 0xc0100000;
    screen = screen_find(ECAM);
    assert_int_equal(screen.bar, ECAM + (3 << 20 | 0 << 15 | 1 << 12) + 0x10);
    assert_int_equal(screen.bar_bits, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_linear, set_up),
        cmocka_unit_test_setup(of_large_ones_the_top, set_up),
        cmocka_unit_test_setup(its_bar, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
