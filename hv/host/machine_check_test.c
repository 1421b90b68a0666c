/* Whom a machine check hits, by what its banks say; and that the next one finds nothing left over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"

#define cpuid mc_cpuid
static void mc_cpuid(u32 leaf, u32 subleaf, u32 out[4]);
#include "host/machine_check.c"

struct hv hv;
struct lock log_lock;
const struct vendor *vendor;

#define BANKS 4
#define RIPV  MCG_STATUS_RIPV
#define EIPV  MCG_STATUS_EIPV
#define MCIP  MCG_STATUS_MCIP
#define CAP   (BANKS | MCG_CAP_SER_P)

/* SDM 16.6.3, 17.3: software recoverable errors, action optional and required. */
#define SRAO (STATUS_SIGNALLED | STATUS_S | STATUS_ADDRV)
#define SRAR (SRAO | STATUS_CONTEXT)
/* No action: not signalled. */
#define UCNA      (STATUS_SIGNALLED | STATUS_ADDRV)
#define CORRECTED (STATUS_VAL | STATUS_EN)

static struct cpu core;
static struct guest guests[2];
static jmp_buf reset;
static u32 lines, injected, amd_recovers;
static u64 said_status, said_address, guest_cr4;
static bool injects;

static void mc_cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    (void)subleaf;
    assert_int_equal(leaf, 0x80000007);
    out[1] = amd_recovers;
}

static void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    va_arg(args, u64);
    va_arg(args, u64);
    said_status = va_arg(args, u64);
    said_address = va_arg(args, u64);
    va_end(args);
    lines++;
}

void log_line(const char *format, ...)
{
    (void)format;
}

void log_note(const char *format, ...)
{
    (void)format;
    assert_false(log_lock.held);
    lines++;
}

void log_panic(void)
{
}

void platform_reset(void)
{
    longjmp(reset, 1);
}

static void code_state(struct cpu *cpu, struct code_state *state)
{
    assert_ptr_equal(cpu, &core);
    state->paging.cr4 = guest_cr4;
}

static bool inject(struct cpu *cpu)
{
    assert_ptr_equal(cpu, &core);
    injected += injects;
    return injects;
}

static const struct vendor fake_vendor = {.code_state = code_state, .inject_machine_check = inject};

static int set_up(void **state)
{
    (void)state;
    vendor = &fake_vendor;
    memset(&fake, 0, sizeof(fake));
    hv.intel = true;
    guests[1].index = 1;
    core = (struct cpu){.guest = &guests[0], .captured = true, .state = CORE_RUNNING};
    lines = injected = 0;
    injects = true;
    guest_cr4 = CR4_MCE;
    amd_recovers = 3;
    log_lock.held = 0;
    fake_msr(IA32_MCG_CAP, CAP, 0);
    fake_msr(IA32_MCG_STATUS, 0, 0); /* only 0 may be written (SDM 16.3.1.2) */
    for (u32 i = 0; i < BANKS; i++) {
        fake_msr(MC_STATUS(i), 0, 0); /* likewise */
        fake_msr(MC_ADDR(i), 0x1000 * i, 0);
    }
    return 0;
}

static void set_msr(u32 msr, u64 value)
{
    fake.msr[fake_msr_index(msr)].value = value;
}

static void arrives(u64 mcg_status, u32 bank, u64 status)
{
    set_msr(IA32_MCG_STATUS, mcg_status | MCIP);
    set_msr(MC_STATUS(bank), status);
}

static enum machine_check judge(u64 mcg_status, u64 status)
{
    arrives(mcg_status, 2, status);
    return machine_check_judge(&core, say);
}

