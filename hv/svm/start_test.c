/* Turning SVM on: until the host's IDT is loaded nothing may fault, and no emulator faults on MSRs.
 * Then what shared code asks of the vendor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"

static void clear_gif(void);
static void leaf_of(u32 leaf, u32 subleaf, u32 out[4]);
static bool write_but_keep(u32 msr, u64 value);
#define clgi       clear_gif
#define cpuid      leaf_of
#define wrmsr_safe write_but_keep
#include "svm/svm.c"
#undef wrmsr_safe

struct hv hv;
struct pmu pmu;

static jmp_buf entered;
static u8 *block;
static struct cpu *cpu;
static struct vmcb *vmcb;
static bool started, gif, captured, controlled;
static u32 instructions_done, intercepts_set;
static u8 reset_vector;
static enum preflight verdict;
static const struct msr_context *written;

static struct {
    u32 max_extended, svm_edx, leaf_80000021, leaf_1_ecx;
} leaves;

/* Beyond the last leaf some processors return whatever they like. */
static void leaf_of(u32 leaf, u32 subleaf, u32 out[4])
{
    assert_int_equal(subleaf, 0);
    memset(out, 0xff, 16);
    if (leaf == 0x80000000)
        out[0] = leaves.max_extended;
    if (leaf == 0x8000000a)
        out[3] = leaves.svm_edx;
    if (leaf == 0x80000021 && leaves.max_extended >= leaf)
        out[0] = leaves.leaf_80000021;
    if (leaf == 1)
        out[2] = leaves.leaf_1_ecx;
}

static u64 ignored; /* bits of MSRs that are 0 whatever is written */

static bool write_but_keep(u32 msr, u64 value)
{
    return wrmsr_safe(msr, value & ~ignored);
}

/* NMIs go to the firmware's IDT until here; SVME comes first (APM 3, CLGI). */
static void clear_gif(void)
{
    assert_true(rdmsr(IA32_EFER) & EFER_SVME);
    gif = false;
}

void svm_capture_state(struct cpu *self, const struct launch *launch, u64 ssp)
{
    assert_ptr_equal(self, cpu);
    assert_ptr_equal(launch, (void *)0x1000);
    assert_int_equal(ssp, 0x2000);
    captured = true;
}

void svm_enter(struct cpu *self)
{
    (void)self;
    longjmp(entered, 1);
}

void pmu_start(struct cpu *self)
{
    (void)self;
    started = true;
}

enum preflight preflight_svm(const struct cpu_ops *ops)
{
    assert_ptr_equal(ops->cpuid, leaf_of);
    assert_ptr_equal(ops->rdmsr, rdmsr);
    return verdict;
}

static bool noted; /* what the choice of the map needs */

u64 *memory_root(const struct cpu *self)
{
    return (u64 *)self->apic_base;
}

void svm_controls(struct cpu *self)
{
    (void)self;
    assert_true(noted);
    controlled = true;
}

void svm_set_pmu_intercepts(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    intercepts_set++;
}

void svm_reset_state(struct cpu *self, u8 vector)
{
    assert_ptr_equal(self, cpu);
    assert_true(noted);
    reset_vector = vector;
}

void svm_boot_state(struct cpu *self)
{
    (void)self;
}

void svm_await_sipi(struct cpu *self)
{
    (void)self;
    longjmp(entered, 2);
}

void apic_note(struct cpu *self)
{
    (void)self;
    noted = true;
}

void svm_absorb_signal(struct cpu *self)
{
    (void)self;
}

void svm_breathe(struct cpu *self)
{
    (void)self;
}

void svm_let_smi_in(struct cpu *self)
{
    (void)self;
}

void svm_await_reset(struct cpu *self)
{
    (void)self;
    longjmp(entered, 3);
}

u32 svm_signal_icr(void)
{
    return 0;
}

bool svm_let_in(struct cpu *self, u64 vector)
{
    (void)self;
    return vector;
}

const char *svm_last_exit(struct cpu *self)
{
    (void)self;
    return NULL;
}

bool svm_guest_state(struct cpu *self, struct guest_state *state)
{
    (void)self;
    return !state;
}

/* RIP is behind the instruction by then. */
void svm_instruction_done(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    assert_int_equal(vmcb->rip, 0x104);
    instructions_done++;
}

void msr_bitmap_svm(u8 map[8192], const struct msr_context *context)
{
    assert_ptr_equal(map, (void *)0x5000);
    written = context;
}

