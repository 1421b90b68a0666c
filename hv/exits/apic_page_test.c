/* The xAPIC page's exits, and IA32_APIC_BASE, which says whether there is such a page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "fake/fake_machine.h"
#include "x86/insn.c"
#include "exits/apic_page.c"

struct hv hv;
const struct vendor *vendor;

static u32 page[PAGE_SIZE / 4] __attribute__((aligned(4096)));
static struct cpu cpu;
static struct guest guest;
static const u8 *code;
static u32 faults, advanced, maps, startups, sent;

void log_line(const char *format, ...)
{
    (void)format;
}

void watch_other_write(struct cpu *self)
{
    (void)self;
}

void startup_ipi(struct cpu *self, u32 low, u32 destination, bool x2apic)
{
    assert_true(self == &cpu && low == 0x4500 && destination == 3 && !x2apic);
    startups++;
}

bool ipi_send(const struct cpu *self, u32 low, u32 destination, bool x2apic)
{
    assert_true(self == &cpu && low == 0x40f0 && destination == 3 && !x2apic);
    sent++;
    return true;
}

enum insn_status store_fetch(struct known_store *known, const struct code_state *state,
                             struct store_insn *insn)
{
    (void)known;
    (void)state;
    return insn_decode_store(code, INSN_MAX, CODE_64, insn);
}

static void code_state(struct cpu *self, struct code_state *state)
{
    (void)self;
    *state = (struct code_state){.rflags = RFLAGS_FIXED};
}

static void advance(struct cpu *self, u32 bytes)
{
    (void)self;
    advanced += bytes;
}

static void set_rflags(struct cpu *self, u64 value)
{
    (void)self;
    assert_true(value & RFLAGS_FIXED);
}

static void inject_gp(struct cpu *self)
{
    (void)self;
    faults++;
}

static void map_changed(struct cpu *self)
{
    assert_true(self == &cpu);
    maps++;
}

static const struct vendor fake_vendor = {.code_state = code_state,
                                          .advance = advance,
                                          .set_rflags = set_rflags,
                                          .inject_gp = inject_gp,
                                          .map_changed = map_changed};

static int set_up(void **state)
{
    static struct boot_guest boot;

    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(&cpu, 0, sizeof(cpu));
    memset(page, 0, sizeof(page));
    vendor = &fake_vendor;
    guest = (struct guest){.boot = &boot};
    hv = (struct hv){.apic_base = (u64)page};
    cpu.guest = &guest;
    cpu.apic_base = (u64)page | APIC_BASE_EN;
    fake_msr(IA32_APIC_BASE, cpu.apic_base, ~0x2ffULL);
    faults = advanced = maps = startups = sent = 0;
    return 0;
}

/* MOV [RDI], EAX */
static void store(u32 offset, u32 value)
{
    static const u8 mov[INSN_MAX] = {0x89, 0x07};

    code = mov;
    cpu.regs[RAX] = value;
    apic_page_write(&cpu, hv.apic_base + offset);
}

static void a_store_is_carried_out(void **state)
{
    (void)state;
    store(0x80, 0x1234);
    assert_int_equal(page[0x80 / 4], 0x1234);
    assert_int_equal(advanced, 2);
    assert_int_equal(cpu.exits[EXIT_APIC_PAGE], 1);
    store(APIC_LDR, 0x4000000);
    store(APIC_DFR, 0xfffffff);
    assert_int_equal(cpu.xapic_ldr, 0x4000000);
    assert_int_equal(cpu.xapic_dfr, 0xfffffff);
    store(APIC_ID, 0x5000000);
    assert_int_equal(page[APIC_ID / 4], 0);
    assert_int_equal(faults, 0);
}

/* The page alone, as KVM gives it. */
static void an_address_without_its_low_bits_is_found(void **state)
{
    static const u8 mov[INSN_MAX] = {0x89, 0x81, 0x10}; /* MOV [RCX + 10h], EAX */

    (void)state;
    code = mov;
    cpu.regs[RAX] = 0x4500;
    cpu.regs[RCX] = 0x7fff00002f0;
    page[APIC_ICR_HIGH / 4] = 3 << 24;
    apic_page_write(&cpu, hv.apic_base);
    assert_int_equal(startups, 1);
    cpu.regs[RCX] = 0x7fff0000070;
    apic_page_write(&cpu, hv.apic_base);
    assert_int_equal(page[0x80 / 4], 0x4500);
    assert_int_equal(page[0], 0);
    cpu.regs[RCX] = 0x7fff0000000 - 0x10; /* it is the first register, after all */
    apic_page_write(&cpu, hv.apic_base);
    assert_int_equal(page[0], 0x4500);
    assert_int_equal(faults, 0);
}

static void the_icr_goes_where_it_is_judged(void **state)
{
    u16 owner = 0;

    (void)state;
    page[APIC_ICR_HIGH / 4] = 3 << 24;
    store(APIC_ICR, 0x4500);
    assert_int_equal(startups, 1);
    assert_int_equal(page[APIC_ICR / 4], 0);
    store(APIC_ICR, 0x40f0);
    assert_int_equal(page[APIC_ICR / 4], 0x40f0);
    hv.owners = &owner;
    store(APIC_ICR, 0x40f0);
    assert_int_equal(sent, 1);
    assert_int_equal(cpu.exits[EXIT_START], 1);
    assert_int_equal(cpu.exits[EXIT_IPI], 1);
}

/* SDM 11.4.1: undefined, exceptions included. */
static void what_is_no_register_access_faults(void **state)
{
    static const u8 byte[INSN_MAX] = {0x88, 0x07}, quadword[INSN_MAX] = {0x48, 0x89, 0x07},
                    string[INSN_MAX] = {0xf3, 0xaa};
    const u8 *stores[] = {byte, quadword, string};

    (void)state;
    for (u32 i = 0; i < COUNT(stores); i++) {
        code = stores[i];
        apic_page_write(&cpu, hv.apic_base + 0x80);
        assert_int_equal(faults, i + 1);
    }
    store(0x84, 5);
    assert_int_equal(faults, COUNT(stores) + 1);
    assert_int_equal(advanced, 0);
}

/* Whether there is a page follows what the processor made of the value. */
static void the_map_follows_the_mode(void **state)
{
    u64 base = hv.apic_base;

    (void)state;
    assert_true(apic_base_write(&cpu, base));
    assert_int_equal(maps, 1);
    assert_int_equal(cpu.apic_base, base);
    assert_true(apic_base_write(&cpu, base | APIC_BASE_EN | APIC_BASE_EXTD));
    assert_int_equal(maps, 2);
    assert_int_equal(cpu.apic_base, base | APIC_BASE_EN | APIC_BASE_EXTD);
    assert_false(apic_base_write(&cpu, base | BIT(9))); /* the processor's #GP */
    assert_false(apic_base_write(&cpu, base + PAGE_SIZE));
    assert_int_equal(maps, 2);
}

static void a_partitions_is_locked(void **state)
{
    static struct boot_guest boot = {.boot_cpu = 0};

    (void)state;
    guest = (struct guest){.boot = &boot, .index = 1};
    assert_true(apic_base_write(&cpu, partition_apic_base(&cpu)));
    assert_false(apic_base_write(&cpu, hv.apic_base));
    assert_int_equal(maps, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_store_is_carried_out),          TEST(an_address_without_its_low_bits_is_found),
        TEST(the_icr_goes_where_it_is_judged), TEST(what_is_no_register_access_faults),
        TEST(the_map_follows_the_mode),        TEST(a_partitions_is_locked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
