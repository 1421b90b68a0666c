/* What the bed chose for this machine: CEDE_PMU="name=value ..." in the environment;
 * docs/pmu-model.md lists them. */
#ifndef CEDE_PMU_OPTIONS_H
#define CEDE_PMU_OPTIONS_H

namespace pmu
{

struct Options {
    unsigned version = 5;    /* Intel: architectural perfmon 1 to 6 */
    unsigned gp = 8;         /* Intel: general-purpose counters, 1 to 8 */
    unsigned fixed = 4;      /* Intel: fixed counters, 0 to 4; the fourth counts slots */
    unsigned width = 48;     /* Intel: bits of each counter, 32 to 60 */
    unsigned full_width = 1; /* Intel: PERF_CAPABILITIES[13], counter aliases at 4C1H */
    unsigned metrics = 1;    /* Intel: PERF_METRICS; needs the fourth fixed counter */
    unsigned pebs = 0;       /* Intel: adaptive PEBS, record format 4 or 5; needs version 5 */
    unsigned lbr = 0;        /* Intel: branch records as Ice Lake has them, or 1: architectural */
    unsigned v2 = 1;         /* AMD: PerfMonV2 */
    unsigned vmrun = 0;      /* AMD: VMRUN counts as a branch of the guest */
    unsigned lbrv2 = 1;      /* AMD: the stack of branch records (LbrExtV2); needs PerfMonV2 */
    unsigned lbrv = 1;       /* AMD: LBR virtualization */
    unsigned ibs = 1;        /* AMD: instruction-based sampling */
    unsigned skid = 0;       /* instructions that retire between an overflow and its PMI */
    unsigned reboots = 0;    /* resets that do not end the run */
    unsigned report = 2;     /* file descriptor for how the run ended */
};

/* Fills in from `text`; -> nothing, or what is wrong with it. */
const char *parse_options(const char *text, Options *options);

} // namespace pmu

#endif
