/*
 * Intel's registers over the counting core: architectural performance monitoring, versions 1 to 6.
 *
 * Sections cited are those of the SDM, volume 3B, chapter 20 (December 2023 and later; chapter 18
 * or 19 before). Who may do what to which register is in intel_msrs.cc, what the encodings count in
 * intel_events.cc.
 */
#ifndef CEDE_PMU_INTEL_H
#define CEDE_PMU_INTEL_H

#include "core.h"
#include "lbr.h"
#include "options.h"
#include "pebs.h"

namespace pmu
{

enum IntelMsr : uint32_t {
    IA32_PMC0 = 0xc1,
    IA32_PERFEVTSEL0 = 0x186,
    MSR_OFFCORE_RSP_0 = 0x1a6,
    MSR_OFFCORE_RSP_1 = 0x1a7,
    IA32_DEBUGCTL = 0x1d9,
    IA32_FIXED_CTR0 = 0x309,
    IA32_PERF_METRICS = 0x329,
    IA32_PERF_CAPABILITIES = 0x345,
    IA32_FIXED_CTR_CTRL = 0x38d,
    IA32_PERF_GLOBAL_STATUS = 0x38e,
    IA32_PERF_GLOBAL_CTRL = 0x38f,
    IA32_PERF_GLOBAL_STATUS_RESET = 0x390, /* IA32_PERF_GLOBAL_OVF_CTRL before version 4 */
    IA32_PERF_GLOBAL_STATUS_SET = 0x391,
    IA32_PERF_GLOBAL_INUSE = 0x392,
    MSR_PEBS_FRONTEND = 0x3f7,
    IA32_A_PMC0 = 0x4c1,
    IA32_PMC_GP0_CTR = 0x1900, /* + 4 n; version 6 */
    IA32_PMC_FX0_CTR = 0x1980,
};

enum : uint64_t {
    SELECT_USR = 1ULL << 16,
    SELECT_OS = 1ULL << 17,
    SELECT_EDGE = 1ULL << 18,
    SELECT_INT = 1ULL << 20,
    SELECT_ANY = 1ULL << 21,
    SELECT_EN = 1ULL << 22,
    SELECT_INV = 1ULL << 23,
    SELECT_EQ = 1ULL << 36,

    FIXED_ENABLE = 3,
    FIXED_ANY = 4,
    FIXED_PMI = 8,

    GLOBAL_METRICS = 1ULL << 48,
    STATUS_LBR_FRZ = 1ULL << 58,
    STATUS_CTR_FRZ = 1ULL << 59,
    STATUS_OVF_BUFFER = 1ULL << 62,
    STATUS_COND_CHANGED = 1ULL << 63,

    DEBUGCTL_LBR = 1ULL << 0,
    DEBUGCTL_FREEZE_LBRS_ON_PMI = 1ULL << 11,
    DEBUGCTL_FREEZE_PERFMON_ON_PMI = 1ULL << 12,
    /* LBR, BTF, FREEZE_LBRS_ON_PMI, FREEZE_PERFMON_ON_PMI, FREEZE_WHILE_SMM; no BTS (CPUID.1:EDX.DS
       = 0) */
    DEBUGCTL_BITS = 0x5803,

    CAPABILITY_LBR_INFO = 5,    /* LBR_FMT: flags and cycles in MSR_LBR_INFO */
    CAPABILITY_LBR_ARCH = 0x3f, /* ... architectural */
    CAPABILITY_FREEZE_WHILE_SMM = 1ULL << 12,
    CAPABILITY_FULL_WIDTH = 1ULL << 13,
    CAPABILITY_METRICS = 1ULL << 15,
};

struct CpuidLeaf {
    uint32_t eax, ebx, ecx, edx;
};

class Intel : public Core
{
  public:
    Intel(Tally &tally, Machine &machine, const Options &options);

    void reset() override;
    Access rdmsr(uint32_t msr, uint64_t *value) override;
    Access wrmsr(uint32_t msr, uint64_t value) override;
    bool rdpmc(uint32_t index, uint64_t *value) override;
    unsigned kernel_counter_bits() const override
    {
        return options.width;
    }

    /* Leaves 0AH and 23H; PDCM and the absence of DS are the caller's. */
    CpuidLeaf leaf_0a() const;
    CpuidLeaf leaf_1c() const;
    CpuidLeaf leaf_23(uint32_t subleaf) const;
    bool architectural_lbr() const
    {
        return lbr.architectural();
    }

