/* What the emulator forgives and silicon does not: a VMCB that VMRUN would refuse, a missing flush,
 * a clean bit that lies, an event delivered twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "fake/fake_console.h"
#include "fake/fake_ports.h"
#include "svm/state.c"
#include "svm/lbr.c"
#include "svm/slow.c"
#include "exits/exits.c"
#include "ports/sleep.c"
#include "ports/io.c"

struct hv hv;
struct lock hv_lock, log_lock;
struct svm svm;
struct pmu pmu;
const struct vendor *vendor;

static u8 *block;
static struct cpu *cpu;
static struct vmcb *vmcb;
static enum first_touch touch;
static u64 page_write;
static bool kicked;
static jmp_buf stopped;

void keep_exit(struct cpu *self, struct kept_exit *exit)
{
    (void)self;
    (void)exit;
}

void log_line(const char *format, ...)
{
    (void)format;
}

void guest_fail(struct cpu *self)
{
    (void)self;
    longjmp(stopped, 3);
}

void partition_out(struct cpu *self, u16 port, u32 size, u32 value)
{
    (void)self;
    fake_out(port, size, value | 0x1000000);
}

u32 partition_in(const struct cpu *self, u16 port, u32 size)
{
    (void)self;
    return port * size;
}

void platform_reset(void)
{
    longjmp(stopped, 2);
}

static enum machine_check verdict;
static bool came;

enum machine_check machine_check_judge(const struct cpu *self, void (*say)(const char *format, ...))
{
    assert_ptr_equal(self, cpu);
    assert_ptr_equal(say, log_line);
    came = false;
    return verdict;
}

bool machine_check_came(void)
{
    return came;
}

void machine_check_reset(const struct cpu *self)
{
    (void)self;
    platform_reset();
}

void cpu_stop(void)
{
    longjmp(stopped, 1);
}

enum first_touch memory_first_touch(struct guest *self, u64 gpa)
{
    (void)self;
    (void)gpa;
    return touch;
}

u64 *memory_root(const struct cpu *self)
{
    return self->apic_base ? (u64 *)0x9000 : self->guest->map.root;
}

void apic_page_write(struct cpu *self, u64 gpa)
{
    (void)self;
    page_write = gpa;
}

void svm_init_exit(struct cpu *self)
{
    if (!kicked)
        svm_reset_state(self, 0x9a);
}

void svm_nmi_exit(struct cpu *self)
{
    (void)self;
}

void svm_smi_exit(struct cpu *self)
{
    (void)self;
}

void svm_iret_exit(struct cpu *self)
{
    (void)self;
}

void svm_stepped(struct cpu *self)
{
    (void)self;
}

u64 hypercall(const struct cpu *self, u32 call, u32 core, u32 item)
{
    (void)self;
    return call * 10000 + core * 100 + item;
}

bool msr_read(struct cpu *self, u32 msr, u64 *value)
{
    (void)self;
    return rdmsr_safe(msr, value);
}

bool msr_write(struct cpu *self, u32 msr, u64 value)
{
    (void)self;
    return wrmsr_safe(msr, value);
}

void cpuid_edit(const struct cpuid_context *context, u32 leaf, u32 subleaf, u32 regs[4])
{
    (void)leaf;
    (void)subleaf;
    regs[2] = (u32)context->cr4;
}

static struct outs outs_seen;
static enum outs_status outs_status;

enum outs_status outs(struct cpu *self, const struct outs *described)
{
    (void)self;
    outs_seen = *described;
    return outs_status;
}

static u32 credits;
static bool credited_user;

void credit_begin_amd(struct cpu *self, bool user)
{
    self->pmu.core.due = 1;
    credited_user = user;
}

u64 credit_finish_amd(struct cpu *self)
{
    self->pmu.core.due = 0;
    credits++;
    return 0;
}

void credit_overflow_amd(struct cpu *self, u64 wrapped, u64 debugctl)
{
    (void)self, (void)wrapped, (void)debugctl;
    fail();
}

void credit_vmrun(struct cpu *self)
{
    (void)self;
}

static int set_up(void **state)
{
    static struct boot_info info;
    static struct boot_guest boot;
    static struct guest guest;
    (void)state;

    memset(&fake, 0, sizeof(fake));
    fake_msr(IA32_EFER, EFER_SVME | EFER_LME | EFER_LMA | EFER_NXE, 0x3fd01);
    fake_msr(IA32_PAT, 0x0007040600070406, ~0ULL);
    fake_msr(IA32_DEBUGCTL, 0, ~0ULL);
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    cpu->pmu.core.attention = 1;
    vmcb = cpu_vmcb(cpu);
    vmcb->cr0 = CR0_PE;
    hv.info = &info;
    guest = (struct guest){.boot = &boot, .io_map = 0x3000, .msr_map = 0x1000};
    cpu->guest = &guest;
    hv.apic_base = 0xfee00000;
    guest.map.root = (u64 *)0x7000;
    svm = (struct svm){.flush_by_asid = true};
    page_write = 0;
    kicked = false;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

/* APM 15.5.1, "Canonicalization and consistency checks". */
static const char *vmrun_refuses(const struct vmcb *v)
{
    bool paging = v->cr0 & CR0_PG, pae = v->cr4 & CR4_PAE, lme = v->efer & EFER_LME;

    if (!(v->efer & EFER_SVME))
        return "EFER.SVME clear";
    if (!(v->cr0 & CR0_CD) && (v->cr0 & CR0_NW))
        return "CR0.CD clear and NW set";
    if (v->cr0 >> 32 || v->dr6 >> 32 || v->dr7 >> 32)
        return "high half of CR0, DR6 or DR7";
    if (v->efer & ~0x3fd01ULL)
        return "EFER reserved";
    if (lme && paging && (!pae || !(v->cr0 & CR0_PE)))
        return "long mode without PAE or PE";
    if (lme && paging && pae && (v->cs.attributes & BIT(9)) && (v->cs.attributes & BIT(10)))
        return "CS.L and CS.D";
    if (!(v->intercept4 & INTERCEPT4_VMRUN))
        return "VMRUN not intercepted";
    if (!v->asid)
        return "ASID 0";
    if (v->iopm_base_pa & 0xfff || v->msrpm_base_pa & 0xfff || v->n_cr3 & 0xfff)
        return "misaligned table";
    return NULL;
}

