#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "conf/conf.c"
#include "conf/conf_guest.c"
#include "conf/conf_value.c"
#include "pmu/policy_text.c"
#include "uefi/text.c"

static struct conf conf;
static struct filter_entry room[2 * POLICY_EVENTS];
static struct conf_guest sections[32];
static char error[CONF_ERROR];

static bool parse_bytes(const char *text, size_t size)
{
    char *copy = malloc(size + !size); /* exactly as long: a read past the end is seen */

    memcpy(copy, text, size);
    memset(&conf, 0xa5, sizeof conf);
    conf_defaults(&conf, &(struct conf_room){room, COUNT(room), sections, COUNT(sections)});
    bool good = conf_parse(copy, size, &conf, error);
    free(copy);
    assert_true(good == !error[0]);
    assert_true(strlen(error) < CONF_ERROR);
    return good;
}

static void good(const char *text)
{
    if (!parse_bytes(text, strlen(text)))
        fail_msg("%s", error);
}

static void bad(const char *text, const char *message)
{
    assert_false(parse_bytes(text, strlen(text)));
    assert_string_equal(error, message);
}

static void defaults(void **state)
{
    (void)state;
    good("");
    assert_string_equal(conf.next, "");
    assert_string_equal(conf.options, "");
    assert_string_equal(conf.initrd, "");
    assert_int_equal(conf.console, CONSOLE_AUTO);
    assert_int_equal(conf.baud, 0);
    assert_int_equal(conf.policy.pmu, PMU_FILTERED);
    assert_int_equal(conf.policy.hypervisor_bit, 0);
    assert_int_equal(conf.policy.unknown_msr_gp, 0);
    assert_int_equal(conf.policy.vmrun_branch, 0);
    assert_int_equal(conf.trace, 0);
}

static void whole_file(void **state)
{
    (void)state;
    good("\xef\xbb\xbf# comment\r\n; another\r\n\r\n[cede]\r\n"
         "next = EFI/debian/grubx64.efi\r\n"
         "  options\t=  root=/dev/sda1 # not a comment = either  \r\n"
         "initrd=\\initrd.img\r\nconsole = com2\r\nbaud = 115200\r\npmu = full\r\n"
         "hypervisor-bit = on\r\nunknown-msr = gp\r\nvmrun-branch = on\r\ntrace = on");
    assert_string_equal(conf.next, "\\EFI\\debian\\grubx64.efi");
    assert_string_equal(conf.options, "root=/dev/sda1 # not a comment = either");
    assert_string_equal(conf.initrd, "\\initrd.img");
    assert_int_equal(conf.console, CONSOLE_PORT);
    assert_int_equal(conf.port, 0x2f8);
    assert_int_equal(conf.baud, 115200);
    assert_int_equal(conf.policy.pmu, PMU_FULL);
    assert_int_equal(conf.policy.hypervisor_bit, 1);
    assert_int_equal(conf.policy.unknown_msr_gp, 1);
    assert_int_equal(conf.policy.vmrun_branch, 1);
    assert_int_equal(conf.trace, 1);
}

static void console(void **state)
{
    static const struct {
        const char *text;
        int kind, port;
    } cases[] = {
        {"console = auto", CONSOLE_AUTO, 0},      {"console = none", CONSOLE_NONE, 0},
        {"console = com1", CONSOLE_PORT, 0x3f8},  {"console = com4", CONSOLE_PORT, 0x2e8},
        {"console = 0x3E8", CONSOLE_PORT, 0x3e8}, {"console = 0xFFF8", CONSOLE_PORT, 0xfff8}};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        good(cases[i].text);
        assert_int_equal(conf.console, cases[i].kind);
        if (cases[i].kind == CONSOLE_PORT)
            assert_int_equal(conf.port, cases[i].port);
    }
    bad("console = com5",
        "cede.conf:1: console = com5: use auto, com1 to com4, a port such as 0x3f8, or none");
    assert_false(parse_bytes("console = 0xfff9", 16));
    assert_false(parse_bytes("console = 0x", 12));
    assert_false(parse_bytes("console = 0x60", 14));
    assert_false(parse_bytes("console =", 9));
}