    /* The branch that is i records old, of lbr_depth(). */
    LbrEntry lbr_stack(unsigned i) const
    {
        return lbr.stack(i);
    }
    unsigned lbr_depth() const
    {
        return lbr.count();
    }

    /* For ds_area.cc: the counters whose record is due, which is so no longer; of what it is made;
     * and what happens once it is written. */
    bool record_due() const override
    {
        return pebs.due;
    }
    uint64_t take_due();
    uint64_t record_groups(uint64_t of) const;
    void reload(unsigned counter, uint64_t value);
    void buffer_overflowed();
    uint64_t ds_area() const
    {
        return pebs.area;
    }
    /* Where in the DS area a counter's reset value is. */
    unsigned reset_field(unsigned counter) const;
    unsigned counters() const override
    {
        return options.gp + options.fixed;
    }
    uint64_t status_bit(unsigned counter) const;

    /* For VM entry and exit (vmx.cc). Values must be legal. */
    uint64_t global_ctrl() const
    {
        return global;
    }
    void load_global_ctrl(uint64_t value);
    bool legal_global_ctrl(uint64_t value) const
    {
        return !(value & ~global_bits());
    }
    uint64_t debugctl() const
    {
        return debug;
    }
    void load_debugctl(uint64_t value);
    uint64_t lbr_ctl() const
    {
        return lbr.ctl();
    }
    void load_lbr_ctl(uint64_t value);
    static bool legal_debugctl(uint64_t value)
    {
        return !(value & ~DEBUGCTL_BITS);
    }

  protected:
    Setting setting(unsigned counter) const override;
    bool watches_metrics() const override;
    bool overflowed(unsigned counter) override
    {
        uint64_t bit = status_bit(counter);
        (pebs.enable & bit ? pebs.due : status) |= bit;
        return !(pebs.enable & bit);
    }
    unsigned latency_threshold() const override
    {
        return (unsigned)load_latency;
    }
    void interrupting() override;
    bool records_branches() const override;
    void taken(const Branch &branch) override;

  private:
    enum Where : unsigned { SELECTOR, COUNTER_LEGACY, COUNTER_FULL, FIXED, OTHER };
    struct Place {
        Where where;
        unsigned counter;
    };
    enum Metric : unsigned { RETIRING, BAD_SPECULATION, FRONTEND, BACKEND, METRICS };

    Place find(uint32_t msr) const;
    Access read_other(uint32_t msr, uint64_t *value);
    Access write_other(uint32_t msr, uint64_t value);
    Access read_pebs(uint32_t msr, uint64_t *value) const;
    Access write_pebs(uint32_t msr, uint64_t value);
    Access write_counter(const Place &place, uint64_t value);
    Access write_selector(unsigned counter, uint64_t value);
    Access write_fixed_ctrl(uint64_t value);
    Access write_global(uint64_t value);
    uint64_t select_bits() const;
    uint64_t global_bits() const;
    uint64_t status_bits() const;
    uint64_t in_use() const;
    Setting general(unsigned counter) const;
    Setting fixed(unsigned counter) const;

    void metric_slots(uint64_t slots[METRICS]) const;
    uint64_t read_metrics();
    void write_metrics(uint64_t value);
    void fold_metrics();
    template <typename Change> Access change(Change change);
    void count_cycles();
    uint64_t capabilities() const;

    Options options;
    uint64_t select[8];
    uint64_t fixed_ctrl, global, status, debug;
    uint64_t offcore[2], load_latency, frontend;
    Pebs pebs;
    uint64_t metrics_base[METRICS]; /* slots counted when they were last `seen` */
    uint64_t metrics_seen[METRICS];
    Lbr lbr;
    uint64_t lbr_cycles; /* since the last record, up to `lbr_since` instructions */
    uint64_t lbr_since;
};

/* A change of what is counted or recorded: metrics and cycles up to now belong to what was before.
 */
template <typename Change> Access Intel::change(Change make)
{
    fold_metrics();
    count_cycles();
    make();
    changed();
    return DONE;
}

/* The event that PERFEVTSEL's event select and unit mask name; NOTHING where the model counts none.
 */
Event intel_event(unsigned select, unsigned umask);
/* What fixed counter `number` counts. */
Event intel_fixed_event(unsigned number);
/* CPUID.0AH:EBX events that exist, and how many bits that is. */
enum : unsigned { INTEL_ARCHITECTURAL_EVENTS = 8 };

} // namespace pmu

#endif
