/* Intercepted MSRs on both vendors: what the guest gets, what the processor gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#define cpuid fake_feedback_cpuid
static void fake_feedback_cpuid(u32 leaf, u32 subleaf, u32 out[4]);
#include "pmu/amd.c"
#define read_selectors read_intel_selectors
#undef EVENT
#include "pmu/intel.c"
#include "pmu/lbr_intel.c"
#include "pmu/filter.c"
#include "pmu/policy.c"
#include "msr/rows_amd.c"
#include "msr/rows_intel.c"
#include "msr/rows_partition.c"
#include "msr/msr_table.c"
#include "exits/msr_access.c"
#include "exits/msr_access_amd.c"
#define selector_write intel_selector_write
#include "exits/msr_access_intel.c"

#define USUAL (EVTSEL_EN | EVTSEL_USR | EVTSEL_OS)
#define ALL   (~0ULL)

struct hv hv;
struct pmu pmu;
static u32 denied_msr;
static u64 denied_value;

static struct cpu cpu;
static struct guest guest;
static struct filter filter;
static u32 startups;
static u64 kept_from, kept_to; /* memory that is others' */

bool apic_base_write(struct cpu *self, u64 value)
{
    (void)self;
    return value != 0xbad;
}

u64 partition_apic_base(const struct cpu *self)
{
    (void)self;
    return 0xfee00d00;
}

bool memory_is_kept(u64 base, u64 size)
{
    return base < kept_to && base + size > kept_from;
}

bool ipi_send(const struct cpu *self, u32 low, u32 destination, bool x2apic)
{
    return self == &cpu && x2apic && low != 0xbad && destination == 3;
}

void startup_ipi(struct cpu *self, u32 low, u32 destination, bool x2apic)
{
    assert_true(self == &cpu && icr_is_startup(low) && x2apic && destination == 3);
    startups++;
}

static u32 other_writes;

void watch_other_write(struct cpu *self)
{
    assert_ptr_equal(self, &cpu);
    other_writes++;
}

static u32 feedback_pages = 16;

/* CPUID.6 EDX[11:8]: the table's pages, less one. */
static void fake_feedback_cpuid(u32 leaf, u32 subleaf, u32 out[4])
{
    memset(out, 0, 16);
    if (leaf == 6 && subleaf == 0)
        out[3] = 0xffff00ff | (feedback_pages - 1) << 8;
}

static void start(enum cpu_vendor vendor)
{
    struct policy_cpu processor = {.format = vendor == CPU_AMD ? &filter_format_amd
                                                               : &filter_format_intel,
                                   .architectural = pmu_intel_architectural,
                                   .architectural_count = 7};

    memset(&fake, 0, sizeof(fake));
    memset(&cpu, 0, sizeof(cpu));
    memset(&pmu, 0, sizeof(pmu));
    guest.msr = (struct msr_context){
        .vendor = (u8)vendor, .family = vendor == CPU_AMD ? 0x19 : 6, .model = 0x55};
    cpu.guest = &guest;
    hv.intel = vendor == CPU_INTEL;
    cpu.pmu.core.filter = &filter;
    if (vendor == CPU_INTEL)
        cpu.pmu.intel.caps = (struct pmu_intel_caps){.version = 4, .general = 0xf, .fixed = 7};
    guest.pmu.limits = (struct pmu_intel_limits){.fixed = 3, .policy = &policy_default};
    guest.msr.fixed_restricted = true;
    if (vendor == CPU_AMD)
        processor.architectural = pmu_amd_architectural(0x19, &processor.architectural_count);
    policy_build(&filter, &policy_default, &processor);
}

static void set_mode(enum pmu_mode mode)
{
    cpu.pmu.core.mode = (u8)mode;
    guest.msr.pmu = (u8)mode;
}

static u64 read_ok(u32 msr)
{
    u64 value = 0xdead;

    if (!msr_read(&cpu, msr, &value))
        fail_msg("%x: #GP", msr);
    return value;
}

