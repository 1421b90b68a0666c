/* Guest, host and control fields, one by one, against what the SDM (volume 3) wants in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"

enum { ES, CS, SS, DS, FS, GS, LDTR, TR };

/* What firmware left in the registers. */
static u16 loaded[8];
static u64 firmware_cr0, dr6, leaf;
static bool breakpoints_cleared;

static void cpuid_of_version(u32 number, u32 subleaf, u32 out[4])
{
    (void)subleaf;
    leaf = number;
    out[0] = 0x806ec;
    out[1] = out[2] = out[3] = 0x5555;
}

#define read_es()                    loaded[ES]
#define read_cs()                    loaded[CS]
#define read_ss()                    loaded[SS]
#define read_ds()                    loaded[DS]
#define read_fs()                    loaded[FS]
#define read_gs()                    loaded[GS]
#define read_ldtr()                  loaded[LDTR]
#define read_tr()                    loaded[TR]
#define read_cr0()                   firmware_cr0
#define read_cr3()                   0x7654321000ULL
#define read_dr7()                   0x401ULL
#define write_dr6(value)             (dr6 = (value))
#define clear_cr2_and_breakpoints()  (breakpoints_cleared = true)
#define cpuid(number, subleaf, regs) cpuid_of_version(number, subleaf, regs)

#include "fake/fake_vmx.h"
#include "fake/vmcs_check.h"
#include "vmx/lbr.c"
#include "vmx/state.c"
#include "vmx/cr.c"
#include "vmx/ept.c"
#include "vmx/event.c"
#include "vmx/pebs.c"

struct hv hv;
struct vmx vmx;
const char vmx_exited[1], vmx_exited_list[1];

static u8 *block;
static struct cpu *cpu;
static struct guest guest;
static struct boot_guest boot;
static struct launch launch;

struct host_tables host_tables(struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    return (struct host_tables){.gdt = 0x1100, .idt = 0x2200, .tss = 0x3300};
}

u64 *memory_root(const struct cpu *self)
{
    assert_ptr_equal(self, cpu);
    return (u64 *)0x123000;
}

u8 memory_type_at(u64 gpa)
{
    return (u8)(gpa >> 40);
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
    return value | (u64)granted << 32;
}

#define CR0_OF_FIRMWARE 0x80010013ULL /* PG, WP, ET, MP, PE */
#define CR4_OF_FIRMWARE 0x668ULL
#define GUEST_ENTRY     (ENTRYCTL_LOAD_EFER | ENTRYCTL_LOAD_PAT)

/* CR0.NE and CR4.VMXE must be 1; no feature that has a field of its own. */
static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(&fake_invept, 0, sizeof(fake_invept));
    memset(&fake_invvpid, 0, sizeof(fake_invvpid));
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0x77, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    memset(cpu->exits, 0, sizeof(cpu->exits));
    guest = (struct guest){.boot = &boot, .io_map = 0x50000, .msr_map = 0x70000};
    guest.map.levels = 4;
    guest.msr.granted = 0x5a;
    cpu->guest = &guest;
    hv = (struct hv){.host_cr3 = 0xaaa000, .lean_cr3 = 0xbbb000, .host_cr4 = 0x300668};
    vmx = (struct vmx){.cr0_fixed0 = CR0_PE | CR0_PG | CR0_NE,
                       .cr0_fixed1 = 0xffffffff,
                       .cr4_fixed0 = CR4_VMXE,
                       .cr4_fixed1 = 0x3767ff};
    vmx.hidden.cr4 = CR4_VMXE | CR4_SMXE;
    vmx.controls.word[WORD_ENTRY] = GUEST_ENTRY;
    memset(loaded, 0, sizeof(loaded));
    firmware_cr0 = CR0_OF_FIRMWARE;
    dr6 = leaf = 0;
    breakpoints_cleared = false;
    vmcs_forget();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    memset(&fake_gdt[1], 0, sizeof(fake_gdt) - 8);
    free(block);
    return 0;
}

/* --- tables ----------------------------------------------------------------------------------- */

