#include "start/trampoline.h"
#include "base/asm.h"
#include "host/host.h"

extern const char cpu_sipi_entry[], trampoline_start[], trampoline_start64[], trampoline_end[];

void trampoline_prepare(void)
{
    u8 *page = (u8 *)hv.info->trampoline;
    u64 base = hv.info->trampoline;

    for (u64 i = 0; i < (u64)(trampoline_end - trampoline_start); i++)
        page[i] = (u8)trampoline_start[i];
    u64 *gdt = (u64 *)(page + TRAMPOLINE_GDT);
    gdt[1] = GDT_CODE64;
    gdt[2] = GDT_DATA;
    *(struct pseudo_descriptor *)(page + TRAMPOLINE_GDTR) =
        (struct pseudo_descriptor){23, base + TRAMPOLINE_GDT};
    *(u32 *)(page + TRAMPOLINE_CR3) = (u32)hv.host_cr3;
    *(u32 *)(page + TRAMPOLINE_CR4) = (u32)hv.host_cr4;
    *(u64 *)(page + TRAMPOLINE_ENTRY) = (u64)cpu_sipi_entry;
    *(u32 *)(page + TRAMPOLINE_FAR) = (u32)(base + (u64)(trampoline_start64 - trampoline_start));
    *(u16 *)(page + TRAMPOLINE_FAR + 4) = HOST_CS;
}
