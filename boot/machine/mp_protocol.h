/* EFI_MP_SERVICES_PROTOCOL (UEFI Platform Initialization 1.7, volume 2, 13.4), which GNU-EFI lacks.
 */
#ifndef CEDE_MP_PROTOCOL_H
#define CEDE_MP_PROTOCOL_H

#include <efi.h>

#define EFI_MP_SERVICES_PROTOCOL_GUID                      \
    {                                                      \
        0x3fdda605, 0xa76e, 0x4f46,                        \
        {                                                  \
            0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08 \
        }                                                  \
    }

enum { PROCESSOR_AS_BSP = 1, PROCESSOR_ENABLED = 2, PROCESSOR_HEALTHY = 4 };

typedef struct {
    UINT64 ProcessorId; /* local APIC ID */
    UINT32 StatusFlag;
    UINT32 Package, Core, Thread;
    UINT32 Extended[6];
    UINT32 Reserved[6]; /* room for what later versions may write */
} EFI_PROCESSOR_INFORMATION;

typedef void(EFIAPI *EFI_AP_PROCEDURE)(void *argument);

typedef struct efi_mp_services {
    EFI_STATUS(EFIAPI *GetNumberOfProcessors)
    (struct efi_mp_services *self, UINTN *count, UINTN *enabled);
    EFI_STATUS(EFIAPI *GetProcessorInfo)
    (struct efi_mp_services *self, UINTN number, EFI_PROCESSOR_INFORMATION *info);
    /* Timeout in microseconds; blocking when `event` is NULL. */
    EFI_STATUS(EFIAPI *StartupAllAPs)
    (struct efi_mp_services *self, EFI_AP_PROCEDURE procedure, BOOLEAN single_thread,
     EFI_EVENT event, UINTN timeout, void *argument, UINTN **failed);
    EFI_STATUS(EFIAPI *StartupThisAP)
    (struct efi_mp_services *self, EFI_AP_PROCEDURE procedure, UINTN number, EFI_EVENT event,
     UINTN timeout, void *argument, BOOLEAN *finished);
    EFI_STATUS(EFIAPI *SwitchBSP)
    (struct efi_mp_services *self, UINTN number, BOOLEAN enable_old);
    EFI_STATUS(EFIAPI *EnableDisableAP)
    (struct efi_mp_services *self, UINTN number, BOOLEAN enable, UINT32 *health);
    EFI_STATUS(EFIAPI *WhoAmI)(struct efi_mp_services *self, UINTN *number);
} EFI_MP_SERVICES_PROTOCOL;

#endif
