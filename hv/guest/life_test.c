/* A partition's lives: who waits, who starts, what is in memory, and that a core never goes on in a
 * life that is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "fake/fake_console.h"
#include "guest/life.c"

#define CORES 4 /* 0 the tenant's, 1 to 3 a partition's; 2 is its boot core */

struct hv hv;
struct lock hv_lock, log_lock;
const struct vendor *vendor;

static struct guest guests[2];
static struct boot_guest boots[2];
static u8 *memory;
static u8 pristine[8] = "pieces";
static u64 ones_page[PAGE_SIZE / 8] __attribute__((aligned(PAGE_SIZE)));
static jmp_buf out;
static enum { ENTERED = 1, AWAITS, STOPPED } ended;
static u32 boots_done, filled, resets, lines, sent, rests, kicked;
static void (*while_resting)(void);

void log_line(const char *format, ...)
{
    (void)format;
    lines++;
}

void cpu_stop(void)
{
    ended = STOPPED;
    longjmp(out, 1);
}

/* Only while its memory is filled. */
u64 host_map_open(void)
{
    u64 cr3 = read_cr3();

    write_cr3(hv.full_cr3);
    return cr3;
}

void host_map_close(u64 cr3)
{
    assert_int_equal(read_cr3(), hv.full_cr3);
    write_cr3(cr3);
    filled++;
}

void core_reset(struct cpu *cpu)
{
    assert_int_equal(read_cr3(), hv.lean_cr3);
    assert_int_equal(cpu->life, cpu->guest->life);
    resets++;
}

void console_rest(struct cpu *self)
{
    (void)self;
    rests++;
    if (while_resting)
        while_resting();
}

void partition_uart_reset(struct virtual_uart *uart)
{
    (void)uart;
}

void guest_own(struct cpu *cpu, struct guest *guest)
{
    cpu->guest = guest;
}

void startup_note_captured(struct cpu *cpu)
{
    cpu->captured = true;
    cpu->state = CORE_RUNNING;
}

void startup_ipi(struct cpu *self, u32 low, u32 destination, bool x2apic)
{
    assert_true(self == cpu_at(0) && x2apic && ICR_MODE(low) == ICR_MODE_INIT);
    sent |= 1U << destination;
}

bool kick_answer(struct cpu *self)
{
    (void)self;
    return false;
}

bool kick_attend(struct cpu *self)
{
    guest_attend(self);
    return true;
}

u32 kick_stop(struct cpu *self, const struct guest *guest)
{
    (void)self;
    kicked |= 1U << guest->index;
    return 3;
}

u32 kick_resume(struct cpu *self)
{
    (void)self;
    return 3;
}

static void boot(struct cpu *cpu)
{
    assert_ptr_equal(cpu, cpu_at(2));
    assert_int_equal(read_cr3(), hv.lean_cr3);
    assert_int_equal(filled, boots_done + 1);
    assert_memory_equal(memory + PAGE_SIZE, pristine, sizeof(pristine));
    for (u32 i = 0; i < PAGE_SIZE; i++)
        assert_int_equal(memory[i], 0);
    for (u32 i = 0; i < COUNT(ones_page); i++)
        assert_int_equal(ones_page[i], ~0ULL);
    ones_page[COUNT(ones_page) - 1] = ones_page[0] = 0; /* by the guest, which finds it nowhere */
    boots_done++;
}

static __attribute__((noreturn)) void await_sipi(struct cpu *cpu)
{
    cpu->state = CORE_WAITING;
    ended = AWAITS;
    longjmp(out, 1);
}

static __attribute__((noreturn)) void enter(struct cpu *cpu)
{
    (void)cpu;
    ended = ENTERED;
    longjmp(out, 1);
}

static bool init_exits(void)
{
    return true;
}

static const struct vendor fake_vendor = {
    .boot = boot, .await_sipi = await_sipi, .enter = enter, .init_exits = init_exits};

