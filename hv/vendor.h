/* What a virtualization vendor provides. Calls from shared code go through one table chosen at
 * start; everything on the exit path is called directly by the vendor's own code. */
#ifndef CEDE_VCPU_H
#define CEDE_VCPU_H

#include "cpu.h"
#include "x86/guest_mem.h"
#include "x86/page_map.h"

/* How the loader called HV_START: its callee-saved registers and where to return, as a guest.
 * Layout fixed by hv/start/entry.S. */
struct launch {
    u64 r15, r14, r13, r12, rbp, rbx, rip;
};

/* Where a guest stands in its code: enough to fetch and decode an instruction. */
struct code_state {
    struct guest_paging paging;
    u64 cs_base, rip, rflags;
    bool long_mode, default32; /* CS.L and EFER.LMA; CS.D */
    const u8 *bytes;           /* instruction bytes the processor recorded, or NULL */
    u32 byte_count;
};

struct vendor {
    const char *name;
    /* The format of second-level maps, where it is not that of the host's own tables. */
    void (*shape_map)(struct page_map *map);
    u8 msr_map_pages, io_map_pages;
    /* On the boot processor, once, after the memory maps exist. */
    enum hv_status (*prepare)(void);
    /* Turns virtualization on and makes the running state the guest's. On failure all is as before.
     */
    enum hv_status (*capture)(struct cpu *cpu, const struct launch *launch, u64 ssp);
    /* On a core that came through the hypervisor's own trampoline: virtualization on, nothing
     * captured. */
    enum hv_status (*enable)(struct cpu *cpu);
    /* Guest state as after INIT and a SIPI with this vector. On the core itself. */
    void (*reset)(struct cpu *cpu, u8 vector);
    /* On the core itself, in a life of its guest that begins (guest.h): guest state as Linux'
     * 64-bit boot protocol wants it ... */
    void (*boot)(struct cpu *cpu);
    /* ... or waiting for a SIPI of the guest's. */
    __attribute__((noreturn)) void (*await_sipi)(struct cpu *cpu);
    /* Runs the guest. On the core itself, on the host's tables, RSP anywhere in its stack. */
    __attribute__((noreturn)) void (*enter)(struct cpu *cpu);

    /* Whether an INIT makes a running guest exit (AMD: VM_CR.R_INIT) instead of resetting the core.
     */
    bool (*init_exits)(void);
    /* Whether writes to the ICR may go without an exit while nobody starts cores (guest/watch.h).
     */
    bool icr_may_rest;
    /* Where INITs do not exit: a core that has left its guest takes the one that resets it. */
    __attribute__((noreturn)) void (*await_reset)(struct cpu *cpu);
    /* A guest's `msr` has changed while its cores are stopped: its permission map follows ... */
    void (*write_permissions)(const struct guest *guest);
    /* ... and on each core, before it enters its guest, what it keeps of them. */
    void (*permissions_changed)(struct cpu *cpu);
    /* On the core: memory_root() has changed. */
    void (*map_changed)(struct cpu *cpu);
    /* On each core likewise, when entries of its guest's map have changed that were present. NULL
     * where none do. */
    void (*flush_map)(void);
    /* What makes a core leave its guest for hv/guest/kick.c, as an ICR value without destination
     * ... */
    u32 (*signal_icr)(void);
    /* ... and on the core, whose guest is out: one that is still on its way is let in and
     * forgotten. An NMI of the guest's is not. */
    void (*absorb_signal)(struct cpu *cpu);
    /* On a core whose guest is out, during a stop: lets SMIs in; the guest's NMIs are passed on.
     * NULL where nothing is held back. */
    void (*let_smi_in)(struct cpu *cpu);
    /* From the machine-check handler: delivers #MC at the next entry. False if that entry carries
     * an event. */
    bool (*inject_machine_check)(struct cpu *cpu);
    /* From the handlers of NMI and #SX: whether it is being let in on purpose, and is taken care
     * of. */
    bool (*let_in)(struct cpu *cpu, u64 vector);
    /* Code between the last look for what has been let in and the guest: an NMI or #MC that arrives
     * inside goes on at `late` instead, to be looked at. Empty where nothing arrives there. */
    const char *window_start, *window_end, *late;

    /* On a core without a guest, now and then: lets in what the host's state holds back, an SMI
     * first of all, and forgets NMIs and INITs. NULL where nothing is held. */
    void (*breathe)(struct cpu *cpu);

    /* For handlers of slow exits: */
    void (*code_state)(struct cpu *cpu, struct code_state *state);
    void (*advance)(struct cpu *cpu, u32 bytes);
    void (*set_rflags)(struct cpu *cpu, u64 value);
    void (*inject_gp)(struct cpu *cpu); /* #GP(0) at the instruction that exited */

    /* For the console, of any core. Why it last left its guest; while its guest is out, the guest's
     * state, or false where another core cannot know. */
    const char *(*last_exit)(struct cpu *cpu);
    bool (*guest_state)(struct cpu *cpu, struct guest_state *state);
    /* On the core, which is being stopped: keeps what only it can read. NULL where all can. */
    void (*note_state)(struct cpu *cpu);
};

extern const struct vendor svm_vendor, vmx_vendor;

/* The one chosen at start. */
extern const struct vendor *vendor;

#endif
