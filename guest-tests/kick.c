/* kick.efi: all cores are stopped and go on again, many times, while each does something else that
 * a stop could disturb. On the image that does this on request (build/faulty/cede.efi). Load
 * options: rounds=N; nmis=0 where stops are NMIs themselves, which do not queue. */
#include "kick/kick.h"
#include "apic.h"
#include "cede.h"
#include "clock.h"
#include "cpu.h"
#include "machine.h"
#include "report.h"
#include "smp.h"

enum { VECTOR_TICK = 0x60, ROUNDS = 2000, NMI_EVERY = 8, PATIENCE_MS = 20000 };

static volatile u32 stop;
static volatile u32 laps[MAX_CORES];
static volatile u32 wrong[MAX_CORES];

/* Registers and flags hold what they held, without an exit of its own for thousands of rounds. */
static void spins(u64 unused)
{
    u32 me = this_core()->index;

    (void)unused;
    while (!stop) {
        u64 a = 0x1111111111111111ULL * (me + 1), b = ~a, c = a ^ 0x5a5a, d = b + 1, flags;

        __asm__ volatile(
            "cmp %0, %0; stc; mov $2000, %%ecx; 1: lea -1(%%rcx), %%rcx; jrcxz 2f; jmp 1b;"
            "2: pushfq; pop %4"
            : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "=r"(flags)
            :
            : "rcx", "cc");
        wrong[me] += a != 0x1111111111111111ULL * (me + 1) || b != ~a || c != (a ^ 0x5a5a) ||
                     d != b + 1 || (flags & 0x41) != 0x41;
        laps[me]++;
    }
}

static void exits(u64 unused)
{
    u32 me = this_core()->index, vendor = cpuid(0, 0).ebx;

    (void)unused;
    while (!stop) {
        wrong[me] += cpuid(0, 0).ebx != vendor;
        laps[me]++;
    }
}

/* Asks for stops itself, against the boot processor. */
static void kicks(u64 unused)
{
    u32 me = this_core()->index;

    (void)unused;
    while (!stop) {
        wrong[me] += hypercall(KICK_CALL, 0, 0) > core_count;
        laps[me]++;
        for (u32 i = 0; i < 20000; i++)
            pause();
    }
}

static void on_tick(struct frame *frame)
{
    (void)frame;
    apic_eoi();
}

/* Sleeps, and is woken by itself: a stop finds it in HLT, or in an interrupt's shadow. */
static void sleeps(u64 unused)
{
    struct core *me = this_core();

    (void)unused;
    me->handler[VECTOR_TICK] = on_tick;
    me->count[VECTOR_TICK] = 0;
    while (!stop) {
        apic_send(0, ICR_SELF | VECTOR_TICK);
        __asm__ volatile("sti; hlt; cli" : : : "memory");
        laps[me->index]++;
        wrong[me->index] += me->count[VECTOR_TICK] != laps[me->index];
    }
}

/* As an operating system's offline core: nothing but an INIT, or an NMI, gets it out. */
static void offline(u64 unused)
{
    (void)unused;
    for (;;) {
        __asm__ volatile("cli; hlt" : : : "memory");
    }
}

static core_work *const roles[] = {spins, exits, sleeps, kicks, offline};
enum { OFFLINE = 5, NO_GUEST = 6 }; /* core indices */

static void begin_roles(void)
{
    stop = 0;
    for (u32 i = 1; i < core_count; i++) {
        laps[i] = wrong[i] = 0;
        if (i != NO_GUEST)
            core_begin(cores[i], roles[(i - 1) % COUNT(roles)], 0);
    }
}

/* Into wait-for-SIPI: without a guest to leave, not to be counted. */
static void put_down(u32 core)
{
    apic_send(cores[core]->apic_id, ICR_ASSERT | ICR_INIT);
    delay_us(10000);
}

/* One NMI at a time: those of stops, and those that a stop takes in, would show. */
static void send_nmi(u32 *sent)
{
    struct core *target = cores[1];
    u64 end = deadline(PATIENCE_MS);

    apic_send(target->apic_id, ICR_ASSERT | ICR_NMI);
    ++*sent;
    while (target->count[VECTOR_NMI] < *sent && !past(end)) {
        pause();
    }
}

static void on_nmi(struct frame *frame)
{
    (void)frame;
}

static void rounds(u32 count, bool nmis)
{
    u32 fewest = ~0U, most = 0, sent = 0;

    cores[1]->count[VECTOR_NMI] = 0;
    cores[1]->handler[VECTOR_NMI] = on_nmi;
    for (u32 i = 0; i < count; i++) {
        u32 stopped = (u32)hypercall(KICK_CALL, 0, 0);

        fewest = MIN(fewest, stopped);
        most = MAX(most, stopped);
        if (nmis && i % NMI_EVERY == 0)
            send_nmi(&sent);
    }
    say("info: %u rounds, %u to %u of %u cores stopped, %u NMIs", count, fewest, most, core_count,
        sent);
    expect(most <= core_count && fewest + 1 >= core_count, "%u to %u of %u cores were stopped",
           fewest, most, core_count);
    expect(cores[1]->count[VECTOR_NMI] == sent, "%u NMIs sent, %u received", sent,
           cores[1]->count[VECTOR_NMI]);
}

static void end_roles(void)
{
    stop = 1;
    for (u32 i = 1; i < core_count; i++) {
        if (i == NO_GUEST || i == OFFLINE)
            continue;
        expect(core_wait(cores[i], PATIENCE_MS), "core %u hangs", i);
        expect(laps[i], "core %u did nothing", i);
        expect(!wrong[i], "core %u: %u of %u laps went wrong", i, wrong[i], laps[i]);
    }
}

/* Whether a core that slept through it all still starts. */
static void wakes(const char *name, u32 core)
{
    static const struct start plain;

    if (core >= core_count)
        return;
    test_begin(name);
    expect(core_start(cores[core], &plain), "core %u does not start again", core);
    test_end();
}

static void kick(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    apic_enable();
    test_begin("start-cores");
    start_all();
    test_end();
    if (NO_GUEST < core_count)
        put_down(NO_GUEST);
    test_begin("stop-and-go-on");
    begin_roles();
    rounds((u32)option_number("rounds", ROUNDS), option_number("nmis", 1));
    end_roles();
    test_end();
    wakes("offline-core-starts", OFFLINE);
    wakes("waiting-core-starts", NO_GUEST);
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, kick);
}
