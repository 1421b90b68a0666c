/* The test kernel that runs as a partition. Words of its command line:
 *
 *     name=NAME           stands in front of each probe's name
 *     quick               leaves out the probes that take time
 *     dirty               leaves all memory full of a pattern, which the next start must not find
 *     state               shows what is in the registers, and on the key d leaves all of them dirty
 *     work=N              then N rounds (0: for ever) of a checked workload on all cores
 *     hostile, rounds=N   then tries every way out, N times
 *     end=off|reset|halt|triple|wild
 */
#ifndef CEDE_PARTITION_H
#define CEDE_PARTITION_H

#include "types.h"

extern const u8 *boot_params; /* NULL-terminated command line at 228h, memory map at 2D0h */
extern u64 memory_end;        /* of what the map calls memory, below 4 GiB */

const char *command_line(void);
u64 word_number(const char *name, u64 fallback);
bool has_word(const char *word);
u32 tables_cpus(u32 ids[], u32 room); /* of the MADT, the boot core first */

extern const char image_start[] __asm__("_start"), image_end[] __asm__("_end");

void probe_start(void);  /* what the boot protocol promises */
void probe_memory(void); /* zero but for the pieces */
void dirty_memory(void);
void probe_machine(void);    /* ports, CPUID, the x2APIC's lock */
void probe_cores(void);      /* INIT, SIPI, IPIs, the TSC */
void show_state(u64 unused); /* on the running core */
void dirty_state(u64 unused);
extern volatile u32 dirty_cores; /* that have done it */
void work(u64 rounds);
void hostile(u64 rounds);
void wild_tables(void); /* of random entries: the end */

#endif
