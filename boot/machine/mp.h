/* The machine's processors, and running something on all of them through MP Services. */
#ifndef CEDE_MP_H
#define CEDE_MP_H

#include "machine/acpi.h"
#include "machine/mp_protocol.h"
#include "preflight.h"
#include "boot_info.h"

/* One processor, in the order of boot_info.cpus[]. The lower half is written on that processor. */
struct mp_cpu {
    u32 apic_id;
    bool listed;   /* in the MADT */
    bool firmware; /* MP Services has it, enabled and healthy */
    UINTN number;  /* there, if it has */

    volatile bool checked;
    enum preflight verdict;
    struct preflight_traits traits; /* if it passed */
    bool shadow_stack;
    u64 apic_base, efer, cr4, pat;
    u64 vm_control;        /* VM_CR or IA32_FEATURE_CONTROL */
    volatile bool started; /* HV_START was called, and returned this */
    u64 status;
};

struct mp {
    EFI_MP_SERVICES_PROTOCOL *services; /* NULL on firmware without it */
    struct mp_cpu *cpus;
    u32 count, bsp;
    u32 aps;      /* of firmware's, that StartupAllAPs reaches */
    u32 unlisted; /* an AP ran whose APIC ID is in no list; ~0: none */
};

/* Lists the union of the MADT's and MP Services' processors. False, having said so, without memory.
 */
bool mp_list(struct mp *mp, const struct acpi *acpi);
void mp_free(struct mp *mp);

/* Runs the preflight on each processor that the firmware can reach, this one included. False,
 * having said which and why, when one fails, differs from this one, does not answer, or cannot be
 * asked. Changes nothing. */
bool mp_check(struct mp *mp);

/* How to make a processor a guest. */
struct capture {
    struct mp *mp;
    const struct boot_info *info;
    u64 entry, cr3;
};

/* Application processors: each calls HV_START and returns from its procedure as a guest. After
 * this, and until the boot processor is a guest as well, MP Services must not be called: it wakes
 * processors by INIT, which only a guest's INIT is policed for. Returns how many were captured. */
u32 mp_capture_aps(struct capture *capture);

/* The boot processor itself; an enum hv_status. */
u64 mp_capture_bsp(struct capture *capture);

#endif
