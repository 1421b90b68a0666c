#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "conf/options.c"

/* From memory of just that size, for the sanitizer. */
static struct options read_bytes(const void *bytes, size_t size, bool named)
{
    u8 *copy = malloc(size + !size);
    struct options options;

    memcpy(copy, bytes, size);
    options_read(copy, size, named, &options);
    free(copy);
    return options;
}

static bool same(const struct options *a, const struct options *b)
{
    return a->check == b->check && !strcmp(a->unknown, b->unknown) && !a->junk == !b->junk;
}

/* `text` as UTF-16 behind a mark of `mark` bytes, with `more` zero bytes; or one byte short. */
static struct options read_wide(const char *text, const char *mark, int more, bool named)
{
    u8 wide[512] = {0};
    size_t size = strlen(mark);

    memcpy(wide, mark, size);
    for (; *text; text++, size += 2)
        wide[size] = (u8)*text;
    return read_bytes(wide, size + (size_t)more, named);
}

/* Each shape of the same text says the same. */
static struct options read_text(const char *text, bool named)
{
    struct options options = read_bytes(text, strlen(text), named);
    char marked[256] = "\xef\xbb\xbf";
    struct options others[] = {
        read_bytes(text, strlen(text) + 1, named),
        read_bytes(strcat(marked, text), strlen(text) + 3, named),
        read_wide(text, "", 0, named),
        read_wide(text, "", 1, named),
        read_wide(text, "", 2, named),
        read_wide(text, "", 16, named),
        read_wide(text, "\xff\xfe", 2, named),
        read_wide(text, "\xff\xfe", 0, named),
        *text ? read_wide(text, "", -1, named) : options,
    };

    for (size_t i = 0; i < COUNT(others); i++)
        assert_true(same(&options, &others[i]));
    assert_int_equal(options.junk, 0);
    return options;
}

static void check(void **state)
{
    static const char *const texts[] = {
        "--check",     "--check\r\n", " --check",         "\t--check ",
        "\"--check\"", "'--check'",   "cede.efi --check", "\"FS0:\\a b.efi\" \"--check\"",
        "\r\n--check", "--check\n",   "CEDE.EFI  --check"};

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct options options = read_text(texts[i], false);

        assert_true(options.check);
        assert_string_equal(options.unknown, "");
    }
}

static void nothing(void **state)
{
    static const char *const texts[] = {"",
                                        " ",
                                        "\r\n",
                                        "\"\"",
                                        "cede.efi",
                                        "FS0:\\efi\\boot\\BOOTX64.EFI ",
                                        "\"FS0:\\a b\\c.efi\""};
    struct options options;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        options = read_text(texts[i], false);
        assert_false(options.check);
        assert_string_equal(options.unknown, "");
    }
    options_read(NULL, 99, true, &options);
    assert_true(!options.check && !options.unknown[0] && !options.junk);
    options = read_bytes("\0\0\0\0\0", 5, false);
    assert_true(!options.check && !options.unknown[0] && !options.junk);
}

/* The shell's first word, as it was typed, which may be without its ending. */
static void the_shells_first_word(void **state)
{
    struct options options;

    (void)state;
    options = read_text("cede --check", true);
    assert_true(options.check && !options.unknown[0]);
    options = read_text("\"a b\" --check", true);
    assert_true(options.check && !options.unknown[0]);
    options = read_text("--check", true);
    assert_true(options.check && !options.unknown[0]);
    assert_string_equal(read_text("cede --chekc", true).unknown, "--chekc");
    assert_string_equal(read_text("cede --check", false).unknown, "cede");
    assert_string_equal(read_text("--chekc", true).unknown, "--chekc");
    assert_string_equal(read_text("cede cede.efi", true).unknown, "cede.efi");
}

