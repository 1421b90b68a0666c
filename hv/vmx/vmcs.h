/* The virtual machine control structure: field encodings (SDM volume 3, appendix B), exit reasons
 * (appendix C), and the formats of fields (chapter 25). */
#ifndef CEDE_VMX_VMCS_H
#define CEDE_VMX_VMCS_H

#include "types.h"

enum vmcs_field {
    /* 16 bits */
    VMCS_VPID = 0x0000,
    VMCS_GUEST_ES = 0x0800, /* then CS, SS, DS, FS, GS, LDTR, TR: enum vmcs_segment */
    VMCS_HOST_ES = 0x0c00,
    VMCS_HOST_CS = 0x0c02,
    VMCS_HOST_SS = 0x0c04,
    VMCS_HOST_DS = 0x0c06,
    VMCS_HOST_FS = 0x0c08,
    VMCS_HOST_GS = 0x0c0a,
    VMCS_HOST_TR = 0x0c0c,
    /* 64 bits */
    VMCS_IO_BITMAP_A = 0x2000,
    VMCS_IO_BITMAP_B = 0x2002,
    VMCS_MSR_BITMAP = 0x2004,
    VMCS_EXIT_MSR_STORE = 0x2006,
    VMCS_EXIT_MSR_LOAD = 0x2008,
    VMCS_ENTRY_MSR_LOAD = 0x200a,
    VMCS_EPT_POINTER = 0x201a,
    VMCS_XSS_EXITING = 0x202c,
    VMCS_ENCLS_EXITING = 0x202e,
    VMCS_GUEST_PHYSICAL = 0x2400,
    VMCS_LINK_POINTER = 0x2800,
    VMCS_GUEST_DEBUGCTL = 0x2802,
    VMCS_GUEST_PAT = 0x2804,
    VMCS_GUEST_EFER = 0x2806,
    VMCS_GUEST_PERF_GLOBAL_CTRL = 0x2808,
    VMCS_GUEST_BNDCFGS = 0x2812,
    VMCS_GUEST_LBR_CTL = 0x2816,
    VMCS_HOST_PAT = 0x2c00,
    VMCS_HOST_EFER = 0x2c02,
    VMCS_HOST_PERF_GLOBAL_CTRL = 0x2c04,
    /* 32 bits */
    VMCS_PIN_CONTROLS = 0x4000,
    VMCS_PRIMARY_CONTROLS = 0x4002,
    VMCS_EXCEPTION_BITMAP = 0x4004,
    VMCS_PF_ERROR_MASK = 0x4006,
    VMCS_PF_ERROR_MATCH = 0x4008,
    VMCS_CR3_TARGETS = 0x400a,
    VMCS_EXIT_CONTROLS = 0x400c,
    VMCS_EXIT_MSR_STORE_COUNT = 0x400e,
    VMCS_EXIT_MSR_LOAD_COUNT = 0x4010,
    VMCS_ENTRY_CONTROLS = 0x4012,
    VMCS_ENTRY_MSR_LOAD_COUNT = 0x4014,
    VMCS_ENTRY_EVENT = 0x4016,
    VMCS_ENTRY_ERROR_CODE = 0x4018,
    VMCS_ENTRY_LENGTH = 0x401a,
    VMCS_SECONDARY_CONTROLS = 0x401e,
    VMCS_INSTRUCTION_ERROR = 0x4400,
    VMCS_EXIT_REASON = 0x4402,
    VMCS_EXIT_EVENT = 0x4404,
    VMCS_VECTORING_EVENT = 0x4408,
    VMCS_VECTORING_ERROR_CODE = 0x440a,
    VMCS_EXIT_LENGTH = 0x440c,
    VMCS_INSTRUCTION_INFO = 0x440e,
    VMCS_GUEST_ES_LIMIT = 0x4800,
    VMCS_GUEST_GDTR_LIMIT = 0x4810,
    VMCS_GUEST_IDTR_LIMIT = 0x4812,
    VMCS_GUEST_ES_RIGHTS = 0x4814,
    VMCS_INTERRUPTIBILITY = 0x4824,
    VMCS_ACTIVITY = 0x4826,
    VMCS_GUEST_SYSENTER_CS = 0x482a,
    VMCS_PREEMPTION_TIMER = 0x482e,
    VMCS_HOST_SYSENTER_CS = 0x4c00,
    /* natural width */
    VMCS_CR0_MASK = 0x6000,
    VMCS_CR4_MASK = 0x6002,
    VMCS_CR0_SHADOW = 0x6004,
    VMCS_CR4_SHADOW = 0x6006,
    VMCS_QUALIFICATION = 0x6400,
    VMCS_GUEST_LINEAR = 0x640a,
    VMCS_GUEST_CR0 = 0x6800,
    VMCS_GUEST_CR3 = 0x6802,
    VMCS_GUEST_CR4 = 0x6804,
    VMCS_GUEST_ES_BASE = 0x6806,
    VMCS_GUEST_GDTR_BASE = 0x6816,
    VMCS_GUEST_IDTR_BASE = 0x6818,
    VMCS_GUEST_DR7 = 0x681a,
    VMCS_GUEST_RSP = 0x681c,
    VMCS_GUEST_RIP = 0x681e,
    VMCS_GUEST_RFLAGS = 0x6820,
    VMCS_PENDING_DEBUG = 0x6822,
    VMCS_GUEST_SYSENTER_ESP = 0x6824,
    VMCS_GUEST_SYSENTER_EIP = 0x6826,
    VMCS_GUEST_S_CET = 0x6828,
    VMCS_GUEST_SSP = 0x682a,
    VMCS_GUEST_SSP_TABLE = 0x682c,
    VMCS_HOST_CR0 = 0x6c00,
    VMCS_HOST_CR3 = 0x6c02,
    VMCS_HOST_CR4 = 0x6c04,
    VMCS_HOST_FS_BASE = 0x6c06,
    VMCS_HOST_GS_BASE = 0x6c08,
    VMCS_HOST_TR_BASE = 0x6c0a,
    VMCS_HOST_GDTR_BASE = 0x6c0c,
    VMCS_HOST_IDTR_BASE = 0x6c0e,
    VMCS_HOST_SYSENTER_ESP = 0x6c10,
    VMCS_HOST_SYSENTER_EIP = 0x6c12,
    VMCS_HOST_RSP = 0x6c14,
    VMCS_HOST_RIP = 0x6c16,
    VMCS_HOST_S_CET = 0x6c18,
    VMCS_HOST_SSP = 0x6c1a,
    VMCS_HOST_SSP_TABLE = 0x6c1c,
};

