/* Exits one by one: who handles them, what becomes of the instruction, at CPL 0 and at CPL 3; and
 * what is said where nobody can go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"

static u64 live_cr2;
static u32 cr2_writes, xcr;

static void load_cr2(u64 value)
{
    cr2_writes++;
    live_cr2 = value;
}

static bool load_xcr(u32 index, u64 value)
{
    xcr = index;
    return xsetbv_safe(0, value);
}

#define read_cr2()  live_cr2
#define write_cr2   load_cr2
#define xsetbv_safe load_xcr

#include "fake/fake_vmx.h"
#include "vmx/slow.c"

struct hv hv;
struct vmx vmx;
struct lock hv_lock, log_lock;

static u8 *block;
static struct cpu *cpu;
static struct guest guest;
static char steps[512]; /* in the order in which they were done */
static char said[2048];
static jmp_buf stopped;
static bool works; /* what may be refused */

static void step(const char *what)
{
    strcat(steps, what);
    strcat(steps, " ");
}

static u32 put(char *to, size_t room, char kind, va_list *list)
{
    if (kind == 's')
        return (u32)snprintf(to, room, "%s", va_arg(*list, const char *));
    return (u32)snprintf(to, room, kind == 'x' ? "%llx" : "%llu",
                         (unsigned long long)va_arg(*list, u64));
}

static struct kept_exit traced;
static u32 traces;

void keep_exit(struct cpu *self, struct kept_exit *exit)
{
    assert_ptr_equal(self, cpu);
    traced = *exit;
    traces++;
}

void log_line(const char *format, ...)
{
    size_t at = strlen(said);
    va_list list;

    va_start(list, format);
    for (const char *f = format; *f; f++)
        if (*f == '%')
            at += put(said + at, sizeof(said) - at, *++f, &list);
        else
            said[at++] = *f;
    va_end(list);
    said[at++] = '\n';
    said[at] = 0;
}

/* --- the rest of Cede --------------------------------------------------------------------------
 */

void vmx_after_exit(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    assert_int_equal(cpu->regs[RSP], 0x7ff0);
    step("after");
}

void vmx_before_entry(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("before");
}

void console_tick(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("tick");
}

void vmx_inject_gp(void)
{
    step("#GP");
}

void vmx_inject_fault(u8 vector)
{
    assert_int_equal(vector, 6);
    step("#UD");
}

static u64 wrapped, credited_rip, overflowed, its_debugctl, credit_ctrl;
static bool credit_user;

void credit_begin_intel(struct cpu *self, bool user, u64 global_ctrl)
{
    step("credit");
    credit_user = user;
    credit_ctrl = global_ctrl;
    self->pmu.core.due = 1;
}

u64 credit_finish_intel(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    credited_rip = fake_vmcs[0x681e];
    step("credited");
    return wrapped;
}

void credit_overflow_intel(struct cpu *self, u64 counters, u64 debugctl)
{
    assert_ptr_equal(self, cpu);
    overflowed = counters;
    its_debugctl = debugctl;
}

u64 vmx_read_cr4(void)
{
    return 0x42668;
}

void exit_cpuid(struct cpu *self, u64 cr4)
{
    assert_int_equal(cr4, 0x42668);
    step("cpuid");
    self->regs[RAX] = 0xa;
    self->regs[RBX] = 0xb;
    self->regs[RCX] = 0xc;
    self->regs[RDX] = 0xd;
}

static u32 hidden_leaf, hidden_subleaf;

void vmx_hide(const struct vmx_hidden *hidden, u32 leaf, u32 subleaf, u32 regs[4])
{
    assert_ptr_equal(hidden, &vmx.hidden);
    hidden_leaf = leaf;
    hidden_subleaf = subleaf;
    for (u32 i = 0; i < 4; i++) {
        assert_int_equal(regs[i], 0xa + i);
        regs[i] += 0x10 * (i + 1);
    }
}

static u32 msr_number;
static u64 msr_value;

bool msr_read(struct cpu *self, u32 msr, u64 *value)
{
    assert_ptr_equal(self, cpu);
    step("rdmsr");
    msr_number = msr;
    *value = 0x1122334455667788;
    return works;
}

bool vmx_msr_write(struct cpu *self, u32 msr, u64 value)
{
    assert_ptr_equal(self, cpu);
    step("wrmsr");
    msr_number = msr;
    msr_value = value;
    return works;
}

void exit_rdpmc(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("rdpmc");
}

static char io_said[64];

