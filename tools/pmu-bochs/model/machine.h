/*
 * The model inside Bochs: one counting core per processor, and what the other files of this folder
 * that know Bochs share. Include it first: it pulls in Bochs' own headers in their order.
 */
#ifndef CEDE_PMU_MACHINE_H
#define CEDE_PMU_MACHINE_H

#define NEED_CPU_REG_SHORTCUTS 1
#include "bochs.h"
#include "cpu/cpu.h"
#include "cpu/cpuid.h"
#include "cpu/apic.h"
#include "cpu/svm.h"
#include "cpu/vmx.h"
#include "cpu/vmx_ctrls.h"
#include "iodev/iodev.h"
#undef LOG_THIS

#include "amd.h"
#include "intel.h"
#include "options.h"
#include "socket.h"

namespace pmu
{

enum : unsigned { EXTENDED_LVTS = 4, LVT_MASKED = 0x10000 };

/* svm.cc: the host's branch records while a guest runs, and the guest's as #VMEXIT left them, which
 * the next VMRUN may go by while the VMCB's clean bit is set. */
struct SvmState {
    AmdLbr::State host = {}, guest = {};
    uint64_t vmcb = ~0ULL; /* whose `guest` is */
    bool swapped = false;
};

struct Processor : Machine {
    BX_CPU_C *cpu = nullptr;
    unsigned number = 0;
    Core *core = nullptr;
    Intel *intel = nullptr; /* the same core; null on AMD */
    bool recording = false; /* a PEBS record is being written */
    Amd *amd = nullptr;     /* likewise; null on Intel */
    bool leaving = false;   /* between Bochs' VM-exit hook and the host's state being in place */
    bool entering = false;  /* in VMRUN */
    SvmState svm;
    uint32_t extended_lvt[EXTENDED_LVTS] = {}; /* the local APIC's 500H to 530H */

    uint64_t clock() override;
    void deliver_pmi() override;
    bool svm_enabled() override;
    uint64_t next_ip() override;
    bool fetched_from(uint64_t ip, uint64_t *physical) override;
    void deliver_extended(unsigned entry) override;
};

extern Processor processors[];
extern Options options;
extern Socket the_socket;

/* cpuid_proxy.cc: puts itself between Bochs and its CPU model. */
void install_cpuid_proxy(Processor *processor);

/* platform_msrs.cc: MSRs that are not the PMU's and that software expects; values are per
 * processor. */
void reset_platform_msrs(unsigned processor, bool intel);
Access read_platform_msr(unsigned processor, uint32_t msr, uint64_t *value);
Access write_platform_msr(unsigned processor, uint32_t msr, uint64_t value);

/* vmx.cc */
void vmx_exit_begins(Processor *processor, uint32_t reason);
void vmx_context_switch(Processor *processor);
void vmx_has_lbr_ctl(Processor *processor);

/* ds_area.cc */
void write_due_records(Processor *processor);
/* svm.cc */
void svm_context_switch(Processor *processor);

/* extended_lvt.cc; -> whether it is one */
bool write_extended_x2apic(bx_local_apic_c *apic, unsigned msr, uint32_t high, uint32_t low);

/* bed.cc: ports that a test bed has. */
void install_bed(void);
void bed_reset(void);

/* fw_cfg.cc */
void install_fw_cfg(void);

/* An instruction handler of our own ends as Bochs' do. */
void commit(BX_CPU_C *cpu, bxInstruction_c *i);

} // namespace pmu

#endif
