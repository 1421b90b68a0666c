/* Stands in for asm.h in host tests: privileged instructions act on tables. Include it before the
 * code under test. Not part of the hypervisor image. */
#ifndef CEDE_FAKE_MACHINE_H
#define CEDE_FAKE_MACHINE_H
#define CEDE_ASM_H

#include "types.h"

#define FAKE_MSRS 64

static struct {
    struct {
        u32 number;
        u64 value;
        u64 valid;   /* writing another bit raises #GP */
        u64 dropped; /* may be written, and reads 0 */
    } msr[FAKE_MSRS];
    u32 msrs;
    u32 wbinvds;
    u32 last_port, last_size, last_out, outs;
} fake;

/* Adds an MSR whose bits outside `valid` are reserved. */
static inline void fake_msr(u32 number, u64 value, u64 valid)
{
    fake.msr[fake.msrs].number = number;
    fake.msr[fake.msrs].value = value;
    fake.msr[fake.msrs++].valid = valid;
}

static inline int fake_msr_index(u32 number)
{
    for (u32 i = 0; i < fake.msrs; i++)
        if (fake.msr[i].number == number)
            return (int)i;
    return -1;
}

static inline bool rdmsr_safe(u32 msr, u64 *value)
{
    int i = fake_msr_index(msr);

    if (i < 0)
        return false;
    *value = fake.msr[i].value;
    return true;
}

static inline bool wrmsr_safe(u32 msr, u64 value)
{
    int i = fake_msr_index(msr);

    if (i < 0 || (value & ~fake.msr[i].valid))
        return false;
    fake.msr[i].value = value & ~fake.msr[i].dropped;
    return true;
}

/* The unsafe forms must not fault: a test that makes them do so crashes here. */
static inline u64 rdmsr(u32 msr)
{
    u64 value = 0;

    if (!rdmsr_safe(msr, &value))
        __builtin_trap();
    return value;
}

static inline void wrmsr(u32 msr, u64 value)
{
    if (!wrmsr_safe(msr, value))
        __builtin_trap();
}

static inline u32 rdmsr_halves(u32 msr, u32 *high)
{
    u64 value = rdmsr(msr);

    *high = (u32)(value >> 32);
    return (u32)value;
}

static inline void wrmsr_halves(u32 msr, u32 low, u32 high)
{
    wrmsr(msr, (u64)high << 32 | low);
}

static inline void cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    out[0] = leaf;
    out[1] = subleaf;
    out[2] = out[3] = ~0U;
}

static inline void fake_out(u32 port, u32 size, u32 value)
{
    fake.last_port = port;
    fake.last_size = size;
    fake.last_out = value;
    fake.outs++;
}

static inline void outb(u16 port, u8 value)
{
    fake_out(port, 1, value);
}

static inline void outw(u16 port, u16 value)
{
    fake_out(port, 2, value);
}

static inline void outl(u16 port, u32 value)
{
    fake_out(port, 4, value);
}

static inline u8 inb(u16 port)
{
    return (u8)port;
}

static inline u16 inw(u16 port)
{
    return port;
}

static inline u32 inl(u16 port)
{
    return port;
}

static u64 fake_zeroed, fake_copied; /* bytes */

static inline void zero_memory(u64 address, u64 size)
{
    for (u64 i = 0; i < size; i++)
        ((u8 *)address)[i] = 0;
    fake_zeroed += size;
}

static inline void copy_memory(u64 to, u64 from, u64 size)
{
    for (u64 i = 0; i < size; i++)
        ((u8 *)to)[i] = ((const u8 *)from)[i];
    fake_copied += size;
}

/* What runs on a stack of its own; the test says where it ends. */
struct cpu;
static inline __attribute__((noreturn)) void on_stack(struct cpu *cpu,
                                                      void (*function)(struct cpu *))
{
    function(cpu);
    __builtin_trap();
}

static inline void wbinvd(void)
{
    fake.wbinvds++;
}

static inline void pause(void)
{
}

static u64 fake_cr3 = 0x1000, fake_read_cr3; /* when memory was last read */

static inline bool read_safe(u64 address, u64 *value)
{
    fake_read_cr3 = fake_cr3;
    (void)address;
    (void)value;
    return false;
}

struct pseudo_descriptor {
    u16 limit;
    u64 base;
} __attribute__((packed));

static u64 fake_gdt[8] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0xff00930000001234,
                          0x0040920000000fff};

static inline void store_tables(struct pseudo_descriptor *gdtr, struct pseudo_descriptor *idtr)
{
    *gdtr = (struct pseudo_descriptor){sizeof(fake_gdt) - 1, (u64)fake_gdt};
    *idtr = (struct pseudo_descriptor){0xfff, 0x5000};
}

static inline void clgi(void)
{
}

static inline void vmsave(void *vmcb)
{
    (void)vmcb;
}

static inline void vmload(void *vmcb)
{
    (void)vmcb;
}

static inline void clear_cr2_and_breakpoints(void)
{
}

static inline u16 read_cs(void)
{
    return 0x08;
}

static inline u16 read_ss(void)
{
    return 0x10;
}

static inline u16 read_ds(void)
{
    return 0x18;
}

static inline u16 read_es(void)
{
    return 0;
}

static inline u16 read_fs(void)
{
    return 0;
}

static inline u16 read_gs(void)
{
    return 0x20;
}

static u16 fake_tr, fake_ldtr;

static inline u16 read_tr(void)
{
    return fake_tr;
}

static inline u16 read_ldtr(void)
{
    return fake_ldtr;
}

static inline void write_cr0(u64 value)
{
    (void)value;
}

static inline void write_cr2(u64 value)
{
    (void)value;
}

static inline void write_cr3(u64 value)
{
    fake_cr3 = value;
}

static inline void write_cr4(u64 value)
{
    (void)value;
}

static inline void write_dr6(u64 value)
{
    (void)value;
}

/* XCR0: x87 and SSE only, unless a test says otherwise. */
static u64 fake_xcr0 = 1, fake_xcr0_valid = 3;

static inline bool xsetbv_safe(u32 index, u64 value)
{
    if (index || !(value & 1) || (value & ~fake_xcr0_valid))
        return false;
    fake_xcr0 = value;
    return true;
}

/* The last XRSTOR, XRSTORS or FXRSTOR. */
static struct {
    u32 count, fninits, mxcsr;
    bool supervisor;
    u64 xcr0, xss, area[72];
} fake_restored;

static inline void fake_restore(const void *area, bool supervisor)
{
    fake_restored.count++;
    fake_restored.supervisor = supervisor;
    fake_restored.xcr0 = fake_xcr0;
    rdmsr_safe(0xda0, &fake_restored.xss);
    for (u32 i = 0; i < sizeof(fake_restored.area) / 8; i++)
        fake_restored.area[i] = ((const u64 *)area)[i];
}

static inline void fninit(void)
{
    fake_restored.fninits++;
}

static inline void xrstor(const void *area)
{
    fake_restore(area, false);
}

static inline void xrstors(const void *area)
{
    fake_restore(area, true);
}

static inline void ldmxcsr(u32 value)
{
    fake_restored.mxcsr = value;
}

static inline void fxrstor(const void *area)
{
    fake_restore(area, false);
}

static inline u64 read_dr6(void)
{
    return 0xffff0ff0;
}

static inline u64 read_dr7(void)
{
    return 0x400;
}

static inline u64 read_cr0(void)
{
    return 0x80010033;
}

static inline u64 read_cr2(void)
{
    return 0;
}

static inline u64 read_cr3(void)
{
    return fake_cr3;
}

static inline u64 read_cr4(void)
{
    return 0x668;
}

#endif
