/* Extended page tables (SDM volume 3, 29.3) and their caches. Entries have the form of
 * hv/x86/page_map.h with permissions and memory type of their own. The type is the MTRRs', the
 * guest's PAT and CR0.CD act on top of it (29.3.7.2: "ignore PAT" stays clear). */
#include "base/asm.h"
#include "guest.h"
#include "memory/memory.h"
#include "x86/memory_type.h"
#include "base/msr.h"
#include "vmx/vmx.h"

#define ALL_CONTEXTS 2 /* INVEPT and INVVPID */

static u64 type_bits(u64 gpa)
{
    return (u64)memory_type_at(gpa) << EPT_TYPE_SHIFT;
}

/* Five levels where the host walks five: MAXPHYADDR is above 48 bits only with those. */
void vmx_shape_map(struct page_map *map)
{
    u64 cap = rdmsr(IA32_VMX_EPT_VPID_CAP);

    map->levels = hv.host_levels == 5 && (cap & EPT_CAP_WALK_5) ? 5 : 4;
    map->gib_pages = cap & EPT_CAP_1GIB;
    map->table_bits = map->leaf_bits = EPT_READ | EPT_WRITE | EPT_EXECUTE;
    map->type = type_bits;
    map->write_back = (u64)TYPE_WB << EPT_TYPE_SHIFT;
    if (map->levels == 4)
        hv.phys_limit = MIN(hv.phys_limit, BIT(48));
}

/* Its cached translations are known by it (29.4.2): nothing to flush where it changes. */
u64 vmx_ept_pointer(const struct page_map *map, const u64 *root)
{
    return (u64)root | (u64)(map->levels - 1) << 3 | VMX_MEMORY_WRITE_BACK;
}

void vmx_map_changed(struct cpu *cpu)
{
    vmwrite(VMCS_EPT_POINTER, vmx_ept_pointer(&cpu->guest->map, memory_root(cpu)));
}

/* All contexts: there is one. Entries that become present need no flush (29.4.3.2). */
void vmx_flush_ept(void)
{
    invept(ALL_CONTEXTS, (struct invalidation){0, 0});
}

void vmx_flush_vpid(void)
{
    if (vmx.controls.word[WORD_SECONDARY] & SECONDARY_VPID)
        invvpid(ALL_CONTEXTS, (struct invalidation){0, 0});
}
