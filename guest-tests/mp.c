/* mp.efi: the firmware's MP Services go on working when the processors are guests: every way to run
 * a procedure, many rounds, blocking and not, and its bookkeeping. SwitchBSP is left out: with OVMF
 * on QEMU it resets the bare machine. */
#include "cede.h"
#include "cpu.h"
#include "machine.h"
#include "mp_services.h"
#include "report.h"

enum { ROUNDS = 200, FEWER_ROUNDS = 50, MAX_APS = MAX_CORES };

static struct mp_services *mp;
static EFI_BOOT_SERVICES *services;
static UINTN count, bsp;
static volatile u32 ran[MAX_APS];
static volatile u32 wrong;

static UINTN who(void)
{
    UINTN number = ~0UL;
    mp->who_am_i(mp, &number);
    return number;
}

/* WhoAmI and CPUID from the processor itself. */
static void EFIAPI note(void *argument)
{
    UINTN number = who();
    struct cpuid one = cpuid(1, 0);
    if (number >= MAX_APS || argument != &wrong || !one.eax) {
        atomic_add(&wrong, 1);
        return;
    }
    atomic_add(&ran[number], 1);
}

static void clear(void)
{
    for (u32 i = 0; i < MAX_APS; i++) {
        ran[i] = 0;
    }
    wrong = 0;
}

static void expect_ran(u32 times)
{
    for (u32 i = 0; i < count; i++) {
        u32 should = i == bsp ? 0 : times;
        expect(ran[i] == should, "processor %u ran %u times, not %u", i, ran[i], should);
    }
    expect(!wrong, "%u runs with wrong arguments or identity", wrong);
}

static void information(void)
{
    UINTN enabled = 0, found_bsp = 0;
    test_begin("mp-information");
    EFI_STATUS status = mp->get_count(mp, &count, &enabled);
    expect(!EFI_ERROR(status) && count == core_count && enabled == count,
           "count %lu, enabled %lu, MADT %u", count, enabled, core_count);
    count = MIN(count, MAX_APS);
    for (u32 i = 0; i < count; i++) {
        struct mp_info info = {0};
        status = mp->get_info(mp, i, &info);
        found_bsp += info.flags & MP_IS_BSP;
        expect(!EFI_ERROR(status) && (info.flags & ~(u32)MP_IS_BSP) == (MP_ENABLED | MP_HEALTHY),
               "processor %u: status %lx flags %x", i, status, info.flags);
    }
    bsp = who();
    expect(found_bsp == 1, "%lu boot processors", found_bsp);
    expect(bsp < count, "who am I: %lu", bsp);
    test_end();
}

static void all_blocking(const char *name, u32 rounds, BOOLEAN one_by_one, UINTN timeout)
{
    test_begin(name);
    clear();
    for (u32 round = 0; round < rounds; round++) {
        EFI_STATUS status =
            mp->start_all(mp, note, one_by_one, NULL, timeout, (void *)&wrong, NULL);
        expect(!EFI_ERROR(status), "round %u: status %lx", round, status);
    }
    expect_ran(rounds);
    test_end();
}

static void this_blocking(void)
{
    test_begin("mp-start-this");
    clear();
    for (u32 round = 0; round < FEWER_ROUNDS; round++) {
        for (u32 i = 0; i < count; i++) {
            BOOLEAN finished = FALSE;
            EFI_STATUS status =
                i == bsp ? EFI_SUCCESS
                         : mp->start_this(mp, note, i, NULL, 5000000, (void *)&wrong, &finished);
            expect(!EFI_ERROR(status), "round %u, processor %u: status %lx", round, i, status);
        }
    }
    expect_ran(FEWER_ROUNDS);
    test_end();
}

static bool wait_event(EFI_EVENT event)
{
    for (u32 i = 0; i < 2000; i++) {
        if (services->CheckEvent(event) == EFI_SUCCESS) {
            return true;
        }
        services->Stall(1000);
    }
    return false;
}

