/* Which controls are set, bit by bit against tables of the SDM's (volume 3, 25.6 to 25.8), on
 * processors that lack one or insist on one; and which features are hidden for want of theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "vmx/controls.c"

/* A processor: what its capability MSRs allow, and what its CPUID promises. */
static u64 allows[WORDS];
static bool true_controls;
static u32 max_leaf, promised_leaf, promised_subleaf, promised_reg, promised_bit;
static bool garbage; /* beyond its largest leaf */

static u64 read_msr(u32 msr)
{
    u32 base = true_controls ? 0x48d : 0x481;

    if (msr == 0x480)
        return true_controls ? BIT(55) : ~BIT(55);
    if (msr == base)
        return allows[WORD_PIN];
    if (msr == base + 1)
        return allows[WORD_PRIMARY];
    if (msr == base + 2)
        return allows[WORD_EXIT];
    if (msr == base + 3)
        return allows[WORD_ENTRY];
    assert_int_equal(msr, 0x48b);
    assert_true(allows[WORD_PRIMARY] & BIT(63)); /* else it does not exist (appendix A.3.3) */
    return allows[WORD_SECONDARY];
}

static void read_cpuid(u32 of_leaf, u32 subleaf, u32 out[4])
{
    memset(out, garbage && of_leaf > max_leaf ? 0xff : 0, 16);
    if (of_leaf == 0)
        out[0] = max_leaf;
    else if (of_leaf == promised_leaf && subleaf == promised_subleaf)
        out[promised_reg] |= (u32)BIT(promised_bit);
}

static const struct cpu_ops ops = {read_cpuid, read_msr, NULL};

static struct vmx_controls controls;
static struct vmx_hidden hidden;

static int compute(void)
{
    memset(&controls, 0x55, sizeof(controls));
    memset(&hidden, 0x55, sizeof(hidden));
    return vmx_compute(&ops, &controls, &hidden);
}

/* Reserved bits that must be 1, as of every processor (appendix A: "default1", less what the TRUE
 * MSRs make optional). */
static const u32 reserved[WORDS] = {
    [WORD_PIN] = 0x16, [WORD_PRIMARY] = 0x4006172, [WORD_EXIT] = 0x36dfb, [WORD_ENTRY] = 0x11fb};

static int set_up(void **state)
{
    (void)state;
    for (u32 i = 0; i < WORDS; i++)
        allows[i] = 0xffffffff00000000 | reserved[i];
    true_controls = true;
    max_leaf = 0x20;
    promised_leaf = 0xffffffff;
    garbage = false;
    return 0;
}

/* --- controls ----------------------------------------------------------------------------------
 */

enum duty { SET, SETTABLE, IF_POSSIBLE, CLEARABLE };

/* Tables 25-5 to 25-7, 25-13 and 25-15. */
static const struct {
    u8 word, bit, duty;
    const char *name;
} rows[] = {
    {WORD_PIN, 0, CLEARABLE, "exits for interrupts"},
    {WORD_PIN, 3, CLEARABLE, "exits for NMIs"},
    {WORD_PIN, 6, SETTABLE, "preemption timer"},
    {WORD_PRIMARY, 7, CLEARABLE, "exits for HLT"},
    {WORD_PRIMARY, 9, CLEARABLE, "exits for INVLPG"},
    {WORD_PRIMARY, 10, CLEARABLE, "exits for MWAIT"},
    {WORD_PRIMARY, 11, CLEARABLE, "exits for RDPMC"},
    {WORD_PRIMARY, 12, CLEARABLE, "exits for RDTSC"},
    {WORD_PRIMARY, 15, CLEARABLE, "exits for CR3 loads"},
    {WORD_PRIMARY, 16, CLEARABLE, "exits for CR3 stores"},
    {WORD_PRIMARY, 23, CLEARABLE, "exits for debug registers"},
    {WORD_PRIMARY, 25, SET, "I/O bitmaps"},
    {WORD_PRIMARY, 27, SETTABLE, "monitor trap flag"},
    {WORD_PRIMARY, 28, SET, "MSR bitmaps"},
    {WORD_PRIMARY, 29, CLEARABLE, "exits for MONITOR"},
    {WORD_PRIMARY, 31, SET, "secondary controls"},
    {WORD_SECONDARY, 1, SET, "extended page tables (EPT)"},
    {WORD_SECONDARY, 2, CLEARABLE, "exits for descriptor tables"},
    {WORD_SECONDARY, 3, SET, "RDTSCP and RDPID in guests"},
    {WORD_SECONDARY, 5, IF_POSSIBLE, "VPID"},
    {WORD_SECONDARY, 6, CLEARABLE, "exits for WBINVD"},
    {WORD_SECONDARY, 7, SET, "unrestricted guests"},
    {WORD_SECONDARY, 15, IF_POSSIBLE, "exits for ENCLS"},
    {WORD_EXIT, 2, SET, "saving of DEBUGCTL"},
    {WORD_EXIT, 9, SET, "64-bit host"},
    {WORD_EXIT, 12, IF_POSSIBLE, "loading of the host's PERF_GLOBAL_CTRL"},
    {WORD_EXIT, 18, SET, "saving of PAT"},
    {WORD_EXIT, 19, SET, "loading of the host's PAT"},
    {WORD_EXIT, 20, SET, "saving of EFER"},
    {WORD_EXIT, 21, SET, "loading of the host's EFER"},
    {WORD_EXIT, 30, IF_POSSIBLE, "saving of PERF_GLOBAL_CTRL"},
    {WORD_ENTRY, 2, SET, "loading of DEBUGCTL"},
    {WORD_ENTRY, 9, SETTABLE, "64-bit guest"},
    {WORD_ENTRY, 13, IF_POSSIBLE, "loading of the guest's PERF_GLOBAL_CTRL"},
    {WORD_ENTRY, 14, SET, "loading of the guest's PAT"},
    {WORD_ENTRY, 15, SET, "loading of the guest's EFER"},
};

