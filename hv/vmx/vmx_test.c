/* What the emulator forgives and silicon does not: guest state that VM entry would refuse, an event
 * lost or delivered twice, a translation that is stale. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "fake/fake_vmx.h"
#include "vmx/lbr.c"
#include "vmx/state.c"
#include "vmx/cr.c"
#include "vmx/event.c"
#include "vmx/ept.c"
#include "vmx/init_signal.c"
#include "vmx/microcode.c"
#include "vmx/msr.c"
#include "vmx/slow.c"
#include "vmx/pebs.c"

struct hv hv;
struct vmx vmx;
struct pmu pmu;
struct lock hv_lock, log_lock;
const struct vendor *vendor;
const char vmx_exited[1], vmx_exited_list[1];

static struct cpu *cpu;
static u8 *block;
static struct vmx_hidden nothing_hidden;
static bool touch_works, letter, msr_works;
static u64 page_write, retyped;
static u32 resets, inits, hypercalls, update_size;
static u64 lone_page; /* of the guest's linear addresses, the one that is not next to the others */
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

static u32 entries;

void vmx_enter(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    entries++;
    longjmp(stopped, 3);
}

void cpu_stop(void)
{
    longjmp(stopped, 1);
}

void platform_reset(void)
{
    longjmp(stopped, 2);
}

struct host_tables host_tables(struct cpu *self)
{
    (void)self;
    return (struct host_tables){0x1000, 0x2000, 0x3000};
}

u64 *memory_root(const struct cpu *self)
{
    return self->apic_base ? (u64 *)0x9000 : self->guest->map.root;
}

u8 memory_type_at(u64 gpa)
{
    return gpa < GIB(3) ? 6 : 0;
}

void memory_types_update(u64 mask)
{
    retyped = mask;
}

static u32 ticks;

void console_tick(struct cpu *self)
{
    (void)self;
    ticks++;
}

void management_claim(struct cpu *self)
{
    (void)self;
}

void console_hold(struct cpu *self)
{
    (void)self;
}

void console_release(void)
{
}

void kick_hold(struct cpu *self)
{
    (void)self;
}

void kick_release(void)
{
}

static u32 resets_noted;

void apic_note(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    resets_noted = resets;
}

/* What hv/guest/startup.c decides is tested there. */
void startup_init_arrived(struct cpu *self)
{
    if (self->index == 1)
        platform_reset();
    inits++;
    self->init_sent = false;
}

static void (*while_waiting)(void);

u8 startup_await_sipi(struct cpu *self)
{
    (void)self;
    assert_int_equal(ticks, 0); /* nothing slow comes between INIT and this */
    if (while_waiting)
        while_waiting();
    return 0x12;
}

void apic_reset(void)
{
    resets++;
}

void apic_page_write(struct cpu *self, u64 gpa)
{
    (void)self;
    page_write = gpa;
}

void guest_claim(struct cpu *self)
{
    (void)self;
}

void guest_attend(struct cpu *self)
{
    (void)self;
}

void exit_invd(struct cpu *self)
{
    self->exits[EXIT_INVD]++;
    wbinvd();
}

static u32 refusals, guests_checks, hosts_checks;

void exit_machine_check(struct cpu *self)
{
    (void)self;
    guests_checks++;
}

void machine_check_in_host(struct cpu *self)
{
    (void)self;
    hosts_checks++;
}

void guest_refused(struct cpu *self)
{
    (void)self;
    refusals++;
}

void exit_unexpected(struct cpu *self)
{
    (void)self;
    cpu_stop();
}

static bool stopped_again; /* while it is paused */

void kick_follow(struct cpu *self)
{
    if (stopped_again)
        vmx_absorb_signal(self);
    stopped_again = false;
}

bool kick_attend(struct cpu *self)
{
    bool answered = kick_answer(self);

    if (answered)
        kick_follow(self);
    return answered;
}

bool kick_answer(struct cpu *self)
{
    if (letter)
        vmx_absorb_signal(self);
    return letter;
}

bool msr_read(struct cpu *self, u32 msr, u64 *value)
{
    (void)self;
    *value = 0x1122334400000000 | msr;
    return msr_works;
}

bool msr_write(struct cpu *self, u32 msr, u64 value)
{
    (void)self;
    (void)msr;
    (void)value;
    return msr_works;
}

bool memory_read(void *context, u64 gpa, void *buffer, u32 size)
{
    (void)context;
    (void)gpa;
    memset(buffer, 0, size);
    return true;
}

u32 guest_read(const struct guest_memory *memory, const struct guest_paging *paging, u64 linear,
               void *buffer, u32 size)
{
    (void)memory;
    (void)paging;
    if (update_size == ~0U) /* not present */
        return 0;
    assert_int_equal(linear % PAGE_SIZE, 28);
    assert_int_equal(size, 4);
    memcpy(buffer, &update_size, 4);
    return 4;
}

bool guest_translate(const struct guest_memory *memory, const struct guest_paging *paging,
                     u64 linear, u64 *gpa)
{
    (void)memory;
    (void)paging;
    *gpa = linear - 0xffff800000000000 + GIB(1);
    if (ALIGN_DOWN(linear, PAGE_SIZE) == lone_page)
        *gpa += PAGE_SIZE;
    return linear >= 0xffff800000000000;
}

/* pebs_test.c has these */
struct msr_verdict msr_judge(const struct msr_context *context, u32 msr)
{
    (void)context;
    (void)msr;
    return (struct msr_verdict){MSR_GP, MSR_GP, true};
}

bool pmu_intel_pebs_enable(const struct pmu_intel_caps *caps, u64 value)
{
    (void)caps;
    (void)value;
    return true;
}

u64 pmu_intel_pebs_data(u32 granted, u64 value)
{
    (void)granted;
    return value;
}

u64 pmu_intel_debugctl(u32 granted, u64 value)
{
    (void)granted;
    return value & ~1ULL;
}

void credit_begin_intel(struct cpu *self, bool user, u64 global_ctrl)
{
    (void)user;
    (void)global_ctrl;
    self->pmu.core.due = 0;
}

u64 credit_finish_intel(struct cpu *self)
{
    (void)self;
    return 0;
}

void credit_overflow_intel(struct cpu *self, u64 wrapped, u64 debugctl)
{
    (void)self;
    (void)wrapped;
    (void)debugctl;
}

void exit_cpuid(struct cpu *self, u64 cr4)
{
    self->regs[RAX] = cr4;
}

void exit_io(struct cpu *self, u16 port, u32 size, bool in)
{
    self->regs[RDX] = port | size << 16 | (u32)in << 24;
}

static struct outs outs_seen;
static enum outs_status outs_status;

enum outs_status outs(struct cpu *self, const struct outs *described)
{
    (void)self;
    outs_seen = *described;
    return outs_status;
}

void exit_rdpmc(struct cpu *self)
{
    self->regs[RAX] = 0;
}

bool exit_first_touch(struct cpu *self, u64 gpa, u64 rip)
{
    (void)self;
    (void)gpa;
    (void)rip;
    return touch_works;
}

bool exit_hypercall(struct cpu *self, u32 level)
{
    (void)self;
    hypercalls++;
    return level == 0;
}

void exit_triple_fault(struct cpu *self, u64 cs, u64 rip, u64 cr2, u64 cr3)
{
    (void)self;
    (void)cs;
    (void)rip;
    (void)cr2;
    (void)cr3;
    platform_reset();
}

void vmx_hide(const struct vmx_hidden *hidden, u32 leaf, u32 subleaf, u32 regs[4])
{
    (void)hidden;
    (void)leaf;
    (void)subleaf;
    (void)regs;
}

