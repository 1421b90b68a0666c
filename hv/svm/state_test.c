/* The guest's state, field by field, against the manual's tables: as captured from the running
 * processor, and as after INIT. What VMRUN makes of it is svm_test.c's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "svm/svm.h"

static void store_resident(struct vmcb *to);
static void load_resident(const struct vmcb *from);
static void clear_the_rest(void);
#define vmsave                    store_resident
#define vmload                    load_resident
#define clear_cr2_and_breakpoints clear_the_rest
#define read_cr0()                0x80010031
#define read_cr2()                0x2222222222222222
#define read_cr3()                0x3333333333333000
#define read_cr4()                live_cr4
#define read_dr6()                0xffff4ff1
#define read_dr7()                0x755
#define read_es()                 0x23
#define read_ss()                 0x28
static u64 live_cr4;
#include "svm/state.c"
#include "svm/lbr.c"

#define STALE 0xa5

struct hv hv;
struct svm svm;
struct pmu pmu;

static u8 *block;
static struct cpu *cpu;
static struct vmcb *vmcb;
static struct guest guest;
static struct boot_guest boot;
static struct vmcb processor; /* what VMSAVE stores and VMLOAD loads (APM 15.5.2) */
static bool cleared;

static void move_resident(struct vmcb *to, const struct vmcb *from)
{
    to->fs = from->fs;
    to->gs = from->gs;
    to->ldtr = from->ldtr;
    to->tr = from->tr;
    to->kernel_gs_base = from->kernel_gs_base;
    to->star = from->star;
    to->lstar = from->lstar;
    to->cstar = from->cstar;
    to->sfmask = from->sfmask;
    to->sysenter_cs = from->sysenter_cs;
    to->sysenter_esp = from->sysenter_esp;
    to->sysenter_eip = from->sysenter_eip;
}

static void store_resident(struct vmcb *to)
{
    move_resident(to, &processor);
}

static void load_resident(const struct vmcb *from)
{
    move_resident(&processor, from);
}

static void clear_the_rest(void)
{
    cleared = true;
}

u64 *memory_root(const struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    return (u64 *)0x7000;
}

