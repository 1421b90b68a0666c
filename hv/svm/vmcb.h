/* The virtual machine control block, APM volume 2 appendix B. */
#ifndef CEDE_SVM_VMCB_H
#define CEDE_SVM_VMCB_H

#include "types.h"

/* Intercepts, by their word and bit. */
#define INTERCEPT3_NMI             BIT(1)
#define INTERCEPT3_SMI             BIT(2)
#define INTERCEPT3_INIT            BIT(3)
#define INTERCEPT3_RDPMC           BIT(15)
#define INTERCEPT3_CPUID           BIT(18)
#define INTERCEPT3_IRET            BIT(20)
#define INTERCEPT3_INVD            BIT(22)
#define INTERCEPT3_INVLPGA         BIT(26)
#define INTERCEPT3_IOIO_PROT       BIT(27)
#define INTERCEPT3_MSR_PROT        BIT(28)
#define INTERCEPT3_SHUTDOWN        BIT(31)
#define INTERCEPT4_VMRUN           BIT(0)
#define INTERCEPT4_VMMCALL         BIT(1)
#define INTERCEPT4_VMLOAD          BIT(2)
#define INTERCEPT4_VMSAVE          BIT(3)
#define INTERCEPT4_STGI            BIT(4)
#define INTERCEPT4_CLGI            BIT(5)
#define INTERCEPT4_SKINIT          BIT(6)
#define INTERCEPT4_WBINVD          BIT(9)
#define INTERCEPT4_RDPRU           BIT(14)
#define INTERCEPT5_INVLPGB_ILLEGAL BIT(1)

/* APM 15.15.2. A set bit says: unchanged since the last VMRUN of this VMCB on this core. */
#define CLEAN_INTERCEPTS BIT(0)
#define CLEAN_PERMISSION BIT(1) /* IOPM and MSRPM base */
#define CLEAN_ASID       BIT(2)
#define CLEAN_TPR        BIT(3)
#define CLEAN_NP         BIT(4) /* nested paging: NP_ENABLE, N_CR3, G_PAT */
#define CLEAN_CRX        BIT(5) /* CR0, CR3, CR4, EFER */
#define CLEAN_DRX        BIT(6)
#define CLEAN_DT         BIT(7)
#define CLEAN_SEG        BIT(8) /* CS, DS, SS, ES, CPL */
#define CLEAN_CR2        BIT(9)
#define CLEAN_LBR        BIT(10)
#define CLEAN_AVIC       BIT(11)
#define CLEAN_CET        BIT(12)
#define CLEAN_ALL        0x1fff

/* 0B8H (APM 15.23.1): DebugCtl, the last branches, and the stack of LbrExtV2 with its registers are
 * the guest's while it runs, in the VMCB else. */
#define VIRTUALIZE_LBR BIT(0)
#define LBR_STACK      16

/* TLB_CONTROL, APM 15.16.1. Flushing one ASID needs FlushByASID (CPUID 8000_000A EDX[6]). */
#define TLB_KEEP       0
#define TLB_FLUSH_ALL  1
#define TLB_FLUSH_ASID 3

/* APM 15.37.2. Without it the guest's return predictor has 32 entries, and none of what ERAPS says.
 */
#define ERAP_ALLOW_LARGER BIT(0)

/* EVENTINJ and EXITINTINFO, APM 15.20 and 15.7.2. */
#define EVENT_VALID      BIT(31)
#define EVENT_ERROR_CODE BIT(11)
#define EVENT_TYPE(e)    FIELD(e, 10, 8)
#define EVENT_VECTOR(e)  FIELD(e, 7, 0)
enum { EVENT_INTR = 0, EVENT_NMI = 2, EVENT_EXCEPTION = 3, EVENT_SOFT_INT = 4 };

/* EXITCODE, APM appendix C. */
enum {
    VMEXIT_EXCEPTION = 0x40, /* and its vector */
    VMEXIT_NMI = 0x61,
    VMEXIT_SMI = 0x62,
    VMEXIT_INIT = 0x63,
    VMEXIT_RDPMC = 0x6f,
    VMEXIT_CPUID = 0x72,
    VMEXIT_IRET = 0x74,
    VMEXIT_INVD = 0x76,
    VMEXIT_INVLPGA = 0x7a,
    VMEXIT_IOIO = 0x7b,
    VMEXIT_MSR = 0x7c,
    VMEXIT_SHUTDOWN = 0x7f,
    VMEXIT_VMRUN = 0x80,
    VMEXIT_VMMCALL = 0x81,
    VMEXIT_VMLOAD = 0x82,
    VMEXIT_VMSAVE = 0x83,
    VMEXIT_STGI = 0x84,
    VMEXIT_CLGI = 0x85,
    VMEXIT_SKINIT = 0x86,
    VMEXIT_WBINVD = 0x89,
    VMEXIT_RDPRU = 0x8e,
    VMEXIT_INVLPGB_ILLEGAL = 0xa1,
    VMEXIT_NPF = 0x400,
    VMEXIT_INVALID = -1,
};