static void captured_state_is_accepted(void **state)
{
    struct launch launch = {
        .rbx = 1, .rbp = 2, .r12 = 3, .r13 = 4, .r14 = 5, .r15 = 6, .rip = 0x1234};
    (void)state;

    svm_capture_state(cpu, &launch, 0);
    svm_controls(cpu);
    assert_null(vmrun_refuses(vmcb));
    assert_int_equal(vmcb->rip, 0x1234);
    assert_int_equal(vmcb->rsp, &launch + 1);
    assert_int_equal(vmcb->rax, HV_OK);
    assert_int_equal(cpu->regs[R15], 6);
    assert_int_equal(cpu->regs[RBX], 1);
}

static void captured_segments_are_in_vmcb_form(void **state)
{
    struct launch launch = {0};
    (void)state;

    svm_capture_state(cpu, &launch, 0);
    assert_int_equal(vmcb->cs.attributes, 0xa9b);
    assert_int_equal(vmcb->cs.limit, 0xffffffff);
    assert_int_equal(vmcb->ss.attributes, 0xc93);
    assert_int_equal(vmcb->ds.base, 0xff000000);
    assert_int_equal(vmcb->ds.limit, 0x1234);
    assert_int_equal(vmcb->es.attributes, 0);
    assert_int_equal(vmcb->idtr.base, 0x5000);
}

static void state_in_the_vmcb_starts_from_the_live_value(void **state)
{
    struct launch launch = {0};
    (void)state;

    svm.v_spec_ctrl = true;
    fake_msr(IA32_SPEC_CTRL, 5, ~0ULL);
    svm_capture_state(cpu, &launch, 0);
    assert_int_equal(vmcb->spec_ctrl, 5);
    assert_int_equal(vmcb->g_pat, 0x0007040600070406);
}

static void reset_state_is_that_of_init(void **state)
{
    (void)state;
    vmcb->g_pat = 0x1234; /* INIT leaves PAT alone */
    vmcb->event_inj = EVENT_VALID;
    vmcb->cr4 = 0x668;
    vmcb->cr0 = 0x80050033 | CR0_CD;
    svm_reset_state(cpu, 0x9a);
    assert_null(vmrun_refuses(vmcb));
    assert_int_equal(vmcb->cs.selector, 0x9a00);
    assert_int_equal(vmcb->cs.base, 0x9a000);
    assert_int_equal(vmcb->cs.limit, 0xffff);
    assert_int_equal(vmcb->rip, 0);
    assert_int_equal(vmcb->cr0, CR0_CD | CR0_ET); /* CD and NW are unchanged (APM table 14-1) */
    assert_int_equal(vmcb->cr4, 0);
    assert_int_equal(vmcb->efer, EFER_SVME);
    assert_int_equal(vmcb->rflags, 2);
    assert_int_equal(vmcb->dr7, 0x400);
    assert_int_equal(vmcb->event_inj, 0);
    assert_int_equal(vmcb->g_pat, 0x1234);
    assert_int_equal(cpu->regs[RDX], 1); /* the fake's CPUID.1 EAX */
}

