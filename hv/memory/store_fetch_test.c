#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define read_safe read_safe_of_nothing
#include "fake/fake_machine.h"
#undef read_safe
#include "memory/memory.h"

/* Memory from 0 on; the page of `refused` is somebody else's. */
static u8 ram[32 * 4096] __attribute__((aligned(8)));
static u64 refused;
static u32 fetches, looks;
struct hv hv = {.phys_limit = BIT(40)};

bool memory_read(void *context, u64 gpa, void *buffer, u32 size)
{
    (void)context;
    fetches++;
    if (gpa + size > sizeof(ram) || ALIGN_DOWN(gpa, 4096) == refused)
        return false;
    memcpy(buffer, ram + gpa, size);
    return true;
}

static bool read_safe(u64 address, u64 *value)
{
    looks++;
    assert_true(address + 8 <= sizeof(ram));
    memcpy(value, ram + address, 8);
    return true;
}

#include "x86/guest_mem.c"
#include "memory/store_fetch.c"
#include "x86/insn.c"

static struct known_store known[KNOWN_STORES];
static struct code_state code;
static struct store_insn insn;

#define RIP  0xffffffff81000ff0ULL
#define CODE 0x7ff0

static void put(u64 gpa, const void *bytes, u32 size)
{
    memcpy(ram + gpa, bytes, size);
}

static void set_entry(u64 table, u64 index, u64 entry)
{
    put(table + index * 8, &entry, 8);
}

/* mov %esi, 0x12345678(%rdi) at RIP, by tables of four levels at 0x1000 to 0x4000; 0x8000 has other
 * tables that lead to the same. */
static int reset(void **state)
{
    (void)state;
    memset(ram, 0, sizeof(ram));
    memset(known, 0, sizeof(known));
    refused = ~0ULL;
    for (u64 root = 0x1000; root <= 0x8000; root += 0x7000)
        set_entry(root, 511, 0x2000 | PTE_P);
    set_entry(0x2000, 510, 0x3000 | PTE_P);
    set_entry(0x3000, 8, 0x4000 | PTE_P);
    set_entry(0x4000, 0, 0x7000 | PTE_P);
    put(CODE, "\x89\xb7\x78\x56\x34\x12\x90\x90\x90\x90\x90\x90\x90\x90\x90", 15);
    code = (struct code_state){
        .paging = {.cr0 = CR0_PG | 1, .cr3 = 0x1000, .cr4 = CR4_PAE, .efer = EFER_LMA},
        .rip = RIP,
        .long_mode = true};
    return 0;
}

static enum insn_status store(void)
{
    fetches = looks = 0;
    return store_fetch(known, &code, &insn);
}

static void expect_mov(void)
{
    assert_int_equal(insn.kind, STORE_MOV);
    assert_int_equal(insn.reg, 6);
    assert_int_equal(insn.length, 6);
}

#define EXPECT_FETCHES(n) (assert_int_equal(store(), INSN_OK), assert_int_equal(fetches, n))
#define EXPECT_FETCHED()  EXPECT_FETCHES(5)
#define EXPECT_KNOWN()    EXPECT_FETCHES(0)

static void the_second_time_it_is_known(void **state)
{
    (void)state;
    EXPECT_FETCHED();
    expect_mov();
    for (u32 i = 0; i < 3; i++) {
        insn = (struct store_insn){0};
        EXPECT_KNOWN();
        assert_int_equal(looks, 6); /* four entries, two words of code */
        expect_mov();
    }
}

/* Each bit of each word that was read matters. */
static void any_change_on_the_way_is_seen(void **state)
{
    static const u64 words[] = {0x1000 + 511 * 8, 0x2000 + 510 * 8, 0x3000 + 8 * 8, 0x4000, CODE,
                                CODE + 7};

    (void)state;
    for (u32 i = 0; i < COUNT(words); i++)
        for (u32 bit = 0; bit < 64; bit++) {
            reset(NULL);
            EXPECT_FETCHED();
            ram[words[i] + bit / 8] ^= (u8)(1 << bit % 8);
            store();
            assert_true(fetches > 0);
            ram[words[i] + bit / 8] ^= (u8)(1 << bit % 8);
            assert_int_equal(store(), INSN_OK);
            expect_mov();
        }
}