/* As of a processor with everything: CR0.NE and CR4.VMXE must be 1. */
static int set_up(void **state)
{
    static struct boot_info info;
    static struct boot_guest boot;
    static struct guest guest;
    (void)state;

    memset(&fake, 0, sizeof(fake));
    memset(fake_vmcs, 0, sizeof(fake_vmcs));
    fake_flushes = 0;
    memset(&fake_invept, 0, sizeof(fake_invept));
    fake_msr(IA32_EFER, EFER_LME | EFER_LMA | EFER_NXE, 0xd01);
    fake_msr(IA32_PAT, PAT_RESET, ~0ULL);
    fake_msr(IA32_DEBUGCTL, 0, 0xffff);
    fake_msr(IA32_SYSENTER_CS, 0, ~0ULL);
    fake_msr(IA32_SYSENTER_ESP, 0, ~0ULL);
    fake_msr(IA32_SYSENTER_EIP, 0, ~0ULL);
    fake_msr(IA32_FS_BASE, 0x111, ~0ULL);
    fake_msr(IA32_GS_BASE, 0x222, ~0ULL);
    fake_msr(IA32_PERF_GLOBAL_CTRL, 0xff, ~0ULL);
    fake_msr(IA32_MTRR_DEF_TYPE, 0xc06, 0xcff);
    fake_msr(IA32_MTRR_PHYSBASE0, 0, MASK(38, 0));
    fake_msr(IA32_VMX_EPT_VPID_CAP, EPT_CAP_WALK_4 | EPT_CAP_1GIB, 0);
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    guest = (struct guest){.boot = &boot};
    cpu->guest = &guest;
    hv = (struct hv){.info = &info, .apic_base = 0xfee00000, .phys_limit = BIT(52)};
    info.bsp = 1;
    vmx = (struct vmx){.cr0_fixed0 = CR0_PE | CR0_PG | CR0_NE,
                       .cr0_fixed1 = 0xffffffff,
                       .cr4_fixed0 = CR4_VMXE,
                       .cr4_fixed1 = 0x3767ff | CR4_CET,
                       .global_ctrl = true};
    vmx.controls.word[WORD_PRIMARY] = PRIMARY_MSR_BITMAPS;
    vmx.controls.word[WORD_SECONDARY] = SECONDARY_VPID;
    vmx.controls.word[WORD_ENTRY] = ENTRYCTL_LOAD_EFER;
    vmx.hidden = nothing_hidden;
    vmx.hidden.cr4 = CR4_VMXE | CR4_SMXE;
    fake_tr = fake_ldtr = 0;
    letter = false;
    touch_works = msr_works = true;
    resets = inits = hypercalls = update_size = ticks = entries = resets_noted = 0;
    while_waiting = NULL;
    lone_page = 0;
    page_write = retyped = 0;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

/* --- state ----------------------------------------------------------------------------------- */

static u64 rights(enum vmcs_segment segment)
{
    return fake_vmcs[VMCS_GUEST_ES_RIGHTS + 2 * segment];
}

static u64 limit(enum vmcs_segment segment)
{
    return fake_vmcs[VMCS_GUEST_ES_LIMIT + 2 * segment];
}

/* SDM 27.3.1.2: limit and granularity agree, reserved bits are 0, usable segments are present. */
static const char *segment_is_wrong(enum vmcs_segment segment)
{
    u64 ar = rights(segment), l = limit(segment);

    if (ar & RIGHTS_UNUSABLE)
        return NULL;
    if (!(ar & BIT(7)) || ar & (MASK(11, 8) | MASK(31, 17)))
        return "not present, or reserved bits";
    if (((l & 0xfff) != 0xfff && ar & BIT(15)) || (l >> 20 && !(ar & BIT(15))))
        return "granularity";
    if (segment <= SEG_GS && (!(ar & RIGHTS_CODE_OR_DATA) || !(ar & RIGHTS_ACCESSED)))
        return "not accessed, or a system segment";
    return NULL;
}

/* SDM 27.3.1, as far as it can fail here. */
static const char *entry_refuses(void)
{
    const u64 *v = fake_vmcs;
    bool lma = v[VMCS_GUEST_EFER] & EFER_LMA, rip_is_long;

    for (enum vmcs_segment i = 0; i < SEGMENTS; i++)
        if (segment_is_wrong(i))
            return segment_is_wrong(i);
    if ((rights(SEG_TR) & 0x1f) != 0xb || rights(SEG_TR) & RIGHTS_UNUSABLE)
        return "TR is no busy TSS";
    if (!(v[VMCS_GUEST_CR0] & CR0_NE) || !(v[VMCS_GUEST_CR4] & CR4_VMXE))
        return "fixed bits";
    if (v[VMCS_GUEST_CR0] & ~vmx.cr0_fixed1 || v[VMCS_GUEST_CR4] & ~vmx.cr4_fixed1)
        return "unsupported control register bits";
    if ((v[VMCS_GUEST_CR0] & CR0_PG) && !(v[VMCS_GUEST_CR0] & CR0_PE))
        return "paging without protection";
    if (lma != !!(v[VMCS_ENTRY_CONTROLS] & ENTRYCTL_LONG))
        return "EFER.LMA and the control";
    if (lma && !(v[VMCS_GUEST_CR4] & CR4_PAE))
        return "long mode without PAE";
    rip_is_long = lma && (rights(SEG_CS) & RIGHTS_LONG);
    if (!rip_is_long && v[VMCS_GUEST_RIP] >> 32)
        return "RIP";
    if (!(v[VMCS_GUEST_RFLAGS] & RFLAGS_FIXED) || v[VMCS_GUEST_DR7] >> 32)
        return "RFLAGS or DR7";
    return v[VMCS_LINK_POINTER] == ~0ULL ? NULL : "link pointer";
}

static void capture(void)
{
    struct launch launch = {
        .rbx = 1, .rbp = 2, .r12 = 3, .r13 = 4, .r14 = 5, .r15 = 6, .rip = 0x1234};

    vmx_capture_state(cpu, &launch, 0, (struct control_registers){read_cr0(), read_cr4()});
}

/* Firmware may have left anything there. */
static void captured_debugctl_is_the_guests(void **state)
{
    (void)state;
    fake.msr[fake_msr_index(IA32_DEBUGCTL)].value = 0x5803;
    capture();
    assert_int_equal(fake_vmcs[VMCS_GUEST_DEBUGCTL], 0x5802);
}

static void captured_state_is_accepted(void **state)
{
    (void)state;
    capture();
    assert_null(entry_refuses());
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 0x1234);
    assert_int_equal(cpu->regs[R15], 6);
    assert_int_equal(fake_vmcs[VMCS_GUEST_PERF_GLOBAL_CTRL], 0xff);
    /* What fake_machine.h has in its GDT. */
    assert_int_equal(rights(SEG_CS), 0xa09b);
    assert_int_equal(limit(SEG_CS), 0xffffffff);
    assert_int_equal(rights(SEG_ES), RIGHTS_UNUSABLE);
    assert_int_equal(rights(SEG_LDTR), RIGHTS_UNUSABLE);
    assert_int_equal(fake_vmcs[VMCS_GUEST_ES_BASE + 2 * SEG_FS], 0x111);
    assert_int_equal(fake_vmcs[VMCS_GUEST_ES_BASE + 2 * SEG_GS], 0x222);
}

static void null_tr_becomes_a_busy_tss(void **state)
{
    (void)state;
    capture();
    assert_int_equal(rights(SEG_TR), RIGHTS_TSS_BUSY);
    assert_int_equal(fake_vmcs[VMCS_GUEST_ES + 2 * SEG_TR], 0);
    assert_int_equal(limit(SEG_TR), 0x67);
}

static void a_tss_has_a_long_base(void **state)
{
    (void)state;
    fake_gdt[5] = 0x12008956789a0067; /* available: as written over since it was loaded */
    fake_gdt[6] = 0xffff8000;
    fake_tr = 0x28;
    capture();
    assert_null(entry_refuses());
    assert_int_equal(fake_vmcs[VMCS_GUEST_ES_BASE + 2 * SEG_TR], 0xffff80001256789a);
    assert_int_equal(rights(SEG_TR), RIGHTS_TSS_BUSY);
    fake_gdt[5] = fake_gdt[6] = 0;
}

static void state_after_sipi_is_accepted(void **state)
{
    (void)state;
    capture();
    cpu->regs[RDI] = 5;
    vmx_reset_state(cpu, 0x9a);
    assert_null(entry_refuses());
    assert_int_equal(fake_vmcs[VMCS_GUEST_ES + 2 * SEG_CS], 0x9a00);
    assert_int_equal(fake_vmcs[VMCS_GUEST_ES_BASE + 2 * SEG_CS], 0x9a000);
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 0);
    assert_int_equal(fake_vmcs[VMCS_CR0_SHADOW], CR0_ET);
    assert_int_equal(cpu->regs[RDI], 0);
    assert_int_equal(cpu->regs[RDX], 1); /* fake CPUID: EAX is the leaf */
    assert_true(fake_flushes);
}

