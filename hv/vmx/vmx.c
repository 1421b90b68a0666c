/* Turning VMX on, and the vendor table. */
#include "vmx/vmx.h"
#include "apic/apic.h"
#include "base/asm.h"
#include "guest.h"
#include "host/host.h"
#include "base/msr.h"
#include "counters/pmu.h"
#include "base/preflight_parts.h"
#include "pmu/grants_parts.h"
#include "vendor.h"

struct vmx vmx;

static u64 no_cr4(void)
{
    return 0;
}

/* In the second VMXE is not looked at: our own trampoline has set it. */
static const struct cpu_ops firmware_ops = {cpuid, rdmsr, read_cr4},
                            own_ops = {cpuid, rdmsr, no_cr4};

static void read_features(void)
{
    u32 regs[4];

    vmx.revision = (u32)rdmsr(IA32_VMX_BASIC) & ~(u32)BIT(31);
    vmx.cr0_fixed0 = rdmsr(IA32_VMX_CR0_FIXED0);
    vmx.cr0_fixed1 = rdmsr(IA32_VMX_CR0_FIXED1);
    vmx.cr4_fixed0 = rdmsr(IA32_VMX_CR4_FIXED0);
    vmx.cr4_fixed1 = rdmsr(IA32_VMX_CR4_FIXED1);
    vmx.wbinvd_exits = (u32)(rdmsr(IA32_VMX_PROCBASED_CTLS2) >> 32) & SECONDARY_WBINVD;
    vmx.lbr_ctl = lbr_ctl_is_switched(&own_ops);
    cpuid(0, 0, regs);
    if (regs[0] >= 0xa)
        cpuid(0xa, 0, regs);
    else
        regs[0] = 0;
    vmx.global_ctrl = FIELD(regs[0], 7, 0) >= 2;
    vmx.global_list = !vmx.global_ctrl || !(vmx.controls.word[WORD_EXIT] & EXITCTL_SAVE_GLOBAL);
}

static void vmx_write_permissions(const struct guest *guest)
{
    msr_bitmap_vmx((u8 *)guest->msr_map, &guest->msr);
}

/* The processor keeps nothing of the bitmaps. */
static void vmx_permissions_changed(struct cpu *cpu)
{
    u32 primary = vmx_primary(cpu);

    vmwrite(VMCS_PRIMARY_CONTROLS, cpu->vmx.stepping ? primary | PRIMARY_MTF : primary);
    vmx_pebs_follow(cpu);
    vmx_lbr_follow(cpu);
}

static enum hv_status vmx_prepare(void)
{
    if (preflight_vmx(&firmware_ops) != PREFLIGHT_OK ||
        vmx_compute(&firmware_ops, &vmx.controls, &vmx.hidden) != VMX_NOTHING_MISSING)
        return HV_REFUSED;
    read_features();
    return HV_OK;
}

/* Firmware should have locked it; until it is, VMXON faults (24.7). Once it is, nobody can allow
 * local machine checks any more, which bare the OS would. */
static void unlock_vmxon(void)
{
    u64 value = rdmsr(IA32_FEATURE_CONTROL);

    if (value & FEATURE_CONTROL_LOCK)
        return;
    if (rdmsr(IA32_MCG_CAP) & MCG_CAP_LMCE_P)
        value |= FEATURE_CONTROL_LMCE;
    wrmsr(IA32_FEATURE_CONTROL, value | FEATURE_CONTROL_VMXON | FEATURE_CONTROL_LOCK);
}

static u64 vmcs_of(struct cpu *cpu)
{
    return (u64)cpu_vmcb(cpu);
}

static bool make_current(struct cpu *cpu)
{
    u64 vmxon_region = cpu_hsave(cpu), vmcs = vmcs_of(cpu);

    *(u32 *)vmxon_region = *(u32 *)vmcs = vmx.revision;
    if (!vmxon(vmxon_region))
        return false;
    if (vmclear(vmcs) && vmptrld(vmcs))
        return true;
    vmxoff();
    return false;
}

