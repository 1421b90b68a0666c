#include "chain.h"
#include "machine.h"
#include "mp_services.h"
#include "report.h"

enum { PATH_SIZE = 128, NODE_FILE = 4, NODE_END = 0x7f };

static EFI_BOOT_SERVICES *services(void)
{
    return machine.firmware->BootServices;
}

static EFI_LOADED_IMAGE *loaded_image(EFI_HANDLE handle)
{
    EFI_GUID guid = {0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
    EFI_LOADED_IMAGE *image = NULL;
    services()->HandleProtocol(handle, &guid, (void **)&image);
    return image;
}

static EFI_HANDLE own_volume(void)
{
    EFI_LOADED_IMAGE *image = loaded_image(machine.image);
    return image ? image->DeviceHandle : NULL;
}

static u32 path_size(const u8 *path)
{
    u32 size = 0;
    while (path[size] != NODE_END) {
        size += path[size + 2] | (u32)path[size + 3] << 8;
    }
    return size;
}

/* The volume's device path, a file node, an end node (UEFI 10.3.5.4). */
const u8 *chain_path(const char *file, u32 *whole)
{
    EFI_GUID guid = {0x09576e91, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}};
    static u8 path[1024];
    const u8 *base = NULL;
    services()->HandleProtocol(own_volume(), &guid, (void **)&base);
    u32 size = base ? path_size(base) : 0, length = 0;
    for (u32 i = 0; i < size && i < 512; i++) {
        path[i] = base[i];
    }
    u8 *node = path + size;
    for (; file[length] && file[length] != ' ' && length < PATH_SIZE; length++) {
        node[4 + 2 * length] = (u8)file[length];
    }
    u32 node_size = 4 + 2 * (length + 1);
    node[0] = NODE_FILE;
    node[1] = 4;
    node[2] = (u8)node_size;
    node[3] = (u8)(node_size >> 8);
    node[node_size] = NODE_END;
    node[node_size + 1] = 0xff;
    node[node_size + 2] = 4;
    *whole = size + node_size + 4;
    return path;
}

bool chain_to(const char *file, const void *options, u32 size, EFI_STATUS *status)
{
    EFI_HANDLE child = NULL;
    u32 path_size;
    const void *path = chain_path(file, &path_size);
    *status = services()->LoadImage(FALSE, machine.image, (void *)path, NULL, 0, &child);
    if (EFI_ERROR(*status)) {
        say("info: LoadImage %s: status %lx", file, *status);
        return false;
    }
    EFI_LOADED_IMAGE *image = loaded_image(child);
    if (image && size) {
        image->LoadOptions = (void *)options;
        image->LoadOptionsSize = size;
    }
    *status = services()->StartImage(child, NULL, NULL);
    say("info: StartImage %s: status %lx", file, *status);
    return true;
}

/* What follows the path in the load options is the child's. */
bool chain(EFI_STATUS *status)
{
    static u16 options[COUNT(machine.options)];
    const char *rest = machine.options;
    u32 length = 0;
    while (*rest && *rest != ' ') {
        rest++;
    }
    while (*rest == ' ') {
        rest++;
    }
    for (; rest[length]; length++) {
        options[length] = (u8)rest[length];
    }
    return chain_to(machine.options[0] == '\\' ? machine.options : "\\cede.efi", options,
                    length ? (length + 1) * sizeof *options : 0, status);
}

void chain_expect_refusal(void)
{
    EFI_STATUS status;
    test_begin("chain-returns");
    expect(chain(&status), "not loaded: %lx", status);
    expect(EFI_ERROR(status), "it reports success");
    test_end();
}

static void EFIAPI add_one(void *argument)
{
    __atomic_add_fetch((volatile u32 *)argument, 1, __ATOMIC_SEQ_CST);
}

static void probe_processors(void)
{
    struct mp_services *mp = mp_services_find(services());
    UINTN count = 0, enabled = 0;
    volatile u32 ran = 0;
    if (!mp) {
        return;
    }
    mp->get_count(mp, &count, &enabled);
    if (enabled > 1) {
        EFI_STATUS status = mp->start_all(mp, add_one, FALSE, NULL, 5000000, (void *)&ran, NULL);
        expect(!EFI_ERROR(status) && ran == enabled - 1, "MP Services: status %lx, %u ran", status,
               ran);
    }
}

void firmware_probe(void)
{
    EFI_PHYSICAL_ADDRESS page = 0;
    test_begin("firmware usable");
    EFI_STATUS status = services()->AllocatePages(AllocateAnyPages, EfiLoaderData, 1, &page);
    expect(!EFI_ERROR(status), "AllocatePages %lx", status);
    if (!EFI_ERROR(status)) {
        *(volatile u64 *)page = 0x1234;
        expect(*(volatile u64 *)page == 0x1234, "the page does not hold a value");
        status = services()->FreePages(page, 1);
        expect(!EFI_ERROR(status), "FreePages %lx", status);
    }
    status = services()->Stall(10000);
    expect(!EFI_ERROR(status), "Stall %lx", status);
    probe_processors();
    test_end();
}
