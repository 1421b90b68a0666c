/* MSR numbers and bits that the hypervisor itself touches, named as in the manuals. The table of
 * what a guest may touch is msr_table.c. */
#ifndef CEDE_MSR_H
#define CEDE_MSR_H

#include "types.h"

#define IA32_APIC_BASE            0x1b
#define APIC_BASE_BSP             BIT(8)
#define APIC_BASE_EXTD            BIT(10) /* x2APIC mode */
#define APIC_BASE_EN              BIT(11)
#define APIC_BASE_ADDRESS         MASK(51, 12)
#define IA32_FEATURE_CONTROL      0x3a
#define FEATURE_CONTROL_LOCK      BIT(0)
#define FEATURE_CONTROL_VMXON     BIT(2) /* outside SMX */
#define FEATURE_CONTROL_LMCE      BIT(20)
#define IA32_XAPIC_DISABLE_STATUS 0xbd
#define LEGACY_XAPIC_DISABLED     BIT(0)
#define IA32_ARCH_CAPABILITIES    0x10a
#define ARCH_CAP_XAPIC_DISABLE    BIT(21)
#define IA32_BIOS_UPDT_TRIG       0x79
#define IA32_MTRRCAP              0xfe
#define IA32_SYSENTER_CS          0x174
#define IA32_SYSENTER_ESP         0x175
#define IA32_SYSENTER_EIP         0x176
#define IA32_MCG_CAP              0x179
#define MCG_CAP_LMCE_P            BIT(27)
#define IA32_MCG_STATUS           0x17a
#define MCG_STATUS_RIPV           BIT(0)
#define MCG_STATUS_MCIP           BIT(2)
#define IA32_MTRR_PHYSBASE0       0x200
#define IA32_PAT                  0x277
#define IA32_MTRR_DEF_TYPE        0x2ff
#define MTRR_DEF_TYPE_E           BIT(11)
#define IA32_SPEC_CTRL            0x48
#define IA32_S_CET                0x6a2
#define IA32_INT_SSP_TAB          0x6a8
#define IA32_X2APIC_BASE          0x800
#define IA32_X2APIC_APICID        0x802
#define IA32_X2APIC_ICR           0x830
#define IA32_BNDCFGS              0xd90
#define IA32_XSS                  0xda0
#define XSS_LBR                   BIT(15)
#define IA32_FS_BASE              0xc0000100
#define IA32_GS_BASE              0xc0000101

#define IA32_EFER   0xc0000080
#define EFER_SCE    BIT(0)
#define EFER_LME    BIT(8)
#define EFER_LMA    BIT(10)
#define EFER_NXE    BIT(11)
#define EFER_SVME   BIT(12)
#define EFER_AIBRSE BIT(21) /* AMD: automatic IBRS */

/* VMX capabilities, SDM volume 3 appendix A. */
#define IA32_VMX_BASIC              0x480
#define VMX_BASIC_STRING_IO_INFO    BIT(54)
#define VMX_BASIC_TRUE_CONTROLS     BIT(55)
#define VMX_MEMORY_WRITE_BACK       6     /* bits 53:50 */
#define IA32_VMX_PINBASED_CTLS      0x481 /* then primary, exit, entry */
#define IA32_VMX_MISC               0x485
#define VMX_MISC_HLT                BIT(6)
#define IA32_VMX_CR0_FIXED0         0x486
#define IA32_VMX_CR0_FIXED1         0x487
#define IA32_VMX_CR4_FIXED0         0x488
#define IA32_VMX_CR4_FIXED1         0x489
#define IA32_VMX_PROCBASED_CTLS2    0x48b
#define IA32_VMX_EPT_VPID_CAP       0x48c
#define EPT_CAP_WALK_4              BIT(6)
#define EPT_CAP_WALK_5              BIT(7)
#define EPT_CAP_WRITE_BACK          BIT(14)
#define EPT_CAP_2MIB                BIT(16)
#define EPT_CAP_1GIB                BIT(17)
#define EPT_CAP_INVEPT              BIT(20)
#define EPT_CAP_INVEPT_ALL          BIT(26)
#define EPT_CAP_INVVPID             BIT(32)
#define EPT_CAP_INVVPID_ALL         BIT(42)
#define IA32_VMX_TRUE_PINBASED_CTLS 0x48d   /* then primary, exit, entry */
#define EXITCTL_CLEAR_LBR           BIT(26) /* "clear IA32_LBR_CTL" */
#define ENTRYCTL_LOAD_LBR           BIT(21) /* "load guest IA32_LBR_CTL" */
#define IA32_TME_ACTIVATE           0x982
#define TME_ACTIVATE_ENABLE         BIT(1)

/* AMD, APM volume 2 appendix A. */
#define MSR_SYSCFG      0xc0010010
#define MSR_HWCR        0xc0010015
#define HWCR_SMMLOCK    BIT(0)
#define HWCR_IRPERF_EN  BIT(30)
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
#define CR4_OSFXSR  BIT(9)
#define CR4_LA57    BIT(12)
#define CR4_VMXE    BIT(13)
#define CR4_SMXE    BIT(14)
#define CR4_OSXSAVE BIT(18)
#define CR4_KL      BIT(19)
#define CR4_SMEP    BIT(20)
#define CR4_PKE     BIT(22)
#define CR4_CET     BIT(23)
#define CR4_FRED    BIT(32)

#define RFLAGS_FIXED BIT(1)
#define RFLAGS_CF    BIT(0)
#define RFLAGS_PF    BIT(2)
#define RFLAGS_AF    BIT(4)
#define RFLAGS_ZF    BIT(6)
#define RFLAGS_SF    BIT(7)
#define RFLAGS_TF    BIT(8)
#define RFLAGS_IF    BIT(9)
#define RFLAGS_DF    BIT(10)
#define RFLAGS_OF    BIT(11)
#define RFLAGS_RF    BIT(16)

/* Single-stepping and resume need care after an emulated instruction (slow.c). */
#define RFLAGS_UNUSUAL (RFLAGS_TF | RFLAGS_RF)

#endif
