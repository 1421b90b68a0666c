/* Turning SVM on, and the vendor table. */
#include "apic/apic.h"
#include "base/asm.h"
#include "guest.h"
#include "base/msr.h"
#include "memory/memory.h"
#include "msr/msr_table.h"
#include "counters/pmu.h"
#include "base/preflight_parts.h"
#include "svm/svm.h"
#include "vendor.h"

struct svm svm;

static const struct cpu_ops native_ops = {cpuid, rdmsr, read_cr4};

static bool has_eraps(void)
{
    u32 regs[4];

    cpuid(0x80000000, 0, regs);
    if (regs[0] < 0x80000021)
        return false;
    cpuid(0x80000021, 0, regs);
    return regs[0] & BIT(24);
}

static void read_features(void)
{
    u32 regs[4];

    cpuid(0x8000000a, 0, regs);
    svm.flush_by_asid = regs[3] & BIT(6);
    svm.decode_assists = regs[3] & BIT(7);
    svm.v_spec_ctrl = regs[3] & BIT(20);
    svm.eraps = has_eraps();
}

/* R_INIT is there when it reads back (docs/design.md, How cores start and stop); emulators ignore
 * it. Not under another hypervisor: KVM keeps the bit and does nothing by it. */
static bool r_init_works(void)
{
    u64 old = rdmsr(MSR_VM_CR), now = 0;
    u32 regs[4];

    cpuid(1, 0, regs);
    if (regs[2] & BIT(31))
        return false;
    if (!wrmsr_safe(MSR_VM_CR, old | VM_CR_R_INIT))
        return false;
    now = rdmsr(MSR_VM_CR);
    wrmsr_safe(MSR_VM_CR, old);
    return now & VM_CR_R_INIT;
}

/* Nested page tables are of the host's own format, and walked as user accesses (APM 15.25.6). */
static void svm_shape_map(struct page_map *map)
{
    map->table_bits = map->leaf_bits =
        PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED | PTE_DIRTY;
}

static void svm_write_permissions(const struct guest *guest)
{
    msr_bitmap_svm((u8 *)guest->msr_map, &guest->msr);
}

/* The processor may keep of the map what it likes while its clean bit is set (APM 15.15.3). */
static void svm_permissions_changed(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);

    svm_set_pmu_intercepts(cpu);
    vmcb->clean &= ~(u32)(CLEAN_PERMISSION | CLEAN_INTERCEPTS);
}

static void svm_map_changed(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);

    vmcb->n_cr3 = (u64)memory_root(cpu);
    vmcb->clean &= ~(u32)CLEAN_NP;
    vmcb->tlb_control = svm_flush(svm.flush_by_asid);
}

static enum hv_status svm_prepare(void)
{
    read_features();
    svm.init_exits = r_init_works();
    return HV_OK;
}

static enum hv_status svm_enable(struct cpu *cpu)
{
    if (preflight_svm(&native_ops) != PREFLIGHT_OK)
        return HV_REFUSED;
    wrmsr(IA32_EFER, rdmsr(IA32_EFER) | EFER_SVME);
    clgi(); /* NMIs and INITs wait for the guest: the IDT is still firmware's */
    wrmsr(MSR_VM_HSAVE_PA, cpu_hsave(cpu));
    if (svm.init_exits)
        wrmsr(MSR_VM_CR, rdmsr(MSR_VM_CR) | VM_CR_R_INIT);
    return HV_OK;
}

static enum hv_status svm_capture(struct cpu *cpu, const struct launch *launch, u64 ssp)
{
    enum hv_status status = svm_enable(cpu);

    if (status)
        return status;
    svm_capture_state(cpu, launch, ssp);
    apic_note(cpu);
    svm_controls(cpu);
    return HV_OK;
}

static void svm_reset(struct cpu *cpu, u8 vector)
{
    apic_note(cpu);
    known_stores_forget(cpu->known_stores);
    svm_reset_state(cpu, vector);
}

/* On the host's tables, where MSRs may fault: pmu_start() goes on until one does. The guest's PAT
 * and SPEC_CTRL are in its VMCB by now. The host's own are part of every guest's as well: its PAT
 * gives nested leaves their type (APM 15.25.8), its SPEC_CTRL is in force with theirs (15.37.1). */
static __attribute__((noreturn)) void enter(struct cpu *cpu)
{
    wrmsr(IA32_PAT, PAT_RESET);
    if (svm.v_spec_ctrl)
        wrmsr(IA32_SPEC_CTRL, 0);
    pmu_start(cpu);
    svm_enter(cpu);
}

static bool svm_init_exits(void)
{
    return svm.init_exits;
}

static bool svm_inject_machine_check(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);

    if (vmcb->event_inj & EVENT_VALID)
        return false;
    svm_inject(vmcb, 18);
    return true;
}

static void svm_code_state(struct cpu *cpu, struct code_state *state)
{
    const struct vmcb *vmcb = cpu_vmcb(cpu);

    state->paging = (struct guest_paging){vmcb->cr0, vmcb->cr3, vmcb->cr4, vmcb->efer};
    state->cs_base = vmcb->cs.base;
    state->rip = vmcb->rip;
    state->rflags = vmcb->rflags;
    state->long_mode = (vmcb->efer & EFER_LMA) && (vmcb->cs.attributes & BIT(9));
    state->default32 = vmcb->cs.attributes & BIT(10);
    state->bytes = vmcb->bytes;
    state->byte_count = svm.decode_assists ? vmcb->fetched & 15 : 0;
}

/* nRIP is not recorded for nested page faults (APM 15.7.1), so the decoded length counts. */
static void svm_advance_by(struct cpu *cpu, u32 bytes)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);

    vmcb->rip += bytes;
    vmcb->int_shadow = 0;
    svm_instruction_done(cpu);
}

static void svm_set_rflags(struct cpu *cpu, u64 value)
{
    cpu_vmcb(cpu)->rflags = value;
}

static void svm_inject_gp_now(struct cpu *cpu)
{
    svm_inject_gp(cpu_vmcb(cpu));
}

const struct vendor svm_vendor = {
    .name = "AMD-V",
    .shape_map = svm_shape_map,
    .msr_map_pages = 2, /* APM 15.11 */
    .io_map_pages = 3,  /* APM 15.10.1: 12 KiB, the last for accesses that wrap */
    .prepare = svm_prepare,
    .capture = svm_capture,
    .enable = svm_enable,
    .reset = svm_reset,
    .boot = svm_boot_state,
    .await_sipi = svm_await_sipi,
    .enter = enter,
    .init_exits = svm_init_exits,
    .await_reset = svm_await_reset,
    .let_smi_in = svm_let_smi_in,
    .write_permissions = svm_write_permissions,
    .permissions_changed = svm_permissions_changed,
    .map_changed = svm_map_changed,
    .signal_icr = svm_signal_icr,
    .absorb_signal = svm_absorb_signal,
    .inject_machine_check = svm_inject_machine_check,
    .let_in = svm_let_in,
    .breathe = svm_breathe,
    .code_state = svm_code_state,
    .advance = svm_advance_by,
    .set_rflags = svm_set_rflags,
    .inject_gp = svm_inject_gp_now,
    .last_exit = svm_last_exit,
    .guest_state = svm_guest_state,
};