static void a_moved_page_is_followed(void **state)
{
    (void)state;
    EXPECT_FETCHED();
    put(0x9ff0, "\xc7\x47\x10\x01\x00\x00\x00\x90\x90\x90\x90\x90\x90\x90\x90", 15);
    set_entry(0x4000, 0, 0x9000 | PTE_P);
    EXPECT_FETCHED();
    assert_int_equal(insn.length, 7);
    assert_int_equal(insn.imm, 1);
    EXPECT_KNOWN();
    assert_int_equal(insn.length, 7);
    set_entry(0x4000, 0, 0x7000); /* not present */
    assert_int_equal(store(), INSN_TRUNCATED);
    set_entry(0x4000, 0, 0x9000 | PTE_P);
    EXPECT_FETCHED(); /* what had failed was forgotten */
}

static void patched_code_is_decoded_anew(void **state)
{
    (void)state;
    EXPECT_FETCHED();
    put(CODE, "\x87", 1); /* XCHG: Linux patches it for an erratum */
    EXPECT_FETCHED();
    assert_int_equal(insn.kind, STORE_XCHG);
    put(CODE, "\x0f\x0b", 2);
    assert_int_equal(store(), INSN_UNSUPPORTED);
    assert_int_equal(store(), INSN_UNSUPPORTED);
    assert_int_equal(fetches, 5);
}

static void every_register_that_matters_is_compared(void **state)
{
    u64 *registers[] = {&code.paging.cr0, &code.paging.cr4, &code.paging.efer, &code.rip};

    (void)state;
    for (u32 i = 0; i < COUNT(registers); i++)
        for (u32 bit = 0; bit < 64; bit++) {
            reset(NULL);
            EXPECT_FETCHED();
            *registers[i] ^= BIT(bit);
            store();
            assert_int_equal(looks, 0);
            assert_true(fetches > 0);
        }
    reset(NULL);
    EXPECT_FETCHED();
    code.long_mode = false; /* another CS: RIP counts in its low half, and 16-bit code */
    assert_int_not_equal(store(), INSN_OK);
    assert_int_equal(looks, 0);
}

/* Processes take turns; the kernel's half is the same in all. */
static void another_root_is_followed(void **state)
{
    (void)state;
    EXPECT_FETCHED();
    for (u32 i = 0; i < 4; i++) {
        code.paging.cr3 ^= 0x9000;
        assert_int_equal(store(), INSN_OK);
        assert_int_equal(fetches, 1);
        assert_int_equal(looks, 6);
        EXPECT_KNOWN();
        assert_int_equal(looks, 6);
    }
    set_entry(0x8000, 511, 0); /* the other one's */
    EXPECT_KNOWN();
    set_entry(0x1000, 511, 0);
    assert_int_equal(store(), INSN_TRUNCATED);
}

static void a_root_of_its_own_is_walked(void **state)
{
    (void)state;
    EXPECT_FETCHED();
    set_entry(0x8000, 511, 0x9000 | PTE_P);
    set_entry(0x9000, 510, 0x3000 | PTE_P);
    code.paging.cr3 = 0x8000;
    assert_int_equal(store(), INSN_OK);
    assert_int_equal(fetches, 6);
    EXPECT_KNOWN();
    set_entry(0x9000, 510, 0);
    assert_int_equal(store(), INSN_TRUNCATED);
}

static void a_root_elsewhere_is_not_read(void **state)
{
    (void)state;
    EXPECT_FETCHED();
    refused = code.paging.cr3 = 0x8000;
    assert_int_equal(store(), INSN_TRUNCATED);
    code.paging.cr3 = sizeof(ram);
    assert_int_equal(store(), INSN_TRUNCATED);
}

