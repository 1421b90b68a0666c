/*
 * INIT, SIPI, IPIs and sleep where Bochs departs from the manuals. These functions replace or
 * surround its own by the linker's --wrap, which catches the calls from other files than their own.
 */
#include "machine.h"

#include <csetjmp>
#include <cstring>

using namespace pmu;

/* SDM 3C 24.8: INIT is blocked in VMX root operation, that is held until VM entry or VMXOFF. Bochs
 * drops it. */
extern "C" void __real__ZN8BX_CPU_C12deliver_INITEv(BX_CPU_C *c);
extern "C" void __wrap__ZN8BX_CPU_C12deliver_INITEv(BX_CPU_C *c)
{
    if (c->in_vmx && !c->in_vmx_guest)
        c->signal_event(BX_EVENT_INIT);
    else
        __real__ZN8BX_CPU_C12deliver_INITEv(c);
}

/* A SIPI may cause a VM exit on the processor that receives it. Bochs then leaves by longjmp, in
 * the middle of the instruction by which another processor sends it: here that one goes on. */
extern "C" void __real__ZN8BX_CPU_C12deliver_SIPIEj(BX_CPU_C *c, unsigned vector);
extern "C" void __wrap__ZN8BX_CPU_C12deliver_SIPIEj(BX_CPU_C *c, unsigned vector)
{
    jmp_buf outer;
    memcpy(&outer, &BX_CPU_C::jmp_buf_env, sizeof outer);
    if (!setjmp(BX_CPU_C::jmp_buf_env))
        __real__ZN8BX_CPU_C12deliver_SIPIEj(c, vector);
    memcpy(&BX_CPU_C::jmp_buf_env, &outer, sizeof outer);
}

/* Sleep without HLT or MWAIT: by VM entry, by INIT. */
extern "C" void __real__ZN8BX_CPU_C17enter_sleep_stateEj(BX_CPU_C *c, unsigned state);
extern "C" void __wrap__ZN8BX_CPU_C17enter_sleep_stateEj(BX_CPU_C *c, unsigned state)
{
    pmu_halted(c->which_cpu());
    __real__ZN8BX_CPU_C17enter_sleep_stateEj(c, state);
}

/* Members that Bochs keeps to itself: an explicit instantiation may name them. */
template <Bit32u bx_local_apic_c::*high, Bit32u bx_local_apic_c::*low> struct IcrOf {
    friend void keep_icr(bx_local_apic_c *apic, Bit32u value_high, Bit32u value_low)
    {
        apic->*high = value_high;
        apic->*low = value_low;
    }
};
void keep_icr(bx_local_apic_c *apic, Bit32u value_high, Bit32u value_low);
template struct IcrOf<&bx_local_apic_c::icr_hi, &bx_local_apic_c::icr_lo>;

/* SDM 3A 11.12.9: the x2APIC's ICR reads as it was written. Bochs' goes on reading as it was in
 * xAPIC mode. */
extern "C" bool __real__ZN15bx_local_apic_c12write_x2apicEjjj(bx_local_apic_c *apic, unsigned index,
                                                              Bit32u high, Bit32u low);
extern "C" bool __wrap__ZN15bx_local_apic_c12write_x2apicEjjj(bx_local_apic_c *apic, unsigned index,
                                                              Bit32u high, Bit32u low)
{
    if (index == 0x830)
        keep_icr(apic, high, low);
    if (write_extended_x2apic(apic, index, high, low))
        return true;
    return __real__ZN15bx_local_apic_c12write_x2apicEjjj(apic, index, high, low);
}
