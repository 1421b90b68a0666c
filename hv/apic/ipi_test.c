/* IPIs where there are several guests: each way of addressing reaches the sender's own cores only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "apic/icr.c"
#include "apic/ipi.c"

#define CORES 6
#define NMI   (ICR_MODE_NMI << 8)

struct hv hv;

static struct guest guests[2];
static u16 owners[CORES];
static u32 sent, last_low, sends; /* to cores, as bits */

void apic_send(u32 apic_id, u32 low)
{
    sent |= 1U << apic_id;
    last_low = low;
    sends++;
}

/* Cores 2 and 3 are a partition's; 5 is Cede's own. */
static int set_up(void **state)
{
    (void)state;
    hv = (struct hv){.guests = guests, .icr_judged = ICR_JUDGE_ALL, .owners = owners};
    hv.cpu_blocks = (u64)aligned_alloc(CPU_BLOCK_SIZE, CORES * CPU_BLOCK_SIZE);
    memset((void *)hv.cpu_blocks, 0, CORES * CPU_BLOCK_SIZE);
    hv.info = calloc(1, sizeof(*hv.info));
    hv.info->cpu_count = hv.owner_count = CORES;
    for (u32 i = 0; i < CORES; i++) {
        struct cpu *cpu = cpu_at(i);

        cpu->index = cpu->apic_id = i;
        cpu->guest_index = owners[i] = i == 2 || i == 3;
        cpu->guest = &guests[cpu->guest_index];
        cpu->state = i == 5 ? CORE_MANAGEMENT : CORE_RUNNING;
        cpu->xapic_ldr = 1U << (24 + i);
        cpu->xapic_dfr = ~0U;
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free((void *)hv.cpu_blocks);
    free(hv.info);
    return 0;
}

static u32 reached(u32 from, u32 low, u32 destination, bool x2apic)
{
    sent = sends = 0;
    assert_true(ipi_send(cpu_at(from), low, destination, x2apic));
    return sent;
}

static void every_address_reaches_own_cores_only(void **state)
{
    static const struct {
        u32 low, destination;
        bool x2apic;
        u32 tenant, partition; /* reached by core 0, by core 2 */
    } cases[] = {
        {0x40, 0, true, 1 << 0, 0},
        {0x40, 3, true, 0, 1 << 3},
        {0x40, 5, true, 0, 0},
        {0x40, 77, true, 0, 0},
        {0x40, ~0U, true, 0x13, 0xc},
        {0x40, 0xff, false, 0x13, 0xc},
        {0x40 | ICR_LOGICAL, 0xffff, true, 0x13, 0xc},
        {0x40 | ICR_LOGICAL, 0x0c, true, 0, 0xc},
        {0x40 | ICR_LOGICAL, ~0U, true, 0x13, 0xc},
        {0x40 | ICR_LOGICAL, 0xff, false, 0x13, 0xc},
        {0x40 | ICR_LOGICAL, 0x05, false, 1 << 0, 1 << 2},
        {0x40 | SHORTHAND_SELF << 18, 0, true, 1 << 0, 1 << 2},
        {0x40 | SHORTHAND_ALL << 18, 0, true, 0x13, 0xc},
        {0x40 | SHORTHAND_OTHERS << 18, 0, true, 0x12, 1 << 3},
        {NMI | SHORTHAND_ALL << 18, 0, true, 0x13, 0xc},
        {NMI, ~0U, true, 0x13, 0xc},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        assert_int_equal(reached(0, cases[i].low, cases[i].destination, cases[i].x2apic),
                         cases[i].tenant);
        assert_int_equal(reached(2, cases[i].low, cases[i].destination, cases[i].x2apic),
                         cases[i].partition);
    }
}

static void what_is_sent_has_no_shorthand_left(void **state)
{
    (void)state;
    reached(2, 0x41 | SHORTHAND_ALL << 18 | (u32)ICR_LEVEL, 0, false);
    assert_int_equal(last_low, 0x41 | ICR_ASSERT);
    reached(2, NMI | ICR_LOGICAL, ~0U, true);
    assert_int_equal(last_low, NMI | ICR_ASSERT);
}

static void lowest_priority_reaches_one(void **state)
{
    (void)state;
    reached(2, 0x141 | ICR_LOGICAL, ~0U, true);
    assert_int_equal(sends, 1);
}

static void smi_and_what_has_no_meaning_reach_nobody(void **state)
{
    (void)state;
    assert_int_equal(reached(2, 2 << 8 | SHORTHAND_ALL << 18, 0, true), 0);
    assert_int_equal(reached(2, 3 << 8, 2, true), 0);
    assert_int_equal(reached(2, 7 << 8, 2, true), 0);
}

static void reserved_bits_fault_in_x2apic_mode(void **state)
{
    (void)state;
    for (u32 bit = 0; bit < 32; bit++) {
        bool reserved = bit == 12 || bit == 13 || bit == 16 || bit == 17 || bit >= 20;

        assert_int_equal(ipi_send(cpu_at(2), 1U << bit, 2, true), !reserved);
        assert_true(ipi_send(cpu_at(2), 1U << bit, 2, false));
    }
}

/* Whatever is plain, is also what the long way would send, to the same one core. */
static void plain_is_a_part_of_what_the_long_way_allows(void **state)
{
    u32 plain = 0;

    (void)state;
    for (u32 from = 0; from < CORES; from++)
        for (u32 destination = 0; destination < 2 * CORES; destination++)
            for (u32 bits = 0; bits < 1U << 14; bits++) {
                u32 low = bits << 8 | 0x40;

                assert_true(icr_is_judged(low));
                if (!icr_is_plain(cpu_at(from), low, destination))
                    continue;
                plain++;
                if (destination == 5) /* Cede's own, which takes no interrupts */
                    continue;
                assert_int_equal(reached(from, low, destination, true), 1U << destination);
                assert_ptr_equal(cpu_at(from)->guest, cpu_at(destination)->guest);
            }
    assert_true(plain);
}

static void a_sole_tenants_are_judged_if_they_start_or_stop(void **state)
{
    (void)state;
    hv.icr_judged = ICR_JUDGE_STARTUP;
    for (u32 low = 0; low < 1U << 20; low += 0x100)
        assert_int_equal(icr_is_judged(low), icr_is_startup(low));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_address_reaches_own_cores_only),
        TEST(what_is_sent_has_no_shorthand_left),
        TEST(lowest_priority_reaches_one),
        TEST(smi_and_what_has_no_meaning_reach_nobody),
        TEST(reserved_bits_fault_in_x2apic_mode),
        TEST(plain_is_a_part_of_what_the_long_way_allows),
        TEST(a_sole_tenants_are_judged_if_they_start_or_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
