/* SVM from a guest's side: with EFER.SVME clear, as it is bare until someone sets it and always is
 * for a guest, every instruction of the family raises #UD (APM 15.5.1 and the instruction pages).
 */
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

static u8 scratch[4096] __attribute__((aligned(4096)));

static const struct {
    const char *name;
    core_work *execute;
} family[] = {
    {"vmrun", do_vmrun}, {"vmload", do_vmload}, {"vmsave", do_vmsave},   {"stgi", do_stgi},
    {"clgi", do_clgi},   {"skinit", do_skinit}, {"invlpga", do_invlpga},
};

static void try_family(u64 unused)
{
    (void)unused;
    for (u32 i = 0; i < COUNT(family); i++) {
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

void virtualization_probes(void)
{
    test_begin("svm-instructions-ud");
    expect(core_run_all(try_family, 0, 5000), "a core did not finish");
    test_end();
    svme();
    show_msrs();
}