/* A VMCB that is new to its core has no clean state and no translations of its own
 * (APM 15.15.3, 15.16). */
static void a_new_state_is_all_dirty_and_flushes(void **state)
{
    (void)state;
    vmcb->clean = CLEAN_ALL;
    svm_reset_state(cpu, 1);
    assert_int_equal(vmcb->clean, 0);
    assert_int_equal(vmcb->tlb_control, TLB_FLUSH_ASID);
    svm.flush_by_asid = false;
    svm_reset_state(cpu, 1);
    assert_int_equal(vmcb->tlb_control, TLB_FLUSH_ALL);
}

static void only_what_must_is_intercepted(void **state)
{
    (void)state;
    svm.init_exits = true;
    svm_controls(cpu);
    assert_int_equal(vmcb->n_cr3, 0x7000);
    /* INTR, NMI, VINTR, HLT, INVLPG, RDTSC, RDPMC, PAUSE, IRET, PUSHF, task switch: never. */
    assert_int_equal(vmcb->intercept3 & 0x73a3fff3 & ~INTERCEPT3_INVLPGA & ~INTERCEPT3_MSR_PROT, 0);
    assert_int_equal(vmcb->exceptions, 0);
    assert_int_equal(vmcb->cr_read | vmcb->cr_write | vmcb->dr_read | vmcb->dr_write, 0);
    assert_int_equal(vmcb->int_ctl, 0);
    assert_true(vmcb->intercept3 & INTERCEPT3_INIT);
}

/* Each by what the guest may count, and nothing else is touched. */
static void counters_show_past_the_map_as_the_policy_says(void **state)
{
    u32 before3, before4;

    (void)state;
    svm_controls(cpu);
    before3 = vmcb->intercept3 & ~(u32)INTERCEPT3_RDPMC;
    before4 = vmcb->intercept4 & ~(u32)INTERCEPT4_RDPRU;
    for (enum pmu_mode mode = PMU_FILTERED; mode <= PMU_OFF; mode++)
        for (u32 cycles = 0; cycles < 2; cycles++) {
            cpu->guest->pmu.mode = (u8)mode;
            cpu->guest->msr.granted = cycles ? BIT(FEATURE_CYCLES) : (u32)~BIT(FEATURE_CYCLES);
            svm_set_pmu_intercepts(cpu);
            assert_int_equal(vmcb->intercept3, before3 | (mode == PMU_OFF ? INTERCEPT3_RDPMC : 0));
            assert_int_equal(vmcb->intercept4, before4 | (cycles ? 0 : INTERCEPT4_RDPRU));
        }
}

/* One of the two gets a core out of its guest (hv/guest/kick.h). */
static void nmis_exit_where_inits_do_not(void **state)
{
    (void)state;
    svm.init_exits = false;
    svm_controls(cpu);
    assert_false(vmcb->intercept3 & INTERCEPT3_INIT);
    assert_true(vmcb->intercept3 & INTERCEPT3_NMI);
}

static void take_exit(u64 code, u64 info1, u64 info2)
{
    vmcb->clean = CLEAN_ALL;
    vmcb->event_inj = 0;
    vmcb->exit_code = code;
    vmcb->exit_info1 = info1;
    vmcb->exit_info2 = info2;
    svm_slow_exit(cpu);
}

static void efer_keeps_svme_and_hides_it(void **state)
{
    (void)state;
    vmcb->efer = EFER_SVME | EFER_LME | EFER_LMA;
    vmcb->cr0 = CR0_PG | CR0_PE;
    vmcb->rax = EFER_LME | EFER_NXE | EFER_SCE;
    cpu->regs[RCX] = IA32_EFER;
    take_exit(VMEXIT_MSR, 1, 0);
    assert_int_equal(vmcb->event_inj, 0);
    assert_int_equal(vmcb->efer, EFER_SVME | EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE);
    assert_false(vmcb->clean & CLEAN_CRX);
    assert_int_equal(vmcb->tlb_control, TLB_FLUSH_ASID);
    assert_int_equal(rdmsr(IA32_EFER), EFER_SVME | EFER_LME | EFER_LMA | EFER_NXE);
    take_exit(VMEXIT_MSR, 0, 0);
    assert_int_equal(vmcb->rax, EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE);
    assert_int_equal(cpu->regs[RDX], 0);
}

