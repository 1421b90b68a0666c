/* clang-format off */
/* The guest's state in the VMCS, taken from the running processor or as after INIT, and the host's.
 *
 * Where each piece of state is while the hypervisor runs:
 *
 *   switched by the VMCS   segments, descriptor tables, CR0, CR3, CR4, DR7, RSP, RIP, RFLAGS, EFER,
 *                          PAT, DEBUGCTL, PERF_GLOBAL_CTRL, SYSENTER, FS and GS base, BNDCFGS,
 *                          S_CET and SSP
 *   resident               general registers (but for those that run.S saves), CR2, DR0-3, DR6, FPU
 *                          and XCR0, XSS, STAR and its kin, KERNEL_GS_BASE, TSC_AUX, U_CET, PKRS
 *                          (CR4.PKS is clear in the host), SPEC_CTRL, counters and selectors, the
 *                          local APIC, MTRRs (mirrored into the EPT, hv/vmx/msr.c)
 *   refused                VMX, SMX, FRED, memory encryption keys (hv/vmx/controls.c) */
/* clang-format on */
#include "base/asm.h"
#include "guest.h"
#include "host/host.h"
#include "host/machine_check.h"
#include "base/msr.h"
#include "pmu/intel.h"
#include "vendor.h"
#include "vmx/vmx.h"

#define DR6_RESET 0xffff0ff0
#define DR7_RESET 0x400

#define RIGHTS_CODE_OR_DATA BIT(4)
#define RIGHTS_ACCESSED     BIT(0)
#define RIGHTS_TSS_BUSY     0x8b /* present */
#define RIGHTS_LDT          0x82

struct segment {
    u16 selector;
    u32 limit, rights;
    u64 base;
};

static void write_segment(enum vmcs_segment which, struct segment segment)
{
    u64 offset = 2 * (u64)which;

    vmwrite(VMCS_GUEST_ES + offset, segment.selector);
    vmwrite(VMCS_GUEST_ES_LIMIT + offset, segment.limit);
    vmwrite(VMCS_GUEST_ES_RIGHTS + offset, segment.rights);
    vmwrite(VMCS_GUEST_ES_BASE + offset, segment.base);
}

/* From a descriptor in memory. One that is loaded is marked accessed, or is a TSS and busy
 * (26.3.1.2 wants both), whatever has been written over it since. */
static struct segment read_segment(u16 selector, u64 gdt)
{
    struct segment segment = {.selector = selector, .rights = RIGHTS_UNUSABLE};
    u64 d;

    if (!(selector & ~7))
        return segment;
    d = *(const u64 *)(gdt + (selector & ~7ULL));
    segment.rights = (u32)(FIELD(d, 47, 40) | FIELD(d, 55, 52) << 12);
    segment.limit = (u32)(FIELD(d, 15, 0) | FIELD(d, 51, 48) << 16);
    if (d & BIT(55))
        segment.limit = segment.limit << 12 | 0xfff;
    segment.base = FIELD(d, 39, 16) | FIELD(d, 63, 56) << 24;
    if (segment.rights & RIGHTS_CODE_OR_DATA)
        segment.rights |= RIGHTS_ACCESSED;
    return segment;
}

/* LDT and TSS descriptors are twice as long. */
static struct segment read_system_segment(u16 selector, u64 gdt)
{
    struct segment segment = read_segment(selector, gdt);

    if (!(segment.rights & RIGHTS_UNUSABLE))
        segment.base |= *(const u64 *)(gdt + (selector & ~7ULL) + 8) << 32;
    return segment;
}

/* UEFI leaves TR null, which VM entry does not know. */
static struct segment read_task(u64 gdt)
{
    struct segment segment = read_system_segment(read_tr(), gdt);

    if (segment.rights & RIGHTS_UNUSABLE)
        segment.limit = 0x67;
    segment.rights = RIGHTS_TSS_BUSY;
    return segment;
}

static struct segment with_base(struct segment segment, u64 base)
{
    segment.base = base;
    return segment;
}

