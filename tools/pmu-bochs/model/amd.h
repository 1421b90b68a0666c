/*
 * AMD's registers over the counting core: the six core counters of PerfCtrExtCore, their four K7
 * aliases, PerfMonV2's global registers, IRPerf, the host/guest filter of SVM; and when branch
 * records (amd_lbr.h) and instruction-based sampling (ibs.h) are due.
 *
 * Sections cited are those of the APM, volume 2, chapter 13.2 and 15; event numbers are those of
 * the PPR of family 17h to 19h.
 */
#ifndef CEDE_PMU_AMD_H
#define CEDE_PMU_AMD_H

#include "amd_lbr.h"
#include "core.h"
#include "ibs.h"
#include "options.h"

namespace pmu
{

enum AmdMsr : uint32_t {
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
    enum : unsigned {
        COUNTERS = 6,
        K7_COUNTERS = 4,
        IRPERF = COUNTERS,
        IBS_COUNTER, /* of fetches, then of ops */
        ALL = IBS_COUNTER + Ibs::KINDS_OF_SAMPLES,
        WIDTH = 48
    };

    Amd(Tally &tally, Machine &machine, const Options &options);

    void reset() override;
    Access rdmsr(uint32_t msr, uint64_t *value) override;
    Access wrmsr(uint32_t msr, uint64_t value) override;
    bool rdpmc(uint32_t index, uint64_t *value) override;
    unsigned kernel_counter_bits() const override
    {
        return WIDTH;
    }

    void instruction_done() override;
    void inspected_access(uint64_t linear, uint64_t physical, unsigned length, bool loads,
                          bool stores) override;

    /* LBR virtualization: between what is in the registers and a VMCB. */
    AmdLbr::State branch_records() const
    {
        return lbr.state();
    }
    void load_guest_records(const AmdLbr::State &from);
    void load_host_records(const AmdLbr::State &from);
    void starts_at(uint64_t ip) override;

  protected:
    unsigned counters() const override
    {
        return ALL;
    }
    bool records_branches() const override;
    void taken(const Branch &branch) override;
    void branched(unsigned flags, bool taken, bool missed) override;
    bool inspects() const override;
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
    bool frozen() const;
    Access read_ibs(uint32_t msr, uint64_t *value);
    Access write_ibs(uint32_t msr, uint64_t value);
    void note_ibs_count(Ibs::Kind kind);
    void start_ibs(Ibs::Kind kind);

    Options options;
    uint64_t select[COUNTERS];
    uint64_t global, status, hwcr;
    AmdLbr lbr;
    Ibs ibs;
};

/* The event that the 12-bit select and the unit mask name; NOTHING where the model counts none. */
Event amd_event(unsigned select, unsigned umask);

} // namespace pmu

#endif
