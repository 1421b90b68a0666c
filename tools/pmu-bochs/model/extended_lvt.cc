/*
 * The local APIC's extended LVT entries (APM 16.4.5, registers 500H to 530H), which Bochs' lacks:
 * storage, and delivery for instruction-based sampling. In x2APIC mode they are MSRs 850H to 853H.
 */
#include "machine.h"

#include <cstring>

namespace pmu
{

enum : unsigned {
    EXTENDED_FEATURE = 0x400, /* bits 23:16: how many entries */
    FIRST_ENTRY = 0x500,
    LVT_BITS = 0x107ff, /* mask, message type, vector */
};

void Processor::deliver_extended(unsigned entry)
{
    uint32_t lvt = entry < EXTENDED_LVTS ? extended_lvt[entry] : (uint32_t)LVT_MASKED;
    if (cpu->apic_global_enable_on() && !(lvt & LVT_MASKED))
        cpu->lapic->deliver(lvt & 0xff, lvt >> 8 & 7, 0);
}

/* -> the entry at this offset of an AMD processor's APIC, or null */
static uint32_t *entry_of(const bx_local_apic_c *apic, unsigned offset)
{
    unsigned index = (offset - FIRST_ENTRY) / 16;
    if (offset < FIRST_ENTRY || index >= EXTENDED_LVTS || offset % 16)
        return nullptr;
    for (unsigned k = 0; k < BX_SMP_PROCESSORS; k++)
        if (processors[k].cpu->lapic == apic)
            return processors[k].amd ? &processors[k].extended_lvt[index] : nullptr;
    return nullptr;
}

static bool read_extended(bx_local_apic_c *apic, unsigned offset, uint32_t *value)
{
    if (const uint32_t *entry = entry_of(apic, offset)) {
        *value = *entry;
        return true;
    }
    if (offset != EXTENDED_FEATURE || !entry_of(apic, FIRST_ENTRY))
        return false;
    *value = apic->read_aligned(offset) | EXTENDED_LVTS << 16;
    return true;
}

static bool write_extended(bx_local_apic_c *apic, unsigned offset, uint32_t value)
{
    uint32_t *entry = entry_of(apic, offset);
    if (entry)
        *entry = value & LVT_BITS;
    return entry;
}

} // namespace pmu

using namespace pmu;

extern "C" void __real__ZN15bx_local_apic_c4readEmPvj(bx_local_apic_c *apic, bx_phy_address address,
                                                      void *data, unsigned length);
extern "C" void __wrap__ZN15bx_local_apic_c4readEmPvj(bx_local_apic_c *apic, bx_phy_address address,
                                                      void *data, unsigned length)
{
    uint32_t value;
    if (length == 4 && read_extended(apic, address & 0xfff, &value))
        memcpy(data, &value, sizeof value);
    else
        __real__ZN15bx_local_apic_c4readEmPvj(apic, address, data, length);
}

extern "C" void __real__ZN15bx_local_apic_c5writeEmPvj(bx_local_apic_c *apic,
                                                       bx_phy_address address, void *data,
                                                       unsigned length);
extern "C" void __wrap__ZN15bx_local_apic_c5writeEmPvj(bx_local_apic_c *apic,
                                                       bx_phy_address address, void *data,
                                                       unsigned length)
{
    uint32_t value;
    memcpy(&value, data, sizeof value);
    if (length != 4 || !write_extended(apic, address & 0xfff, value))
        __real__ZN15bx_local_apic_c5writeEmPvj(apic, address, data, length);
}

extern "C" bool __real__ZN15bx_local_apic_c11read_x2apicEjPm(bx_local_apic_c *apic, unsigned msr,
                                                             Bit64u *value);
extern "C" bool __wrap__ZN15bx_local_apic_c11read_x2apicEjPm(bx_local_apic_c *apic, unsigned msr,
                                                             Bit64u *value)
{
    uint32_t low;
    if (!read_extended(apic, (msr - 0x800) << 4, &low))
        return __real__ZN15bx_local_apic_c11read_x2apicEjPm(apic, msr, value);
    *value = low;
    return true;
}

bool pmu::write_extended_x2apic(bx_local_apic_c *apic, unsigned msr, uint32_t high, uint32_t low)
{
    return !high && write_extended(apic, (msr - 0x800) << 4, low);
}
