/* Everything that Cede takes and prepares before the first processor is captured, and its release
 * when it comes to nothing. */
#ifndef CEDE_PLACE_H
#define CEDE_PLACE_H

#include "conf/conf.h"
#include "place/elf.h"
#include "machine/memory.h"
#include "machine/acpi.h"
#include "guests/plan.h"

struct place {
    struct elf elf;
    struct boot_range tables; /* boot services memory below 4 GiB: the guest may still use them */
    u64 cr3;
    struct boot_info *info; /* pool; the hypervisor copies it, and the guests */
    u64 entry;
    struct kept *last; /* what an earlier boot has left (place/keep.h), or NULL */
    bool keeps;        /* there was room for what this one leaves */
};

/* The hypervisor image inside this program; says what is wrong when false. */
bool place_open_image(struct place *place);

/* Bytes of region that this machine needs. */
u64 place_region_size(const struct place *place, const struct plan *plan,
                      const struct memory *memory);

/* Whether there seems to be room for it; says so if not. */
bool place_would_fit(const struct place *place, const struct plan *plan,
                     const struct memory *memory);

/* Takes the region, the trampoline page and the tables; places the image; fills boot_info. On false
 * everything has been given back, and why has been said. */
bool place_all(struct place *place, const struct plan *plan, const struct memory *memory,
               const struct acpi *acpi, const struct conf *conf);

/* HV_PREPARE; on false as place_all(). */
bool place_prepare(struct place *place);

/* Gives back what the guest may have: all but the region and the trampoline. */
void place_finish(struct place *place);

/* Gives back everything. */
void place_undo(struct place *place);

const char *hv_status_text(u64 status);

#endif
