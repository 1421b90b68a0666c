/*
 * Branches that were taken, as branch records of both vendors are made of them.
 *
 * Branches (below) puts one together from what Bochs says of it at different times: an instruction
 * names its target before it is known to retire, and of an interrupt or exception the target is
 * where the next instruction begins. Plain logic without Bochs; Core hands what comes out to its
 * vendor (core.h, Core::taken).
 */
#ifndef CEDE_PMU_BRANCHES_H
#define CEDE_PMU_BRANCHES_H

#include <cstdint>

namespace pmu
{

enum BranchKind : uint8_t {
    CONDITIONAL_JUMP, /* LOOP and JRCXZ too */
    RELATIVE_JUMP,
    INDIRECT_JUMP,
    RELATIVE_CALL,
    INDIRECT_CALL,
    NEAR_RETURN,
    FAR_TRANSFER, /* by an instruction: SYSCALL, IRET, INT n, far jumps and their like */
    EVENT,        /* an interrupt or exception */
};

struct Branch {
    uint64_t from; /* the instruction; of an event what was pushed: where the handler returns to */
    uint64_t to;
    BranchKind kind;
    bool missed;                /* mispredicted */
    uint8_t from_mode, to_mode; /* tally.h: Mode */
    uint8_t vector;             /* of an EVENT ... */
    bool injected;              /* ... that VM entry delivers */
};

class Branches
{
  public:
    /* The instruction that executes now goes to branch.to, if it retires: retired() then gives it,
     * once. */
    void going(const Branch &branch)
    {
        going_now = branch;
        is_going = true;
    }
    bool retired(Branch *branch)
    {
        *branch = going_now;
        bool was = is_going;
        is_going = false;
        return was;
    }

    /* An event's delivery begins: at `from`, in `mode`. Another one that begins before delivered()
     * is a fault of the delivery, and takes its place. */
    void delivers(uint64_t from, uint8_t mode, uint8_t vector, bool injected)
    {
        arriving = {from, 0, EVENT, false, mode, mode, vector, injected};
        is_arriving = true;
    }
    /* It is through; -> whether there was one, and that its handler starts at `to`. */
    bool delivered(uint64_t to, uint8_t mode, Branch *branch)
    {
        arriving.to = to;
        arriving.to_mode = mode;
        *branch = arriving;
        bool was = is_arriving;
        is_arriving = false;
        return was;
    }
    /* It was an instruction's (INT n), or ended in a VM exit. */
    void undelivered()
    {
        is_arriving = false;
    }
    bool delivering() const
    {
        return is_arriving;
    }
    uint8_t mode_before() const
    {
        return arriving.from_mode;
    }

    void forget()
    {
        is_going = is_arriving = false;
    }

  private:
    Branch going_now = {}, arriving = {};
    bool is_going = false, is_arriving = false;
};

} // namespace pmu

#endif
