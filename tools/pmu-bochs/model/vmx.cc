/*
 * What VM entry and VM exit do to the PMU: Bochs 3.0 advertises the controls and does not implement
 * them.
 *
 * Values arrive between two instructions of different modes: a VM exit leaves by longjmp and its
 * instruction does not retire, VMLAUNCH retires under the host's settings. Core::settle() runs in
 * both cases before the next instruction.
 */
#include "machine.h"

#include "cpu/decoder/ia_opcodes.h"

namespace pmu
{

enum : Bit32u { GUEST_LBR_CTL = 0x2816 };

/* SDM 3C 28.3.1: the exit saves PERF_GLOBAL_CTRL and DEBUGCTL as its controls say; an entry that
 * failed has no guest state to save (27.8). */
void vmx_exit_begins(Processor *p, uint32_t)
{
    BX_CPU_C *c = p->cpu;
    if (!p->intel)
        return;
    p->leaving = true;
    if (!c->in_vmx_guest)
        return;
    if (c->vmcs.vmexit_ctrls1.SAVE_PERF_GLOBAL_CTRL())
        c->VMwrite64(VMCS_64BIT_GUEST_IA32_PERF_GLOBAL_CTRL, p->intel->global_ctrl());
    if (c->vmcs.vmexit_ctrls1.SAVE_DBG_CTRLS())
        c->VMwrite64(VMCS_64BIT_GUEST_IA32_DEBUGCTL, p->intel->debugctl());
    if (p->intel->architectural_lbr()) /* whatever the controls */
        c->VMwrite64(GUEST_LBR_CTL, p->intel->lbr_ctl());
}

/* SDM 3C 28.5.1: DEBUGCTL is cleared, PERF_GLOBAL_CTRL loaded if the control says so. The MSR-load
 * list follows. */
static void left(Processor *p)
{
    BX_CPU_C *c = p->cpu;
    p->leaving = false;
    if (p->recording) /* SDM 3C, table "exit qualification for EPT violations": asynchronous */
        c->VMwrite_natural(VMCS_VMEXIT_QUALIFICATION,
                           c->VMread64(VMCS_VMEXIT_QUALIFICATION) | 1 << 16);
    p->core->leaves_guest();
    p->intel->load_debugctl(0);
    if (c->vmcs.vmexit_ctrls1.CLEAR_IA32_LBR_CTRL())
        p->intel->load_lbr_ctl(0);
    if (c->vmcs.vmexit_ctrls1.LOAD_PERF_GLOBAL_CTRL_MSR())
        p->intel->load_global_ctrl(c->VMread64(VMCS_64BIT_HOST_IA32_PERF_GLOBAL_CTRL));
    if (!(pmu_tally[p->number].mode & MODE_GUEST))
        p->core->enter_mode(MODE_UNKNOWN); /* a failed entry: from host to host */
}

/* SDM 3C 27.3.1.1: reserved bits in a value to be loaded fail the entry with an exit. */
static void entering(Processor *p)
{
    const uint32_t FAILED = 0x80000000u | VMX_VMEXIT_VMENTRY_FAILURE_GUEST_STATE;
    BX_CPU_C *c = p->cpu;
    uint64_t global = c->VMread64(VMCS_64BIT_GUEST_IA32_PERF_GLOBAL_CTRL);
    uint64_t debug = c->VMread64(VMCS_64BIT_GUEST_IA32_DEBUGCTL);
    bool loads_global = c->vmcs.vmentry_ctrls.LOAD_PERF_GLOBAL_CTRL_MSR();
    bool loads_debug = c->vmcs.vmentry_ctrls.LOAD_DBG_CTRLS();
    bool loads_lbr = c->vmcs.vmentry_ctrls.LOAD_GUEST_LBR();
    if (loads_global && !p->intel->legal_global_ctrl(global))
        c->VMexit(FAILED, 0);
    if (loads_debug && !Intel::legal_debugctl(debug))
        c->VMexit(FAILED, 0);
    if (loads_lbr && !Lbr::legal_ctl(c->VMread64(GUEST_LBR_CTL)))
        c->VMexit(FAILED, 0);
    p->core->enters_guest();
    if (loads_global)
        p->intel->load_global_ctrl(global);
    if (loads_debug)
        p->intel->load_debugctl(debug);
    if (loads_lbr)
        p->intel->load_lbr_ctl(c->VMread64(GUEST_LBR_CTL));
}

/* Bochs knows the controls and the field of architectural LBRs by name only: they get a place, and
 * are allowed. Fields of a kind lie in the order of their numbers, four bytes for each half. */
void vmx_has_lbr_ctl(Processor *p)
{
    VMCS_Mapping *map = p->cpu->vmcs_map;
    Bit32u first = VMCS_64BIT_GUEST_IA32_DEBUGCTL, at = map->vmcs_field_offset(first);
    for (Bit32u half = 0; half < 2; half++)
        map->set_mapping(GUEST_LBR_CTL + half, at + 4 * (GUEST_LBR_CTL + half - first));
    p->cpu->vmx_cap.vmx_vmentry_ctrl_supported_bits |= VMX_VMENTRY_CTRL1_LOAD_GUEST_LBR_CTRL;
    p->cpu->vmx_cap.vmx_vmexit_ctrl1_supported_bits |= VMX_VMEXIT_CTRL1_CLEAR_IA32_LBR_CTRL;
}

void vmx_context_switch(Processor *p)
{
    p->leaving ? left(p) : entering(p);
}

} // namespace pmu

