/* Whose core is whose, on machines that no test bed is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "conf/conf.c"
#include "conf/conf_guest.c"
#include "conf/conf_value.c"
#include "guests/plan.c"
#include "pmu/policy_text.c"
#include "uefi/text.c"

static struct conf conf;
static struct filter_entry room[POLICY_EVENTS];
static struct conf_guest sections[8];
static struct boot_cpu cpus[8];
static struct plan plan;
static char said[2000];
static unsigned refusal_count;

static void note(const char *start, const char *format, va_list args)
{
    size_t used = strlen(said);

    used += (size_t)snprintf(said + used, sizeof said - used, "%s", start);
    used += (size_t)vsnprintf(said + used, sizeof said - used, format, args);
    snprintf(said + used, sizeof said - used, "\n");
}

void refuse(const char *format, ...)
{
    va_list args;

    refusal_count++;
    va_start(args, format);
    note("", format, args);
    va_end(args);
}

void warn(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    note("warning: ", format, args);
    va_end(args);
}

unsigned refusals(void)
{
    return refusal_count;
}

#define GUEST(name, cores) \
    "[guest " name "]\nkernel = k\nmemory = 512M\ncores = " cores "\n" /* 4 lines */

/* 8 threads of 4 cores, APIC IDs 0 to 7; the boot processor is number 0. */
static bool planned(const char *text)
{
    char error[CONF_ERROR];

    said[0] = 0;
    conf_defaults(&conf, &(struct conf_room){room, COUNT(room), sections, COUNT(sections)});
    if (!conf_parse(text, strlen(text), &conf, error))
        fail_msg("%s", error);
    for (u32 i = 0; i < COUNT(cpus); i++)
        cpus[i] = (struct boot_cpu){.apic_id = i, .firmware = 1};
    plan = (struct plan){
        .cpus = cpus, .count = COUNT(cpus), .bsp = 0, .thread_bits = 1, .memory = GIB(2)};
    return plan_cores(&conf, &plan);
}

static void bad(const char *text, const char *message)
{
    assert_false(planned(text));
    assert_string_equal(said, message);
}

static void owners(void **state)
{
    static const u32 guests[] = {0, 0, 2, 2, 1, 1, 0, 0};

    (void)state;
    assert_true(
        planned(GUEST("a", "4-5") "[guest f]\nboot = firmware\ncores = 0,7\n" GUEST("b", "2,3")));
    assert_string_equal(said, "");
    for (u32 i = 0; i < COUNT(cpus); i++)
        assert_int_equal(cpus[i].guest, guests[i]);
    assert_string_equal(plan_partition(&conf, 1)->name, "a");
    assert_string_equal(plan_partition(&conf, 2)->name, "b");
    assert_null(plan_partition(&conf, 3));
    assert_null(plan_partition(&conf, 0));
    assert_true(planned("next = x"));
}

static void conflicts(void **state)
{
    (void)state;
    bad(GUEST("a", "2-5") GUEST("b", "4-7") GUEST("c", "2"),
        "cede.conf:8: guest 'b' names core 4 and others, which guest 'a' has on line 4\n"
        "cede.conf:12: guest 'c' names core 2, which guest 'a' has on line 4\n");
    bad(GUEST("a", "2-9"), "cede.conf:4: guest 'a' names core 8: this machine's are 0 to 7, as "
                           "cede.efi --check lists them\n");
    bad(GUEST("a", "0-3"), "cede.conf:4: guest 'a' names core 0, the boot processor, which stays "
                           "with the firmware's guest: take another one\n");
    bad("[guest f]\nboot = firmware\ncores = 0-3\n" GUEST("a", "2-3"),
        "cede.conf:7: guest 'a' names core 2 and others, which guest 'f' has on line 3\n");
    bad("management = 7\n" GUEST("a", "6-7"),
        "cede.conf:1: management = 7: that core is guest 'a's (line 5)\n");
}

