/* Machine checks that no guest sees to: partitions have no banks, and some cores have no guest. The
 * firmware's guest sees to its own, as bare. */
#ifndef CEDE_MACHINE_CHECK_H
#define CEDE_MACHINE_CHECK_H

#include "cpu.h"

#define MC_VECTOR 18

enum machine_check {
    MC_GOES_ON, /* it is about something else, or has been put right */
    MC_STOPS,   /* what was interrupted cannot go on */
    MC_IS_FATAL /* nothing can */
};

/* What this core's banks say of the machine check that has just come. Each bank that signalled it
 * is in the log, `say` is log_line or log_note, and is empty again; so is MCG_STATUS, or the next
 * one would reset the machine. */
enum machine_check machine_check_judge(const struct cpu *cpu, void (*say)(const char *format, ...));

/* One that came while the host ran. It is the firmware's guest's where that runs here and takes
 * machine checks, else it is judged. Returns if this core can go on. */
void machine_check_in_host(struct cpu *cpu);

/* Whether one has come that nobody has seen to yet. */
bool machine_check_came(void);

/* Says so, and resets the machine. */
__attribute__((noreturn)) void machine_check_reset(const struct cpu *cpu);

#endif
