/* Instructions that user code may execute. */
#include "cpl3.h"
#include "cpu.h"
#include "fault.h"
#include "report.h"

static volatile struct cpuid seen;

static void do_cpuid(u64 leaf)
{
    seen = cpuid((u32)leaf, 0);
}

USER(do_rdtsc, "rdtsc")
USER(do_rdtscp, "rdtscp")
USER(do_rdpmc, "xor %%ecx, %%ecx; rdpmc")
USER(do_rdpmc_far, "mov $0x12345, %%ecx; rdpmc")
USER(do_pause, "pause")
USER(do_sgdt, "sgdt -16(%%rsp)")
USER(do_smsw, "smsw %%eax")

static void leaves(void)
{
    static const u32 asked[] = {0, 2, 0x80000000, 0x80000002, 0x80000008};
    test_begin("cpl3-cpuid");
    for (u32 i = 0; i < COUNT(asked); i++) {
        struct cpuid kernel = cpuid(asked[i], 0);
        expect(attempt_user(do_cpuid, asked[i], NULL) == NO_FAULT, "leaf %x faults", asked[i]);
        expect(seen.eax == kernel.eax && seen.ebx == kernel.ebx && seen.ecx == kernel.ecx &&
                   seen.edx == kernel.edx,
               "leaf %x: %x %x %x %x", asked[i], seen.eax, seen.ebx, seen.ecx, seen.edx);
    }
    test_end();
}

/* By CR4.PCE; with it as the processor has it, which a runner compares: TCG has none. */
static void counters(void)
{
    static const struct user rdpmc = {"rdpmc", do_rdpmc, VECTOR_GP, false};
    u64 cr4 = READ_CR(4);
    WRITE_CR(4, cr4 | CR4_PCE);
    int near = attempt_user(do_rdpmc, 0, NULL), far = attempt_user(do_rdpmc_far, 0, NULL);
    WRITE_CR(4, cr4 & ~(u64)CR4_PCE);
    test_begin("cpl3-rdpmc");
    if (near != VECTOR_UD) {
        expect_vector(&rdpmc, 0);
    }
    test_end();
    say("test: cpl3-rdpmc with CR4.PCE: %d, of no counter %d", near, far);
}

void permitted_probes(void)
{
    static const struct user list[] = {
        {"rdtsc", do_rdtsc, NO_FAULT, false},   {"pause", do_pause, NO_FAULT, false},
        {"sgdt", do_sgdt, NO_FAULT, false},     {"smsw", do_smsw, NO_FAULT, false},
        {"rdtscp", do_rdtscp, NO_FAULT, false},
    };
    test_begin("cpl3-permitted");
    for (u32 i = 0; i < COUNT(list); i++) {
        expect_vector(&list[i], 0);
    }
    test_end();
    leaves();
    counters();
}