static void write_efer_expecting_gp(u64 value)
{
    u64 before = vmcb->efer;

    vmcb->rax = (u32)value;
    cpu->regs[RDX] = value >> 32;
    cpu->regs[RCX] = IA32_EFER;
    vmcb->rip = 0x100;
    take_exit(VMEXIT_MSR, 1, 0);
    assert_int_equal(vmcb->event_inj, 0x80000b0d);
    assert_int_equal(vmcb->rip, 0x100);
    assert_int_equal(vmcb->efer, before);
}

static void efer_faults_as_the_processor_does(void **state)
{
    (void)state;
    vmcb->efer = EFER_SVME | EFER_LME | EFER_LMA;
    vmcb->cr0 = CR0_PG | CR0_PE;
    write_efer_expecting_gp(EFER_LME | EFER_SVME);
    write_efer_expecting_gp(EFER_LME | BIT(1));
    write_efer_expecting_gp(EFER_LME | BIT(40));
    write_efer_expecting_gp(0);
}

static void faults_in_real_mode_push_no_error_code(void **state)
{
    (void)state;
    vmcb->cr0 = CR0_ET;
    cpu->regs[RCX] = 0xc0010230; /* the fake has no such MSR */
    take_exit(VMEXIT_MSR, 0, 0);
    assert_int_equal(vmcb->event_inj, 0x8000030d);
}

static void next_rip_is_the_processors_or_the_plain_length(void **state)
{
    (void)state;
    vmcb->rip = 0x100;
    vmcb->int_shadow = 1;
    take_exit(VMEXIT_CPUID, 0, 0);
    assert_int_equal(vmcb->rip, 0x102);
    assert_int_equal(vmcb->int_shadow, 0);
    vmcb->nrip = 0x205;
    take_exit(VMEXIT_CPUID, 0, 0);
    assert_int_equal(vmcb->rip, 0x205);
}

static void a_single_step_over_an_emulated_instruction_traps(void **state)
{
    (void)state;
    vmcb->rflags = 2 | RFLAGS_TF | RFLAGS_RF;
    take_exit(VMEXIT_CPUID, 0, 0);
    assert_int_equal(vmcb->event_inj, 0x80000301);
    assert_true(vmcb->dr6 & DR6_BS);
    assert_false(vmcb->clean & CLEAN_DRX);
    assert_int_equal(vmcb->rflags, 2 | RFLAGS_TF);
    wrmsr(IA32_DEBUGCTL, DEBUGCTL_BTF);
    take_exit(VMEXIT_CPUID, 0, 0);
    assert_int_equal(vmcb->event_inj, 0);
}

/* Its CPUID bit shows through, so kernels leave the clearing to the processor (APM 15.37.2). */
static void the_return_predictor_is_as_bare(void **state)
{
    (void)state;
    svm_controls(cpu);
    assert_int_equal(vmcb->erap_control, 0);
    svm.eraps = true;
    svm_controls(cpu);
    assert_int_equal(vmcb->erap_control, ERAP_ALLOW_LARGER);
}

/* Interrupted deliveries are repeated; instructions that raise software interrupts are executed
 * again. */
static void interrupted_events(void **state)
{
    (void)state;
    assert_int_equal(svm_interrupted_event(0x00000302), 0);
    assert_int_equal(svm_interrupted_event(0x80000031), 0x80000031);
    assert_int_equal(svm_interrupted_event(0x80000202), 0x80000202);
    assert_int_equal(svm_interrupted_event(0x00020000480000b0eULL | EVENT_VALID),
                     0x00020000480000b0eULL | EVENT_VALID);
    assert_int_equal(svm_interrupted_event(0x80000480), 0);
    assert_int_equal(svm_interrupted_event(0x80000303), 0);
    assert_int_equal(svm_interrupted_event(0x80000304), 0);
    assert_int_equal(svm_interrupted_event(0x80000301), 0x80000301);
}

static const struct {
    u64 code, info1, info2;
} interrupting[] = {
    {VMEXIT_NPF, NPF_WRITE, 0x123456789000},
    {VMEXIT_NMI, 0, 0},
    {VMEXIT_SMI, 0, 0},
    {VMEXIT_INIT, 0, 0}, /* a kick: no life ends */
};

