/* Shared by the files of the VMX backend. Sections are those of the SDM, volume 3. */
#ifndef CEDE_VMX_H
#define CEDE_VMX_H

#include "cpu.h"
#include "x86/page_map.h"
#include "vmx/controls.h"
#include "vmx/insn.h"

struct vmx {
    struct vmx_controls controls;
    struct vmx_hidden hidden; /* features without their control: CPUID bits and CR4 bits */
    u32 revision;             /* of VMCS and VMXON regions: IA32_VMX_BASIC 30:0 */
    u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
    u64 ept_vpid_cap;
    u32 wbinvd_exits; /* the control, if it can be set: for partitions */
    bool lbr_ctl;     /* IA32_LBR_CTL exists, and the controls that switch it */
    bool global_ctrl; /* IA32_PERF_GLOBAL_CTRL exists; it is 0 while the hypervisor runs ... */
    bool global_list; /* ... by MSR lists, for want of a control that saves the guest's */
};

extern struct vmx vmx;

/* Every guest's; 0 is the hypervisor's (29.1). Each core has its own TLB, so all use the same. */
#define GUEST_VPID 1

#define PAT_RESET 0x0007040600070406ULL

struct launch;

/* hv/vmx/state.c: the guest's and the host's state, and the controls, into the current VMCS. */
struct control_registers {
    u64 cr0, cr4;
};
void vmx_capture_state(struct cpu *cpu, const struct launch *launch, u64 ssp,
                       struct control_registers old);
void vmx_reset_state(struct cpu *cpu, u8 vector);
void vmx_boot_state(struct cpu *cpu);
void vmx_host_state(struct cpu *cpu);
void vmx_set_controls(struct cpu *cpu);
u32 vmx_primary(const struct cpu *cpu);

/* The guest's IA32_PERF_GLOBAL_CTRL, while the hypervisor runs; 0 where there is none. */
static inline u64 vmx_global_ctrl(const struct cpu *cpu)
{
    return vmx.global_list ? cpu->vmx.guest_global.value : vmread(VMCS_GUEST_PERF_GLOBAL_CTRL);
}

void vmx_set_global_ctrl(struct cpu *cpu, u64 value);

/* hv/vmx/pebs.c: the MSR lists; writes of PEBS' MSRs, if they are given; an end to its samples;
 * what a change of grants means to it. */
void vmx_write_lists(struct cpu *cpu);
bool vmx_is_pebs(const struct cpu *cpu, u32 msr);
bool vmx_pebs_write(struct cpu *cpu, u32 msr, u64 value);
void vmx_pebs_stop(struct cpu *cpu);
void vmx_pebs_follow(struct cpu *cpu);
/* hv/vmx/lbr.c: of branch records what the VMCS has. */
struct vmx_lbr_controls {
    u32 exit, entry;
};
u32 vmx_debugctl_grants(const struct cpu *cpu);
struct vmx_lbr_controls vmx_lbr_controls(const struct cpu *cpu);
void vmx_lbr_reset(void);
void vmx_lbr_follow(struct cpu *cpu);

/* hv/vmx/event.c */
#define OWED_NMI BIT(0)
#define OWED_MC  BIT(1)

void vmx_inject(u64 event);
void vmx_inject_fault(u8 vector);
void vmx_inject_gp(void);
/* First in a slow handler: an event whose delivery the exit interrupted is delivered again. */
void vmx_after_exit(struct cpu *cpu);
/* Last in a slow handler: what came in meanwhile is delivered too, or the guest goes one step and
 * exits for it. */
void vmx_before_entry(struct cpu *cpu);
bool vmx_let_in(struct cpu *cpu, u64 vector);
bool vmx_inject_machine_check(struct cpu *cpu);

/* hv/vmx/init_signal.c */
void vmx_init_exit(struct cpu *cpu);
__attribute__((noreturn)) void vmx_await_sipi(struct cpu *cpu);
void vmx_boot(struct cpu *cpu);
u32 vmx_signal_icr(void);
void vmx_absorb_signal(struct cpu *cpu);

/* hv/vmx/cr.c: the guest's control registers; a MOV to one of them that exited. */
void vmx_write_cr0(const struct cpu *cpu, u64 value);
void vmx_write_cr4(const struct cpu *cpu, u64 value);
u64 vmx_read_cr4(void);

/* hv/vmx/inspect.c, for the console. */
const char *vmx_last_exit(struct cpu *cpu);
void vmx_note_state(struct cpu *cpu);
bool vmx_guest_state(struct cpu *cpu, struct guest_state *state);

void vmx_cr_exit(struct cpu *cpu);

/* hv/vmx/msr.c: false: #GP(0). */
bool vmx_msr_write(struct cpu *cpu, u32 msr, u64 value);

/* hv/vmx/microcode.c: likewise. */
bool vmx_load_microcode(const struct cpu *cpu, u64 data);

/* hv/vmx/ept.c */
void vmx_shape_map(struct page_map *map);
u64 vmx_ept_pointer(const struct page_map *map, const u64 *root);
void vmx_map_changed(struct cpu *cpu);
void vmx_flush_ept(void);
void vmx_flush_vpid(void);

/* hv/vmx/run.S */
__attribute__((noreturn)) void vmx_enter(struct cpu *cpu);
extern const char vmx_exited[], vmx_exited_list[];
extern const char vmx_window_start[], vmx_window_end[], vmx_late[];

/* hv/vmx/fast.c and slow.c, from run.S. */
bool vmx_fast_exit(struct cpu *cpu);
bool vmx_fast_exit_list(struct cpu *cpu);
void vmx_slow_exit(struct cpu *cpu);

/* After an emulated instruction, with RIP behind it. */
void vmx_instruction_done(struct cpu *cpu);
__attribute__((noreturn)) void vmx_entry_failed(struct cpu *cpu);

/* To another instruction. Ends an interrupt shadow, as the one in between would have. */
static inline void vmx_go_to(u64 rip)
{
    u64 shadow = vmread(VMCS_INTERRUPTIBILITY);

    vmwrite(VMCS_GUEST_RIP, rip);
    if (unlikely(shadow & (BLOCKED_BY_STI | BLOCKED_BY_MOV_SS)))
        vmwrite(VMCS_INTERRUPTIBILITY, shadow & ~(BLOCKED_BY_STI | BLOCKED_BY_MOV_SS));
}

/* To the one after the one that exited. */
static inline void vmx_advance(void)
{
    vmx_go_to(vmread(VMCS_GUEST_RIP) + vmread(VMCS_EXIT_LENGTH));
}

#endif