void exit_io(struct cpu *self, u16 port, u32 size, bool in)
{
    assert_ptr_equal(self, cpu);
    step("io");
    snprintf(io_said, sizeof(io_said), "%s %x, %u", in ? "in" : "out", port, size);
}

static struct outs described;
static enum outs_status outs_status;

enum outs_status outs(struct cpu *self, const struct outs *what)
{
    assert_ptr_equal(self, cpu);
    step("outs");
    described = *what;
    return outs_status;
}

void vmx_cr_exit(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("cr");
}

void exit_invd(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("invd");
}

static u32 call_cpl;
static void (*while_calling)(void);

static void host_faults(void)
{
    live_cr2 = 0x3333;
    cpu->regs[RSP] = 0x9000;
}

bool exit_hypercall(struct cpu *self, u32 level)
{
    assert_ptr_equal(self, cpu);
    step("hypercall");
    if (while_calling)
        while_calling();
    call_cpl = level;
    return works;
}

static u64 touched;

void vmx_pebs_stop(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("unsample");
}

bool exit_first_touch(struct cpu *self, u64 gpa, u64 rip)
{
    assert_ptr_equal(self, cpu);
    assert_int_equal(rip, 0x1000);
    step("touch");
    touched = gpa;
    return works;
}

void apic_page_write(struct cpu *self, u64 gpa)
{
    assert_ptr_equal(self, cpu);
    step("apic");
    touched = gpa;
}

void vmx_init_exit(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("init");
}

void exit_machine_check(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("mc");
}

void machine_check_in_host(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("host-mc");
}

void guest_refused(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    assert_string_equal(said, ""); /* asked before anything is said */
    step("refused");
}

void exit_unexpected(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("stop");
    longjmp(stopped, 1);
}

static u64 shut_down[4];

void exit_triple_fault(struct cpu *self, u64 cs, u64 rip, u64 at, u64 cr3)
{
    assert_ptr_equal(self, cpu);
    step("shutdown");
    shut_down[0] = cs;
    shut_down[1] = rip;
    shut_down[2] = at;
    shut_down[3] = cr3;
    longjmp(stopped, 1);
}

/* --- the processor -----------------------------------------------------------------------------
 */

static void set_cpl(u32 cpl)
{
    fake_vmcs[0x4818] = 0xc093 | cpl << 5; /* SS.DPL (25.4.1) */
}

/* In 64-bit mode at 1000H, with an instruction of three bytes. */
static void guest_exits(u64 reason)
{
    memset(fake_vmcs, 0, sizeof(fake_vmcs));
    fake_vmcs[0x4402] = reason;
    fake_vmcs[0x440c] = 3;
    fake_vmcs[0x681e] = 0x1000;
    fake_vmcs[0x681c] = 0x7ff0;
    fake_vmcs[0x6820] = 2;
    fake_vmcs[0x4012] = 0x200;  /* IA-32e mode guest */
    fake_vmcs[0x4816] = 0xa09b; /* CS */
    set_cpl(0);
    steps[0] = said[0] = 0;
}