static void global_ctrl_without_its_control_is_in_lists(void **state)
{
    (void)state;
    vmx.global_list = true;
    vmx_set_controls(cpu);
    capture();
    assert_int_equal(fake_vmcs[VMCS_EXIT_MSR_STORE], fake_vmcs[VMCS_ENTRY_MSR_LOAD]);
    assert_int_equal(fake_vmcs[VMCS_EXIT_MSR_STORE] % 16, 0);
    assert_int_equal(fake_vmcs[VMCS_EXIT_MSR_LOAD] % 16, 0);
    assert_int_equal(fake_vmcs[VMCS_EXIT_MSR_STORE_COUNT], 1);
    assert_int_equal(fake_vmcs[VMCS_EXIT_MSR_LOAD_COUNT], 1);
    assert_int_equal(fake_vmcs[VMCS_ENTRY_MSR_LOAD_COUNT], 1);
    assert_int_equal(cpu->vmx.guest_global.msr, IA32_PERF_GLOBAL_CTRL);
    assert_int_equal(cpu->vmx.guest_global.value, 0xff);
    assert_int_equal(cpu->vmx.host_global.value, 0);
}

/* --- control registers ----------------------------------------------------------------------- */

/* What the processor does with a guest's MOV to CR4 (25.3). -> whether it exits */
static bool mov_cr4(u64 value)
{
    u64 mask = fake_vmcs[VMCS_CR4_MASK];

    if ((value ^ fake_vmcs[VMCS_CR4_SHADOW]) & mask) {
        cpu->regs[RBX] = value;
        fake_vmcs[VMCS_QUALIFICATION] = 4 | RBX << 8;
        vmx_cr_exit(cpu);
        return true;
    }
    fake_vmcs[VMCS_GUEST_CR4] = (fake_vmcs[VMCS_GUEST_CR4] & mask) | (value & ~mask);
    return false;
}

static void vmxe_is_hidden_and_stays_set(void **state)
{
    (void)state;
    vmx_write_cr4(cpu, CR4_PAE | CR4_VMXE);
    assert_int_equal(vmx_read_cr4(), CR4_PAE);
    assert_int_equal(fake_vmcs[VMCS_GUEST_CR4], CR4_PAE | CR4_VMXE);
    assert_false(mov_cr4(CR4_PAE | CR4_MCE));
    assert_int_equal(vmx_read_cr4(), CR4_PAE | CR4_MCE);
    assert_true(mov_cr4(CR4_PAE | CR4_VMXE));
    assert_int_equal(EVENT_VECTOR(fake_vmcs[VMCS_ENTRY_EVENT]), GP);
    assert_int_equal(vmx_read_cr4(), CR4_PAE | CR4_MCE);
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 0);
}

static void ne_is_the_guests_view(void **state)
{
    (void)state;
    vmx_write_cr0(cpu, CR0_PE | CR0_ET);
    assert_int_equal(fake_vmcs[VMCS_GUEST_CR0], CR0_PE | CR0_ET | CR0_NE);
    assert_int_equal(fake_vmcs[VMCS_CR0_MASK], CR0_NE); /* PE and PG are the guest's */
    cpu->regs[RSI] = CR0_PE | CR0_NE;
    fake_vmcs[VMCS_QUALIFICATION] = RSI << 8;
    vmx_cr_exit(cpu);
    assert_true(fake_vmcs[VMCS_CR0_SHADOW] & CR0_NE);
    assert_int_equal(fake_vmcs[VMCS_ENTRY_EVENT], 0); /* it is executed again, and does not exit */
}

/* A partition sees CR0.CD as it set it, and its memory stays cached. */
static void a_partition_switches_no_cache_off(void **state)
{
    (void)state;
    cpu->guest->index = 1;
    vmx_write_cr0(cpu, CR0_PE | CR0_NE);
    assert_int_equal(fake_vmcs[VMCS_CR0_MASK], CR0_NE | CR0_CD | CR0_NW);
    cpu->regs[RSI] = CR0_PE | CR0_NE | CR0_CD;
    fake_vmcs[VMCS_QUALIFICATION] = RSI << 8;
    vmx_cr_exit(cpu);
    assert_int_equal(fake_vmcs[VMCS_CR0_SHADOW] & (CR0_CD | CR0_NW), CR0_CD);
    assert_false(fake_vmcs[VMCS_GUEST_CR0] & (CR0_CD | CR0_NW));
    assert_int_equal(fake_vmcs[VMCS_ENTRY_EVENT], 0);
}

/* boot_info.h: 64-bit mode, flat segments, no interrupts; what entry checks (27.3.1) holds. */
static void a_partition_starts_as_the_boot_protocol_says(void **state)
{
    static struct boot_guest boot = {
        .entry = 0x1000200, .boot_params = 0x10000, .cr3 = 0x18000, .gdt = 0x11000};
    static struct guest guest = {.boot = &boot, .index = 1, .io_map = 0x5000, .msr_map = 0x7000};
    static const u64 of_the_last_life[] = {VMCS_GUEST_DEBUGCTL,     VMCS_GUEST_SYSENTER_CS,
                                           VMCS_GUEST_SYSENTER_ESP, VMCS_GUEST_SYSENTER_EIP,
                                           VMCS_GUEST_BNDCFGS,      VMCS_GUEST_LBR_CTL};

    (void)state;
    cpu->guest = &guest;
    vmx.wbinvd_exits = SECONDARY_WBINVD;
    vmx.lbr_ctl = true;
    cpu->vmx.owed = OWED_NMI;
    for (u32 i = 0; i < COUNT(of_the_last_life); i++)
        fake_vmcs[of_the_last_life[i]] = 0x5555;
    vmx.controls.word[WORD_ENTRY] |= ENTRYCTL_LOAD_BND;
    vmx_boot(cpu);
    for (u32 i = 0; i < COUNT(of_the_last_life); i++)
        assert_int_equal(fake_vmcs[of_the_last_life[i]], 0);
    assert_int_equal(fake_vmcs[VMCS_GUEST_PAT], PAT_RESET);
    pmu.intel.general = 0xff;           /* the boot processor has eight counters, ... */
    cpu->pmu.intel.caps.general = 0x3f; /* ... this core has six */
    vmx_boot(cpu);
    vmx.lbr_ctl = false;
    assert_int_equal(fake_vmcs[VMCS_GUEST_PERF_GLOBAL_CTRL], 0x3f);
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], boot.entry);
    assert_int_equal(cpu->regs[RSI], boot.boot_params);
    assert_int_equal(fake_vmcs[VMCS_GUEST_CR3], boot.cr3);
    assert_int_equal(fake_vmcs[VMCS_GUEST_GDTR_BASE], boot.gdt);
    assert_int_equal(fake_vmcs[VMCS_GUEST_CR0] & (CR0_PG | CR0_PE), CR0_PG | CR0_PE);
    assert_true(fake_vmcs[VMCS_GUEST_CR4] & CR4_PAE);
    assert_int_equal(fake_vmcs[VMCS_GUEST_EFER], EFER_LME | EFER_LMA);
    assert_true(fake_vmcs[VMCS_ENTRY_CONTROLS] & ENTRYCTL_LONG);
    assert_int_equal(fake_vmcs[VMCS_GUEST_ES_RIGHTS + 2 * SEG_CS], 0xa09b);
    assert_int_equal(fake_vmcs[VMCS_GUEST_RFLAGS], RFLAGS_FIXED);
    assert_int_equal(fake_vmcs[VMCS_ACTIVITY], ACTIVITY_ACTIVE);
    assert_int_equal(fake_vmcs[VMCS_IO_BITMAP_B], 0x6000);
    assert_int_equal(fake_vmcs[VMCS_MSR_BITMAP], 0x7000);
    assert_true(fake_vmcs[VMCS_SECONDARY_CONTROLS] & SECONDARY_WBINVD);
    assert_false(cpu->vmx.owed);
    assert_true(fake_flushes);
}

