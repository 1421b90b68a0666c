/* Turning VMX on: what is in force before, that a failure leaves everything as it was, and what the
 * rest of Cede reaches through the vendor's table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"

static u64 cr0, cr4;
static char steps[256]; /* in the order in which they were done */

static void step(const char *what)
{
    strcat(steps, what);
    strcat(steps, " ");
}

static void load_cr0(u64 value)
{
    step(value & 0x20 ? "NE" : "ne");
    cr0 = value;
}

static void load_cr4(u64 value)
{
    step(value & 0x2000 ? "VMXE" : "vmxe");
    cr4 = value;
}

/* A processor whose CPUID ends at `max_leaf`. */
static u32 max_leaf, perfmon;

static void count_leaves(u32 leaf, u32 subleaf, u32 out[4])
{
    memset(out, 0, 16);
    assert_int_equal(subleaf, 0);
    out[0] = leaf == 0 ? max_leaf : leaf == 0xa ? perfmon : 0x55555555;
    if (leaf > max_leaf)
        out[0] = 0xffffffff;
}

#define read_cr0() cr0
#define write_cr0  load_cr0
#define write_cr4  load_cr4
#define cpuid      count_leaves

static u64 firmwares_cr4(void)
{
    return cr4;
}
#define read_cr4 firmwares_cr4

#include "fake/fake_vmx.h"

static u64 turned_on_in, cleared, loaded;
static bool vmxon_works, vmclear_works, vmptrld_works;

static bool vmxon(u64 region)
{
    step("vmxon");
    turned_on_in = region;
    return vmxon_works;
}

static bool vmclear(u64 region)
{
    step("vmclear");
    cleared = region;
    return vmclear_works;
}

static bool vmptrld(u64 region)
{
    step("vmptrld");
    loaded = region;
    return vmptrld_works;
}

static void vmxoff(void)
{
    step("vmxoff");
}

#include "vmx/vmx.c"

static u32 lbr_follows;

void vmx_lbr_follow(struct cpu *self)
{
    (void)self;
    lbr_follows++;
}

bool lbr_ctl_is_switched(const struct cpu_ops *ops)
{
    (void)ops;
    return true;
}

struct hv hv;
struct pmu pmu;

void vmx_pebs_follow(struct cpu *self)
{
    (void)self;
    step("pebs");
}
const char vmx_exited[1], vmx_exited_list[1];
const char vmx_window_start[1], vmx_window_end[1], vmx_late[1];

static u8 *block;
static struct cpu *cpu;
static struct guest guest;
static enum preflight verdict;
static u64 cr4_as_judged;
static int missing;
static jmp_buf entered;

enum preflight preflight_vmx(const struct cpu_ops *ops)
{
    cr4_as_judged = ops->read_cr4();
    return verdict;
}

/* The controls of a processor that has all. */
int vmx_compute(const struct cpu_ops *ops, struct vmx_controls *controls, struct vmx_hidden *hidden)
{
    assert_ptr_equal(ops->rdmsr, rdmsr);
    memset(controls, 0, sizeof(*controls));
    controls->word[WORD_PRIMARY] = 0x1000;
    controls->word[WORD_EXIT] = EXITCTL_SAVE_GLOBAL;
    hidden->cr4 = 0x77;
    return missing;
}

u32 vmx_primary(const struct cpu *self)
{
    return vmx.controls.word[WORD_PRIMARY] | (self->guest->pmu.mode == PMU_OFF ? 0x800 : 0);
}

void vmx_set_controls(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("controls");
}

void vmx_host_state(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("host");
}

static struct control_registers captured;
static u64 captured_ssp;
static const struct launch *captured_launch;

void vmx_capture_state(struct cpu *self, const struct launch *launch, u64 ssp,
                       struct control_registers old)
{
    assert_ptr_equal(self, cpu);
    step("capture");
    captured_launch = launch;
    captured_ssp = ssp;
    captured = old;
}

void vmx_flush_ept(void)
{
    step("ept");
}

void vmx_flush_vpid(void)
{
    step("vpid");
}

void apic_note(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("apic");
}

void pmu_start(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("pmu");
}

void vmx_before_entry(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("before");
}

static u32 instructions_done;