static void handle(void)
{
    if (!setjmp(stopped))
        vmx_slow_exit(cpu);
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake_msr(IA32_VMX_BASIC, BIT(54), 0); /* describes INS and OUTS */
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    cpu->guest = &guest;
    hv = (struct hv){.apic_base = 0xfee00000};
    vmx = (struct vmx){.global_ctrl = true};
    works = true;
    wrapped = live_cr2 = cr2_writes = xcr = 0;
    outs_status = OUTS_DONE;
    guest_exits(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

/* --- who handles what --------------------------------------------------------------------------
 */

/* Appendix C, by basic reason: what is done at CPL 0 and at CPL 3, and whether RIP is then behind
 * the instruction. What is not here stops. */
static const struct exit {
    u32 reason;
    const char *kernel, *user;
    bool kernel_goes_on, user_goes_on;
    u32 counter;
} exits[] = {
    {3, "init", "init", false, false, EXIT_REASONS},
    {10, "cpuid", "cpuid", true, true, EXIT_REASONS},
    {11, "#UD", "#UD", false, false, EXIT_VIRT_INSN}, /* GETSEC */
    {13, "invd", "#GP", true, false, EXIT_REASONS},
    {15, "rdpmc", "rdpmc", true, true, EXIT_REASONS},
    {18, "hypercall", "hypercall", true, true, EXIT_REASONS},
    {19, "#UD", "#UD", false, false, EXIT_VIRT_INSN}, /* VMX instructions */
    {20, "#UD", "#UD", false, false, EXIT_VIRT_INSN},
    {21, "#UD", "#UD", false, false, EXIT_VIRT_INSN},
    {22, "#UD", "#UD", false, false, EXIT_VIRT_INSN},
    {23, "#UD", "#UD", false, false, EXIT_VIRT_INSN},
    {24, "#UD", "#UD", false, false, EXIT_VIRT_INSN},
    {25, "#UD", "#UD", false, false, EXIT_VIRT_INSN},
    {26, "#UD", "#UD", false, false, EXIT_VIRT_INSN},
    {27, "#UD", "#UD", false, false, EXIT_VIRT_INSN},
    {28, "cr", "#GP", false, false, EXIT_REASONS}, /* it is executed again */
    {30, "io", "io", true, true, EXIT_REASONS},
    {31, "rdmsr", "rdmsr", true, true, EXIT_REASONS}, /* exit at CPL 0 only (26.1.2) */
    {32, "wrmsr", "wrmsr", true, true, EXIT_REASONS},
    {37, "", "", false, false, EXIT_STEP}, /* monitor trap flag */
    {48, "touch", "touch", false, false, EXIT_REASONS},
    {50, "#UD", "#UD", false, false, EXIT_VIRT_INSN}, /* INVEPT */
    {52, "", "", false, false, EXIT_STEP},            /* preemption timer */
    {53, "#UD", "#UD", false, false, EXIT_VIRT_INSN}, /* INVVPID */
    {54, "invd", "#GP", true, false, EXIT_REASONS},   /* WBINVD */
    {55, "", "#GP", true, false, EXIT_XSETBV},
    {59, "#UD", "#UD", false, false, EXIT_VIRT_INSN}, /* VMFUNC */
    {60, "#UD", "#UD", false, false, EXIT_VIRT_INSN}, /* ENCLS */
    {76, "#UD", "#UD", false, false, EXIT_VIRT_INSN}, /* SEAMCALL, TDCALL */
    {77, "#UD", "#UD", false, false, EXIT_VIRT_INSN},
    {78, "#UD", "#UD", false, false, EXIT_VIRT_INSN}, /* RDMSRLIST, WRMSRLIST */
    {79, "#UD", "#UD", false, false, EXIT_VIRT_INSN},
    {84, "#UD", "#UD", false, false, EXIT_VIRT_INSN}, /* RDMSR, WRMSRNS with immediates */
    {85, "#UD", "#UD", false, false, EXIT_VIRT_INSN},
};

static void expect_handled(const struct exit *exit, u32 cpl)
{
    const char *how = cpl ? exit->user : exit->kernel;
    char expected[64];

    snprintf(expected, sizeof(expected), "after %s%stick before ", how, *how ? " " : "");
    guest_exits(exit->reason);
    set_cpl(cpl);
    memset(cpu->exits, 0, sizeof(cpu->exits));
    memset(cpu->regs, 0, sizeof(cpu->regs));
    cpu->regs[RAX] = 3; /* of XCR0: x87 and SSE */
    handle();
    assert_string_equal(steps, expected);
    assert_int_equal(fake_vmcs[0x681e],
                     (cpl ? exit->user_goes_on : exit->kernel_goes_on) ? 0x1003 : 0x1000);
    if (exit->counter < EXIT_REASONS && !strstr(expected, "#GP"))
        assert_int_equal(cpu->exits[exit->counter], 1);
    assert_int_equal(cpu->vmx.reason, exit->reason);
}

static const struct exit *exit_of(u32 reason)
{
    for (u32 i = 0; i < COUNT(exits); i++)
        if (exits[i].reason == reason)
            return &exits[i];
    return NULL;
}

static void each_exit_has_its_handler(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(exits); i++) {
        expect_handled(&exits[i], 0);
        expect_handled(&exits[i], 3);
        expect_handled(&exits[i], 1);
    }
}

static void other_exits_stop(void **state)
{
    (void)state;
    for (u32 reason = 1; reason < 128; reason++) {
        if (exit_of(reason) || reason == 2)
            continue;
        guest_exits(reason);
        memset(cpu->exits, 0, sizeof(cpu->exits));
        handle();
        assert_string_equal(steps, "after stop ");
        assert_int_equal(cpu->exits[EXIT_OTHER], reason != 9 && reason != 49);
        assert_non_null(strstr(said, reason == 9    ? ": a hardware task switch"
                                     : reason == 49 ? ": EPT misconfiguration"
                                                    : ": unexpected exit"));
    }
}

/* Only machine checks exit (25.6.3). */
static void of_exceptions_a_machine_check_is_expected(void **state)
{
    (void)state;
    guest_exits(0);
    fake_vmcs[0x4404] = 0x80000312;
    handle();
    assert_string_equal(steps, "after mc tick before ");
    for (u32 event = 0x80000300; event < 0x80000320; event++) {
        if (event == 0x80000312)
            continue;
        guest_exits(0);
        fake_vmcs[0x4404] = event;
        handle();
        assert_string_equal(steps, "after stop ");
        assert_non_null(strstr(said, ": unexpected exception: exit 0"));
    }
}

static void a_shutdown_is_told_where_it_was(void **state)
{
    (void)state;
    guest_exits(2);
    fake_vmcs[0x802] = 0x10;
    fake_vmcs[0x6802] = 0x7000;
    live_cr2 = 0x2222;
    handle();
    assert_string_equal(steps, "after shutdown ");
    assert_int_equal(shut_down[0], 0x10);
    assert_int_equal(shut_down[1], 0x1000);
    assert_int_equal(shut_down[2], 0x2222);
    assert_int_equal(shut_down[3], 0x7000);
}

/* 26.5.1: nothing was held, or it would have come first. */
static void a_timer_that_has_run_out_ends_the_wait_for_a_signal(void **state)
{
    (void)state;
    cpu->vmx.absorbing = true;
    guest_exits(37);
    handle();
    assert_true(cpu->vmx.absorbing);
    guest_exits(52);
    handle();
    assert_false(cpu->vmx.absorbing);
}

/* --- registers ---------------------------------------------------------------------------------
 */

static void cpuid_is_of_the_leaf_that_was_asked(void **state)
{
    (void)state;
    guest_exits(10);
    cpu->regs[RAX] = 0xffff000000000007;
    cpu->regs[RCX] = 0xffff000000000001;
    handle();
    assert_int_equal(hidden_leaf, 7);
    assert_int_equal(hidden_subleaf, 1);
    assert_int_equal(cpu->regs[RAX], 0x1a);
    assert_int_equal(cpu->regs[RBX], 0x2b);
    assert_int_equal(cpu->regs[RCX], 0x3c);
    assert_int_equal(cpu->regs[RDX], 0x4d);
}

static void msrs_are_read_and_written_by_halves(void **state)
{
    (void)state;
    cpu->regs[RCX] = 0xffff0000c0000082;
    guest_exits(31);
    handle();
    assert_int_equal(msr_number, 0xc0000082);
    assert_int_equal(cpu->regs[RAX], 0x55667788);
    assert_int_equal(cpu->regs[RDX], 0x11223344);
    cpu->regs[RAX] = 0xffffffff12345678;
    cpu->regs[RDX] = 0x9abcdef0;
    msr_number = 0;
    guest_exits(32);
    handle();
    assert_int_equal(msr_number, 0xc0000082);
    assert_int_equal(msr_value, 0x9abcdef012345678);
}

static void what_is_refused_faults(void **state)
{
    static const struct {
        u32 reason;
        const char *steps;
    } rows[] = {
        {31, "after rdmsr #GP tick before "},
        {32, "after wrmsr #GP tick before "},
        {18, "after hypercall #UD tick before "},
    };

    (void)state;
    works = false;
    for (u32 i = 0; i < COUNT(rows); i++) {
        guest_exits(rows[i].reason);
        cpu->regs[RAX] = cpu->regs[RDX] = 0x5555;
        handle();
        assert_string_equal(steps, rows[i].steps);
        assert_int_equal(fake_vmcs[0x681e], 0x1000);
        assert_int_equal(cpu->regs[RAX], 0x5555);
        assert_int_equal(cpu->regs[RDX], 0x5555);
    }
}

static void a_hypercall_is_judged_by_cpl(void **state)
{
    (void)state;
    for (u32 cpl = 0; cpl < 4; cpl++) {
        guest_exits(18);
        set_cpl(cpl);
        handle();
        assert_int_equal(call_cpl, cpl);
    }
}

static void xcr0_is_loaded_by_halves(void **state)
{
    (void)state;
    fake_xcr0_valid = BIT(40) | 7;
    cpu->regs[RCX] = 0;
    cpu->regs[RAX] = 0xffffffff00000007;
    cpu->regs[RDX] = BIT(8);
    guest_exits(55);
    handle();
    assert_int_equal(fake_xcr0, BIT(40) | 7);
    assert_int_equal(xcr, 0);
    cpu->regs[RCX] = 0xffff000000000005;
    guest_exits(55);
    handle();
    assert_int_equal(xcr, 5);
    fake_xcr0_valid = 3;
    guest_exits(55);
    handle();
    assert_string_equal(steps, "after #GP tick before ");
    assert_int_equal(fake_vmcs[0x681e], 0x1000);
}

static void rsp_and_cr2_stay_where_nobody_changed_them(void **state)
{
    (void)state;
    live_cr2 = 0x2222;
    guest_exits(10);
    handle();
    assert_int_equal(live_cr2, 0x2222);
    assert_int_equal(fake_vmcs[0x681c], 0x7ff0);
    assert_int_equal(cr2_writes, 0);
}

/* A fix-up in the host changes CR2; who handles the exit may change RSP. */
static void cr2_is_the_guests_again_and_rsp_what_it_has_become(void **state)
{
    (void)state;
    live_cr2 = 0x2222;
    while_calling = host_faults;
    guest_exits(18);
    handle();
    while_calling = NULL;
    assert_int_equal(live_cr2, 0x2222);
    assert_int_equal(fake_vmcs[0x681c], 0x9000);
}

/* --- the end of an instruction -----------------------------------------------------------------
 */

/* RFLAGS.RF ends (18.3.1.1); TF traps, with BTF only after branches (18.4.4); so does a shadow. */
static void an_instruction_ends_as_the_processor_would_end_it(void **state)
{
    static const struct {
        u64 rflags, debugctl, pending, rflags_after, pending_after;
    } rows[] = {
        {2, 0, 0, 2, 0},
        {0x10002, 0, 0, 2, 0},
        {0x102, 0, 0, 0x102, 0x4000},
        {0x10102, 0, 0, 0x102, 0x4000},
        {0x102, 2, 0, 0x102, 0},
        {0x102, 0xfffd, 1, 0x102, 0x4001}, /* a breakpoint is pending too */
        {2, 2, 1, 2, 1},
        {0x3c0cd7, 0, 0, 0x3c0cd7, 0}, /* all others */
    };

    (void)state;
    for (u32 i = 0; i < COUNT(rows); i++) {
        guest_exits(10);
        fake_vmcs[0x6820] = rows[i].rflags;
        fake_vmcs[0x2802] = rows[i].debugctl;
        fake_vmcs[0x6822] = rows[i].pending;
        fake_vmcs[0x4824] = 1;
        handle();
        assert_int_equal(fake_vmcs[0x6820], rows[i].rflags_after);
        assert_int_equal(fake_vmcs[0x6822], rows[i].pending_after);
        assert_int_equal(fake_vmcs[0x4824], 0);
        assert_int_equal(fake_vmcs[0x681e], 0x1003);
    }
}

static void an_instruction_is_credited_where_it_may_count(void **state)
{
    (void)state;
    cpu->pmu.core.attention = 1;
    cpu->pmu.core.due = 5; /* of an earlier one */
    guest_exits(10);
    handle();
    assert_string_equal(steps, "after cpuid tick before "); /* nothing is enabled */
    guest_exits(10);
    fake_vmcs[0x2808] = 0xff;
    wrapped = 0;
    overflowed = 0x5555;
    handle();
    assert_string_equal(steps, "after credit cpuid credited tick before ");
    assert_int_equal(credit_ctrl, 0xff);
    assert_false(credit_user);
    assert_int_equal(overflowed, 0x5555);
    assert_int_equal(credited_rip, 0x1003);
}

static void a_counter_that_wraps_by_it_overflows(void **state)
{
    (void)state;
    vmx.global_list = true;
    cpu->vmx.guest_global.value = BIT(32);
    guest_exits(10);
    set_cpl(3);
    fake_vmcs[0x2802] = 0x1800;
    wrapped = BIT(32);
    handle();
    assert_true(credit_user);
    assert_int_equal(credit_ctrl, BIT(32));
    assert_int_equal(overflowed, BIT(32));
    assert_int_equal(its_debugctl, 0x1800);
}

/* --- I/O ---------------------------------------------------------------------------------------
 */

/* Table 28-5. */
static void io_is_described_by_its_qualification(void **state)
{
    static const struct {
        u64 qualification;
        const char *said;
    } rows[] = {
        {0x03f80000, "out 3f8, 1"}, {0x03f80008, "in 3f8, 1"},          {0x0cf80043, "out cf8, 4"},
        {0xfffe0049, "in fffe, 2"}, {0x50005ULL << 16 | 3, "out 5, 4"},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(rows); i++) {
        guest_exits(30);
        fake_vmcs[0x6400] = rows[i].qualification;
        handle();
        assert_string_equal(io_said, rows[i].said);
        assert_string_equal(steps, "after io tick before ");
        assert_int_equal(fake_vmcs[0x681e], 0x1003);
    }
}

static void string_exits(u64 qualification, u64 information)
{
    guest_exits(30);
    fake_vmcs[0x6400] = qualification;
    fake_vmcs[0x640a] = 0xffff800000001230;
    fake_vmcs[0x440e] = information;
    memset(&described, 0x55, sizeof(described));
}

/* Table 28-8: the address size is in bits 9:7 of the information. */
static void a_string_is_described(void **state)
{
    static const u64 masks[] = {0xffff, 0xffffffff, ~0ULL};

    (void)state;
    for (u64 size = 0; size < 3; size++) {
        string_exits(0x03f80010 | (size == 2 ? 3 : size), 0x18000 | size << 7);
        handle();
        assert_int_equal(described.mask, masks[size]);
        assert_int_equal(described.linear, 0xffff800000001230);
        assert_int_equal(described.port, 0x3f8);
        assert_int_equal(described.size, 1 << size);
        assert_false(described.repeat);
    }
    string_exits(0x03f80030, 0x100);
    handle();
    assert_true(described.repeat);
}

static void a_string_goes_on_until_it_is_done(void **state)
{
    static const struct {
        enum outs_status status;
        u64 rip;
        const char *steps;
    } rows[] = {
        {OUTS_DONE, 0x1003, "after outs tick before "},
        {OUTS_AGAIN, 0x1000, "after outs tick before "},
        {OUTS_REFUSED, 0x1000, "after outs #GP tick before "},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(rows); i++) {
        string_exits(0x03f80030, 0x100);
        outs_status = rows[i].status;
        handle();
        assert_string_equal(steps, rows[i].steps);
        assert_int_equal(fake_vmcs[0x681e], rows[i].rip);
    }
}

static void expect_string_refused(void)
{
    handle();
    assert_string_equal(steps, "after #GP tick before ");
    assert_int_equal(fake_vmcs[0x681e], 0x1000);
}

static void no_string_of_user_code_or_inwards_or_undescribed(void **state)
{
    (void)state;
    string_exits(0x03f80018, 0x100); /* INS */
    expect_string_refused();
    string_exits(0x03f80010, 0x100);
    set_cpl(3);
    expect_string_refused();
    fake.msr[fake_msr_index(IA32_VMX_BASIC)].value = ~BIT(54);
    string_exits(0x03f80010, 0x100);
    expect_string_refused();
}

/* --- memory ------------------------------------------------------------------------------------
 */

static void violation(u64 gpa, u64 qualification, u64 vectoring)
{
    guest_exits(48);
    fake_vmcs[0x2400] = gpa;
    fake_vmcs[0x6400] = qualification;
    fake_vmcs[0x4408] = vectoring;
    handle();
}

static void expect_violation_stops(const char *why)
{
    assert_string_equal(steps, "after stop ");
    assert_non_null(strstr(said, why));
}

/* Table 28-7: bit 1 a write, bits 5:3 what the translation allows. */
static void memory_is_mapped_on_first_touch(void **state)
{
    (void)state;
    for (u64 access = 1; access < 8; access++) {
        violation(GIB(600) + access, access, 0);
        assert_string_equal(steps, "after touch tick before ");
        assert_int_equal(touched, GIB(600) + access);
    }
    works = false;
    violation(GIB(600), 1, 0);
    assert_string_equal(steps, "after touch stop ");
    assert_non_null(strstr(said, ": access beyond what can be mapped: exit 30"));
}

/* Bit 16: of a record, whoever executes. Nobody's instruction is emulated, and nothing stops but
 * samples. */
static void a_record_that_meets_nothing_is_only_lost(void **state)
{
    (void)state;
    violation(GIB(600), 1 << 16 | 2, 0);
    assert_string_equal(steps, "after touch tick before ");
    violation(0xfee00300, 1 << 16 | 2 | 5 << 3, 0);
    assert_string_equal(steps, "after unsample tick before ");
    violation(0xfee00300, 1 << 16 | 2 | 1 << 3, 0x80000300);
    assert_string_equal(steps, "after unsample tick before ");
    works = false;
    violation(GIB(600), 1 << 16 | 2, 0);
    assert_string_equal(steps, "after touch unsample tick before ");
}

static void writes_to_the_apic_page_are_carried_out(void **state)
{
    (void)state;
    violation(0xfee00300, 2 | 5 << 3, 0);
    assert_string_equal(steps, "after apic tick before ");
    assert_int_equal(touched, 0xfee00300);
    violation(0xfee00ffc, 2 | 1 << 3, 0x300); /* not valid: nothing was being delivered */
    assert_string_equal(steps, "after apic tick before ");
    violation(0xfee00300, 1 | 5 << 3, 0);
    expect_violation_stops(": unexpected EPT violation");
    violation(0xfee01000, 2 | 5 << 3, 0);
    expect_violation_stops(": unexpected EPT violation");
    violation(0xfedff000, 2 | 1 << 3, 0);
    expect_violation_stops(": unexpected EPT violation");
    violation(0xfee00ff8, 2 | 5 << 3, 0x80000031);
    expect_violation_stops(": an event was to be delivered on a stack in the APIC page");
}

/* 28.2.3: bit 12, unless an event was being delivered. */
static void an_iret_that_faults_has_unblocked_nmis_too_early(void **state)
{
    static const struct {
        u64 qualification, vectoring, blocked, blocked_after;
    } rows[] = {
        {0x1001, 0, 0, 8},          {0x1001, 0, 1, 9},          {1, 0, 0, 0},
        {0x1001, 0x80000202, 0, 0}, {0x1001, 0x00000202, 0, 8},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(rows); i++) {
        guest_exits(48);
        fake_vmcs[0x2400] = GIB(600);
        fake_vmcs[0x6400] = rows[i].qualification;
        fake_vmcs[0x4408] = rows[i].vectoring;
        fake_vmcs[0x4824] = rows[i].blocked;
        handle();
        assert_int_equal(fake_vmcs[0x4824], rows[i].blocked_after);
    }
}

/* --- entries that fail -------------------------------------------------------------------------
 */

static void expect_entry_stops(u32 reason, const char *why)
{
    guest_exits(0x80000000 | reason);
    handle();
    assert_string_equal(steps, "after refused stop ");
    assert_non_null(strstr(said, why));
}

/* 27.8 */
static void a_refused_entry_stops_and_says_why(void **state)
{
    (void)state;
    expect_entry_stops(33, ": entry failed: invalid guest state: exit 80000021");
    expect_entry_stops(34, ": entry failed: MSR loading: exit 80000022");
    expect_entry_stops(35, ": entry failed: exit 80000023");
}

static void a_machine_check_during_an_entry_is_nobodys(void **state)
{
    (void)state;
    guest_exits(0x80000029);
    handle();
    assert_string_equal(steps, "after host-mc tick before ");
}

/* RIP behind 4 GiB outside 64-bit mode, which CS.L and EFER.LMA make (27.3.1.4). */
static void rip_wraps_outside_64_bit_mode(void **state)
{
    static const struct {
        u64 entry_controls, cs_rights, rip, rip_after;
        bool wraps;
    } rows[] = {
        {0x200, 0xc09b, 0x100000001, 1, true},
        {0, 0xc09b, 0x1fffffffe, 0xfffffffe, true},
        {0, 0xa09b, 0x100000001, 1, true},
        {0x200, 0xa09b, 0x100000001, 0x100000001, false},
        {0x200, 0xc09b, 0xffffffff, 0xffffffff, false},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(rows); i++) {
        guest_exits(0x80000021);
        fake_vmcs[0x4012] = rows[i].entry_controls;
        fake_vmcs[0x4816] = rows[i].cs_rights;
        fake_vmcs[0x681e] = rows[i].rip;
        handle();
        assert_string_equal(steps, rows[i].wraps ? "after tick before " : "after refused stop ");
        assert_int_equal(fake_vmcs[0x681e], rows[i].rip_after);
    }
}

static void other_failed_entries_are_not_mended(void **state)
{
    (void)state;
    guest_exits(0x80000022);
    fake_vmcs[0x4816] = 0xc09b;
    fake_vmcs[0x681e] = 0x100000001;
    handle();
    assert_string_equal(steps, "after refused stop ");
    assert_int_equal(fake_vmcs[0x681e], 0x100000001);
}

static void enter_without_an_exit(void)
{
    if (!setjmp(stopped))
        vmx_entry_failed(cpu);
}

/* 31.4 */
static void an_entry_that_is_no_exit_either_names_its_error(void **state)
{
    static const struct {
        u64 error;
        const char *said;
    } rows[] = {
        {7, "panic: VM-instruction error 7: invalid control field\n"},
        {8, "panic: VM-instruction error 8: invalid host state\n"},
        {4, "panic: VM-instruction error 4: VMRESUME has failed, by a control or host field\n"},
        {5, "panic: VM-instruction error 5\n"},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(rows); i++) {
        guest_exits(0);
        fake_vmcs[0x4400] = rows[i].error;
        enter_without_an_exit();
        assert_string_equal(steps, "refused stop ");
        assert_memory_equal(said, rows[i].said, strlen(rows[i].said));
        assert_non_null(strstr(said, ": the guest cannot be entered: exit 0"));
    }
}

/* --- the report --------------------------------------------------------------------------------
 */

static const u32 reported[] = {0x802,  0x681c, 0x6800, 0x6802, 0x6804, 0x2806, 0x4000,
                               0x4002, 0x401e, 0x400c, 0x4012, 0x4016, 0x4824, 0x4826};

static void a_stop_shows_the_state_of_the_guest(void **state)
{
    (void)state;
    guest_exits(9);
    for (u32 i = 0; i < COUNT(reported); i++)
        fake_vmcs[reported[i]] = 0x70000000 + reported[i];
    fake_vmcs[0x681c] = 0x7ff0;
    fake_vmcs[0x6400] = 0x66400;
    fake_vmcs[0x2400] = 0x62400;
    live_cr2 = 0x2222;
    cpu->index = 5;
    handle();
    assert_string_equal(
        said,
        "panic: core 5: a hardware task switch, which VT-x leaves to software and Cede does not "
        "do: exit 9, qualification 66400, address 62400\n"
        "panic:   guest cs:rip 70000802:1000 rsp 7ff0 rflags 2\n"
        "panic:   cr0 70006800 cr2 2222 cr3 70006802 cr4 70006804 efer 70002806\n"
        "panic:   controls 70004000 70004002 7000401e 7000400c 70004012\n"
        "panic:   event 70004016 interruptibility 70004824 activity 70004826\n");
}

static void cpuid_exit_to_be_traced(void)
{
    guest_exits(VMX_EXIT_CPUID);
    fake_vmcs[0x6400] = 0x123456789;
    fake_vmcs[0x2400] = 0xfee00300;
    fake_vmcs[0x0802] = 0x10;
    handle();
}

static void a_trace_is_kept_if_asked_for(void **state)
{
    (void)state;
    cpuid_exit_to_be_traced();
    assert_int_equal(traces, 0);
    hv.trace = true;
    cpuid_exit_to_be_traced();
    assert_int_equal(traces, 1);
    assert_int_equal(traced.reason, VMX_EXIT_CPUID);
    assert_int_equal(traced.info, 0x123456789);
    assert_int_equal(traced.address, 0xfee00300);
    assert_int_equal(traced.cs, 0x10);
    assert_int_equal(traced.rip, 0x1000); /* before it is handled */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_exit_has_its_handler),
        TEST(other_exits_stop),
        TEST(a_trace_is_kept_if_asked_for),
        TEST(of_exceptions_a_machine_check_is_expected),
        TEST(a_shutdown_is_told_where_it_was),
        TEST(a_timer_that_has_run_out_ends_the_wait_for_a_signal),
        TEST(cpuid_is_of_the_leaf_that_was_asked),
        TEST(msrs_are_read_and_written_by_halves),
        TEST(what_is_refused_faults),
        TEST(a_hypercall_is_judged_by_cpl),
        TEST(xcr0_is_loaded_by_halves),
        TEST(rsp_and_cr2_stay_where_nobody_changed_them),
        TEST(cr2_is_the_guests_again_and_rsp_what_it_has_become),
        TEST(an_instruction_ends_as_the_processor_would_end_it),
        TEST(an_instruction_is_credited_where_it_may_count),
        TEST(a_counter_that_wraps_by_it_overflows),
        TEST(io_is_described_by_its_qualification),
        TEST(a_string_is_described),
        TEST(a_string_goes_on_until_it_is_done),
        TEST(no_string_of_user_code_or_inwards_or_undescribed),
        TEST(memory_is_mapped_on_first_touch),
        TEST(a_record_that_meets_nothing_is_only_lost),
        TEST(writes_to_the_apic_page_are_carried_out),
        TEST(an_iret_that_faults_has_unblocked_nmis_too_early),
        TEST(a_refused_entry_stops_and_says_why),
        TEST(a_machine_check_during_an_entry_is_nobodys),
        TEST(rip_wraps_outside_64_bit_mode),
        TEST(other_failed_entries_are_not_mended),
        TEST(an_entry_that_is_no_exit_either_names_its_error),
        TEST(a_stop_shows_the_state_of_the_guest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
