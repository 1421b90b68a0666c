/* Virtualization from a guest's side: with EFER.SVME clear (APM 15.5.1) or CR4.VMXE clear
 * (SDM 23.7), as they are bare until someone sets them and always are for a guest, every
 * instruction of the family raises #UD. AMD's on Intel's processors too; not the other way round,
 * since QEMU's TCG takes VMXON for something else. */
#include "basic.h"
#include "cede.h"
#include "cpu.h"
#include "fault.h"
#include "report.h"

#define INSTRUCTION(name, text)                                \
    static void name(u64 page)                                 \
    {                                                          \
        __asm__ volatile(text ::"a"(page), "c"(0) : "memory"); \
    }

INSTRUCTION(do_vmrun, "vmrun")
INSTRUCTION(do_vmload, "vmload")
INSTRUCTION(do_vmsave, "vmsave")
INSTRUCTION(do_stgi, "stgi")
INSTRUCTION(do_clgi, "clgi")
INSTRUCTION(do_skinit, "skinit")
INSTRUCTION(do_invlpga, "invlpga")
INSTRUCTION(do_vmxon, "vmxon (%%rax)")
INSTRUCTION(do_vmxoff, "vmxoff")
INSTRUCTION(do_vmclear, "vmclear (%%rax)")
INSTRUCTION(do_vmptrld, "vmptrld (%%rax)")
INSTRUCTION(do_vmptrst, "vmptrst (%%rax)")
INSTRUCTION(do_vmread, "vmread %%rcx, (%%rax)")
INSTRUCTION(do_vmwrite, "vmwrite (%%rax), %%rcx")
INSTRUCTION(do_vmlaunch, "vmlaunch")
INSTRUCTION(do_vmresume, "vmresume")
INSTRUCTION(do_invept, "invept (%%rax), %%rcx")
INSTRUCTION(do_invvpid, "invvpid (%%rax), %%rcx")

static u8 scratch[4096] __attribute__((aligned(4096)));

static const struct {
    const char *name;
    core_work *execute;
} family[] = {
    {"vmrun", do_vmrun},       {"vmload", do_vmload},   {"vmsave", do_vmsave},
    {"stgi", do_stgi},         {"clgi", do_clgi},       {"skinit", do_skinit},
    {"invlpga", do_invlpga},   {"vmxon", do_vmxon},     {"vmxoff", do_vmxoff},
    {"vmclear", do_vmclear},   {"vmptrld", do_vmptrld}, {"vmptrst", do_vmptrst},
    {"vmread", do_vmread},     {"vmwrite", do_vmwrite}, {"vmlaunch", do_vmlaunch},
    {"vmresume", do_vmresume}, {"invept", do_invept},   {"invvpid", do_invvpid},
};

enum { AMDS = 7 }; /* come first */

static void try_family(u64 unused)
{
    (void)unused;
    for (u32 i = 0; i < (is_amd ? AMDS : COUNT(family)); i++) {
        struct fault fault;
        u64 argument = i == 6 ? 0 : (u64)scratch;
        int vector = attempt(family[i].execute, argument, &fault);
        expect(vector == VECTOR_UD, "core %u: %s gave %d, not #UD", this_core()->index,
               family[i].name, vector);
        expect(vector != VECTOR_UD || fault.frame.rax == argument, "%s changed RAX",
               family[i].name);
    }
}

/* Setting SVME takes bare and is refused or ignored under Cede; either way it is clear afterwards.
 */
static void svme(void)
{
    u64 efer = rdmsr(MSR_EFER), after = efer;
    int vector = wrmsr_safe(MSR_EFER, efer | EFER_SVME);
    after = rdmsr(MSR_EFER);
    say("info: EFER.SVME set: fault %d, reads back %u", vector, (u32)(after >> 12 & 1));
    if (!vector || after & EFER_SVME) {
        wrmsr_safe(MSR_EFER, efer);
    }
    test_begin("efer-svme-cleared");
    expect(rdmsr(MSR_EFER) == efer, "EFER %lx, was %lx", rdmsr(MSR_EFER), efer);
    test_end();
    if (under_cede()) {
        test_begin_cede("efer-svme-hidden");
        expect(!(after & EFER_SVME) && !(efer & EFER_SVME), "the guest sees SVME");
        test_end();
    }
}

static void show_msrs(void)
{
    u64 vm_cr = 0, hsave = 0;
    int a = rdmsr_safe(MSR_VM_CR, &vm_cr), b = rdmsr_safe(MSR_VM_HSAVE_PA, &hsave);
    say("info: VM_CR %lx (fault %d), VM_HSAVE_PA %lx (fault %d)", vm_cr, a, hsave, b);
    if (under_cede()) {
        test_begin_cede("hsave-hidden");
        expect(!hsave, "VM_HSAVE_PA shows %lx", hsave);
        wrmsr_safe(MSR_VM_HSAVE_PA, (u64)scratch);
        wrmsr_safe(MSR_VM_CR, 0);
        expect(hypercall(HYPERCALL_VERSION, 0, 0) == CEDE_VERSION, "no answer after the writes");
        test_end();
    }
}

static void set_vmxe(u64 cr4)
{
    WRITE_CR(4, cr4 | CR4_VMXE);
}

/* CR4.VMXE takes bare and is refused under Cede; either way it is clear afterwards. */
static void vmxe(void)
{
    u64 cr4 = READ_CR(4), feature_control = 0, basic = 0;
    int vector = attempt(set_vmxe, cr4, NULL);
    WRITE_CR(4, cr4);
    int control = rdmsr_safe(0x3a, &feature_control), capability = rdmsr_safe(0x480, &basic);
    say("info: CR4.VMXE set: fault %d; FEATURE_CONTROL %lx (fault %d), VMX_BASIC %lx (fault %d)",
        vector, feature_control, control, basic, capability);
    if (under_cede()) {
        test_begin_cede("vmxe-hidden");
        expect(vector == VECTOR_GP, "CR4.VMXE can be set");
        expect(!(feature_control & 6), "FEATURE_CONTROL %lx allows VMX", feature_control);
        expect(capability == VECTOR_GP, "VMX_BASIC is %lx", basic);
        test_end();
    }
}

void virtualization_probes(void)
{
    test_begin("virtualization-ud");
    expect(core_run_all(try_family, 0, 5000), "a core did not finish");
    test_end();
    if (is_amd) {
        svme();
        show_msrs();
    } else {
        vmxe();
    }
}
