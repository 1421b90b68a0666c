/* The hypercall: how a guest's kernel, a test or a tool reads what Cede has done.
 *
 *     VMMCALL (AMD) or VMCALL (Intel), at CPL 0:
 *     EAX = HYPERCALL_SIGNATURE, ECX = enum hypercall, EDX = core (index), EBX = item
 *     -> RAX = the answer, or HYPERCALL_ERROR for an unknown call, core or item
 *
 * Without the signature, or above CPL 0, the instruction raises #UD as on a machine without Cede.
 * No other register changes. Counters are read while other cores run: each is exact, a set of them
 * is not a snapshot. */
#ifndef CEDE_HYPERCALL_H
#define CEDE_HYPERCALL_H

#include "types.h"

#define HYPERCALL_SIGNATURE 0x45444543U /* "CEDE", little-endian */
#define HYPERCALL_ERROR     (~0ULL)
#define CEDE_VERSION        0x000100U /* 0.1.0: 8 bits each */

enum hypercall {
    HYPERCALL_VERSION,  /* CEDE_VERSION */
    HYPERCALL_CORES,    /* number of processors Cede has a place for */
    HYPERCALL_CORE,     /* core: its local APIC ID in bits 31:0, enum core_state in 39:32 */
    HYPERCALL_SELF,     /* index of the calling core */
    HYPERCALL_EXITS,    /* core, item = enum exit_reason: exits since start */
    HYPERCALL_DENIALS,  /* core: writes of event selectors and their like that were denied */
    HYPERCALL_MEMORY,   /* item 0: bytes kept from the guest, 1: of these page tables */
    HYPERCALL_RELEASED, /* for the loader: boot services have ended, so firmware is done with the
                         * cores that are not its guest's, and with the one that Cede keeps */
    HYPERCALL_DENIAL,   /* core, item = row * DENIAL_FIELDS + field: what was denied, see below */
    HYPERCALL_COUNT
};

/* A row of a core's denials. Rows that are not in use have DENIAL_COUNT 0; after the last row come
 * errors. */
enum denial_field {
    DENIAL_MSR,   /* 0: an event selector, whichever; else the register's number */
    DENIAL_VALUE, /* that was to be written: event, umask, modifiers */
    DENIAL_COUNT,
    DENIAL_FIRST, /* TSC */
    DENIAL_LAST,
    DENIAL_RIP, /* of the first */
    DENIAL_CR3,
    DENIAL_FIELDS
};

enum core_state {
    CORE_FIRMWARE,   /* never entered: still where the firmware keeps it */
    CORE_RUNNING,    /* in its guest */
    CORE_WAITING,    /* after INIT, waiting for its SIPI */
    CORE_STOPPED,    /* stopped by a report on the console */
    CORE_MANAGEMENT, /* kept by Cede, for its console */
};

/* Every exit that exists, and why each must. What is not here never leaves the guest. */
/* clang-format off */
#define EXIT_TABLE(row)                                                                            \
    row(CPUID, "cpuid", "SVM, memory encryption and denied PMU features are hidden there")         \
    row(IPI, "ipi", "x2APIC ICR: SIPIs are seen only here. Intel: while cores start, or guests")   \
    row(START, "start", "an INIT or SIPI that the guest sent, either APIC mode")                   \
    row(APIC_PAGE, "apic-page", "xAPIC: likewise; the ICR's page holds the other registers too")   \
    row(PMU_WRITE, "pmu-write", "the allow-list on event selectors")                               \
    row(PMU_READ, "pmu-read", "selectors hold GuestOnly, the guest reads what it wrote")           \
    row(MSR_READ, "msr-read", "EFER.SVME and virtualization MSRs are hidden; denied MSRs")         \
    row(MSR_WRITE, "msr-write", "MSRs that would reach the hypervisor, or other cores' counts")    \
    row(IO, "io", "PM1 control: a suspend would resume without Cede; the console's UART")          \
    row(MAP, "map", "first touch of an address above what was mapped at start")                    \
    row(HYPERCALL, "hypercall", "VMMCALL with Cede's signature")                                   \
    row(INVD, "invd", "would throw away what the hypervisor has written: done as WBINVD")          \
    row(VIRT_INSN, "virt-insn", "VMRUN and its family: no SVM here, #UD")                          \
    row(INIT, "init", "an INIT arrived (VMX, VM_CR.R_INIT): the core waits for its SIPI")          \
    row(NMI, "nmi", "only where INITs do not exit (emulators): the signal that stops all cores")   \
    row(KICK, "kick", "all cores were stopped for a moment: a change of policy, a command")        \
    row(CONTROL, "control-reg", "VMX: CR0.NE must stay set, CR4.VMXE and hidden features clear")   \
    row(XSETBV, "xsetbv", "VMX: always exits; done as it is")                                      \
    row(STEP, "step", "VMX, KVM: an NMI met the hypervisor or a handler: delivered after it")     \
    row(SMI, "smi", "an SMI where firmware has not locked SMM: its handler is not the guest's")    \
    row(SHUTDOWN, "shutdown", "a triple fault: reported, then the machine is reset")               \
    row(OTHER, "other", "none is expected: reported, and the core stops")
/* clang-format on */

#define EXIT_ENUM(id, name, why) EXIT_##id,
enum exit_reason { EXIT_TABLE(EXIT_ENUM) EXIT_REASONS };

#endif
