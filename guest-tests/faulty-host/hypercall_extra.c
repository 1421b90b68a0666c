/* Linked into a hypervisor image that only tests boot (build/faulty/cede.efi): makes the hypervisor
 * itself fault, so that its reports, its fix-ups and its page permissions can be seen to work
 * (faulty.efi), stops all cores (kick.efi), and changes the PMU's policy (policy.efi). */
#include "base/asm.h"
#include "faulty/faulty.h"
#include "guest.h"
#include "hv.h"
#include "exits/hypercall_calls.h"
#include "guest/kick.h"
#include "kick/kick.h"
#include "counters/pmu.h"
#include "guest/change.h"
#include "pmu/policy.h"
#include "policy/policy.h"

extern char image_start[], text_end[];

static u64 fixups_work(void)
{
    u64 value;

    return !read_safe(0x8000000000000000, &value) /* #GP: not canonical */
           && !read_safe(BIT(46), &value)         /* #PF: not mapped */
           && read_safe((u64)image_start, &value);
}

static u64 stop_and_go_on(struct cpu *self)
{
    u64 stopped = kick_stop(self, self->guest);

    kick_resume(self);
    return stopped;
}

static u64 change_list(struct cpu *self, u32 preset)
{
    static struct pmu_policy policy;

    policy.presets[POLICY_ALLOW] = (u8)(1U << preset);
    return guest_change_pmu(self, self->guest, PMU_FILTERED, &policy);
}

static u64 only_cycles(struct cpu *self)
{
    u16 select = self->guest->msr.vendor == CPU_AMD ? 0x76 : 0x3c;
    struct filter_entry cycles = {.first = select, .last = select, .mask = 0xff};
    static struct pmu_policy policy;

    policy.events = &cycles;
    policy.event_count = 1;
    return guest_change_pmu(self, self->guest, PMU_FILTERED, &policy);
}

static u64 with_lbr(struct cpu *self)
{
    static struct pmu_policy policy = {.presets = {1 << PRESET_ARCHITECTURAL},
                                       .grants = {1 << GRANT_LBR}};

    return guest_change_pmu(self, self->guest, PMU_FILTERED, &policy);
}

static u64 change_policy(struct cpu *self, u32 item)
{
    switch (item) {
    case POLICY_ARCHITECTURAL:
        return change_list(self, PRESET_ARCHITECTURAL);
    case POLICY_ALL:
        return change_list(self, PRESET_ALL);
    case POLICY_EVERYTHING:
        return change_list(self, PRESET_EVERYTHING);
    case POLICY_ONLY_CYCLES:
        return only_cycles(self);
    case POLICY_LBR:
        return with_lbr(self);
    default:
        return guest_change_pmu(self, self->guest, (enum pmu_mode)item, NULL);
    }
}

u64 hypercall_extra(u32 call, u32 item)
{
    if (call == POLICY_CALL)
        return change_policy(this_cpu(), item);
    if (call == KICK_CALL)
        return stop_and_go_on(this_cpu());
    if (call != FAULTY_CALL)
        return HYPERCALL_ERROR;
    switch (item) {
    case FAULTY_FIXUPS:
        return fixups_work();
    case FAULTY_UD2:
        __asm__ volatile("ud2");
        break;
    case FAULTY_WRITE_TEXT:
        *(volatile char *)image_start = 0;
        break;
    case FAULTY_WRITE_RODATA:
        *(volatile char *)text_end = 0;
        break;
    case FAULTY_GUARD_PAGE:
        *(volatile char *)(hv.cpu_blocks) = 0;
        break;
    case FAULTY_RUN_DATA:
        ((void (*)(void))this_cpu())();
        break;
    }
    return HYPERCALL_ERROR;
}
