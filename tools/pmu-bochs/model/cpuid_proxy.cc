/*
 * A CPU model in front of Bochs' own: it answers for the PMU, in CPUID and for MSRs, and passes the
 * rest on. Bochs asks its CPU model for every MSR that it does not know itself.
 */
#include "machine.h"

#include "gui/siminterface.h"
#include "param_names.h"

namespace pmu
{

class CpuidProxy : public bx_cpuid_t
{
  public:
    CpuidProxy(bx_cpuid_t *model, Processor *p) : bx_cpuid_t(*model), inner(model), processor(p)
    {
    }

    const char *get_name(void) const override
    {
        return inner->get_name();
    }
    Bit32u get_vmx_extensions_bitmask(void) const override
    {
        return inner->get_vmx_extensions_bitmask();
    }
    Bit32u get_svm_extensions_bitmask(void) const override
    {
        return inner->get_svm_extensions_bitmask();
    }
    void dump_cpuid(void) const override
    {
        inner->dump_cpuid();
    }
    void get_cpuid_leaf(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const override;
    int rdmsr(Bit32u msr, Bit64u *value) override;
    int wrmsr(Bit32u msr, Bit64u value) override;

  private:
    void intel_leaf(uint32_t function, uint32_t subfunction, cpuid_function_t *leaf) const;
    void amd_leaf(uint32_t function, cpuid_function_t *leaf) const;

    bx_cpuid_t *inner;
    Processor *processor;
};

enum : uint32_t {
    SAPPHIRE_RAPIDS = 0x806f8, /* on an Ice Lake Linux takes LBRs for the older kind */
    ECX1_DTES64 = 1u << 2,
    ECX1_DSCPL = 1u << 4,
    ECX1_PDCM = 1u << 15,
    EDX1_DS = 1u << 21,
    EBX7_PT = 1u << 25,
    EDX7_ARCH_LBR = 1u << 19,
    EAX71_ARCH_PERFMON_EXT = 1u << 8,

    ECX81_IBS = 1u << 10,
    ECX81_PERFCTR_CORE = 1u << 23,
    ECX81_PERFCTR_NB = 1u << 24,
    ECX81_PERFCTR_LLC = 1u << 28,
    EBX88_IRPERF = 1u << 1,
    EAX8_21_SRSO_NO = 1u << 29, /* else Linux warns of a leak that an emulator does not have */
    EAX8_22_PERFMON_V2 = 1u << 0,
    EAX8_22_LBR = 3u << 1, /* LbrStack, LbrAndPmcFreeze */
    EDX8_0A_LBR_VIRT = 1u << 1,