/* VMX operation with this core's VMCS current. On failure control registers are as before. */
static bool turn_on(struct cpu *cpu, struct control_registers old)
{
    unlock_vmxon();
    write_cr0((old.cr0 | vmx.cr0_fixed0) & vmx.cr0_fixed1);
    write_cr4((old.cr4 | vmx.cr4_fixed0) & vmx.cr4_fixed1);
    if (!make_current(cpu)) {
        write_cr4(old.cr4);
        write_cr0(old.cr0);
        return false;
    }
    vmx_flush_ept(); /* whatever an earlier user of VMX has left (29.4.3.3) */
    vmx_flush_vpid();
    vmx_set_controls(cpu);
    vmx_host_state(cpu);
    return true;
}

static enum hv_status vmx_capture(struct cpu *cpu, const struct launch *launch, u64 ssp)
{
    struct control_registers old = {read_cr0(), read_cr4()};

    apic_note(cpu);
    if (preflight_vmx(&firmware_ops) != PREFLIGHT_OK || !turn_on(cpu, old))
        return HV_REFUSED;
    vmx_capture_state(cpu, launch, ssp, old);
    return HV_OK;
}

static enum hv_status vmx_enable(struct cpu *cpu)
{
    struct control_registers old = {read_cr0(), read_cr4()};

    apic_note(cpu);
    return preflight_vmx(&own_ops) == PREFLIGHT_OK && turn_on(cpu, old) ? HV_OK : HV_REFUSED;
}

static __attribute__((noreturn)) void enter(struct cpu *cpu)
{
    pmu_start(cpu);
    vmx_before_entry(cpu);
    vmx_enter(cpu);
}

static bool init_exits(void)
{
    return true;
}

static void code_state(struct cpu *cpu, struct code_state *state)
{
    u64 efer = vmread(VMCS_GUEST_EFER), rights = vmread(VMCS_GUEST_ES_RIGHTS + 2 * SEG_CS);

    (void)cpu;
    state->paging = (struct guest_paging){vmread(VMCS_GUEST_CR0), vmread(VMCS_GUEST_CR3),
                                          vmread(VMCS_GUEST_CR4), efer};
    state->cs_base = vmread(VMCS_GUEST_ES_BASE + 2 * SEG_CS);
    state->rip = vmread(VMCS_GUEST_RIP);
    state->rflags = vmread(VMCS_GUEST_RFLAGS);
    state->long_mode = (efer & EFER_LMA) && (rights & RIGHTS_LONG);
    state->default32 = rights & RIGHTS_DEFAULT;
    state->bytes = NULL;
    state->byte_count = 0;
}

static void advance(struct cpu *cpu, u32 bytes)
{
    vmx_go_to(vmread(VMCS_GUEST_RIP) + bytes);
    vmx_instruction_done(cpu);
}

static void set_rflags(struct cpu *cpu, u64 value)
{
    (void)cpu;
    vmwrite(VMCS_GUEST_RFLAGS, value);
}

static void inject_gp(struct cpu *cpu)
{
    (void)cpu;
    vmx_inject_gp();
}

const struct vendor vmx_vendor = {
    .name = "VT-x",
    .msr_map_pages = 1, /* SDM 25.6.9 */
    .io_map_pages = 2,  /* SDM 25.6.4 */
    .shape_map = vmx_shape_map,
    .prepare = vmx_prepare,
    .capture = vmx_capture,
    .enable = vmx_enable,
    .reset = vmx_reset_state,
    .boot = vmx_boot,
    .await_sipi = vmx_await_sipi,
    .enter = enter,
    .init_exits = init_exits,
    .write_permissions = vmx_write_permissions,
    .permissions_changed = vmx_permissions_changed,
    .map_changed = vmx_map_changed,
    .icr_may_rest = true,
    .flush_map = vmx_flush_ept,
    .signal_icr = vmx_signal_icr,
    .absorb_signal = vmx_absorb_signal,
    .inject_machine_check = vmx_inject_machine_check,
    .let_in = vmx_let_in,
    .window_start = vmx_window_start,
    .window_end = vmx_window_end,
    .late = vmx_late,
    .code_state = code_state,
    .advance = advance,
    .set_rflags = set_rflags,
    .inject_gp = inject_gp,
    .last_exit = vmx_last_exit,
    .guest_state = vmx_guest_state,
    .note_state = vmx_note_state,
};