/* Whatever came between; bit 31 alone says that there is something. */
static void an_event_that_an_exit_interrupted_is_delivered_again(void **state)
{
    static const struct {
        u64 interrupted, again;
    } events[] = {
        {0x80000031, 0x80000031},
        {0x80000202, 0x80000202},
        {0x0000000480000b0e, 0x0000000480000b0e},
        {0x80000301, 0x80000301},
        {0x80000480, 0},
        {0x80000303, 0},
        {0x00000031, 0},
        {0, 0},
    };

    (void)state;
    touch = TOUCH_MAPPED;
    kicked = true;
    vmcb->rip = 0x100;
    for (u32 i = 0; i < COUNT(interrupting); i++)
        for (u32 j = 0; j < COUNT(events); j++) {
            vmcb->exit_int_info = events[j].interrupted;
            take_exit(interrupting[i].code, interrupting[i].info1, interrupting[i].info2);
            assert_int_equal(vmcb->event_inj, events[j].again);
            assert_int_equal(vmcb->rip, 0x100);
        }
}

/* The next life owes nothing of the last. */
static void init_forgets_what_was_being_delivered(void **state)
{
    (void)state;
    vmcb->exit_int_info = 0x80000031;
    take_exit(VMEXIT_INIT, 0, 0);
    assert_int_equal(vmcb->event_inj, 0);
}

/* What is at RIP has nothing to do with such a fault. */
static void an_apic_page_is_no_stack(void **state)
{
    (void)state;
    vmcb->exit_int_info = 0x80000031;
    if (setjmp(stopped) == 0) {
        take_exit(VMEXIT_NPF, NPF_PRESENT | NPF_WRITE, 0xfee00ff8);
        fail();
    }
    assert_int_equal(page_write, 0);
}

static void apic_page_writes_are_decoded(void **state)
{
    (void)state;
    take_exit(VMEXIT_NPF, NPF_PRESENT | NPF_WRITE, 0xfee000b0);
    assert_int_equal(page_write, 0xfee000b0);
}

static void what_cannot_be_mapped_stops_the_core(void **state)
{
    (void)state;
    touch = TOUCH_BEYOND;
    if (setjmp(stopped) == 0) {
        take_exit(VMEXIT_NPF, NPF_WRITE, BIT(50));
        fail();
    }
}

static void virtualization_instructions_are_undefined(void **state)
{
    const u64 codes[] = {VMEXIT_VMRUN, VMEXIT_VMLOAD, VMEXIT_VMSAVE, VMEXIT_STGI,
                         VMEXIT_CLGI,  VMEXIT_SKINIT, VMEXIT_INVLPGA};
    (void)state;

    vmcb->rip = 0x100;
    for (u32 i = 0; i < COUNT(codes); i++) {
        take_exit(codes[i], 0, 0);
        assert_int_equal(vmcb->event_inj, 0x80000306);
        assert_int_equal(vmcb->rip, 0x100);
    }
}

static void rdpru_is_undefined_where_it_exits(void **state)
{
    (void)state;
    vmcb->rip = 0x100;
    take_exit(VMEXIT_RDPRU, 0, 0);
    assert_int_equal(vmcb->event_inj, 0x80000306);
    assert_int_equal(vmcb->rip, 0x100);
    assert_int_equal(cpu->exits[EXIT_PMU_READ], 1);
}

static void hypercall_needs_signature_and_ring_0(void **state)
{
    (void)state;
    vmcb->rip = 0x100;
    vmcb->rax = HYPERCALL_SIGNATURE;
    cpu->regs[RCX] = 3;
    cpu->regs[RDX] = 2;
    cpu->regs[RBX] = 1;
    take_exit(VMEXIT_VMMCALL, 0, 0);
    assert_int_equal(vmcb->rax, 30201);
    assert_int_equal(vmcb->rip, 0x103);
    vmcb->rax = HYPERCALL_SIGNATURE;
    vmcb->cpl = 3;
    take_exit(VMEXIT_VMMCALL, 0, 0);
    assert_int_equal(vmcb->event_inj, 0x80000306);
    vmcb->cpl = 0;
    vmcb->rax = 5;
    take_exit(VMEXIT_VMMCALL, 0, 0);
    assert_int_equal(vmcb->event_inj, 0x80000306);
    assert_int_equal(vmcb->rip, 0x103);
}