static int set_up(void **state)
{
    (void)state;
    vendor = &fake_vendor;
    memory = aligned_alloc(MIB(2), MIB(2));
    memset(memory, 0xee, MIB(2));
    hv = (struct hv){.guests = guests, .host_cr3 = 0x1000, .lean_cr3 = 0x2000, .full_cr3 = 0x3000};
    write_cr3(hv.host_cr3);
    hv.cpu_blocks = (u64)aligned_alloc(CPU_BLOCK_SIZE, CORES * CPU_BLOCK_SIZE);
    memset((void *)hv.cpu_blocks, 0, CORES * CPU_BLOCK_SIZE);
    hv.info = calloc(1, sizeof(*hv.info) + CORES * sizeof(struct boot_cpu));
    hv.info->cpu_count = CORES;
    hv.info->guest_count = 2;
    boots[1] = (struct boot_guest){.boot = GUEST_LINUX,
                                   .memory = {(u64)memory, MIB(2)},
                                   .boot_cpu = 2,
                                   .piece_count = 1,
                                   .pieces = {{(u64)pristine, PAGE_SIZE, sizeof(pristine)}}};
    for (u32 i = 0; i < 2; i++)
        guests[i] = (struct guest){
            .boot = &boots[i], .index = i, .state = i ? GUEST_STOPPED : GUEST_RUNNING};
    guests[1].ones[0] = (u64)ones_page | PTE_PRESENT | PTE_WRITE;
    for (u32 i = 0; i < CORES; i++) {
        hv.info->cpus[i].guest = i > 0;
        cpu_at(i)->index = cpu_at(i)->apic_id = i;
        cpu_at(i)->guest = tenant();
        startup_note_captured(cpu_at(i));
    }
    sent = lines = boots_done = filled = resets = rests = kicked = 0;
    while_resting = NULL;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(memory);
    free((void *)hv.cpu_blocks);
    free(hv.info);
    return 0;
}

/* How a call ended that need not return: 0 if it did. */
#define ENDED(call) (ended = 0, setjmp(out) ? (int)ended : ((call), 0))

static void release_all(void)
{
    guests_release(cpu_at(0));
    assert_int_equal(ENDED(guest_claim(cpu_at(1))), AWAITS);
    assert_int_equal(ENDED(guest_claim(cpu_at(3))), AWAITS);
    assert_int_equal(ENDED(guest_claim(cpu_at(2))), ENTERED);
}

static void nobody_leaves_the_firmware_before_it_is_done(void **state)
{
    (void)state;
    for (volatile u32 i = 0; i < CORES; i++)
        assert_int_equal(ENDED(guest_claim(cpu_at(i))), 0);
    guests_release(cpu_at(0));
    assert_int_equal(sent, 0xe);
    sent = 0;
    guests_release(cpu_at(0)); /* once */
    assert_int_equal(sent, 0);
    assert_int_equal(ENDED(guest_claim(cpu_at(0))), 0);
}

static void the_boot_core_starts_in_fresh_memory(void **state)
{
    (void)state;
    release_all();
    assert_int_equal(boots_done, 1);
    assert_int_equal(resets, 3);
    assert_true(cpu_at(2)->captured);
    assert_int_equal(guest_cores(&guests[1], CORE_RUNNING), 1);
    assert_int_equal(guest_cores(&guests[1], CORE_WAITING), 2);
    assert_int_equal(guest_cores(tenant(), CORE_RUNNING), 1);
    for (volatile u32 i = 1; i < CORES; i++)
        assert_int_equal(ENDED(guest_attend(cpu_at(i))), 0);
}

static void after_a_stop_nobody_goes_on(void **state)
{
    (void)state;
    release_all();
    startup_note_captured(cpu_at(1));
    guest_stop(cpu_at(0), &guests[1]);
    assert_int_equal(kicked, 2);
    assert_int_equal(ENDED(guest_attend(cpu_at(1))), AWAITS);
    assert_int_equal(ENDED(guest_attend(cpu_at(0))), 0);
}

static void start_again(void)
{
    assert_int_equal(cpu_at(2)->state, CORE_WAITING);
    assert_false(cpu_at(2)->captured);
    if (rests == 3)
        guest_start(&guests[1]);
}

static void a_stopped_boot_core_waits_for_the_start(void **state)
{
    (void)state;
    release_all();
    guest_stop(cpu_at(0), &guests[1]);
    memset(memory, 0x55, MIB(2));
    while_resting = start_again;
    assert_int_equal(ENDED(guest_attend(cpu_at(2))), ENTERED);
    assert_int_equal(rests, 3);
    assert_int_equal(boots_done, 2);
    /* What waited in hardware has slept through it, and is in the new life. */
    assert_int_equal(ENDED(guest_attend(cpu_at(3))), 0);
}

static void a_reset_meanwhile_begins_again(void **state)
{
    (void)state;
    release_all();
    guest_stop(cpu_at(0), &guests[1]);
    guest_start(&guests[1]);
    assert_int_equal(ENDED(guest_attend(cpu_at(2))), ENTERED);
    guest_stop(cpu_at(0), &guests[1]);
    guest_start(&guests[1]);
    assert_int_equal(ENDED(guest_attend(cpu_at(2))), ENTERED);
    assert_int_equal(boots_done, 3);
    assert_int_equal(ENDED(guest_attend(cpu_at(2))), 0);
}

