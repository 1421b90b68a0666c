/* Turning SVM on: until the host's IDT is loaded nothing may fault, and no emulator faults on MSRs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "svm/svm.c"

struct hv hv;
struct pmu pmu;

static jmp_buf entered;
static struct cpu cpu;
static bool started;

void svm_capture_state(struct cpu *self, const struct launch *launch, u64 ssp)
{
    (void)self;
    (void)launch;
    (void)ssp;
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
    (void)ops;
    return PREFLIGHT_OK;
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
}

void svm_set_pmu_intercepts(struct cpu *self)
{
    (void)self;
}

void svm_reset_state(struct cpu *self, u8 vector)
{
    (void)self;
    (void)vector;
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

void svm_instruction_done(struct cpu *self)
{
    (void)self;
}

void msr_bitmap_svm(u8 map[8192], const struct msr_context *context)
{
    (void)map;
    (void)context;
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    fake_msr(IA32_EFER, 0, ~0ULL);
    fake_msr(MSR_VM_HSAVE_PA, 0, ~0ULL);
    fake_msr(MSR_VM_CR, 0, ~0ULL);
    fake_msr(IA32_PAT, 0x0102030405060700, ~0ULL);
    fake_msr(IA32_SPEC_CTRL, 4, ~0ULL);
    svm = (struct svm){.v_spec_ctrl = true};
    started = noted = false;
    return 0;
}

/* pmu_start() counts on faults: on firmware's IDT, at the capture, they would be the end. */
static void counters_are_taken_over_at_the_entry(void **state)
{
    (void)state;
    assert_int_equal(svm_vendor.capture(&cpu, NULL, 0), HV_OK);
    assert_false(started);
    if (!setjmp(entered))
        svm_vendor.enter(&cpu);
    assert_true(started);
}

static void the_host_leaves_nothing_of_firmwares_in_force(void **state)
{
    (void)state;
    if (!setjmp(entered))
        svm_vendor.enter(&cpu);
    assert_int_equal(rdmsr(IA32_PAT), PAT_RESET);
    assert_int_equal(rdmsr(IA32_SPEC_CTRL), 0);
}

/* Without the flush and the cleared bit the processor goes on with the old one
 * (APM 15.15.3, 15.16).
 */
static void another_map_is_loaded_and_nothing_is_kept_of_the_old(void **state)
{
    static struct {
        struct cpu cpu;
        u8 rest[CPU_VMCB + sizeof(struct vmcb) - sizeof(struct cpu)];
    } core __attribute__((aligned(4096)));
    struct vmcb *vmcb = cpu_vmcb(&core.cpu);

    (void)state;
    core.cpu.apic_base = 0x9000;
    vmcb->clean = CLEAN_ALL;
    svm_vendor.map_changed(&core.cpu);
    assert_int_equal(vmcb->n_cr3, 0x9000);
    assert_false(vmcb->clean & CLEAN_NP);
    assert_int_equal(vmcb->tlb_control, TLB_FLUSH_ALL);
}

static void r_init_is_believed_on_metal_only(void **state)
{
    (void)state;
    assert_false(r_init_works()); /* the fake's CPUID has every bit */
    fake.metal = true;
    assert_true(r_init_works());
    assert_int_equal(rdmsr(MSR_VM_CR), 0);
    fake.msr[fake_msr_index(MSR_VM_CR)].valid = 0;
    assert_false(r_init_works());
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counters_are_taken_over_at_the_entry),
        TEST(the_host_leaves_nothing_of_firmwares_in_force),
        TEST(another_map_is_loaded_and_nothing_is_kept_of_the_old),
        TEST(r_init_is_believed_on_metal_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