#define VM_CR_OTHERS 0x5 /* DPD, DIS_A20M: not Cede's */

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake_msr(IA32_EFER, EFER_LME | EFER_LMA | EFER_NXE, ~0ULL);
    fake_msr(MSR_VM_HSAVE_PA, 0, ~0ULL);
    fake_msr(MSR_VM_CR, VM_CR_OTHERS, ~0ULL);
    fake_msr(IA32_PAT, 0x0102030405060700, ~0ULL);
    fake_msr(IA32_SPEC_CTRL, 4, ~0ULL);
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    vmcb = cpu_vmcb(cpu);
    leaves.max_extended = 0x80000021;
    leaves.svm_edx = leaves.leaf_80000021 = 0;
    leaves.leaf_1_ecx = (u32)~BIT(31);
    svm = (struct svm){.v_spec_ctrl = true};
    started = noted = captured = controlled = false;
    gif = true;
    instructions_done = intercepts_set = 0;
    reset_vector = 0;
    verdict = PREFLIGHT_OK;
    ignored = 0;
    written = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

/* --- what the processor has ---------------------------------------------------------------------
 */

static struct svm prepared(u32 edx, u32 leaf_80000021)
{
    leaves.svm_edx = edx;
    leaves.leaf_80000021 = leaf_80000021;
    memset(&svm, 0, sizeof(svm));
    assert_int_equal(svm_vendor.prepare(), HV_OK);
    return svm;
}

/* APM 3, appendix E: 8000_000A EDX, 8000_0021 EAX. */
static void each_feature_has_its_bit(void **state)
{
    (void)state;
    for (u32 bit = 0; bit < 32; bit++) {
        u32 one = (u32)BIT(bit);

        assert_int_equal(prepared(one, 0).flush_by_asid, bit == 6);
        assert_int_equal(prepared(one, 0).decode_assists, bit == 7);
        assert_int_equal(prepared(one, 0).v_spec_ctrl, bit == 20);
        assert_int_equal(prepared(one, 0).eraps, false);
        assert_int_equal(prepared(0, one).eraps, bit == 24);
        assert_int_equal(prepared(~one, ~one).flush_by_asid, bit != 6);
        assert_int_equal(prepared(~one, ~one).eraps, bit != 24);
    }
}

static void a_leaf_beyond_the_last_is_not_believed(void **state)
{
    (void)state;
    leaves.max_extended = 0x80000020;
    assert_false(prepared(0, 0).eraps);
    leaves.max_extended = 0x80000025;
    assert_true(prepared(0, (u32)BIT(24)).eraps);
}

static void r_init_is_believed_on_metal_only(void **state)
{
    (void)state;
    leaves.leaf_1_ecx = ~0U; /* under another hypervisor */
    assert_false(r_init_works());
    assert_false(prepared(0, 0).init_exits);
    leaves.leaf_1_ecx = (u32)~BIT(31);
    assert_true(r_init_works());
    assert_true(prepared(0, 0).init_exits);
    assert_int_equal(rdmsr(MSR_VM_CR), VM_CR_OTHERS);
    ignored = 2; /* as emulators do */
    assert_false(r_init_works());
    ignored = 0;
    fake.msr[fake_msr_index(MSR_VM_CR)].valid = VM_CR_OTHERS;
    assert_false(r_init_works());
}

static void init_exits_are_as_found(void **state)
{
    (void)state;
    assert_false(svm_vendor.init_exits());
    svm.init_exits = true;
    assert_true(svm_vendor.init_exits());
}

/* --- on ----------------------------------------------------------------------------------------
 */

static enum hv_status capture(void)
{
    return svm_vendor.capture(cpu, (void *)0x1000, 0x2000);
}

static void a_processor_that_does_not_pass_is_left_as_it_was(void **state)
{
    (void)state;
    verdict = PREFLIGHT_SVM_IN_USE;
    svm.init_exits = true;
    assert_int_equal(svm_vendor.enable(cpu), HV_REFUSED);
    assert_int_equal(capture(), HV_REFUSED);
    assert_int_equal(rdmsr(IA32_EFER), EFER_LME | EFER_LMA | EFER_NXE);
    assert_int_equal(rdmsr(MSR_VM_HSAVE_PA), 0);
    assert_int_equal(rdmsr(MSR_VM_CR), VM_CR_OTHERS);
    assert_true(gif);
    assert_false(captured || controlled || noted);
}

/* APM 15.4, 15.30.1, 15.30.4. */
static void svm_is_turned_on(void **state)
{
    (void)state;
    assert_int_equal(svm_vendor.enable(cpu), HV_OK);
    assert_int_equal(rdmsr(IA32_EFER), EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME);
    assert_int_equal(rdmsr(MSR_VM_HSAVE_PA), block + 0x6000);
    assert_int_equal(rdmsr(MSR_VM_CR), VM_CR_OTHERS);
    assert_false(gif);
    svm.init_exits = true;
    assert_int_equal(svm_vendor.enable(cpu), HV_OK);
    assert_int_equal(rdmsr(MSR_VM_CR), VM_CR_OTHERS | 2);
    assert_false(captured);
}