static void unknown(void **state)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"--chekc", "--chekc"},
        {"--checks", "--checks"},
        {"x--check", "x--check"},
        {"-check", "-check"},
        {"check", "check"},
        {"--CHECK", "--CHECK"},
        {"--", "--"},
        {"-", "-"},
        {"efi", "efi"},
        {"cede.efi root=/dev/sda1 quiet", "root=/dev/sda1"},
        {"cede.efi \"--chekc\"\r\n", "--chekc"},
        {"'--chekc'", "--chekc"},
        {"a-very-long-word-that-goes-on-and-on-for-ever", "a-very-long-word-that-goes-on-a"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct options options = read_text(cases[i].text, false);

        assert_string_equal(options.unknown, cases[i].word);
        assert_false(options.check);
    }
    assert_string_equal(read_text("--check --verbose", false).unknown, "--verbose");
    assert_true(read_text("--verbose --check", false).check);
}

/* A dash that an editor has made longer; a path in another script. */
static void not_ascii(void **state)
{
    static const u8 dash[] = {0x13, 0x20, 'c', 0, 'h', 0, 'e', 0, 'c', 0, 'k', 0};
    static const u8 path[] = {'A', 0, ':', 0, 0x3a, 0x53, '.', 0, 'e', 0, 'f', 0, 'i', 0};

    (void)state;
    assert_string_equal(read_bytes("\xe2\x80\x93"
                                   "check",
                                   8, false)
                            .unknown,
                        "???check");
    assert_string_equal(read_bytes(dash, sizeof dash, false).unknown, "?check");
    assert_string_equal(read_bytes(path, sizeof path, false).unknown, "");
    assert_int_equal(read_bytes(path, sizeof path, false).junk, 0);
}

/* What firmware and other systems put there: EDK II's GUID of its own entries, Windows' structure,
 * the whole boot option as Dell's firmware does; of these the last may have been told to look. */
static void junk(void **state)
{
    static const u8 guid[16] = {0x4e, 0xac, 0x08, 0x81, 0x11, 0x9f, 0x59, 0x4d,
                                0x85, 0x0e, 0xe2, 0x1a, 0x52, 0x2c, 0x59, 0xb2};
    static const u8 windows[] = "WINDOWS\0\1\0\0\0\x88\0\0\0x\0\0\0B\0C\0D\0O\0B\0J\0E\0C\0T\0=\0{";
    static const u8 whole[] = "\1\0\0\0\4\0C\0e\0d\0e\0\0\0\x7f\xff\4\0-\0-\0c\0h\0e\0c\0k\0\0";
    static const u8 big_endian[] = "\xfe\xff\0-\0-\0c\0h\0e\0c\0k";
    static const u8 high[] = {'-', 1, '-', 1, 'c', 1, 'h', 1, 'e', 1, 'c', 1, 'k', 1};
    struct options options = read_bytes(guid, sizeof guid, false);

    (void)state;
    assert_true(options.junk == sizeof guid && !options.check && !options.unknown[0]);
    options = read_bytes(windows, sizeof windows, false);
    assert_true(options.junk == sizeof windows && !options.check && !options.unknown[0]);
    options = read_bytes(whole, sizeof whole, false);
    assert_true(options.junk && options.check && !options.unknown[0]);
    assert_false(read_bytes(whole, sizeof whole - 4, false).check);
    assert_true(read_bytes(big_endian, sizeof big_endian - 1, false).check);
    assert_false(read_bytes(high, sizeof high, false).check);
    for (size_t cut = 0; cut < sizeof whole; cut++)
        read_bytes(whole, cut, true);
}

/* One character off, in every place, is never silence: it looks, it is named, or it is no text. */
static void no_typing_error_is_silent(void **state)
{
    (void)state;
    for (u32 at = 0; at < strlen(CHECK); at++) {
        for (u32 c = 1; c < 256; c++) {
            char text[] = CHECK;
            struct options options;

            text[at] = (char)c;
            options = read_bytes(text, strlen(text), false);
            assert_true(options.check || options.unknown[0] || options.junk);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check),
        cmocka_unit_test(nothing),
        cmocka_unit_test(unknown),
        cmocka_unit_test(the_shells_first_word),
        cmocka_unit_test(not_ascii),
        cmocka_unit_test(junk),
        cmocka_unit_test(no_typing_error_is_silent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
