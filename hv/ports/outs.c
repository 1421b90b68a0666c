#include "ports/outs.h"
#include "ports/io.h"
#include "memory/memory.h"
#include "base/msr.h"
#include "vendor.h"

/* 32-bit results clear the upper half of a register, 16-bit ones keep what is above. */
static void add(u64 *reg, u64 value, u64 mask)
{
    u64 kept = mask == 0xffff ? *reg & ~mask : 0;

    *reg = kept | ((*reg + value) & mask);
}

enum outs_status outs(struct cpu *cpu, const struct outs *outs)
{
    struct code_state code;
    u32 value = 0;

    cpu->exits[EXIT_IO]++;
    if (outs->repeat && !(cpu->regs[RCX] & outs->mask))
        return OUTS_DONE;
    vendor->code_state(cpu, &code);
    if (memory_read_linear(cpu, &code.paging, outs->linear, &value, outs->size) < outs->size)
        return OUTS_REFUSED;
    io_write(cpu, outs->port, outs->size, value);
    add(&cpu->regs[RSI], code.rflags & RFLAGS_DF ? -(u64)outs->size : outs->size, outs->mask);
    if (!outs->repeat)
        return OUTS_DONE;
    add(&cpu->regs[RCX], ~0ULL, outs->mask);
    return cpu->regs[RCX] & outs->mask ? OUTS_AGAIN : OUTS_DONE;
}
