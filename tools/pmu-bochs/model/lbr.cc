#include "lbr.h"

#include <cstring>

namespace pmu
{

/* For each kind of branch: the bit of MSR_LBR_SELECT that leaves it out, that of IA32_LBR_CTL that
 * lets it in, and its type in IA32_LBR_x_INFO. */
static const struct {
    uint8_t select, ctl, type;
} kinds[] = {
    [CONDITIONAL_JUMP] = {2, 16, 0}, [RELATIVE_JUMP] = {7, 17, 2}, [INDIRECT_JUMP] = {6, 18, 1},
    [RELATIVE_CALL] = {3, 19, 4},    [INDIRECT_CALL] = {4, 20, 3}, [NEAR_RETURN] = {5, 21, 5},
    [FAR_TRANSFER] = {8, 22, 8},     [EVENT] = {8, 22, 8},
};

void Lbr::reset(LbrKind which)
{
    kind = which;
    depth = ENTRIES;
    tos = 0;
    select = control = 0;
    memset(entry, 0, sizeof entry);
}

bool Lbr::call_stack() const
{
    return architectural() ? control & LBR_CTL_CALL_STACK : select & LBR_SELECT_CALLSTACK;
}

/* Rings are told apart by where a branch ends. */
bool Lbr::wants(const Branch &branch) const
{
    bool user = branch.to_mode & MODE_USER;
    if (architectural())
        return (control >> kinds[branch.kind].ctl & 1) &&
               (control & (user ? LBR_CTL_USR : LBR_CTL_OS));
    return !(select >> kinds[branch.kind].select & 1) &&
           !(select & (user ? LBR_SELECT_CPL_NEQ_0 : LBR_SELECT_CPL_EQ_0));
}

uint64_t Lbr::info_of(const Branch &branch, uint64_t cycles) const
{
    uint64_t info = cycles < 0xffff ? cycles : 0xffff;
    if (branch.missed)
        info |= LBR_INFO_MISPRED;
    if (architectural())
        info |= LBR_INFO_CYC_CNT_VALID | (uint64_t)kinds[branch.kind].type << 56;
    return info;
}

/* A call to the next instruction, which only wants to know where it is. */
static bool goes_nowhere(const Branch &branch)
{
    return branch.kind == RELATIVE_CALL && branch.to == branch.from + 5;
}

bool Lbr::record(const Branch &branch, uint64_t cycles)
{
    if (!wants(branch) || (call_stack() && goes_nowhere(branch)))
        return false;
    if (call_stack() && branch.kind == NEAR_RETURN) {
        entry[tos] = {};
        tos = (tos - 1) & (depth - 1);
        return false;
    }
    tos = (tos + 1) & (depth - 1);
    entry[tos] = {branch.from, branch.to, info_of(branch, cycles)};
    return true;
}

/* Architectural LBRs are numbered from the newest on, the others by place. */
Lbr::Place Lbr::find(uint32_t msr) const
{
    static const uint32_t first[2][3] = {
        {MSR_LASTBRANCH_FROM, MSR_LASTBRANCH_TO, MSR_LBR_INFO},
        {IA32_LBR_FROM, IA32_LBR_TO, IA32_LBR_INFO},
    };
    for (unsigned part = FROM; part <= INFO; part++) {
        unsigned number = msr - first[kind][part];
        if (number < ENTRIES && architectural())
            return {(Part)part, number < depth ? (tos - number) & (depth - 1) : (unsigned)ENTRIES};
        if (number < ENTRIES)
            return {(Part)part, number};
    }
    return {OTHER, 0};
}

static uint64_t LbrEntry::*const parts[] = {&LbrEntry::from, &LbrEntry::to, &LbrEntry::info};

Access Lbr::rdmsr(uint32_t msr, uint64_t *value) const
{
    Place place = find(msr);
    if (place.part != OTHER) {
        if (place.index >= ENTRIES)
            return FAULT;
        *value = entry[place.index].*parts[place.part];
        return DONE;
    }
    bool here = architectural() ? msr == IA32_LBR_CTL || msr == IA32_LBR_DEPTH
                                : msr == MSR_LBR_SELECT || msr == MSR_LASTBRANCH_TOS;
    if (!here)
        return UNKNOWN;
    *value = msr == IA32_LBR_CTL     ? control
             : msr == IA32_LBR_DEPTH ? depth
             : msr == MSR_LBR_SELECT ? select
                                     : tos;
    return DONE;
}

/* A new depth, or the same again, empties the stack. */
Access Lbr::write_depth(uint64_t value)
{
    if (value == 0 || value > ENTRIES || value % 8 || !(LBR_DEPTHS >> (value / 8 - 1) & 1))
        return FAULT;
    uint64_t kept = control;
    reset(kind);
    control = kept;
    depth = (unsigned)value;
    return DONE;
}

static bool canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* Of architectural INFO, 55:16 are undefined, which is to say free. */
bool Lbr::legal_info(uint64_t value) const
{
    return architectural() || !(value & 0x1fffffffffff0000ULL);
}

Access Lbr::wrmsr(uint32_t msr, uint64_t value)
{
    Place place = find(msr);
    if (place.part != OTHER) {
        bool legal = place.part == INFO ? legal_info(value) : canonical(value);
        if (place.index >= ENTRIES || !legal)
            return FAULT;
        entry[place.index].*parts[place.part] = value;
        return DONE;
    }
    if (architectural())
        return msr == IA32_LBR_DEPTH ? write_depth(value) : UNKNOWN;
    if (msr == MSR_LBR_SELECT) {
        if (value & ~LBR_SELECT_BITS)
            return FAULT;
        select = value;
        return DONE;
    }
    if (msr != MSR_LASTBRANCH_TOS)
        return UNKNOWN;
    tos = (unsigned)value & (ENTRIES - 1);
    return DONE;
}

} // namespace pmu