static void console_use(void **state)
{
    static const struct {
        const char *text;
        u8 escape;
    } cases[] = {{"console-escape = ctrl-]", 29},
                 {"console-escape = ctrl-a", 1},
                 {"console-escape = ctrl-Z", 26},
                 {"console-escape = ctrl-_", 31}};
    static const char *const wrong[] = {"ctrl-",   "ctrl-?", "ctrl-1", "ctrl-@",
                                        "ctrl-ab", "a",      "\xff"};

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        good(cases[i].text);
        assert_int_equal(conf.wire.escape, cases[i].escape);
    }
    for (size_t i = 0; i < COUNT(wrong); i++) {
        char text[40];

        snprintf(text, sizeof(text), "console-escape = %s", wrong[i]);
        assert_false(parse_bytes(text, strlen(text)));
    }
    good("console = com2\nconsole-mode = shared\nconsole-lock = readonly");
    assert_int_equal(conf.wire.mode, WIRE_SHARED);
    assert_int_equal(conf.wire.readonly, 1);
    good("");
    assert_int_equal(conf.wire.mode, 0);
    assert_int_equal(conf.wire.readonly, 0);
    assert_int_equal(conf.wire.escape, 0x1d);
    assert_int_equal(conf.wire.management, AUTO_MANAGEMENT);
    good("management = none");
    assert_int_equal(conf.wire.management, NO_MANAGEMENT);
    good("management = 63");
    assert_int_equal(conf.wire.management, 63);
    bad("management = last", "cede.conf:1: management = last: use auto, none, or a core's number");
    bad("console-mode = mine", "cede.conf:1: console-mode = mine: use shared, own or log");
}

static void aliases(void **state)
{
    (void)state;
    good("next = a\ncmdline = quiet");
    assert_string_equal(conf.options, "quiet");
    bad("next = a\ncmdline = quiet\n\noptions = x",
        "cede.conf:4: 'options' is set already on line 2: keep one of them");
}

static void messages(void **state)
{
    (void)state;
    bad("\n\n\n\n\n\nnxt = \\a", "cede.conf:7: unknown key 'nxt' (did you mean 'next'?)");
    bad("Next = \\a", "cede.conf:1: unknown key 'Next' (did you mean 'next'?)");
    bad("hypervisorbit = on",
        "cede.conf:1: unknown key 'hypervisorbit' (did you mean 'hypervisor-bit'?)");
    bad("frobnicate = 1", "cede.conf:1: unknown key 'frobnicate' (docs/cede.conf.md lists them)");
    bad(" = 1", "cede.conf:1: unknown key '' (docs/cede.conf.md lists them)");
    bad("pmu = of", "cede.conf:1: pmu = of: use filtered, full or off");
    bad("unknown-msr = ", "cede.conf:1: unknown-msr = : use pass or gp");
    bad("trace = yes", "cede.conf:1: trace = yes: use on or off");
    bad("# x\nnext", "cede.conf:2: expected 'key = value'");
    bad("baud = 14400x",
        "cede.conf:1: baud = 14400x: use 9600, 19200, 38400, 57600 or 115200, or 0 to leave it");
    bad("[cede", "cede.conf:1: a section header ends with ']'");
    bad("[", "cede.conf:1: a section header ends with ']'");
    bad("next = a\nnext = b", "cede.conf:2: 'next' is set already on line 1: keep one of them");
    bad("[guests]", "cede.conf:1: section [guests]: use [cede] or [guest NAME]");
    bad("next=x\noptions=1\x01", "cede.conf:2: not a text file (byte 0x01): save it as UTF-8");
    bad("options = quiet", "cede.conf:1: 'options' needs 'next', the program it is for");
    bad("#\ninitrd = x\nnext =", "cede.conf:2: 'initrd' needs 'next', the program it is for");
}

