#include "socket.h"

#include <cstring>

namespace pmu
{

enum : uint64_t { ENABLE = 1ULL << 22, GLOBAL_ENABLE = 1ULL << 29 };
enum : uint32_t {
    UNC_CBO_CONFIG = 0x396,
    UNC_GLOBAL_CTRL = 0xe01,
    INTEL_POWER_UNIT = 0x606,
    AMD_POWER_UNIT = 0xc0010299,
};

/* Selects and their counters, `step` apart from each other and `stride` from pair to pair. */
static const struct Pairs {
    bool intel;
    uint32_t control, count, first, step, stride;
} pairs[] = {
    {true, 0x394, 1, 0, 1, 2},       /* the uncore's clock: fixed control and counter */
    {true, 0x700, 2, 1, 2, 1},       /* the only CBO's two: 700H and 701H, 702H and 703H */
    {false, 0xc0010230, 6, 3, 1, 2}, /* L3 */
    {false, 0xc0010240, 4, 9, 1, 2}, /* data fabric */
};

static const struct Energy {
    bool intel;
    uint32_t msr;
} energies[] = {
    {true, 0x611},       /* PKG_ENERGY_STATUS */
    {true, 0x639},       /* PP0 */
    {true, 0x641},       /* PP1 */
    {true, 0x619},       /* DRAM */
    {false, 0xc001029a}, /* core */
    {false, 0xc001029b}, /* package */
};

void Socket::reset()
{
    memset(counters, 0, sizeof counters);
    global = 0;
}

Socket::Place Socket::find(bool intel, uint32_t msr)
{
    for (const Pairs &p : pairs)
        for (uint32_t k = 0; k < p.count && p.intel == intel; k++) {
            uint32_t control = p.control + k * p.stride;
            if (msr == control || msr == control + p.step)
                return {&counters[p.first + k], msr == control};
        }
    return {nullptr, false};
}

bool Socket::runs(bool intel, const Counter &c) const
{
    bool clock = intel && &c == &counters[0]; /* it heeds no global control */
    return (c.control & ENABLE) && (!intel || clock || (global & GLOBAL_ENABLE));
}

uint64_t Socket::value_of(bool intel, const Counter &c, uint64_t now) const
{
    uint64_t grown = runs(intel, c) ? now - c.since : 0;
    return (c.base + grown) & ((1ULL << UNCORE_WIDTH) - 1);
}

/* Running counts become values. */
void Socket::settle(bool intel, uint64_t now)
{
    for (Counter &c : counters) {
        c.base = value_of(intel, c, now);
        c.since = now;
    }
}

/* A unit is 2^-14 J and 1/1000 s (SDM 16.10.1); energy status has 32 bits, and is not 0 for long.
 */
static const uint64_t POWER_UNIT = 0xa0e03;

Access Socket::rdmsr(bool intel, uint32_t msr, uint64_t now, uint64_t *value)
{
    if (Place place = find(intel, msr); place.counter) {
        *value = place.control ? place.counter->control : value_of(intel, *place.counter, now);
        return DONE;
    }
    for (const Energy &energy : energies)
        if (energy.intel == intel && energy.msr == msr) {
            *value = (now >> ENERGY_SHIFT) & 0xffffffff;
            return DONE;
        }
    *value = msr == UNC_GLOBAL_CTRL ? global : msr == UNC_CBO_CONFIG ? 2 : POWER_UNIT;
    if (intel)
        return msr == UNC_GLOBAL_CTRL || msr == UNC_CBO_CONFIG || msr == INTEL_POWER_UNIT ? DONE
                                                                                          : UNKNOWN;
    return msr == AMD_POWER_UNIT ? DONE : UNKNOWN;
}

/* APM 3, RDPMC: 6 to 9 are the northbridge's (here the data fabric's), 10 to 15 the L3's. */
bool Socket::rdpmc(uint32_t index, uint64_t now, uint64_t *value)
{
    if (index < 6 || index > 15)
        return false;
    return rdmsr(false, index < 10 ? 0xc0010241 + 2 * (index - 6) : 0xc0010231 + 2 * (index - 10),
                 now, value) == DONE;
}

Access Socket::wrmsr(bool intel, uint32_t msr, uint64_t now, uint64_t value)
{
    uint64_t unused;
    Place place = find(intel, msr);
    if (!place.counter && !(intel && msr == UNC_GLOBAL_CTRL))
        return rdmsr(intel, msr, now, &unused) == DONE ? FAULT : UNKNOWN;
    settle(intel, now);
    if (!place.counter)
        global = value;
    else if (place.control)
        place.counter->control = value;
    else
        place.counter->base = value & ((1ULL << UNCORE_WIDTH) - 1);
    return DONE;
}

} // namespace pmu