/* 25.4.2, 25.8.3: no event, nothing pending, no shadow VMCS. */
static const struct vmcs_row quiet[] = {
    {0x2800, ~0ULL}, /* link pointer */
    {0x4016, 0},     /* entry interruption information */
    {0x4824, 0},     /* interruptibility */
    {0x4826, 0},     /* activity */
    {0x6822, 0},     /* pending debug exceptions */
};

static void want_segment(u32 which, u16 selector, u64 base, u64 limit, u64 rights)
{
    vmcs_want(0x800 + 2 * which, selector);
    vmcs_want(0x6806 + 2 * which, base);
    vmcs_want(0x4800 + 2 * which, limit);
    vmcs_want(0x4814 + 2 * which, rights);
}

static void want_tables(u64 gdt, u64 gdt_limit, u64 idt, u64 idt_limit)
{
    vmcs_want(0x6816, gdt);
    vmcs_want(0x4810, gdt_limit);
    vmcs_want(0x6818, idt);
    vmcs_want(0x4812, idt_limit);
}

/* Mask, shadow and the register itself: 25.6.6. */
static void want_cr0(u64 mask, u64 shadow, u64 real)
{
    vmcs_want(0x6000, mask);
    vmcs_want(0x6004, shadow);
    vmcs_want(0x6800, real);
}

static void want_cr4(u64 mask, u64 shadow, u64 real)
{
    vmcs_want(0x6002, mask);
    vmcs_want(0x6006, shadow);
    vmcs_want(0x6804, real);
}

static void want_efer(u64 efer, u64 entry_controls)
{
    vmcs_want(0x2806, efer);
    vmcs_want(0x4012, entry_controls);
}

/* --- capture ---------------------------------------------------------------------------------- */

/* As figure 3-8 has it; `rights` in the format of the VMCS (table 25-2). */
static u64 descriptor(u64 base, u64 limit, u64 rights)
{
    return (limit & 0xffff) | (base & 0xffffff) << 16 | (rights & 0xff) << 40 |
           (limit >> 16 & 0xf) << 48 | (rights >> 12 & 0xf) << 52 | (base >> 24 & 0xff) << 56;
}

/* No two alike: 64-bit code, read-only data with 4 KiB granularity that was never accessed, ring 3
 * with one-byte granularity, expand-down with D/B and AVL. */
static void firmware_has_loaded_segments(void)
{
    fake_gdt[1] = descriptor(0, 0xfffff, 0xa09b);
    fake_gdt[2] = descriptor(0x89abcdef, 0x12345, 0xc090);
    fake_gdt[3] = descriptor(0x00654321, 0xfedcb, 0x40f3);
    fake_gdt[4] = descriptor(0xff000000, 0x00fff, 0x5097);
    fake_gdt[5] = descriptor(0x76543210, 0x000ff, 0x0082);
    fake_gdt[6] = 0x1234ffff80000000; /* reserved above the base's half */
    loaded[ES] = 0x10;
    loaded[CS] = 0x08;
    loaded[SS] = 0x23;
    loaded[DS] = 0x1b;
    loaded[FS] = 0x03; /* null, whatever its RPL */
    loaded[GS] = 0x13;
    loaded[LDTR] = 0x28;
}

static void want_the_segments_that_are_loaded(void)
{
    want_segment(ES, 0x10, 0x89abcdef, 0x12345fff, 0xc091);
    want_segment(CS, 0x08, 0, 0xffffffff, 0xa09b);
    want_segment(SS, 0x23, 0xff000000, 0xfff, 0x5097);
    want_segment(DS, 0x1b, 0x654321, 0xfedcb, 0x40f3);
    want_segment(FS, 0x03, 0xf5f5f5f5f5f5f5f5, 0, 0x10000);
    want_segment(GS, 0x13, 0x6565656565656565, 0x12345fff, 0xc091);
    want_segment(LDTR, 0x28, 0x8000000076543210, 0xff, 0x82);
    want_segment(TR, 0, 0, 0x67, 0x8b); /* 27.3.1.2: usable and busy, though none is loaded */
    want_tables((u64)fake_gdt, sizeof(fake_gdt) - 1, 0x5000, 0xfff);
}