/* --- events ---------------------------------------------------------------------------------- */

/* An entry and the exit that follows. -> what was delivered */
static u64 enter_and_exit(u64 reason)
{
    u64 event;

    vmx_before_entry(cpu);
    event = fake_vmcs[VMCS_ENTRY_EVENT];
    if (event & EVENT_VALID)
        assert_true(EVENT_TYPE(event) != EVENT_NMI ||
                    !(fake_vmcs[VMCS_INTERRUPTIBILITY] & (SHADOW | BLOCKED_BY_NMI)));
    fake_vmcs[VMCS_ENTRY_EVENT] = 0;
    fake_vmcs[VMCS_EXIT_REASON] = reason;
    vmx_after_exit(cpu);
    return event;
}

#define NMI_EVENT (EVENT_VALID | EVENT_NMI << 8 | NMI)
#define PF_EVENT  (EVENT_VALID | EVENT_ERROR_CODE | EVENT_HARDWARE << 8 | 14)

static bool steps(void)
{
    return fake_vmcs[VMCS_PRIMARY_CONTROLS] & PRIMARY_MTF;
}

static void an_nmi_is_delivered_once(void **state)
{
    (void)state;
    vmx_let_in(cpu, NMI);
    assert_int_equal(enter_and_exit(0), NMI_EVENT);
    assert_false(steps());
    assert_int_equal(enter_and_exit(0), 0);
    assert_false(vmx_let_in(cpu, 30)); /* #SX is AMD's */
}

static void an_nmi_waits_for_another_event(void **state)
{
    (void)state;
    vmx_let_in(cpu, NMI);
    vmx_inject(PF_EVENT);
    vmx_before_entry(cpu);
    assert_true(steps());
    assert_true(fake_vmcs[VMCS_INTERRUPTIBILITY] & BLOCKED_BY_NMI); /* no second one overtakes */
    assert_int_equal(enter_and_exit(VMX_EXIT_MTF), PF_EVENT);
    assert_false(fake_vmcs[VMCS_INTERRUPTIBILITY] & BLOCKED_BY_NMI);
    assert_int_equal(enter_and_exit(0), NMI_EVENT);
    assert_false(steps());
    fake_vmcs[VMCS_INTERRUPTIBILITY] = BLOCKED_BY_NMI; /* by its delivery, till its IRET */
    assert_int_equal(enter_and_exit(0), 0);
    assert_true(fake_vmcs[VMCS_INTERRUPTIBILITY] & BLOCKED_BY_NMI);
}

static void an_nmi_waits_for_the_end_of_a_shadow(void **state)
{
    (void)state;
    for (u64 shadow = 1; shadow <= 2; shadow++) {
        vmx_let_in(cpu, NMI);
        fake_vmcs[VMCS_INTERRUPTIBILITY] = shadow;
        assert_int_equal(enter_and_exit(VMX_EXIT_MTF), 0);
        fake_vmcs[VMCS_INTERRUPTIBILITY] = 0; /* the step has ended it */
        assert_int_equal(enter_and_exit(0), NMI_EVENT);
    }
}

/* An IRET that faulted on its way out of an NMI handler: it comes first. */
static void an_nmi_waits_for_iret(void **state)
{
    (void)state;
    vmx_let_in(cpu, NMI);
    block_nmi_again(EPT_VIOLATION_IRET);
    assert_int_equal(enter_and_exit(VMX_EXIT_MTF), 0);
    fake_vmcs[VMCS_INTERRUPTIBILITY] = 0;
    assert_int_equal(enter_and_exit(0), NMI_EVENT);
}

static void a_machine_check_comes_before_an_nmi(void **state)
{
    (void)state;
    vmx_let_in(cpu, NMI);
    assert_true(vmx_inject_machine_check(cpu));
    assert_int_equal(EVENT_VECTOR(enter_and_exit(VMX_EXIT_MTF)), MC);
    assert_int_equal(enter_and_exit(0), NMI_EVENT);
    assert_int_equal(enter_and_exit(0), 0);
}

static void exit_for(u64 reason)
{
    fake_vmcs[VMCS_EXIT_REASON] = reason;
    vmx_slow_exit(cpu);
}

struct delivery {
    u64 event, error_code, length;
};

/* Every kind of table 25-19; the error code and the length only where they belong to it. */
static const struct delivery deliveries[] = {
    {EVENT_VALID | EVENT_EXTERNAL << 8 | 0x31, 0, 0},
    {NMI_EVENT, 0, 0},
    {PF_EVENT, 2, 0},
    {EVENT_VALID | EVENT_HARDWARE << 8 | 1, 0, 0},
    {EVENT_VALID | EVENT_SOFT_INT << 8 | 0x80, 0, 2},
    {EVENT_VALID | EVENT_PRIVILEGED << 8 | 1, 0, 1},
    {EVENT_VALID | EVENT_SOFTWARE << 8 | 3, 0, 1},
};

static void interrupt_delivery(const struct delivery *d)
{
    memset(fake_vmcs, 0, sizeof(fake_vmcs));
    fake_vmcs[VMCS_VECTORING_EVENT] = d->event | BIT(12); /* undefined there, reserved at entry */
    fake_vmcs[VMCS_VECTORING_ERROR_CODE] = d->error_code;
    fake_vmcs[VMCS_EXIT_LENGTH] = d->length;
    fake_vmcs[VMCS_INTERRUPTIBILITY] = EVENT_TYPE(d->event) == EVENT_NMI ? BLOCKED_BY_NMI : 0;
    fake_vmcs[VMCS_GUEST_RIP] = 0x100;
    fake_vmcs[VMCS_GUEST_PHYSICAL] = GIB(5);
}

static void expect_delivery(const struct delivery *d)
{
    assert_int_equal(fake_vmcs[VMCS_ENTRY_EVENT], d->event);
    assert_int_equal(fake_vmcs[VMCS_ENTRY_ERROR_CODE], d->error_code);
    assert_int_equal(fake_vmcs[VMCS_ENTRY_LENGTH], d->length);
    assert_int_equal(fake_vmcs[VMCS_INTERRUPTIBILITY], 0); /* an NMI's delivery blocks again */
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 0x100);
}

/* 28.2.4: at any exit that is not an instruction's. */
static void an_interrupted_event_is_delivered_again(void **state)
{
    static const u8 reasons[] = {VMX_EXIT_INIT, VMX_EXIT_MTF, VMX_EXIT_PREEMPTION_TIMER,
                                 VMX_EXIT_EPT_VIOLATION};

    (void)state;
    for (u32 i = 0; i < COUNT(reasons); i++)
        for (u32 j = 0; j < COUNT(deliveries); j++) {
            interrupt_delivery(&deliveries[j]);
            letter = true; /* an INIT that is a kick */
            exit_for(reasons[i]);
            expect_delivery(&deliveries[j]);
        }
}

/* With its IRET; until then the next one waits. */
static void an_nmi_in_service_ends(void)
{
    fake_vmcs[VMCS_INTERRUPTIBILITY] |= BLOCKED_BY_NMI; /* by its delivery */
    assert_int_equal(enter_and_exit(VMX_EXIT_MTF), 0);
    assert_true(fake_vmcs[VMCS_INTERRUPTIBILITY] & BLOCKED_BY_NMI);
    fake_vmcs[VMCS_INTERRUPTIBILITY] = 0;
}

/* Its event comes first, what arrived meanwhile after a step. */
static void an_interrupted_event_goes_before_an_nmi(void **state)
{
    (void)state;
    for (u32 j = 0; j < COUNT(deliveries); j++) {
        interrupt_delivery(&deliveries[j]);
        vmx_let_in(cpu, NMI);
        vmx_after_exit(cpu);
        fake_vmcs[VMCS_VECTORING_EVENT] = 0;
        assert_int_equal(enter_and_exit(VMX_EXIT_MTF), deliveries[j].event);
        if (deliveries[j].event == NMI_EVENT)
            an_nmi_in_service_ends();
        assert_int_equal(enter_and_exit(0), NMI_EVENT);
    }
}

