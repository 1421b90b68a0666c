/* HV_PREPARE: on the boot processor, once, before any core is taken. Still the firmware's stack and
 * IDT, and the loader's page tables; nothing of the machine is changed. */
#include "guest.h"
#include "base/asm.h"
#include "console/console.h"
#include "guest/check.h"
#include "host/host.h"
#include "host/keep.h"
#include "serial/log.h"
#include "memory/memory.h"
#include "base/msr.h"
#include "base/preflight_parts.h"

#include "ports/io.h"
#include "start/trampoline.h"
#include "vendor.h"

u64 hv_first_cpu; /* for cpu_sipi_entry */
u32 hv_cpu_count;

extern char image_start[], image_end[];

static void copy(void *to, const void *from, u64 size)
{
    for (u64 i = 0; i < size; i++)
        ((u8 *)to)[i] = ((const u8 *)from)[i];
}

static bool info_is_sane(const struct boot_info *info)
{
    return info->version == BOOT_INFO_VERSION &&
           info->size == sizeof(*info) + info->cpu_count * sizeof(info->cpus[0]) &&
           info->region.base == (u64)image_start &&
           info->image_size >= (u64)(image_end - image_start) && info->cpu_count > 0 &&
           info->bsp < info->cpu_count && info->guest_count > 0;
}

static u32 max_leaf(u32 range)
{
    u32 regs[4];

    cpuid(range, 0, regs);
    return regs[0];
}

/* OSXSAVE so that CPUID.0Dh answers the hypervisor as it would answer the guest, from the guest's
 * XCR0. */
static u64 host_cr4(u64 la57)
{
    u64 cr4 = CR4_PAE | CR4_MCE | CR4_OSFXSR | la57 | (hv.intel ? CR4_VMXE : 0);
    u32 regs[4];

    cpuid(1, 0, regs);
    if (regs[2] & BIT(26))
        cr4 |= CR4_OSXSAVE;
    if (max_leaf(0) < 7)
        return cr4;
    cpuid(7, 0, regs);
    return regs[1] & BIT(7) ? cr4 | CR4_SMEP : cr4;
}

static bool has_auto_ibrs(void)
{
    u32 regs[4];

    if (hv.intel || max_leaf(0x80000000) < 0x80000021)
        return false;
    cpuid(0x80000021, 0, regs);
    return regs[0] & BIT(8);
}

static void read_processor(void)
{
    u32 regs[4] = {0};

    hv.host_levels = read_cr4() & CR4_LA57 ? 5 : 4;
    cpuid(0x80000001, 0, regs);
    hv.host_gib_pages = regs[3] & BIT(26);
    regs[0] = 36;
    if (max_leaf(0x80000000) >= 0x80000008)
        cpuid(0x80000008, 0, regs);
    /* A 4-level map reaches 48 bits (APM 15.25.3: the nested walk uses the host's paging mode). */
    hv.phys_limit = BIT(MIN(FIELD(regs[0], 7, 0), hv.host_levels == 5 ? 52U : 48U));
    hv.auto_ibrs = has_auto_ibrs();
    hv.host_cr4 = host_cr4(read_cr4() & CR4_LA57);
    hv.shape.levels = hv.host_levels;
    hv.shape.gib_pages = hv.host_gib_pages;
    vendor->shape_map(&hv.shape);
}

/* Always; else while cores start (guest/watch.h). */
static bool must_police_icr(const struct boot_info *info)
{
    return !vendor->icr_may_rest || info->guest_count > 1;
}

static bool has_x2apic(void)
{
    u32 regs[4];

    cpuid(1, 0, regs);
    return regs[2] & BIT(21);
}

static const struct vendor *choose_vendor(void)
{
    static const struct cpu_ops native = {cpuid, rdmsr, read_cr4};

    return has_svm(&native) ? &svm_vendor : has_vmx(&native) ? &vmx_vendor : NULL;
}

/* The region, in order: image, CPU blocks, everything else from the pool. */
static bool divide_region(const struct boot_info *info)
{
    u64 blocks = ALIGN_UP(info->region.base + info->image_size, CPU_BLOCK_SIZE);
    u64 end = info->region.base + info->region.size;

    hv.cpu_blocks = blocks;
    hv.pool = (struct page_pool){blocks + info->cpu_count * CPU_BLOCK_SIZE, end};
    if (hv.pool.next >= end)
        return false;
    for (u64 *word = (u64 *)blocks; (u64)word < hv.pool.next; word++)
        *word = 0;
    return true;
}

static void *keep(const void *what, u64 size)
{
    void *copy_of_it = pages_alloc(&hv.pool, ALIGN_UP(size, PAGE_SIZE) / PAGE_SIZE);

    if (copy_of_it)
        copy(copy_of_it, what, size);
    return copy_of_it;
}

static bool keep_info(const struct boot_info *info)
{
    hv.info = keep(info, info->size);
    if (!hv.info)
        return false;
    hv.info->guests =
        (u64)keep((const void *)info->guests, info->guest_count * sizeof(struct boot_guest));
    return hv.info->guests;
}

/* All are the firmware's guest's until it gives up the others'. */
static void name_cpus(void)
{
    for (u32 i = 0; i < hv.info->cpu_count; i++) {
        cpu_at(i)->index = i;
        cpu_at(i)->guest = tenant();
        cpu_at(i)->apic_id = hv.info->cpus[i].apic_id;
        cpu_at(i)->state = CORE_FIRMWARE;
    }
    hv_first_cpu = (u64)cpu_at(0);
    hv_cpu_count = hv.info->cpu_count;
}

u64 hv_prepare(const struct boot_info *info)
{
    enum hv_status status;

    if (!info_is_sane(info))
        return HV_BAD_INFO;
    vendor = choose_vendor();
    if (!vendor)
        return HV_REFUSED;
    hv.intel = vendor == &vmx_vendor;
    read_processor();
    hv.police_icr = must_police_icr(info);
    hv.watching = !hv.police_icr;
    if (!divide_region(info) || !keep_info(info) || !guests_describe())
        return HV_REGION_SMALL;
    name_cpus();
    hv.apic_base = rdmsr(IA32_APIC_BASE) & APIC_BASE_ADDRESS;
    hv.map_top = ALIGN_UP(MAX(info->map_top, GIB(4)), GIB(1));
    if (hv.map_top > hv.phys_limit)
        return HV_TOO_HIGH;
    if (!guests_are_sane(hv.info, (const struct boot_guest *)hv.info->guests, hv.map_top))
        return HV_BAD_GUESTS;
    if (info->guest_count > 1 && !has_x2apic())
        return HV_NO_X2APIC;
    status = memory_prepare();
    if (status)
        return status;
    host_prepare();
    trampoline_prepare();
    status = vendor->prepare();
    if (status)
        return status;
    if (!guests_prepare())
        return HV_REGION_SMALL;
    for (u32 i = 0; i < hv.info->guest_count; i++)
        io_bitmap(guest_at(i));
    hv.memory_kept = info->region.size + info->kept.size + PAGE_SIZE;
    keep_prepare();
    console_init(hv.info);
    return HV_OK;
}
