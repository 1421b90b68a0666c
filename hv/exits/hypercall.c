/* hv/include/hypercall.h */
#include "exits/hypercall_calls.h"
#include "guest/management.h"
#include "guest/watch.h"
#include "guest.h"

static u64 core_word(const struct cpu *cpu)
{
    return cpu->apic_id | (u64)cpu->state << 32;
}

static u64 denial_word(const struct denials *denials, u32 item)
{
    const struct denial *row = &denials->row[item / DENIAL_FIELDS];
    u64 words[DENIAL_FIELDS];

    if (item >= DENIAL_ROWS * DENIAL_FIELDS)
        return HYPERCALL_ERROR;
    words[DENIAL_MSR] = row->msr;
    words[DENIAL_VALUE] = row->value;
    words[DENIAL_COUNT] = row->count;
    words[DENIAL_FIRST] = row->first;
    words[DENIAL_LAST] = row->last;
    words[DENIAL_RIP] = row->rip;
    words[DENIAL_CR3] = row->cr3;
    return words[item % DENIAL_FIELDS];
}

u64 hypercall(const struct cpu *self, u32 call, u32 core, u32 item)
{
    const struct cpu *cpu = core < hv.info->cpu_count ? cpu_at(core) : NULL;

    if (cpu && is_partition(self->guest) && cpu->guest != self->guest)
        cpu = NULL; /* others' are none of its business */

    switch (call) {
    case HYPERCALL_VERSION:
        return CEDE_VERSION;
    case HYPERCALL_CORES:
        return hv.info->cpu_count;
    case HYPERCALL_CORE:
        return cpu ? core_word(cpu) : HYPERCALL_ERROR;
    case HYPERCALL_SELF:
        return self->index;
    case HYPERCALL_EXITS:
        return cpu && item < EXIT_REASONS ? cpu->exits[item] : HYPERCALL_ERROR;
    case HYPERCALL_DENIALS:
        return cpu ? denials_total(&cpu->pmu.core.denials) : HYPERCALL_ERROR;
    case HYPERCALL_DENIAL:
        return cpu ? denial_word(&cpu->pmu.core.denials, item) : HYPERCALL_ERROR;
    case HYPERCALL_MEMORY:
        return item == 0 ? hv.memory_kept : item == 1 ? hv.memory_tables : HYPERCALL_ERROR;
    case HYPERCALL_RELEASED:
        if (is_partition(self->guest))
            return HYPERCALL_ERROR;
        management_take(cpu_at(self->index));
        guests_release(cpu_at(self->index));
        lock(&hv_lock);
        watch_follow();
        unlock(&hv_lock);
        return 0;
    default:
        return hypercall_extra(call, item);
    }
}
