/*
 * Instruction-based sampling: registers, and what becomes of the instruction that is tagged (APM
 * 13.3; the bits as Linux' driver has them). When a period is over the counting core says (amd.cc).
 *
 * An instruction is a fetch and an op, and takes a cycle, so both counters count instructions. The
 * last one of a period is tagged when it is about to begin, and the sample is taken when it has
 * retired; if it does not, the next one that begins is tagged in its place.
 */
#ifndef CEDE_PMU_IBS_H
#define CEDE_PMU_IBS_H

#include "branches.h"
#include "core.h"

namespace pmu
{

enum IbsMsr : uint32_t {
    IBS_FETCH_CTL = 0xc0011030,
    IBS_FETCH_LINEAR,
    IBS_FETCH_PHYSICAL,
    IBS_OP_CTL = 0xc0011033,
    IBS_OP_RIP,
    IBS_OP_DATA,
    IBS_OP_DATA2,
    IBS_OP_DATA3,
    IBS_DC_LINEAR,
    IBS_DC_PHYSICAL,
    IBS_CTL, /* read-only: which extended LVT entry interrupts */
    IBS_BRANCH_TARGET,
};

class Ibs
{
  public:
    enum Kind : unsigned { FETCH, OP, KINDS_OF_SAMPLES };
    /* CPUID 8000_001B EAX: all up to OpCntExt, and RipInvalidChk. */
    enum : uint32_t { FEATURES = 0xff };

    void reset();
    bool is_control(uint32_t msr) const;
    Access rdmsr(uint32_t msr, uint64_t *value) const;
    Access wrmsr(uint32_t msr, uint64_t value);

    /* Is the period of one running, how long is it, how much of it was over when it was written? */
    bool counts(Kind kind) const;
    bool enabled(Kind kind) const;
    uint64_t period(Kind kind) const;
    uint64_t count(Kind kind) const;
    void set_count(Kind kind, uint64_t count);

    /* The instruction at `ip` is about to begin; what it did; it is through. */
    void tag(Kind kind, uint64_t ip);
    void begins(uint64_t ip);
    bool tagged(Kind kind) const
    {
        return tags[kind].on;
    }
    void accesses(uint64_t linear, uint64_t physical, unsigned length, bool loads, bool stores);
    void branches(unsigned opcode_flags, bool taken, bool missed);
    void goes_to(uint64_t target);
    uint64_t ip(Kind kind) const
    {
        return tags[kind].ip;
    }
    void sample_fetch(bool has_physical, uint64_t physical);
    void sample_op();

    unsigned lvt_offset() const;

  private:
    enum : uint32_t { FIRST = IBS_FETCH_CTL, COUNT = IBS_BRANCH_TARGET + 1 - IBS_FETCH_CTL };
    uint64_t &at(uint32_t msr)
    {
        return value[msr - FIRST];
    }
    uint64_t at(uint32_t msr) const
    {
        return value[msr - FIRST];
    }

    uint64_t value[COUNT];
    struct Tag {
        bool on;
        uint64_t ip;
    } tags[KINDS_OF_SAMPLES];
    struct Op {
        uint64_t data, data3, linear, physical, target;
    } op; /* of the tagged one, so far */
};

} // namespace pmu

#endif
