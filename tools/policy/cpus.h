/* The processors whose events libpfm4 knows and whose selectors are Intel's or AMD's of today. */
#ifndef CEDE_POLICY_CPUS_H
#define CEDE_POLICY_CPUS_H

#include <perfmon/pfmlib.h>

#include "pmu/policy.h"

enum vendor { VENDOR_INTEL, VENDOR_AMD, VENDORS };

extern const char *const vendor_names[VENDORS];

struct processor {
    pfm_pmu_t pmu;
    const char *name; /* libpfm4's, e.g. skx, amd64_fam17h_zen2 */
    enum vendor vendor;
    unsigned family; /* AMD's */
};

struct processors {
    struct processor *list;
    size_t count;
};

/* Must come first; false if libpfm4 does not work. */
bool processors_init(void);

/* All of them. */
struct processors processors_all(void);

/* Those of one vendor; those with the names in a list with commas between. The latter complains
 * about a name that is none's and returns false. */
struct processors processors_of(enum vendor vendor);
bool processors_named(const char *names, struct processors *out);

/* What a policy's presets and selectors are there: with all features that a vendor has. */
struct policy_cpu processor_policy_cpu(enum vendor vendor, unsigned family);

#endif