static void what_runs_becomes_the_guest(void **state)
{
    (void)state;
    assert_int_equal(capture(), HV_OK);
    assert_true(captured && noted && controlled);
    assert_true(rdmsr(IA32_EFER) & EFER_SVME);
}

/* pmu_start() counts on faults: on firmware's IDT, at the capture, they would be the end. */
static void counters_are_taken_over_at_the_entry(void **state)
{
    (void)state;
    assert_int_equal(capture(), HV_OK);
    assert_false(started);
    if (!setjmp(entered))
        svm_vendor.enter(cpu);
    assert_true(started);
}

static void the_host_leaves_nothing_of_firmwares_in_force(void **state)
{
    (void)state;
    if (!setjmp(entered))
        svm_vendor.enter(cpu);
    assert_int_equal(rdmsr(IA32_PAT), PAT_RESET);
    assert_int_equal(rdmsr(IA32_SPEC_CTRL), 0);
}

/* Else it is the guest's, which may have set it before. */
static void without_a_virtual_one_spec_ctrl_is_left_alone(void **state)
{
    (void)state;
    svm.v_spec_ctrl = false;
    if (!setjmp(entered))
        svm_vendor.enter(cpu);
    assert_int_equal(rdmsr(IA32_SPEC_CTRL), 4);
}

static void a_reset_forgets_half_written_stores(void **state)
{
    (void)state;
    for (u32 i = 0; i < KNOWN_STORES; i++)
        cpu->known_stores[i].words = 3;
    svm_vendor.reset(cpu, 0x9a);
    assert_int_equal(reset_vector, 0x9a);
    for (u32 i = 0; i < KNOWN_STORES; i++)
        assert_int_equal(cpu->known_stores[i].words, 0);
}

/* --- maps ---------------------------------------------------------------------------------------
 */

/* APM 15.25.5: user accesses, which may set no bit that is checked. */
static void nested_tables_allow_the_guest_everything(void **state)
{
    struct page_map map = {0};

    (void)state;
    svm_vendor.shape_map(&map);
    assert_int_equal(map.table_bits, 0x67); /* P, RW, US, A, D */
    assert_int_equal(map.leaf_bits, 0x67);
}

/* APM 15.10.1, 15.11. */
static void permission_maps_have_their_sizes(void **state)
{
    (void)state;
    assert_int_equal(svm_vendor.msr_map_pages * PAGE_SIZE, 0x2000);
    assert_int_equal(svm_vendor.io_map_pages * PAGE_SIZE, 0x3000);
}

/* Without the flush and the cleared bit the processor goes on with the old one
 * (APM 15.15.3, 15.16).
 */
static void another_map_is_loaded_and_nothing_is_kept_of_the_old(void **state)
{
    (void)state;
    for (u32 by_asid = 0; by_asid < 2; by_asid++) {
        svm.flush_by_asid = by_asid;
        cpu->apic_base = 0x9000;
        vmcb->clean = CLEAN_ALL;
        svm_vendor.map_changed(cpu);
        assert_int_equal(vmcb->n_cr3, 0x9000);
        assert_int_equal(vmcb->clean, CLEAN_ALL & ~BIT(4));
        assert_int_equal(vmcb->tlb_control, by_asid ? 3 : 1);
    }
}

static void permissions_are_the_guests(void **state)
{
    struct guest guest = {.msr_map = 0x5000};

    (void)state;
    svm_vendor.write_permissions(&guest);
    assert_ptr_equal(written, &guest.msr);
}

/* Bits 0 and 1 (APM 15.15.2): intercepts, MSRPM. */
static void nothing_is_kept_of_old_permissions(void **state)
{
    (void)state;
    vmcb->clean = CLEAN_ALL;
    svm_vendor.permissions_changed(cpu);
    assert_int_equal(vmcb->clean, CLEAN_ALL & ~3ULL);
    assert_int_equal(intercepts_set, 1);
}

/* --- events and instructions --------------------------------------------------------------------
 */

static void a_machine_check_waits_for_a_free_entry(void **state)
{
    (void)state;
    vmcb->event_inj = 0x80000202;
    assert_false(svm_vendor.inject_machine_check(cpu));
    assert_int_equal(vmcb->event_inj, 0x80000202);
    vmcb->event_inj = 0x202; /* no event: not valid */
    assert_true(svm_vendor.inject_machine_check(cpu));
    assert_int_equal(vmcb->event_inj, 0x80000312); /* #MC has no error code */
}