static bool read_faults(u32 msr)
{
    u64 value;

    return !msr_read(&cpu, msr, &value);
}

void pmu_note_denial(struct cpu *self, u32 msr, u64 value)
{
    denied_msr = msr;
    denied_value = value;
    self->pmu.core.denials.forgotten++;
}

static bool write_ok(u32 msr, u64 value)
{
    return msr_write(&cpu, msr, value);
}

static void selectors_read_back_on_both(void **state)
{
    static const struct {
        enum cpu_vendor vendor;
        u32 msr, alias;
        u64 marks; /* what the hardware has besides */
    } cases[] = {
        {CPU_AMD, 0xc0010204, 0xc0010002, PERF_CTL_GUEST_ONLY},
        {CPU_INTEL, 0x188, 0x1909, 0},
    };
    (void)state;

    for (u32 i = 0; i < COUNT(cases); i++) {
        start(cases[i].vendor);
        fake_msr(cases[i].msr, 0, ALL);
        fake_msr(cases[i].alias, 0, ALL);
        assert_true(write_ok(cases[i].msr, USUAL | 0xc0));
        assert_int_equal(rdmsr(cases[i].msr), USUAL | 0xc0 | cases[i].marks);
        assert_int_equal(read_ok(cases[i].alias), USUAL | 0xc0);
        assert_true(write_ok(cases[i].alias, USUAL | 0x29));
        assert_int_equal(rdmsr(cases[i].alias), 0);
        assert_int_equal(read_ok(cases[i].msr), USUAL | 0x29);
        assert_int_equal(cpu.pmu.core.denials.forgotten, 1);
        assert_int_equal(denied_msr, 0);
        assert_int_equal(denied_value, USUAL | 0x29);
        assert_int_equal(cpu.exits[EXIT_PMU_WRITE], 2);
        assert_int_equal(cpu.exits[EXIT_PMU_READ], 2);
        set_mode(PMU_OFF);
        assert_int_equal(read_ok(cases[i].msr), 0);
        assert_true(write_ok(cases[i].msr, USUAL | 0xc0));
        assert_int_equal(rdmsr(cases[i].alias), 0);
    }
}

/* The first and the last too, each as itself. */
static void every_register_reads_back_what_was_denied(void **state)
{
    static const struct {
        enum cpu_vendor vendor;
        u32 first, last, step;
        u64 denied;
    } cases[] = {
        {CPU_AMD, 0xc0010200, 0xc001020a, 2, USUAL | 0x29},
        {CPU_AMD, 0xc0010000, 0xc0010003, 1, USUAL | 0x29},
        {CPU_INTEL, 0x186, 0x18f, 1, USUAL | 0x29},
        {CPU_INTEL, 0x1901, 0x1925, 4, USUAL | 0x29},
        {CPU_INTEL, 0x1a6, 0x1a7, 1, 0x10000},
        {CPU_INTEL, 0x3f6, 0x3f7, 1, 0x10000},
        {CPU_INTEL, 0x1328, 0x1329, 1, 0x10000},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        start(cases[i].vendor);
        for (u32 msr = cases[i].first; msr <= cases[i].last; msr += cases[i].step) {
            fake_msr(msr, 0, ALL);
            assert_true(write_ok(msr, cases[i].denied | msr << 24));
            assert_int_equal(denied_value, cases[i].denied | msr << 24);
        }
        for (u32 msr = cases[i].first; msr <= cases[i].last; msr += cases[i].step) {
            assert_int_equal(rdmsr(msr), 0);
            assert_int_equal(read_ok(msr), cases[i].denied | msr << 24);
        }
    }
}

