#include "machine/cpu_ops.h"

#include "hypercall.h"
#define CPUID_VMX             BIT(5) /* 1 ECX */
#define IA32_VMX_EPT_VPID_CAP 0x48c
#define EPT_CAP_1GIB          BIT(17)

#define IA32_S_CET      0x6a2
#define S_CET_SH_STK_EN BIT(0)

static void real_cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3])
                     : "a"(leaf), "c"(subleaf));
}

static u64 real_rdmsr(u32 msr)
{
    u32 low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (u64)high << 32 | low;
}

const struct cpu_ops real_cpu = {real_cpuid, real_rdmsr, read_cr4};

u32 cpuid_value(u32 leaf, u32 subleaf, enum cpuid_reg reg)
{
    u32 out[4];

    real_cpuid(leaf & 0x80000000, 0, out);
    if (out[CPUID_EAX] < leaf)
        return 0;
    real_cpuid(leaf, subleaf, out);
    return out[reg];
}

/* Leaf 0xB has all 32 bits; it exists where EBX is not 0 (APM volume 3, E.3.10). */
u32 own_apic_id(void)
{
    if (cpuid_value(0xb, 0, CPUID_EBX))
        return cpuid_value(0xb, 0, CPUID_EDX);
    return cpuid_value(1, 0, CPUID_EBX) >> 24;
}

/* AuthenticAMD and HygonGenuine, by the last third of the name. */
bool is_amd(void)
{
    u32 end = cpuid_value(0, 0, CPUID_ECX);

    return end == 0x444d4163 || end == 0x656e6975;
}

/* The MSR exists where there is an EPT, which the preflight knows. */
static bool ept_has_gib_pages(void)
{
    bool vmx = cpuid_value(1, 0, CPUID_ECX) & CPUID_VMX;

    return !vmx || preflight(&real_cpu) != PREFLIGHT_OK ||
           (real_rdmsr(IA32_VMX_EPT_VPID_CAP) & EPT_CAP_1GIB);
}

bool has_gib_pages(void)
{
    return (cpuid_value(0x80000001, 0, CPUID_EDX) & BIT(26)) && ept_has_gib_pages();
}

u64 physical_limit(void)
{
    u32 bits = cpuid_value(0x80000008, 0, CPUID_EAX) & 0xff;

    return BIT(bits >= 36 && bits <= 52 ? bits : 36);
}

u64 read_cr0(void)
{
    u64 value;

    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    return value;
}

u64 read_cr4(void)
{
    u64 value;

    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

/* The MSR exists where CR4.CET can be set. */
bool has_shadow_stack(void)
{
    return (read_cr4() & CR4_CET) && (real_rdmsr(IA32_S_CET) & S_CET_SH_STK_EN);
}

u64 hypercall(u32 call, u32 core, u32 item)
{
    u64 answer = HYPERCALL_SIGNATURE;

    if (is_amd())
        __asm__ volatile("vmmcall" : "+a"(answer) : "b"(item), "c"(call), "d"(core) : "memory");
    else
        __asm__ volatile("vmcall" : "+a"(answer) : "b"(item), "c"(call), "d"(core) : "memory");
    return answer;
}
