#include "guest/change.h"
#include "counters/pmu.h"
#include "guest.h"
#include "guest/kick.h"
#include "vendor.h"

static struct lock changing; /* whose turn it is to build a policy */

u32 guest_change_pmu(struct cpu *self, struct guest *guest, enum pmu_mode mode,
                     const struct pmu_policy *policy)
{
    u32 stopped;

    if (!lock_try(&changing))
        return PMU_BUSY;
    if (policy)
        pmu_build(policy);
    kick_stop(self, guest);
    pmu_adopt(guest, mode, policy);
    vendor->write_permissions(guest);
    if (self->guest == guest)
        pmu_update(self);
    stopped = kick_resume(self);
    unlock(&changing);
    return stopped;
}
