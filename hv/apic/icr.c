/* Which cores an ICR value addresses. Pure. */
#include "apic/icr.h"

#define XAPIC_BROADCAST  0xff
#define X2APIC_BROADCAST 0xffffffff
#define DFR_CLUSTER(dfr) (FIELD(dfr, 31, 28) == 0)

static bool physical_match(const struct cpu *target, u32 destination, bool x2apic)
{
    return destination == (x2apic ? X2APIC_BROADCAST : XAPIC_BROADCAST) ||
           destination == target->apic_id;
}

/* The logical x2APIC ID is derived: cluster in 31:16, one bit of 16 (APM 16.11.2). */
static bool x2apic_logical_match(const struct cpu *target, u32 destination)
{
    u32 cluster = target->apic_id >> 4, bit = 1U << (target->apic_id & 15);

    return destination == X2APIC_BROADCAST || (destination >> 16 == cluster && (destination & bit));
}

/* Flat: any common bit. Cluster: same cluster and a common bit, or all clusters (APM 16.6.1). */
static bool xapic_logical_match(const struct cpu *target, u32 destination)
{
    u32 ldr = target->xapic_ldr >> 24;

    if (destination == XAPIC_BROADCAST)
        return true;
    if (!DFR_CLUSTER(target->xapic_dfr))
        return destination & ldr;
    return (destination >> 4 == 0xf || destination >> 4 == ldr >> 4) && (destination & ldr & 0xf);
}

static bool destination_match(const struct cpu *target, u32 low, u32 destination, bool x2apic)
{
    if (!(low & ICR_LOGICAL))
        return physical_match(target, destination, x2apic);
    return x2apic ? x2apic_logical_match(target, destination)
                  : xapic_logical_match(target, destination);
}

bool icr_addresses(const struct cpu *self, const struct cpu *target, u32 low, u32 destination,
                   bool x2apic)
{
    switch (ICR_SHORTHAND(low)) {
    case SHORTHAND_SELF:
        return target == self;
    case SHORTHAND_ALL:
        return true;
    case SHORTHAND_OTHERS:
        return target != self;
    default:
        return destination_match(target, low, destination, x2apic);
    }
}