static void what_the_processor_lacks_faults(void **state)
{
    static const u32 intel[] = {0x186, 0x18f, 0x1901, 0x1a6, 0x38d, 0x3f7, 0x345,
                                0x3a,  0x1a0, 0xda0,  0x700, 0x611, 0x1328};
    (void)state;

    start(CPU_INTEL);
    for (u32 i = 0; i < COUNT(intel); i++)
        assert_true(read_faults(intel[i]) && !write_ok(intel[i], 0));
    start(CPU_AMD);
    assert_true(read_faults(0xc0010200) && !write_ok(0xc0010200, USUAL | 0xc0));
    assert_true(!write_ok(0xc0010010, 0)); /* SYSCFG is frozen, not invented */
    set_mode(PMU_OFF);
    assert_true(read_faults(0xc0010201) && !write_ok(0xc0010201, 0));
}

static void fixed_counters_are_limited(void **state)
{
    (void)state;
    start(CPU_INTEL);
    fake_msr(IA32_FIXED_CTR_CTRL, 0, 0xbbb);
    assert_true(write_ok(IA32_FIXED_CTR_CTRL, 0x3b3));
    assert_int_equal(rdmsr(IA32_FIXED_CTR_CTRL), 0x0b3);
    assert_int_equal(read_ok(IA32_FIXED_CTR_CTRL), 0x3b3);
    assert_int_equal(cpu.pmu.core.denials.forgotten, 1);
    assert_false(write_ok(IA32_FIXED_CTR_CTRL, 0x3000));
    assert_int_equal(read_ok(IA32_FIXED_CTR_CTRL), 0x3b3);
    cpu.pmu.intel.caps.fixed = 0x77; /* a core of the other kind */
    fake.msr[0].valid = 0xbbb0bbb;
    assert_true(write_ok(IA32_FIXED_CTR_CTRL, 0x3330033));
    assert_int_equal(rdmsr(IA32_FIXED_CTR_CTRL), 0x33);
    assert_int_equal(read_ok(IA32_FIXED_CTR_CTRL), 0x3330033);
}

static void offcore_responses_are_kept_from_the_hardware(void **state)
{
    (void)state;
    start(CPU_INTEL);
    fake_msr(0x1a7, 0, ALL);
    assert_true(write_ok(0x1a7, 0x10001));
    assert_int_equal(rdmsr(0x1a7), 0);
    assert_int_equal(read_ok(0x1a7), 0x10001);
    assert_int_equal(cpu.pmu.core.denials.forgotten, 1);
    assert_int_equal(denied_msr, 0x1a7);
    assert_true(write_ok(0x1a7, 0));
    assert_int_equal(cpu.pmu.core.denials.forgotten, 1);
    set_mode(PMU_FULL); /* it is other cores' affair then, too */
    assert_true(write_ok(0x1a7, 0x10001));
    assert_int_equal(rdmsr(0x1a7), 0);
}

static void edited_reads(void **state)
{
    (void)state;
    start(CPU_INTEL);
    fake_msr(0x3a, BIT(0) | BIT(2) | BIT(5) | BIT(18) | BIT(20), 0);
    fake_msr(0x345, 0x1b7ff, 0);
    fake_msr(0x1a0, 0x850089, ALL);
    fake_msr(0xcf, BIT(1) | BIT(5), 0);
    assert_int_equal(read_ok(0xcf), BIT(5));
    assert_false(write_ok(0xcf, 0));
    assert_int_equal(read_ok(0x3a), BIT(0) | BIT(20));
    assert_false(write_ok(0x3a, 5));
    assert_int_equal(read_ok(0x345), 0x3000);
    assert_false(write_ok(0x345, 0));
    guest.pmu.limits.fixed = 0xf;
    assert_int_equal(read_ok(0x345), 0xb000);
    assert_int_equal(read_ok(0x1a0), 0x851889);
    set_mode(PMU_OFF);
    assert_int_equal(read_ok(0x1a0), 0x851809);
}