static void sizes(void **state)
{
    static char text[CONF_LIMIT + 2];

    (void)state;
    memset(text, 'a', sizeof text);
    memcpy(text, "next = ", 7);
    assert_true(parse_bytes(text, 7 + CONF_PATH - 2)); /* and the '\' put before it */
    assert_int_equal(strlen(conf.next), CONF_PATH - 1);
    assert_false(parse_bytes(text, 7 + CONF_PATH - 1));
    assert_string_equal(error, "cede.conf:1: 'next' is longer than 254 bytes");
    memcpy(text, "next=a\noptions=", 15);
    assert_true(parse_bytes(text, 15 + CONF_OPTIONS - 1));
    assert_false(parse_bytes(text, 15 + CONF_OPTIONS));
    memset(text, '\n', sizeof text);
    assert_true(parse_bytes(text, CONF_LIMIT));
    assert_false(parse_bytes(text, CONF_LIMIT + 1));
}

static void not_text(void **state)
{
    (void)state;
    assert_false(parse_bytes("n\0e\0x\0t\0", 8));
    assert_false(parse_bytes("\xff\xfen\0", 4)); /* UTF-16 */
    assert_true(parse_bytes("\xef\xbb\xbf", 3));
    assert_false(parse_bytes("\xef\xbb", 2));
}

static bool finish(void)
{
    bool good = conf_finish(&conf, error);

    assert_true(good == !error[0]);
    assert_true(!good || !conf.policy.rules ||
                conf.policy.rules == (u64)(uintptr_t)&conf.list.rules);
    return good;
}

static void policy_lines(void **state)
{
    char name[24];

    (void)state;
    good("next = x");
    assert_true(finish());
    assert_int_equal(conf.policy.rules, 0);
    assert_string_equal(conf_list_text(&conf, name), "architectural");
    good("[cede]\n  allow core # comment\r\npmu = filtered\ndeny 0xc0/0x01\nnext = a = b");
    assert_true(finish());
    assert_int_equal(conf.list.rules.lines, 2);
    assert_int_equal(conf.list.rules.presets[POLICY_ALLOW], 1 << PRESET_CORE);
    assert_int_equal(conf.list.rules.event_count, 1);
    assert_ptr_equal(conf.list.rules.events, room);
    assert_string_equal(conf_list_text(&conf, name), "cede.conf");
    bad("pmu = off\nallow 0xc0", "cede.conf:2: '0xc0': write event select and umask apart, as "
                                 "0xc0/0x00");
    bad("allow", "cede.conf:1: 'allow' and 'deny' need an event, a preset or another word");
    bad("allow = core", "cede.conf:1: '=': neither an event as 0xc0/0x00, nor architectural, core, "
                        "all, fixed, topdown, modifier, offcore, frontend, ldlat, everything or "
                        "a grant; cede-policy knows names of events");
    bad("allowed = core", "cede.conf:1: unknown key 'allowed' (docs/cede.conf.md lists them)");
    good("deny uncore");
    assert_false(finish());
    assert_string_equal(error, "cede.conf: the policy allows nothing: add 'allow architectural', "
                               "or set 'pmu = off'");
}

static void policy_files(void **state)
{
    static const char rules[] = "allow architectural\n\ndeny 0xc4/0x00\nallow fixed 16\n";
    char name[24];

    (void)state;
    good("policy = EFI/cede/tight.policy\ndeny 0xc5/0x00");
    assert_string_equal(conf.list.file, "\\EFI\\cede\\tight.policy");
    assert_false(finish());
    assert_string_equal(error, "tight.policy: the policy allows nothing: add 'allow "
                               "architectural', or set 'pmu = off'");
    assert_true(conf_parse_policy(rules, 35, &conf, &conf.list, error));
    assert_string_equal(error, "");
    assert_true(finish());
    assert_int_equal(conf.list.rules.event_count, 2);
    assert_string_equal(conf_list_text(&conf, name), "tight.policy");
    assert_false(conf_parse_policy(rules, sizeof rules - 1, &conf, &conf.list, error));
    assert_string_equal(error, "tight.policy:4: '16': a fixed counter is a number up to 15");
    assert_false(conf_parse_policy(rules, POLICY_LIMIT + 1, &conf, &conf.list, error));
    assert_string_equal(error, "tight.policy:1: larger than 256 KiB: not a policy");
}

