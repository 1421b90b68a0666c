/* RDPMC, in place of Bochs' own by the linker's --wrap: only the decoder's tables name it. */
#include "machine.h"

namespace pmu
{

void commit(BX_CPU_C *c, bxInstruction_c *i)
{
    c->prev_rip = c->get_instruction_pointer();
#undef BX_CPU_THIS_PTR
#define BX_CPU_THIS_PTR c->
    BX_INSTR_AFTER_EXECUTION(c->which_cpu(), i);
    c->icount++;
}

} // namespace pmu

using namespace pmu;

static bool read_counter(Processor &p, uint32_t index, uint64_t *value)
{
    return p.core->rdpmc(index, value) || (!p.intel && the_socket.rdpmc(index, p.clock(), value));
}

/* SDM 2, RDPMC: CR4.PCE or CPL 0, or real mode; then the intercept (3C 26.1.3, APM 15.9); then the
 * index. */
extern "C" void __wrap__ZN8BX_CPU_C5RDPMCEP15bxInstruction_c(BX_CPU_C *c, bxInstruction_c *i)
{
    if (!c->cr4.get_PCE() && c->user_pl)
        c->exception(BX_GP_EXCEPTION, 0);
    if (c->in_vmx_guest && c->vmcs.vmexec_ctrls1.RDPMC_VMEXIT())
        c->VMexit(VMX_VMEXIT_RDPMC, 0);
    if (c->in_svm_guest && (c->vmcb->ctrls.intercept_vector[0] & 1u << SVM_INTERCEPT0_RDPMC))
        c->Svm_Vmexit(SVM_VMEXIT_RDPMC);
    uint64_t value;
    if (!read_counter(processors[c->which_cpu()], c->get_reg32(BX_32BIT_REG_ECX), &value))
        c->exception(BX_GP_EXCEPTION, 0);
    c->set_reg64(BX_64BIT_REG_RAX, GET32L(value));
    c->set_reg64(BX_64BIT_REG_RDX, GET32H(value));
    commit(c, i);
}