/* In the order of their fields: selector, limit, rights and base of each are two encodings apart.
 */
enum vmcs_segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEGMENTS };

/* Access rights, 25.4.1: descriptor bits 47:40 and 55:52, or no segment at all. */
#define RIGHTS_LONG     BIT(13) /* CS.L */
#define RIGHTS_DEFAULT  BIT(14) /* CS.D */
#define RIGHTS_UNUSABLE BIT(16)
#define RIGHTS_DPL(ar)  FIELD(ar, 6, 5)

/* Pin-based controls, 25.6.1. */
#define PIN_EXTERNAL_INTERRUPTS BIT(0)
#define PIN_NMI                 BIT(3)
#define PIN_PREEMPTION_TIMER    BIT(6)

/* Primary processor-based controls, 25.6.2. */
#define PRIMARY_HLT         BIT(7)
#define PRIMARY_INVLPG      BIT(9)
#define PRIMARY_MWAIT       BIT(10)
#define PRIMARY_RDPMC       BIT(11)
#define PRIMARY_RDTSC       BIT(12)
#define PRIMARY_CR3_LOAD    BIT(15)
#define PRIMARY_CR3_STORE   BIT(16)
#define PRIMARY_MOV_DR      BIT(23)
#define PRIMARY_IO_BITMAPS  BIT(25)
#define PRIMARY_MTF         BIT(27)
#define PRIMARY_MSR_BITMAPS BIT(28)
#define PRIMARY_MONITOR     BIT(29)
#define PRIMARY_SECONDARY   BIT(31)

/* Secondary processor-based controls, table 25-7. */
#define SECONDARY_EPT          BIT(1)
#define SECONDARY_DESCRIPTORS  BIT(2)
#define SECONDARY_RDTSCP       BIT(3)
#define SECONDARY_VPID         BIT(5)
#define SECONDARY_WBINVD       BIT(6)
#define SECONDARY_UNRESTRICTED BIT(7)
#define SECONDARY_INVPCID      BIT(12)
#define SECONDARY_ENCLS        BIT(15)
#define SECONDARY_XSAVES       BIT(20)
#define SECONDARY_WAITPKG      BIT(26)

/* VM-exit controls, 25.7.1. */
#define EXITCTL_SAVE_DEBUG  BIT(2)
#define EXITCTL_HOST_64     BIT(9)
#define EXITCTL_LOAD_GLOBAL BIT(12) /* IA32_PERF_GLOBAL_CTRL */
#define EXITCTL_SAVE_PAT    BIT(18)
#define EXITCTL_LOAD_PAT    BIT(19)
#define EXITCTL_SAVE_EFER   BIT(20)
#define EXITCTL_LOAD_EFER   BIT(21)
#define EXITCTL_CLEAR_BND   BIT(23) /* IA32_BNDCFGS */
#define EXITCTL_LOAD_CET    BIT(28)
#define EXITCTL_SAVE_GLOBAL BIT(30) /* IA32_PERF_GLOBAL_CTRL */

