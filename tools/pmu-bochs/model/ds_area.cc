/*
 * Records on their way to memory: to guest-linear addresses, by the paging and, in a guest, the EPT
 * that are in force when the instruction has retired, with the supervisor's rights. What faults
 * does so between that instruction and the next.
 */
#include "machine.h"

#include <csetjmp>
#include <cstring>

namespace pmu
{

static void registers(BX_CPU_C *c, PebsMoment *moment)
{
    static const unsigned order[] = {
        BX_64BIT_REG_RAX, BX_64BIT_REG_RCX, BX_64BIT_REG_RDX, BX_64BIT_REG_RBX,
        BX_64BIT_REG_RSP, BX_64BIT_REG_RBP, BX_64BIT_REG_RSI, BX_64BIT_REG_RDI,
        BX_64BIT_REG_R8,  BX_64BIT_REG_R9,  BX_64BIT_REG_R10, BX_64BIT_REG_R11,
        BX_64BIT_REG_R12, BX_64BIT_REG_R13, BX_64BIT_REG_R14, BX_64BIT_REG_R15};
    moment->gpr[0] = c->read_eflags();
    moment->gpr[1] = c->get_instruction_pointer();
    for (unsigned k = 0; k < 16; k++)
        moment->gpr[2 + k] = c->get_reg64(order[k]);
    for (unsigned k = 0; k < 16; k++) {
        moment->xmm[2 * k] = c->vmm[k].vmm64u(0);
        moment->xmm[2 * k + 1] = c->vmm[k].vmm64u(1);
    }
}

/* Into a full buffer nothing is written. The counters are reloaded in either case. */
static void write(Processor *p, const PebsMoment &moment)
{
    BX_CPU_C *c = p->cpu;
    uint64_t area = p->intel->ds_area();
    uint64_t index = c->system_read_qword(area + DS_INDEX);
    uint64_t maximum = c->system_read_qword(area + DS_MAXIMUM);
    uint64_t threshold = c->system_read_qword(area + DS_THRESHOLD);
    PebsRecord record = make_record(moment, p->intel->record_groups(moment.counters));
    uint64_t reset[MAX_COUNTERS] = {};

    for (unsigned k = 0; k < p->intel->counters(); k++)
        if (moment.counters & p->intel->status_bit(k))
            reset[k] = c->system_read_qword(area + p->intel->reset_field(k));
    if (index + 8 * record.words <= maximum) {
        for (unsigned k = 0; k < record.words; k++)
            c->system_write_qword(index + 8 * k, record.word[k]);
        index += 8 * record.words;
        c->system_write_qword(area + DS_INDEX, index);
    }
    for (unsigned k = 0; k < p->intel->counters(); k++)
        if (moment.counters & p->intel->status_bit(k))
            p->intel->reload(k, reset[k]);
    if (index >= threshold)
        p->intel->buffer_overflowed();
}

/* An exception and a VM exit leave by longjmp, when all has been done but to go on. The processor's
 * own accesses are none of the program's. */
void write_due_records(Processor *p)
{
    Tally *tally = &pmu_tally[p->number];
    PebsMoment moment = {};
    moment.counters = p->intel->take_due();
    moment.ip = tally->ip;
    moment.tsc = p->cpu->get_Virtual_TSC();
    p->core->last_access(&moment.address, &moment.source, &moment.latency);
    registers(p->cpu, &moment);

    jmp_buf outer;
    memcpy(&outer, &BX_CPU_C::jmp_buf_env, sizeof outer);
    volatile uint8_t watched = tally->watch_memory;
    tally->watch_memory = 0;
    p->recording = true;
    int left = setjmp(BX_CPU_C::jmp_buf_env);
    if (!left)
        write(p, moment);
    p->recording = false;
    tally->watch_memory = watched;
    memcpy(&BX_CPU_C::jmp_buf_env, &outer, sizeof outer);
    if (left)
        longjmp(BX_CPU_C::jmp_buf_env, left);
    p->core->settle();
}

} // namespace pmu
