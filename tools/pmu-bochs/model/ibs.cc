#include "ibs.h"

#include <cstring>

namespace pmu
{

constexpr uint64_t FETCH_ENABLE = 1ULL << 48;
constexpr uint64_t FETCH_VALID = 1ULL << 49;
constexpr uint64_t FETCH_COMPLETE = 1ULL << 50;
constexpr uint64_t FETCH_HAS_PHYSICAL = 1ULL << 52;
constexpr uint64_t FETCH_BITS = 0x07ffffffffffffffULL;
constexpr uint64_t OP_ENABLE = 1ULL << 17;
constexpr uint64_t OP_VALID = 1ULL << 18;
constexpr uint64_t OP_COUNT = 0x07ffffffULL << 32;
constexpr uint64_t OP_BITS = 0x07ffffff07feffffULL;
constexpr uint64_t DATA_RETURN = 1ULL << 34;
constexpr uint64_t DATA_TAKEN = 1ULL << 35;
constexpr uint64_t DATA_MISSED = 1ULL << 36;
constexpr uint64_t DATA_BRANCH = 1ULL << 37;
constexpr uint64_t DATA3_LOAD = 1ULL << 0;
constexpr uint64_t DATA3_STORE = 1ULL << 1;
constexpr uint64_t DATA3_MISALIGNED = 1ULL << 8;
constexpr uint64_t DATA3_ADDRESSES = 3ULL << 17; /* linear and physical are valid */
constexpr uint64_t CTL_VALID = 1ULL << 8;

void Ibs::reset()
{
    memset(this, 0, sizeof *this);
    at(IBS_CTL) = CTL_VALID; /* entry 0, as firmware leaves it */
}

bool Ibs::is_control(uint32_t msr) const
{
    return msr == IBS_FETCH_CTL || msr == IBS_OP_CTL;
}

Access Ibs::rdmsr(uint32_t msr, uint64_t *result) const
{
    if (msr < FIRST || msr >= FIRST + COUNT)
        return UNKNOWN;
    *result = at(msr);
    return DONE;
}

/* Reserved bits of the controls are dropped. */
Access Ibs::wrmsr(uint32_t msr, uint64_t wanted)
{
    if (msr < FIRST || msr >= FIRST + COUNT)
        return UNKNOWN;
    if (msr == IBS_CTL)
        return FAULT;
    if (is_control(msr))
        tags[msr == IBS_OP_CTL ? OP : FETCH].on = false;
    at(msr) = msr == IBS_OP_CTL      ? wanted & OP_BITS
              : msr == IBS_FETCH_CTL ? wanted & FETCH_BITS
                                     : wanted;
    return DONE;
}

bool Ibs::enabled(Kind kind) const
{
    return kind == OP ? at(IBS_OP_CTL) & OP_ENABLE : at(IBS_FETCH_CTL) & FETCH_ENABLE;
}

bool Ibs::counts(Kind kind) const
{
    bool full = kind == OP ? at(IBS_OP_CTL) & OP_VALID : at(IBS_FETCH_CTL) & FETCH_VALID;
    return enabled(kind) && !full && period(kind) && !tagged(kind);
}

uint64_t Ibs::period(Kind kind) const
{
    uint64_t op_ctl = at(IBS_OP_CTL);
    return kind == OP ? (op_ctl & 0xffff) << 4 | (op_ctl & 0x7f00000)
                      : (at(IBS_FETCH_CTL) & 0xffff) << 4;
}

uint64_t Ibs::count(Kind kind) const
{
    return kind == OP ? (at(IBS_OP_CTL) & OP_COUNT) >> 32 : (at(IBS_FETCH_CTL) >> 16 & 0xffff) << 4;
}

void Ibs::set_count(Kind kind, uint64_t now)
{
    if (kind == OP)
        at(IBS_OP_CTL) = (at(IBS_OP_CTL) & ~OP_COUNT) | now << 32;
    else
        at(IBS_FETCH_CTL) = (at(IBS_FETCH_CTL) & ~0xffff0000ULL) | (now >> 4) << 16;
}

void Ibs::tag(Kind kind, uint64_t ip)
{
    tags[kind] = {true, ip};
    set_count(kind, period(kind) - 1);
    if (kind == OP)
        op = {};
}

void Ibs::begins(uint64_t ip)
{
    for (unsigned kind = 0; kind < KINDS_OF_SAMPLES; kind++)
        if (tags[kind].on)
            tag((Kind)kind, ip);
}

/* The first access gives the addresses. */
void Ibs::accesses(uint64_t linear, uint64_t physical, unsigned length, bool loads, bool stores)
{
    if (!(op.data3 & DATA3_ADDRESSES)) {
        unsigned width = 1;
        for (unsigned bytes = 1; bytes < length && width < 8; bytes *= 2)
            width++;
        op.linear = linear;
        op.physical = physical;
        op.data3 |= DATA3_ADDRESSES | (uint64_t)width << 22;
        if (linear & (length - 1))
            op.data3 |= DATA3_MISALIGNED;
    }
    op.data3 |= (loads ? DATA3_LOAD : 0) | (stores ? DATA3_STORE : 0);
}

void Ibs::branches(unsigned flags, bool taken, bool missed)
{
    op.data |= DATA_BRANCH | (flags & OP_RETURN ? DATA_RETURN : 0) | (taken ? DATA_TAKEN : 0) |
               (missed ? DATA_MISSED : 0);
}

void Ibs::goes_to(uint64_t target)
{
    op.target = target;
}

void Ibs::sample_fetch(bool has_physical, uint64_t physical)
{
    tags[FETCH].on = false;
    set_count(FETCH, period(FETCH));
    at(IBS_FETCH_CTL) |= FETCH_VALID | FETCH_COMPLETE | (has_physical ? FETCH_HAS_PHYSICAL : 0);
    at(IBS_FETCH_LINEAR) = tags[FETCH].ip;
    at(IBS_FETCH_PHYSICAL) = has_physical ? physical : 0;
}

void Ibs::sample_op()
{
    tags[OP].on = false;
    set_count(OP, period(OP));
    at(IBS_OP_CTL) |= OP_VALID;
    at(IBS_OP_RIP) = tags[OP].ip;
    at(IBS_OP_DATA) = op.data;
    at(IBS_OP_DATA2) = 0;
    at(IBS_OP_DATA3) = op.data3;
    at(IBS_DC_LINEAR) = op.linear;
    at(IBS_DC_PHYSICAL) = op.physical;
    at(IBS_BRANCH_TARGET) = op.target;
}

unsigned Ibs::lvt_offset() const
{
    return at(IBS_CTL) & 0xf;
}

} // namespace pmu