/* Firmware's choice of no execute-disable may be undone, not made. */
static void execute_disable_stays(void **state)
{
    (void)state;
    start(CPU_INTEL);
    fake_msr(0x1a0, 1, ALL);
    assert_true(write_ok(0x1a0, BIT(34) | 9));
    assert_int_equal(rdmsr(0x1a0), 9);
    fake.msr[0].value = BIT(34);
    assert_true(write_ok(0x1a0, BIT(34) | 1));
    assert_int_equal(rdmsr(0x1a0), BIT(34) | 1);
    assert_true(write_ok(0x1a0, 1));
    assert_int_equal(rdmsr(0x1a0), 1);
}

static void xss_has_no_hidden_state(void **state)
{
    (void)state;
    start(CPU_INTEL);
    fake_msr(0xda0, 0, 0x1ffff);
    assert_true(write_ok(0xda0, BIT(11)));
    assert_int_equal(rdmsr(0xda0), BIT(11));
    assert_false(write_ok(0xda0, BIT(8)));
    assert_false(write_ok(0xda0, BIT(15)));
    assert_false(write_ok(0xda0, BIT(40))); /* the processor's own #GP */
    assert_int_equal(rdmsr(0xda0), BIT(11));
    guest.msr.granted = BIT(FEATURE_LBR);
    assert_true(
        write_ok(0xda0, 0x1ffff & ~BIT(8))); /* what else is reserved, the processor knows */
    assert_int_equal(rdmsr(0xda0), 0x1ffff & ~BIT(8));
    assert_false(write_ok(0xda0, BIT(15) | BIT(8)));
}

static void zeroed_msrs(void **state)
{
    (void)state;
    start(CPU_INTEL);
    fake_msr(0x396, 4, ALL);
    fake_msr(0x611, 1234, 0);
    assert_int_equal(read_ok(0x396), 0);
    assert_true(write_ok(0x396, 7));
    assert_int_equal(rdmsr(0x396), 4);
    assert_int_equal(read_ok(0x611), 0);
}

static void hardware_feedback_stays_out_of_others_memory(void **state)
{
    (void)state;
    start(CPU_INTEL);
    kept_from = 0x40000000;
    kept_to = 0x40100000;
    fake_msr(0x17d0, 0, MASK(45, 12) | 1);
    assert_true(write_ok(0x17d0, 0x3fff0001));
    assert_int_equal(rdmsr(0x17d0), 0x3fff0001);
    assert_false(write_ok(0x17d0, 0x3fff1001));
    assert_false(write_ok(0x17d0, 0x400ff001));
    assert_int_equal(rdmsr(0x17d0), 0x3fff0001);
    assert_true(write_ok(0x17d0, 0x40100001));
    assert_true(write_ok(0x17d0, 0x40000000)); /* not valid */
    assert_int_equal(rdmsr(0x17d0), 0x40000000);
    assert_false(write_ok(0x17d0, 2)); /* the processor's own #GP */
    assert_int_equal(read_ok(0x17d0), 0x40000000);
    feedback_pages = 1;
    assert_true(write_ok(0x17d0, 0x3ffff001));
    assert_int_equal(rdmsr(0x17d0), 0x3ffff001);
    assert_false(write_ok(0x17d0, 0x40000001));
    feedback_pages = 3;
    assert_true(write_ok(0x17d0, 0x3fffd001));
    assert_false(write_ok(0x17d0, 0x3fffe001));
    feedback_pages = 16;
    kept_from = BIT(51); /* the highest address that there can be */
    kept_to = BIT(52);
    fake.msr[0].valid = MASK(51, 12) | 1;
    assert_false(write_ok(0x17d0, BIT(51) | 1));
    kept_from = kept_to = 0;
    assert_true(write_ok(0x17d0, BIT(51) | 1));
}

static u32 exits_of(u32 reason)
{
    u32 count = (u32)cpu.exits[reason];

    cpu.exits[reason] = 0;
    return count;
}

