#include "cpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pmu/amd.h"
#include "pmu/intel.h"

const char *const vendor_names[VENDORS] = {"intel", "amd"};

bool processors_init(void)
{
    /* Else libpfm4 encodes for the processor that it runs on only. */
    setenv("LIBPFM_ENCODE_INACTIVE", "1", 1);
    return pfm_initialize() == PFM_SUCCESS;
}

/* Intel's by the names of their descriptions, without Pentium 4 (whose selectors are others) and
 * the architectural PMU (whose events depend on the processor that libpfm4 runs on). */
static bool is_intel(const pfm_pmu_info_t *info)
{
    return !strncmp(info->desc, "Intel", 5) && info->pmu != PFM_PMU_INTEL_X86_ARCH;
}

static unsigned amd_family(const char *name)
{
    const char *family = strstr(name, "fam");

    return family ? (unsigned)strtoul(family + 3, NULL, 16) : strstr(name, "k8") ? 0xf : 6;
}

static bool describe(pfm_pmu_t pmu, struct processor *out)
{
    pfm_pmu_info_t info = {.size = sizeof(info)};

    if (pfm_get_pmu_info(pmu, &info) != PFM_SUCCESS || info.type != PFM_PMU_TYPE_CORE)
        return false;
    if (!is_intel(&info) && strncmp(info.name, "amd64_", 6))
        return false;
    *out = (struct processor){pmu, info.name, is_intel(&info) ? VENDOR_INTEL : VENDOR_AMD, 0};
    if (out->vendor == VENDOR_AMD)
        out->family = amd_family(info.name);
    return true;
}

static void add(struct processors *to, struct processor processor)
{
    to->list = realloc(to->list, (to->count + 1) * sizeof(processor));
    if (!to->list)
        abort();
    to->list[to->count++] = processor;
}

struct processors processors_all(void)
{
    struct processors all = {NULL, 0};
    struct processor processor;

    for (int pmu = PFM_PMU_NONE; pmu < PFM_PMU_MAX; pmu++)
        if (describe((pfm_pmu_t)pmu, &processor))
            add(&all, processor);
    return all;
}

struct processors processors_of(enum vendor vendor)
{
    struct processors all = processors_all(), some = {NULL, 0};

    for (size_t i = 0; i < all.count; i++)
        if (all.list[i].vendor == vendor)
            add(&some, all.list[i]);
    free(all.list);
    return some;
}

/* zen4 is enough to name amd64_fam19h_zen4. */
static bool is_named(const struct processor *processor, const char *name)
{
    size_t whole = strlen(processor->name), part = strlen(name);

    return !strcmp(processor->name, name) ||
           (part && part < whole && processor->name[whole - part - 1] == '_' &&
            processor->vendor == VENDOR_AMD && !strcmp(processor->name + whole - part, name));
}

static bool add_named(struct processors *to, const char *name)
{
    struct processors all = processors_all();
    bool found = false;

    for (size_t i = 0; i < all.count; i++) {
        if (!is_named(&all.list[i], name))
            continue;
        add(to, all.list[i]);
        found = true;
    }
    free(all.list);
    if (!found)
        fprintf(stderr, "cede-policy: no processor is called '%s': --list has them all\n", name);
    return found;
}

bool processors_named(const char *names, struct processors *out)
{
    char *copy = strdup(names), *rest = copy, *name;
    bool good = true;

    *out = (struct processors){NULL, 0};
    while (good && (name = strsep(&rest, ",")))
        good = add_named(out, name);
    free(copy);
    return good;
}

struct policy_cpu processor_policy_cpu(enum vendor vendor, unsigned family)
{
    struct policy_cpu cpu = {.format = &filter_format_intel,
                             .architectural = pmu_intel_architectural,
                             .core = policy_core_intel,
                             .architectural_count = COUNT(pmu_intel_architectural),
                             .core_count = COUNT(policy_core_intel)};

    if (vendor == VENDOR_INTEL)
        return cpu;
    cpu.format = &filter_format_amd;
    cpu.architectural = pmu_amd_architectural(family, &cpu.architectural_count);
    cpu.core = policy_core_amd;
    cpu.core_count = COUNT(policy_core_amd);
    return cpu;
}
