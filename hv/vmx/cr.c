/* CR0 and CR4. VMX wants some bits set that a guest may want clear (CR0.NE, CR4.VMXE), and bits of
 * features that a guest does not have must stay clear. These the host owns (SDM 25.3, 25.6.6): the
 * guest reads the shadow, and exits only when it writes another value than that. */
#include "guest.h"
#include "base/msr.h"
#include "vmx/vmx.h"

/* An unrestricted guest may run without paging and protection (24.8). A partition switches no cache
 * off: entries and exits leave CD and NW of the processor's CR0 alone (27.3.1, 28.5.1). */
static u64 cr0_owned(const struct cpu *cpu)
{
    return (vmx.cr0_fixed0 & ~(CR0_PE | CR0_PG)) | (is_partition(cpu->guest) ? CR0_CD | CR0_NW : 0);
}

/* Set whatever the guest says. A machine check of a partition's is an exit, but a shutdown without
 * CR4.MCE. */
static u64 cr4_set(const struct cpu *cpu)
{
    return vmx.cr4_fixed0 | (is_partition(cpu->guest) ? CR4_MCE : 0);
}

static u64 cr4_owned(const struct cpu *cpu)
{
    return cr4_set(cpu) | vmx.hidden.cr4;
}

void vmx_write_cr0(const struct cpu *cpu, u64 value)
{
    vmwrite(VMCS_CR0_MASK, cr0_owned(cpu));
    vmwrite(VMCS_CR0_SHADOW, value);
    vmwrite(VMCS_GUEST_CR0, (value | (vmx.cr0_fixed0 & cr0_owned(cpu))) & vmx.cr0_fixed1);
}

void vmx_write_cr4(const struct cpu *cpu, u64 value)
{
    value &= ~vmx.hidden.cr4;
    vmwrite(VMCS_CR4_MASK, cr4_owned(cpu));
    vmwrite(VMCS_CR4_SHADOW, value);
    vmwrite(VMCS_GUEST_CR4, (value | cr4_set(cpu)) & vmx.cr4_fixed1);
}

/* What the guest sees. */
u64 vmx_read_cr4(void)
{
    u64 owned = vmread(VMCS_CR4_MASK);

    return (vmread(VMCS_GUEST_CR4) & ~owned) | (vmread(VMCS_CR4_SHADOW) & owned);
}

/* Takes over the guest's view of the owned bits and lets it execute the instruction again, which
 * the processor then carries out with all its checks and side effects. If it faults, the view of NE
 * has changed all the same; nobody relies on that. */
static bool set_shadow(u64 field, u64 owned, u64 allowed, u64 value)
{
    if (value & owned & ~allowed)
        return false;
    vmwrite(field, (vmread(field) & ~owned) | (value & owned));
    return true;
}

/* Qualification: table 28-3. Only MOV to CR0 and CR4 exit: CLTS and LMSW reach no owned bit, CR8
 * and reads of control registers do not exit. */
void vmx_cr_exit(struct cpu *cpu)
{
    u64 qualification = vmread(VMCS_QUALIFICATION);
    u64 value = cpu->regs[FIELD(qualification, 11, 8)];
    bool ok;

    cpu->exits[EXIT_CONTROL]++;
    if (FIELD(qualification, 3, 0) == 0)
        ok = set_shadow(VMCS_CR0_SHADOW, cr0_owned(cpu), ~0ULL, value);
    else
        ok = set_shadow(VMCS_CR4_SHADOW, cr4_owned(cpu), ~vmx.hidden.cr4, value);
    if (!ok)
        vmx_inject_gp();
}