/* The row that is about this bit, or none. */
static u32 row_of(u32 word, u32 bit)
{
    for (u32 i = 0; i < COUNT(rows); i++)
        if (rows[i].word == word && rows[i].bit == bit)
            return i;
    return COUNT(rows);
}

/* Of a processor that can do all: what it must and what Cede wants. */
static u32 usual(u32 word)
{
    u32 value = reserved[word];

    for (u32 i = 0; i < COUNT(rows); i++)
        if (rows[i].word == word && (rows[i].duty == SET || rows[i].duty == IF_POSSIBLE))
            value |= (u32)BIT(rows[i].bit);
    return value;
}

static bool is_global_ctrl(u32 word, u32 bit)
{
    return (word == WORD_EXIT && (bit == 12 || bit == 30)) || (word == WORD_ENTRY && bit == 13);
}

static void expect_words(u32 but_word, u32 but_value)
{
    assert_int_equal(compute(), VMX_NOTHING_MISSING);
    for (u32 word = 0; word < WORDS; word++)
        assert_int_equal(controls.word[word], word == but_word ? but_value : usual(word));
}

static void expect_refused(u32 row, const char *format)
{
    char text[128];

    snprintf(text, sizeof(text), format, rows[row].name);
    assert_string_equal(vmx_missing_text(compute()), text);
}

static void a_processor_that_can_do_all_is_made_to_do_what_cede_wants(void **state)
{
    (void)state;
    expect_words(WORDS, 0);
    assert_int_equal(hidden.features, 0);
    assert_int_equal(hidden.cr4, BIT(13) | BIT(14) | BIT(32)); /* VMXE, SMXE, FRED */
}

static void without_true_controls_the_older_msrs_count(void **state)
{
    (void)state;
    true_controls = false;
    expect_words(WORDS, 0);
}

static void bit_cannot_be_set(u32 word, u32 bit)
{
    u32 row = row_of(word, bit);

    set_up(NULL);
    if (is_global_ctrl(word, bit) || (reserved[word] >> bit & 1))
        return;
    allows[word] &= ~BIT(32 + bit);
    if (row == COUNT(rows) || rows[row].duty == CLEARABLE || rows[row].duty == IF_POSSIBLE)
        expect_words(word, usual(word) & ~(u32)BIT(bit));
    else
        expect_refused(row, "this processor's VT-x has no %s, which Cede needs");
}

static void bit_cannot_be_cleared(u32 word, u32 bit)
{
    u32 row = row_of(word, bit);

    set_up(NULL);
    allows[word] |= BIT(bit);
    if (row == COUNT(rows) || rows[row].duty != CLEARABLE)
        expect_words(word, usual(word) | (u32)BIT(bit));
    else
        expect_refused(row, "this processor's VT-x cannot do without %s, which Cede needs");
}

static void each_bit_is_used_as_far_as_it_can_be(void **state)
{
    (void)state;
    for (u32 word = 0; word < WORDS; word++)
        for (u32 bit = 0; bit < 32; bit++) {
            bit_cannot_be_set(word, bit);
            bit_cannot_be_cleared(word, bit);
        }
}

