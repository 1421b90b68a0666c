/* Single instructions as functions. Nothing here decides anything. */
#ifndef CEDE_ASM_H
#define CEDE_ASM_H

#include "types.h"

static inline void cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(subleaf));
}

static inline u64 rdmsr(u32 msr)
{
    u32 low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (u64)high << 32 | low;
}

/* Both by halves, as the instructions have them: for fast paths. */
static inline u32 rdmsr_halves(u32 msr, u32 *high)
{
    u32 low;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(*high) : "c"(msr));
    return low;
}

static inline void wrmsr_halves(u32 msr, u32 low, u32 high)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"(low), "d"(high) : "memory");
}

static inline void wrmsr(u32 msr, u64 value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory");
}

/* An instruction that may raise #GP, and where to go on if it does. The exception stub jumps there
 * without IRET (hv/host/exception.c), with RFLAGS as it finds them. */
#define FIXUP(at, to) \
    ".pushsection .fixups, \"a\"\n\t.balign 4\n\t.long " at " - ., " to " - .\n\t.popsection\n\t"

/* Reads an MSR that this processor may not have; false if it raised #GP. */
static inline bool rdmsr_safe(u32 msr, u64 *value)
{
    u32 low, high;

    __asm__ goto volatile("1: rdmsr\n\t" FIXUP("1b", "%l[fault]")
                          : "=a"(low), "=d"(high)
                          : "c"(msr)
                          :
                          : fault);
    *value = (u64)high << 32 | low;
    return true;
fault:
    return false;
}

/* Writes an MSR, given as WRMSR takes it; false if it raised #GP (absent, or a reserved bit set).
 */
static inline bool wrmsr_halves_safe(u32 msr, u32 low, u32 high)
{
    __asm__ goto volatile("1: wrmsr\n\t" FIXUP("1b", "%l[fault]")
                          :
                          : "c"(msr), "a"(low), "d"(high)
                          : "memory"
                          : fault);
    return true;
fault:
    return false;
}

static inline bool wrmsr_safe(u32 msr, u64 value)
{
    return wrmsr_halves_safe(msr, (u32)value, (u32)(value >> 32));
}

/* Writes XCR0; false if it raised #GP. */
static inline bool xsetbv_safe(u32 index, u64 value)
{
    __asm__ goto volatile("1: xsetbv\n\t" FIXUP("1b", "%l[fault]")
                          :
                          : "c"(index), "a"((u32)value), "d"((u32)(value >> 32))
                          :
                          : fault);
    return true;
fault:
    return false;
}

static inline void fninit(void)
{
    __asm__ volatile("fninit");
}

/* Of all components in XCR0, and with XRSTORS in IA32_XSS. `area` is aligned to 64 bytes. */
static inline void xrstor(const void *area)
{
    __asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(~0U), "d"(~0U) : "memory");
}

static inline void xrstors(const void *area)
{
    __asm__ volatile("xrstors64 (%0)" : : "r"(area), "a"(~0U), "d"(~0U) : "memory");
}

static inline void ldmxcsr(u32 value)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(value));
}

static inline void fxrstor(const void *area)
{
    __asm__ volatile("fxrstor64 (%0)" : : "r"(area) : "memory");
}

/* Reads 8 bytes at a physical address that the guest chose; false if the access faulted. */
static inline bool read_safe(u64 address, u64 *value)
{
    __asm__ goto volatile("1: mov (%1), %0\n\t" FIXUP("1b", "%l[fault]")
                          : "=r"(*value)
                          : "r"(address)
                          : "memory"
                          : fault);
    return true;
fault:
    return false;
}

