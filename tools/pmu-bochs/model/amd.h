/*
 * AMD's registers over the counting core: the six core counters of PerfCtrExtCore, their four K7
 * aliases, PerfMonV2's global registers, IRPerf, and the host/guest filter of SVM.
 *
 * Sections cited are those of the APM, volume 2, chapter 13.2 and 15; event numbers are those of
 * the PPR of family 17h to 19h.
 */
#ifndef CEDE_PMU_AMD_H
#define CEDE_PMU_AMD_H

#include "core.h"
#include "options.h"

namespace pmu
{

enum AmdMsr : uint32_t {
    AMD_DEBUGCTL = 0x1d9,
    IRPERF_COUNT = 0xc00000e9,
    PERF_GLOBAL_STATUS = 0xc0000300,
    PERF_GLOBAL_CTL = 0xc0000301,
    PERF_GLOBAL_STATUS_CLR = 0xc0000302,
    PERF_GLOBAL_STATUS_SET = 0xc0000303,
    K7_EVNTSEL0 = 0xc0010000,
    K7_PERFCTR0 = 0xc0010004,
    HWCR = 0xc0010015,
    PERF_CTL0 = 0xc0010200, /* + 2 n; the counter follows its selector */
};

class Amd : public Core
{
  public:
    enum : unsigned { COUNTERS = 6, K7_COUNTERS = 4, IRPERF = COUNTERS, WIDTH = 48 };

    Amd(Tally &tally, Machine &machine, const Options &options);

    void reset() override;
    Access rdmsr(uint32_t msr, uint64_t *value) override;
    Access wrmsr(uint32_t msr, uint64_t value) override;
    bool rdpmc(uint32_t index, uint64_t *value) override;
    unsigned kernel_counter_bits() const override
    {
        return WIDTH;
    }

  protected:
    unsigned counters() const override
    {
        return COUNTERS + 1;
    }
    Setting setting(unsigned counter) const override;
    bool counts_guest_entry() const override
    {
        return options.vmrun;
    }
    bool overflowed(unsigned counter) override;
    void interrupting() override;

  private:
    struct Place {
        bool found, selector;
        unsigned counter;
    };
    static Place find(uint32_t msr);
    Access write_global(uint32_t msr, uint64_t value);

    Options options;
    uint64_t select[COUNTERS];
    uint64_t global, status, hwcr, debug;
};

/* The event that the 12-bit select and the unit mask name; NOTHING where the model counts none. */
Event amd_event(unsigned select, unsigned umask);

} // namespace pmu

#endif