using namespace pmu;

extern "C" void __real__ZN8BX_CPU_C8VMLAUNCHEP15bxInstruction_c(BX_CPU_C *c, bxInstruction_c *i);

/* Whether Bochs would get as far as the checks of the host's state. */
static bool reaches_host_checks(BX_CPU_C *c, bxInstruction_c *i)
{
    if (!c->in_vmx || c->in_vmx_guest || !c->protected_mode() ||
        c->cpu_mode == BX_MODE_LONG_COMPAT || c->user_pl || c->vmcsptr == BX_INVALID_VMCSPTR ||
        c->interrupts_inhibited(BX_INHIBIT_INTERRUPTS_BY_MOVSS))
        return false;
    Bit32u wanted = i->getIaOpcode() == BX_IA_VMLAUNCH ? VMCS_STATE_CLEAR : VMCS_STATE_LAUNCHED;
    return c->VMread32(VMCS_LAUNCH_STATE_FIELD_ENCODING) == wanted;
}

/* VMfailValid (SDM 3C 31.2) */
static void fail_with(BX_CPU_C *c, unsigned error)
{
    c->clearEFlagsOSZAPC();
    c->assert_ZF();
    c->VMwrite32(VMCS_32BIT_INSTRUCTION_ERROR, error);
}

/* With external-interrupt exiting an interrupt exits whatever RFLAGS.IF is (SDM 3C 26.2). Bochs
 * decides that when IF changes in a guest, and not where one is entered with IF clear. */
static void unmask_interrupts(BX_CPU_C *c)
{
    if (c->in_vmx_guest)
        c->handleInterruptMaskChange();
}

/* VMLAUNCH and VMRESUME, by the linker's --wrap. SDM 3C 27.2.2: reserved bits in the host's
 * PERF_GLOBAL_CTRL are VM-entry error 8. Wrong control fields, which come first on hardware, come
 * second here. */
extern "C" void __wrap__ZN8BX_CPU_C8VMLAUNCHEP15bxInstruction_c(BX_CPU_C *c, bxInstruction_c *i)
{
    Processor *p = &processors[c->which_cpu()];
    if (p->intel && reaches_host_checks(c, i)) {
        uint32_t controls = c->VMread32(VMCS_32BIT_CONTROL_VMEXIT_CONTROLS);
        uint64_t host = c->VMread64(VMCS_64BIT_HOST_IA32_PERF_GLOBAL_CTRL);
        if ((controls & VMX_VMEXIT_CTRL1_LOAD_PERF_GLOBAL_CTRL_MSR) &&
            !p->intel->legal_global_ctrl(host)) {
            fail_with(c, VMXERR_VMENTRY_INVALID_VM_HOST_STATE_FIELD);
            commit(c, i);
            return;
        }
    }
    __real__ZN8BX_CPU_C8VMLAUNCHEP15bxInstruction_c(c, i);
    unmask_interrupts(c);
}