/* Without its valid bit the field says nothing (25.9.3): no core wakes, and no NMI handler ends. */
static void an_exit_that_interrupts_no_delivery_changes_nothing(void **state)
{
    (void)state;
    interrupt_delivery(&deliveries[1]);
    fake_vmcs[VMCS_VECTORING_EVENT] &= ~EVENT_VALID;
    fake_vmcs[VMCS_ACTIVITY] = ACTIVITY_HLT;
    letter = true;
    exit_for(VMX_EXIT_INIT);
    assert_int_equal(fake_vmcs[VMCS_ENTRY_EVENT], 0);
    assert_int_equal(fake_vmcs[VMCS_ACTIVITY], ACTIVITY_HLT);
    assert_int_equal(fake_vmcs[VMCS_INTERRUPTIBILITY], BLOCKED_BY_NMI);
}

static void an_init_forgets_what_was_being_delivered(void **state)
{
    (void)state;
    interrupt_delivery(&deliveries[0]);
    exit_for(VMX_EXIT_INIT);
    assert_int_equal(fake_vmcs[VMCS_ENTRY_EVENT], 0);
}

/* What is at RIP has nothing to do with such a fault. */
static void an_apic_page_is_no_stack(void **state)
{
    (void)state;
    interrupt_delivery(&deliveries[0]);
    fake_vmcs[VMCS_GUEST_PHYSICAL] = 0xfee00ff8;
    fake_vmcs[VMCS_QUALIFICATION] = EPT_VIOLATION_WRITE | BIT(3);
    if (!setjmp(stopped)) {
        exit_for(VMX_EXIT_EPT_VIOLATION);
        fail();
    }
    assert_int_equal(page_write, 0);
}

static void gp_has_an_error_code_in_protected_mode(void **state)
{
    (void)state;
    fake_vmcs[VMCS_ACTIVITY] = ACTIVITY_HLT;
    vmx_inject_gp();
    assert_int_equal(fake_vmcs[VMCS_ENTRY_EVENT], EVENT_VALID | EVENT_HARDWARE << 8 | GP);
    assert_int_equal(fake_vmcs[VMCS_ACTIVITY], ACTIVITY_ACTIVE);
    assert_true(fake_vmcs[VMCS_GUEST_RFLAGS] & RFLAGS_RF);
    fake_vmcs[VMCS_GUEST_CR0] = CR0_PE;
    fake_vmcs[VMCS_ENTRY_ERROR_CODE] = 0x5555; /* an earlier one's */
    vmx_inject_gp();
    assert_int_equal(fake_vmcs[VMCS_ENTRY_EVENT], 0x80000b0d);
    assert_int_equal(fake_vmcs[VMCS_ENTRY_ERROR_CODE], 0);
}

/* SDM 25.8.3: valid, hardware exception, vector 18, no error code. */
static void a_machine_check_is_injected_as_one(void **state)
{
    (void)state;
    vmx_inject_machine_check(cpu);
    assert_int_equal(enter_and_exit(0), 0x80000312);
    vmx_inject_fault(UD);
    assert_int_equal(fake_vmcs[VMCS_ENTRY_EVENT], 0x80000306);
    fake_vmcs[VMCS_ENTRY_EVENT] = 0;
    assert_true(vmx_let_in(cpu, NMI));
    assert_int_equal(enter_and_exit(0), 0x80000202);
}

/* What an event's field says is not valid means nothing. */
static void an_nmi_overtakes_no_nmi_that_is_none(void **state)
{
    (void)state;
    vmx_let_in(cpu, NMI);
    fake_vmcs[VMCS_ENTRY_EVENT] = NMI_EVENT & ~EVENT_VALID;
    fake_vmcs[VMCS_INTERRUPTIBILITY] = BLOCKED_BY_STI;
    vmx_before_entry(cpu);
    assert_int_equal(fake_vmcs[VMCS_INTERRUPTIBILITY], BLOCKED_BY_STI | BLOCKED_BY_NMI);
}

/* --- INIT and SIPI --------------------------------------------------------------------------- */

static void signals_arrive(void)
{
    vmx_let_in(cpu, NMI);
    vmx_inject_machine_check(cpu);
}

/* The host waits, so that SMIs get through; what else comes meanwhile is dropped. */
static void after_init_and_sipi_a_core_starts_anew(void **state)
{
    (void)state;
    vmx_let_in(cpu, NMI);
    fake_vmcs[VMCS_INTERRUPTIBILITY] = BLOCKED_BY_STI;
    fake_vmcs[VMCS_ACTIVITY] = ACTIVITY_HLT;
    while_waiting = signals_arrive;
    ticks = 0;
    exit_for(VMX_EXIT_INIT);
    assert_int_equal(inits, 1);
    assert_int_equal(resets, 1);
    assert_int_equal(resets_noted, 1);
    assert_int_equal(fake_vmcs[VMCS_ACTIVITY], ACTIVITY_ACTIVE);
    assert_int_equal(fake_vmcs[VMCS_INTERRUPTIBILITY], 0);
    assert_int_equal(fake_vmcs[VMCS_ENTRY_EVENT], 0);
    assert_int_equal(fake_vmcs[VMCS_GUEST_ES_BASE + 2 * SEG_CS], 0x12000);
    assert_false(steps());
}

/* Of the life before: a step, an NMI that waited for its turn, blocking on its behalf. */
static void a_new_life_owes_nothing(void **state)
{
    (void)state;
    vmx_let_in(cpu, NMI);
    fake_vmcs[VMCS_INTERRUPTIBILITY] = BLOCKED_BY_STI;
    vmx_before_entry(cpu);
    assert_true(steps() && cpu->vmx.nmi_held);
    exit_for(VMX_EXIT_INIT);
    assert_false(steps());
    assert_int_equal(fake_vmcs[VMCS_ENTRY_EVENT], 0);
    fake_vmcs[VMCS_INTERRUPTIBILITY] = BLOCKED_BY_NMI; /* by one that the new life has taken */
    assert_int_equal(enter_and_exit(0), 0);
    assert_int_equal(fake_vmcs[VMCS_INTERRUPTIBILITY], BLOCKED_BY_NMI);
}

/* After an entry that was refused, for one: no exit has tidied up. */
static void what_a_guest_was_owed_is_not_its_successors(void **state)
{
    (void)state;
    cpu->vmx.owed = OWED_NMI;
    cpu->vmx.arrived = OWED_MC;
    cpu->vmx.stepping = cpu->vmx.nmi_held = true;
    vmx_boot(cpu);
    assert_int_equal(fake_invept.count, 1); /* its memory may be another (29.4.3.3) */
    vmx_before_entry(cpu);
    assert_int_equal(fake_vmcs[VMCS_ENTRY_EVENT], 0);
    assert_false(steps());
    fake_vmcs[VMCS_INTERRUPTIBILITY] = BLOCKED_BY_NMI; /* by its own, before its first exit */
    vmx_after_exit(cpu);
    assert_int_equal(fake_vmcs[VMCS_INTERRUPTIBILITY], BLOCKED_BY_NMI);
}

/* Its monitor trap flag is clear, whatever the last life's was, and is set when it is needed. */
static void a_new_life_steps_when_it_must(void **state)
{
    (void)state;
    cpu->vmx.stepping = true;
    vmx_boot(cpu);
    assert_false(steps());
    vmx_let_in(cpu, NMI);
    fake_vmcs[VMCS_INTERRUPTIBILITY] = BLOCKED_BY_STI;
    vmx_before_entry(cpu);
    assert_true(steps());
}

/* Fields that exist only with their control. */
static void a_life_writes_no_field_that_is_not_there(void **state)
{
    (void)state;
    vmx.global_ctrl = false;
    vmx.controls.word[WORD_ENTRY] = ~(u32)(ENTRYCTL_LOAD_BND | ENTRYCTL_LOAD_CET);
    fake_vmcs[VMCS_GUEST_BNDCFGS] = fake_vmcs[VMCS_GUEST_PERF_GLOBAL_CTRL] = 0x5555;
    vmx_boot(cpu);
    assert_int_equal(fake_vmcs[VMCS_GUEST_BNDCFGS], 0x5555);
    assert_int_equal(fake_vmcs[VMCS_GUEST_PERF_GLOBAL_CTRL], 0x5555);
}