/* EXITINFO1 of a nested page fault: APM 15.25.6, as a page-fault error code. */
#define NPF_PRESENT BIT(0)
#define NPF_WRITE   BIT(1)

struct vmcb_segment {
    u16 selector;
    u16 attributes; /* descriptor bits 47:40 and 55:52, packed */
    u32 limit;
    u64 base;
};

struct vmcb {
    u16 cr_read, cr_write, dr_read, dr_write;
    u32 exceptions;
    u32 intercept3, intercept4, intercept5;
    u8 reserved_018[0x40 - 0x18];
    u64 iopm_base_pa, msrpm_base_pa, tsc_offset;
    u32 asid;
    u8 tlb_control;
    u8 erap_control;
    u8 reserved_05e[2];
    u64 int_ctl;
    u64 int_shadow; /* bit 0: interrupt shadow */
    u64 exit_code, exit_info1, exit_info2, exit_int_info;
    u64 np_enable;
    u8 reserved_098[0xa8 - 0x98];
    u64 event_inj;
    u64 n_cr3;
    u64 virtualization;
    u32 clean;
    u32 reserved_0c4;
    u64 nrip;
    u8 fetched;
    u8 bytes[15];
    u8 reserved_0e0[0x400 - 0xe0];

    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    u8 reserved_4a0[0x4cb - 0x4a0];
    u8 cpl;
    u32 reserved_4cc;
    u64 efer;
    u8 reserved_4d8[0x548 - 0x4d8];
    u64 cr4, cr3, cr0, dr7, dr6, rflags, rip;
    u8 reserved_580[0x5d8 - 0x580];
    u64 rsp, s_cet, ssp, isst_addr, rax;
    u64 star, lstar, cstar, sfmask, kernel_gs_base, sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    u8 reserved_648[0x668 - 0x648];
    u64 g_pat, dbgctl, br_from, br_to, last_excp_from, last_excp_to;
    u64 dbg_extn_cfg;
    u8 reserved_6a0[0x6e0 - 0x6a0];
    u64 spec_ctrl;
    u8 reserved_6e8[0xa70 - 0x6e8];
    u64 lbr_stack[2 * LBR_STACK], lbr_select;
    u8 reserved_b78[0x1000 - 0xb78];
};

#define CHECK_VMCB(member, offset) \
    _Static_assert(offsetof(struct vmcb, member) == (offset), "VMCB layout")
CHECK_VMCB(iopm_base_pa, 0x40);
CHECK_VMCB(asid, 0x58);
CHECK_VMCB(int_ctl, 0x60);
CHECK_VMCB(exit_code, 0x70);
CHECK_VMCB(np_enable, 0x90);
CHECK_VMCB(event_inj, 0xa8);
CHECK_VMCB(n_cr3, 0xb0);
CHECK_VMCB(clean, 0xc0);
CHECK_VMCB(nrip, 0xc8);
CHECK_VMCB(bytes, 0xd1);
CHECK_VMCB(es, 0x400);
CHECK_VMCB(tr, 0x490);
CHECK_VMCB(efer, 0x4d0);
CHECK_VMCB(cr4, 0x548);
CHECK_VMCB(rip, 0x578);
CHECK_VMCB(rax, 0x5f8);
CHECK_VMCB(star, 0x600);
CHECK_VMCB(cr2, 0x640);
CHECK_VMCB(g_pat, 0x668);
CHECK_VMCB(dbgctl, 0x670);
CHECK_VMCB(dbg_extn_cfg, 0x698);
CHECK_VMCB(spec_ctrl, 0x6e0);
CHECK_VMCB(lbr_stack, 0xa70);
CHECK_VMCB(lbr_select, 0xb70);
_Static_assert(sizeof(struct vmcb) == 0x1000, "VMCB size");

#endif
