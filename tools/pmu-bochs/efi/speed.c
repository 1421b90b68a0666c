/* speed.efi: arithmetic, memory and calls for some hundred million instructions, with the PMU's
 * counters as the load options say: `count` makes instructions, branches and cycles count. Needs no
 * PMU otherwise: any Bochs runs it. */
#include "cpu.h"
#include "machine.h"
#include "report.h"

static u32 words[16384];

static __attribute__((noinline)) u32 mix(u32 turns)
{
    u32 h = 2166136261U;
    for (u32 k = 0; k < turns; k++) {
        h ^= words[h >> 9 & 0x3fff];
        h *= 16777619U;
        words[k & 0x3fff] = h;
        if (h & 64) {
            h += k;
        }
    }
    return h;
}

static __attribute__((noinline)) u32 fibonacci(u32 n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static void count(void)
{
    if (cpuid(0, 0).ecx == 0x444d4163) {
        wrmsr(0xc0010200, 0x4300c0);
        wrmsr(0xc0010202, 0x4300c2);
        wrmsr(0xc0010204, 0x430076);
    } else {
        wrmsr(0x186, 0x4300c0);
        wrmsr(0x187, 0x4300c4);
        wrmsr(0x38d, 0x33);
        wrmsr(0x38f, 0x300000003);
    }
}

static void speed(u64 unused)
{
    (void)unused;
    machine_leave_firmware();
    if (option_word("count")) {
        count();
    }
    say("info: go");
    u32 sum = mix(40000000) + fibonacci(33);
    say("info: sum %x", sum);
    finish();
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware);
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware)
{
    return machine_run(image, firmware, speed);
}