static u32 all_exits(void)
{
    u32 count = 0;

    for (u32 i = 0; i < COUNT(cpu.exits); i++)
        count += (u32)cpu.exits[i];
    return count;
}

/* Each access counts once, as what it is. */
static void accesses_are_counted(void **state)
{
    static const struct {
        enum cpu_vendor vendor;
        u32 msr;
        u32 read, write;
    } cases[] = {
        {CPU_AMD, 0x10, EXIT_MSR_READ, EXIT_MSR_WRITE}, /* passes, but not through the map */
        {CPU_AMD, 0x1b, EXIT_MSR_READ, EXIT_MSR_WRITE},
        {CPU_AMD, 0x1d9, EXIT_MSR_READ, EXIT_MSR_WRITE},
        {CPU_AMD, 0xc0010010, EXIT_MSR_READ, EXIT_MSR_WRITE},
        {CPU_AMD, 0xc0010015, EXIT_MSR_READ, EXIT_MSR_WRITE},
        {CPU_AMD, 0xc0010114, EXIT_MSR_READ, EXIT_MSR_WRITE},
        {CPU_AMD, 0xc0010117, EXIT_MSR_READ, EXIT_MSR_WRITE},
        {CPU_AMD, 0xc0010206, EXIT_PMU_READ, EXIT_PMU_WRITE},
        {CPU_INTEL, 0x10, EXIT_MSR_READ, EXIT_MSR_WRITE},
        {CPU_INTEL, 0x1b, EXIT_MSR_READ, EXIT_MSR_WRITE},
        {CPU_INTEL, 0x3a, EXIT_MSR_READ, EXIT_MSR_WRITE},
        {CPU_INTEL, 0x1a0, EXIT_MSR_READ, EXIT_MSR_WRITE},
        {CPU_INTEL, 0x611, EXIT_MSR_READ, EXIT_MSR_WRITE},
        {CPU_INTEL, 0x189, EXIT_PMU_READ, EXIT_PMU_WRITE},
        {CPU_INTEL, 0x1909, EXIT_PMU_READ, EXIT_PMU_WRITE},
        {CPU_INTEL, 0x38d, EXIT_PMU_READ, EXIT_PMU_WRITE},
        {CPU_INTEL, 0x1a7, EXIT_PMU_READ, EXIT_PMU_WRITE},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        u64 value;

        start(cases[i].vendor);
        fake_msr(cases[i].msr, 0, ALL);
        msr_read(&cpu, cases[i].msr, &value);
        assert_int_equal(exits_of(cases[i].read), 1);
        msr_write(&cpu, cases[i].msr, 0);
        assert_int_equal(exits_of(cases[i].write), 1);
        assert_int_equal(all_exits(), 0);
    }
}

static void what_passes_is_the_processors(void **state)
{
    (void)state;
    for (u32 vendor = CPU_AMD; vendor <= CPU_INTEL; vendor++) {
        start(vendor);
        fake_msr(0x10, 5, 0xff);
        assert_int_equal(read_ok(0x10), 5);
        assert_true(write_ok(0x10, 7));
        assert_int_equal(rdmsr(0x10), 7);
        assert_false(write_ok(0x10, 0x100));
        assert_true(read_faults(0x11) && !write_ok(0x11, 0)); /* denied */
        fake_msr(0x11, 1, ALL);
        assert_true(read_faults(0x11) && !write_ok(0x11, 0));
        assert_true(read_faults(0x3b) && !write_ok(0x3b, 0)); /* not there */
    }
}

