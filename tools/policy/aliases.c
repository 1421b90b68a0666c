#include "aliases.h"

#include <strings.h>

struct alias {
    const char *name;
    enum vendor vendor;
    unsigned first, last; /* AMD's families */
    u16 select;
    u8 umask;
    u8 fixed; /* fixed counters, as bits */
    bool fixed_only;
};

#define INTEL(name, select, umask, fixed)                       \
    {                                                           \
        name, VENDOR_INTEL, 0, ~0U, select, umask, fixed, false \
    }
#define FIXED(name, fixed)                            \
    {                                                 \
        name, VENDOR_INTEL, 0, ~0U, 0, 0, fixed, true \
    }
#define AMD(name, first, last, select, umask)                  \
    {                                                          \
        name, VENDOR_AMD, first, last, select, umask, 0, false \
    }

/* perf's generic names as Linux maps them (arch/x86/events/{intel,amd}/core.c), then names of
 * perf's event lists (tools/perf/pmu-events) that libpfm4 spells otherwise. */
static const struct alias aliases[] = {
    INTEL("cycles", 0x3c, 0x00, 1 << 1),
    INTEL("cpu-cycles", 0x3c, 0x00, 1 << 1),
    INTEL("instructions", 0xc0, 0x00, 1 << 0),
    INTEL("bus-cycles", 0x3c, 0x01, 0),
    INTEL("branches", 0xc4, 0x00, 0),
    INTEL("branch-instructions", 0xc4, 0x00, 0),
    INTEL("branch-misses", 0xc5, 0x00, 0),
    INTEL("cache-references", 0x2e, 0x4f, 0),
    INTEL("cache-misses", 0x2e, 0x41, 0),
    FIXED("ref-cycles", 1 << 2),
    FIXED("slots", 1 << 3),
    INTEL("inst_retired.any", 0xc0, 0x00, 1 << 0),
    INTEL("cpu_clk_unhalted.thread", 0x3c, 0x00, 1 << 1),
    INTEL("cpu_clk_unhalted.core", 0x3c, 0x00, 1 << 1),
    FIXED("cpu_clk_unhalted.ref_tsc", 1 << 2),
    FIXED("topdown.slots", 1 << 3),

    AMD("cycles", 0, ~0U, 0x76, 0x00),
    AMD("cpu-cycles", 0, ~0U, 0x76, 0x00),
    AMD("instructions", 0, ~0U, 0xc0, 0x00),
    AMD("branches", 0, ~0U, 0xc2, 0x00),
    AMD("branch-instructions", 0, ~0U, 0xc2, 0x00),
    AMD("branch-misses", 0, ~0U, 0xc3, 0x00),
    AMD("cache-references", 0, 0x16, 0x7d, 0x07),
    AMD("cache-misses", 0, 0x16, 0x7e, 0x07),
    AMD("cache-references", 0x17, ~0U, 0x60, 0xff),
    AMD("cache-misses", 0x17, ~0U, 0x64, 0x09),
    AMD("ref-cycles", 0x19, ~0U, 0x120, 0x01),
    AMD("ex_ret_instr", 0x17, ~0U, 0xc0, 0x00),
    AMD("ex_ret_cops", 0x17, 0x17, 0xc1, 0x00),
    AMD("ex_ret_ops", 0x19, ~0U, 0xc1, 0x00),
    AMD("ex_ret_brn", 0x17, ~0U, 0xc2, 0x00),
    AMD("ex_ret_brn_misp", 0x17, ~0U, 0xc3, 0x00),
    AMD("ex_ret_brn_tkn", 0x17, ~0U, 0xc4, 0x00),
    AMD("ex_ret_brn_tkn_misp", 0x17, ~0U, 0xc5, 0x00),
    AMD("ex_ret_cond", 0x17, ~0U, 0xd1, 0x00),
    AMD("ls_not_halted_cyc", 0x17, ~0U, 0x76, 0x00),
    AMD("ls_dc_accesses", 0x17, 0x17, 0x40, 0x00),
    AMD("ls_dispatch.ld_dispatch", 0x17, ~0U, 0x29, 0x01),
    AMD("ls_dispatch.store_dispatch", 0x17, ~0U, 0x29, 0x02),
};

static bool is_for(const struct alias *alias, const struct processor *processor)
{
    return alias->vendor == processor->vendor &&
           (processor->vendor == VENDOR_INTEL ||
            (processor->family >= alias->first && processor->family <= alias->last));
}

bool alias_encode(const struct processor *processor, const char *name, struct encoding *out)
{
    for (size_t i = 0; i < COUNT(aliases); i++) {
        const struct alias *alias = &aliases[i];

        if (!is_for(alias, processor) || strcasecmp(alias->name, name))
            continue;
        *out = (struct encoding){.fixed_only = alias->fixed_only, .fixed = alias->fixed};
        out->selector =
            (alias->select & 0xff) | (u64)alias->umask << 8 | (u64)(alias->select >> 8) << 32;
        return true;
    }
    return false;
}

const char *alias_name(size_t index)
{
    return index < COUNT(aliases) ? aliases[index].name : NULL;
}