#define GUEST(name) "[guest " name "]\nkernel = vmlinuz\nmemory = 64M\ncores = "

static void guests(void **state)
{
    (void)state;
    good("next = a\n[guest web]\nboot = linux\ncores = 1-3, 5 , 0x40-65\nmemory = 4G\n"
         "kernel = boot/vmlinuz\ninitrd = /initrd.gz\ncmdline = console=ttyS0 quiet # not one\n"
         "console = off\nsplit-siblings = yes\ndevices = none\npmu = off\n"
         "[ guest db-2 ]\nkernel = k\nmemory = 512M\ncores = 4\n"
         "[guest host]\nboot = firmware\ncores = 0\ndevices = all\n"
         "[cede]\nhypervisor-bit = on");
    assert_int_equal(conf.guest_count, 3);
    const struct conf_guest *web = &conf.guests[0], *db = &conf.guests[1];
    assert_string_equal(web->name, "web");
    assert_int_equal(web->boot, GUEST_LINUX);
    assert_int_equal(web->cores.bits[0], 0x2e);
    assert_int_equal(web->cores.bits[1], 3);
    assert_int_equal(web->memory, GIB(4));
    assert_string_equal(web->kernel, "\\boot\\vmlinuz");
    assert_string_equal(web->initrd, "\\initrd.gz");
    assert_string_equal(web->cmdline, "console=ttyS0 quiet # not one");
    assert_int_equal(web->console, 0);
    assert_int_equal(web->split_siblings, 1);
    assert_int_equal(web->line, 2);
    assert_int_equal(web->lines[GUEST_CORES], 4);
    assert_string_equal(db->name, "db-2");
    assert_int_equal(db->boot, GUEST_LINUX);
    assert_int_equal(db->console, 1);
    assert_int_equal(db->memory, MIB(512));
    assert_ptr_equal(conf_firmware(&conf), &conf.guests[2]);
    assert_int_equal(conf.policy.hypervisor_bit, 1);
}

static void guest_policies(void **state)
{
    (void)state;
    good("pmu = full\nallow core\n" GUEST("a") "1\n" GUEST("b") "2\npmu = off\n" GUEST(
        "c") "3\npmu = filtered\nallow 0xc0/0x00\n");
    assert_true(finish());
    assert_int_equal(conf.guests[0].policy.pmu, PMU_FULL);
    assert_int_equal(conf.guests[0].policy.rules, (u64)(uintptr_t)&conf.list.rules);
    assert_int_equal(conf.guests[1].policy.pmu, PMU_OFF);
    assert_int_equal(conf.guests[2].policy.pmu, PMU_FILTERED);
    assert_int_equal(conf.guests[2].policy.rules, (u64)(uintptr_t)&conf.guests[2].list.rules);
    assert_int_equal(conf.guests[2].list.rules.event_count, 1);
    assert_ptr_equal(conf.guests[2].list.rules.events, room + POLICY_EVENTS);
    good(GUEST("a") "1\ndeny core\n");
    assert_false(finish());
    assert_string_equal(error, "cede.conf: the policy allows nothing: add 'allow architectural', "
                               "or set 'pmu = off'");
    good("allow 0xc0/0x00\n" GUEST("a") "1\nallow 0xc0/0x00\n" GUEST("b") "2\nallow core");
    assert_false(parse_bytes("allow core\n[guest a]\nallow core\n[guest b]\nallow 0xc0/0x00", 57));
}