/* In PMU_FULL they are no selectors: nobody judges, nobody keeps a copy. */
static void selectors_are_the_guests_without_a_filter(void **state)
{
    static const u32 msrs[] = {0xc0010208, 0x186};

    (void)state;
    for (u32 vendor = CPU_AMD; vendor <= CPU_INTEL; vendor++) {
        start(vendor);
        set_mode(PMU_FULL);
        fake_msr(msrs[vendor], 3, ALL);
        assert_int_equal(read_ok(msrs[vendor]), 3);
        assert_true(write_ok(msrs[vendor], USUAL | 0x29));
        assert_int_equal(rdmsr(msrs[vendor]), USUAL | 0x29);
        assert_int_equal(cpu.pmu.core.denials.forgotten, 0);
        assert_int_equal(exits_of(EXIT_MSR_READ), 1);
        assert_int_equal(exits_of(EXIT_MSR_WRITE), 1);
    }
}

/* Milan keeps 19 and 42 (pmu/amd.h): the guest reads of these what the processor has. */
static void reserved_bits_read_as_the_processor_keeps_them(void **state)
{
    u32 msr = 0xc0010202;

    (void)state;
    start(CPU_AMD);
    fake_msr(msr, 0, ALL);
    assert_true(write_ok(msr, USUAL | 0xc0 | BIT(42)));
    assert_int_equal(read_ok(msr), USUAL | 0xc0 | BIT(42));
    assert_int_equal(denied_value, USUAL | 0xc0 | BIT(42));
    fake.msr[0].valid = ALL & ~BIT(43);
    assert_false(write_ok(msr, USUAL | 0xc0 | BIT(43)));
    assert_int_equal(read_ok(msr), USUAL | 0xc0 | BIT(42)); /* what faults changes nothing */
    assert_true(write_ok(msr, USUAL | 0xc0));
    assert_int_equal(read_ok(msr), USUAL | 0xc0);
    fake.msr[0].dropped = BIT(36) | BIT(63);
    assert_true(write_ok(msr, USUAL | 0xc0 | BIT(36) | BIT(42) | BIT(63)));
    assert_int_equal(read_ok(msr), USUAL | 0xc0 | BIT(42));
}

/* What a partition finds in place of the machine's. */
static void partitions_find_their_own(void **state)
{
    (void)state;
    for (u32 vendor = CPU_AMD; vendor <= CPU_INTEL; vendor++) {
        start(vendor);
        guest.msr.partition = true;
        guest.index = 1;
        assert_int_equal(read_ok(0x1b), 0xfee00d00);
        assert_int_equal(read_ok(0xbd), 1);          /* LEGACY_XAPIC_DISABLED */
        assert_int_equal(read_ok(0x10a), BIT(21));   /* XAPIC_DISABLE_STATUS is there */
        assert_int_equal(read_ok(0x2ff), 0x800 | 6); /* enabled, write-back */
        assert_int_equal(exits_of(EXIT_MSR_READ), 4);
        fake_msr(0x10a, 0x2b, 0);
        assert_int_equal(read_ok(0x10a), BIT(21) | 0x2b);
        assert_true(write_ok(0x1b, 0xfee00800) && !write_ok(0x1b, 0xbad));
        assert_false(write_ok(0xbd, 0) || write_ok(0x10a, 0));
        guest.index = 0;
    }
    start(CPU_INTEL);
    guest.msr.partition = true;
    guest.index = 1;
    fake_msr(0x1a0, 1, ALL);
    assert_int_equal(read_ok(0x1a0), BIT(11) | BIT(12) | 1);
    guest.index = 0;
}

