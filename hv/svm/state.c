/* The guest's state in the VMCB: taken from the running processor, or as after INIT. */
#include "base/asm.h"
#include "guest.h"
#include "host/host.h"
#include "memory/memory.h"
#include "host/machine_check.h"
#include "base/msr.h"
#include "counters/pmu.h"
#include "svm/svm.h"
#include "vendor.h"

#define DR6_RESET 0xffff0ff0
#define DR7_RESET 0x400

/* What shows counters past the MSR map: RDPMC where the guest has no PMU, RDPRU where it may not
 * count cycles. And what the MSR map lets it have of branch records. */
void svm_set_pmu_intercepts(struct cpu *cpu)
{
    const struct guest *guest = cpu->guest;
    struct vmcb *vmcb = cpu_vmcb(cpu);

    vmcb->intercept3 &= ~(u32)INTERCEPT3_RDPMC;
    vmcb->intercept4 &= ~(u32)INTERCEPT4_RDPRU;
    if (guest->pmu.mode == PMU_OFF)
        vmcb->intercept3 |= INTERCEPT3_RDPMC;
    if (!feature_granted(guest->msr.granted, FEATURE_CYCLES))
        vmcb->intercept4 |= INTERCEPT4_RDPRU;
    svm_set_lbr(cpu);
}

/* Everything that leaves the guest, each with a row in the table of exits (EXIT_TABLE in
 * hypercall.h). External interrupts, NMIs, HLT, CR and DR accesses, INVLPG, exceptions, RDTSC,
 * RDPMC, PAUSE stay, and WBINVD but for partitions. */
void svm_controls(struct cpu *cpu)
{
    const struct guest *guest = cpu->guest;
    struct vmcb *vmcb = cpu_vmcb(cpu);

    vmcb->exceptions = is_partition(guest) ? BIT(MC_VECTOR) : 0; /* it has no banks to ask */
    vmcb->intercept3 = INTERCEPT3_SMI | INTERCEPT3_CPUID | INTERCEPT3_INVD | INTERCEPT3_INVLPGA |
                       INTERCEPT3_IOIO_PROT | INTERCEPT3_MSR_PROT | INTERCEPT3_SHUTDOWN |
                       (svm.init_exits ? INTERCEPT3_INIT : INTERCEPT3_NMI);
    vmcb->intercept4 = INTERCEPT4_VMRUN | INTERCEPT4_VMMCALL | INTERCEPT4_VMLOAD |
                       INTERCEPT4_VMSAVE | INTERCEPT4_STGI | INTERCEPT4_CLGI | INTERCEPT4_SKINIT |
                       (is_partition(guest) ? INTERCEPT4_WBINVD : 0);
    svm_set_pmu_intercepts(cpu);
    vmcb->iopm_base_pa = guest->io_map;
    vmcb->msrpm_base_pa = guest->msr_map;
    vmcb->asid = GUEST_ASID;
    vmcb->erap_control = svm.eraps ? ERAP_ALLOW_LARGER : 0;
    vmcb->np_enable = 1;
    vmcb->n_cr3 = (u64)memory_root(cpu);
    vmcb->clean = 0;
    /* The first run on this core: whatever an earlier user of the ASID left must go. */
    vmcb->tlb_control = svm_flush(svm.flush_by_asid);
}

/* Descriptor in memory to VMCB form; selector 0 stays all zero. */
static struct vmcb_segment read_segment(u16 selector, u64 gdt)
{
    struct vmcb_segment segment = {.selector = selector};
    u64 d;

    if (!(selector & ~3))
        return segment;
    d = *(const u64 *)(gdt + (selector & ~7ULL));
    segment.attributes = (u16)(FIELD(d, 47, 40) | FIELD(d, 55, 52) << 8);
    segment.limit = (u32)(FIELD(d, 15, 0) | FIELD(d, 51, 48) << 16);
    if (d & BIT(55))
        segment.limit = segment.limit << 12 | 0xfff;
    segment.base = FIELD(d, 39, 16) | FIELD(d, 63, 56) << 24;
    return segment;
}

static void capture_segments(struct vmcb *vmcb)
{
    struct pseudo_descriptor gdtr, idtr;

    store_tables(&gdtr, &idtr);
    vmcb->gdtr.limit = gdtr.limit;
    vmcb->gdtr.base = gdtr.base;
    vmcb->idtr.limit = idtr.limit;
    vmcb->idtr.base = idtr.base;
    vmcb->es = read_segment(read_es(), gdtr.base);
    vmcb->cs = read_segment(read_cs(), gdtr.base);
    vmcb->ss = read_segment(read_ss(), gdtr.base);
    vmcb->ds = read_segment(read_ds(), gdtr.base);
    vmcb->cpl = 0;
}

static void capture_control(struct vmcb *vmcb)
{
    vmcb->cr0 = read_cr0();
    vmcb->cr2 = read_cr2();
    vmcb->cr3 = read_cr3();
    vmcb->cr4 = read_cr4();
    vmcb->dr6 = read_dr6();
    vmcb->dr7 = read_dr7();
    vmcb->efer = rdmsr(IA32_EFER) | EFER_SVME;
    vmcb->g_pat = rdmsr(IA32_PAT);
}

