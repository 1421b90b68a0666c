/* The slow path alone: who is asked about each exit, what is made of the answer, and that nothing
 * else happens. What the vendor-neutral handlers do is theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "svm/svm.h"

static bool write_noted(u32 msr, u64 value);
static void store_resident(struct vmcb *to);
#define wrmsr_safe write_noted
#define vmsave     store_resident
#include "svm/slow.c"
#undef wrmsr_safe

struct hv hv;
struct svm svm;
struct pmu pmu;

enum handler {
    NOBODY,
    EXIT_CPUID_ASKED,
    MSR_READ,
    MSR_WRITE,
    FIRST_TOUCH,
    APIC_PAGE,
    NMI_EXIT,
    SMI_EXIT,
    IRET_EXIT,
    STEPPED,
    INIT_EXIT,
    IO_EXIT,
    OUTS_EXIT,
    RDPMC_EXIT,
    INVD_EXIT,
    HYPERCALL,
    MC_EXIT,
    TRIPLE_FAULT,
    UNEXPECTED,
};

#define RAX_IN  0x1122334455667788
#define RAX_OUT 0x8877665544332211
#define RSP_IN  0x7000
#define RSP_OUT 0x6ff8

static u8 *block;
static struct cpu *cpu;
static struct kept_exit traced;
static u32 traces;
static struct vmcb *vmcb;
static enum handler asked;
static u32 calls, ticks, credited, vmruns_credited, efer_writes, vmsaves;
static bool answer, user;
static u64 arguments[4], event_at_call, msr_value, efer_in_force;
static enum outs_status outs_answer;
static struct outs described;
static jmp_buf stopped;

/* Every handler finds the guest's registers, and may change them. */
static void ask(enum handler handler, u64 a, u64 b, u64 c, u64 d)
{
    assert_int_equal(cpu->regs[RAX], RAX_IN);
    assert_int_equal(cpu->regs[RSP], RSP_IN);
    assert_int_equal(ticks, 0);
    assert_int_equal(credited, 0);
    cpu->regs[RAX] = RAX_OUT;
    cpu->regs[RSP] = RSP_OUT;
    event_at_call = vmcb->event_inj;
    asked = handler;
    calls++;
    arguments[0] = a;
    arguments[1] = b;
    arguments[2] = c;
    arguments[3] = d;
}

static bool write_noted(u32 msr, u64 value)
{
    assert_int_equal(msr, IA32_EFER);
    efer_writes++;
    efer_in_force = value;
    return wrmsr_safe(msr, value);
}

static void store_resident(struct vmcb *to)
{
    to->fs.base = 0xf5000;
    to->gs.base = 0xffff88800000;
    vmsaves++;
}

void keep_exit(struct cpu *self, struct kept_exit *exit)
{
    assert_ptr_equal(self, cpu);
    assert_int_equal(calls, 0); /* before whoever handles it may die of it */
    assert_int_equal(self->regs[RAX], RAX_IN);
    traced = *exit;
    traces++;
}

void log_line(const char *format, ...)
{
    (void)format;
}

void exit_cpuid(struct cpu *self, u64 cr4)
{
    assert_ptr_equal(self, cpu);
    ask(EXIT_CPUID_ASKED, cr4, 0, 0, 0);
}

bool msr_read(struct cpu *self, u32 msr, u64 *value)
{
    assert_ptr_equal(self, cpu);
    ask(MSR_READ, msr, 0, 0, 0);
    *value = msr_value;
    return answer;
}

bool msr_write(struct cpu *self, u32 msr, u64 value)
{
    assert_ptr_equal(self, cpu);
    ask(MSR_WRITE, msr, value, 0, 0);
    return answer;
}

bool exit_first_touch(struct cpu *self, u64 gpa, u64 rip)
{
    assert_ptr_equal(self, cpu);
    ask(FIRST_TOUCH, gpa, rip, 0, 0);
    return answer;
}

void apic_page_write(struct cpu *self, u64 gpa)
{
    assert_ptr_equal(self, cpu);
    ask(APIC_PAGE, gpa, 0, 0, 0);
}

void svm_nmi_exit(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    ask(NMI_EXIT, 0, 0, 0, 0);
}

void svm_smi_exit(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    ask(SMI_EXIT, 0, 0, 0, 0);
}

void svm_iret_exit(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    ask(IRET_EXIT, 0, 0, 0, 0);
}

void svm_stepped(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    ask(STEPPED, 0, 0, 0, 0);
}

void svm_init_exit(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    ask(INIT_EXIT, 0, 0, 0, 0);
}

void exit_io(struct cpu *self, u16 port, u32 size, bool in)
{
    assert_ptr_equal(self, cpu);
    ask(IO_EXIT, port, size, in, 0);
}