static void firmware_has_set_msrs(void)
{
    fake_msr(IA32_FS_BASE, 0xf5f5f5f5f5f5f5f5, 0);
    fake_msr(IA32_GS_BASE, 0x6565656565656565, 0);
    fake_msr(IA32_PAT, 0x0102030405060700, 0);
    fake_msr(IA32_DEBUGCTL, 0x4002, 0);
    fake_msr(IA32_SYSENTER_CS, 0x88, 0);
    fake_msr(IA32_SYSENTER_ESP, 0x99, 0);
    fake_msr(IA32_SYSENTER_EIP, 0xaa, 0);
    fake_msr(IA32_EFER, EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE, 0);
}

static const struct vmcs_row captured[] = {
    {0x2802, 0x5a00004002},       /* DEBUGCTL, as far as it is granted */
    {0x2804, 0x0102030405060700}, /* PAT */
    {0x482a, 0x88},               /* SYSENTER */
    {0x6824, 0x99},
    {0x6826, 0xaa},
    {0x6802, 0x7654321000}, /* CR3 */
    {0x681a, 0x401},        /* DR7 */
    {0x6820, 2},            /* RFLAGS */
    {0x681e, 0x1234},       /* RIP */
};

static void capture_is_wanted(void)
{
    firmware_has_loaded_segments();
    firmware_has_set_msrs();
    vmcs_want_rows(quiet, COUNT(quiet));
    vmcs_want_rows(captured, COUNT(captured));
    vmcs_want(0x681c, (u64)&launch + sizeof(launch));
    want_the_segments_that_are_loaded();
    want_efer(0xd01, GUEST_ENTRY | 0x200); /* "IA-32e mode guest" as EFER.LMA (27.3.1.1) */
    want_cr0(0x20, CR0_OF_FIRMWARE, CR0_OF_FIRMWARE | 0x20);
    want_cr4(0x6000, CR4_OF_FIRMWARE, CR4_OF_FIRMWARE | 0x2000);
}

static void capture(u64 ssp)
{
    launch = (struct launch){
        .rbx = 0xb, .rbp = 0xbb, .r12 = 12, .r13 = 13, .r14 = 14, .r15 = 15, .rip = 0x1234};
    vmx_capture_state(cpu, &launch, ssp,
                      (struct control_registers){CR0_OF_FIRMWARE, CR4_OF_FIRMWARE});
}

static void firmwares_state_is_captured(void **state)
{
    (void)state;
    capture_is_wanted();
    capture(0);
    vmcs_is_as_wanted();
}

/* The loader's call returns, in the guest, with what an ABI lets it rely on. */
static void the_loader_finds_its_registers(void **state)
{
    (void)state;
    capture_is_wanted();
    capture(0);
    assert_int_equal(cpu->regs[RAX], 0);
    assert_int_equal(cpu->regs[RBX], 0xb);
    assert_int_equal(cpu->regs[RBP], 0xbb);
    assert_int_equal(cpu->regs[R12], 12);
    assert_int_equal(cpu->regs[R13], 13);
    assert_int_equal(cpu->regs[R14], 14);
    assert_int_equal(cpu->regs[R15], 15);
}

static void a_tss_of_firmwares_is_kept_and_busy(void **state)
{
    (void)state;
    capture_is_wanted();
    fake_gdt[5] = descriptor(0x12345678, 0x2067, 0x0089);
    fake_gdt[6] = 0xffff9000;
    loaded[TR] = 0x28;
    loaded[LDTR] = 0;
    want_segment(TR, 0x28, 0xffff900012345678, 0x2067, 0x8b);
    want_segment(LDTR, 0, 0, 0, 0x10000);
    capture(0);
    vmcs_is_as_wanted();
}

static void outside_long_mode_the_entry_is_not_to_it(void **state)
{
    (void)state;
    capture_is_wanted();
    fake.msr[fake_msr_index(IA32_EFER)].value = EFER_LME;
    want_efer(EFER_LME, GUEST_ENTRY);
    capture(0);
    vmcs_is_as_wanted();
}