/* State that the VMCB holds instead of the MSR while the guest runs starts from the live value. */
static void capture_extended(struct vmcb *vmcb, u64 ssp)
{
    if (svm.v_spec_ctrl)
        vmcb->spec_ctrl = rdmsr(IA32_SPEC_CTRL);
    if (!(vmcb->cr4 & CR4_CET))
        return;
    vmcb->s_cet = rdmsr(IA32_S_CET);
    vmcb->isst_addr = rdmsr(IA32_INT_SSP_TAB);
    vmcb->ssp = ssp ? ssp + 8 : 0; /* the loader's call pushed its return address */
}

void svm_capture_state(struct cpu *cpu, const struct launch *launch, u64 ssp)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);

    capture_segments(vmcb);
    capture_control(vmcb);
    capture_extended(vmcb, ssp);
    vmcb->rflags = RFLAGS_FIXED; /* the loader called with interrupts off */
    vmcb->rip = launch->rip;
    vmcb->rsp = (u64)(launch + 1);
    vmcb->rax = HV_OK;
    cpu->regs[RBX] = launch->rbx;
    cpu->regs[RBP] = launch->rbp;
    cpu->regs[R12] = launch->r12;
    cpu->regs[R13] = launch->r13;
    cpu->regs[R14] = launch->r14;
    cpu->regs[R15] = launch->r15;
}

static struct vmcb_segment real_segment(u16 attributes)
{
    return (struct vmcb_segment){.attributes = attributes, .limit = 0xffff};
}

/* FS, GS, LDTR and TR are resident in the processor: VMLOAD puts them there. It takes STAR,
 * KernelGSBase and the like along, which INIT leaves alone (APM table 14-1), so they are saved
 * first. */
static void reset_resident(struct vmcb *vmcb)
{
    vmsave(vmcb);
    vmcb->fs = real_segment(0x93);
    vmcb->gs = real_segment(0x93);
    vmcb->ldtr = real_segment(0x82);
    vmcb->tr = real_segment(0x8b);
    vmload(vmcb);
    clear_cr2_and_breakpoints();
}

static void reset_registers(struct cpu *cpu)
{
    u32 regs[4];

    for (u32 i = 0; i < REGISTERS; i++)
        cpu->regs[i] = 0;
    cpuid(1, 0, regs);
    cpu->regs[RDX] = regs[0]; /* family, model, stepping (APM 14.1.3) */
}

/* APM table 14-1, column INIT, then CS from the SIPI's vector (16.6: CS = vector << 8). */
void svm_reset_state(struct cpu *cpu, u8 vector)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);

    reset_registers(cpu);
    reset_resident(vmcb);
    vmcb->es = vmcb->ss = vmcb->ds = real_segment(0x93);
    vmcb->cs = real_segment(0x9b);
    vmcb->cs.selector = (u16)(vector << 8);
    vmcb->cs.base = (u64)vector << 12;
    vmcb->gdtr = vmcb->idtr = real_segment(0);
    vmcb->cpl = 0;
    vmcb->cr0 = CR0_ET | (vmcb->cr0 & (CR0_CD | CR0_NW));
    vmcb->cr2 = vmcb->cr3 = vmcb->cr4 = 0;
    vmcb->efer = EFER_SVME;
    vmcb->dr6 = DR6_RESET;
    vmcb->dr7 = DR7_RESET;
    vmcb->rflags = RFLAGS_FIXED;
    vmcb->rip = vmcb->rsp = vmcb->rax = 0;
    vmcb->s_cet = vmcb->ssp = vmcb->isst_addr = 0;
    vmcb->g_pat = vmcb->g_pat ? vmcb->g_pat : PAT_RESET;
    vmcb->int_shadow = 0;
    vmcb->int_ctl = 0;
    vmcb->event_inj = 0;
    svm_controls(cpu);
}

static struct vmcb_segment flat_segment(u16 selector, u16 attributes)
{
    return (struct vmcb_segment){selector, attributes, 0xffffffff, 0};
}

/* What a RESET resets in the VMCB and an INIT does not; but for the caches, which are on as the
 * firmware leaves them. */
void svm_begin_life(struct cpu *cpu)
{
    struct vmcb *vmcb = cpu_vmcb(cpu);

    vmcb->cr0 = 0;
    vmcb->g_pat = PAT_RESET;
    vmcb->spec_ctrl = 0;
    svm_forget_branches(vmcb);
}

/* boot_info.h, struct boot_guest. */
void svm_boot_state(struct cpu *cpu)
{
    const struct boot_guest *boot = cpu->guest->boot;
    struct vmcb *vmcb = cpu_vmcb(cpu);

    svm_begin_life(cpu);
    svm_reset_state(cpu, 0);
    vmcb->cs = flat_segment(BOOT_CS, 0xa9b);
    vmcb->ds = vmcb->es = vmcb->ss = flat_segment(BOOT_DS, 0xc93);
    vmcb->gdtr.base = boot->gdt;
    vmcb->gdtr.limit = BOOT_GDT_LIMIT;
    vmcb->cr0 = BOOT_CR0;
    vmcb->cr3 = boot->cr3;
    vmcb->cr4 = CR4_PAE;
    vmcb->efer = EFER_SVME | EFER_LME | EFER_LMA;
    vmcb->rip = boot->entry;
    cpu->regs[RSI] = boot->boot_params;
}
