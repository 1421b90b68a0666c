/* busyap.efi [\PATH]: keeps one application processor busy, then starts Cede, which must refuse
 * since it cannot capture that one, leave it to its work, and leave the firmware usable. */
#include "chain.h"
#include "cpu.h"
#include "machine.h"
#include "mp_services.h"
#include "report.h"

static volatile u32 released, rounds;

static void EFIAPI work(void *argument)
{
    (void)argument;
    while (!released) {
        rounds++;
        pause();
    }
}

static bool still_working(void)
{
    u32 before = rounds;
    for (u32 i = 0; i < 1000 && rounds == before; i++) {
        machine.firmware->BootServices->Stall(1000);
    }
    return rounds != before;
}

static void end_work(EFI_EVENT event)
{
    released = 1;
    for (u32 i = 0; i < 2000; i++) {
        if (machine.firmware->BootServices->CheckEvent(event) == EFI_SUCCESS) {
            return;
        }
        machine.firmware->BootServices->Stall(1000);
    }
    test_fail("its procedure never ended");
}

static void busyap(u64 unused)
{
    (void)unused;
    EFI_EVENT event = NULL;
    UINTN self = 0;
    struct mp_services *mp = mp_services_find(machine.firmware->BootServices);
    test_begin("processor-busy");
    expect(mp && core_count > 1, "needs MP Services and two processors");
    if (!test_end()) {
        finish();
    }
    mp->who_am_i(mp, &self);
    machine.firmware->BootServices->CreateEvent(0, 0, NULL, NULL, &event);
    EFI_STATUS status = mp->start_this(mp, work, (self + 1) % core_count, event, 0, NULL, NULL);
    chain_expect_refusal();
    test_begin("processor-left-to-its-work");
    expect(!EFI_ERROR(status) && still_working(), "status %lx, it stands still", status);
    end_work(event);
    test_end();
    firmware_probe();
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, busyap);
}
