/* INIT and SIPI policing: which core is sent what, and in which state it is afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "fake/fake_console.h"
#include "apic/icr.c"
#include "guest/startup.c"

#define CORES 4
#define INIT  (ICR_MODE_INIT << 8 | (u32)ICR_ASSERT)
#define SIPI  (ICR_MODE_SIPI << 8 | (u32)ICR_ASSERT)

struct hv hv;
struct lock hv_lock, log_lock;
const struct vendor *vendor;

static bool r_init, kick_held;
static struct {
    u32 apic_id, low;
    bool locked;
} sent[8];
static u32 sent_count;
static const struct cpu *claimed;
static jmp_buf machine_reset;

void apic_send(u32 apic_id, u32 low)
{
    sent[sent_count].apic_id = apic_id;
    sent[sent_count].low = low;
    sent[sent_count++].locked =
        hv_lock.held && log_lock.held && kick_held && fake_console_held == 1;
}

void kick_hold(struct cpu *self)
{
    (void)self;
    assert_false(kick_held);
    kick_held = true;
}

void kick_release(void)
{
    assert_true(kick_held);
    kick_held = false;
}

void management_claim(struct cpu *cpu)
{
    claimed = cpu;
}

static const struct cpu *attended;

void guest_claim(struct cpu *cpu)
{
    (void)cpu;
}

void guest_attend(struct cpu *cpu)
{
    attended = cpu;
}

void log_line(const char *format, ...)
{
    (void)format;
}

void platform_reset(void)
{
    longjmp(machine_reset, 1);
}

static bool init_exits(void)
{
    return r_init;
}

static const struct vendor fake_vendor = {.init_exits = init_exits};
static void *blocks;

static int set_up(void **state)
{
    (void)state;
    vendor = &fake_vendor;
    sent_count = 0;
    r_init = false;
    hv_lock.held = log_lock.held = 0;
    kick_held = false;
    fake_console_held = 0;
    blocks = aligned_alloc(CPU_BLOCK_SIZE, CORES * CPU_BLOCK_SIZE);
    memset(blocks, 0, CORES * CPU_BLOCK_SIZE);
    hv.cpu_blocks = (u64)blocks;
    hv.info = calloc(1, sizeof(*hv.info) + CORES * sizeof(struct boot_cpu));
    hv.info->cpu_count = CORES;
    hv.info->trampoline = 0x8f000;
    for (u32 i = 0; i < CORES; i++) {
        cpu_at(i)->index = i;
        cpu_at(i)->apic_id = 2 * i;
        startup_note_captured(cpu_at(i));
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(blocks);
    free(hv.info);
    return 0;
}

/* VMX: both are sent as they are, and the core keeps its own state. */
static void signals_that_exit_are_passed_on(void **state)
{
    static const struct vendor exits = {.init_exits = init_exits, .sipi_exits = true};

    (void)state;
    vendor = &exits;
    r_init = true;
    startup_ipi(cpu_at(0), INIT, 4, true);
    assert_true(cpu_at(2)->captured);
    assert_false(cpu_at(2)->init_sent);
    assert_int_equal(cpu_at(2)->state, CORE_WAITING);
    startup_ipi(cpu_at(0), SIPI | 0x12, 4, true);
    startup_ipi(cpu_at(0), SIPI | 0x12, 4, true);
    assert_int_equal(sent_count, 3);
    assert_int_equal(sent[1].low, SIPI | 0x12);
    assert_int_equal(sent[2].low, SIPI | 0x12);
    assert_int_equal(cpu_at(2)->sipi, 0);
    cpu_at(2)->captured = false;
    startup_ipi(cpu_at(0), SIPI | 0x12, 4, true);
    assert_int_equal(ICR_VECTOR(sent[3].low), 0x8f);
    assert_int_equal(cpu_at(2)->sipi, 0x112);
}

static void init_resets_a_core_for_real(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), INIT, 4, true);
    assert_int_equal(sent_count, 1);
    assert_int_equal(sent[0].apic_id, 4);
    assert_int_equal(ICR_MODE(sent[0].low), ICR_MODE_INIT);
    assert_int_equal(cpu_at(2)->state, CORE_WAITING);
    assert_false(cpu_at(2)->captured);
    assert_false(hv_lock.held);
}

/* Without R_INIT the target is reset wherever it is: the sender must own every lock then. */
static void nobody_else_owns_a_lock_when_a_core_dies(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), INIT, 2, false);
    assert_true(sent[0].locked);
}

static void sipi_goes_to_our_trampoline_once(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), INIT, 2, false);
    startup_ipi(cpu_at(0), SIPI | 0x9a, 2, false);
    startup_ipi(cpu_at(0), SIPI | 0x9b, 2, false);
    assert_int_equal(sent_count, 2);
    assert_int_equal(ICR_VECTOR(sent[1].low), 0x8f);
    assert_int_equal(cpu_at(1)->sipi, 0x19a);
    assert_int_equal(cpu_at(1)->state, CORE_RUNNING);
}

static void an_init_that_arrived_is_counted(void **state)
{
    (void)state;
    claimed = NULL;
    hv.info->bsp = 0;
    startup_init_arrived(cpu_at(1));
    assert_ptr_equal(claimed, cpu_at(1));
    assert_int_equal(cpu_at(1)->exits[EXIT_INIT], 1);
    if (!setjmp(machine_reset)) {
        startup_init_arrived(cpu_at(0));
        fail();
    }
}