void vmx_instruction_done(struct cpu *self)
{
    (void)self;
    instructions_done++;
}

void vmx_enter(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    step("enter");
    longjmp(entered, 1);
}

void msr_bitmap_vmx(u8 map[4096], const struct msr_context *context)
{
    map[0] = (u8)context->granted;
}

void vmx_inject_gp(void)
{
    step("gp");
}

/* Only there to be in the table. */
void vmx_shape_map(struct page_map *map)
{
    (void)map;
}

void vmx_reset_state(struct cpu *self, u8 vector)
{
    (void)self;
    (void)vector;
}

void vmx_boot(struct cpu *self)
{
    (void)self;
}

void vmx_await_sipi(struct cpu *self)
{
    (void)self;
    longjmp(entered, 2);
}

void vmx_map_changed(struct cpu *self)
{
    (void)self;
}

u32 vmx_signal_icr(void)
{
    return 0;
}

void vmx_absorb_signal(struct cpu *self)
{
    (void)self;
}

bool vmx_inject_machine_check(struct cpu *self)
{
    return self;
}

bool vmx_let_in(struct cpu *self, u64 vector)
{
    (void)self;
    return vector;
}

const char *vmx_last_exit(struct cpu *self)
{
    (void)self;
    return NULL;
}

bool vmx_guest_state(struct cpu *self, struct guest_state *state)
{
    (void)self;
    return !state;
}

void vmx_note_state(struct cpu *self)
{
    (void)self;
}

#define CR0_OF_FIRMWARE 0x80010013ULL
#define CR4_OF_FIRMWARE 0x1668ULL

/* CR0.NE must be 1, CR4.VMXE too; firmware has set bits that this processor's VMX does not take. */
static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(fake_vmcs, 0, sizeof(fake_vmcs));
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    cpu->guest = &guest;
    memset(&guest, 0, sizeof(guest));
    memset(&vmx, 0, sizeof(vmx));
    fake_msr(IA32_FEATURE_CONTROL, 0x5, 0);
    fake_msr(IA32_VMX_BASIC, 0x00da040080000013, 0);
    fake_msr(IA32_VMX_CR0_FIXED0, 0x80000021, 0);
    fake_msr(IA32_VMX_CR0_FIXED1, 0xfffeffff, 0);
    fake_msr(IA32_VMX_CR4_FIXED0, 0x2000, 0);
    fake_msr(IA32_VMX_CR4_FIXED1, 0x3727ff, 0);
    fake_msr(IA32_VMX_PROCBASED_CTLS2, 0x553cfe00000000, 0);
    cr0 = CR0_OF_FIRMWARE;
    cr4 = CR4_OF_FIRMWARE;
    max_leaf = 0x16;
    perfmon = 0x7300404;
    verdict = PREFLIGHT_OK;
    missing = VMX_NOTHING_MISSING;
    vmxon_works = vmclear_works = vmptrld_works = true;
    steps[0] = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

/* --- on the boot processor ---------------------------------------------------------------------
 */

static void the_processors_traits_are_read(void **state)
{
    (void)state;
    assert_int_equal(vmx_vendor.prepare(), HV_OK);
    assert_int_equal(vmx.revision, 0x13); /* 30:0 */
    assert_int_equal(vmx.cr0_fixed0, 0x80000021);
    assert_int_equal(vmx.cr0_fixed1, 0xfffeffff);
    assert_int_equal(vmx.cr4_fixed0, 0x2000);
    assert_int_equal(vmx.cr4_fixed1, 0x3727ff);
    assert_int_equal(vmx.hidden.cr4, 0x77);
    assert_int_equal(vmx.controls.word[WORD_PRIMARY], 0x1000);
    assert_int_equal(cr4_as_judged, CR4_OF_FIRMWARE);
}

/* What may be 1 is in the upper half (appendix A.3.3). */
static void wbinvd_exits_where_it_can(void **state)
{
    u64 *allowed = &fake.msr[fake_msr_index(IA32_VMX_PROCBASED_CTLS2)].value;

    (void)state;
    vmx_vendor.prepare();
    assert_int_equal(vmx.wbinvd_exits, 0x40);
    assert_true(vmx.lbr_ctl);
    *allowed = ~(0x40ULL << 32);
    vmx_vendor.prepare();
    assert_int_equal(vmx.wbinvd_exits, 0);
}