/* Errata AAK155, AAP115, AAT100, BC86, BA97: loading alone does not work. */
static void the_three_of_global_ctrl_go_together(void **state)
{
    (void)state;
    for (u32 lacking = 1; lacking < 8; lacking++) {
        set_up(NULL);
        allows[WORD_EXIT] &= ~((lacking & 1 ? BIT(44) : 0) | (lacking & 2 ? BIT(62) : 0));
        allows[WORD_ENTRY] &= ~(lacking & 4 ? BIT(45) : 0);
        assert_int_equal(compute(), VMX_NOTHING_MISSING);
        assert_int_equal(controls.word[WORD_EXIT], usual(WORD_EXIT) & ~(u32)(BIT(12) | BIT(30)));
        assert_int_equal(controls.word[WORD_ENTRY], usual(WORD_ENTRY) & ~(u32)BIT(13));
    }
}

static void beyond_the_table_nothing_is_missing(void **state)
{
    (void)state;
    assert_string_equal(vmx_missing_text(VMX_NOTHING_MISSING), "nothing is missing");
    assert_string_equal(vmx_missing_text((int)COUNT(rows)), "nothing is missing");
    assert_string_equal(vmx_missing_text((int)COUNT(rows) + 1), "nothing is missing");
    assert_non_null(strstr(vmx_missing_text(0), "which Cede needs"));
    assert_non_null(strstr(vmx_missing_text((int)COUNT(rows) - 1), "which Cede needs"));
}

/* --- `--check` ---------------------------------------------------------------------------------
 */

static u32 said, lacking_row;

static void say(const char *name, bool present)
{
    for (u32 i = 0; i < COUNT(rows); i++)
        if (!strcmp(rows[i].name, name)) {
            assert_int_not_equal(rows[i].duty, CLEARABLE);
            assert_int_equal(present, i != lacking_row);
            said++;
            return;
        }
    fail_msg("no such control: %s", name);
}

static void say_secondary(const char *name, bool present)
{
    for (u32 i = 0; i < COUNT(rows); i++)
        if (!strcmp(rows[i].name, name)) {
            bool of_them = rows[i].word == WORD_SECONDARY || rows[i].bit == 31;

            assert_int_equal(present, !of_them);
            said += of_them;
        }
}

static u32 rows_said(void)
{
    said = 0;
    preflight_controls(&ops, say);
    return said;
}

static void the_check_names_each_control_that_is_set(void **state)
{
    u32 expected = 0;

    (void)state;
    for (u32 i = 0; i < COUNT(rows); i++)
        expected += rows[i].duty != CLEARABLE;
    for (lacking_row = 0; lacking_row < COUNT(rows); lacking_row++) {
        set_up(NULL);
        if (rows[lacking_row].duty == CLEARABLE || rows[lacking_row].bit == 31)
            continue; /* bit 31 of the primary ones takes all secondary ones along */
        allows[rows[lacking_row].word] &= ~BIT(32 + rows[lacking_row].bit);
        assert_int_equal(rows_said(), expected);
    }
    set_up(NULL);
    assert_int_equal(rows_said(), expected);
}

/* Without them the MSR that tells of them does not exist. */
static void without_secondary_controls_none_is_present(void **state)
{
    (void)state;
    allows[WORD_PRIMARY] &= ~BIT(63);
    said = 0;
    preflight_controls(&ops, say_secondary);
    assert_int_equal(said, 6);
    assert_string_equal(vmx_missing_text(compute()),
                        "this processor's VT-x has no secondary controls, which Cede needs");
}

/* --- features ----------------------------------------------------------------------------------
 */

/* Where CPUID promises it (volume 2), by which controls it works, and its bits in CR4. */
static const struct {
    u32 leaf, subleaf, reg, bit, secondary, exit, entry;
    bool never;
    u64 cr4;
} promises[] = {
    {7, 0, 1, 10, 1 << 12, 0, 0, false, 0},             /* INVPCID */
    {7, 0, 2, 5, 1 << 26, 0, 0, false, 0},              /* WAITPKG */
    {0xd, 1, 0, 3, 1 << 20, 0, 0, false, 0},            /* XSAVES */
    {7, 0, 1, 14, 0, 1 << 23, 1 << 16, false, 0},       /* MPX */
    {7, 0, 2, 7, 0, 1 << 28, 1 << 20, false, BIT(23)},  /* CET_SS */
    {7, 0, 3, 20, 0, 1 << 28, 1 << 20, false, BIT(23)}, /* CET_IBT */
    {7, 0, 3, 18, 0, 0, 0, true, 0},                    /* PCONFIG */
    {7, 1, 0, 27, 0, 0, 0, true, 0},                    /* MSRLIST */
    {7, 1, 2, 5, 0, 0, 0, true, 0},                     /* MSR_IMM */
    {7, 1, 3, 15, 0, 0, 0, true, 0},                    /* USER_MSR */
};

