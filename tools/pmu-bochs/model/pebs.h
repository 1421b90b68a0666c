/*
 * PEBS as Ice Lake has it: adaptive records, on every counter (SDM 3B, "Processor Event Based
 * Sampling", "Adaptive PEBS" and "EPT-friendly PEBS"). The registers, and what a record is made of;
 * ds_area.cc writes it to memory.
 */
#ifndef CEDE_PMU_PEBS_H
#define CEDE_PMU_PEBS_H

#include <cstdint>

namespace pmu
{

enum PebsMsr : uint32_t {
    IA32_PEBS_ENABLE = 0x3f1,
    MSR_PEBS_DATA_CFG = 0x3f2,
    MSR_PEBS_LD_LAT = 0x3f6,
    IA32_DS_AREA = 0x600,
};

enum : uint64_t {
    DATA_MEMORY = 1 << 0,
    DATA_GPRS = 1 << 1,
    DATA_XMMS = 1 << 2,
    DATA_LBRS = 1 << 3,
    DATA_BITS = 0xff00000f, /* 31:24: entries of LBR, less one */

    CAPABILITY_PEBS_TRAP = 1 << 6,
    CAPABILITY_PEBS_ARCH_REGS = 1 << 7,
    CAPABILITY_PEBS_BASELINE = 1 << 14,
    CAPABILITIES_PEBS = CAPABILITY_PEBS_TRAP | CAPABILITY_PEBS_ARCH_REGS | CAPABILITY_PEBS_BASELINE,
    CAPABILITY_PEBS_FORMAT = 1 << 8, /* times the format */

    SELECT_ADAPTIVE = 1ULL << 34,
    FIXED_ADAPTIVE = 1ULL << 32, /* + 4 n in FIXED_CTR_CTRL */
};

/* Where things are in the DS area of 64-bit mode: SDM figure "IA-32e mode DS save area". */
enum DsField : unsigned {
    DS_BASE = 0x20,
    DS_INDEX = 0x28,
    DS_MAXIMUM = 0x30,
    DS_THRESHOLD = 0x38,
    DS_RESET = 0x40,       /* of each general-purpose counter */
    DS_RESET_FIXED = 0x80, /* of each fixed one in format 4 */
    DS_RESET_FIXED_5 = 0x140,
};

/* What the processor knows when an event retires. */
struct PebsMoment {
    uint64_t counters; /* that have overflowed, as in GLOBAL_STATUS */
    uint64_t ip;       /* of the instruction that did it */
    uint64_t tsc;
    uint64_t address, source, latency; /* of its memory access, if there was one */
    uint64_t gpr[18]; /* after it: flags, ip, ax, cx, dx, bx, sp, bp, si, di, r8-r15 */
    uint64_t xmm[32];
};

struct PebsRecord {
    enum : unsigned { MOST = 4 + 4 + 18 + 32 };
    uint64_t word[MOST];
    unsigned words;
};

/* `groups` as in PEBS_DATA_CFG. */
PebsRecord make_record(const PebsMoment &moment, uint64_t groups);

struct Pebs {
    uint64_t enable, data_cfg, area;
    uint64_t due; /* counters whose record is still to be written */
};

} // namespace pmu

#endif