/* VM-entry controls, 25.8.1. */
#define ENTRYCTL_LOAD_DEBUG  BIT(2)
#define ENTRYCTL_LONG        BIT(9) /* IA-32e mode guest */
#define ENTRYCTL_LOAD_GLOBAL BIT(13)
#define ENTRYCTL_LOAD_PAT    BIT(14)
#define ENTRYCTL_LOAD_EFER   BIT(15)
#define ENTRYCTL_LOAD_BND    BIT(16)
#define ENTRYCTL_LOAD_CET    BIT(20)

/* Basic exit reasons, appendix C; bit 31 of the field: the entry itself failed. */
enum vmx_exit {
    VMX_EXIT_EXCEPTION_NMI = 0,
    VMX_EXIT_TRIPLE_FAULT = 2,
    VMX_EXIT_INIT = 3,
    VMX_EXIT_TASK_SWITCH = 9,
    VMX_EXIT_CPUID = 10,
    VMX_EXIT_GETSEC = 11,
    VMX_EXIT_INVD = 13,
    VMX_EXIT_RDPMC = 15,
    VMX_EXIT_VMCALL = 18,
    VMX_EXIT_VMCLEAR = 19,
    VMX_EXIT_VMLAUNCH = 20,
    VMX_EXIT_VMPTRLD = 21,
    VMX_EXIT_VMPTRST = 22,
    VMX_EXIT_VMREAD = 23,
    VMX_EXIT_VMRESUME = 24,
    VMX_EXIT_VMWRITE = 25,
    VMX_EXIT_VMXOFF = 26,
    VMX_EXIT_VMXON = 27,
    VMX_EXIT_CR_ACCESS = 28,
    VMX_EXIT_IO = 30,
    VMX_EXIT_RDMSR = 31,
    VMX_EXIT_WRMSR = 32,
    VMX_EXIT_ENTRY_GUEST = 33, /* with bit 31: invalid guest state */
    VMX_EXIT_ENTRY_MSR = 34,   /* with bit 31: MSR loading */
    VMX_EXIT_MTF = 37,
    VMX_EXIT_ENTRY_MCE = 41, /* with bit 31: a machine check during entry */
    VMX_EXIT_EPT_VIOLATION = 48,
    VMX_EXIT_EPT_MISCONFIG = 49,
    VMX_EXIT_INVEPT = 50,
    VMX_EXIT_PREEMPTION_TIMER = 52,
    VMX_EXIT_INVVPID = 53,
    VMX_EXIT_WBINVD = 54,
    VMX_EXIT_XSETBV = 55,
    VMX_EXIT_VMFUNC = 59,
    VMX_EXIT_ENCLS = 60,
    VMX_EXIT_SEAMCALL = 76,
    VMX_EXIT_TDCALL = 77,
    VMX_EXIT_RDMSRLIST = 78,
    VMX_EXIT_WRMSRLIST = 79,
    VMX_EXIT_RDMSR_IMM = 84,
    VMX_EXIT_WRMSRNS_IMM = 85,
};
#define VMX_EXIT_BASIC(reason) FIELD(reason, 15, 0)
#define VMX_EXIT_FAILED_ENTRY  BIT(31)

/* Events: VM-entry interruption information (25.8.3), IDT-vectoring information (25.9.3). */
#define EVENT_VALID      BIT(31)
#define EVENT_ERROR_CODE BIT(11)
#define EVENT_TYPE(e)    FIELD(e, 10, 8)
#define EVENT_VECTOR(e)  FIELD(e, 7, 0)
enum {
    EVENT_EXTERNAL = 0,
    EVENT_NMI = 2,
    EVENT_HARDWARE = 3, /* exception */
    EVENT_SOFT_INT = 4,
    EVENT_PRIVILEGED = 5, /* INT1 */
    EVENT_SOFTWARE = 6,   /* INT3, INTO */
};

/* Guest interruptibility state, 25.4.2. */
#define BLOCKED_BY_STI    BIT(0)
#define BLOCKED_BY_MOV_SS BIT(1)
#define BLOCKED_BY_NMI    BIT(3)

/* Guest activity state, 25.4.2. */
enum { ACTIVITY_ACTIVE = 0, ACTIVITY_HLT = 1, ACTIVITY_SHUTDOWN = 2 };

#define PENDING_DEBUG_BS BIT(14) /* a single step */

/* Qualification of an EPT violation, table 28-7. */
#define EPT_VIOLATION_WRITE   BIT(1)
#define EPT_VIOLATION_PRESENT MASK(5, 3) /* what the translation allows: read, write, execute */
#define EPT_VIOLATION_ASYNC   BIT(16)    /* by no instruction: of a PEBS record */
#define EPT_VIOLATION_IRET    BIT(12)    /* NMIs were unblocked by the IRET that faulted */

/* Entries of extended page tables, 29.3.2. */
#define EPT_READ       BIT(0)
#define EPT_WRITE      BIT(1)
#define EPT_EXECUTE    BIT(2)
#define EPT_TYPE       MASK(5, 3)
#define EPT_TYPE_SHIFT 3

#endif