static void global_ctrl_is_captured_where_it_exists(void **state)
{
    (void)state;
    capture_is_wanted();
    vmx.global_ctrl = true;
    fake_msr(IA32_PERF_GLOBAL_CTRL, 0x70000000f, 0);
    vmcs_want(0x2808, 0x70000000f);
    capture(0);
    vmcs_is_as_wanted();
}

static void global_ctrl_is_captured_into_its_list(void **state)
{
    (void)state;
    capture_is_wanted();
    vmx.global_ctrl = vmx.global_list = true;
    fake_msr(IA32_PERF_GLOBAL_CTRL, 0x70000000f, 0);
    capture(0);
    vmcs_is_as_wanted();
    assert_int_equal(cpu->vmx.guest_global.value, 0x70000000f);
}

static void bounds_are_captured_where_an_entry_loads_them(void **state)
{
    (void)state;
    capture_is_wanted();
    vmx.controls.word[WORD_ENTRY] |= ENTRYCTL_LOAD_BND;
    fake_msr(IA32_BNDCFGS, 0x7003, 0);
    vmcs_want(0x2812, 0x7003);
    vmcs_want(0x4012, GUEST_ENTRY | 0x10200);
    capture(0);
    vmcs_is_as_wanted();
}

/* The call to HV_START has pushed 8 bytes, which its return in the guest will not pop. */
static void shadow_stacks_are_captured_where_an_entry_loads_them(void **state)
{
    (void)state;
    capture_is_wanted();
    vmx.controls.word[WORD_ENTRY] |= ENTRYCTL_LOAD_CET;
    fake_msr(IA32_S_CET, 3, 0);
    fake_msr(IA32_INT_SSP_TAB, 0x8800, 0);
    vmcs_want(0x4012, GUEST_ENTRY | 0x100200);
    vmcs_want(0x6828, 3);
    vmcs_want(0x682a, 0x9000);
    vmcs_want(0x682c, 0x8800);
    capture(0x8ff8);
    vmcs_is_as_wanted();
    vmcs_want(0x682a, 0); /* not in use */
    capture(0);
    vmcs_is_as_wanted();
}

/* --- INIT and SIPI ---------------------------------------------------------------------------- */

static const struct vmcs_row reset[] = {
    {0x6802, 0},     /* CR3 */
    {0x681a, 0x400}, /* DR7 */
    {0x6820, 2},     /* RFLAGS */
    {0x681c, 0},     /* RSP */
    {0x681e, 0},     /* RIP */
};

/* Table 10-1, column INIT. VM entry wants TR busy (27.3.1.2). */
static void reset_is_wanted(void)
{
    vmcs_want_rows(quiet, COUNT(quiet));
    vmcs_want_rows(reset, COUNT(reset));
    for (u32 i = ES; i <= GS; i++)
        want_segment(i, 0, 0, 0xffff, 0x93);
    want_segment(LDTR, 0, 0, 0xffff, 0x82);
    want_segment(TR, 0, 0, 0xffff, 0x8b);
    want_tables(0, 0xffff, 0, 0xffff);
    want_efer(0, vmx.controls.word[WORD_ENTRY]);
    want_cr0(0x20, 0x10, 0x30);
    want_cr4(0x6000, 0, 0x2000);
}

static void sipi_is_wanted(u64 vector)
{
    reset_is_wanted();
    want_segment(CS, (u16)(vector << 8), vector << 12, 0xffff, 0x9b); /* 10.4.4 */
}

static void a_core_starts_as_after_init_and_sipi(void **state)
{
    static const u8 vectors[] = {0x01, 0x9a, 0xff};

    (void)state;
    for (u32 i = 0; i < COUNT(vectors); i++) {
        vmcs_forget();
        sipi_is_wanted(vectors[i]);
        vmx_reset_state(cpu, vectors[i]);
        vmcs_is_as_wanted();
    }
}

/* 10.1.2: RDX tells the processor's version. */
static void its_registers_are_those_of_a_reset(void **state)
{
    (void)state;
    vmx_reset_state(cpu, 1);
    for (u32 i = 0; i < REGISTERS; i++)
        assert_int_equal(cpu->regs[i], i == RDX ? 0x806ec : 0);
    assert_int_equal(leaf, 1);
    assert_int_equal(dr6, 0xffff0ff0);
    assert_true(breakpoints_cleared);
    assert_int_equal(cpu->apic_id, 0x77777777); /* nothing beyond them */
}