static void stop_waiting(void)
{
    longjmp(out, 1);
}

static void a_core_that_does_not_come_back_stops_the_start(void **state)
{
    (void)state;
    release_all();
    cpu_at(3)->state = CORE_STOPPED;
    guest_stop(cpu_at(0), &guests[1]);
    guest_start(&guests[1]);
    while_resting = stop_waiting;
    assert_int_equal(ENDED(guest_attend(cpu_at(2))), 0);
    assert_int_equal(lines, 1);
    assert_int_equal(guests[1].state, GUEST_STOPPED);
    assert_int_equal(boots_done, 1);
}

static void resume(void)
{
    if (rests == 5)
        guest_resume(cpu_at(0), &guests[1]);
}

static void paused_cores_rest(void **state)
{
    (void)state;
    release_all();
    guest_pause(cpu_at(0), &guests[1]);
    while_resting = resume;
    assert_int_equal(ENDED(guest_attend(cpu_at(2))), 0);
    assert_int_equal(rests, 5);
    guest_pause(cpu_at(0), &guests[1]);
    guest_stop(cpu_at(0), &guests[1]);
    assert_int_equal(ENDED(guest_attend(cpu_at(1))), AWAITS);
}

static void one_that_fails_stops_alone(void **state)
{
    (void)state;
    release_all();
    while_resting = stop_waiting;
    startup_note_captured(cpu_at(3));
    assert_int_equal(ENDED(guest_fail(cpu_at(3))), AWAITS);
    assert_int_equal(guests[1].state, GUEST_STOPPED);
    assert_int_equal(guests[0].state, GUEST_RUNNING);
    kicked = 0;
    startup_note_captured(cpu_at(1));
    assert_int_equal(ENDED(guest_fail(cpu_at(1))), AWAITS); /* at the same time: once is enough */
    assert_int_equal(kicked, 0);
}

/* As vmx/slow.c does. */
static void refuse(struct cpu *cpu)
{
    guest_refused(cpu);
    guest_fail(cpu);
}

/* With one report each, and nobody is kicked for what is over. */
static void a_core_that_cannot_enter_ends(void **state)
{
    (void)state;
    release_all();
    startup_note_captured(cpu_at(1));
    assert_int_equal(ENDED(refuse(cpu_at(1))), AWAITS);
    assert_int_equal(guests[1].state, GUEST_STOPPED);
    assert_int_equal(lines, 1);
    kicked = 0;
    assert_int_equal(ENDED(refuse(cpu_at(1))), STOPPED);
    assert_int_equal(lines, 2);
    assert_int_equal(kicked, 0);
}

static void a_guest_that_runs_is_stopped_with_it(void **state)
{
    (void)state;
    release_all();
    startup_note_captured(cpu_at(1));
    assert_int_equal(ENDED(refuse(cpu_at(1))), AWAITS);
    guests[1].state = GUEST_RUNNING; /* started meanwhile */
    assert_int_equal(ENDED(refuse(cpu_at(1))), STOPPED);
    assert_int_equal(guests[1].state, GUEST_STOPPED);
}

/* Not what a life does to itself, each time anew. */
static void a_core_that_has_run_since_waits_again(void **state)
{
    (void)state;
    release_all();
    for (volatile u32 i = 0; i < 3; i++) {
        startup_note_captured(cpu_at(3));
        assert_int_equal(ENDED(refuse(cpu_at(3))), AWAITS);
        cpu_at(3)->exits[EXIT_INIT]++;
    }
}

static void without_its_boot_core_it_is_not_started(void **state)
{
    (void)state;
    release_all();
    guest_stop(cpu_at(0), &guests[1]);
    cpu_at(2)->state = CORE_STOPPED;
    guest_start(&guests[1]);
    assert_int_equal(guests[1].state, GUEST_STOPPED);
    assert_int_equal(lines, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nobody_leaves_the_firmware_before_it_is_done),
        TEST(the_boot_core_starts_in_fresh_memory),
        TEST(after_a_stop_nobody_goes_on),
        TEST(a_stopped_boot_core_waits_for_the_start),
        TEST(a_reset_meanwhile_begins_again),
        TEST(a_core_that_does_not_come_back_stops_the_start),
        TEST(paused_cores_rest),
        TEST(one_that_fails_stops_alone),
        TEST(a_core_that_cannot_enter_ends),
        TEST(a_guest_that_runs_is_stopped_with_it),
        TEST(a_core_that_has_run_since_waits_again),
        TEST(without_its_boot_core_it_is_not_started),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