/* Mode 101B, level assert: SDM 11.6.1. */
static void the_signal_is_an_init(void **state)
{
    (void)state;
    assert_int_equal(vmx_signal_icr(), 0x4500);
}

static void a_kick_is_absorbed(void)
{
    vmx_absorb_signal(cpu);
}

static void a_partitions_core_waits_in_the_host(void **state)
{
    (void)state;
    while_waiting = a_kick_is_absorbed;
    if (setjmp(stopped) != 3) {
        vmx_await_sipi(cpu);
        fail();
    }
    assert_int_equal(entries, 1);
    assert_true(fake_vmcs[VMCS_PIN_CONTROLS] & PIN_PREEMPTION_TIMER);
    assert_true(cpu->captured);
    assert_int_equal(cpu->state, CORE_WAITING);
    assert_int_equal(fake_vmcs[VMCS_HOST_RSP], (u64)cpu);
    assert_int_equal(fake_vmcs[VMCS_GUEST_PAT], PAT_RESET);
    assert_int_equal(fake_vmcs[VMCS_ACTIVITY], ACTIVITY_ACTIVE);
    assert_int_equal(fake_vmcs[VMCS_GUEST_ES_BASE + 2 * SEG_CS], 0x12000);
}

static void init_at_the_boot_processor_resets(void **state)
{
    (void)state;
    cpu->index = 1;
    if (!setjmp(stopped)) {
        vmx_init_exit(cpu);
        fail();
    }
}

static bool timer(void)
{
    return fake_vmcs[VMCS_PIN_CONTROLS] & PIN_PREEMPTION_TIMER;
}

/* One signal has been sent, and is this exit: nothing is held. */
static void a_kick_is_no_init(void **state)
{
    (void)state;
    letter = true;
    cpu->signalled = 1;
    vmx_init_exit(cpu);
    letter = false;
    assert_int_equal(cpu->exits[EXIT_KICK], 1);
    vmx_before_entry(cpu);
    assert_false(timer());
    vmx_init_exit(cpu); /* this one is the guest's */
    assert_int_equal(inits, 1);
}

static void a_second_signal_is_absorbed(void **state)
{
    (void)state;
    letter = true;
    cpu->signalled = 2;
    vmx_init_exit(cpu);
    letter = false;
    vmx_before_entry(cpu);
    assert_true(timer());
    vmx_init_exit(cpu); /* it was held */
    assert_int_equal(inits, 0);
    vmx_before_entry(cpu);
    assert_false(timer());
    vmx_init_exit(cpu); /* this one is the guest's */
    assert_int_equal(inits, 1);
}

/* A dump of a paused core: its signal is held, and no letter is in the box when it exits. */
static void a_signal_to_a_paused_core_is_absorbed(void **state)
{
    (void)state;
    letter = stopped_again = true;
    cpu->signalled = 1;
    vmx_init_exit(cpu);
    letter = false;
    vmx_before_entry(cpu);
    assert_true(timer());
    vmx_init_exit(cpu); /* it was held */
    assert_int_equal(inits, 0);
    vmx_init_exit(cpu);
    assert_int_equal(inits, 1);
}

/* INITs do not queue, but the guest's was noted. */
static void an_init_that_comes_with_a_kick_is_not_lost(void **state)
{
    (void)state;
    letter = cpu->init_sent = true;
    cpu->signalled = 1;
    vmx_init_exit(cpu);
    letter = false;
    assert_int_equal(inits, 1);
    vmx_before_entry(cpu);
    assert_true(timer()); /* the signal may have come after it */
    cpu->init_sent = true;
    vmx_init_exit(cpu); /* the one that is absorbed is the guest's next */
    assert_int_equal(inits, 2);
}

static void without_a_held_init_the_timer_ends_it(void **state)
{
    (void)state;
    fake_vmcs[VMCS_PREEMPTION_TIMER] = 0x5555;
    vmx_absorb_signal(cpu);
    vmx_before_entry(cpu);
    assert_true(timer());
    assert_int_equal(fake_vmcs[VMCS_PREEMPTION_TIMER], 0); /* has run out at the entry (26.5.1) */
    exit_for(VMX_EXIT_PREEMPTION_TIMER);
    assert_false(timer());
    assert_int_equal(cpu->exits[EXIT_STEP], 1);
}

/* --- exits ----------------------------------------------------------------------------------- */

static void an_emulated_instruction_ends_like_a_real_one(void **state)
{
    (void)state;
    fake_vmcs[VMCS_GUEST_RIP] = 0x1000;
    fake_vmcs[VMCS_EXIT_LENGTH] = 3;
    fake_vmcs[VMCS_INTERRUPTIBILITY] = BLOCKED_BY_MOV_SS;
    fake_vmcs[VMCS_GUEST_RFLAGS] = RFLAGS_FIXED | RFLAGS_TF | RFLAGS_RF;
    exit_for(VMX_EXIT_INVD);
    assert_int_equal(fake.wbinvds, 1);
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 0x1003);
    assert_int_equal(fake_vmcs[VMCS_INTERRUPTIBILITY], 0);
    assert_int_equal(fake_vmcs[VMCS_GUEST_RFLAGS], RFLAGS_FIXED | RFLAGS_TF);
    assert_int_equal(fake_vmcs[VMCS_PENDING_DEBUG], PENDING_DEBUG_BS);
    fake_vmcs[VMCS_PENDING_DEBUG] = 0;
    fake_vmcs[VMCS_GUEST_DEBUGCTL] = DEBUGCTL_BTF; /* then only branches trap */
    exit_for(VMX_EXIT_INVD);
    assert_int_equal(fake_vmcs[VMCS_PENDING_DEBUG], 0);
}

/* The processor finds RIP beyond 4 GiB when it is to enter; in 64-bit mode that is no reason. */
static void an_instruction_may_end_at_4_gib(void **state)
{
    (void)state;
    capture();
    fake_vmcs[VMCS_GUEST_ES_RIGHTS + 2 * SEG_CS] = 0xc09b; /* compatibility mode */
    fake_vmcs[VMCS_GUEST_RIP] = 0xfffffffe;
    fake_vmcs[VMCS_EXIT_LENGTH] = 2;
    exit_for(VMX_EXIT_CPUID);
    assert_string_equal(entry_refuses(), "RIP");
    exit_for(VMX_EXIT_FAILED_ENTRY | VMX_EXIT_ENTRY_GUEST);
    assert_null(entry_refuses());
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 0);
    fake_vmcs[VMCS_GUEST_RIP] = GIB(4);
    fake_vmcs[VMCS_GUEST_ES_RIGHTS + 2 * SEG_CS] = 0xa09b;
    if (!setjmp(stopped)) {
        exit_for(VMX_EXIT_FAILED_ENTRY | VMX_EXIT_ENTRY_GUEST);
        fail();
    }
}

static void msrs_by_halves(void **state)
{
    (void)state;
    cpu->regs[RCX] = 0x9abc;
    fake_vmcs[VMCS_EXIT_LENGTH] = 2;
    exit_for(VMX_EXIT_RDMSR);
    assert_int_equal(cpu->regs[RAX], 0x9abc);
    assert_int_equal(cpu->regs[RDX], 0x11223344);
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 2);
    msr_works = false;
    exit_for(VMX_EXIT_RDMSR);
    assert_int_equal(EVENT_VECTOR(fake_vmcs[VMCS_ENTRY_EVENT]), GP);
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 2);
    fake_vmcs[VMCS_ENTRY_EVENT] = 0;
    exit_for(VMX_EXIT_WRMSR);
    assert_int_equal(EVENT_VECTOR(fake_vmcs[VMCS_ENTRY_EVENT]), GP);
}

static void debugctl_is_the_vmcs_s(void **state)
{
    u64 live;

    (void)state;
    assert_true(vmx_msr_write(cpu, IA32_DEBUGCTL, 3));
    assert_int_equal(fake_vmcs[VMCS_GUEST_DEBUGCTL], 2);
    assert_true(rdmsr_safe(IA32_DEBUGCTL, &live));
    assert_int_equal(live, 0);
    assert_false(vmx_msr_write(cpu, IA32_DEBUGCTL, BIT(20))); /* the processor refuses it */
    assert_int_equal(fake_vmcs[VMCS_GUEST_DEBUGCTL], 2);
}

