#include "host/host.h"
#include "base/asm.h"
#include "base/msr.h"
#include "guest.h"

#define GDT_TSS   0x0000890000000067ULL /* available 64-bit TSS, limit 103 */
#define VECTORS   32
#define STUB_SIZE 16

struct gate {
    u16 offset_low, selector;
    u8 ist, type;
    u16 offset_mid;
    u32 offset_high, reserved;
};

/* At CPU_TABLES of each core's block. The TSS holds nothing: gates use IST 0 and nothing runs at
 * CPL 3; VMX wants one, and TR must not point at the guest's once the host has panicked. */
struct cpu_tables {
    u64 gdt[5];
    u8 tss[104];
};

extern const char exception_stubs[];

static struct gate idt[VECTORS];

static struct cpu_tables *tables_of(struct cpu *cpu)
{
    return (struct cpu_tables *)((u8 *)cpu + CPU_TABLES);
}

static void fill_gdt(struct cpu_tables *tables)
{
    u64 tss = (u64)tables->tss;

    tables->gdt[1] = GDT_CODE64;
    tables->gdt[2] = GDT_DATA;
    tables->gdt[3] = GDT_TSS | (tss & 0xffffff) << 16 | (tss >> 24 & 0xff) << 56;
    tables->gdt[4] = tss >> 32;
}

static void fill_gate(u32 vector)
{
    u64 stub = (u64)exception_stubs + vector * STUB_SIZE;

    idt[vector] = (struct gate){.offset_low = (u16)stub,
                                .selector = HOST_CS,
                                .type = 0x8e, /* present interrupt gate */
                                .offset_mid = (u16)(stub >> 16),
                                .offset_high = (u32)(stub >> 32)};
}

void host_prepare(void)
{
    for (u32 vector = 0; vector < VECTORS; vector++)
        fill_gate(vector);
    for (u32 i = 0; i < hv.info->cpu_count; i++)
        fill_gdt(tables_of(cpu_at(i)));
}

struct host_tables host_tables(struct cpu *cpu)
{
    const struct cpu_tables *tables = tables_of(cpu);

    return (struct host_tables){(u64)tables->gdt, (u64)idt, (u64)tables->tss};
}

void host_load(struct cpu *cpu)
{
    struct pseudo_descriptor gdtr = {sizeof(u64) * 5 - 1, (u64)tables_of(cpu)->gdt};
    struct pseudo_descriptor idtr = {sizeof(idt) - 1, (u64)idt};

    /* The tables use NX, which firmware may not have switched on. */
    wrmsr(IA32_EFER, rdmsr(IA32_EFER) | EFER_NXE | (hv.auto_ibrs ? EFER_AIBRSE : 0));
    /* CR4 first: LA57 is the same in both, CET must be off before the new tables are in force. */
    write_cr4(hv.host_cr4);
    write_cr3(guest_host_cr3(cpu->guest));
    write_cr0(HOST_CR0);
    __asm__ volatile("lgdt %0; lidt %1" : : "m"(gdtr), "m"(idtr) : "memory");
    __asm__ volatile("pushq %0; lea 1f(%%rip), %%rax; pushq %%rax; lretq; 1:"
                     :
                     : "i"(HOST_CS)
                     : "rax", "memory");
    __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%ss" : : "r"(HOST_DS) : "memory");
}