/* Note 2 of table 10-1. */
static void init_leaves_the_caches_as_they_are(void **state)
{
    (void)state;
    firmware_cr0 = CR0_OF_FIRMWARE | CR0_CD;
    sipi_is_wanted(1);
    want_cr0(0x20, 0x40000010, 0x40000030);
    vmx_reset_state(cpu, 1);
    vmcs_is_as_wanted();
    firmware_cr0 = CR0_OF_FIRMWARE | CR0_CD | CR0_NW;
    want_cr0(0x20, 0x60000010, 0x60000030);
    vmx_reset_state(cpu, 1);
    vmcs_is_as_wanted();
}

static void init_switches_shadow_stacks_off(void **state)
{
    (void)state;
    vmx.controls.word[WORD_ENTRY] |= ENTRYCTL_LOAD_CET;
    sipi_is_wanted(1);
    vmcs_want(0x6828, 0);
    vmcs_want(0x682a, 0);
    vmcs_want(0x682c, 0);
    vmx_reset_state(cpu, 1);
    vmcs_is_as_wanted();
}

/* 29.4.3.3; reserved bits of the descriptor must be 0 (31.3). */
static void nothing_is_left_of_its_translations(void **state)
{
    (void)state;
    vmx_reset_state(cpu, 1);
    assert_int_equal(fake_invvpid.count, 0); /* without VPIDs the entry flushes (29.4.3.1) */
    vmx.controls.word[WORD_SECONDARY] = SECONDARY_VPID;
    vmx_reset_state(cpu, 1);
    assert_int_equal(fake_invvpid.count, 1);
    assert_int_equal(fake_invvpid.type, 2); /* all contexts */
    assert_int_equal(fake_invvpid.what.first, 0);
    assert_int_equal(fake_invvpid.what.second, 0);
    assert_int_equal(fake_invept.count, 0);
}

/* --- the boot protocol ------------------------------------------------------------------------ */

/* Linux' 64-bit boot protocol, and boot_info.h: code at 10H, data at 18H, flat. */
static void a_partitions_boot_core_starts_in_64_bit_mode(void **state)
{
    (void)state;
    guest.index = 2;
    boot.entry = 0x1000200;
    boot.boot_params = 0x90000;
    boot.cr3 = 0x81000;
    boot.gdt = 0x80000;
    reset_is_wanted();
    for (u32 i = ES; i <= DS; i++)
        want_segment(i, 0x18, 0, 0xffffffff, 0xc093);
    want_segment(CS, 0x10, 0, 0xffffffff, 0xa09b);
    want_tables(0x80000, 31, 0, 0xffff);
    want_efer(0x500, GUEST_ENTRY | 0x200);
    want_cr0(0x60000020, 0x80000031, 0x80000031);
    want_cr4(0x6040, 0x20, 0x2060);
    vmcs_want(0x6802, 0x81000);
    vmcs_want(0x681e, 0x1000200);
    vmx_boot_state(cpu);
    vmcs_is_as_wanted();
    assert_int_equal(cpu->regs[RSI], 0x90000);
    assert_int_equal(cpu->regs[RDI], 0);
}

/* --- host ------------------------------------------------------------------------------------- */

/* 27.2.2 to 27.2.4. */
static const struct vmcs_row host[] = {
    {0x0c00, 0x10},
    {0x0c02, 0x08}, /* ES, CS */
    {0x0c04, 0x10},
    {0x0c06, 0x10}, /* SS, DS */
    {0x0c08, 0},
    {0x0c0a, 0}, /* FS, GS */
    {0x0c0c, 0x18},
    {0x6c0a, 0x3300}, /* TR */
    {0x6c06, 0},
    {0x6c08, 0}, /* bases of FS and GS */
    {0x6c0c, 0x1100},
    {0x6c0e, 0x2200}, /* GDTR, IDTR */
    {0x6c00, 0x80010033},
    {0x6c04, 0x300668}, /* CR0, CR4 */
    {0x2c00, 0x0007040600070406},
    {0x2c02, 0xd00}, /* PAT, EFER */
    {0x4c00, 0},
    {0x6c10, 0},
    {0x6c12, 0}, /* SYSENTER */
};