static void non_blocking(void)
{
    EFI_EVENT event = NULL;
    test_begin("mp-start-all-event");
    clear();
    EFI_STATUS status = services->CreateEvent(0, 0, NULL, NULL, &event);
    expect(!EFI_ERROR(status), "CreateEvent %lx", status);
    for (u32 round = 0; round < 20; round++) {
        status = mp->start_all(mp, note, FALSE, event, 0, (void *)&wrong, NULL);
        expect(!EFI_ERROR(status), "round %u: status %lx", round, status);
        if (!wait_event(event)) {
            test_fail("round %u: event not signalled", round);
            break;
        }
    }
    expect_ran(20);
    test_end();
    test_begin("mp-start-this-event");
    clear();
    for (u32 i = 0; i < count; i++) {
        if (i != bsp) {
            status = mp->start_this(mp, note, i, event, 0, (void *)&wrong, NULL);
            expect(!EFI_ERROR(status) && wait_event(event), "processor %u: status %lx", i, status);
        }
    }
    expect_ran(1);
    services->CloseEvent(event);
    test_end();
}

/* A disabled processor is left out, a re-enabled one is back. */
static void disable(void)
{
    test_begin("mp-disable");
    for (u32 round = 0; round < 10 && count > 1; round++) {
        UINTN victim = (bsp + 1 + round % (count - 1)) % count, enabled = 0;
        EFI_STATUS status = mp->enable(mp, victim, FALSE, NULL);
        expect(!EFI_ERROR(status), "disable %lu: %lx", victim, status);
        mp->get_count(mp, &count, &enabled);
        expect(enabled == count - 1, "%lu enabled of %lu", enabled, count);
        status = mp->start_this(mp, note, victim, NULL, 0, (void *)&wrong, NULL);
        expect(status == EFI_INVALID_PARAMETER, "a disabled processor was started: %lx", status);
        status = mp->enable(mp, victim, TRUE, NULL);
        expect(!EFI_ERROR(status), "enable %lu: %lx", victim, status);
    }
    clear();
    if (count > 1) {
        mp->start_all(mp, note, FALSE, NULL, 0, (void *)&wrong, NULL);
        expect_ran(1);
    }
    test_end();
}

static volatile u32 released;

static void EFIAPI linger(void *argument)
{
    (void)argument;
    while (!released) {
        pause();
    }
}

/* A procedure that overstays: firmware resets that processor by INIT, and it serves again. */
static void timeout(void)
{
    UINTN victim = (bsp + 1) % count;
    BOOLEAN finished = TRUE;
    test_begin("mp-timeout");
    if (count > 1) {
        released = 0;
        EFI_STATUS status = mp->start_this(mp, linger, victim, NULL, 100000, NULL, &finished);
        expect(status == EFI_TIMEOUT && !finished, "status %lx finished %u", status, (u32)finished);
        released = 1;
        clear();
        status = mp->start_all(mp, note, FALSE, NULL, 5000000, (void *)&wrong, NULL);
        expect(!EFI_ERROR(status), "afterwards: %lx", status);
        expect_ran(1);
    }
    test_end();
}

static void report_cede(u64 unused)
{
    (void)unused;
    say("info: %u cores, Cede %s", core_count, under_cede() ? "is here" : "is not here");
}

static void mp_test(u64 unused)
{
    (void)unused;
    services = machine.firmware->BootServices;
    mp = mp_services_find(services);
    core_borrow(report_cede, 0);
    test_begin("mp-protocol");
    expect(mp, "not there");
    if (test_end()) {
        information();
        if (count > 1) {
            all_blocking("mp-start-all", ROUNDS, FALSE, 0);
            all_blocking("mp-start-all-one-by-one", FEWER_ROUNDS, TRUE, 0);
            all_blocking("mp-start-all-with-timeout", FEWER_ROUNDS, FALSE, 5000000);
            this_blocking();
            non_blocking();
            disable();
            timeout();
        }
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, mp_test);
}