/* From version 2 on (SDM 20.2.2). */
static void global_ctrl_exists_with_perfmon_2(void **state)
{
    (void)state;
    for (u32 version = 0; version < 6; version++) {
        perfmon = 0x7300400 | version;
        vmx_vendor.prepare();
        assert_int_equal(vmx.global_ctrl, version >= 2);
    }
    max_leaf = 9; /* what lies beyond says nothing */
    vmx_vendor.prepare();
    assert_false(vmx.global_ctrl);
    max_leaf = 0xa;
    vmx_vendor.prepare();
    assert_true(vmx.global_ctrl);
}

static void lists_stand_in_for_the_control_that_saves(void **state)
{
    struct vmx_controls saving = {.word = {[WORD_EXIT] = EXITCTL_SAVE_GLOBAL}},
                        others = {.word = {[WORD_EXIT] = ~(u32)EXITCTL_SAVE_GLOBAL}};

    (void)state;
    vmx.controls = saving;
    read_features();
    assert_false(vmx.global_list);
    vmx.controls = others;
    read_features();
    assert_true(vmx.global_list);
    vmx.controls = saving;
    perfmon = 1;
    read_features();
    assert_true(vmx.global_list); /* there is no field to read */
}

static void what_does_not_pass_is_refused(void **state)
{
    (void)state;
    verdict = PREFLIGHT_EPT_POOR;
    assert_int_equal(vmx_vendor.prepare(), HV_REFUSED);
    verdict = PREFLIGHT_OK;
    missing = 0; /* the first row */
    assert_int_equal(vmx_vendor.prepare(), HV_REFUSED);
    assert_int_equal(vmx.revision, 0);
}

/* --- on each core ------------------------------------------------------------------------------
 */

#define TURNS_ON "NE VMXE vmxon vmclear vmptrld ept vpid controls host "

static enum hv_status capture(void)
{
    static const struct launch launch;

    vmx_vendor.prepare();
    steps[0] = 0;
    return vmx_vendor.capture(cpu, &launch, 0x8ff8);
}

/* Fixed bits come before VMXON (24.8), VMCLEAR before VMPTRLD (25.11.3), and a VMCS is current
 * before it is written. */
static void vmx_is_turned_on_in_order(void **state)
{
    (void)state;
    assert_int_equal(capture(), HV_OK);
    assert_string_equal(steps, "apic " TURNS_ON "capture ");
    assert_int_equal(cr0, 0x80000033); /* without WP, as this processor wants it */
    assert_int_equal(cr4, 0x2668);
    assert_int_equal(captured.cr0, CR0_OF_FIRMWARE);
    assert_int_equal(captured.cr4, CR4_OF_FIRMWARE);
    assert_int_equal(captured_ssp, 0x8ff8);
    assert_non_null(captured_launch);
}

/* 25.2: bits 30:0 of the first four bytes, and bit 31 clear. */
static void both_regions_bear_the_revision(void **state)
{
    (void)state;
    assert_int_equal(capture(), HV_OK);
    assert_int_equal(turned_on_in, (u64)cpu + 0x2000);
    assert_int_equal(cleared, (u64)cpu + 0x1000);
    assert_int_equal(loaded, (u64)cpu + 0x1000);
    assert_int_equal(*(u32 *)turned_on_in, 0x13);
    assert_int_equal(*(u32 *)loaded, 0x13);
}

static void expect_all_as_before(const char *done)
{
    assert_int_equal(capture(), HV_REFUSED);
    assert_string_equal(steps, done);
    assert_int_equal(cr0, CR0_OF_FIRMWARE);
    assert_int_equal(cr4, CR4_OF_FIRMWARE);
}