/* APM 15.10.2: size in bits 6:4, type in bit 0, port in 31:16. */
static void port_reads_change_only_their_width(void **state)
{
    (void)state;
    vmcb->rax = 0x1122334455667788;
    take_exit(VMEXIT_IOIO, 0x0604U << 16 | 2 << 4 | 1, 0x300);
    assert_int_equal(vmcb->rax, 0x1122334455660604);
    assert_int_equal(vmcb->rip, 0x300);
    take_exit(VMEXIT_IOIO, 0x0604U << 16 | 4 << 4 | 1, 0x300);
    assert_int_equal(vmcb->rax, 0x604);
    vmcb->rax = 0xaabbccdd;
    take_exit(VMEXIT_IOIO, 0x0604U << 16 | 1 << 4, 0x302);
    assert_int_equal(fake.last_out, 0xdd);
    assert_int_equal(fake.last_size, 1);
    take_exit(VMEXIT_IOIO, 0x0604U << 16 | 1 << 4 | IOIO_STRING | IOIO_IN, 0x302);
    assert_int_equal(vmcb->event_inj, 0x80000b0d);
}

/* APM 15.10.2: REP in bit 3, address size in 9:7, segment in 12:10. */
static void outs_by_its_description(void **state)
{
    const u64 rep_outsb = 0x03f8U << 16 | 1 << 4 | IOIO_STRING | IOIO_REPEAT;

    (void)state;
    svm.decode_assists = true;
    vmcb->efer = EFER_LMA;
    vmcb->cs.attributes = BIT(9);
    vmcb->ds.base = 0x1000;
    vmcb->fs.base = 0x2000;
    vmcb->rip = 0x300;
    cpu->regs[RSI] = 0x4444444400000010;
    outs_status = OUTS_AGAIN;
    take_exit(VMEXIT_IOIO, rep_outsb | 3 << 10 | BIT(9), 0x302);
    assert_int_equal(outs_seen.linear, 0x4444444400000010);
    assert_int_equal(outs_seen.mask, ~0ULL);
    assert_int_equal(outs_seen.port, 0x3f8);
    assert_int_equal(outs_seen.size, 1);
    assert_true(outs_seen.repeat);
    assert_int_equal(vmcb->rip, 0x300);
    assert_int_equal(vmcb->event_inj, 0);
    outs_status = OUTS_DONE;
    take_exit(VMEXIT_IOIO, rep_outsb | 4 << 10 | IOIO_ADDR_32, 0x302);
    assert_int_equal(outs_seen.linear, 0x2010);
    assert_int_equal(outs_seen.mask, 0xffffffff);
    assert_int_equal(vmcb->rip, 0x302);
    vmcb->cs.attributes = 0; /* compatibility mode: segments have bases, and addresses wrap */
    cpu->regs[RSI] = 0xfffffff0;
    take_exit(VMEXIT_IOIO, (rep_outsb & ~IOIO_REPEAT) | 3 << 10 | IOIO_ADDR_32, 0x304);
    assert_int_equal(outs_seen.linear, 0xff0);
    assert_false(outs_seen.repeat);
    outs_status = OUTS_REFUSED;
    take_exit(VMEXIT_IOIO, rep_outsb, 0x306);
    assert_int_equal(vmcb->event_inj, 0x80000b0d);
    assert_int_equal(vmcb->rip, 0x304);
    outs_status = OUTS_DONE;
    vmcb->cpl = 3;
    vmcb->event_inj = 0;
    take_exit(VMEXIT_IOIO, rep_outsb, 0x306);
    assert_int_equal(vmcb->event_inj, 0x80000b0d);
}

static void invd_is_for_ring_0(void **state)
{
    static const u64 codes[] = {VMEXIT_INVD, VMEXIT_WBINVD};

    (void)state;
    vmcb->cpl = 3;
    vmcb->rip = 0x100;
    for (u32 i = 0; i < COUNT(codes); i++) {
        take_exit(codes[i], 0, 0);
        assert_int_equal(vmcb->event_inj, 0x80000b0d);
        assert_int_equal(vmcb->rip, 0x100);
    }
    assert_int_equal(fake.wbinvds, 0);
}

static void invd_writes_back(void **state)
{
    (void)state;
    vmcb->rip = 0x100;
    take_exit(VMEXIT_INVD, 0, 0);
    assert_int_equal(fake.wbinvds, 1);
    assert_int_equal(vmcb->rip, 0x102);
    assert_int_equal(vmcb->event_inj, 0);
}