static void across_pages_nothing_is_kept(void **state)
{
    (void)state;
    set_entry(0x4000, 1, 0x5000 | PTE_P);
    code.rip = RIP + 5;
    put(CODE + 5, "\x89\xb7\x78\x56\x34\x12\x90\x90\x90\x90\x90", 11);
    put(0x5000, "\x90\x90\x90\x90", 4);
    for (u32 i = 0; i < 2; i++) {
        assert_int_equal(store(), INSN_OK);
        assert_int_equal(fetches, 10);
        expect_mov();
    }
}

static void entries_of_4_bytes_are_not_kept(void **state)
{
    u32 entry = 0x7000 | PTE_P, table = 0x4000 | PTE_P;

    (void)state;
    memset(ram + 0x1000, 0, 0x4000);
    put(0x1000, &table, 4);
    put(0x4000, &entry, 4);
    code = (struct code_state){
        .paging = {.cr0 = CR0_PG | 1, .cr3 = 0x1000}, .rip = CODE & 0xfff, .default32 = true};
    for (u32 i = 0; i < 2; i++) {
        assert_int_equal(store(), INSN_OK);
        assert_int_equal(fetches, 3);
        expect_mov();
    }
}

static void without_paging_the_code_alone_is_looked_at(void **state)
{
    (void)state;
    code = (struct code_state){
        .paging = {.cr0 = 1}, .cs_base = 0x7000, .rip = 0xff0, .default32 = true};
    assert_int_equal(store(), INSN_OK);
    assert_int_equal(fetches, 1);
    EXPECT_KNOWN();
    assert_int_equal(looks, 2);
    code.paging.efer = EFER_LMA; /* no processor has it so; CR3 leads nowhere all the same */
    EXPECT_FETCHES(1);
    code.paging.cr3 = 0x2000;
    EXPECT_FETCHES(1);
    code.default32 = false; /* the same bytes are another instruction */
    assert_int_equal(store(), INSN_WIDTH);
}

static void what_may_not_be_read_is_never_known(void **state)
{
    (void)state;
    refused = 0x7000;
    for (u32 i = 0; i < 2; i++) {
        assert_int_equal(store(), INSN_TRUNCATED);
        assert_int_equal(looks, 0);
    }
}

static void after_an_init_nothing_is_known(void **state)
{
    (void)state;
    EXPECT_FETCHED();
    known_stores_forget(known);
    EXPECT_FETCHED();
    EXPECT_KNOWN();
}

static void recorded_bytes_come_first(void **state)
{
    (void)state;
    code.bytes = (const u8 *)"\x89\xb7\x78\x56\x34\x12";
    code.byte_count = 6;
    assert_int_equal(store(), INSN_OK);
    assert_int_equal(fetches + looks, 0);
    expect_mov();
    code.byte_count = 5; /* too few: the page behind was not there */
    EXPECT_FETCHED();
    EXPECT_KNOWN();
}

static const u8 recorded[] = "\x89\xb7\x78\x56\x34\x12\x90\x90\x90\x90\x90\x90\x90\x90\x90";

/* All fifteen, or what they mean might depend on more. */
static void recorded_bytes_are_known_by_themselves(void **state)
{
    const struct known_store *own = &known[RIP % KNOWN_STORES];
    u8 others[INSN_MAX];

    (void)state;
    EXPECT_FETCHED();
    code.bytes = recorded;
    code.byte_count = INSN_MAX - 1;
    assert_int_equal(store(), INSN_OK);
    assert_false(store_is_recorded(own, recorded));
    code.byte_count = INSN_MAX;
    assert_int_equal(store(), INSN_OK);
    assert_true(store_is_recorded(own, recorded));
    assert_int_equal(own->mode, CODE_64);
    assert_int_equal(own->insn.length, 6);
    assert_false(store_is_known(own, RIP, code.paging.cr3, code.paging.cr4));
    for (u32 i = 0; i < INSN_MAX; i++) {
        memcpy(others, recorded, INSN_MAX);
        others[i] ^= 1;
        assert_false(store_is_recorded(own, others));
    }
    code.byte_count = 0;
    EXPECT_FETCHED();
    assert_false(store_is_recorded(own, recorded));
    code.byte_count = INSN_MAX;
    assert_int_equal(store(), INSN_OK);
    known_stores_forget(known);
    assert_false(store_is_recorded(own, recorded));
}