static u64 loaded_update(void)
{
    u64 where;

    assert_true(rdmsr_safe(IA32_BIOS_UPDT_TRIG, &where));
    return where;
}

/* In root operation the processor takes the address as the host's. */
static void a_microcode_update_is_loaded_where_it_is(void **state)
{
    static const u64 data = 0xffff800000005030; /* after 48 bytes of header */

    (void)state;
    fake_msr(IA32_BIOS_UPDT_TRIG, 0, ~0ULL);
    update_size = 0x2fd0; /* to the end of its third page */
    lone_page = 0xffff800000008000;
    assert_true(vmx_msr_write(cpu, IA32_BIOS_UPDT_TRIG, data));
    assert_int_equal(loaded_update(), GIB(1) + 0x5030);
    wrmsr(IA32_BIOS_UPDT_TRIG, 0);
    update_size++;
    assert_true(vmx_msr_write(cpu, IA32_BIOS_UPDT_TRIG, data));
    assert_int_equal(loaded_update(), 0);
    update_size = 0; /* 2000 bytes */
    assert_true(vmx_msr_write(cpu, IA32_BIOS_UPDT_TRIG, data));
    assert_int_equal(loaded_update(), GIB(1) + 0x5030);
    wrmsr(IA32_BIOS_UPDT_TRIG, 0);
    update_size = ~0U;
    assert_true(vmx_msr_write(cpu, IA32_BIOS_UPDT_TRIG, data));
    assert_int_equal(loaded_update(), 0);
}

static void mtrrs_are_mirrored_once_enabled(void **state)
{
    (void)state;
    assert_true(vmx_msr_write(cpu, IA32_MTRR_DEF_TYPE, 6));
    assert_true(vmx_msr_write(cpu, IA32_MTRR_PHYSBASE0, 0x80000001));
    assert_int_equal(retyped, 0);
    assert_int_equal(fake_flushes, 0);
    assert_true(vmx_msr_write(cpu, IA32_MTRR_DEF_TYPE, 0x806));
    assert_int_equal(retyped, EPT_TYPE);
    assert_int_equal(fake_flushes, 1);
    assert_false(vmx_msr_write(cpu, IA32_MTRR_PHYSBASE0, BIT(60)));
    assert_int_equal(fake_flushes, 1);
}

static void ept_format(void **state)
{
    struct page_map map = {0};

    (void)state;
    hv.host_levels = 4;
    vmx_shape_map(&map);
    assert_int_equal(map.levels, 4);
    assert_true(map.gib_pages);
    assert_int_equal(map.leaf_bits, 7);
    assert_int_equal(map.type(0), 6 << 3); /* "ignore PAT", bit 6, stays clear */
    assert_int_equal(map.type(GIB(3)), 0);
    assert_int_equal(hv.phys_limit, BIT(48));
    map.root = (u64 *)0x5000;
    assert_int_equal(vmx_ept_pointer(&map, map.root), 0x5000 | 3 << 3 | 6);
    cpu->guest->map = map;
    vmx_set_controls(cpu);
    assert_int_equal(fake_vmcs[VMCS_EPT_POINTER], 0x5000 | 3 << 3 | 6);
    cpu->apic_base = 1;
    vmx_map_changed(cpu);
    assert_int_equal(fake_vmcs[VMCS_EPT_POINTER], 0x9000 | 3 << 3 | 6);
}

static void ept_violations(void **state)
{
    (void)state;
    fake_vmcs[VMCS_GUEST_PHYSICAL] = 0xfee00300;
    fake_vmcs[VMCS_QUALIFICATION] = EPT_VIOLATION_WRITE | 5 << 3; /* readable, executable */
    exit_for(VMX_EXIT_EPT_VIOLATION);
    assert_int_equal(page_write, 0xfee00300);
    fake_vmcs[VMCS_QUALIFICATION] = EPT_VIOLATION_WRITE;
    fake_vmcs[VMCS_GUEST_PHYSICAL] = GIB(600);
    exit_for(VMX_EXIT_EPT_VIOLATION);
    touch_works = false;
    if (!setjmp(stopped)) {
        exit_for(VMX_EXIT_EPT_VIOLATION);
        fail();
    }
}

static void io_by_its_qualification(void **state)
{
    (void)state;
    fake_vmcs[VMCS_QUALIFICATION] = 0xb0040000ULL | BIT(3) | 1; /* IN AX, 0xb004 */
    exit_for(VMX_EXIT_IO);
    assert_int_equal(cpu->regs[RDX], 0xb004 | 2 << 16 | 1 << 24);
    fake_vmcs[VMCS_QUALIFICATION] |= IO_STRING;
    exit_for(VMX_EXIT_IO);
    assert_int_equal(EVENT_VECTOR(fake_vmcs[VMCS_ENTRY_EVENT]), GP);
}

static void outs_by_its_description(void **state)
{
    (void)state;
    fake_msr(IA32_VMX_BASIC, VMX_BASIC_STRING_IO_INFO, 0);
    fake_vmcs[VMCS_GUEST_RIP] = 0x1000;
    fake_vmcs[VMCS_EXIT_LENGTH] = 2;
    fake_vmcs[VMCS_QUALIFICATION] = 0x03f80000ULL | IO_STRING | IO_REPEAT | 3; /* REP OUTSD */
    fake_vmcs[VMCS_GUEST_LINEAR] = 0xffff800000001230;
    fake_vmcs[VMCS_INSTRUCTION_INFO] = 2 << 7 | 3 << 15;
    outs_status = OUTS_AGAIN;
    exit_for(VMX_EXIT_IO);
    assert_int_equal(outs_seen.linear, 0xffff800000001230);
    assert_int_equal(outs_seen.mask, ~0ULL);
    assert_int_equal(outs_seen.port, 0x3f8);
    assert_int_equal(outs_seen.size, 4);
    assert_true(outs_seen.repeat);
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 0x1000);
    fake_vmcs[VMCS_INSTRUCTION_INFO] = 0;
    outs_status = OUTS_DONE;
    exit_for(VMX_EXIT_IO);
    assert_int_equal(outs_seen.mask, 0xffff);
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 0x1002);
    assert_int_equal(fake_vmcs[VMCS_ENTRY_EVENT], 0);
    outs_status = OUTS_REFUSED;
    exit_for(VMX_EXIT_IO);
    assert_int_equal(EVENT_VECTOR(fake_vmcs[VMCS_ENTRY_EVENT]), GP);
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 0x1002);
    outs_status = OUTS_DONE; /* but not at CPL 3 */
    fake_vmcs[VMCS_ENTRY_EVENT] = 0;
    fake_vmcs[VMCS_GUEST_ES_RIGHTS + 2 * SEG_SS] = 3 << 5;
    exit_for(VMX_EXIT_IO);
    assert_int_equal(EVENT_VECTOR(fake_vmcs[VMCS_ENTRY_EVENT]), GP);
}

static void what_a_guest_has_not(void **state)
{
    static const u8 reasons[] = {11, 19, 20, 21, 22, 23, 24, 25, 26, 27,
                                 50, 53, 59, 60, 76, 77, 78, 79, 84, 85};

    (void)state;
    for (u32 i = 0; i < COUNT(reasons); i++) {
        fake_vmcs[VMCS_ENTRY_EVENT] = 0;
        exit_for(reasons[i]);
        assert_int_equal(EVENT_VECTOR(fake_vmcs[VMCS_ENTRY_EVENT]), UD);
    }
    assert_int_equal(cpu->exits[EXIT_VIRT_INSN], COUNT(reasons));
    fake_vmcs[VMCS_GUEST_ES_RIGHTS + 2 * SEG_SS] = 3 << 5;
    fake_vmcs[VMCS_ENTRY_EVENT] = 0;
    exit_for(VMX_EXIT_VMCALL);
    assert_int_equal(EVENT_VECTOR(fake_vmcs[VMCS_ENTRY_EVENT]), UD);
}