static void what_was_emulated_is_credited_once(void **state)
{
    (void)state;
    credits = 0;
    take_exit(VMEXIT_CPUID, 0, 0);
    assert_int_equal(credits, 1);
    assert_false(credited_user);
    vmcb->cpl = 3;
    take_exit(VMEXIT_RDPMC, 0, 0);
    assert_int_equal(credits, 2);
    assert_true(credited_user);
    take_exit(VMEXIT_IOIO, 0x0604U << 16 | 2 << 4 | 1, 0x300);
    assert_int_equal(credits, 3);
    cpu->pmu.core.attention = 0;
    cpu->pmu.core.due = 1; /* of an instruction that faulted */
    take_exit(VMEXIT_CPUID, 0, 0);
    assert_int_equal(credits, 3);
}

/* They fault, or are executed again. */
static void what_did_not_retire_is_not_credited(void **state)
{
    (void)state;
    credits = 0;
    touch = TOUCH_MAPPED;
    take_exit(VMEXIT_VMRUN, 0, 0);
    take_exit(VMEXIT_NPF, NPF_WRITE, 0x123456789000);
    cpu->regs[RCX] = 0x12345;
    take_exit(VMEXIT_MSR, 0, 0);
    assert_int_equal(vmcb->event_inj, 0x80000b0d);
    outs_status = OUTS_REFUSED;
    take_exit(VMEXIT_IOIO, 0x0604U << 16 | 1 << 4 | 4, 0x302);
    outs_status = OUTS_AGAIN;
    take_exit(VMEXIT_IOIO, 0x0604U << 16 | 1 << 4 | 4, 0x302);
    assert_int_equal(credits, 0);
}

