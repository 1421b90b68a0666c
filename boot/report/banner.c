#include "report/banner.h"

#include "machine/console.h"
#include "machine/cpu_ops.h"
#include "hypercall.h"
#include "place/place.h"
#include "machine/pmu_text.h"
#include "uefi/version.h"

static u32 captured(const struct mp *mp)
{
    u32 count = 0;

    for (u32 i = 0; i < mp->count; i++)
        count += mp->cpus[i].started && mp->cpus[i].status == HV_OK;
    return count;
}

/* A processor that is not captured stays where it is: what would start it is trapped. */
static void say_cores(const struct mp *mp)
{
    u32 count = captured(mp);

    say("cede: cores: %u captured, %u policed until they start\n", count, mp->count - count);
    for (u32 i = 0; i < mp->count; i++) {
        const struct mp_cpu *cpu = &mp->cpus[i];

        if (cpu->firmware && !(cpu->started && cpu->status == HV_OK))
            say("cede: core with APIC ID 0x%x was not captured: %s\n", cpu->apic_id,
                cpu->started ? hv_status_text(cpu->status) : "the firmware did not start it");
    }
}

void banner(const struct options *options, const struct conf *conf, const struct mp *mp,
            const struct boot_uart *uart, bool keeps)
{
    char console[48], list[24];

    say("cede: version %s\n", version_text());
    if (options->junk)
        say("cede: load options: %lu bytes that are no text, ignored\n", options->junk);
    say_cores(mp);
    say("cede: memory: %lu bytes kept, %lu of them page tables\n",
        hypercall(HYPERCALL_MEMORY, 0, 0), hypercall(HYPERCALL_MEMORY, 0, 1));
    say("cede: pmu: %s\n", pmu_text());
    say("cede: policy: %s%s%s\n", pmu_mode_text(conf->policy.pmu),
        conf->policy.pmu == PMU_FILTERED ? ", list " : "",
        conf->policy.pmu == PMU_FILTERED ? conf_list_text(conf, list) : "");
    say("cede: console: %s\n", console_text(conf, uart, console));
    if (conf->trace)
        say("cede: trace: %s\n", keeps ? "on, for cede.efi --check after a reset"
                                       : "off: no free memory from 256 MiB to 4 GiB to keep it in");
}
