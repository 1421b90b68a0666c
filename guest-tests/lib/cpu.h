/* One instruction per function, named as in the manuals. Nothing here catches a fault: see fault.h.
 */
#ifndef CEDE_GUEST_CPU_H
#define CEDE_GUEST_CPU_H

#include "types.h"

enum {
    CR0_PE = 1 << 0,
    CR0_TS = 1 << 3,
    CR0_NE = 1 << 5,
    CR0_WP = 1 << 16,
    CR0_AM = 1 << 18,
    CR4_PAE = 1 << 5,
    CR4_PGE = 1 << 7,
    CR4_PCE = 1 << 8,
    CR4_OSFXSR = 1 << 9,
    CR4_OSXMMEXCPT = 1 << 10,
    CR4_LA57 = 1 << 12,
    CR4_VMXE = 1 << 13,
    CR4_PCIDE = 1 << 17,
    CR4_OSXSAVE = 1 << 18,
    CR4_PKE = 1 << 22,
    RFLAGS_FIXED = 1 << 1,
    RFLAGS_TF = 1 << 8,
    RFLAGS_IF = 1 << 9,
    RFLAGS_IOPL = 3 << 12,
    RFLAGS_RF = 1 << 16,
    RFLAGS_AC = 1 << 18,
    EFER_SCE = 1 << 0,
    EFER_NXE = 1 << 11,
    EFER_SVME = 1 << 12,
};

#define MSR_TSC         0x10U
#define MSR_APIC_BASE   0x1bU
#define MSR_PAT         0x277U
#define MSR_X2APIC_EOI  0x80bU
#define MSR_X2APIC_ICR  0x830U
#define MSR_EFER        0xc0000080U
#define MSR_STAR        0xc0000081U
#define MSR_LSTAR       0xc0000082U
#define MSR_FS_BASE     0xc0000100U
#define MSR_GS_BASE     0xc0000101U
#define MSR_KERNEL_GS   0xc0000102U
#define MSR_PERFEVTSEL0 0xc0010000U /* K7 names: 0-3 are aliases of PERF_CTL0-3 */
#define MSR_VM_CR       0xc0010114U
#define MSR_VM_HSAVE_PA 0xc0010117U

extern bool is_amd; /* known from machine_run() on */

struct cpuid {
    u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf, u32 subleaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

static inline u64 rdmsr(u32 msr)
{
    u32 low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return low | (u64)high << 32;
}

static inline void wrmsr(u32 msr, u64 value)
{
    __asm__ volatile("wrmsr" ::"a"((u32)value), "d"((u32)(value >> 32)), "c"(msr) : "memory");
}

/* Event selectors and counters, which every processor of the vendor has: on AMD PERF_CTLn,
 * PERF_CTRn (APM 13.2), on Intel IA32_PERFEVTSELx, IA32_PMCx (SDM 20.2.1). KVM without a PMU takes
 * writes to selectors by their older names only. */
extern bool only_old_names; /* known from find_selectors() on */

static inline u32 msr_selector(u32 n)
{
    return !is_amd ? 0x186 + n : only_old_names ? 0xc0010000 + n : 0xc0010200 + 2 * n;
}

static inline u32 msr_counter(u32 n)
{
    return is_amd ? 0xc0010201 + 2 * n : 0xc1 + n;
}

static inline u64 rdtsc(void)
{
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return low | (u64)high << 32;
}

static inline void outb(u16 port, u8 value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline void outw(u16 port, u16 value)
{
    __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline void outl(u16 port, u32 value)
{
    __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

static inline u8 inb(u16 port)
{
    u8 value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline u16 inw(u16 port)
{
    u16 value;
    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline u32 inl(u16 port)
{
    u32 value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

static inline void pause(void)
{
    __asm__ volatile("pause" ::: "memory");
}

static inline void irq_off(void)
{
    __asm__ volatile("cli" ::: "memory");
}

static inline void irq_on(void)
{
    __asm__ volatile("sti" ::: "memory");
}

/* Opens the door for at most what is pending: STI's shadow covers the NOP (APM 8.1.4). */
static inline void irq_window(void)
{
    __asm__ volatile("sti; nop; nop; cli" ::: "memory");
}

#define READ_CR(n)                                                       \
    ({                                                                   \
        u64 value_;                                                      \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(value_)::"memory"); \
        value_;                                                          \
    })
#define WRITE_CR(n, value) __asm__ volatile("mov %0, %%cr" #n ::"r"((u64)(value)) : "memory")
#define READ_DR(n)                                             \
    ({                                                         \
        u64 value_;                                            \
        __asm__ volatile("mov %%dr" #n ", %0" : "=r"(value_)); \
        value_;                                                \
    })
#define WRITE_DR(n, value) __asm__ volatile("mov %0, %%dr" #n ::"r"((u64)(value)) : "memory")

static inline void invlpg(u64 address)
{
    __asm__ volatile("invlpg (%0)" ::"r"(address) : "memory");
}

static inline u64 rflags(void)
{
    u64 value;
    __asm__ volatile("pushfq; pop %0" : "=r"(value));
    return value;
}

static inline u32 atomic_add(volatile u32 *place, u32 value)
{
    return __atomic_add_fetch(place, value, __ATOMIC_SEQ_CST);
}

#endif