enum outs_status outs(struct cpu *self, const struct outs *what)
{
    assert_ptr_equal(self, cpu);
    ask(OUTS_EXIT, 0, 0, 0, 0);
    described = *what;
    return outs_answer;
}

void exit_rdpmc(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    ask(RDPMC_EXIT, 0, 0, 0, 0);
}

void exit_invd(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    ask(INVD_EXIT, 0, 0, 0, 0);
}

bool exit_hypercall(struct cpu *self, u32 cpl)
{
    assert_ptr_equal(self, cpu);
    ask(HYPERCALL, cpl, 0, 0, 0);
    return answer;
}

void exit_machine_check(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    ask(MC_EXIT, 0, 0, 0, 0);
}

void exit_triple_fault(struct cpu *self, u64 cs, u64 rip, u64 cr2, u64 cr3)
{
    assert_ptr_equal(self, cpu);
    ask(TRIPLE_FAULT, cs, rip, cr2, cr3);
    longjmp(stopped, 1);
}

void exit_unexpected(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    asked = UNEXPECTED;
    longjmp(stopped, 1);
}

void console_tick(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    ticks++;
}

void credit_begin_amd(struct cpu *self, bool above_0)
{
    assert_ptr_equal(self, cpu);
    assert_int_equal(calls, 0);
    user = above_0;
    self->pmu.core.due = 1;
}

static u64 wrapped_next, overflowed, overflow_debugctl;

u64 credit_finish_amd(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    credited++;
    return wrapped_next;
}

void credit_overflow_amd(struct cpu *self, u64 wrapped, u64 debugctl)
{
    assert_ptr_equal(self, cpu);
    overflowed = wrapped;
    overflow_debugctl = debugctl;
}

u64 svm_guest_debugctl(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    return rdmsr(IA32_DEBUGCTL);
}

