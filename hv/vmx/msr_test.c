/* MSRs that VT-x keeps in the VMCS, or whose writes have effects beyond the processor; microcode
 * updates among them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "fake/fake_vmx.h"
#include "vmx/lbr.c"
#include "vmx/msr.c"
#include "vmx/microcode.c"

struct hv hv;
struct vmx vmx;
struct lock log_lock;

static struct guest guest;
static struct cpu cpu;
static u32 elsewhere; /* MSRs that are the same on both vendors' machines, and their last: */
static u32 elsewhere_msr;
static u64 elsewhere_value, retyped, core_noticed;
static u32 retypes, flushes, notices;
static bool accepted;

bool msr_write(struct cpu *self, u32 msr, u64 value)
{
    assert_ptr_equal(self, &cpu);
    elsewhere++;
    elsewhere_msr = msr;
    elsewhere_value = value;
    return accepted;
}

static u32 pebs = ~0U; /* the MSR that is PEBS', if one is */

bool vmx_is_pebs(const struct cpu *self, u32 msr)
{
    assert_ptr_equal(self, &cpu);
    return msr == pebs;
}

bool vmx_pebs_write(struct cpu *self, u32 msr, u64 value)
{
    assert_ptr_equal(self, &cpu);
    assert_int_equal(msr, pebs);
    elsewhere_value = value;
    return accepted;
}

static u64 refused;

u64 pmu_intel_debugctl(u32 granted, u64 value)
{
    assert_int_equal(granted, 0x5a);
    return value & ~refused;
}

void memory_types_update(u64 mask)
{
    retypes++;
    retyped = mask;
}

void vmx_flush_ept(void)
{
    assert_int_equal(retypes, flushes + 1); /* after the entries have changed */
    flushes++;
}

void log_line(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    core_noticed = va_arg(list, u64);
    va_end(list);
    notices++;
}

/* --- the guest's memory: linear addresses from `mapped` on are at physical 1 GiB on ------------
 */

static u64 mapped, mapped_end, other_page, mask_seen;
static u8 content[3 * PAGE_SIZE];
static u32 readable; /* of what is asked for */

bool memory_read(void *context, u64 gpa, void *buffer, u32 size)
{
    (void)context;
    (void)gpa;
    (void)buffer;
    (void)size;
    return false;
}

static void look_at(const struct guest_memory *memory, const struct guest_paging *paging)
{
    assert_ptr_equal(memory->read, memory_read);
    assert_ptr_equal(memory->context, &guest);
    mask_seen = memory->address_mask;
    assert_int_equal(paging->cr0, 0x80000011);
    assert_int_equal(paging->cr3, 0x7000);
    assert_int_equal(paging->cr4, 0x20);
    assert_int_equal(paging->efer, 0x500);
}

u32 guest_read(const struct guest_memory *memory, const struct guest_paging *paging, u64 linear,
               void *buffer, u32 size)
{
    u32 got = MIN(size, readable);

    look_at(memory, paging);
    memcpy(buffer, content + (linear - mapped), got);
    return got;
}

bool guest_translate(const struct guest_memory *memory, const struct guest_paging *paging,
                     u64 linear, u64 *gpa)
{
    look_at(memory, paging);
    *gpa = GIB(1) + (linear - mapped);
    if (ALIGN_DOWN(linear, PAGE_SIZE) == other_page)
        *gpa += GIB(1);
    return linear >= mapped && linear < mapped_end;
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(fake_vmcs, 0, sizeof(fake_vmcs));
    memset(&cpu, 0, sizeof(cpu));
    memset(content, 0, sizeof(content));
    guest = (struct guest){.index = 0};
    guest.msr.granted = 0x5a;
    cpu.guest = &guest;
    cpu.index = 5;
    hv = (struct hv){.phys_limit = BIT(39)};
    elsewhere = retypes = flushes = notices = 0;
    accepted = true;
    fake_vmcs[0x6800] = 0x80000011;
    fake_vmcs[0x6802] = 0x7000;
    fake_vmcs[0x6804] = 0x20;
    fake_vmcs[0x2806] = 0x500;
    mapped = 0xffff800000000000;
    mapped_end = mapped + sizeof(content);
    other_page = 0;
    readable = 4;
    return 0;
}

static u64 value_of(u32 msr)
{
    u64 value = 0x5555;

    rdmsr_safe(msr, &value);
    return value;
}

/* --- memory types ------------------------------------------------------------------------------
 */

/* Volume 4: 16 variable pairs are as many as MTRRCAP can name with MSRs of their own,
 * then the fixed ones and their default. */