static void xsetbv_is_the_processors_to_judge(void **state)
{
    (void)state;
    fake_vmcs[VMCS_EXIT_LENGTH] = 3;
    cpu->regs[RAX] = 3;
    exit_for(VMX_EXIT_XSETBV);
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 3);
    cpu->regs[RAX] = 2;
    exit_for(VMX_EXIT_XSETBV);
    assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 3);
    assert_int_equal(EVENT_VECTOR(fake_vmcs[VMCS_ENTRY_EVENT]), GP);
}

/* No other exception of a guest's exits. */
static void a_partitions_machine_checks_exit(void **state)
{
    (void)state;
    vmx_set_controls(cpu);
    assert_int_equal(fake_vmcs[VMCS_EXCEPTION_BITMAP], 0);
    cpu->guest->index = 1;
    vmx_set_controls(cpu);
    assert_int_equal(fake_vmcs[VMCS_EXCEPTION_BITMAP], BIT(18));
    guests_checks = hosts_checks = 0;
    fake_vmcs[VMCS_EXIT_EVENT] = EVENT_VALID | EVENT_HARDWARE << 8 | 18;
    exit_for(VMX_EXIT_EXCEPTION_NMI);
    assert_int_equal(guests_checks, 1);
    fake_vmcs[VMCS_EXIT_EVENT] = EVENT_VALID | EVENT_HARDWARE << 8 | 14;
    if (!setjmp(stopped)) {
        exit_for(VMX_EXIT_EXCEPTION_NMI);
        fail();
    }
    exit_for(VMX_EXIT_FAILED_ENTRY | VMX_EXIT_ENTRY_MCE); /* to be entered again */
    assert_int_equal(hosts_checks, 1);
    assert_int_equal(guests_checks, 1);
}

/* Or its machine check would be a shutdown. It reads what it wrote. */
static void mce_is_a_partitions_view(void **state)
{
    (void)state;
    vmx_write_cr4(cpu, CR4_PAE);
    assert_false(fake_vmcs[VMCS_CR4_MASK] & CR4_MCE);
    cpu->guest->index = 1;
    vmx_write_cr4(cpu, CR4_PAE);
    assert_true(fake_vmcs[VMCS_CR4_MASK] & CR4_MCE);
    assert_true(fake_vmcs[VMCS_GUEST_CR4] & CR4_MCE);
    assert_int_equal(vmx_read_cr4(), CR4_PAE);
    assert_true(mov_cr4(CR4_PAE | CR4_MCE));
    assert_int_equal(vmx_read_cr4(), CR4_PAE | CR4_MCE);
    assert_true(mov_cr4(CR4_PAE));
    assert_int_equal(vmx_read_cr4(), CR4_PAE);
    assert_true(fake_vmcs[VMCS_GUEST_CR4] & CR4_MCE);
}

/* Asked before anything is said: the second time it does not return. */
static void a_refused_entry_asks_whether_it_is_the_second(void **state)
{
    (void)state;
    refusals = 0;
    if (!setjmp(stopped))
        exit_for(VMX_EXIT_FAILED_ENTRY | VMX_EXIT_ENTRY_MSR);
    assert_int_equal(refusals, 1);
    if (!setjmp(stopped))
        vmx_entry_failed(cpu);
    assert_int_equal(refusals, 2);
    if (!setjmp(stopped))
        exit_for(VMX_EXIT_TASK_SWITCH);
    assert_int_equal(refusals, 2);
}

/* Bochs has XSETBV exit before it looks at CPL. */
static void user_code_gets_nothing_done_that_is_privileged(void **state)
{
    static const u8 reasons[] = {VMX_EXIT_XSETBV, VMX_EXIT_INVD, VMX_EXIT_WBINVD,
                                 VMX_EXIT_CR_ACCESS};

    (void)state;
    vmx_write_cr0(cpu, CR0_PE | CR0_ET | CR0_NE);
    fake_vmcs[VMCS_GUEST_ES_RIGHTS + 2 * SEG_SS] = 3 << 5;
    fake_vmcs[VMCS_QUALIFICATION] = RAX << 8; /* MOV to CR0 */
    fake_vmcs[VMCS_EXIT_LENGTH] = 3;
    cpu->regs[RAX] = 3;
    for (u32 i = 0; i < COUNT(reasons); i++) {
        fake_vmcs[VMCS_ENTRY_EVENT] = 0;
        exit_for(reasons[i]);
        assert_int_equal(EVENT_VECTOR(fake_vmcs[VMCS_ENTRY_EVENT]), GP);
        assert_int_equal(fake_vmcs[VMCS_GUEST_RIP], 0);
    }
    assert_int_equal(fake.wbinvds, 0);
    assert_int_equal(cpu->exits[EXIT_XSETBV], 0);
    assert_int_equal(fake_vmcs[VMCS_CR0_SHADOW], CR0_PE | CR0_ET | CR0_NE);
}

static void stops_with_a_report(void **state)
{
    static const u64 reasons[] = {VMX_EXIT_TASK_SWITCH, VMX_EXIT_EPT_MISCONFIG, 1,
                                  VMX_EXIT_FAILED_ENTRY | VMX_EXIT_ENTRY_GUEST,
                                  VMX_EXIT_FAILED_ENTRY | VMX_EXIT_ENTRY_MSR};

    (void)state;
    for (volatile u32 i = 0; i < COUNT(reasons); i++)
        if (!setjmp(stopped)) {
            exit_for(reasons[i]);
            fail();
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(captured_state_is_accepted),
        TEST(captured_debugctl_is_the_guests),
        TEST(null_tr_becomes_a_busy_tss),
        TEST(a_tss_has_a_long_base),
        TEST(state_after_sipi_is_accepted),
        TEST(global_ctrl_without_its_control_is_in_lists),
        TEST(vmxe_is_hidden_and_stays_set),
        TEST(ne_is_the_guests_view),
        TEST(an_nmi_is_delivered_once),
        TEST(an_nmi_waits_for_another_event),
        TEST(an_nmi_waits_for_the_end_of_a_shadow),
        TEST(an_nmi_waits_for_iret),
        TEST(a_machine_check_comes_before_an_nmi),
        TEST(an_interrupted_event_is_delivered_again),
        TEST(an_interrupted_event_goes_before_an_nmi),
        TEST(an_exit_that_interrupts_no_delivery_changes_nothing),
        TEST(an_init_forgets_what_was_being_delivered),
        TEST(an_apic_page_is_no_stack),
        TEST(gp_has_an_error_code_in_protected_mode),
        TEST(a_machine_check_is_injected_as_one),
        TEST(an_nmi_overtakes_no_nmi_that_is_none),
        TEST(after_init_and_sipi_a_core_starts_anew),
        TEST(a_new_life_owes_nothing),
        TEST(what_a_guest_was_owed_is_not_its_successors),
        TEST(a_new_life_steps_when_it_must),
        TEST(a_life_writes_no_field_that_is_not_there),
        TEST(the_signal_is_an_init),
        TEST(a_partitions_core_waits_in_the_host),
        TEST(init_at_the_boot_processor_resets),
        TEST(a_kick_is_no_init),
        TEST(a_second_signal_is_absorbed),
        TEST(a_signal_to_a_paused_core_is_absorbed),
        TEST(an_init_that_comes_with_a_kick_is_not_lost),
        TEST(without_a_held_init_the_timer_ends_it),
        TEST(an_emulated_instruction_ends_like_a_real_one),
        TEST(an_instruction_may_end_at_4_gib),
        TEST(msrs_by_halves),
        TEST(debugctl_is_the_vmcs_s),
        TEST(a_microcode_update_is_loaded_where_it_is),
        TEST(mtrrs_are_mirrored_once_enabled),
        TEST(ept_format),
        TEST(ept_violations),
        TEST(io_by_its_qualification),
        TEST(outs_by_its_description),
        TEST(what_a_guest_has_not),
        TEST(xsetbv_is_the_processors_to_judge),
        TEST(a_partitions_machine_checks_exit),
        TEST(mce_is_a_partitions_view),
        TEST(a_refused_entry_asks_whether_it_is_the_second),
        TEST(user_code_gets_nothing_done_that_is_privileged),
        TEST(stops_with_a_report),
        TEST(a_partition_switches_no_cache_off),
        TEST(a_partition_starts_as_the_boot_protocol_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