static void capture_segments(void)
{
    struct pseudo_descriptor gdtr, idtr;

    store_tables(&gdtr, &idtr);
    vmwrite(VMCS_GUEST_GDTR_BASE, gdtr.base);
    vmwrite(VMCS_GUEST_GDTR_LIMIT, gdtr.limit);
    vmwrite(VMCS_GUEST_IDTR_BASE, idtr.base);
    vmwrite(VMCS_GUEST_IDTR_LIMIT, idtr.limit);
    write_segment(SEG_ES, read_segment(read_es(), gdtr.base));
    write_segment(SEG_CS, read_segment(read_cs(), gdtr.base));
    write_segment(SEG_SS, read_segment(read_ss(), gdtr.base));
    write_segment(SEG_DS, read_segment(read_ds(), gdtr.base));
    write_segment(SEG_FS, with_base(read_segment(read_fs(), gdtr.base), rdmsr(IA32_FS_BASE)));
    write_segment(SEG_GS, with_base(read_segment(read_gs(), gdtr.base), rdmsr(IA32_GS_BASE)));
    write_segment(SEG_LDTR, read_system_segment(read_ldtr(), gdtr.base));
    write_segment(SEG_TR, read_task(gdtr.base));
}

void vmx_set_global_ctrl(struct cpu *cpu, u64 value)
{
    if (vmx.global_list)
        cpu->vmx.guest_global.value = value;
    else
        vmwrite(VMCS_GUEST_PERF_GLOBAL_CTRL, value);
}

static void capture_msrs(struct cpu *cpu, u64 ssp)
{
    vmwrite(VMCS_GUEST_PAT, rdmsr(IA32_PAT));
    vmwrite(VMCS_GUEST_DEBUGCTL,
            pmu_intel_debugctl(vmx_debugctl_grants(cpu), rdmsr(IA32_DEBUGCTL)));
    vmx_lbr_reset();
    vmwrite(VMCS_GUEST_SYSENTER_CS, rdmsr(IA32_SYSENTER_CS));
    vmwrite(VMCS_GUEST_SYSENTER_ESP, rdmsr(IA32_SYSENTER_ESP));
    vmwrite(VMCS_GUEST_SYSENTER_EIP, rdmsr(IA32_SYSENTER_EIP));
    if (vmx.global_ctrl)
        vmx_set_global_ctrl(cpu, rdmsr(IA32_PERF_GLOBAL_CTRL));
    if (vmx.controls.word[WORD_ENTRY] & ENTRYCTL_LOAD_BND)
        vmwrite(VMCS_GUEST_BNDCFGS, rdmsr(IA32_BNDCFGS));
    if (!(vmx.controls.word[WORD_ENTRY] & ENTRYCTL_LOAD_CET))
        return;
    vmwrite(VMCS_GUEST_S_CET, rdmsr(IA32_S_CET));
    vmwrite(VMCS_GUEST_SSP_TABLE, rdmsr(IA32_INT_SSP_TAB));
    vmwrite(VMCS_GUEST_SSP, ssp ? ssp + 8 : 0); /* the loader's call pushed its return address */
}

/* No event, no shadow, no single step on its way. */
static void write_quiet(void)
{
    vmwrite(VMCS_LINK_POINTER, ~0ULL);
    vmwrite(VMCS_INTERRUPTIBILITY, 0);
    vmwrite(VMCS_ACTIVITY, ACTIVITY_ACTIVE);
    vmwrite(VMCS_PENDING_DEBUG, 0);
    vmwrite(VMCS_ENTRY_EVENT, 0);
}

static void write_efer(const struct cpu *cpu, u64 efer)
{
    u64 entry = vmx.controls.word[WORD_ENTRY] | vmx_lbr_controls(cpu).entry;

    vmwrite(VMCS_GUEST_EFER, efer);
    vmwrite(VMCS_ENTRY_CONTROLS, efer & EFER_LMA ? entry | ENTRYCTL_LONG : entry);
}

void vmx_capture_state(struct cpu *cpu, const struct launch *launch, u64 ssp,
                       struct control_registers old)
{
    write_quiet();
    capture_segments();
    capture_msrs(cpu, ssp);
    write_efer(cpu, rdmsr(IA32_EFER));
    vmx_write_cr0(cpu, old.cr0);
    vmx_write_cr4(cpu, old.cr4);
    vmwrite(VMCS_GUEST_CR3, read_cr3());
    vmwrite(VMCS_GUEST_DR7, read_dr7());
    vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED); /* the loader called with interrupts off */
    vmwrite(VMCS_GUEST_RIP, launch->rip);
    vmwrite(VMCS_GUEST_RSP, (u64)(launch + 1));
    cpu->regs[RAX] = HV_OK;
    cpu->regs[RBX] = launch->rbx;
    cpu->regs[RBP] = launch->rbp;
    cpu->regs[R12] = launch->r12;
    cpu->regs[R13] = launch->r13;
    cpu->regs[R14] = launch->r14;
    cpu->regs[R15] = launch->r15;
}

