/* MSR numbers and bits that the hypervisor itself touches, named as in the manuals. The table of
 * what a guest may touch is msr_table.c. */
#ifndef CEDE_MSR_H
#define CEDE_MSR_H

#include "types.h"

#define IA32_APIC_BASE      0x1b
#define APIC_BASE_BSP       BIT(8)
#define APIC_BASE_EXTD      BIT(10) /* x2APIC mode */
#define APIC_BASE_EN        BIT(11)
#define APIC_BASE_ADDRESS   MASK(51, 12)
#define IA32_FEATURE_CONTROL  0x3a
#define FEATURE_CONTROL_LOCK  BIT(0)
#define IA32_MTRRCAP        0xfe
#define IA32_MCG_STATUS     0x17a
#define MCG_STATUS_RIPV     BIT(0)
#define IA32_MTRR_PHYSBASE0 0x200
#define IA32_PAT            0x277
#define IA32_MTRR_DEF_TYPE  0x2ff
#define IA32_SPEC_CTRL      0x48
#define IA32_S_CET          0x6a2
#define IA32_INT_SSP_TAB    0x6a8
#define IA32_X2APIC_BASE    0x800
#define IA32_X2APIC_APICID  0x802
#define IA32_X2APIC_ICR     0x830

#define IA32_EFER 0xc0000080
#define EFER_SCE  BIT(0)
#define EFER_LME  BIT(8)
#define EFER_LMA  BIT(10)
#define EFER_NXE  BIT(11)
#define EFER_SVME BIT(12)

/* AMD, APM volume 2 appendix A. */
#define MSR_SYSCFG      0xc0010010
#define MSR_HWCR        0xc0010015
#define HWCR_SMMLOCK    BIT(0)
#define MSR_TOM2        0xc001001d
#define MSR_VM_CR       0xc0010114
#define VM_CR_R_INIT    BIT(1)
#define VM_CR_LOCK      BIT(3)
#define VM_CR_SVMDIS    BIT(4)
#define MSR_VM_HSAVE_PA 0xc0010117

#define CR0_PE      BIT(0)
#define CR0_MP      BIT(1)
#define CR0_ET      BIT(4)
#define CR0_NE      BIT(5)
#define CR0_WP      BIT(16)
#define CR0_NW      BIT(29)
#define CR0_CD      BIT(30)
#define CR0_PG      BIT(31)
#define CR4_PAE     BIT(5)
#define CR4_MCE     BIT(6)
#define CR4_LA57    BIT(12)
#define CR4_OSXSAVE BIT(18)
#define CR4_SMEP    BIT(20)
#define CR4_PKE     BIT(22)
#define CR4_CET     BIT(23)

#define RFLAGS_FIXED BIT(1)
#define RFLAGS_CF    BIT(0)
#define RFLAGS_PF    BIT(2)
#define RFLAGS_AF    BIT(4)
#define RFLAGS_ZF    BIT(6)
#define RFLAGS_SF    BIT(7)
#define RFLAGS_TF    BIT(8)
#define RFLAGS_IF    BIT(9)
#define RFLAGS_OF    BIT(11)
#define RFLAGS_RF    BIT(16)

#endif