/* VMXOFF before CR4.VMXE is cleared, which would fault (24.8). */
static void a_failure_leaves_all_as_before(void **state)
{
    (void)state;
    vmxon_works = false;
    expect_all_as_before("apic NE VMXE vmxon vmxe ne ");
    vmxon_works = true;
    vmclear_works = false;
    expect_all_as_before("apic NE VMXE vmxon vmclear vmxoff vmxe ne ");
    vmclear_works = true;
    vmptrld_works = false;
    expect_all_as_before("apic NE VMXE vmxon vmclear vmptrld vmxoff vmxe ne ");
    vmx_vendor.prepare();
    steps[0] = 0;
    assert_int_equal(vmx_vendor.enable(cpu), HV_REFUSED);
    assert_int_equal(cr4, CR4_OF_FIRMWARE);
}

static void a_core_that_does_not_pass_is_not_touched(void **state)
{
    (void)state;
    verdict = PREFLIGHT_VMX_LOCKED;
    assert_int_equal(capture(), HV_REFUSED);
    assert_string_equal(steps, "apic ");
    steps[0] = 0;
    assert_int_equal(vmx_vendor.enable(cpu), HV_REFUSED);
    assert_string_equal(steps, "apic ");
}

/* VMXE is Cede's own there. */
static void a_core_of_the_trampolines_has_vmxe_set(void **state)
{
    (void)state;
    vmx_vendor.prepare();
    steps[0] = 0;
    cr4 |= 0x2000;
    assert_int_equal(vmx_vendor.enable(cpu), HV_OK);
    assert_string_equal(steps, "apic " TURNS_ON);
    assert_int_equal(cr4_as_judged, 0);
    assert_int_equal(vmx_vendor.capture(cpu, NULL, 0), HV_OK);
    assert_int_equal(cr4_as_judged, 0x2668);
}

/* 24.7 */
static void vmxon_is_unlocked_where_firmware_has_not_decided(void **state)
{
    u64 *control = &fake.msr[fake_msr_index(IA32_FEATURE_CONTROL)].value;

    (void)state;
    capture();
    assert_int_equal(*control, 5); /* locked: a write would fault */
    fake.msr[fake_msr_index(IA32_FEATURE_CONTROL)].valid = ~0ULL;
    fake_msr(IA32_MCG_CAP, ~BIT(27), 0);
    *control = 0x40000;
    capture();
    assert_int_equal(*control, 0x40005);
    fake.msr[fake_msr_index(IA32_MCG_CAP)].value = BIT(27); /* local machine checks */
    *control = 0x40000;
    capture();
    assert_int_equal(*control, 0x140005);
}

/* pmu_start() counts on faults: on firmware's IDT, at the capture, they would be the end. */
static void counters_are_taken_over_at_the_entry(void **state)
{
    (void)state;
    assert_int_equal(capture(), HV_OK);
    assert_null(strstr(steps, "pmu"));
    steps[0] = 0;
    if (!setjmp(entered))
        vmx_vendor.enter(cpu);
    assert_string_equal(steps, "pmu before enter ");
}

/* --- what others need --------------------------------------------------------------------------
 */

static void permissions_are_the_guests(void **state)
{
    static u8 map[4096];

    (void)state;
    guest.msr_map = (u64)map;
    guest.msr.granted = 0x5a;
    vmx_vendor.write_permissions(&guest);
    assert_int_equal(map[0], 0x5a);
}

static void a_step_goes_on_when_permissions_change(void **state)
{
    (void)state;
    vmx.controls.word[WORD_PRIMARY] = 0x1000;
    lbr_follows = 0;
    vmx_vendor.permissions_changed(cpu);
    assert_int_equal(lbr_follows, 1);
    assert_int_equal(fake_vmcs[0x4002], 0x1000);
    guest.pmu.mode = PMU_OFF;
    cpu->vmx.stepping = true;
    vmx_vendor.permissions_changed(cpu);
    assert_int_equal(fake_vmcs[0x4002], 0x8001800);
}

static void guest_is_at(u64 efer, u64 cs_rights)
{
    fake_vmcs[0x2806] = efer;
    fake_vmcs[0x4816] = cs_rights;
    fake_vmcs[0x6800] = 0x80000011;
    fake_vmcs[0x6802] = 0x7000;
    fake_vmcs[0x6804] = 0x2020;
    fake_vmcs[0x6808] = 0x12000;
    fake_vmcs[0x681e] = 0x100;
    fake_vmcs[0x6820] = 0x246;
}