static void unusable(void **state)
{
    (void)state;
    assert_true(planned(GUEST("a", "2-3")));
    cpus[3].firmware = 0;
    assert_false(plan_cores(&conf, &plan));
    assert_string_equal(said, "cede.conf:4: guest 'a' names core 3, which the firmware cannot "
                              "start\n");
}

static void split(void **state)
{
    (void)state;
    bad(GUEST("a", "3-5"),
        "cede.conf:4: guest 'a' has core 3, but core 2, a thread of the same core, is the "
        "firmware's guest's: each can watch the other; give both to one, or set split-siblings = "
        "yes\n");
    bad(GUEST("a", "2-4") GUEST("b", "5"),
        "cede.conf:4: guest 'a' has core 4, but core 5, a thread of the same core, is guest 'b's "
        "(line 8): each can watch the other; give both to one, or set split-siblings = yes\n"
        "cede.conf:8: guest 'b' has core 5, but core 4, a thread of the same core, is guest 'a's "
        "(line 4): each can watch the other; give both to one, or set split-siblings = yes\n");
    assert_true(planned(GUEST("a", "3") "split-siblings = yes"));
    assert_string_equal(said, "warning: cede.conf:4: guest 'a' has core 3, but core 2, a thread of "
                              "the same core, is the firmware's guest's: each can watch the "
                              "other\n");
    assert_false(planned(GUEST("a", "2-4") "split-siblings = yes\n" GUEST("b", "5")));
    assert_int_equal(strncmp(said, "warning: ", 9), 0);
}

static void memory(void **state)
{
    (void)state;
    assert_true(planned(GUEST("a", "2-3") GUEST("b", "4-5") GUEST("c", "6-7")));
    assert_true(plan_memory(&conf, &plan));
    plan.memory = MIB(1536) + FIRMWARE_MEMORY - 1;
    assert_false(plan_memory(&conf, &plan));
    assert_string_equal(said, "cede.conf: the guests' memory (line 3, 7, 11) is 1536 MiB in all, "
                              "but this machine has 1663 MiB, of which 128 stay with the "
                              "firmware's guest\n");
    assert_true(planned(""));
    plan.memory = 0;
    assert_true(plan_memory(&conf, &plan));
}

static u32 leaves[][6] = {{0, 0, 0x1f}, {0x80000000, 0, 0x80000008}, {0}, {0}, {0}};

static void fake_cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    memset(out, 0, 16);
    for (size_t i = 0; i < COUNT(leaves); i++)
        if (leaves[i][0] == leaf && leaves[i][1] == subleaf) {
            memcpy(out, leaves[i] + 2, 16);
            break;
        }
}

static void set_leaf(unsigned row, u32 leaf, u32 a, u32 b, u32 c)
{
    u32 values[] = {leaf, 0, a, b, c, 0};

    memcpy(leaves[row], values, sizeof values);
}

static void threads(void **state)
{
    static const struct cpu_ops cpu = {.cpuid = fake_cpuid};

    (void)state;
    assert_int_equal(plan_thread_bits(&cpu), 0); /* neither leaf says anything */
    set_leaf(2, 0x0b, 1, 2, 0x100);
    assert_int_equal(plan_thread_bits(&cpu), 1);
    set_leaf(3, 0x1f, 2, 4, 0x100);
    assert_int_equal(plan_thread_bits(&cpu), 2);
    set_leaf(0, 0, 0xd, 0, 0); /* an AMD processor before leaf 0BH */
    set_leaf(1, 0x80000000, 0x8000001e, 0, 0);
    set_leaf(2, 0x80000001, 0, 0, BIT(22));
    set_leaf(3, 0x8000001e, 0, 0x100, 0);
    assert_int_equal(plan_thread_bits(&cpu), 1);
    set_leaf(3, 0x8000001e, 0, 0, 0);
    assert_int_equal(plan_thread_bits(&cpu), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(owners), cmocka_unit_test(conflicts), cmocka_unit_test(unusable),
        cmocka_unit_test(split),  cmocka_unit_test(memory),    cmocka_unit_test(threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