static void host_is_wanted(void)
{
    vmcs_want_rows(host, COUNT(host));
    vmcs_want(0x6c02, 0xaaa000); /* CR3 */
    vmcs_want(0x6c14, (u64)cpu); /* RSP */
    vmcs_want(0x6c16, (u64)vmx_exited);
}

static void an_exit_loads_the_hosts_state(void **state)
{
    (void)state;
    host_is_wanted();
    vmx_host_state(cpu);
    vmcs_is_as_wanted();
}

static void of_a_partition_an_exit_sees_little_memory(void **state)
{
    (void)state;
    guest.index = 1;
    host_is_wanted();
    vmcs_want(0x6c02, 0xbbb000);
    vmx_host_state(cpu);
    vmcs_is_as_wanted();
}

static void an_exit_stops_the_counters_and_shadow_stacks(void **state)
{
    (void)state;
    vmx.controls.word[WORD_EXIT] = EXITCTL_LOAD_GLOBAL;
    host_is_wanted();
    vmcs_want(0x2c04, 0);
    vmx_host_state(cpu);
    vmcs_is_as_wanted();
    vmcs_forget();
    vmx.controls.word[WORD_EXIT] = EXITCTL_LOAD_CET;
    host_is_wanted();
    vmcs_want(0x6c18, 0);
    vmcs_want(0x6c1a, 0);
    vmcs_want(0x6c1c, 0);
    vmx_host_state(cpu);
    vmcs_is_as_wanted();
}

static void with_lists_an_exit_goes_elsewhere(void **state)
{
    (void)state;
    vmx.global_list = true;
    host_is_wanted();
    vmcs_want(0x6c16, (u64)vmx_exited_list);
    vmx_host_state(cpu);
    vmcs_is_as_wanted();
}

/* --- controls --------------------------------------------------------------------------------- */

/* No two words alike. */
static void controls_are_wanted(void)
{
    vmx.controls.word[WORD_PIN] = 0x16;
    vmx.controls.word[WORD_PRIMARY] = 0x92006172;
    vmx.controls.word[WORD_SECONDARY] = 0x8a;
    vmx.controls.word[WORD_EXIT] = 0x3c6fff;
    vmx.wbinvd_exits = SECONDARY_WBINVD;
    vmcs_want(0x4000, 0x16);
    vmcs_want(0x4002, 0x92006172);
    vmcs_want(0x401e, 0x8a);
    vmcs_want(0x400c, 0x3c6fff);
    vmcs_want(0x4004, 0); /* exceptions */
    vmcs_want(0x4006, 0);
    vmcs_want(0x4008, 0);
    vmcs_want(0x400a, 0); /* CR3 targets */
    vmcs_want(0x2000, 0x50000);
    vmcs_want(0x2002, 0x51000);
    vmcs_want(0x2004, 0x70000);
    vmcs_want(0x201a, 0x123000 | 3 << 3 | 6); /* 4 levels, write-back: table 25-9 */
    vmcs_want(0x2006, (u64)&cpu->vmx.guest_global);
    vmcs_want(0x200a, (u64)&cpu->vmx.guest_global);
    vmcs_want(0x2008, (u64)&cpu->vmx.host_global);
    vmcs_want(0x400e, 0);
    vmcs_want(0x4010, 0);
    vmcs_want(0x4014, 0);
}

static void the_guest_keeps_what_need_not_exit(void **state)
{
    (void)state;
    controls_are_wanted();
    vmx_set_controls(cpu);
    vmcs_is_as_wanted();
}

/* Its machine checks (hv/host/machine_check.c), and WBINVD, which is the machine's. */
static void a_partition_has_exits_of_its_own(void **state)
{
    (void)state;
    guest.index = 1;
    controls_are_wanted();
    vmcs_want(0x4004, 1 << 18);
    vmcs_want(0x401e, 0xca);
    vmx_set_controls(cpu);
    vmcs_is_as_wanted();
    vmx.wbinvd_exits = 0; /* not to be had */
    vmcs_want(0x401e, 0x8a);
    vmx_set_controls(cpu);
    vmcs_is_as_wanted();
}