/* Guest state of a life that is over, or nobody's yet. */
static void make_stale(void)
{
    memset(&vmcb->es, STALE, sizeof(*vmcb) - offsetof(struct vmcb, es));
    memset(cpu->regs, STALE, sizeof(cpu->regs));
    vmcb->int_ctl = vmcb->int_shadow = vmcb->event_inj = ~0ULL;
    vmcb->clean = ~0U;
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake_msr(IA32_EFER, EFER_LME | EFER_LMA | EFER_NXE, ~0ULL);
    fake_msr(IA32_PAT, 0x0102030405060700, ~0ULL);
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    vmcb = cpu_vmcb(cpu);
    boot = (struct boot_guest){
        .entry = 0x1000200, .boot_params = 0x10000, .cr3 = 0x18000, .gdt = 0x11000};
    guest = (struct guest){.boot = &boot, .io_map = 0x3000, .msr_map = 0x5000};
    guest.msr.granted = BIT(FEATURE_CYCLES);
    cpu->guest = &guest;
    svm = (struct svm){.init_exits = true, .flush_by_asid = true};
    live_cr4 = 0x668;
    memset(&processor, 0x5c, sizeof(processor));
    cleared = false;
    make_stale();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

/* --- tables of expected values ------------------------------------------------------------------
 */

struct expected {
    const char *name;
    u32 offset, size;
    u64 value;
};

#define IS(member, value)                                                                 \
    {                                                                                     \
#member, offsetof(struct vmcb, member), sizeof(((struct vmcb *)0)->member), value \
    }

static void expect_fields(const struct expected *expected, u32 count)
{
    for (u32 i = 0; i < count; i++) {
        u64 value = 0;

        memcpy(&value, (const u8 *)vmcb + expected[i].offset, expected[i].size);
        if (value != expected[i].value)
            fail_msg("%s: %lx, not %lx", expected[i].name, value, expected[i].value);
    }
}

static void expect_segment(struct vmcb_segment segment, u16 selector, u16 attributes, u32 limit,
                           u64 base)
{
    assert_int_equal(segment.selector, selector);
    assert_int_equal(segment.attributes, attributes);
    assert_int_equal(segment.limit, limit);
    assert_int_equal(segment.base, base);
}

/* --- what leaves the guest ----------------------------------------------------------------------
 */

/* APM 2 table B-1: offset 00CH, then 010H. */
enum {
    NMI = 1 << 1,
    SMI = 1 << 2,
    INIT = 1 << 3,
    RDPMC = 1 << 15,
    CPUID = 1 << 18,
    INVD = 1 << 22,
    INVLPGA = 1 << 26,
    IOIO = 1 << 27,
    MSR = 1 << 28,
    VIRTUALIZATION = 0x7f, /* VMRUN VMMCALL VMLOAD VMSAVE STGI CLGI SKINIT */
    WBINVD = 1 << 9,
    RDPRU = 1 << 14,
};
#define SHUTDOWN (1U << 31)
#define ALWAYS   (SMI | CPUID | INVD | INVLPGA | IOIO | MSR | SHUTDOWN)

static void expect_intercepts(u32 third, u32 fourth, u32 exceptions)
{
    vmcb->intercept3 = vmcb->intercept4 = vmcb->exceptions = ~0U;
    svm_controls(cpu);
    assert_int_equal(vmcb->intercept3, third);
    assert_int_equal(vmcb->intercept4, fourth);
    assert_int_equal(vmcb->intercept5, 0);
    assert_int_equal(vmcb->exceptions, exceptions);
    assert_int_equal(vmcb->cr_read | vmcb->cr_write | vmcb->dr_read | vmcb->dr_write, 0);
}

static void intercepts_are_exactly_these(void **state)
{
    (void)state;
    expect_intercepts(ALWAYS | INIT, VIRTUALIZATION, 0);
    svm.init_exits = false;
    expect_intercepts(ALWAYS | NMI, VIRTUALIZATION, 0);
    guest.index = 1;
    expect_intercepts(ALWAYS | NMI, VIRTUALIZATION | WBINVD, 1 << 18);
    svm.init_exits = true;
    guest.pmu.mode = PMU_OFF;
    guest.msr.granted = 0;
    expect_intercepts(ALWAYS | INIT | RDPMC, VIRTUALIZATION | WBINVD | RDPRU, 1 << 18);
}

/* In both directions. */
static void what_shows_counters_follows_the_policy(void **state)
{
    (void)state;
    svm_controls(cpu);
    for (u32 i = 0; i < 4; i++) {
        bool hidden = i & 1;

        guest.pmu.mode = hidden ? PMU_OFF : PMU_FULL;
        guest.msr.granted = hidden ? 0 : BIT(FEATURE_CYCLES);
        svm_set_pmu_intercepts(cpu);
        assert_int_equal(vmcb->intercept3, ALWAYS | INIT | (hidden ? RDPMC : 0));
        assert_int_equal(vmcb->intercept4, VIRTUALIZATION | (hidden ? RDPRU : 0));
    }
}

/* What the MSR map lets through is the guest's own only with the VMCB's bit. */
static void branch_records_follow_the_policy(void **state)
{
    (void)state;
    fake_msr(IA32_DEBUGCTL, 0, 0x1803);
    guest.msr.granted |= BIT(FEATURE_LBR);
    svm_controls(cpu);
    assert_int_equal(vmcb->virtualization, 1);
    guest.msr.granted &= ~(u32)BIT(FEATURE_LBR);
    svm_set_pmu_intercepts(cpu);
    assert_int_equal(vmcb->virtualization, 0);
}

/* APM 15.15.3, 15.16.1, 15.25.3. */
static void the_rest_of_the_control_area(void **state)
{
    static const struct expected controls[] = {
        IS(iopm_base_pa, 0x3000), IS(msrpm_base_pa, 0x5000),
        IS(tsc_offset, 0),        IS(asid, 1),
        IS(tlb_control, 3),       IS(erap_control, 0),
        IS(np_enable, 1),         IS(n_cr3, 0x7000),
        IS(virtualization, 0),    IS(clean, 0),
    };

    (void)state;
    svm_controls(cpu);
    expect_fields(controls, COUNT(controls));
    svm.flush_by_asid = false;
    svm.eraps = true;
    svm_controls(cpu);
    assert_int_equal(vmcb->tlb_control, 1);
    assert_int_equal(vmcb->erap_control, 1);
}

/* --- captured -----------------------------------------------------------------------------------
 */

/* APM 4.8.1, 15.5.1: attributes are descriptor bits 55:52 and 47:40. */
static void descriptors_in_vmcb_form(void **state)
{
    static const struct {
        u64 descriptor;
        struct vmcb_segment segment;
    } known[] = {
        {0x00af9b000000ffff, {8, 0xa9b, 0xffffffff, 0}},
        {0x00cf93000000ffff, {8, 0xc93, 0xffffffff, 0}},
        {0x12409334567889ab, {8, 0x493, 0x000089ab, 0x12345678}},
        {0xfe5a82dcba980001, {8, 0x582, 0x000a0001, 0xfedcba98}},
        {0x0080920000000000, {8, 0x892, 0x00000fff, 0}},
        {0x00c5920000000002, {8, 0xc92, 0x50002fff, 0}},
        {0xff0fff0000000000, {8, 0x0ff, 0x000f0000, 0xff000000}},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(known); i++) {
        u64 gdt[2] = {~0ULL, known[i].descriptor};
        struct vmcb_segment segment = read_segment(8, (u64)gdt);

        assert_memory_equal(&segment, &known[i].segment, sizeof(segment));
    }
}

static void the_privilege_level_is_no_part_of_the_index(void **state)
{
    u64 gdt[3] = {~0ULL, 0x00af9b000000ffff, 0x0040920000000123};

    (void)state;
    expect_segment(read_segment(0x13, (u64)gdt), 0x13, 0x492, 0x123, 0);
    expect_segment(read_segment(0x0b, (u64)gdt), 0x0b, 0xa9b, 0xffffffff, 0);
}

static void null_selectors_have_no_descriptor(void **state)
{
    u64 gdt[1] = {~0ULL};

    (void)state;
    for (u16 selector = 0; selector < 4; selector++)
        expect_segment(read_segment(selector, (u64)gdt), selector, 0, 0, 0);
}

static const struct launch launch = {
    .rbx = 1, .rbp = 2, .r12 = 3, .r13 = 4, .r14 = 5, .r15 = 6, .rip = 0x1234};

static void everything_is_captured(void **state)
{
    static const struct expected captured[] = {
        IS(cpl, 0),
        IS(efer, 0x1d00), /* SVME, for VMRUN */
        IS(cr0, 0x80010031),
        IS(cr2, 0x2222222222222222),
        IS(cr3, 0x3333333333333000),
        IS(cr4, 0x668),
        IS(dr6, 0xffff4ff1),
        IS(dr7, 0x755),
        IS(rflags, 2),
        IS(rip, 0x1234),
        IS(rax, HV_OK),
        IS(g_pat, 0x0102030405060700),
    };

    (void)state;
    fake_gdt[5] = 0x00cf97000000ffff;
    svm_capture_state(cpu, &launch, 0);
    expect_fields(captured, COUNT(captured));
    assert_int_equal(vmcb->rsp, &launch + 1);
    expect_segment(vmcb->cs, 0x08, 0xa9b, 0xffffffff, 0);
    expect_segment(vmcb->ss, 0x28, 0xc97, 0xffffffff, 0);
    expect_segment(vmcb->ds, 0x18, 0x093, 0x1234, 0xff000000);
    expect_segment(vmcb->es, 0x23, 0x492, 0xfff, 0);
    assert_int_equal(vmcb->gdtr.base, fake_gdt);
    assert_int_equal(vmcb->gdtr.limit, sizeof(fake_gdt) - 1);
    assert_int_equal(vmcb->idtr.base, 0x5000);
    assert_int_equal(vmcb->idtr.limit, 0xfff);
}

/* The System V ABI's callee-saved registers. */
static void the_loader_finds_its_registers(void **state)
{
    (void)state;
    svm_capture_state(cpu, &launch, 0);
    assert_int_equal(cpu->regs[RBX], 1);
    assert_int_equal(cpu->regs[RBP], 2);
    assert_int_equal(cpu->regs[R12], 3);
    assert_int_equal(cpu->regs[R13], 4);
    assert_int_equal(cpu->regs[R14], 5);
    assert_int_equal(cpu->regs[R15], 6);
}

/* Neither MSR is there: rdmsr() would crash. */
static void what_the_processor_lacks_is_not_read(void **state)
{
    u64 stale = vmcb->spec_ctrl;

    (void)state;
    svm_capture_state(cpu, &launch, 0x8000);
    assert_int_equal(vmcb->spec_ctrl, stale);
    svm.v_spec_ctrl = true;
    fake_msr(IA32_SPEC_CTRL, 5, ~0ULL);
    svm_capture_state(cpu, &launch, 0x8000);
    assert_int_equal(vmcb->spec_ctrl, 5);
}

/* The call that led here has pushed 8 bytes (SDM 1, 17.2); 0: shadow stacks are off. */
static void a_shadow_stack_goes_on_behind_the_call(void **state)
{
    (void)state;
    live_cr4 |= 1 << 23;
    fake_msr(IA32_S_CET, 3, ~0ULL);
    fake_msr(IA32_INT_SSP_TAB, 0x9000, ~0ULL);
    svm_capture_state(cpu, &launch, 0x8000);
    assert_int_equal(vmcb->s_cet, 3);
    assert_int_equal(vmcb->isst_addr, 0x9000);
    assert_int_equal(vmcb->ssp, 0x8008);
    svm_capture_state(cpu, &launch, 0);
    assert_int_equal(vmcb->ssp, 0);
}

/* --- after INIT and SIPI ------------------------------------------------------------------------
 */

/* APM table 14-1, and what must not be delivered to the next life. */
static const struct expected after_init[] = {
    IS(int_ctl, 0), IS(int_shadow, 0), IS(event_inj, 0), IS(clean, 0), IS(cpl, 0),
    IS(efer, 4096), IS(cr2, 0),        IS(cr3, 0),       IS(cr4, 0),   IS(dr6, 0xffff0ff0),
    IS(dr7, 0x400), IS(rflags, 2),     IS(rip, 0),       IS(rsp, 0),   IS(rax, 0),
    IS(s_cet, 0),   IS(ssp, 0),        IS(isst_addr, 0),
};

static void init_leaves_nothing_but_what_it_must(void **state)
{
    (void)state;
    svm_reset_state(cpu, 0);
    expect_fields(after_init, COUNT(after_init));
    expect_segment(vmcb->es, 0, 0x93, 0xffff, 0);
    expect_segment(vmcb->cs, 0, 0x9b, 0xffff, 0);
    expect_segment(vmcb->ss, 0, 0x93, 0xffff, 0);
    expect_segment(vmcb->ds, 0, 0x93, 0xffff, 0);
    expect_segment(vmcb->gdtr, 0, 0, 0xffff, 0);
    expect_segment(vmcb->idtr, 0, 0, 0xffff, 0);
    assert_int_equal(vmcb->intercept4 & 1, 1); /* the controls are there too */
}

static void registers_are_zero_but_for_the_signature(void **state)
{
    (void)state;
    svm_reset_state(cpu, 7);
    for (u32 i = 0; i < REGISTERS; i++)
        assert_int_equal(cpu->regs[i], i == RDX ? 1 : 0); /* the fake's CPUID.1 EAX */
}

/* APM 16.5: CS:IP is VV00:0000. */
static void code_begins_where_the_sipi_says(void **state)
{
    (void)state;
    svm_reset_state(cpu, 0x9a);
    expect_segment(vmcb->cs, 0x9a00, 0x9b, 0xffff, 0x9a000);
    svm_reset_state(cpu, 0xff);
    expect_segment(vmcb->cs, 0xff00, 0x9b, 0xffff, 0xff000);
}

/* What is in the processor meanwhile: segments are reset there too; MSRs are the guest's still. */
static void resident_state_is_reset_in_the_processor(void **state)
{
    struct vmcb old = processor;

    (void)state;
    svm_reset_state(cpu, 0);
    expect_segment(processor.fs, 0, 0x93, 0xffff, 0);
    expect_segment(processor.gs, 0, 0x93, 0xffff, 0);
    expect_segment(processor.ldtr, 0, 0x82, 0xffff, 0);
    expect_segment(processor.tr, 0, 0x8b, 0xffff, 0);
    assert_memory_equal(&processor.star, &old.star,
                        offsetof(struct vmcb, cr2) - offsetof(struct vmcb, star));
    assert_true(cleared);
}

static void caches_and_pat_are_as_before(void **state)
{
    static const u64 modes[] = {0, CR0_CD, CR0_CD | CR0_NW};

    (void)state;
    for (u32 i = 0; i < COUNT(modes); i++) {
        vmcb->cr0 = 0x80050033 | modes[i];
        vmcb->g_pat = 0x0606060606060606;
        svm_reset_state(cpu, 0);
        assert_int_equal(vmcb->cr0, modes[i] | 0x10);
        assert_int_equal(vmcb->g_pat, 0x0606060606060606);
    }
    vmcb->g_pat = 0; /* never captured */
    svm_reset_state(cpu, 0);
    assert_int_equal(vmcb->g_pat, 0x0007040600070406);
}

/* --- a life that begins -------------------------------------------------------------------------
 */

static void a_life_begins_as_after_reset(void **state)
{
    (void)state;
    svm_begin_life(cpu);
    svm_reset_state(cpu, 0);
    assert_int_equal(vmcb->cr0, 0x10); /* caches on, as the firmware leaves them */
    assert_int_equal(vmcb->g_pat, 0x0007040600070406);
    assert_int_equal(vmcb->spec_ctrl, 0);
    assert_int_equal(vmcb->dbgctl | vmcb->dbg_extn_cfg | vmcb->lbr_select, 0);
    assert_int_equal(vmcb->br_from | vmcb->lbr_stack[0] | vmcb->lbr_stack[31], 0);
}

/* Linux' 64-bit boot protocol: paged 64-bit mode, flat __BOOT_CS and __BOOT_DS at 10H and 18H. */
static void a_partition_boots(void **state)
{
    static const struct expected booted[] = {
        IS(cr3, 0x18000), IS(cr4, 0x20),          IS(efer, 0x1500),
        IS(rflags, 2),    IS(rip, 0x1000200),     IS(g_pat, 0x0007040600070406),
        IS(cpl, 0),       IS(gdtr.base, 0x11000), IS(event_inj, 0),
        IS(spec_ctrl, 0),
    };

    (void)state;
    svm_boot_state(cpu);
    expect_fields(booted, COUNT(booted));
    expect_segment(vmcb->cs, BOOT_CS, 0xa9b, 0xffffffff, 0);
    expect_segment(vmcb->ds, BOOT_DS, 0xc93, 0xffffffff, 0);
    expect_segment(vmcb->es, BOOT_DS, 0xc93, 0xffffffff, 0);
    expect_segment(vmcb->ss, BOOT_DS, 0xc93, 0xffffffff, 0);
    assert_int_equal(vmcb->gdtr.limit, BOOT_GDT_LIMIT);
    assert_int_equal(vmcb->cr0, BOOT_CR0);
    assert_int_equal(vmcb->cr0 & 0x80000001, 0x80000001);
    for (u32 i = 0; i < REGISTERS; i++)
        if (i != RDX)
            assert_int_equal(cpu->regs[i], i == RSI ? 0x10000 : 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(intercepts_are_exactly_these),
        TEST(what_shows_counters_follows_the_policy),
        TEST(branch_records_follow_the_policy),
        TEST(the_rest_of_the_control_area),
        TEST(descriptors_in_vmcb_form),
        TEST(the_privilege_level_is_no_part_of_the_index),
        TEST(null_selectors_have_no_descriptor),
        TEST(everything_is_captured),
        TEST(the_loader_finds_its_registers),
        TEST(what_the_processor_lacks_is_not_read),
        TEST(a_shadow_stack_goes_on_behind_the_call),
        TEST(init_leaves_nothing_but_what_it_must),
        TEST(registers_are_zero_but_for_the_signature),
        TEST(code_begins_where_the_sipi_says),
        TEST(resident_state_is_reset_in_the_processor),
        TEST(caches_and_pat_are_as_before),
        TEST(a_life_begins_as_after_reset),
        TEST(a_partition_boots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