static void guest_messages(void **state)
{
    (void)state;
    bad("[guest]", "cede.conf:1: [guest ]: a guest's name is 1 to 15 of a-z, 0-9 and '-', a letter "
                   "first");
    assert_false(parse_bytes("[guest 7up]", 11));
    assert_false(parse_bytes("[guest Web]", 11));
    assert_false(parse_bytes("[guest abcdefghijklmnop]", 24));
    bad(GUEST("a") "1\n\n[guest a]\n", "cede.conf:6: guest 'a' is described on line 1 already");
    bad("[guest a]\nmemory = 64M\nmemory = 65M",
        "cede.conf:3: 'memory' is set already on line 2: keep one of them");
    bad("[guest a]\nmemory = 64M\nkernel = k", "cede.conf:1: guest 'a' needs 'cores'");
    bad("[guest a]\nmemory = 64M\ncores = 1", "cede.conf:1: guest 'a' needs 'kernel'");
    bad("[guest a]\nkernel = k\ncores = 1", "cede.conf:1: guest 'a' needs 'memory'");
    bad("[guest a]\nnext = k", "cede.conf:2: unknown key 'next' (docs/cede.conf.md lists them)");
    bad("[guest a]\nboot = firmware\n[guest b]\nboot = firmware",
        "cede.conf:4: boot = firmware is guest 'a' (line 2): there can be one only");
    bad("[guest a]\nmemory = 64M\nboot = firmware",
        "cede.conf:2: guest 'a' has boot = firmware (line 3), so 'memory' is not its own: the "
        "firmware's guest has what the others leave");
    bad(GUEST("a") "1\ndevices = all", "cede.conf:5: guest 'a': for now all devices are the "
                                       "firmware's guest's: remove this line");
    bad("[guest a]\nboot = firmware\ndevices = none",
        "cede.conf:3: guest 'a': for now all devices are the firmware's guest's: remove this line");
    bad(GUEST("a") "1-3,2", "cede.conf:4: core 2 is named twice here");
}

static void guest_values(void **state)
{
    static const char *const wrong[] = {"cores = 3-1",
                                        "cores = 1,",
                                        "cores = ,1",
                                        "cores =",
                                        "cores = 1-",
                                        "cores = 1 2",
                                        "cores = 4096",
                                        "cores = x",
                                        "memory = 64",
                                        "memory = 65M",
                                        "memory = 14M",
                                        "memory = 1T",
                                        "memory = -2M",
                                        "memory = 64 M",
                                        "memory =",
                                        "memory = 70000G",
                                        "memory = 99999999999999999999G"};

    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        char text[80];

        snprintf(text, sizeof text, "[guest a]\n%s", wrong[i]);
        assert_false(parse_bytes(text, strlen(text)));
        assert_non_null(strstr(error, ": use "));
    }
    good(GUEST("a") "4095,0-2");
    assert_true(core_in(&conf.guests[0].cores, 4095));
    assert_false(core_in(&conf.guests[0].cores, 4094));
    assert_false(core_in(&conf.guests[0].cores, 4096));
}

static void too_many_guests(void **state)
{
    char text[4096] = "";
    size_t used = 0;

    (void)state;
    for (unsigned i = 0; i <= COUNT(sections); i++)
        used += (size_t)sprintf(text + used, GUEST("g%u") "%u\n", i, i);
    assert_false(parse_bytes(text, used));
    assert_string_equal(error, "cede.conf:129: there can be 32 guests");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults),        cmocka_unit_test(whole_file),
        cmocka_unit_test(console),         cmocka_unit_test(console_use),
        cmocka_unit_test(aliases),         cmocka_unit_test(messages),
        cmocka_unit_test(sizes),           cmocka_unit_test(not_text),
        cmocka_unit_test(policy_lines),    cmocka_unit_test(policy_files),
        cmocka_unit_test(guests),          cmocka_unit_test(guest_policies),
        cmocka_unit_test(guest_messages),  cmocka_unit_test(guest_values),
        cmocka_unit_test(too_many_guests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