static bool is_memory_type(u32 msr)
{
    return (msr >= 0x200 && msr <= 0x21f) || msr == 0x250 || msr == 0x258 || msr == 0x259 ||
           (msr >= 0x268 && msr <= 0x26f) || msr == 0x2ff;
}

static void write_each(bool machines)
{
    for (u32 msr = 0; msr < 0x1000; msr++) {
        u32 before = elsewhere;

        if (msr == IA32_BIOS_UPDT_TRIG || msr == 0x1d9)
            continue;
        fake.msrs = 0;
        fake_msr(msr, 0, ~0ULL);
        if (msr != 0x2ff)
            fake_msr(0x2ff, 0, ~0ULL);
        assert_true(vmx_msr_write(&cpu, msr, 6));
        assert_int_equal(elsewhere - before, machines && is_memory_type(msr) ? 0 : 1);
        assert_int_equal(value_of(msr), machines && is_memory_type(msr) ? 6 : 0);
    }
}

static void mtrrs_are_the_processors(void **state)
{
    (void)state;
    write_each(true);
    assert_int_equal(cpu.exits[EXIT_MSR_WRITE], 32 + 11 + 1);
}

/* They are the machine's: a partition's go where it is judged. */
static void mtrrs_are_no_partitions(void **state)
{
    (void)state;
    guest.index = 1;
    write_each(false);
    accepted = false;
    assert_false(vmx_msr_write(&cpu, 0x2ff, 0xc06));
    assert_false(vmx_msr_write(&cpu, 0x79, 0xc06));
    assert_int_equal(elsewhere_msr, 0x79);
    assert_int_equal(elsewhere_value, 0xc06);
    assert_int_equal(cpu.exits[EXIT_MSR_WRITE], 0);
}

/* 12.11.2.1: bit 11 enables them. */
static void memory_follows_mtrrs_that_are_enabled(void **state)
{
    (void)state;
    fake_msr(0x2ff, 0, 0xcff);
    fake_msr(0x200, 0, ~BIT(8));
    assert_true(vmx_msr_write(&cpu, 0x2ff, 0x406));
    assert_true(vmx_msr_write(&cpu, 0x200, 6));
    assert_int_equal(retypes, 0);
    assert_true(vmx_msr_write(&cpu, 0x2ff, 0x806));
    assert_int_equal(retypes, 1);
    assert_int_equal(retyped, 7 << 3); /* of an EPT entry, 5:3 */
    assert_true(vmx_msr_write(&cpu, 0x200, 0));
    assert_int_equal(flushes, 2);
    assert_false(vmx_msr_write(&cpu, 0x200, BIT(8))); /* #GP, and nothing has changed */
    assert_int_equal(flushes, 2);
    assert_int_equal(value_of(0x200), 0);
}

/* --- DEBUGCTL ----------------------------------------------------------------------------------
 */

/* The VMCS has it while the host runs, with the processor's own 0; which judges the value. */
static void debugctl_goes_to_the_vmcs(void **state)
{
    (void)state;
    refused = 1;
    for (u32 index = 0; index < 2; index++) {
        guest.index = index;
        fake.msrs = 0;
        fake_msr(0x1d9, 0, 0xffff);
        fake_vmcs[0x2802] = 0x5555;
        assert_false(vmx_msr_write(&cpu, 0x1d9, BIT(20)));
        assert_int_equal(fake_vmcs[0x2802], 0x5555);
        assert_true(vmx_msr_write(&cpu, 0x1d9, 0x4003));
        assert_int_equal(fake_vmcs[0x2802], 0x4002);
        assert_int_equal(value_of(0x1d9), 0);
    }
    assert_int_equal(elsewhere, 0);
    assert_int_equal(cpu.exits[EXIT_MSR_WRITE], 4);
}

static void precise_samples_have_a_place_of_their_own(void **state)
{
    (void)state;
    pebs = 0x3f1;
    for (u32 i = 0; i < 2; i++) {
        accepted = i;
        assert_int_equal(vmx_msr_write(&cpu, 0x3f1, 5 + i), i);
        assert_int_equal(elsewhere_value, 5 + i);
    }
    assert_int_equal(elsewhere, 0);
    pebs = ~0U;
    assert_true(vmx_msr_write(&cpu, 0x3f1, 5));
    assert_int_equal(elsewhere, 1);
}

