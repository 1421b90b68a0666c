/* The machine as firmware describes it, and leaving firmware behind. */
#ifndef CEDE_GUEST_MACHINE_H
#define CEDE_GUEST_MACHINE_H

#include <efi.h>
#include "core.h"

struct machine {
    EFI_HANDLE image;
    EFI_SYSTEM_TABLE *firmware; /* NULL once left */
    char options[256];          /* LoadOptions as ASCII */
    u64 rsdp;
    u16 pm1a_event, pm1a_control, pm_timer;
    u8 reset_space, reset_value; /* FADT RESET_REG; space 0xff: none */
    u64 reset_address;
    u8 s3_type, s4_type, s5_type; /* SLP_TYP from the DSDT, 0xff: not there */
    u8 *map;                      /* the last memory map */
    UINTN map_size, map_stride;
};

extern struct machine machine;

/* efi_main of every test: gathers the above, builds a struct core per processor, and runs the test
 * on the boot processor's own stack, firmware still up. Returns only if the test does. */
EFI_STATUS machine_run(EFI_HANDLE image, EFI_SYSTEM_TABLE *firmware, core_work *test);

/* ExitBootServices, then the library's tables; interrupts are off and stay off. */
void machine_leave_firmware(void);

/* Which names of the event selectors this processor takes; wants the library's tables. */
void find_selectors(void);

/* Reads the memory map into machine.map; returns its key. */
UINTN machine_read_map(void);

/* Zeroed pages below 4 GiB. Never fails: it ends the test. */
u64 machine_pages(u64 pages);

/* Value of a `name=value` word of the load options; fallback if it is not there. */
u64 option_number(const char *name, u64 fallback);
bool option_word(const char *word);

/* acpi.c */
void acpi_read(struct machine *machine);
u32 acpi_processors(u64 rsdp, u32 ids[], u32 capacity);

#endif