static void reset_registers(struct cpu *cpu)
{
    u32 regs[4];

    for (u32 i = 0; i < REGISTERS; i++)
        cpu->regs[i] = 0;
    cpuid(1, 0, regs);
    cpu->regs[RDX] = regs[0]; /* family, model, stepping (10.1.2) */
    vmwrite(VMCS_GUEST_RSP, 0);
    vmwrite(VMCS_GUEST_RFLAGS, RFLAGS_FIXED);
    vmwrite(VMCS_GUEST_DR7, DR7_RESET);
    write_dr6(DR6_RESET);
    clear_cr2_and_breakpoints();
}

static struct segment real_segment(u32 rights)
{
    return (struct segment){.rights = rights, .limit = 0xffff};
}

static void reset_segments(u8 vector)
{
    for (enum vmcs_segment i = SEG_ES; i <= SEG_GS; i++)
        write_segment(i, real_segment(0x93));
    write_segment(SEG_CS, (struct segment){(u16)(vector << 8), 0xffff, 0x9b, (u64)vector << 12});
    write_segment(SEG_LDTR, real_segment(RIGHTS_LDT));
    write_segment(SEG_TR, real_segment(RIGHTS_TSS_BUSY));
    vmwrite(VMCS_GUEST_GDTR_BASE, 0);
    vmwrite(VMCS_GUEST_GDTR_LIMIT, 0xffff);
    vmwrite(VMCS_GUEST_IDTR_BASE, 0);
    vmwrite(VMCS_GUEST_IDTR_LIMIT, 0xffff);
}

/* SDM table 10-1, column INIT, then CS from the SIPI's vector. MSRs stay, but for EFER, without
 * which CR0.PG could not have been cleared, and shadow stacks. CR0.CD and NW stay too; VM entry
 * does not load them (27.3.1 of CR0). */
void vmx_reset_state(struct cpu *cpu, u8 vector)
{
    write_quiet();
    reset_registers(cpu);
    reset_segments(vector);
    write_efer(cpu, 0);
    vmx_write_cr0(cpu, CR0_ET | (read_cr0() & (CR0_CD | CR0_NW)));
    vmx_write_cr4(cpu, 0);
    vmwrite(VMCS_GUEST_CR3, 0);
    vmwrite(VMCS_GUEST_RIP, 0);
    if (vmx.controls.word[WORD_ENTRY] & ENTRYCTL_LOAD_CET) {
        vmwrite(VMCS_GUEST_S_CET, 0);
        vmwrite(VMCS_GUEST_SSP, 0);
        vmwrite(VMCS_GUEST_SSP_TABLE, 0);
    }
    vmx_flush_vpid(); /* control registers have changed under its translations (29.4.3.3) */
}

static struct segment flat_segment(u16 selector, u32 rights)
{
    return (struct segment){selector, 0xffffffff, rights, 0};
}

/* boot_info.h, struct boot_guest. */
void vmx_boot_state(struct cpu *cpu)
{
    const struct boot_guest *boot = cpu->guest->boot;

    vmx_reset_state(cpu, 0);
    for (enum vmcs_segment i = SEG_ES; i <= SEG_DS; i++)
        write_segment(i, flat_segment(BOOT_DS, 0xc093));
    write_segment(SEG_CS, flat_segment(BOOT_CS, 0xa09b));
    vmwrite(VMCS_GUEST_GDTR_BASE, boot->gdt);
    vmwrite(VMCS_GUEST_GDTR_LIMIT, BOOT_GDT_LIMIT);
    vmx_write_cr0(cpu, BOOT_CR0);
    vmx_write_cr4(cpu, CR4_PAE);
    write_efer(cpu, EFER_LME | EFER_LMA);
    vmwrite(VMCS_GUEST_CR3, boot->cr3);
    vmwrite(VMCS_GUEST_RIP, boot->entry);
    cpu->regs[RSI] = boot->boot_params;
}