static void rdpmc_exits_where_there_is_no_pmu(void **state)
{
    (void)state;
    guest.pmu.mode = PMU_OFF;
    controls_are_wanted();
    vmcs_want(0x4002, 0x92006172 | 1 << 11);
    vmx_set_controls(cpu);
    vmcs_is_as_wanted();
    guest.pmu.mode = PMU_FULL;
    vmcs_want(0x4002, 0x92006172);
    vmx_set_controls(cpu);
    vmcs_is_as_wanted();
}

/* A field that belongs to a control exists where the control does (25.1 of VMWRITE). */
static void each_control_brings_its_field(void **state)
{
    static const struct {
        u32 control, field;
        u64 value;
    } rows[] = {
        {1 << 5, 0x0000, 1},      /* VPID, which must not be 0 (27.2.1.1) */
        {1 << 20, 0x202c, 0},     /* XSAVES: no component exits */
        {1 << 15, 0x202e, ~0ULL}, /* ENCLS: all exit */
    };

    (void)state;
    for (u32 i = 0; i < COUNT(rows); i++) {
        vmcs_forget();
        controls_are_wanted();
        vmx.controls.word[WORD_SECONDARY] |= rows[i].control;
        vmcs_want(0x401e, 0x8a | rows[i].control);
        vmcs_want(rows[i].field, rows[i].value);
        vmx_set_controls(cpu);
        vmcs_is_as_wanted();
    }
}

/* 25.7.2, 25.8.2: a list is used where the MSR exists and no control switches it. */
static void lists_switch_what_exists_and_has_no_control(void **state)
{
    (void)state;
    for (u32 i = 0; i < 4; i++) {
        bool exists = i & 1, list = i & 2, used = exists && list;

        vmx.global_ctrl = exists;
        vmx.global_list = list;
        cpu->vmx.guest_pebs.value = 1; /* of another life */
        memset(&cpu->vmx.host_global, 0, sizeof(cpu->vmx.host_global));
        memset(&cpu->vmx.guest_global, 0, sizeof(cpu->vmx.guest_global));
        controls_are_wanted();
        vmcs_want(0x400e, used);
        vmcs_want(0x4010, used);
        vmcs_want(0x4014, used);
        vmx_set_controls(cpu);
        vmcs_is_as_wanted();
        assert_int_equal(cpu->vmx.guest_global.msr, 0x38f);
        assert_int_equal(cpu->vmx.host_global.msr, 0x38f);
        assert_int_equal(cpu->vmx.host_global.value, 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(firmwares_state_is_captured),
        TEST(the_loader_finds_its_registers),
        TEST(a_tss_of_firmwares_is_kept_and_busy),
        TEST(outside_long_mode_the_entry_is_not_to_it),
        TEST(global_ctrl_is_captured_where_it_exists),
        TEST(global_ctrl_is_captured_into_its_list),
        TEST(bounds_are_captured_where_an_entry_loads_them),
        TEST(shadow_stacks_are_captured_where_an_entry_loads_them),
        TEST(a_core_starts_as_after_init_and_sipi),
        TEST(its_registers_are_those_of_a_reset),
        TEST(init_leaves_the_caches_as_they_are),
        TEST(init_switches_shadow_stacks_off),
        TEST(nothing_is_left_of_its_translations),
        TEST(a_partitions_boot_core_starts_in_64_bit_mode),
        TEST(an_exit_loads_the_hosts_state),
        TEST(of_a_partition_an_exit_sees_little_memory),
        TEST(an_exit_stops_the_counters_and_shadow_stacks),
        TEST(with_lists_an_exit_goes_elsewhere),
        TEST(the_guest_keeps_what_need_not_exit),
        TEST(a_partition_has_exits_of_its_own),
        TEST(rdpmc_exits_where_there_is_no_pmu),
        TEST(each_control_brings_its_field),
        TEST(lists_switch_what_exists_and_has_no_control),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
