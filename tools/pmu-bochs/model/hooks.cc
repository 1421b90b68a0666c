/* Bochs' hooks (instrument.h), carried to the counting core of the processor that they are about.
 */
#include "machine.h"

#include <cstdlib>
#include <cstring>

using namespace pmu;

enum : unsigned { MOST_PROCESSORS = 256, MOST_OPCODES = 8192 };

Tally pmu_tally[MOST_PROCESSORS];
uint8_t pmu_opcode[MOST_OPCODES];

namespace pmu
{

Processor processors[MOST_PROCESSORS];
Options options;
Socket the_socket;

uint64_t Processor::clock()
{
    return bx_pc_system.time_ticks();
}

bool Processor::svm_enabled()
{
    return cpu->efer.get_SVME();
}

/* SDM 3A 11.5.1, "LVT performance counter register": Intel sets the mask bit, AMD does not. Masked
 * means dropped. */
void Processor::deliver_pmi()
{
    const unsigned LVTPC = 0x340;
    if (!cpu->apic_global_enable_on())
        return;
    uint32_t lvt = cpu->lapic->read_aligned(LVTPC);
    if (lvt & LVT_MASKED)
        return;
    if (intel)
        cpu->lapic->set_lvt_entry(LVTPC, lvt | LVT_MASKED);
    cpu->lapic->deliver(lvt & 0xff, lvt >> 8 & 7, 0);
}

uint64_t Processor::next_ip()
{
    return cpu->get_segment_base(BX_SEG_REG_CS) + cpu->get_instruction_pointer();
}

/* Where Bochs still has the page that it was fetched from. */
bool Processor::fetched_from(uint64_t ip, uint64_t *physical)
{
    uint64_t offset = ip - cpu->get_segment_base(BX_SEG_REG_CS) + cpu->eipPageBias;
    *physical = cpu->pAddrFetchPage + offset;
    return offset < cpu->eipPageWindowSize;
}

} // namespace pmu

void pmu_mode_changed(unsigned cpu, unsigned mode)
{
    Tally *tally = &pmu_tally[cpu];
    Core *core = processors[cpu].core;
    if (core->event_in_flight())
        core->event_ends(processors[cpu].cpu->get_instruction_pointer(), (uint8_t)mode);
    if (tally->mode == MODE_UNKNOWN) /* from sleep, whether somebody watches the clock or not */
        core->start_clock();
    else if (tally->watch_clock)
        core->tick();
    core->enter_mode(mode);
    if (core->settings_pending())
        core->settle();
}

void pmu_budget_out(unsigned cpu)
{
    processors[cpu].core->instruction_done();
    processors[cpu].core->settle();
    if (processors[cpu].core->record_due())
        write_due_records(&processors[cpu]);
    if (processors[cpu].core->clock_stopped())
        processors[cpu].core->enter_mode(
            MODE_UNKNOWN); /* it runs again from the next instruction on */
}

/* HLT and MWAIT: the instruction itself still retires. A VM entry that starts the clock may end in
 * HLT. */
void pmu_halted(unsigned cpu)
{
    if (!pmu_tally[cpu].watch_clock && !processors[cpu].core->settings_pending())
        return;
    processors[cpu].core->stop_clock();
    processors[cpu].core->look_soon();
}

void pmu_branch_retired(unsigned cpu, unsigned flags)
{
    processors[cpu].core->branch_retired(flags);
}

void pmu_conditional(unsigned cpu, uint64_t from, uint64_t to, bool taken)
{
    processors[cpu].core->conditional(from, to, taken);
}

void pmu_unconditional(unsigned cpu, unsigned what, uint64_t from, uint64_t to)
{
    unsigned flags = what == BX_INSTR_IS_CALL            ? OP_CALL
                     : what == BX_INSTR_IS_CALL_INDIRECT ? OP_CALL | OP_INDIRECT
                     : what == BX_INSTR_IS_RET           ? OP_RETURN
                     : what == BX_INSTR_IS_JMP_INDIRECT  ? OP_INDIRECT
                                                         : 0;
    processors[cpu].core->jumped(from, to, flags);
}

static uint8_t mode_now(const BX_CPU_C *c)
{
    return (uint8_t)(c->user_pl | (c->in_vmx_guest | c->in_svm_guest) << 1);
}

void pmu_far_branch(unsigned cpu, unsigned what, uint64_t from, uint64_t to)
{
    processors[cpu].core->far(from, to, mode_now(processors[cpu].cpu), what == BX_INSTR_IS_INT);
}

/* The one before is through if Bochs no longer delivers it: nothing of its handler has run. */
void pmu_delivers(unsigned cpu, unsigned vector)
{
    BX_CPU_C *c = processors[cpu].cpu;
    Core *core = processors[cpu].core;
    if (core->event_in_flight() && !c->in_event)
        core->event_ends(c->get_instruction_pointer(), mode_now(c));
    core->event_begins(c->get_instruction_pointer(), mode_now(c), (uint8_t)vector);
}

void pmu_memory(unsigned cpu, uint64_t linear, uint64_t physical, unsigned length, unsigned rw)
{
    Core *core = processors[cpu].core;
    if (pmu_tally[cpu].watch_memory & WATCH_INSTRUCTION)
        core->inspected_access(linear, physical, length, rw == BX_READ || rw == BX_RW,
                               rw == BX_WRITE || rw == BX_RW);
    if (!(pmu_tally[cpu].watch_memory & WATCH_CACHE))
        return;
    core->accessed(physical);
    core->touched(linear, rw != BX_WRITE, rw != BX_READ);
    if ((physical ^ (physical + length - 1)) >> 6)
        core->accessed(physical + length - 1);
}

