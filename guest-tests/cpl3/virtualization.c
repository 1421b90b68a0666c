/* Virtualization, and Cede's own hypercall. As in basic.efi, AMD's processors
 * are not asked about Intel's instructions: QEMU's TCG takes some for something else. */
#include "cpl3.h"
#include "cede.h"
#include "cpu.h"
#include "fault.h"
#include "report.h"

static u8 scratch[4096] __attribute__((aligned(4096)));

USER(do_vmcall, "vmcall")
USER(do_vmmcall, "vmmcall")
USER(do_vmrun, "vmrun")
USER(do_vmload, "vmload")
USER(do_vmsave, "vmsave")
USER(do_stgi, "stgi")
USER(do_clgi, "clgi")
USER(do_skinit, "skinit")
USER(do_invlpga, "xor %%ecx, %%ecx; invlpga")
USER(do_vmxon, "vmxon (%%rax)")
USER(do_vmxoff, "vmxoff")
USER(do_vmclear, "vmclear (%%rax)")
USER(do_vmptrld, "vmptrld (%%rax)")
USER(do_vmptrst, "vmptrst (%%rax)")
USER(do_vmread, "vmread %%rcx, (%%rax)")
USER(do_vmwrite, "vmwrite (%%rax), %%rcx")
USER(do_vmlaunch, "vmlaunch")
USER(do_vmresume, "vmresume")
USER(do_invept, "xor %%ecx, %%ecx; invept (%%rax), %%rcx")
USER(do_invvpid, "xor %%ecx, %%ecx; invvpid (%%rax), %%rcx")
USER(do_vmfunc, "xor %%eax, %%eax; vmfunc")
USER(do_getsec, "xor %%eax, %%eax; getsec")
USER(do_encls, ".byte 0x0f, 0x01, 0xcf")

/* Cede's own hypercall, which is for CPL 0. */
USER(do_hypercall, "mov %%edi, %%eax; xor %%ecx, %%ecx; xor %%edx, %%edx; vmmcall")
USER(do_hypercall_intel, "mov %%edi, %%eax; xor %%ecx, %%ecx; xor %%edx, %%edx; vmcall")

static const struct user amds[] = {
    {"vmrun", do_vmrun, VECTOR_UD, false},     {"vmload", do_vmload, VECTOR_UD, false},
    {"vmsave", do_vmsave, VECTOR_UD, false},   {"stgi", do_stgi, VECTOR_UD, false},
    {"clgi", do_clgi, VECTOR_UD, false},       {"skinit", do_skinit, VECTOR_UD, false},
    {"invlpga", do_invlpga, VECTOR_UD, false},
};

static const struct user intels[] = {
    {"vmcall", do_vmcall, VECTOR_UD, false},
    {"vmxon", do_vmxon, VECTOR_UD, false},
    {"vmxoff", do_vmxoff, VECTOR_UD, false},
    {"vmclear", do_vmclear, VECTOR_UD, false},
    {"vmptrld", do_vmptrld, VECTOR_UD, false},
    {"vmptrst", do_vmptrst, VECTOR_UD, false},
    {"vmread", do_vmread, VECTOR_UD, false},
    {"vmwrite", do_vmwrite, VECTOR_UD, false},
    {"vmlaunch", do_vmlaunch, VECTOR_UD, false},
    {"vmresume", do_vmresume, VECTOR_UD, false},
    {"invept", do_invept, VECTOR_UD, false},
    {"invvpid", do_invvpid, VECTOR_UD, false},
    {"vmfunc", do_vmfunc, VECTOR_UD, false},
    {"getsec", do_getsec, VECTOR_UD, false},
    {"encls", do_encls, VECTOR_UD, false},
    {"hypercall", do_hypercall_intel, VECTOR_UD, false},
    {"vmmcall", do_vmmcall, VECTOR_UD, false},
};

/* Bare EFER.SVME is clear, and they are #UD. Under Cede it is set, whatever the guest reads, and
 * #GP for CPL comes before the intercept (APM 15.5.1, 15.9): the one difference (docs/guests.md).
 */
static void amds_family(void)
{
    static const struct user call = {"vmmcall", do_vmmcall, VECTOR_UD, false},
                             own = {"hypercall", do_hypercall, VECTOR_UD, false};
    for (u32 i = 0; i < COUNT(amds); i++) {
        int vector = attempt_user(amds[i].execute, (u64)scratch, NULL);
        expect(vector == VECTOR_UD || (vector == VECTOR_GP && is_amd && under_cede()), "%s gave %d",
               amds[i].name, vector);
    }
    expect_vector(&call, 0);
    expect_vector(&own, HYPERCALL_SIGNATURE);
}

void virtualization_probes(void)
{
    test_begin("cpl3-virtualization");
    amds_family();
    for (u32 i = 0; i < COUNT(intels) && !is_amd; i++) {
        bool own = intels[i].execute == do_hypercall_intel;
        expect_vector(&intels[i], own ? HYPERCALL_SIGNATURE : (u64)scratch);
    }
    test_end();
}