static void sipi_without_init_is_dropped(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), SIPI | 0x9a, 2, false);
    assert_int_equal(sent_count, 0);
}

static void a_core_that_firmware_kept_comes_in_by_sipi(void **state)
{
    (void)state;
    cpu_at(3)->state = CORE_FIRMWARE;
    cpu_at(3)->captured = false;
    r_init = true; /* it is not under SVM yet, so R_INIT does not hold for it */
    startup_ipi(cpu_at(0), INIT, 6, true);
    startup_ipi(cpu_at(0), SIPI | 0x10, 6, true);
    assert_int_equal(sent_count, 2);
    assert_int_equal(cpu_at(3)->sipi, 0x110);
}

static void with_r_init_sipis_go_by_mail(void **state)
{
    (void)state;
    r_init = true;
    startup_ipi(cpu_at(0), INIT, 2, true);
    assert_true(cpu_at(1)->captured);
    startup_ipi(cpu_at(0), SIPI | 0x9a, 2, true);
    assert_int_equal(sent_count, 1);
    assert_int_equal(cpu_at(1)->sipi, 0x19a);
}

/* A SIPI may be mailed before the INIT that precedes it has made its target exit. */
static void an_init_by_mail_is_noted(void **state)
{
    (void)state;
    r_init = true;
    startup_ipi(cpu_at(0), INIT, 2, true);
    startup_ipi(cpu_at(0), SIPI | 0x9a, 2, true);
    assert_true(cpu_at(1)->init_sent);
    assert_int_equal(cpu_at(1)->sipi, 0x19a);
    startup_ipi(cpu_at(0), INIT, 2, true);
    assert_int_equal(cpu_at(1)->sipi, 0);
    assert_int_equal(cpu_at(1)->state, CORE_WAITING);
}

static void broadcast_init_reaches_every_other_core(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), INIT | SHORTHAND_OTHERS << 18, 0, false);
    assert_int_equal(sent_count, CORES - 1);
    startup_ipi(cpu_at(0), SIPI | SHORTHAND_OTHERS << 18 | 7, 0, false);
    assert_int_equal(sent_count, 2 * (CORES - 1));
    for (u32 i = 1; i < CORES; i++)
        assert_int_equal(cpu_at(i)->sipi, 0x107);
}

static void init_deassert_does_nothing(void **state)
{
    (void)state;
    startup_ipi(cpu_at(0), ICR_MODE_INIT << 8 | (u32)ICR_LEVEL | SHORTHAND_ALL << 18, 0, false);
    assert_int_equal(sent_count, 0);
}

static void init_to_the_boot_processor_resets_the_machine(void **state)
{
    (void)state;
    if (setjmp(machine_reset) == 0) {
        startup_ipi(cpu_at(1), INIT, 0, true);
        fail();
    }
    assert_int_equal(sent_count, 0);
}

static void a_stopped_core_stays_stopped(void **state)
{
    (void)state;
    cpu_at(2)->state = CORE_STOPPED;
    startup_ipi(cpu_at(0), INIT, 4, true);
    startup_ipi(cpu_at(0), SIPI | 1, 4, true);
    assert_int_equal(sent_count, 0);
    assert_int_equal(cpu_at(2)->state, CORE_STOPPED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Of another guest no core is started or stopped, however it is addressed. */
static void others_cores_are_out_of_reach(void **state)
{
    (void)state;
    cpu_at(2)->guest = cpu_at(3)->guest = (struct guest *)1;
    startup_ipi(cpu_at(0), INIT, 4, true);
    startup_ipi(cpu_at(0), INIT | (u32)ICR_LOGICAL, 0x50, true);
    startup_ipi(cpu_at(0), SIPI, 6, true);
    assert_int_equal(sent_count, 0);
    startup_ipi(cpu_at(0), INIT | SHORTHAND_OTHERS << 18, 0, true);
    assert_int_equal(sent_count, 1);
    assert_int_equal(sent[0].apic_id, 2);
    assert_int_equal(cpu_at(2)->state, CORE_RUNNING);
    startup_ipi(cpu_at(2), INIT | SHORTHAND_OTHERS << 18, 0, true);
    assert_int_equal(sent_count, 2);
    assert_int_equal(sent[1].apic_id, 6);
    assert_ptr_equal(attended, cpu_at(2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(signals_that_exit_are_passed_on),
        TEST(init_resets_a_core_for_real),
        TEST(nobody_else_owns_a_lock_when_a_core_dies),
        TEST(sipi_goes_to_our_trampoline_once),
        TEST(an_init_that_arrived_is_counted),
        TEST(sipi_without_init_is_dropped),
        TEST(a_core_that_firmware_kept_comes_in_by_sipi),
        TEST(with_r_init_sipis_go_by_mail),
        TEST(an_init_by_mail_is_noted),
        TEST(broadcast_init_reaches_every_other_core),
        TEST(init_deassert_does_nothing),
        TEST(init_to_the_boot_processor_resets_the_machine),
        TEST(a_stopped_core_stays_stopped),
        TEST(others_cores_are_out_of_reach),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
