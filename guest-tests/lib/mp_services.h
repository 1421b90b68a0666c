/* EFI_MP_SERVICES_PROTOCOL (PI specification, volume 2, 13.4), which gnu-efi lacks. */
#ifndef CEDE_GUEST_MP_SERVICES_H
#define CEDE_GUEST_MP_SERVICES_H

#include <efi.h>

typedef void EFIAPI mp_procedure(void *argument);

enum { MP_IS_BSP = 1, MP_ENABLED = 2, MP_HEALTHY = 4 };

struct mp_info {
    UINT64 id;
    UINT32 flags;
    UINT32 package, core, thread;
    UINT32 extended[6];
};

struct mp_services {
    EFI_STATUS(EFIAPI *get_count)(struct mp_services *, UINTN *count, UINTN *enabled);
    EFI_STATUS(EFIAPI *get_info)(struct mp_services *, UINTN number, struct mp_info *info);
    EFI_STATUS(EFIAPI *start_all)
    (struct mp_services *, mp_procedure *, BOOLEAN one_by_one, EFI_EVENT done, UINTN microseconds,
     void *argument, UINTN **failed);
    EFI_STATUS(EFIAPI *start_this)
    (struct mp_services *, mp_procedure *, UINTN number, EFI_EVENT done, UINTN microseconds,
     void *argument, BOOLEAN *finished);
    EFI_STATUS(EFIAPI *switch_bsp)(struct mp_services *, UINTN number, BOOLEAN enable_old);
    EFI_STATUS(EFIAPI *enable)(struct mp_services *, UINTN number, BOOLEAN enable, UINT32 *health);
    EFI_STATUS(EFIAPI *who_am_i)(struct mp_services *, UINTN *number);
};

/* NULL where the firmware has none. */
struct mp_services *mp_services_find(EFI_BOOT_SERVICES *services);

#endif
