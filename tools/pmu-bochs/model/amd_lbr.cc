#include "amd_lbr.h"

#include <cstring>

namespace pmu
{

constexpr uint64_t LBR = 1ULL << 0;
constexpr uint64_t FREEZE_LBRS_ON_PMI = 1ULL << 11;
constexpr uint64_t FREEZE_PERFMON_ON_PMI = 1ULL << 12;
constexpr uint64_t DEBUGCTL_BITS = 0x1803; /* LBR, BTF, freezes */
constexpr uint64_t LBRV2EN = 1ULL << 6;
constexpr uint64_t MISPREDICTED = 1ULL << 63; /* of a from */
constexpr uint64_t VALID = 1ULL << 63;        /* of a to */
constexpr uint64_t SPECULATIVE = 1ULL << 62;
constexpr uint64_t TO_RESERVED = 1ULL << 61;
constexpr uint64_t SELECT_BITS = 0x1ff;

/* LBR_SELECT: what is not recorded (Linux, lbr.c). */
enum : unsigned {
    NO_KERNEL = 1 << 0, /* branches that end in CPL 0 */
    NO_USER = 1 << 1,
    NO_CONDITIONAL = 1 << 2,
    NO_RELATIVE_CALL = 1 << 3,
    NO_INDIRECT_CALL = 1 << 4,
    NO_RETURN = 1 << 5,
    NO_INDIRECT_JUMP = 1 << 6,
    NO_RELATIVE_JUMP = 1 << 7,
    NO_FAR = 1 << 8,
};

AmdLbr::AmdLbr(bool stack) : has_stack(stack)
{
    reset();
}

void AmdLbr::reset()
{
    memset(&now, 0, sizeof now);
    top = 0;
}

bool AmdLbr::stack_is_on(bool frozen) const
{
    return (now.extension & LBRV2EN) && !frozen;
}

bool AmdLbr::records(bool frozen) const
{
    return (now.debugctl & LBR) || stack_is_on(frozen);
}

bool AmdLbr::freezes() const
{
    return has_stack && (now.debugctl & FREEZE_LBRS_ON_PMI);
}

bool AmdLbr::freezes_counters() const
{
    return now.debugctl & FREEZE_PERFMON_ON_PMI;
}

bool AmdLbr::is_filtered(const Branch &branch) const
{
    static const unsigned kinds[] = {
        NO_CONDITIONAL,   NO_RELATIVE_JUMP, NO_INDIRECT_JUMP, NO_RELATIVE_CALL,
        NO_INDIRECT_CALL, NO_RETURN,        NO_FAR,           NO_FAR}; /* by BranchKind */
    unsigned ring = branch.to_mode & MODE_USER ? NO_USER : NO_KERNEL;
    return now.select & (kinds[branch.kind] | ring);
}

void AmdLbr::push(const Branch &branch)
{
    top = (top + DEPTH - 1) % DEPTH;
    now.stack[2 * top] = (branch.from & ~MISPREDICTED) | (branch.missed ? MISPREDICTED : 0);
    now.stack[2 * top + 1] = (branch.to & ~TO_RESERVED) | VALID | SPECULATIVE;
}

/* An interrupt or exception is the last branch, and the one before it becomes the last before an
 * interrupt; #DB stops the recording. */
void AmdLbr::keep_last(const Branch &branch)
{
    if (branch.kind == EVENT)
        memcpy(&now.last[2], &now.last[0], 2 * sizeof now.last[0]);
    now.last[0] = branch.from;
    now.last[1] = branch.to;
    if (branch.kind == EVENT && branch.vector == 1)
        now.debugctl &= ~LBR;
}

void AmdLbr::taken(const Branch &branch, bool frozen)
{
    if (stack_is_on(frozen) && !is_filtered(branch))
        push(branch);
    if (now.debugctl & LBR)
        keep_last(branch);
}

/* -> where a register's value is, or null */
uint64_t *AmdLbr::place(uint32_t msr)
{
    if (msr == AMD_DEBUGCTL)
        return &now.debugctl;
    if (msr >= LAST_BRANCH_FROM && msr < LAST_BRANCH_FROM + 4)
        return &now.last[msr - LAST_BRANCH_FROM];
    if (!has_stack)
        return nullptr;
    if (msr == LBR_SELECT)
        return &now.select;
    if (msr == DBG_EXTN_CFG)
        return &now.extension;
    if (msr >= LBR_STACK && msr < LBR_STACK + 2 * DEPTH)
        return &now.stack[(msr - LBR_STACK + 2 * top) % (2 * DEPTH)];
    return nullptr;
}

uint64_t AmdLbr::writable(uint32_t msr)
{
    return msr == AMD_DEBUGCTL   ? DEBUGCTL_BITS
           : msr == LBR_SELECT   ? SELECT_BITS
           : msr == DBG_EXTN_CFG ? LBRV2EN
                                 : ~0ULL;
}

Access AmdLbr::rdmsr(uint32_t msr, uint64_t *value) const
{
    const uint64_t *it = const_cast<AmdLbr *>(this)->place(msr);
    if (!it)
        return UNKNOWN;
    *value = *it;
    return DONE;
}

Access AmdLbr::wrmsr(uint32_t msr, uint64_t value)
{
    uint64_t *it = place(msr);
    if (!it)
        return UNKNOWN;
    if (value & ~writable(msr))
        return FAULT;
    *it = value;
    return DONE;
}

AmdLbr::State AmdLbr::state() const
{
    State result = now;
    for (unsigned k = 0; k < 2 * DEPTH; k++)
        result.stack[k] = now.stack[(k + 2 * top) % (2 * DEPTH)];
    return result;
}

/* Of bits that are reserved there is nothing to load. */
void AmdLbr::load_guest(const State &from)
{
    now = from;
    top = 0;
    now.debugctl &= writable(AMD_DEBUGCTL);
    now.extension &= has_stack ? writable(DBG_EXTN_CFG) : 0;
    now.select &= writable(LBR_SELECT);
}

void AmdLbr::load_host(const State &from)
{
    now.debugctl = from.debugctl;
    now.extension = from.extension;
    memcpy(now.last, from.last, sizeof now.last);
}

} // namespace pmu