static void promise(u32 i)
{
    set_up(NULL);
    promised_leaf = promises[i].leaf;
    promised_subleaf = promises[i].subleaf;
    promised_reg = promises[i].reg;
    promised_bit = promises[i].bit;
}

/* Of every leaf, what is taken out of an answer of all ones. */
static void expect_hidden(u32 bits_of, bool is_hidden)
{
    for (u32 of_leaf = 0; of_leaf <= 0x21; of_leaf++)
        for (u32 subleaf = 0; subleaf < 3; subleaf++)
            for (u32 reg = 0; reg < 4; reg++) {
                u32 regs[4] = {~0U, ~0U, ~0U, ~0U}, expected = ~0U;

                if (is_hidden && of_leaf == promises[bits_of].leaf &&
                    subleaf == promises[bits_of].subleaf && reg == promises[bits_of].reg)
                    expected = ~(u32)BIT(promises[bits_of].bit);
                vmx_hide(&hidden, of_leaf, subleaf, regs);
                assert_int_equal(regs[reg], expected);
            }
    assert_int_equal(hidden.cr4,
                     BIT(13) | BIT(14) | BIT(32) | (is_hidden ? promises[bits_of].cr4 : 0));
}

static void expect_controls_with(u32 secondary, u32 exit, u32 entry)
{
    assert_int_equal(compute(), VMX_NOTHING_MISSING);
    assert_int_equal(controls.word[WORD_PIN], usual(WORD_PIN));
    assert_int_equal(controls.word[WORD_PRIMARY], usual(WORD_PRIMARY));
    assert_int_equal(controls.word[WORD_SECONDARY], usual(WORD_SECONDARY) | secondary);
    assert_int_equal(controls.word[WORD_EXIT], usual(WORD_EXIT) | exit);
    assert_int_equal(controls.word[WORD_ENTRY], usual(WORD_ENTRY) | entry);
}

static void a_promised_feature_gets_its_controls(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(promises); i++) {
        promise(i);
        expect_controls_with(promises[i].secondary, promises[i].exit, promises[i].entry);
        expect_hidden(i, promises[i].never);
    }
}

static void expect_hidden_without(u32 i, u32 word, u32 control)
{
    if (!control)
        return;
    promise(i);
    allows[word] &= ~((u64)control << 32);
    expect_controls_with(0, 0, 0);
    expect_hidden(i, true);
}

/* Also if it lacks one of two. */
static void a_feature_without_a_control_is_hidden(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(promises); i++) {
        expect_hidden_without(i, WORD_SECONDARY, promises[i].secondary);
        expect_hidden_without(i, WORD_EXIT, promises[i].exit);
        expect_hidden_without(i, WORD_ENTRY, promises[i].entry);
    }
}

static void what_is_not_promised_is_neither_set_nor_hidden(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(promises); i++) {
        promise(i);
        promised_bit ^= 1;
        expect_controls_with(0, 0, 0);
        expect_hidden(i, false);
    }
}

/* Leaves beyond the largest answer with anything. */
static void a_promise_beyond_the_largest_leaf_is_none(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(promises); i++) {
        promise(i);
        garbage = true;
        max_leaf = 6;
        expect_controls_with(0, 0, 0);
        expect_hidden(i, false);
        max_leaf = promises[i].leaf; /* the last that counts */
        garbage = false;
        expect_controls_with(promises[i].secondary, promises[i].exit, promises[i].entry);
        expect_hidden(i, promises[i].never);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_processor_that_can_do_all_is_made_to_do_what_cede_wants, set_up),
        cmocka_unit_test_setup(without_true_controls_the_older_msrs_count, set_up),
        cmocka_unit_test_setup(each_bit_is_used_as_far_as_it_can_be, set_up),
        cmocka_unit_test_setup(the_three_of_global_ctrl_go_together, set_up),
        cmocka_unit_test_setup(beyond_the_table_nothing_is_missing, set_up),
        cmocka_unit_test_setup(the_check_names_each_control_that_is_set, set_up),
        cmocka_unit_test_setup(without_secondary_controls_none_is_present, set_up),
        cmocka_unit_test_setup(a_promised_feature_gets_its_controls, set_up),
        cmocka_unit_test_setup(a_feature_without_a_control_is_hidden, set_up),
        cmocka_unit_test_setup(what_is_not_promised_is_neither_set_nor_hidden, set_up),
        cmocka_unit_test_setup(a_promise_beyond_the_largest_leaf_is_none, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