/* Several guests share the machine: an IPI goes where it is the sender's to send. */
static void ipis_are_sent_for_the_guest_where_several_are(void **state)
{
    static u16 owners[4];

    (void)state;
    for (u32 vendor = CPU_AMD; vendor <= CPU_INTEL; vendor++) {
        start(vendor);
        guest.msr.police_icr = true;
        fake_msr(IA32_APIC_BASE, APIC_BASE_EN | APIC_BASE_EXTD, ALL);
        fake_msr(IA32_X2APIC_ICR, 0, ALL);
        hv.owners = owners;
        assert_true(write_ok(IA32_X2APIC_ICR, 3ULL << 32 | 0x40f0));
        assert_false(write_ok(IA32_X2APIC_ICR, 3ULL << 32 | 0xbad));
        assert_int_equal(rdmsr(IA32_X2APIC_ICR), 0);
        hv.owners = NULL;
        assert_int_equal(exits_of(EXIT_IPI), 2);
        assert_true(write_ok(IA32_X2APIC_ICR, 3ULL << 32 | 0x4500));
        assert_true(write_ok(IA32_X2APIC_ICR, 3ULL << 32 | 0x4603));
        assert_int_equal(exits_of(EXIT_START), 2);
        assert_int_equal(all_exits(), 0);
        fake.msr[1].valid = 0; /* the processor's own #GP */
        assert_false(write_ok(IA32_X2APIC_ICR, 3ULL << 32 | 0x40f0));
    }
}

/* The table sends nothing else there, and it would be denied. */
static void nothing_else_is_handled(void **state)
{
    u64 value = 0;

    (void)state;
    start(CPU_INTEL);
    fake_msr(0x10, 1, ALL);
    fake_msr(0x79, 0, ALL);
    assert_false(intel_read_trapped(&cpu, 0x10, &value));
    assert_false(intel_write_trapped(&cpu, 0x10, 1));
    assert_false(write_ok(0x79, 0x1000)); /* BIOS_UPDT_TRIG is hv/vmx/'s */
    start(CPU_AMD);
    fake_msr(0x10, 1, ALL);
    assert_false(amd_read_trapped(&cpu, 0x10, &value));
    assert_false(amd_write_trapped(&cpu, 0x10, 1));
    assert_int_equal(rdmsr(0x10), 1);
}

/* Of what a guest wrote it reads nothing back where the write faulted. */
static void faulting_writes_change_nothing(void **state)
{
    (void)state;
    start(CPU_INTEL);
    fake_msr(0x188, 0, 0xffffffff);
    fake_msr(0x1a6, 0, 0);
    guest.pmu.limits.policy = &(const struct pmu_policy){
        .aux_count = 1, .aux = {{.mask = ~0ULL, .match = 2, .kind = AUX_OFFCORE}}};
    assert_false(write_ok(0x188, USUAL | 0xc0 | BIT(36)));
    assert_int_equal(read_ok(0x188), 0);
    assert_false(write_ok(0x1a6, 2));
    assert_int_equal(read_ok(0x1a6), 0);
    fake.msr[1].valid = ALL;
    assert_true(write_ok(0x1a6, 2)); /* allowed, and no denial */
    assert_int_equal(rdmsr(0x1a6), 2);
    assert_int_equal(cpu.pmu.core.denials.forgotten, 0);
    guest.pmu.limits.policy = &policy_default;
}

static void icr_where_it_is_policed(void **state)
{
    (void)state;
    for (u32 vendor = CPU_AMD; vendor <= CPU_INTEL; vendor++) {
        start(vendor);
        guest.msr.police_icr = true;
        startups = other_writes = 0;
        fake_msr(IA32_APIC_BASE, APIC_BASE_EN | APIC_BASE_EXTD, ALL);
        fake_msr(IA32_X2APIC_ICR, 0, ALL);
        assert_true(write_ok(IA32_X2APIC_ICR, 3ULL << 32 | 0x4500));
        assert_int_equal(startups, 1);
        assert_int_equal(other_writes, 0);
        assert_int_equal(rdmsr(IA32_X2APIC_ICR), 0);
        assert_true(write_ok(IA32_X2APIC_ICR, 3ULL << 32 | 0x40f0));
        assert_int_equal(rdmsr(IA32_X2APIC_ICR), 3ULL << 32 | 0x40f0);
        assert_int_equal(other_writes, 1);
        fake.msr[0].value = APIC_BASE_EN;
        assert_false(write_ok(IA32_X2APIC_ICR, 0x4500));
        assert_true(write_ok(IA32_APIC_BASE, 0xfee00800) && !write_ok(IA32_APIC_BASE, 0xbad));
    }
}