void pmu_memory_retired(unsigned cpu)
{
    processors[cpu].core->memory_retired();
}

/* CLFLUSH takes the line from every processor's cache. */
void pmu_line_flushed(unsigned, uint64_t address)
{
    for (unsigned k = 0; k < BX_SMP_PROCESSORS; k++)
        if (pmu_tally[k].watch_memory)
            processors[k].core->flushed(address);
}

/* An interrupt is counted where its handler starts. */
void pmu_interrupt(unsigned cpu)
{
    BX_CPU_C *c = processors[cpu].cpu;
    processors[cpu].core->happened(INTERRUPTS,
                                   c->in_vmx_guest || c->in_svm_guest ? (unsigned)MODE_GUEST : 0);
}

void pmu_context_switch(unsigned cpu)
{
    if (processors[cpu].intel)
        vmx_context_switch(&processors[cpu]);
    else
        svm_context_switch(&processors[cpu]);
}

void pmu_vmexit(unsigned cpu, uint32_t reason)
{
    BX_CPU_C *c = processors[cpu].cpu;
    Core *core = processors[cpu].core;
    if (core->event_in_flight() && !c->in_event)
        core->event_ends(c->prev_rip, mode_now(c));
    core->event_lost();
    vmx_exit_begins(&processors[cpu], reason);
}

/* Registers that Bochs has itself, and that the model must know of. Called before they change. */
void pmu_wrmsr(unsigned cpu, uint32_t msr, uint64_t value)
{
    const uint32_t APIC_BASE = 0x1b, PRED_CMD = 0x49, EFER = 0xc0000080;
    const uint64_t ENABLE = 0x800, EXTENDED = 0x400;
    BX_CPU_C *c = processors[cpu].cpu;
    if (msr == EFER)
        processors[cpu].core->changed();
    else if (msr == PRED_CMD && (value & 1))
        processors[cpu].core->barrier();
    else if (msr == APIC_BASE && !(c->msr.apicbase & ENABLE)) {
        /* Bochs ignores every write once the APIC is disabled; give it the bit that makes it
         * listen. */
        if (value & EXTENDED)
            c->exception(BX_GP_EXCEPTION, 0);
        if (value & ENABLE)
            c->msr.apicbase |= ENABLE;
    }
}

void pmu_initialize(unsigned cpu)
{
    Processor *p = &processors[cpu];
    p->cpu = BX_CPU(cpu);
    p->number = cpu;
    if (p->cpu->is_cpu_extension_supported(BX_ISA_SVM) ||
        !p->cpu->is_cpu_extension_supported(BX_ISA_VMX)) {
        p->amd = new Amd(pmu_tally[cpu], *p, options);
        p->core = p->amd;
    } else {
        p->intel = new Intel(pmu_tally[cpu], *p, options);
        p->core = p->intel;
        if (p->intel->architectural_lbr())
            vmx_has_lbr_ctl(p);
    }
    install_cpuid_proxy(p);
}

/* SDM table 10-1: INIT leaves the PMU as it is, but not EFER.SVME, at which AMD's filters look. */
void pmu_reset(unsigned cpu, unsigned type)
{
    if (type != BX_RESET_HARDWARE) {
        processors[cpu].core->changed();
        return;
    }
    processors[cpu].core->reset();
    processors[cpu].leaving = processors[cpu].entering = false;
    processors[cpu].svm = SvmState();
    for (uint32_t &entry : processors[cpu].extended_lvt)
        entry = LVT_MASKED;
    reset_platform_msrs(cpu, processors[cpu].intel != nullptr);
    if (cpu == 0) {
        the_socket.reset();
        bed_reset();
    }
}

/* What an opcode is, from Bochs' name for it, e.g. "BX_IA_JMP_Eq". */
static uint8_t flags_of(const char *name)
{
    static const struct {
        const char *start;
        unsigned flags;
    } kinds[] = {
        {"JMPF", OP_FAR},
        {"JMP_E", OP_INDIRECT},
        {"JMP_", 0},
        {"J", OP_CONDITIONAL},
        {"LOOP", OP_CONDITIONAL},
        {"CALLF", OP_FAR},
        {"CALL_E", OP_CALL | OP_INDIRECT},
        {"CALL_", OP_CALL},
        {"RETF", OP_FAR},
        {"RET_", OP_RETURN},
        {"IRET", OP_FAR},
        {"UIRET", OP_FAR},
        {"SYSCALL", OP_FAR},
        {"SYSRET", OP_FAR},
        {"SYSENTER", OP_FAR},
        {"SYSEXIT", OP_FAR},
        {"INT_", OP_FAR},
        {"INT1", OP_FAR},
        {"INT3", OP_FAR},
        {"INTO", OP_FAR},
    };
    name += strlen("BX_IA_");
    if (strncmp(name, "REP_", 4) == 0)
        return OP_REPEATED;
    if (strcmp(name, "VMRUN") == 0)
        return OP_ENTERS_GUEST;
    for (const auto &kind : kinds)
        if (strncmp(name, kind.start, strlen(kind.start)) == 0)
            return (uint8_t)(OP_BRANCH | kind.flags);
    return 0;
}

void pmu_start(void)
{
    static const char *const names[] = {
#define bx_define_opcode(name, ...) #name,
#include "cpu/decoder/ia_opcodes.def"
#undef bx_define_opcode
    };
    for (unsigned k = 0; k < sizeof names / sizeof names[0]; k++)
        pmu_opcode[k] = flags_of(names[k]);
    const char *text = getenv("CEDE_PMU");
    const char *wrong = parse_options(text ? text : "", &options);
    if (wrong) {
        fprintf(stderr, "CEDE_PMU: not understood: %s\n", wrong);
        exit(1);
    }
}