static void the_guests_code_is_found(void **state)
{
    struct code_state code;

    (void)state;
    guest_is_at(0xd01, 0xa09b);
    memset(&code, 0x55, sizeof(code));
    vmx_vendor.code_state(cpu, &code);
    assert_int_equal(code.paging.cr0, 0x80000011);
    assert_int_equal(code.paging.cr3, 0x7000);
    assert_int_equal(code.paging.cr4, 0x2020);
    assert_int_equal(code.paging.efer, 0xd01);
    assert_int_equal(code.cs_base, 0x12000);
    assert_int_equal(code.rip, 0x100);
    assert_int_equal(code.rflags, 0x246);
    assert_null(code.bytes); /* the processor does not record them */
    assert_int_equal(code.byte_count, 0);
}

/* CS.L means something with EFER.LMA only. */
static void its_mode_is_that_of_cs(void **state)
{
    static const struct {
        u64 efer, rights;
        bool long_mode, default32;
    } modes[] = {
        {0x500, 0xa09b, true, false}, {0x500, 0xc09b, false, true}, {0x500, 0x809b, false, false},
        {0, 0xa09b, false, false},    {0, 0x409b, false, true},     {0x100, 0x209b, false, false},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(modes); i++) {
        struct code_state code;

        guest_is_at(modes[i].efer, modes[i].rights);
        memset(&code, 0, sizeof(code));
        vmx_vendor.code_state(cpu, &code);
        assert_int_equal(code.long_mode, modes[i].long_mode);
        assert_int_equal(code.default32, modes[i].default32);
    }
}

static void an_instruction_ends_or_faults(void **state)
{
    (void)state;
    guest_is_at(0xd01, 0xa09b);
    fake_vmcs[0x4824] = 2; /* blocking by MOV SS ends with it */
    instructions_done = 0;
    vmx_vendor.advance(cpu, 7);
    assert_int_equal(instructions_done, 1); /* counted, and a trap if it is single-stepped */
    assert_int_equal(fake_vmcs[0x681e], 0x107);
    assert_int_equal(fake_vmcs[0x4824], 0);
    vmx_vendor.set_rflags(cpu, 0x10002);
    assert_int_equal(fake_vmcs[0x6820], 0x10002);
    vmx_vendor.inject_gp(cpu);
    assert_string_equal(steps, "gp ");
}

/* 25.6.4, 25.6.9; INITs exit in VMX non-root operation (26.2). */
static void the_table_says_what_vt_x_is_like(void **state)
{
    (void)state;
    assert_string_equal(vmx_vendor.name, "VT-x");
    assert_int_equal(vmx_vendor.msr_map_pages, 1);
    assert_int_equal(vmx_vendor.io_map_pages, 2);
    assert_true(vmx_vendor.init_exits());
    assert_true(vmx_vendor.icr_may_rest);
    assert_null(vmx_vendor.let_smi_in); /* nothing is held back in the host */
    assert_null(vmx_vendor.breathe);
    assert_ptr_equal(vmx_vendor.flush_map, vmx_flush_ept);
    assert_ptr_equal(vmx_vendor.window_start, vmx_window_start);
    assert_ptr_equal(vmx_vendor.window_end, vmx_window_end);
    assert_ptr_equal(vmx_vendor.late, vmx_late);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_processors_traits_are_read),
        TEST(wbinvd_exits_where_it_can),
        TEST(global_ctrl_exists_with_perfmon_2),
        TEST(lists_stand_in_for_the_control_that_saves),
        TEST(what_does_not_pass_is_refused),
        TEST(vmx_is_turned_on_in_order),
        TEST(both_regions_bear_the_revision),
        TEST(a_failure_leaves_all_as_before),
        TEST(a_core_that_does_not_pass_is_not_touched),
        TEST(a_core_of_the_trampolines_has_vmxe_set),
        TEST(vmxon_is_unlocked_where_firmware_has_not_decided),
        TEST(counters_are_taken_over_at_the_entry),
        TEST(permissions_are_the_guests),
        TEST(a_step_goes_on_when_permissions_change),
        TEST(the_guests_code_is_found),
        TEST(its_mode_is_that_of_cs),
        TEST(an_instruction_ends_or_faults),
        TEST(the_table_says_what_vt_x_is_like),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