static void amds_own(void **state)
{
    (void)state;
    start(CPU_AMD);
    fake_msr(MSR_HWCR, HWCR_SMMLOCK, ALL);
    fake_msr(0xc0010010, 5, ALL);
    assert_true(write_ok(MSR_HWCR, 0x40));
    assert_int_equal(rdmsr(MSR_HWCR), 0x40 | HWCR_SMMLOCK);
    assert_true(write_ok(MSR_HWCR, BIT(30) | 0x10));
    assert_int_equal(rdmsr(MSR_HWCR), 0x10 | HWCR_SMMLOCK);
    guest.msr.granted = BIT(FEATURE_IRPERF);
    assert_true(write_ok(MSR_HWCR, BIT(30)));
    assert_int_equal(rdmsr(MSR_HWCR), BIT(30) | HWCR_SMMLOCK);
    guest.msr.granted = 0;
    assert_true(write_ok(MSR_HWCR, 0));
    assert_int_equal(rdmsr(MSR_HWCR), BIT(30) | HWCR_SMMLOCK); /* what was granted stays */
    assert_true(write_ok(MSR_HWCR, 0x40 | HWCR_CPUID_USER_DIS));
    assert_int_equal(rdmsr(MSR_HWCR), BIT(30) | 0x40 | HWCR_SMMLOCK); /* CPUID hides it */
    assert_int_equal(read_ok(MSR_VM_CR), VM_CR_SVMDIS | VM_CR_LOCK);
    assert_true(write_ok(MSR_VM_CR, 0));
    assert_true(write_ok(0xc0010010, 0));
    assert_int_equal(rdmsr(0xc0010010), 5);
    assert_true(read_faults(MSR_VM_HSAVE_PA));
}

static void last_branches_are_not_recorded_on_amd(void **state)
{
    (void)state;
    start(CPU_AMD);
    fake_msr(IA32_DEBUGCTL, 0, 0x1807);
    fake_msr(0x1db, 0x1234, ALL);
    assert_true(write_ok(IA32_DEBUGCTL, 0x1803));
    assert_int_equal(rdmsr(IA32_DEBUGCTL), 0x1802);
    assert_int_equal(read_ok(IA32_DEBUGCTL), 0x1802);
    assert_false(write_ok(IA32_DEBUGCTL, 0x10)); /* the processor's own #GP */
    assert_int_equal(read_ok(0x1db), 0);
    assert_true(read_faults(0x1dc)); /* not there bare */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selectors_read_back_on_both),
        cmocka_unit_test(every_register_reads_back_what_was_denied),
        cmocka_unit_test(what_the_processor_lacks_faults),
        cmocka_unit_test(fixed_counters_are_limited),
        cmocka_unit_test(offcore_responses_are_kept_from_the_hardware),
        cmocka_unit_test(edited_reads),
        cmocka_unit_test(execute_disable_stays),
        cmocka_unit_test(xss_has_no_hidden_state),
        cmocka_unit_test(zeroed_msrs),
        cmocka_unit_test(hardware_feedback_stays_out_of_others_memory),
        cmocka_unit_test(icr_where_it_is_policed),
        cmocka_unit_test(amds_own),
        cmocka_unit_test(accesses_are_counted),
        cmocka_unit_test(what_passes_is_the_processors),
        cmocka_unit_test(selectors_are_the_guests_without_a_filter),
        cmocka_unit_test(reserved_bits_read_as_the_processor_keeps_them),
        cmocka_unit_test(partitions_find_their_own),
        cmocka_unit_test(ipis_are_sent_for_the_guest_where_several_are),
        cmocka_unit_test(nothing_else_is_handled),
        cmocka_unit_test(faulting_writes_change_nothing),
        cmocka_unit_test(last_branches_are_not_recorded_on_amd),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