/* Branch records are the guest's: the processor here would refuse LBR. */
static void branches_of_the_host_are_not_recorded(void **state)
{
    (void)state;
    fake.msrs = 0;
    fake_msr(0x1d9, 0, 0xfffe);
    refused = 0;
    assert_true(vmx_msr_write(&cpu, 0x1d9, 0x801));
    assert_int_equal(fake_vmcs[0x2802], 0x801);
    assert_false(vmx_msr_write(&cpu, 0x1d9, BIT(20) | 1));
    assert_int_equal(fake_vmcs[0x2802], 0x801);
}

/* --- microcode ---------------------------------------------------------------------------------
 */

#define UPDATE 0x1030 /* where the data is, from `mapped` on; its header is 48 bytes before */

/* Table 10-7: the size of the data is at byte 28 of the header. */
static bool update_is_loaded(u32 size)
{
    memcpy(content + UPDATE - 48 + 28, &size, 4);
    fake.msrs = 0;
    fake_msr(0x79, 0, ~0ULL);
    assert_true(vmx_msr_write(&cpu, 0x79, mapped + UPDATE));
    if (value_of(0x79))
        assert_int_equal(value_of(0x79), GIB(1) + UPDATE);
    return value_of(0x79);
}

static void an_update_is_loaded_where_it_is(void **state)
{
    (void)state;
    assert_true(update_is_loaded(2000));
    assert_true(update_is_loaded(0x1fd0)); /* to the end of what is mapped */
    assert_int_equal(notices, 0);
    assert_false(update_is_loaded(0x1fd1));
    assert_int_equal(notices, 1); /* this is the first; a guest cannot fill the log with them */
    assert_int_equal(core_noticed, 5);
    assert_int_equal(elsewhere, 0);
    assert_int_equal(cpu.exits[EXIT_MSR_WRITE], 3);
    assert_int_equal(mask_seen, 0x7ffffff000); /* of an address in its page tables */
}

static void an_update_must_be_in_one_piece(void **state)
{
    (void)state;
    other_page = mapped + 0x2000;
    assert_true(update_is_loaded(0xfd0));
    assert_false(update_is_loaded(0xfd1));
    other_page = mapped;
    assert_true(update_is_loaded(0x1fd0));
    mapped_end = mapped + 0x2000;
    assert_true(update_is_loaded(0xfd0));
    assert_false(update_is_loaded(0xfd1));
}

/* Size 0 stands for 2000 bytes (10.11.1). */
static void an_update_that_names_no_size_has_the_usual_one(void **state)
{
    u64 header = 0x2000 - 2000 - 0x30, again;

    (void)state;
    mapped_end = mapped + 0x2000;
    assert_true(update_is_loaded(0));
    fake.msrs = 0;
    fake_msr(0x79, 0, ~0ULL);
    assert_true(vmx_msr_write(&cpu, 0x79, mapped + header + 0x30)); /* just to the end */
    assert_int_equal(value_of(0x79), GIB(1) + header + 0x30);
    wrmsr(0x79, 0);
    again = mapped + header + 0x31;
    assert_true(vmx_msr_write(&cpu, 0x79, again));
    assert_int_equal(value_of(0x79), 0);
}

static void an_update_whose_header_is_not_there_is_ignored(void **state)
{
    (void)state;
    for (readable = 0; readable < 4; readable++)
        assert_false(update_is_loaded(2000));
    readable = 4;
    mapped_end = mapped;
    assert_false(update_is_loaded(2000));
}

/* The processor judges it: #GP. */
static void an_update_may_fault(void **state)
{
    (void)state;
    fake_msr(0x79, 0, 0);
    assert_false(vmx_msr_write(&cpu, 0x79, mapped + UPDATE));
    assert_int_equal(notices, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(mtrrs_are_the_processors, set_up),
        cmocka_unit_test_setup(mtrrs_are_no_partitions, set_up),
        cmocka_unit_test_setup(memory_follows_mtrrs_that_are_enabled, set_up),
        cmocka_unit_test_setup(debugctl_goes_to_the_vmcs, set_up),
        cmocka_unit_test_setup(precise_samples_have_a_place_of_their_own, set_up),
        cmocka_unit_test_setup(branches_of_the_host_are_not_recorded, set_up),
        cmocka_unit_test_setup(an_update_is_loaded_where_it_is, set_up),
        cmocka_unit_test_setup(an_update_must_be_in_one_piece, set_up),
        cmocka_unit_test_setup(an_update_that_names_no_size_has_the_usual_one, set_up),
        cmocka_unit_test_setup(an_update_whose_header_is_not_there_is_ignored, set_up),
        cmocka_unit_test_setup(an_update_may_fault, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