void credit_vmrun(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    assert_int_equal(vmcb->rax, cpu->regs[RAX]);
    vmruns_credited++;
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake_msr(IA32_EFER, 0x1d00, 0x203fd01);
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    vmcb = cpu_vmcb(cpu);
    vmcb->cr0 = 0x80000011;
    vmcb->cr4 = 0x20;
    vmcb->efer = 0x1500;
    vmcb->cs.selector = 0x33;
    vmcb->cr2 = 0xc2;
    vmcb->cr3 = 0xc3000;
    cpu->regs[RCX] = 0xdead00000174;
    cpu->regs[RDX] = 0xbeef00000001;
    hv.apic_base = 0xfee00000;
    svm = (struct svm){.flush_by_asid = true};
    pmu.vmrun_branch = false;
    vmruns_credited = efer_writes = vmsaves = 0;
    efer_in_force = 0;
    answer = true;
    msr_value = 0x99aabbccddeeff00;
    outs_answer = OUTS_DONE;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

/* Whether the core goes on. */
static bool takes(u64 code, u64 info1, u64 info2)
{
    volatile bool goes_on = true;

    asked = NOBODY;
    calls = ticks = credited = 0;
    memset(arguments, 0, sizeof(arguments));
    event_at_call = 0;
    vmcb->rip = 0x100;
    vmcb->rax = RAX_IN;
    vmcb->rsp = RSP_IN;
    vmcb->event_inj = 0;
    vmcb->int_shadow = 1;
    vmcb->clean = CLEAN_ALL;
    vmcb->exit_code = code;
    vmcb->exit_info1 = info1;
    vmcb->exit_info2 = info2;
    if (setjmp(stopped))
        goes_on = false;
    else
        svm_slow_exit(cpu);
    if (goes_on) {
        assert_int_equal(ticks, 1);
        assert_int_equal(vmcb->rax, cpu->regs[RAX]);
        assert_int_equal(vmcb->rsp, cpu->regs[RSP]);
    }
    return goes_on;
}

#define UD_EVENT      0x80000306
#define GP_EVENT      0x80000b0d
#define GP_REAL_EVENT 0x8000030d
#define DB_EVENT      0x80000301

/* Emulated, or not: a fault, or executed again. */
static void expect_emulated(u32 bytes)
{
    assert_int_equal(vmcb->rip, 0x100 + bytes);
    assert_int_equal(vmcb->int_shadow, 0);
    assert_int_equal(vmcb->event_inj, 0);
    assert_int_equal(credited, 1);
}

static void expect_not_emulated(u64 event)
{
    assert_int_equal(vmcb->rip, 0x100);
    assert_int_equal(vmcb->int_shadow, 1);
    assert_int_equal(vmcb->event_inj, event);
    assert_int_equal(credited, 0);
}

static u64 all_exits(void)
{
    u64 sum = 0;

    for (u32 i = 0; i < EXIT_REASONS; i++)
        sum += cpu->exits[i];
    return sum;
}

/* Who counts its exits itself is asked; here only these are counted. */
static void expect_counted(u32 reason, u64 times)
{
    assert_int_equal(cpu->exits[reason], times);
    assert_int_equal(all_exits(), times);
}

/* --- who is asked -------------------------------------------------------------------------------
 */

/* Lengths of the plain instructions, where the processor does not say (NRIPS). */
static void instructions_that_are_emulated(void **state)
{
    static const struct {
        u64 code, info1;
        enum handler handler;
        u32 bytes;
    } exits[] = {
        {0x72, 0, EXIT_CPUID_ASKED, 2}, {0x7c, 0, MSR_READ, 2},  {0x7c, 1, MSR_WRITE, 2},
        {0x6f, 0, RDPMC_EXIT, 2},       {0x76, 0, INVD_EXIT, 2}, {0x89, 0, INVD_EXIT, 2},
        {0x81, 0, HYPERCALL, 3},
    };

    (void)state;
    cpu->pmu.core.attention = 1;
    for (u32 i = 0; i < COUNT(exits); i++) {
        vmcb->nrip = 0;
        assert_true(takes(exits[i].code, exits[i].info1, 0));
        assert_int_equal(asked, exits[i].handler);
        assert_int_equal(calls, 1);
        expect_emulated(exits[i].bytes);
        vmcb->nrip = 0x10f;
        assert_true(takes(exits[i].code, exits[i].info1, 0));
        expect_emulated(15);
    }
    assert_int_equal(all_exits(), 0);
}

static void cpuid_depends_on_cr4(void **state)
{
    (void)state;
    vmcb->cr4 = 0x40668;
    assert_true(takes(VMEXIT_CPUID, 0, 0));
    assert_int_equal(arguments[0], 0x40668);
}

static void what_interrupts_the_guest(void **state)
{
    static const struct {
        u64 code;
        enum handler handler;
    } exits[] = {{0x61, NMI_EXIT}, {0x62, SMI_EXIT},  {0x63, INIT_EXIT},
                 {0x52, MC_EXIT},  {0x74, IRET_EXIT}, {0x41, STEPPED}};

    (void)state;
    cpu->pmu.core.attention = 1;
    for (u32 i = 0; i < COUNT(exits); i++) {
        assert_true(takes(exits[i].code, 1, 0));
        assert_int_equal(asked, exits[i].handler);
        assert_int_equal(calls, 1);
        expect_not_emulated(0);
        expect_counted(EXIT_SMI, i > 0); /* the others count theirs */
    }
}

/* APM 15.4: without EFER.SVME they are undefined, and that is how the guest sees it. RDPRU
 * likewise where its CPUID bit is clear. */
static void instructions_that_the_guest_does_not_have(void **state)
{
    static const u64 codes[] = {0x80, 0x82, 0x83, 0x84, 0x85, 0x86, 0x7a};

    (void)state;
    cpu->pmu.core.attention = 1;
    for (u32 i = 0; i < COUNT(codes); i++) {
        assert_true(takes(codes[i], 0, 0));
        assert_int_equal(calls, 0);
        expect_not_emulated(UD_EVENT);
        expect_counted(EXIT_VIRT_INSN, i + 1);
    }
    memset(cpu->exits, 0, sizeof(cpu->exits));
    assert_true(takes(0x8e, 0, 0));
    expect_not_emulated(UD_EVENT);
    expect_counted(EXIT_PMU_READ, 1);
}

static bool is_known(u64 code)
{
    static const u64 known[] = {0x41, 0x74, 0x52, 0x61, 0x62, 0x63, 0x6f, 0x72,
                                0x76, 0x7a, 0x7b, 0x7c, 0x7f, 0x80, 0x81, 0x82,
                                0x83, 0x84, 0x85, 0x86, 0x89, 0x8e, 0x400};

    for (u32 i = 0; i < COUNT(known); i++)
        if (code == known[i])
            return true;
    return false;
}

static void all_others_stop_the_core(void **state)
{
    u32 unexpected = 0;

    (void)state;
    for (u64 code = 0; code <= 0x404; code++) {
        if (is_known(code))
            continue;
        assert_false(takes(code, 0, 0));
        assert_int_equal(asked, UNEXPECTED);
        expect_counted(EXIT_OTHER, ++unexpected);
    }
    assert_false(takes(~0ULL, 0, 0)); /* VMRUN refused the VMCB */
    assert_int_equal(asked, UNEXPECTED);
}

static void a_shutdown_is_said_with_where_it_was(void **state)
{
    (void)state;
    assert_false(takes(VMEXIT_SHUTDOWN, 0, 0));
    assert_int_equal(asked, TRIPLE_FAULT);
    assert_int_equal(arguments[0], 0x33);
    assert_int_equal(arguments[1], 0x100);
    assert_int_equal(arguments[2], 0xc2);
    assert_int_equal(arguments[3], 0xc3000);
}

static void registers_of_the_vmcb_come_and_go(void **state)
{
    (void)state;
    assert_true(takes(VMEXIT_CPUID, 0, 0));
    assert_int_equal(vmcb->rax, RAX_OUT);
    assert_int_equal(vmcb->rsp, RSP_OUT);
    assert_true(takes(VMEXIT_VMRUN, 0, 0));
    assert_int_equal(vmcb->rax, RAX_IN);
    assert_int_equal(vmcb->rsp, RSP_IN);
}

/* --- credit -------------------------------------------------------------------------------------
 */

static void who_is_credited_is_noted_before(void **state)
{
    (void)state;
    for (u8 cpl = 0; cpl < 4; cpl++) {
        vmcb->cpl = cpl;
        cpu->pmu.core.attention = 0x20;
        assert_true(takes(VMEXIT_CPUID, 0, 0));
        assert_int_equal(credited, 1);
        assert_int_equal(user, cpl != 0);
        cpu->pmu.core.attention = 0;
        assert_true(takes(VMEXIT_CPUID, 0, 0)); /* `due` of the last one is forgotten */
        assert_int_equal(credited, 0);
    }
}

/* DebugCtl is the guest's, wherever it is: it says what a PMI freezes. */
static void what_wraps_is_told_with_the_guests_debugctl(void **state)
{
    (void)state;
    fake_msr(IA32_DEBUGCTL, 0x1800, ~0ULL);
    cpu->pmu.core.attention = 0x20;
    overflowed = wrapped_next = 0;
    assert_true(takes(VMEXIT_CPUID, 0, 0));
    assert_int_equal(overflowed, 0);
    wrapped_next = 5;
    assert_true(takes(VMEXIT_CPUID, 0, 0));
    wrapped_next = 0;
    assert_int_equal(overflowed, 5);
    assert_int_equal(overflow_debugctl, 0x1800);
}

static void entries_are_taken_off_where_they_are_counted(void **state)
{
    (void)state;
    assert_true(takes(VMEXIT_NMI, 0, 0));
    assert_int_equal(vmruns_credited, 0);
    pmu.vmrun_branch = true;
    assert_true(takes(VMEXIT_NMI, 0, 0));
    assert_int_equal(vmruns_credited, 1);
}

/* --- single steps -------------------------------------------------------------------------------
 */

/* APM 13.1.4: TF traps after the instruction, with DR6.BS; with BTF only branches do. RF ends with
 * the instruction whatever happens. */
static void a_single_step_traps_behind_the_instruction(void **state)
{
    (void)state;
    fake_msr(IA32_DEBUGCTL, 0, ~0ULL);
    for (u32 i = 0; i < 4; i++) {
        bool tf = i & 1, btf = i & 2, traps = tf && !btf;

        wrmsr(IA32_DEBUGCTL, ~2ULL | (btf ? 2 : 0));
        vmcb->rflags = 0x10202 | (tf ? 0x100 : 0);
        vmcb->dr6 = 0xffff0ff1;
        assert_true(takes(VMEXIT_CPUID, 0, 0));
        assert_int_equal(vmcb->rip, 0x102);
        assert_int_equal(vmcb->rflags, 0x202 | (tf ? 0x100 : 0));
        assert_int_equal(vmcb->event_inj, traps ? DB_EVENT : 0);
        assert_int_equal(vmcb->dr6, traps ? 0xffff4ff1 : 0xffff0ff1);
        assert_int_equal(vmcb->clean, traps ? CLEAN_ALL & ~BIT(6) : CLEAN_ALL);
    }
}

/* There is none here: rdmsr() would crash. */
static void without_tf_nobody_reads_debugctl(void **state)
{
    (void)state;
    vmcb->rflags = ~0x100ULL;
    assert_true(takes(VMEXIT_CPUID, 0, 0));
    assert_int_equal(vmcb->event_inj, 0);
}

/* --- MSRs ---------------------------------------------------------------------------------------
 */

static void msrs_are_named_by_ecx(void **state)
{
    (void)state;
    assert_true(takes(VMEXIT_MSR, 0, 0));
    assert_int_equal(arguments[0], 0x174);
    assert_int_equal(vmcb->rax, 0xddeeff00);
    assert_int_equal(cpu->regs[RDX], 0x99aabbcc);
    cpu->regs[RDX] = 0xbeef00000001;
    assert_true(takes(VMEXIT_MSR, 1, 0));
    assert_int_equal(arguments[0], 0x174);
    assert_int_equal(arguments[1], 0x155667788);
}

static void what_the_guest_may_not_faults(void **state)
{
    (void)state;
    cpu->pmu.core.attention = 1;
    answer = false;
    for (u32 write = 0; write < 2; write++) {
        vmcb->cr0 = 0x80000011;
        assert_true(takes(VMEXIT_MSR, write, 0));
        expect_not_emulated(GP_EVENT);
        assert_int_equal(cpu->regs[RDX], 0xbeef00000001);
        vmcb->cr0 = 0x10;
        assert_true(takes(VMEXIT_MSR, write, 0));
        expect_not_emulated(GP_REAL_EVENT);
    }
}

/* RAX of takes() cannot be chosen: the value is written by the guest's own means. */
static bool writes_efer(u64 value)
{
    cpu->regs[RCX] = IA32_EFER;
    calls = ticks = credited = 0;
    vmcb->rip = 0x100;
    vmcb->int_shadow = 1;
    vmcb->event_inj = 0;
    vmcb->clean = CLEAN_ALL;
    vmcb->tlb_control = 0;
    vmcb->exit_code = VMEXIT_MSR;
    vmcb->exit_info1 = 1;
    vmcb->rax = (u32)value;
    cpu->regs[RDX] = value >> 32;
    efer_writes = 0;
    svm_slow_exit(cpu);
    assert_int_equal(calls, 0);
    assert_int_equal(rdmsr(IA32_EFER), 0x1d00); /* the host's again */
    return !vmcb->event_inj;
}

/* APM 3.1.7. The guest's reads and writes of LMA are the processor's. */
static void efer_is_the_guests_with_svme_for_vmrun(void **state)
{
    (void)state;
    for (u32 by_asid = 0; by_asid < 2; by_asid++) {
        svm.flush_by_asid = by_asid;
        vmcb->efer = 0x1500;
        assert_true(writes_efer(0x4901)); /* FFXSR, NXE, LME, SCE */
        assert_int_equal(vmcb->efer, 0x5d01);
        assert_int_equal(vmcb->rip, 0x102);
        assert_int_equal(vmcb->clean, CLEAN_ALL & ~BIT(5));
        assert_int_equal(vmcb->tlb_control, by_asid ? 3 : 1);
    }
    assert_int_equal(cpu->exits[EXIT_MSR_WRITE], 2);
    assert_int_equal(all_exits(), 2);
    assert_true(writes_efer(0x100)); /* what Linux writes clears bits, too */
    assert_int_equal(vmcb->efer, 0x1500);
}

/* Never is the host without the long mode, NX and SVM that it runs with. */
static void the_host_lives_through_the_guests_efer(void **state)
{
    (void)state;
    assert_true(writes_efer(0x4101));
    assert_int_equal(efer_writes, 1);
    assert_int_equal(efer_in_force, 0x5d01);
    fake.msr[fake_msr_index(IA32_EFER)].value = 0x1500; /* without NX it does not get it */
    cpu->regs[RCX] = IA32_EFER;
    vmcb->rax = 0x900;
    cpu->regs[RDX] = 0;
    svm_slow_exit(cpu);
    assert_int_equal(efer_in_force, 0x1500);
}

static void lma_is_not_the_guests_to_write(void **state)
{
    (void)state;
    assert_true(writes_efer(0x100));
    assert_int_equal(vmcb->efer, 0x1500);
    vmcb->cr0 = 0x11; /* no paging: LME may change, LMA is clear */
    vmcb->efer = 0x1000;
    assert_true(writes_efer(0x500));
    assert_int_equal(vmcb->efer, 0x1100);
    assert_true(writes_efer(0));
    assert_int_equal(vmcb->efer, 0x1000);
}

static void expect_efer_refused(u64 value)
{
    u64 before = vmcb->efer;

    assert_false(writes_efer(value));
    assert_int_equal(vmcb->event_inj, GP_EVENT);
    assert_int_equal(vmcb->rip, 0x100);
    assert_int_equal(vmcb->efer, before);
    assert_int_equal(vmcb->clean, CLEAN_ALL);
    assert_int_equal(vmcb->tlb_control, 0);
}

static void efer_faults_where_the_processors_does(void **state)
{
    (void)state;
    expect_efer_refused(0x1100);          /* SVME is not the guest's */
    expect_efer_refused(0x000);           /* LME under paging */
    expect_efer_refused(0x102);           /* reserved */
    expect_efer_refused(0x100 | BIT(40)); /* in the upper half */
    vmcb->efer = 0x1000;                  /* paging without long mode */
    expect_efer_refused(0x100);
    assert_true(writes_efer(0x001));
    vmcb->cr0 = 0x11;
    expect_efer_refused(0x1000);
}

static void efer_reads_without_svme(void **state)
{
    (void)state;
    cpu->regs[RCX] = IA32_EFER;
    cpu->regs[RDX] = ~0ULL;
    vmcb->efer = 0x100001d01;
    assert_true(takes(VMEXIT_MSR, 0, 0));
    assert_int_equal(calls, 0);
    assert_int_equal(vmcb->rax, 0xd01);
    assert_int_equal(cpu->regs[RDX], 1);
    expect_counted(EXIT_MSR_READ, 1);
    assert_int_equal(vmcb->rip, 0x102);
}

/* --- ports --------------------------------------------------------------------------------------
 */

/* APM 15.10.2, figure 15-2. */
static u64 io_info(u32 port, u32 size, u32 flags)
{
    return (u64)port << 16 | size << 4 | flags;
}

static void ports_are_asked_by_number_and_size(void **state)
{
    static const u32 sizes[] = {1, 2, 4};

    (void)state;
    cpu->pmu.core.attention = 1;
    for (u32 i = 0; i < COUNT(sizes); i++)
        for (u32 in = 0; in < 2; in++) {
            assert_true(takes(VMEXIT_IOIO, io_info(0xfffe, sizes[i], in), 0x10a));
            assert_int_equal(asked, IO_EXIT);
            assert_int_equal(arguments[0], 0xfffe);
            assert_int_equal(arguments[1], sizes[i]);
            assert_int_equal(arguments[2], in);
            expect_emulated(10);             /* EXITINFO2 says where the next one is */
            assert_int_equal(vmcb->nrip, 0); /* not of the next exit */
        }
}

#define IO_STRING (1 << 2)
#define IO_REP    (1 << 3)
#define IO_A16    (1 << 7)
#define IO_A32    (1 << 8)
#define IO_A64    (1 << 9)
#define IO_SEG(n) ((n) << 10) /* ES CS SS DS FS GS */

static void expect_outs(u32 flags, u64 linear, u64 mask)
{
    assert_true(takes(VMEXIT_IOIO, io_info(0x3f8, 2, IO_STRING | flags), 0x104));
    assert_int_equal(asked, OUTS_EXIT);
    assert_int_equal(described.linear, linear);
    assert_int_equal(described.mask, mask);
    assert_int_equal(described.port, 0x3f8);
    assert_int_equal(described.size, 2);
    assert_int_equal(described.repeat, !!(flags & IO_REP));
}

static void give_segments_bases(void)
{
    vmcb->es.base = 0xe5000;
    vmcb->cs.base = 0xc5000;
    vmcb->ss.base = 0x55000;
    vmcb->ds.base = 0xd5000;
    vmcb->fs.base = vmcb->gs.base = 0xbad000; /* VMSAVE knows */
    cpu->regs[RSI] = 0x1111222233334444;
    svm.decode_assists = true;
}

/* In 64-bit mode only FS and GS have a base (APM 4.5.3). */
static void strings_in_64_bit_mode(void **state)
{
    (void)state;
    give_segments_bases();
    vmcb->cs.attributes = 0xa9b;
    for (u32 segment = 0; segment < 4; segment++) {
        expect_outs(IO_SEG(segment) | IO_A64, 0x1111222233334444, ~0ULL);
        expect_outs(IO_SEG(segment) | IO_A32 | IO_REP, 0x33334444, 0xffffffff);
    }
    assert_int_equal(vmsaves, 0);
    expect_outs(IO_SEG(4) | IO_A64, 0x1111222233334444 + 0xf5000, ~0ULL);
    expect_outs(IO_SEG(4) | IO_A32, 0x33334444 + 0xf5000, 0xffffffff);
    expect_outs(IO_SEG(5) | IO_A32, 0x33334444 + 0xffff88800000, 0xffffffff);
    assert_int_equal(vmsaves, 3);
}

/* Linear addresses wrap at 4 GiB. */
static void strings_elsewhere(void **state)
{
    static const u64 bases[] = {0xe5000, 0xc5000, 0x55000, 0xd5000, 0xf5000, 0x88800000};
    static const struct {
        u64 efer;
        u16 attributes;
    } modes[] = {{0x1500, 0xc9b}, {0x1000, 0xa9b}, {0x1000, 0x09b}, {0x1100, 0xe9b}};

    (void)state;
    give_segments_bases();
    for (u32 i = 0; i < COUNT(modes); i++) {
        vmcb->efer = modes[i].efer;
        vmcb->cs.attributes = modes[i].attributes;
        for (u32 segment = 0; segment < 6; segment++) {
            expect_outs(IO_SEG(segment) | IO_A16, bases[segment] + 0x4444, 0xffff);
            expect_outs(IO_SEG(segment) | IO_A32, bases[segment] + 0x33334444, 0xffffffff);
        }
    }
    cpu->regs[RSI] = 0xfffff000;
    expect_outs(IO_SEG(3) | IO_A32, 0xd4000, 0xffffffff);
}

static void without_decode_assists_it_is_ds(void **state)
{
    (void)state;
    give_segments_bases();
    svm.decode_assists = false;
    vmcb->cs.attributes = 0xc9b;
    expect_outs(IO_SEG(5) | IO_A32, 0x33334444 + 0xd5000, 0xffffffff);
    expect_outs(IO_SEG(0) | IO_A16, 0x4444 + 0xd5000, 0xffff);
    assert_int_equal(vmsaves, 0);
}

static void what_becomes_of_a_string(void **state)
{
    const u64 info = io_info(0x3f8, 1, IO_STRING | IO_REP | IO_A64);

    (void)state;
    cpu->pmu.core.attention = 1;
    assert_true(takes(VMEXIT_IOIO, info, 0x102));
    expect_emulated(2);
    outs_answer = OUTS_AGAIN;
    assert_true(takes(VMEXIT_IOIO, info, 0x102));
    expect_not_emulated(0);
    outs_answer = OUTS_REFUSED;
    assert_true(takes(VMEXIT_IOIO, info, 0x102));
    expect_not_emulated(GP_EVENT);
    outs_answer = OUTS_DONE;
    assert_true(takes(VMEXIT_IOIO, info | 1, 0x102)); /* INS */
    assert_int_equal(asked, NOBODY);
    expect_not_emulated(GP_EVENT);
    for (u8 cpl = 1; cpl < 4; cpl++) {
        vmcb->cpl = cpl;
        assert_true(takes(VMEXIT_IOIO, info, 0x102));
        assert_int_equal(asked, NOBODY);
        expect_not_emulated(GP_EVENT);
    }
}

/* --- privilege ----------------------------------------------------------------------------------
 */

static void invd_above_ring_0_faults(void **state)
{
    (void)state;
    cpu->pmu.core.attention = 1;
    for (u8 cpl = 1; cpl < 4; cpl++) {
        vmcb->cpl = cpl;
        assert_true(takes(VMEXIT_INVD, 0, 0));
        assert_int_equal(asked, NOBODY);
        expect_not_emulated(GP_EVENT);
        assert_true(takes(VMEXIT_WBINVD, 0, 0));
        assert_int_equal(asked, NOBODY);
        expect_not_emulated(GP_EVENT);
    }
}

static void who_makes_a_hypercall_is_said(void **state)
{
    (void)state;
    cpu->pmu.core.attention = 1;
    for (u8 cpl = 0; cpl < 4; cpl++) {
        vmcb->cpl = cpl;
        answer = !cpl;
        assert_true(takes(VMEXIT_VMMCALL, 0, 0));
        assert_int_equal(asked, HYPERCALL);
        assert_int_equal(arguments[0], cpl);
        if (cpl)
            expect_not_emulated(UD_EVENT);
        else
            expect_emulated(3);
    }
}

/* --- nested page faults -------------------------------------------------------------------------
 */

static void a_first_touch_is_executed_again(void **state)
{
    (void)state;
    cpu->pmu.core.attention = 1;
    for (u64 info = 0; info < 32; info += 2) {
        assert_true(takes(VMEXIT_NPF, info, 0xfee00080));
        assert_int_equal(asked, FIRST_TOUCH);
        assert_int_equal(arguments[0], 0xfee00080);
        assert_int_equal(arguments[1], 0x100);
        expect_not_emulated(0);
    }
    answer = false;
    assert_false(takes(VMEXIT_NPF, 2, BIT(50)));
    assert_int_equal(asked, UNEXPECTED);
}

static void of_what_is_mapped_only_writes_to_the_apic_page_fault(void **state)
{
    (void)state;
    assert_true(takes(VMEXIT_NPF, 7, 0xfee00000));
    assert_int_equal(asked, APIC_PAGE);
    assert_true(takes(VMEXIT_NPF, 7, 0xfee00fff));
    assert_int_equal(arguments[0], 0xfee00fff);
    expect_not_emulated(0); /* it advances itself */
    assert_false(takes(VMEXIT_NPF, 5, 0xfee00000));
    assert_false(takes(VMEXIT_NPF, 7, 0xfee01000));
    assert_false(takes(VMEXIT_NPF, 7, 0xfedff000));
    assert_int_equal(asked, UNEXPECTED);
}

/* --- interrupted deliveries ---------------------------------------------------------------------
 */

/* It is there before anybody asks: a handler that lets an NMI in must see it. */
static void an_interrupted_delivery_is_due_before_anything_else(void **state)
{
    static const struct {
        u64 code, info1;
    } exits[] = {{0x61, 0}, {0x62, 0}, {0x62, 1}, {0x63, 1}, {0x52, 1}, {0x41, 0}, {0x400, 4}};

    (void)state;
    for (u32 i = 0; i < COUNT(exits); i++) {
        vmcb->exit_int_info = 0x80000031;
        assert_true(takes(exits[i].code, exits[i].info1, 0x1000));
        assert_int_equal(event_at_call, 0x80000031);
        assert_int_equal(vmcb->event_inj, 0x80000031);
        vmcb->exit_int_info = 0x00000031; /* not valid */
        assert_true(takes(exits[i].code, exits[i].info1, 0x1000));
        assert_int_equal(vmcb->event_inj, 0);
        vmcb->exit_int_info = 0x80000480; /* INT 80H: executed again */
        assert_true(takes(exits[i].code, exits[i].info1, 0x1000));
        assert_int_equal(vmcb->event_inj, 0);
    }
}

/* APM 15.7.2: such exits interrupt nothing, whatever the field holds. */
static void instructions_interrupt_no_delivery(void **state)
{
    (void)state;
    vmcb->exit_int_info = 0x80000031;
    assert_true(takes(VMEXIT_CPUID, 0, 0));
    assert_true(takes(VMEXIT_VMMCALL, 0, 0));
    assert_int_equal(vmcb->event_inj, 0);
}

static void the_apic_page_is_no_stack(void **state)
{
    (void)state;
    vmcb->exit_int_info = 0x80000031;
    assert_false(takes(VMEXIT_NPF, 7, 0xfee00080));
    assert_int_equal(asked, UNEXPECTED);
    vmcb->exit_int_info = 0x80000480;
    assert_false(takes(VMEXIT_NPF, 7, 0xfee00080));
    assert_int_equal(asked, UNEXPECTED);
}

static void a_trace_is_kept_if_asked_for(void **state)
{
    (void)state;
    assert_true(takes(VMEXIT_CPUID, 1, 2));
    assert_int_equal(traces, 0);
    hv.trace = true;
    assert_true(takes(VMEXIT_CPUID, 0xffffffff00000001, 0x123456789a));
    assert_int_equal(traces, 1);
    assert_int_equal(traced.reason, VMEXIT_CPUID);
    assert_int_equal(traced.info, 0xffffffff00000001);
    assert_int_equal(traced.address, 0x123456789a);
    assert_int_equal(traced.cs, 0x33);
    assert_int_equal(traced.rip, 0x100);
    hv.trace = false;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(instructions_that_are_emulated),
        TEST(cpuid_depends_on_cr4),
        TEST(a_trace_is_kept_if_asked_for),
        TEST(what_interrupts_the_guest),
        TEST(instructions_that_the_guest_does_not_have),
        TEST(all_others_stop_the_core),
        TEST(a_shutdown_is_said_with_where_it_was),
        TEST(registers_of_the_vmcb_come_and_go),
        TEST(who_is_credited_is_noted_before),
        TEST(what_wraps_is_told_with_the_guests_debugctl),
        TEST(entries_are_taken_off_where_they_are_counted),
        TEST(a_single_step_traps_behind_the_instruction),
        TEST(without_tf_nobody_reads_debugctl),
        TEST(msrs_are_named_by_ecx),
        TEST(what_the_guest_may_not_faults),
        TEST(efer_is_the_guests_with_svme_for_vmrun),
        TEST(the_host_lives_through_the_guests_efer),
        TEST(lma_is_not_the_guests_to_write),
        TEST(efer_faults_where_the_processors_does),
        TEST(efer_reads_without_svme),
        TEST(ports_are_asked_by_number_and_size),
        TEST(strings_in_64_bit_mode),
        TEST(strings_elsewhere),
        TEST(without_decode_assists_it_is_ds),
        TEST(what_becomes_of_a_string),
        TEST(invd_above_ring_0_faults),
        TEST(who_makes_a_hypercall_is_said),
        TEST(a_first_touch_is_executed_again),
        TEST(of_what_is_mapped_only_writes_to_the_apic_page_fault),
        TEST(an_interrupted_delivery_is_due_before_anything_else),
        TEST(instructions_interrupt_no_delivery),
        TEST(the_apic_page_is_no_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