static inline void outb(u16 port, u8 value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outw(u16 port, u16 value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline void outl(u16 port, u32 value)
{
    __asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 inb(u16 port)
{
    u8 value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline u16 inw(u16 port)
{
    u16 value;

    __asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline u32 inl(u16 port)
{
    u32 value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void zero_memory(u64 address, u64 size)
{
    u64 words = size / 8;

    __asm__ volatile("rep stosq" : "+D"(address), "+c"(words) : "a"(0ULL) : "memory");
}

static inline void copy_memory(u64 to, u64 from, u64 size)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

/* Goes on at `function` with an empty stack below `cpu`. */
struct cpu;
static inline __attribute__((noreturn)) void on_stack(struct cpu *cpu,
                                                      void (*function)(struct cpu *))
{
    __asm__ volatile("mov %0, %%rsp; xor %%ebp, %%ebp; call *%1; ud2"
                     :
                     : "D"(cpu), "r"(function)
                     : "memory");
    __builtin_unreachable();
}

/* Every processor in 64-bit mode has it; a line is 64 bytes on all of them (CPUID.1:EBX[15:8]). */
static inline void flush_line(const volatile void *at)
{
    __asm__ volatile("clflush %0" : : "m"(*(const volatile char *)at) : "memory");
}

static inline void wbinvd(void)
{
    __asm__ volatile("wbinvd" : : : "memory");
}

static inline void pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

struct pseudo_descriptor {
    u16 limit;
    u64 base;
} __attribute__((packed));

static inline void store_tables(struct pseudo_descriptor *gdtr, struct pseudo_descriptor *idtr)
{
    __asm__ volatile("sgdt %0; sidt %1" : "=m"(*gdtr), "=m"(*idtr));
}

static inline void clgi(void)
{
    __asm__ volatile("clgi" : : : "memory");
}

/* FS, GS, LDTR, TR, KernelGSBase, STAR and its kin, SYSENTER MSRs (APM 15.5.2). */
static inline void vmsave(void *vmcb)
{
    __asm__ volatile("vmsave %0" : : "a"(vmcb) : "memory");
}

static inline void vmload(void *vmcb)
{
    __asm__ volatile("vmload %0" : : "a"(vmcb) : "memory");
}

static inline void clear_cr2_and_breakpoints(void)
{
    __asm__ volatile("mov %0, %%cr2; mov %0, %%dr0; mov %0, %%dr1; mov %0, %%dr2; mov %0, %%dr3"
                     :
                     : "r"(0ULL));
}

#define READ_REGISTER(name, type)                              \
    static inline type read_##name(void)                       \
    {                                                          \
        type value;                                            \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value)); \
        return value;                                          \
    }

static inline void write_cr0(u64 value)
{
    __asm__ volatile("mov %0, %%cr0" : : "r"(value) : "memory");
}

static inline void write_cr2(u64 value)
{
    __asm__ volatile("mov %0, %%cr2" : : "r"(value));
}

static inline void write_cr3(u64 value)
{
    __asm__ volatile("mov %0, %%cr3" : : "r"(value) : "memory");
}

static inline void write_cr4(u64 value)
{
    __asm__ volatile("mov %0, %%cr4" : : "r"(value) : "memory");
}

static inline void write_dr6(u64 value)
{
    __asm__ volatile("mov %0, %%dr6" : : "r"(value));
}

static inline u16 read_ldtr(void)
{
    u16 selector;

    __asm__ volatile("sldt %0" : "=r"(selector));
    return selector;
}

static inline u16 read_tr(void)
{
    u16 selector;

    __asm__ volatile("str %0" : "=r"(selector));
    return selector;
}

READ_REGISTER(cr0, u64)
READ_REGISTER(cr2, u64)
READ_REGISTER(cr3, u64)
READ_REGISTER(cr4, u64)
READ_REGISTER(dr6, u64)
READ_REGISTER(dr7, u64)
READ_REGISTER(es, u16)
READ_REGISTER(cs, u16)
READ_REGISTER(ss, u16)
READ_REGISTER(ds, u16)
READ_REGISTER(fs, u16)
READ_REGISTER(gs, u16)

#endif
