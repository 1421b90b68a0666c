/* IPIs where there is more than one guest: a shorthand, a broadcast or a logical destination is
 * taken apart into the sender's own guest's cores. */
#include "apic/apic.h"
#include "guest.h"
#include "apic/icr.h"
#include "apic/ipi.h"

#define ICR_MODE_LOWEST 1
#define ICR_RESERVED    (MASK(31, 20) | MASK(17, 16) | BIT(13) | BIT(12)) /* x2APIC, SDM 11.12.9 */
#define ICR_SENT        MASK(10, 0)

bool ipi_send(const struct cpu *self, u32 low, u32 destination, bool x2apic)
{
    u32 mode = (u32)ICR_MODE(low);

    if (x2apic && (low & ICR_RESERVED))
        return false;
    if (!(ICR_PLAIN_MODES >> mode & 1))
        return true;
    for (u32 i = 0; i < hv.info->cpu_count; i++) {
        const struct cpu *target = cpu_at(i);

        if (target->guest != self->guest || target->state == CORE_MANAGEMENT ||
            !icr_addresses(self, target, low, destination, x2apic))
            continue;
        apic_send(target->apic_id, (low & (u32)ICR_SENT) | (u32)ICR_ASSERT);
        if (mode == ICR_MODE_LOWEST)
            break;
    }
    return true;
}
