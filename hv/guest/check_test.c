/* Descriptions of guests that cannot be: each single flaw is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "guest/check.c"

#define CORES  5
#define GUESTS 3

static struct boot_info *info;
static struct boot_guest guests[GUESTS];

/* Cores 0 and 3 are the firmware's, 1 and 2 the first partition's, 4 the second's. */
static int set_up(void **state)
{
    static const u8 owner[CORES] = {0, 1, 1, 0, 2};

    (void)state;
    info = calloc(1, sizeof(*info) + CORES * sizeof(struct boot_cpu));
    info->region = (struct boot_range){MIB(16), MIB(4)};
    info->trampoline = 0x8f000;
    info->guest_count = GUESTS;
    info->cpu_count = CORES;
    for (u32 i = 0; i < CORES; i++)
        info->cpus[i] = (struct boot_cpu){i, 1, owner[i]};
    memset(guests, 0, sizeof(guests));
    for (u32 i = 1; i < GUESTS; i++)
        guests[i] = (struct boot_guest){.boot = GUEST_LINUX,
                                        .memory = {MIB(128) * i, MIB(64)},
                                        .pristine = {MIB(128) * i + MIB(64), MIB(4)},
                                        .boot_cpu = i == 1 ? 1 : 4,
                                        .piece_count = 1,
                                        .pieces = {{MIB(128) * i + MIB(65), MIB(1), MIB(3)}}};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(info);
    return 0;
}

static bool sane(void)
{
    return guests_are_sane(info, guests, GIB(4));
}

static void what_the_loader_says_is_accepted(void **state)
{
    (void)state;
    assert_true(sane());
    guests[1].memory.size = MIB(128) - MIB(64); /* up to its pristine copy */
    guests[1].pieces[0] = (struct boot_piece){MIB(192), 0, MIB(4)};
    assert_true(sane());
    info->guest_count = 1;
    for (u32 i = 0; i < CORES; i++)
        info->cpus[i].guest = 0;
    assert_true(sane());
}

/* One value changed at a time. */
static void each_flaw_is_found(void **state)
{
    const struct {
        void *at;
        u32 size;
        u64 value;
    } flaws[] = {
        {&guests[0].boot, 1, GUEST_LINUX},
        {&guests[1].boot, 1, GUEST_FIRMWARE},
        {&info->cpus[0].guest, 4, 1},
        {&info->cpus[3].guest, 4, GUESTS},
        {&info->cpus[2].firmware, 4, 0},
        {&guests[1].boot_cpu, 4, 0},
        {&guests[1].boot_cpu, 4, CORES},
        {&guests[1].memory.base, 8, MIB(128) + KIB(4)},
        {&guests[1].memory.size, 8, MIB(64) - KIB(4)},
        {&guests[1].memory.size, 8, 0},
        {&guests[1].memory.size, 8, MIB(66)},         /* over its own pristine copy */
        {&guests[1].memory.base, 8, MIB(256)},        /* the other's memory */
        {&guests[1].memory.base, 8, MIB(320)},        /* the other's pristine copy */
        {&guests[1].memory.base, 8, MIB(256 - 62)},   /* reaches into the other's */
        {&guests[1].memory.base, 8, 0},               /* trampoline, and Cede's region */
        {&guests[1].memory.base, 8, MIB(14)},         /* Cede's region */
        {&guests[1].memory.base, 8, GIB(4) - MIB(2)}, /* beyond what is mapped */
        {&guests[1].memory.base, 8, -MIB(2)},
        {&guests[1].memory.size, 8, -MIB(2)},
        {&guests[1].pristine.base, 8, MIB(18)},
        {&guests[1].pristine.base, 8, MIB(193) + 1},
        {&guests[1].piece_count, 4, GUEST_PIECES + 1},
        {&guests[1].pieces[0].source, 8, MIB(191)},
        {&guests[1].pieces[0].source, 8, MIB(194)},
        {&guests[1].pieces[0].gpa, 8, MIB(62)},
        {&guests[1].pieces[0].gpa, 8, -MIB(1)},
        {&guests[1].pieces[0].size, 8, -MIB(1)},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(flaws); i++) {
        u64 before = 0;

        memcpy(&before, flaws[i].at, flaws[i].size);
        memcpy(flaws[i].at, &flaws[i].value, flaws[i].size);
        if (sane())
            fail_msg("flaw %u is not found", i);
        memcpy(flaws[i].at, &before, flaws[i].size);
        assert_true(sane());
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_the_loader_says_is_accepted),
        TEST(each_flaw_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
