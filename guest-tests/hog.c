/* hog.efi [\PATH]: takes nearly all memory below 4 GiB, then starts Cede, which must refuse for
 * want of memory and leave the firmware usable. What it leaves is enough to load an image, not for
 * a region. */
#include "chain.h"
#include "machine.h"
#include "report.h"

enum { MAX_BLOCKS = 4096, LEAVE_PAGES = 640, SMALLEST = 16 };

static EFI_PHYSICAL_ADDRESS blocks[MAX_BLOCKS];
static UINTN sizes[MAX_BLOCKS];
static u32 block_count;

/* Big blocks first, ever smaller ones, until nothing is left. */
static void take_all(void)
{
    EFI_BOOT_SERVICES *services = machine.firmware->BootServices;
    for (UINTN pages = 65536; pages >= SMALLEST && block_count < MAX_BLOCKS;) {
        EFI_PHYSICAL_ADDRESS address = 0xffffffff;
        if (EFI_ERROR(
                services->AllocatePages(AllocateMaxAddress, EfiLoaderData, pages, &address))) {
            pages /= 2;
            continue;
        }
        blocks[block_count] = address;
        sizes[block_count++] = pages;
    }
}

/* Gives back scattered small blocks: together LEAVE_PAGES, none of them large. */
static void give_some_back(void)
{
    UINTN back = 0;
    for (u32 i = block_count; i-- && back < LEAVE_PAGES;) {
        if (sizes[i] && sizes[i] <= 128) {
            machine.firmware->BootServices->FreePages(blocks[i], sizes[i]);
            back += sizes[i];
            sizes[i] = 0;
        }
    }
    say("info: hog: %u blocks taken, %lu pages given back", block_count, back);
}

static void give_all_back(void)
{
    for (u32 i = 0; i < block_count; i++) {
        if (sizes[i]) {
            machine.firmware->BootServices->FreePages(blocks[i], sizes[i]);
        }
    }
}

static void hog(u64 unused)
{
    (void)unused;
    take_all();
    give_some_back();
    chain_expect_refusal();
    firmware_probe();
    give_all_back();
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, hog);
}