/* What is on the way, and what the way depends on. */
static void the_short_look_sees_any_change(void **state)
{
    static const u64 places[] = {0x1ff8, 0x2ff0, 0x3040, 0x4000, CODE, CODE + 14};
    const struct known_store *own = &known[RIP % KNOWN_STORES];

    (void)state;
    assert_false(store_is_known(own, RIP, 0x1000, CR4_PAE));
    EXPECT_FETCHED();
    assert_true(store_is_known(own, RIP, 0x1000, CR4_PAE));
    assert_false(store_is_known(own, RIP + KNOWN_STORES, 0x1000, CR4_PAE));
    assert_false(store_is_known(own, RIP, 0x8000, CR4_PAE));
    assert_false(store_is_known(own, RIP, 0x1000, CR4_PAE | BIT(12)));
    for (u32 i = 0; i < COUNT(places); i++) {
        ram[places[i]] ^= 0x40;
        assert_false(store_is_known(own, RIP, 0x1000, CR4_PAE));
        ram[places[i]] ^= 0x40;
    }
    assert_true(store_is_known(own, RIP, 0x1000, CR4_PAE));
    known_stores_forget(known);
    assert_false(store_is_known(own, RIP, 0x1000, CR4_PAE));
}

/* A page of 2 MiB, and tables of five levels. */
static void the_short_look_takes_any_depth(void **state)
{
    const struct known_store *own = &known[RIP % KNOWN_STORES];

    (void)state;
    set_entry(0x3000, 8, PTE_P | PTE_PS);
    put(0xff0, ram + CODE, 15);
    EXPECT_FETCHES(4);
    assert_int_equal(own->words, 5);
    assert_true(store_is_known(own, RIP, 0x1000, CR4_PAE));
    ram[0xffe] ^= 1;
    assert_false(store_is_known(own, RIP, 0x1000, CR4_PAE));
    reset(state);
    code.paging.cr4 |= BIT(12);
    code.paging.cr3 = 0x9000;
    set_entry(0x9000, 511, 0x1000 | PTE_P);
    EXPECT_FETCHES(6);
    assert_int_equal(own->words, 7);
    assert_true(store_is_known(own, RIP, 0x9000, code.paging.cr4));
    ram[CODE + 14] ^= 1;
    assert_false(store_is_known(own, RIP, 0x9000, code.paging.cr4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_second_time_it_is_known, reset),
        cmocka_unit_test_setup(any_change_on_the_way_is_seen, reset),
        cmocka_unit_test_setup(a_moved_page_is_followed, reset),
        cmocka_unit_test_setup(patched_code_is_decoded_anew, reset),
        cmocka_unit_test_setup(every_register_that_matters_is_compared, reset),
        cmocka_unit_test_setup(another_root_is_followed, reset),
        cmocka_unit_test_setup(a_root_of_its_own_is_walked, reset),
        cmocka_unit_test_setup(a_root_elsewhere_is_not_read, reset),
        cmocka_unit_test_setup(across_pages_nothing_is_kept, reset),
        cmocka_unit_test_setup(entries_of_4_bytes_are_not_kept, reset),
        cmocka_unit_test_setup(without_paging_the_code_alone_is_looked_at, reset),
        cmocka_unit_test_setup(what_may_not_be_read_is_never_known, reset),
        cmocka_unit_test_setup(after_an_init_nothing_is_known, reset),
        cmocka_unit_test_setup(recorded_bytes_come_first, reset),
        cmocka_unit_test_setup(recorded_bytes_are_known_by_themselves, reset),
        cmocka_unit_test_setup(the_short_look_sees_any_change, reset),
        cmocka_unit_test_setup(the_short_look_takes_any_depth, reset),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