static void host_msrs(void)
{
    vmwrite(VMCS_HOST_PAT, PAT_RESET);
    vmwrite(VMCS_HOST_EFER, EFER_LME | EFER_LMA | EFER_NXE);
    vmwrite(VMCS_HOST_SYSENTER_CS, 0);
    vmwrite(VMCS_HOST_SYSENTER_ESP, 0);
    vmwrite(VMCS_HOST_SYSENTER_EIP, 0);
    if (vmx.controls.word[WORD_EXIT] & EXITCTL_LOAD_GLOBAL)
        vmwrite(VMCS_HOST_PERF_GLOBAL_CTRL, 0);
    if (!(vmx.controls.word[WORD_EXIT] & EXITCTL_LOAD_CET))
        return;
    vmwrite(VMCS_HOST_S_CET, 0);
    vmwrite(VMCS_HOST_SSP, 0);
    vmwrite(VMCS_HOST_SSP_TABLE, 0);
}

/* What an exit loads: as host_load() does by hand. It also sets the limits of GDTR and IDTR to
 * FFFFH (28.5.2), which is harmless: no selector and, with IF clear, no vector beyond the tables'
 * ends is used. */
void vmx_host_state(struct cpu *cpu)
{
    struct host_tables tables = host_tables(cpu);

    vmwrite(VMCS_HOST_CS, HOST_CS);
    vmwrite(VMCS_HOST_SS, HOST_DS);
    vmwrite(VMCS_HOST_DS, HOST_DS);
    vmwrite(VMCS_HOST_ES, HOST_DS);
    vmwrite(VMCS_HOST_FS, 0);
    vmwrite(VMCS_HOST_GS, 0);
    vmwrite(VMCS_HOST_TR, HOST_TR);
    vmwrite(VMCS_HOST_FS_BASE, 0);
    vmwrite(VMCS_HOST_GS_BASE, 0);
    vmwrite(VMCS_HOST_TR_BASE, tables.tss);
    vmwrite(VMCS_HOST_GDTR_BASE, tables.gdt);
    vmwrite(VMCS_HOST_IDTR_BASE, tables.idt);
    vmwrite(VMCS_HOST_CR0, HOST_CR0);
    vmwrite(VMCS_HOST_CR3, guest_host_cr3(cpu->guest));
    vmwrite(VMCS_HOST_CR4, hv.host_cr4);
    vmwrite(VMCS_HOST_RSP, (u64)cpu);
    vmwrite(VMCS_HOST_RIP, (u64)(vmx.global_list ? vmx_exited_list : vmx_exited));
    host_msrs();
}

/* Where the guest has lost its PMU, counters must not show through RDPMC either. */
u32 vmx_primary(const struct cpu *cpu)
{
    return vmx.controls.word[WORD_PRIMARY] |
           (cpu->guest->pmu.mode == PMU_OFF ? (u32)PRIMARY_RDPMC : 0);
}

/* Exceptions, interrupts and NMIs stay in the guest; but for machine checks of a partition, which
 * has no banks to ask. */
void vmx_set_controls(struct cpu *cpu)
{
    const struct guest *guest = cpu->guest;
    const u32 *word = vmx.controls.word;

    vmwrite(VMCS_PIN_CONTROLS, word[WORD_PIN]);
    vmwrite(VMCS_PRIMARY_CONTROLS, vmx_primary(cpu));
    vmwrite(VMCS_SECONDARY_CONTROLS,
            word[WORD_SECONDARY] | (is_partition(guest) ? vmx.wbinvd_exits : 0));
    vmwrite(VMCS_EXIT_CONTROLS, word[WORD_EXIT] | vmx_lbr_controls(cpu).exit);
    vmwrite(VMCS_EXCEPTION_BITMAP, is_partition(guest) ? BIT(MC_VECTOR) : 0);
    vmwrite(VMCS_PF_ERROR_MASK, 0);
    vmwrite(VMCS_PF_ERROR_MATCH, 0);
    vmwrite(VMCS_CR3_TARGETS, 0);
    vmwrite(VMCS_IO_BITMAP_A, guest->io_map);
    vmwrite(VMCS_IO_BITMAP_B, guest->io_map + PAGE_SIZE);
    vmwrite(VMCS_MSR_BITMAP, guest->msr_map);
    vmx_map_changed(cpu);
    if (word[WORD_SECONDARY] & SECONDARY_VPID)
        vmwrite(VMCS_VPID, GUEST_VPID);
    if (word[WORD_SECONDARY] & SECONDARY_XSAVES)
        vmwrite(VMCS_XSS_EXITING, 0);
    if (word[WORD_SECONDARY] & SECONDARY_ENCLS)
        vmwrite(VMCS_ENCLS_EXITING, ~0ULL);
    cpu->vmx.guest_pebs.value = 0;
    vmx_write_lists(cpu);
}
