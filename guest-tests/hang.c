/* hang.efi: the worst guest for a console. Leaves firmware, sends the core that Cede keeps (load
 * option kept=N: its APIC ID) whatever one processor can send another, and then spins for ever with
 * interrupts off. tools/test-console asks Cede meanwhile, and ends the machine. Without that option
 * it only hangs, bare too, for the self-test (tools/test-stick). */
#include "apic.h"
#include "cede.h"
#include "clock.h"
#include "cpu.h"
#include "machine.h"
#include "report.h"

enum { ROUNDS = 100, PATIENCE_MS = 20000, VECTOR = 0x55 };

/* No SMI: not on emulators, whose firmware has no handler for it, bare neither. */
static const u32 commands[] = {
    ICR_INIT,
    ICR_SIPI | 0x9a,
    ICR_NMI,
    VECTOR,
    ICR_INIT | ICR_OTHERS,
    ICR_SIPI | ICR_OTHERS | 0x9a,
    ICR_NMI | ICR_OTHERS,
    VECTOR | ICR_OTHERS,
};

/* The one core that is in this state; HYPERCALL_ERROR: none. */
static u64 core_in(u32 state)
{
    u64 count = hypercall(HYPERCALL_CORES, 0, 0);

    for (u32 core = 0; core < count; core++)
        if (hypercall(HYPERCALL_CORE, core, 0) >> 32 == state)
            return core;
    return HYPERCALL_ERROR;
}

static bool is_kept(u32 id)
{
    u64 core = core_in(CORE_MANAGEMENT);

    return core != HYPERCALL_ERROR && (u32)hypercall(HYPERCALL_CORE, (u32)core, 0) == id;
}

static void strays(u32 id)
{
    u64 end = deadline(PATIENCE_MS);

    test_begin("strays");
    while (!is_kept(id) && !past(end))
        pause();
    expect(is_kept(id), "processor %u is not kept", id);
    for (u32 round = 0; round < ROUNDS; round++)
        for (u32 i = 0; i < COUNT(commands); i++)
            apic_send(id, ICR_ASSERT | commands[i]);
    expect(is_kept(id), "processor %u is not kept any more", id);
    test_end();
}

static void hang(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    apic_enable();
    if (option_word("kept"))
        strays((u32)option_number("kept", 1));
    say("test: the guest hangs from here on");
    for (;;)
        pause();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, hang);
}