    EAX6_ARAT = 1u << 2,
    EDX87_INVARIANT_TSC = 1u << 8,
    EDX87_EFFECTIVE_FREQUENCY = 1u << 10,
    EDX87_RAPL = 1u << 14, /* AMD's; Intel has none but the MSRs */
};

static void set(cpuid_function_t *to, const CpuidLeaf &from)
{
    to->eax = from.eax;
    to->ebx = from.ebx;
    to->ecx = from.ecx;
    to->edx = from.edx;
}

/* Leaves 15H and 16H: crystal, TSC and core all run at the rate that the bed gave the machine. */
static CpuidLeaf clock_leaf(uint32_t function)
{
    uint32_t ips = (uint32_t)SIM->get_param_num(BXPN_IPS)->get();
    return function == 0x15 ? CpuidLeaf{1, 1, ips, 0}
                            : CpuidLeaf{ips / 1000000, ips / 1000000, ips / 1000000, 0};
}

/* BTS and processor trace are absent, PEBS without its option, and so are their CPUID bits. Bochs
 * has no XSAVES state for architectural LBRs: the bit in leaf 0DH stays clear. */
void CpuidProxy::intel_leaf(uint32_t function, uint32_t subfunction, cpuid_function_t *leaf) const
{
    uint32_t last = options.version >= 6                    ? 0x23
                    : processor->intel->architectural_lbr() ? 0x1c
                                                            : 0x0a;
    switch (function) {
    case 0:
        leaf->eax = leaf->eax < last ? last : leaf->eax;
        break;
    case 1:
        if (processor->intel->architectural_lbr())
            leaf->eax = SAPPHIRE_RAPIDS;
        leaf->ecx = (leaf->ecx | ECX1_PDCM) & ~(ECX1_DTES64 | ECX1_DSCPL);
        leaf->edx &= ~EDX1_DS;
        if (options.pebs) {
            leaf->ecx |= ECX1_DTES64;
            leaf->edx |= EDX1_DS;
        }
        break;
    case 7:
        if (subfunction == 0) {
            leaf->ebx &= ~EBX7_PT;
            leaf->edx = (leaf->edx & ~EDX7_ARCH_LBR) |
                        (processor->intel->architectural_lbr() ? EDX7_ARCH_LBR : 0);
            if (options.version >= 6 && leaf->eax < 1)
                leaf->eax = 1;
        } else if (subfunction == 1 && options.version >= 6)
            leaf->eax |= EAX71_ARCH_PERFMON_EXT;
        break;
    case 0x0a:
        set(leaf, processor->intel->leaf_0a());
        break;
    case 0x14:
        set(leaf, CpuidLeaf());
        break;
    case 0x1c:
        set(leaf, processor->intel->leaf_1c());
        break;
    case 0x15:
    case 0x16:
        if (leaf->eax)
            set(leaf, clock_leaf(function));
        break;
    case 0x23:
        if (options.version >= 6)
            set(leaf, processor->intel->leaf_23(subfunction));
        break;
    }
}

void CpuidProxy::amd_leaf(uint32_t function, cpuid_function_t *leaf) const
{
    switch (function) {
    case 0x80000000:
        if (options.v2 && leaf->eax < 0x80000022)
            leaf->eax = 0x80000022;
        break;
    case 0x80000001:
        leaf->ecx =
            (leaf->ecx | ECX81_PERFCTR_CORE | ECX81_PERFCTR_NB | ECX81_PERFCTR_LLC) & ~ECX81_IBS;
        leaf->ecx |= options.ibs ? (uint32_t)ECX81_IBS : 0;
        break;
    case 0x8000000a:
        leaf->edx &= options.lbrv ? ~0u : ~EDX8_0A_LBR_VIRT;
        break;
    case 0x8000001b:
        set(leaf, options.ibs ? CpuidLeaf{Ibs::FEATURES, 0, 0, 0} : CpuidLeaf());
        break;
    case 0x80000008:
        leaf->ebx |= EBX88_IRPERF;
        break;
    case 0x80000021:
        leaf->eax |= options.v2 ? (uint32_t)EAX8_21_SRSO_NO : 0;
        break;
    case 0x80000022:
        if (!options.v2)
            set(leaf, CpuidLeaf());
        else if (options.lbrv2)
            set(leaf, CpuidLeaf{EAX8_22_PERFMON_V2 | EAX8_22_LBR,
                                Amd::COUNTERS | AmdLbr::DEPTH << 4, 0, 0});
        else
            set(leaf, CpuidLeaf{EAX8_22_PERFMON_V2, Amd::COUNTERS, 0, 0});
        break;
    }
}

/* Both vendors: of power management, which Bochs claims without having its MSRs, only a timer that
 * runs always; the TSC never changes its rate. */
static void common_leaf(uint32_t function, cpuid_function_t *leaf)
{
    if (function == 6)
        set(leaf, CpuidLeaf{EAX6_ARAT, 0, 0, 0});
    if (function == 0x80000007)
        leaf->edx = (leaf->edx | EDX87_INVARIANT_TSC | EDX87_RAPL) & ~EDX87_EFFECTIVE_FREQUENCY;
}

void CpuidProxy::get_cpuid_leaf(Bit32u function, Bit32u subfunction, cpuid_function_t *leaf) const
{
    inner->get_cpuid_leaf(function, subfunction, leaf);
    common_leaf(function, leaf);
    if (processor->intel)
        intel_leaf(function, subfunction, leaf);
    else
        amd_leaf(function, leaf);
}

int CpuidProxy::rdmsr(Bit32u msr, Bit64u *value)
{
    uint64_t it = 0;
    int result = processor->core->rdmsr(msr, &it);
    if (result == UNKNOWN)
        result = the_socket.rdmsr(processor->intel, msr, processor->clock(), &it);
    if (result == UNKNOWN)
        result = read_platform_msr(processor->number, msr, &it);
    *value = it;
    return result == UNKNOWN ? inner->rdmsr(msr, value) : result;
}

int CpuidProxy::wrmsr(Bit32u msr, Bit64u value)
{
    int result = processor->core->wrmsr(msr, value);
    if (result == UNKNOWN)
        result = the_socket.wrmsr(processor->intel, msr, processor->clock(), value);
    if (result == UNKNOWN)
        result = write_platform_msr(processor->number, msr, value);
    return result == UNKNOWN ? inner->wrmsr(msr, value) : result;
}

void install_cpuid_proxy(Processor *processor)
{
    processor->cpu->cpuid = new CpuidProxy(processor->cpu->cpuid, processor);
}

} // namespace pmu
