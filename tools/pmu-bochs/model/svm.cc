/*
 * VMRUN and #VMEXIT: branch records where LBR virtualization is on (APM 15.23.1), and who executes
 * next.
 */
#include "machine.h"

namespace pmu
{

enum : unsigned {
    VMCB_VIRTUALIZATION = 0xb8, /* bit 0: LBR */
    VMCB_CLEAN = 0xc0,          /* bit 10: LBR (APM 15.15.3) */
    VMCB_DEBUGCTL = 0x670,      /* then the last branches, then DebugExtnCfg (APM appendix B) */
    VMCB_LBR_STACK = 0xa70,     /* pairs in the MSRs' order, then LBR_SELECT */
    LBR_VIRTUALIZATION = 1 << 0,
    CLEAN_LBR = 1 << 10,
    BASE_FIELDS = 6,
    STACK_FIELDS = 2 * AmdLbr::DEPTH + 1,
};

static_assert(sizeof(AmdLbr::State) == 8 * (BASE_FIELDS + STACK_FIELDS), "fields in a row");

static uint64_t read_vmcb(BX_CPU_C *c, unsigned offset)
{
    uint64_t value = 0;
    c->access_read_physical(c->vmcbptr + offset, 8, &value);
    return value;
}

static void write_vmcb(BX_CPU_C *c, unsigned offset, uint64_t value)
{
    c->access_write_physical(c->vmcbptr + offset, 8, &value);
}

static unsigned offset_of(unsigned field)
{
    return field < BASE_FIELDS ? VMCB_DEBUGCTL + 8 * field
                               : VMCB_LBR_STACK + 8 * (field - BASE_FIELDS);
}

/* With its clean bit set the processor may know the fields from before; here it always does. */
static AmdLbr::State guest_records(Processor *p)
{
    BX_CPU_C *c = p->cpu;
    AmdLbr::State state;
    uint64_t *field = (uint64_t *)&state;
    if ((read_vmcb(c, VMCB_CLEAN) & CLEAN_LBR) && p->svm.vmcb == c->vmcbptr)
        return p->svm.guest;
    for (unsigned k = 0; k < BASE_FIELDS + STACK_FIELDS; k++)
        field[k] = read_vmcb(c, offset_of(k));
    return state;
}

static void entered(Processor *p)
{
    p->svm.swapped = options.lbrv && (read_vmcb(p->cpu, VMCB_VIRTUALIZATION) & LBR_VIRTUALIZATION);
    if (!p->svm.swapped)
        return;
    p->svm.host = p->amd->branch_records();
    p->amd->load_guest_records(guest_records(p));
}

static void left(Processor *p)
{
    p->core->event_lost();
    if (p->svm.swapped) {
        p->svm.guest = p->amd->branch_records();
        p->svm.vmcb = p->cpu->vmcbptr;
        const uint64_t *field = (const uint64_t *)&p->svm.guest;
        for (unsigned k = 0; k < BASE_FIELDS + STACK_FIELDS; k++)
            write_vmcb(p->cpu, offset_of(k), field[k]);
        p->amd->load_host_records(p->svm.host);
    }
    p->svm.swapped = false;
    p->amd->starts_at(p->next_ip());
}

/* Bochs tells of both alike, when the registers have changed. A VMRUN that fails comes here with
 * the host's. */
void svm_context_switch(Processor *p)
{
    BX_CPU_C *c = p->cpu;
    bool entry = p->entering && c->get_instruction_pointer() != c->vmcb->host_state.rip;
    p->entering = false;
    entry ? entered(p) : left(p);
}

} // namespace pmu

using namespace pmu;

extern "C" void __real__ZN8BX_CPU_C5VMRUNEP15bxInstruction_c(BX_CPU_C *c, bxInstruction_c *i);
extern "C" void __wrap__ZN8BX_CPU_C5VMRUNEP15bxInstruction_c(BX_CPU_C *c, bxInstruction_c *i)
{
    processors[c->which_cpu()].entering = !c->in_svm_guest;
    __real__ZN8BX_CPU_C5VMRUNEP15bxInstruction_c(c, i);
}
