#include "paging.h"
#include "cpu.h"

enum {
    PML5,
    PML4,
    PDPT,
    WINDOW_PDPT,
    WINDOW_PD,
    WINDOW_PT,
    PAE_PDPT,
    LEGACY_PD,
    PD0,
    PD_COUNT = 4
};

static u64 tables;

static u64 *table(u32 page)
{
    return (u64 *)(tables + page * PAGE);
}

static void build_identity(void)
{
    bool gib_pages = cpuid(0x80000001, 0).edx & BIT(26);
    for (u64 i = 0; i < 512 && gib_pages; i++) {
        table(PDPT)[i] = i << 30 | PTE_ALL | PTE_PS;
    }
    for (u32 g = 0; g < PD_COUNT; g++) {
        for (u64 i = 0; i < 512; i++) {
            table(PD0 + g)[i] = (u64)g << 30 | i << 21 | PTE_ALL | PTE_PS;
        }
        table(PDPT)[g] = (u64)table(PD0 + g) | PTE_ALL;
        table(PAE_PDPT)[g] = (u64)table(PD0 + g) | PTE_P;
    }
}

static void build_legacy(void)
{
    u32 *directory = (u32 *)table(LEGACY_PD);
    for (u32 i = 0; i < 1024; i++) {
        directory[i] = i << 22 | PTE_ALL | PTE_PS;
    }
}

void paging_build(u64 pages)
{
    tables = pages;
    build_identity();
    build_legacy();
    table(PML5)[0] = (u64)table(PML4) | PTE_ALL;
    table(PML4)[0] = (u64)table(PDPT) | PTE_ALL;
    table(PML4)[WINDOW_BASE >> 39] = (u64)table(WINDOW_PDPT) | PTE_ALL;
    table(WINDOW_PDPT)[0] = (u64)table(WINDOW_PD) | PTE_ALL;
    table(WINDOW_PD)[0] = (u64)table(WINDOW_PT) | PTE_ALL;
}

u64 paging_root(bool la57)
{
    return (u64)table(la57 ? PML5 : PML4);
}

u32 paging_root_pae(void)
{
    return (u32)(u64)table(PAE_PDPT);
}

u32 paging_root_legacy(void)
{
    return (u32)(u64)table(LEGACY_PD);
}

u64 window_map(u32 slot, u64 physical, u64 flags)
{
    u64 address = WINDOW_BASE + slot * PAGE;
    table(WINDOW_PT)[slot] = physical | flags;
    invlpg(address);
    return address;
}

u64 paging_small(u64 physical, u64 bytes, u64 pages)
{
    u64 *directory = (u64 *)pages, *entries = (u64 *)(pages + PAGE);
    for (u64 i = 0; i < bytes / PAGE; i++) {
        entries[i] = (physical + i * PAGE) | PTE_ALL;
    }
    for (u64 i = 0; i < bytes / MIB(2); i++) {
        directory[i] = (u64)&entries[i * 512] | PTE_ALL;
    }
    table(WINDOW_PDPT)[1] = pages | PTE_ALL;
    return WINDOW_BASE + GIB(1);
}
