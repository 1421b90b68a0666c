/* One processor: its stack, its guest's registers, its VMCB.
 *
 * Each has a block of CPU_BLOCK_SIZE bytes, aligned to its size:
 *
 *     0x0000  guard page, not mapped
 *     0x1000  stack, 12 KiB, growing down from ...
 *     0x4000  struct cpu            <- RSP in the run loop
 *     0x5000  VMCB (VMX: VMCS)
 *     0x6000  host save area (VMX: VMXON region)
 *     0x7000  GDT and TSS of this processor
 *
 * so that everything is found from RSP: GS and TR belong to the guest while it runs, and on AMD
 * stay loaded in the host too. */
#ifndef CEDE_CPU_H
#define CEDE_CPU_H

#define CPU_BLOCK_BYTES 0x8000
#define CPU_STACK_TOP   0x4000
#define CPU_VMCB        0x1000 /* from struct cpu */
#define CPU_HSAVE       0x2000
#define CPU_TABLES      0x3000

/* Offsets in struct cpu that assembly uses; checked below. */
#define CPU_RAX     0x00
#define CPU_RCX     0x08
#define CPU_RDX     0x10
#define CPU_RBX     0x18
#define CPU_RSP     0x20
#define CPU_RBP     0x28
#define CPU_RSI     0x30
#define CPU_RDI     0x38
#define CPU_R8      0x40
#define CPU_R9      0x48
#define CPU_R10     0x50
#define CPU_R11     0x58
#define CPU_R12     0x60
#define CPU_R13     0x68
#define CPU_R14     0x70
#define CPU_R15     0x78
#define CPU_APIC_ID 0x80
#define CPU_INDEX   0x84
#define CPU_VMX     0x90
#define CPU_ARRIVED (CPU_VMX + 0)

#ifndef __ASSEMBLER__

#include "boot_info.h"
#include "x86/known_store.h"
#include "hypercall.h"
#include "pmu/amd.h"
#include "pmu/intel.h"

struct vmcb;
struct guest;

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, REGISTERS };

/* VMX only. What the hypervisor owes its guest, hv/vmx/event.c. */
struct vmx_cpu {
    volatile u8 arrived; /* OWED_NMI, OWED_MC: came in while the host ran */
    u8 owed;             /* arrived, and not delivered yet */
    bool stepping;       /* the monitor trap flag is set */
    bool absorbing;      /* the next entry is only there to let a held INIT out ... */
    bool timer;          /* ... and comes back at once by the preemption timer */
    bool nmi_held;       /* blocking by NMI is set so that no second one comes before the first */
    u32 reason;          /* of the last exit that took the slow path, for the console */
    /* IA32_PERF_GLOBAL_CTRL without the control that saves it: the exit stores the guest's where
     * the entry loads it from, and then loads the host's (SDM 27.4, 28.4: aligned, 16 bytes each).
     * IA32_PEBS_ENABLE beside it while the guest's is not 0 (hv/vmx/pebs.c), so placed that it is
     * set before the counters run, and cleared after them. */
    struct msr_entry {
        u32 msr, reserved;
        u64 value;
    } __attribute__((aligned(16))) guest_pebs, guest_global, host_global, host_pebs;
};

/* What a guest was doing when it was stopped. Other registers are in struct cpu. */
struct guest_state {
    u64 cs, rip, rflags, rax, rsp, cr0, cr2, cr3, cr4, efer, cpl;
};

struct cpu {
    /* Guest registers by their encoding. RAX and RSP live in the VMCB and are copied here only for
     * exits that take the slow path. */
    u64 regs[REGISTERS];
    u32 apic_id;
    u32 index;
    struct vmx_cpu vmx;
    struct guest *guest; /* whose it is ... */
    u16 guest_index;     /* (guest.h) */
    volatile u32 life;   /* ... and in which of the guest's lives (guest.h) */

    /* Only this core writes these; any core may read them. */
    u64 exits[EXIT_REASONS];
    union {
        struct pmu_core core; /* first in both */
        struct pmu_amd amd;
        struct pmu_intel intel;
    } pmu;
    u64 apic_base; /* IA32_APIC_BASE as the guest last set it */
    u64 icr;       /* when it was last stopped, in x2APIC's form */
    u32 xapic_ldr; /* logical destination as the guest last set it, for INIT/SIPI by logical address
                    */
    u32 xapic_dfr;
    volatile bool window_open; /* GIF is set for a moment (hv/svm/init_signal.c) ... */
    volatile bool window_nmi;  /* ... and an NMI came in */
    u64 dr6_before_step;       /* SVM: hv/svm/nmi_held.c */
    bool pmu_started;          /* firmware's selectors were judged */
    bool captured;             /* runs under the hypervisor, so an INIT finds it in a guest */

    /* Under hv_lock: a start or stop is in progress. */
    volatile u8 state; /* enum core_state */
    volatile u16 sipi; /* 0, or 0x100 | vector */
    bool init_sent;    /* an INIT that an ICR sent to a captured core has not exited yet */
    bool started;      /* by a SIPI of its OS, since the last INIT */

    /* hv/guest/kick.h; numbers of stops, 0 for none. */
    volatile u32 letter;  /* this core is asked to stop; written by who asks, emptied by the core */
    volatile u32 signals; /* sent to it for that */
    u32 signalled;        /* how many those were that it has answered last */
    volatile u32 stopped_in; /* the last that it has answered ... */
    volatile u32 done_in;    /* ... and left */
    u64 refused_at; /* exits so far, and one, when the last entry was refused (guest_refused) */
    u32 traced;     /* exits that host/keep.h has kept */
    struct guest_state noted; /* VMX: when it was stopped, for the console */
    volatile bool kept;       /* for the console, hv/guest/management.h; never a guest's again */
    volatile bool leaving;    /* where INITs do not exit: one is on its way, never enter again */

    struct known_store known_stores[KNOWN_STORES]; /* xAPIC writes, hv/apic/apic.c */
};

#define CHECK_OFFSET(constant, member) \
    _Static_assert(offsetof(struct cpu, member) == (constant), #constant)
_Static_assert(CPU_BLOCK_BYTES == CPU_BLOCK_SIZE, "boot_info.h and assembly agree");
CHECK_OFFSET(CPU_RBX, regs[RBX]);
CHECK_OFFSET(CPU_R15, regs[R15]);
CHECK_OFFSET(CPU_APIC_ID, apic_id);
CHECK_OFFSET(CPU_INDEX, index);
CHECK_OFFSET(CPU_ARRIVED, vmx.arrived);
_Static_assert(sizeof(struct cpu) <= PAGE_SIZE, "struct cpu must fit its page");

static inline struct vmcb *cpu_vmcb(struct cpu *cpu)
{
    return (struct vmcb *)((u8 *)cpu + CPU_VMCB);
}

static inline u64 cpu_hsave(const struct cpu *cpu)
{
    return (u64)(uintptr_t)cpu + CPU_HSAVE;
}

/* The running processor's struct cpu, from RSP. */
static inline struct cpu *this_cpu(void)
{
    u64 rsp;

    __asm__("mov %%rsp, %0" : "=r"(rsp));
    return (struct cpu *)(uintptr_t)(ALIGN_DOWN(rsp, CPU_BLOCK_SIZE) + CPU_STACK_TOP);
}

#endif
#endif