/* It hits every core where it is broadcast; the banks of most say nothing. */
static void a_bystander_goes_on(void **state)
{
    (void)state;
    for (u32 i = 0; i < 2; i++) {
        assert_int_equal(judge(RIPV, 0), MC_GOES_ON);
        assert_int_equal(judge(RIPV, CORRECTED), MC_GOES_ON);
        assert_int_equal(judge(RIPV, UCNA), MC_GOES_ON);
        assert_int_equal(judge(RIPV, SRAO & ~STATUS_EN), MC_GOES_ON);
        assert_int_equal(judge(RIPV, STATUS_PCC | STATUS_UC), MC_GOES_ON); /* not valid */
        assert_int_equal(rdmsr(IA32_MCG_STATUS), 0);
    }
    assert_int_equal(lines, 0);
    assert_int_equal(rdmsr(MC_STATUS(2)), STATUS_PCC | STATUS_UC); /* whoever it is for */
}

static void action_optional_goes_on_twice_in_a_row(void **state)
{
    (void)state;
    for (u32 i = 1; i <= 2; i++) {
        assert_int_equal(judge(RIPV, SRAO), MC_GOES_ON);
        assert_int_equal(rdmsr(IA32_MCG_STATUS), 0);
        assert_int_equal(rdmsr(MC_STATUS(2)), 0);
        assert_int_equal(lines, i);
        assert_int_equal(said_status, SRAO);
        assert_int_equal(said_address, 0x2000);
    }
    judge(RIPV, SRAO & ~STATUS_ADDRV);
    assert_int_equal(said_address, 0);
}

static void action_required_stops_whose_instruction_it_was(void **state)
{
    (void)state;
    assert_int_equal(judge(RIPV | EIPV, SRAR), MC_STOPS);
    assert_int_equal(judge(EIPV, SRAR), MC_STOPS);
    assert_int_equal(judge(RIPV, SRAR), MC_GOES_ON); /* another thread's, in a bank of both */
    assert_int_equal(judge(RIPV | EIPV, SRAR | STATUS_OVER), MC_IS_FATAL);
    assert_int_equal(rdmsr(IA32_MCG_STATUS), 0);
}

static void what_cannot_be_resumed_stops(void **state)
{
    (void)state;
    assert_int_equal(judge(0, 0), MC_STOPS);
    assert_int_equal(judge(0, SRAO), MC_STOPS);
    assert_int_equal(judge(0, SRAO | STATUS_PCC), MC_IS_FATAL);
}

static void a_corrupt_processor_is_fatal(void **state)
{
    (void)state;
    assert_int_equal(judge(RIPV, SRAO | STATUS_PCC), MC_IS_FATAL);
    assert_int_equal(judge(RIPV | EIPV, SRAR | STATUS_PCC), MC_IS_FATAL);
    set_msr(IA32_MCG_CAP, BANKS); /* no recovery: bits 56, 55 mean something else */
    assert_int_equal(judge(RIPV, SRAO), MC_IS_FATAL);
    assert_int_equal(judge(RIPV, UCNA), MC_IS_FATAL);
    assert_int_equal(judge(RIPV, CORRECTED), MC_GOES_ON);
}

static void the_worst_bank_counts(void **state)
{
    (void)state;
    set_msr(MC_STATUS(0), SRAR);
    set_msr(MC_STATUS(3), SRAO);
    assert_int_equal(judge(RIPV | EIPV, SRAO), MC_STOPS);
    assert_int_equal(lines, 3);
    set_msr(MC_STATUS(0), SRAR | STATUS_PCC);
    assert_int_equal(judge(RIPV | EIPV, SRAR), MC_IS_FATAL);
    set_msr(IA32_MCG_CAP, 2 | MCG_CAP_SER_P); /* banks beyond are not there */
    assert_int_equal(judge(RIPV, SRAR | STATUS_PCC), MC_GOES_ON);
}

