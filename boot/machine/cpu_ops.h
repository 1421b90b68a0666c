/* The running processor, as the loader reads it. */
#ifndef CEDE_CPU_OPS_H
#define CEDE_CPU_OPS_H

#include "preflight.h"

/* CPUID and RDMSR themselves. */
extern const struct cpu_ops real_cpu;

enum cpuid_reg { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };

/* One register of a CPUID leaf; 0 where the processor has no such leaf. */
u32 cpuid_value(u32 leaf, u32 subleaf, enum cpuid_reg reg);

/* The local APIC ID that the MADT knows this processor by. */
u32 own_apic_id(void);

/* Whether both kinds of page tables can have 1 GiB pages, the processor's and the second level's.
 */
bool has_gib_pages(void);

/* AMD's and Hygon's processors, which virtualize by AMD-V; others do it by VT-x. Also in a guest,
 * who sees neither. */
bool is_amd(void);

/* MAXPHYADDR as an address: 1 << bits. */
u64 physical_limit(void);

u64 read_cr0(void);
u64 read_cr4(void);

#define CR4_LA57 BIT(12)
#define CR4_CET  BIT(23)

/* Whether this firmware runs on supervisor shadow stacks: Cede's start does not carry those over.
 */
bool has_shadow_stack(void);

/* Asks the hypervisor (hypercall.h); as its guest. */
u64 hypercall(u32 call, u32 core, u32 item);

#endif
