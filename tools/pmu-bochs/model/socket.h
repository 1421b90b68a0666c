/*
 * Registers of the whole socket: a few uncore counters, and energy. Plain logic without Bochs; all
 * processors share one.
 *
 * What they count is the model's own choice: ticks of the machine's clock. That they exist, where,
 * and how they are switched on is Ice Lake's client and family 17h's (Linux' uncore and RAPL
 * drivers; SDM 16.10; PPR 17h).
 */
#ifndef CEDE_PMU_SOCKET_H
#define CEDE_PMU_SOCKET_H

#include "core.h"

namespace pmu
{

class Socket
{
  public:
    enum : unsigned { UNCORE_WIDTH = 48, ENERGY_SHIFT = 12, COUNTERS = 13, ROWS = 2 };

    void reset();
    Access rdmsr(bool intel, uint32_t msr, uint64_t now, uint64_t *value);
    /* AMD's L3 and data fabric counters by RDPMC; false: #GP. */
    bool rdpmc(uint32_t index, uint64_t now, uint64_t *value);
    Access wrmsr(bool intel, uint32_t msr, uint64_t now, uint64_t value);

  private:
    struct Counter {
        uint64_t control, base, since;
    };
    struct Place {
        Counter *counter; /* null: no such register */
        bool control;
    };

    Place find(bool intel, uint32_t msr);
    bool runs(bool intel, const Counter &c) const;
    uint64_t value_of(bool intel, const Counter &c, uint64_t now) const;
    void settle(bool intel, uint64_t now);

    Counter counters[COUNTERS];
    uint64_t global; /* Intel: MSR_UNC_PERF_GLOBAL_CTRL */
};

} // namespace pmu

#endif