static void triple_fault_resets(void **state)
{
    (void)state;
    if (setjmp(stopped) == 0) {
        take_exit(VMEXIT_SHUTDOWN, 0, 0);
        fail();
    }
    assert_int_equal(cpu->exits[EXIT_SHUTDOWN], 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* boot_info.h: 64-bit mode, flat segments, no interrupts. */
static void a_partition_starts_as_the_boot_protocol_says(void **state)
{
    static struct boot_guest boot = {
        .entry = 0x1000200, .boot_params = 0x10000, .cr3 = 0x18000, .gdt = 0x11000};
    static struct guest guest = {.boot = &boot, .index = 1, .io_map = 0x5000, .msr_map = 0x9000};

    (void)state;
    cpu->guest = &guest;
    svm_boot_state(cpu);
    assert_null(vmrun_refuses(vmcb));
    assert_int_equal(vmcb->rip, boot.entry);
    assert_int_equal(cpu->regs[RSI], boot.boot_params);
    assert_int_equal(vmcb->cr3, boot.cr3);
    assert_int_equal(vmcb->gdtr.base, boot.gdt);
    assert_int_equal(vmcb->efer, EFER_SVME | EFER_LME | EFER_LMA);
    assert_int_equal(vmcb->cs.attributes, 0xa9b);
    assert_int_equal(vmcb->rflags, RFLAGS_FIXED);
    assert_int_equal(vmcb->iopm_base_pa, 0x5000);
    assert_int_equal(vmcb->msrpm_base_pa, 0x9000);
    assert_true(vmcb->intercept4 & INTERCEPT4_WBINVD);
    assert_int_equal(vmcb->clean, 0);
    assert_int_not_equal(vmcb->tlb_control, TLB_KEEP); /* another guest's translations */
}

static volatile int ended;
#define ENDED(call) (ended = setjmp(stopped), ended ? ended : ((call), 0))

/* It exits, and the guest does not notice one that is none of its. An event that it interrupted is
 * delivered again. */
static void a_partitions_machine_checks_exit(void **state)
{
    (void)state;
    svm_controls(cpu);
    assert_int_equal(vmcb->exceptions, 0);
    cpu->guest->index = 1;
    svm_controls(cpu);
    assert_int_equal(vmcb->exceptions, BIT(18));
    verdict = MC_GOES_ON;
    vmcb->exit_int_info = EVENT_VALID | 0x41; /* external interrupt */
    assert_int_equal(ENDED(take_exit(VMEXIT_EXCEPTION + MC_VECTOR, 0, 0)), 0);
    assert_int_equal(vmcb->event_inj, EVENT_VALID | 0x41);
    vmcb->exit_int_info = 0;
    assert_int_equal(ENDED(take_exit(VMEXIT_EXCEPTION + MC_VECTOR, 0, 0)), 0);
    assert_int_equal(vmcb->event_inj, 0);
    verdict = MC_STOPS;
    assert_int_equal(ENDED(take_exit(VMEXIT_EXCEPTION + MC_VECTOR, 0, 0)), 3);
    verdict = MC_IS_FATAL;
    assert_int_equal(ENDED(take_exit(VMEXIT_EXCEPTION + MC_VECTOR, 0, 0)), 2);
}

/* With CR4.MCE clear it comes as a shutdown, and must not be there for the next one to meet. */
static void a_partition_that_takes_no_machine_checks_ends(void **state)
{
    (void)state;
    cpu->guest->index = 1;
    came = true;
    verdict = MC_GOES_ON;
    assert_int_equal(ENDED(take_exit(VMEXIT_SHUTDOWN, 0, 0)), 3);
    assert_false(came);
    verdict = MC_IS_FATAL; /* nobody asks where none has come */
    assert_int_equal(ENDED(take_exit(VMEXIT_SHUTDOWN, 0, 0)), 3);
    came = true;
    assert_int_equal(ENDED(take_exit(VMEXIT_SHUTDOWN, 0, 0)), 2);
}

/* An INIT would leave them, and does within a life. */
static void nothing_of_the_last_life_is_in_the_vmcb(void **state)
{
    (void)state;
    vmcb->cr0 |= CR0_CD | CR0_NW;
    vmcb->g_pat = 0x0606060606060606;
    vmcb->spec_ctrl = 1;
    svm_reset_state(cpu, 0x10);
    assert_int_equal(vmcb->cr0 & (CR0_CD | CR0_NW), CR0_CD | CR0_NW);
    assert_int_equal(vmcb->g_pat, 0x0606060606060606);
    svm_begin_life(cpu);
    svm_reset_state(cpu, 0x10);
    assert_int_equal(vmcb->cr0 & (CR0_CD | CR0_NW), 0);
    assert_int_equal(vmcb->g_pat, PAT_RESET);
    assert_int_equal(vmcb->spec_ctrl, 0);
}

/* Its caches are the machine's: nothing is written back for a partition; its triple fault is its
 * own affair. */
static void a_partition_reaches_its_own_only(void **state)
{
    (void)state;
    cpu->guest->index = 1;
    vmcb->exit_code = VMEXIT_WBINVD;
    svm_slow_exit(cpu);
    vmcb->exit_code = VMEXIT_INVD;
    svm_slow_exit(cpu);
    assert_int_equal(fake.wbinvds, 0);
    assert_int_equal(cpu->exits[EXIT_INVD], 2);
    vmcb->exit_code = VMEXIT_SHUTDOWN;
    switch (setjmp(stopped)) {
    case 0:
        svm_slow_exit(cpu);
        fail();
        break;
    case 3: /* guest_fail() */
        break;
    default:
        fail_msg("more than the partition was stopped");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(captured_state_is_accepted),
        TEST(captured_segments_are_in_vmcb_form),
        TEST(state_in_the_vmcb_starts_from_the_live_value),
        TEST(reset_state_is_that_of_init),
        TEST(a_new_state_is_all_dirty_and_flushes),
        TEST(only_what_must_is_intercepted),
        TEST(counters_show_past_the_map_as_the_policy_says),
        TEST(nmis_exit_where_inits_do_not),
        TEST(efer_keeps_svme_and_hides_it),
        TEST(efer_faults_as_the_processor_does),
        TEST(faults_in_real_mode_push_no_error_code),
        TEST(the_return_predictor_is_as_bare),
        TEST(next_rip_is_the_processors_or_the_plain_length),
        TEST(a_single_step_over_an_emulated_instruction_traps),
        TEST(interrupted_events),
        TEST(an_event_that_an_exit_interrupted_is_delivered_again),
        TEST(init_forgets_what_was_being_delivered),
        TEST(an_apic_page_is_no_stack),
        TEST(apic_page_writes_are_decoded),
        TEST(what_cannot_be_mapped_stops_the_core),
        TEST(virtualization_instructions_are_undefined),
        TEST(rdpru_is_undefined_where_it_exits),
        TEST(hypercall_needs_signature_and_ring_0),
        TEST(port_reads_change_only_their_width),
        TEST(outs_by_its_description),
        TEST(invd_writes_back),
        TEST(invd_is_for_ring_0),
        TEST(what_was_emulated_is_credited_once),
        TEST(what_did_not_retire_is_not_credited),
        TEST(triple_fault_resets),
        TEST(a_partition_starts_as_the_boot_protocol_says),
        TEST(a_partition_reaches_its_own_only),
        TEST(nothing_of_the_last_life_is_in_the_vmcb),
        TEST(a_partitions_machine_checks_exit),
        TEST(a_partition_that_takes_no_machine_checks_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
