/*
 * AMD's branch records: the last branch and the last one before an interrupt or exception, which
 * DebugCtl[LBR] switches (APM 13.1.1.6), and the stack of LbrExtV2, which DebugExtnCfg does
 * (13.1.1.9). What software sees of them is all that there is: no Bochs, no counting.
 */
#ifndef CEDE_PMU_AMD_LBR_H
#define CEDE_PMU_AMD_LBR_H

#include "branches.h"
#include "core.h"

namespace pmu
{

enum AmdLbrMsr : uint32_t {
    AMD_DEBUGCTL = 0x1d9,
    LAST_BRANCH_FROM = 0x1db, /* then TO; LastIntFromIP, LastIntToIP */
    LBR_SELECT = 0xc000010e,
    DBG_EXTN_CFG = 0xc000010f,
    LBR_STACK = 0xc0010300, /* + 2 n from, + 2 n + 1 to; 0 is the latest */
};

class AmdLbr
{
  public:
    enum : unsigned { DEPTH = 16 };

    /* What LBR virtualization moves, in the VMCB's order (APM appendix B). */
    struct State {
        uint64_t debugctl, last[4], extension, stack[2 * DEPTH], select;
    };

    explicit AmdLbr(bool has_stack);
    void reset();
    Access rdmsr(uint32_t msr, uint64_t *value) const;
    Access wrmsr(uint32_t msr, uint64_t value);

    bool records(bool frozen) const;
    void taken(const Branch &branch, bool frozen);
    bool freezes() const; /* a PMI stops the stack */
    bool freezes_counters() const;

    State state() const;
    void load_guest(const State &from);
    void load_host(const State &from); /* the stack and its filter stay (APM 15.23.1) */

  private:
    bool stack_is_on(bool frozen) const;
    bool is_filtered(const Branch &branch) const;
    void push(const Branch &branch);
    void keep_last(const Branch &branch);
    uint64_t *place(uint32_t msr);
    static uint64_t writable(uint32_t msr);

    bool has_stack;
    State now;
    unsigned top = 0; /* index of the latest entry's pair; stack[] is in order of age from there */
};

} // namespace pmu

#endif
