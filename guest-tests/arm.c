/* arm.efi: starts AMD's count of all retired instructions (IRPERF: every privilege level,
 * hypervisor included), and then the program that the load options name, with the words behind it.
 * What that program reads there is what it has taken since. */
#include "chain.h"
#include "cpu.h"
#include "fault.h"
#include "machine.h"
#include "report.h"

enum { MSR_HWCR = 0xc0010015, MSR_IRPERF = 0xc00000e9 };
#define HWCR_IRPERF_EN BIT(30)

static void start_counting(u64 unused)
{
    u64 value = 0;
    (void)unused;
    test_begin("irperf");
    expect(cpuid(0x80000008, 0).ebx & BIT(1), "the processor has none");
    expect(wrmsr_safe(MSR_HWCR, rdmsr(MSR_HWCR) | HWCR_IRPERF_EN) == NO_FAULT, "HWCR faults");
    expect(wrmsr_safe(MSR_IRPERF, 0) == NO_FAULT, "IRPERF cannot be written");
    expect(rdmsr_safe(MSR_IRPERF, &value) == NO_FAULT && value < 1000, "IRPERF is %lu", value);
    test_end();
}

static void arm(u64 unused)
{
    EFI_STATUS status;
    (void)unused;
    core_borrow(start_counting, 0);
    if (all_ok()) {
        chain(&status);
    }
    finish_with(1);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, arm);
}