static struct code_state code_state(void)
{
    struct code_state state;

    memset(&state, 0x5a, sizeof(state));
    svm_vendor.code_state(cpu, &state);
    return state;
}

static void code_is_where_the_vmcb_says(void **state)
{
    struct code_state code;

    (void)state;
    vmcb->cr0 = 1;
    vmcb->cr3 = 2;
    vmcb->cr4 = 3;
    vmcb->efer = 4;
    vmcb->cs.base = 5;
    vmcb->rip = 6;
    vmcb->rflags = 7;
    code = code_state();
    assert_int_equal(code.paging.cr0, 1);
    assert_int_equal(code.paging.cr3, 2);
    assert_int_equal(code.paging.cr4, 3);
    assert_int_equal(code.paging.efer, 4);
    assert_int_equal(code.cs_base, 5);
    assert_int_equal(code.rip, 6);
    assert_int_equal(code.rflags, 7);
}

/* Attribute bits 9 and 10 are L and D (APM 4.8.1). L counts in long mode only. */
static void how_code_is_read(void **state)
{
    static const struct {
        u64 efer;
        u16 attributes;
        bool long_mode, default32;
    } modes[] = {
        {0x1500, 0xa9b, true, false},  {0x1500, 0xc9b, false, true},
        {0x1100, 0xa9b, false, false}, {0x1500, 0x09b, false, false},
        {0x1000, 0xc9b, false, true},  {0x1000, 0x09b, false, false},
        {0x1400, 0xfffd, true, true},  {0x1400, 0xf9ff, false, false},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(modes); i++) {
        vmcb->efer = modes[i].efer;
        vmcb->cs.attributes = modes[i].attributes;
        assert_int_equal(code_state().long_mode, modes[i].long_mode);
        assert_int_equal(code_state().default32, modes[i].default32);
    }
}

/* APM 15.8.4: four bits say how many. */
static void bytes_that_were_fetched_come_along(void **state)
{
    (void)state;
    vmcb->fetched = 0xf6;
    assert_int_equal(code_state().byte_count, 0);
    svm.decode_assists = true;
    assert_int_equal(code_state().byte_count, 6);
    assert_ptr_equal(code_state().bytes, (u8 *)vmcb + 0xd1);
    vmcb->fetched = 15;
    assert_int_equal(code_state().byte_count, 15);
}

static void decoded_instructions_are_done(void **state)
{
    (void)state;
    vmcb->rip = 0x100;
    vmcb->nrip = 0x200; /* of another exit */
    vmcb->int_shadow = 1;
    svm_vendor.advance(cpu, 4);
    assert_int_equal(vmcb->rip, 0x104);
    assert_int_equal(vmcb->int_shadow, 0);
    assert_int_equal(instructions_done, 1);
}

static void flags_are_set_and_faults_are_raised(void **state)
{
    (void)state;
    svm_vendor.set_rflags(cpu, 0x10202);
    assert_int_equal(vmcb->rflags, 0x10202);
    vmcb->cr0 = CR0_PE;
    svm_vendor.inject_gp(cpu);
    assert_int_equal(vmcb->event_inj, 0x80000b0d);
    vmcb->cr0 = 0;
    svm_vendor.inject_gp(cpu);
    assert_int_equal(vmcb->event_inj, 0x8000030d);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_feature_has_its_bit),
        TEST(a_leaf_beyond_the_last_is_not_believed),
        TEST(r_init_is_believed_on_metal_only),
        TEST(init_exits_are_as_found),
        TEST(a_processor_that_does_not_pass_is_left_as_it_was),
        TEST(svm_is_turned_on),
        TEST(what_runs_becomes_the_guest),
        TEST(counters_are_taken_over_at_the_entry),
        TEST(the_host_leaves_nothing_of_firmwares_in_force),
        TEST(without_a_virtual_one_spec_ctrl_is_left_alone),
        TEST(a_reset_forgets_half_written_stores),
        TEST(nested_tables_allow_the_guest_everything),
        TEST(permission_maps_have_their_sizes),
        TEST(another_map_is_loaded_and_nothing_is_kept_of_the_old),
        TEST(permissions_are_the_guests),
        TEST(nothing_is_kept_of_old_permissions),
        TEST(a_machine_check_waits_for_a_free_entry),
        TEST(code_is_where_the_vmcb_says),
        TEST(how_code_is_read),
        TEST(bytes_that_were_fetched_come_along),
        TEST(decoded_instructions_are_done),
        TEST(flags_are_set_and_faults_are_raised),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