/* APM 9.3.2.2: TCC; no bit 56. Deferred errors are not UC, and raise no #MC. */
static void amd_by_its_own_bits(void **state)
{
    const u64 contained = STATUS_SIGNALLED, context = STATUS_SIGNALLED | STATUS_CONTEXT;

    (void)state;
    hv.intel = false;
    set_msr(IA32_MCG_CAP, BANKS);
    assert_int_equal(judge(RIPV, contained), MC_GOES_ON);
    assert_int_equal(judge(RIPV, context), MC_STOPS);
    assert_int_equal(judge(RIPV, context | STATUS_OVER), MC_IS_FATAL);
    assert_int_equal(judge(RIPV, contained | STATUS_PCC), MC_IS_FATAL);
    assert_int_equal(judge(RIPV, STATUS_VAL | STATUS_EN | BIT(44)), MC_GOES_ON);
    amd_recovers = 1;
    assert_int_equal(judge(RIPV, contained), MC_IS_FATAL);
}

/* -> whether the machine was reset */
static bool in_host(u64 mcg_status, u64 status)
{
    arrives(mcg_status, 1, status);
    if (setjmp(reset))
        return true;
    machine_check_in_host(&core);
    return false;
}

/* Banks and MCG_STATUS are its guest's to read and to clear. */
static void the_firmwares_guest_gets_its_own(void **state)
{
    (void)state;
    for (u32 i = 1; i <= 2; i++) {
        assert_false(in_host(RIPV, SRAO));
        assert_int_equal(injected, i);
        assert_int_equal(rdmsr(MC_STATUS(1)), SRAO);
        assert_int_equal(rdmsr(IA32_MCG_STATUS), RIPV | MCIP);
    }
    assert_int_equal(lines, 0);
    assert_true(in_host(0, SRAO)); /* cannot be restarted: the host was interrupted */
    injects = false;
    assert_true(in_host(RIPV, SRAO)); /* two events for one entry */
    injects = true;
    guest_cr4 = 0;
    assert_true(in_host(RIPV, 0)); /* bare it would be a shutdown */
    assert_int_equal(injected, 2);
}

static void check_judged(void)
{
    for (volatile u32 i = 1; i <= 2; i++) {
        assert_false(in_host(RIPV, SRAO));
        assert_int_equal(lines, i);
        assert_int_equal(rdmsr(IA32_MCG_STATUS), 0);
    }
    assert_false(in_host(RIPV, 0));
    assert_true(in_host(RIPV | EIPV, SRAR));
    assert_true(in_host(RIPV, SRAO | STATUS_PCC));
    assert_true(in_host(0, 0));
    assert_int_equal(injected, 0);
    lines = 0;
}

static void others_are_judged(void **state)
{
    (void)state;
    core.guest = &guests[1];
    check_judged();
    core.captured = false;
    core.state = CORE_WAITING;
    check_judged();
    core.guest = &guests[0];
    check_judged();
    core.captured = true; /* VMX: in wait-for-SIPI */
    check_judged();
    core.state = CORE_MANAGEMENT;
    check_judged();
}

/* It may have interrupted this very core while that wrote to the log. */
static void a_log_that_is_taken_is_left_alone(void **state)
{
    (void)state;
    core.guest = &guests[1];
    log_lock.held = 1;
    assert_false(in_host(RIPV, SRAO));
    assert_int_equal(lines, 0);
    assert_int_equal(log_lock.held, 1);
    assert_int_equal(rdmsr(IA32_MCG_STATUS), 0);
}

static void one_that_has_come_is_seen(void **state)
{
    (void)state;
    assert_false(machine_check_came());
    arrives(RIPV, 0, 0);
    assert_true(machine_check_came());
    machine_check_judge(&core, say);
    assert_false(machine_check_came());
    fake.msrs = 0;
    assert_false(machine_check_came());
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(a_bystander_goes_on),
        TEST(action_optional_goes_on_twice_in_a_row),
        TEST(action_required_stops_whose_instruction_it_was),
        TEST(what_cannot_be_resumed_stops),
        TEST(a_corrupt_processor_is_fatal),
        TEST(the_worst_bank_counts),
        TEST(amd_by_its_own_bits),
        TEST(the_firmwares_guest_gets_its_own),
        TEST(others_are_judged),
        TEST(a_log_that_is_taken_is_left_alone),
        TEST(one_that_has_come_is_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
