/* startstorm.efi: INIT and one SIPI, thousands of times, with delays from none upward: each pair
 * starts its core once. Targets wait in the firmware's loop, halt, run, or are offline as an OS
 * leaves them; they are addressed one by one, all at once, and one after the other without waiting.
 * Both APIC modes. Load options: rounds=N (50), of each kind. */
#include "apic.h"
#include "cede.h"
#include "clock.h"
#include "cpu.h"
#include "machine.h"
#include "report.h"
#include "smp.h"
#include "startstorm/stub.h"

enum { ROUNDS = 50, PATIENCE_MS = 3000, DELAYS = 24 };

static volatile struct stub_data *stub;
static u32 expected; /* arrivals */

/* None mostly, then more and more: the longest is well beyond what an exit takes. */
static void pauses(u32 round)
{
    u32 step = round % DELAYS;
    for (u32 i = 0; step >= 8 && i < 1U << (step - 8); i++) {
        pause();
    }
}

static bool arrive(u32 count)
{
    u64 end = deadline(PATIENCE_MS);
    expected += count;
    while (stub->arrived != expected) {
        if (past(end)) {
            return false;
        }
        pause();
    }
    return true;
}

static void send_pair(u32 destination, u32 shorthand, u32 round)
{
    apic_send(destination, ICR_ASSERT | ICR_INIT | shorthand);
    pauses(round);
    apic_send(destination, ICR_ASSERT | ICR_SIPI | shorthand | start_vector(STUB_PAGE));
}

/* What was missed or came twice is said once, and counted from there on. */
static void judge(bool all, const char *what, u32 round)
{
    expect(all, "round %u, %s: %u arrivals, not %u", round, what, stub->arrived, expected);
    expected = stub->arrived;
}

static void one(u32 core, u32 round)
{
    send_pair(cores[core]->apic_id, 0, round);
    judge(arrive(1), "one core", round);
}

static void everybody(u32 round)
{
    send_pair(0, ICR_OTHERS, round);
    judge(arrive(core_count - 1), "all but self", round);
}

/* Pair after pair, and nobody waited for in between. */
static void in_a_row(u32 round)
{
    for (u32 i = 1; i < core_count; i++) {
        send_pair(cores[i]->apic_id, 0, round);
    }
    judge(arrive(core_count - 1), "one after the other", round);
}

/* An ordinary IPI: a hypervisor that watches the ICR while cores start may stop doing so. */
static void ordinary(void)
{
    apic_send(cores[0]->apic_id, ICR_ASSERT | ICR_SELF | VECTOR_WAKE);
    irq_window();
}

static void rounds(const char *name, u32 loop, u64 count)
{
    test_begin(name);
    stub->loop = loop;
    for (u32 round = 0; round < count && probe_good(); round++) {
        if (round / 8 % 4) {
            ordinary();
        }
        if (round % 8 == 7) {
            everybody(round);
        } else {
            one(1 + round % (core_count - 1), round);
        }
    }
    test_end();
}

/* INIT long before, and twice; a SIPI too many. */
static void odd_sequences(void)
{
    u32 id = cores[1]->apic_id, sipi = ICR_ASSERT | ICR_SIPI | start_vector(STUB_PAGE);
    test_begin("odd-sequences");
    for (u32 round = 0; round < 48 && probe_good(); round++) {
        stub->loop = round % LOOPS;
        apic_send(id, ICR_ASSERT | ICR_INIT);
        delay_us(round % 3 ? 0 : 2000);
        send_pair(id, 0, round);
        judge(arrive(1), "INIT, INIT, SIPI", round);
        apic_send(id, sipi);
        delay_us(round % 3 ? 0 : 100);
        apic_send(id, sipi);
        judge(arrive(0), "SIPI to a running core", round);
    }
    delay_us(20000);
    judge(arrive(0), "afterwards", 0);
    test_end();
}

/* Another core sends, and what the first one has sent last, a SIPI to another place, is old. */
static void send_from_here(u64 core)
{
    for (u32 round = 0; round < DELAYS && probe_good(); round++) {
        send_pair(cores[core]->apic_id, 0, round);
        judge(arrive(1), "sent by another core", round);
    }
}

static void another_sender(void)
{
    static const struct start plain;
    test_begin("another-sender");
    if (core_count > 2) {
        expect(core_start(cores[1], &plain), "core 1 does not start");
        expect(core_start(cores[2], &plain), "core 2 does not start");
        core_begin(cores[1], send_from_here, 2);
        expect(core_wait(cores[1], 10 * PATIENCE_MS), "core 1 does not finish");
    }
    test_end();
}

static u64 all_exits(void)
{
    u64 sum = 0;
    for (u32 i = 0; i < core_count; i++) {
        sum += cede_exits(i);
    }
    return sum;
}

/* On Intel nothing of the APIC exits once all have been started. */
static void then_peace(void)
{
    test_begin_cede("startstorm-then-peace");
    ordinary();
    u64 before = all_exits();
    for (u32 i = 0; i < 100; i++) {
        ordinary();
    }
    u64 after = all_exits();
    expect(is_amd || after == before, "%lu exits", after - before);
    test_end();
}

static void storm(u64 count)
{
    rounds("halted", LOOP_HALT, count);
    rounds("running", LOOP_RUN, count);
    rounds("offline", LOOP_OFFLINE, count);
    if (!option_word("no-odd")) {
        odd_sequences();
    }
    another_sender();
    then_peace();
}

/* At boot all wait for their start: a row of pairs is none too fast. */
static void from_firmware(void)
{
    test_begin("from-firmware-in-a-row");
    in_a_row(0);
    test_end();
    rounds("from-firmware", LOOP_HALT, 8);
}

static void enter_x2apic(void)
{
    stub->x2apic = 1;
    everybody(DELAYS - 1);
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_EXTD);
    apic_enable();
}

static void copy_stub(void)
{
    u8 *page = (u8 *)((u64)start_vector(STUB_PAGE) << 12);
    for (u64 i = 0; i < (u64)(stub_end - stub_begin); i++) {
        page[i] = (u8)stub_begin[i];
    }
    stub = (volatile struct stub_data *)(page + STUB_DATA);
    *stub = (struct stub_data){0};
}

static void startstorm(u64 unused)
{
    u64 count = option_number("rounds", ROUNDS);
    (void)unused;
    machine_leave_firmware();
    say("info: %u cores, Cede %s", core_count, under_cede() ? "is here" : "is not here");
    copy_stub();
    if (core_count > 1) {
        from_firmware();
        storm(count);
    }
    if (core_count > 1 && (cpuid(1, 0).ecx & BIT(21)) && !apic_is_x2()) {
        enter_x2apic();
        test_section("x2apic-");
        storm(count);
    }
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, startstorm);
}
