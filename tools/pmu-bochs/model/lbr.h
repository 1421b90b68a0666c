/*
 * Intel's last branch records, of both kinds: the stack of Skylake to Rocket Lake (MSR_LBR_SELECT,
 * TOS, FROM, TO, INFO; SDM volume 3, chapter "Debug, branch profile, TSC", "LBR stack"), and
 * architectural LBRs (chapter "Last branch records"). What a record is made of, what is filtered,
 * and the call-stack mode; whether anything is recorded at all is intel.cc's to say.
 */
#ifndef CEDE_PMU_LBR_H
#define CEDE_PMU_LBR_H

#include "branches.h"
#include "core.h"

namespace pmu
{

enum LbrMsr : uint32_t {
    MSR_LBR_SELECT = 0x1c8,
    MSR_LASTBRANCH_TOS = 0x1c9,
    MSR_LASTBRANCH_FROM = 0x680,
    MSR_LASTBRANCH_TO = 0x6c0,
    MSR_LBR_INFO = 0xdc0,
    IA32_LBR_INFO = 0x1200,
    IA32_LBR_CTL = 0x14ce,
    IA32_LBR_DEPTH = 0x14cf,
    IA32_LBR_FROM = 0x1500,
    IA32_LBR_TO = 0x1600,
};

enum LbrKind : unsigned { LBR_LEGACY, LBR_ARCHITECTURAL };

enum : uint64_t {
    LBR_SELECT_CPL_EQ_0 = 1 << 0, /* suppress ... */
    LBR_SELECT_CPL_NEQ_0 = 1 << 1,
    LBR_SELECT_CALLSTACK = 1 << 9,
    LBR_SELECT_BITS = 0x3ff,

    LBR_CTL_EN = 1 << 0,
    LBR_CTL_OS = 1 << 1, /* record ... */
    LBR_CTL_USR = 1 << 2,
    LBR_CTL_CALL_STACK = 1 << 3,
    LBR_CTL_BITS = 0x7f000f,

    LBR_INFO_MISPRED = 1ULL << 63,
    LBR_INFO_CYC_CNT_VALID = 1ULL << 60, /* architectural, and the branch's type above bit 56 */
};

struct LbrEntry {
    uint64_t from, to, info;
};

class Lbr
{
  public:
    enum : unsigned { ENTRIES = 32 };

    void reset(LbrKind kind);

    Access rdmsr(uint32_t msr, uint64_t *value) const;
    /* IA32_LBR_CTL is the caller's to write, as it switches recording. */
    Access wrmsr(uint32_t msr, uint64_t value);

    /* A branch while recording is on, `cycles` after the last record. -> was it recorded? A return
     * that takes a call off the stack is not, nor is what the filters leave out. */
    bool record(const Branch &branch, uint64_t cycles);

    /* What is i records old. */
    LbrEntry stack(unsigned i) const
    {
        return entry[(tos - i) & (depth - 1)];
    }

    unsigned count() const
    {
        return depth;
    }

    bool architectural() const
    {
        return kind == LBR_ARCHITECTURAL;
    }

    uint64_t ctl() const
    {
        return control;
    }
    void load_ctl(uint64_t value)
    {
        control = value;
    }
    static bool legal_ctl(uint64_t value)
    {
        return !(value & ~LBR_CTL_BITS);
    }

  private:
    enum Part : unsigned { FROM, TO, INFO, OTHER };
    struct Place {
        Part part;
        unsigned index; /* into entry[]; ENTRIES and above: beyond the depth */
    };

    Place find(uint32_t msr) const;
    bool wants(const Branch &branch) const;
    bool call_stack() const;
    uint64_t info_of(const Branch &branch, uint64_t cycles) const;
    bool legal_info(uint64_t value) const;
    Access write_depth(uint64_t value);

    LbrKind kind = LBR_LEGACY;
    unsigned depth = ENTRIES, tos = 0;
    uint64_t select = 0, control = 0;
    LbrEntry entry[ENTRIES] = {};
};

/* CPUID.1CH:EAX: depths of 8, 16 and 32. */
enum : uint32_t { LBR_DEPTHS = 1 << 0 | 1 << 1 | 1 << 3 };

} // namespace pmu

#endif
