#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "uefi/text.c"

static char out[64];

/* Without the attribute: %ls takes the loader's 16-bit characters, which the host's compiler
 * rejects. */
static const char *print(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    size_t length = text_format(out, sizeof out, format, args);
    va_end(args);
    assert_int_equal(length, strlen(out));
    return out;
}

static void formats(void **state)
{
    static const u16 wide[] = {'G', 0xe9, 'o', 0};

    (void)state;
    assert_string_equal(print("a%%b%c", 'x'), "a%bx");
    assert_string_equal(print("%s|%5s|%-5s|", "ab", "ab", "ab"), "ab|   ab|ab   |");
    assert_string_equal(print("%d %d %u", -5, 7, 4000000000U), "-5 7 4000000000");
    assert_string_equal(print("%x %08x %lx", 0xabcU, 0xabcU, (u64)1 << 63),
                        "abc 00000abc 8000000000000000");
    assert_string_equal(print("%d", (int)0x80000000), "-2147483648");
    assert_string_equal(print("%lu", ~(u64)0), "18446744073709551615");
    assert_string_equal(print("%ls|%-5ls|", wide, wide), "G?o|G?o  |");
    assert_string_equal(print("%s", (char *)NULL), "(none)");
    assert_string_equal(print("end%"), "end");
    assert_string_equal(print("%q"), "q");
}

static void cuts_short(void **state)
{
    char small[5];

    (void)state;
    assert_int_equal(text_print(small, sizeof small, "%s", "abcdefgh"), 4);
    assert_string_equal(small, "abcd");
    assert_int_equal(text_print(small, 1, "%08x", 1U), 0);
    assert_string_equal(small, "");
}

/* On the heap, exactly as long, so that a read past the end is seen. */
static bool convert(const char *text, u16 *wide, size_t count)
{
    char *copy = strdup(text);
    bool good = text_to_utf16(copy, wide, count);

    free(copy);
    return good;
}

static void utf8(void **state)
{
    u16 wide[8];

    (void)state;
    assert_true(convert("a\xc3\xa9\xe2\x82\xac", wide, 8));
    assert_int_equal(wide[1], 0xe9);
    assert_int_equal(wide[2], 0x20ac);
    assert_int_equal(wide[3], 0);
    assert_true(convert("\xf0\x9f\x98\x80", wide, 8));
    assert_int_equal(wide[0], 0xd83d);
    assert_int_equal(wide[1], 0xde00);
    assert_true(convert("", wide, 1));
    assert_int_equal(wide[0], 0);
}

static void bad_utf8(void **state)
{
    static const char *const bad[] = {"\x80",
                                      "\xc3",
                                      "\xe2\x82",
                                      "\xf0\x9f\x98",
                                      "\xc0\xaf",
                                      "\xe0\x80\xaf",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xff",
                                      "a\xfe",
                                      "\xf8\x88\x80\x80\x80"};
    u16 wide[8];

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_false(convert(bad[i], wide, 8));
    assert_false(convert("12345678", wide, 8));
    assert_true(convert("12345", wide, 8));
}

static void paths(void **state)
{
    static const u16 a[] = {'\\', 'e', 'F', 'i', 0}, b[] = {'\\', 'E', 'f', 'I', 0};
    static const u16 c[] = {'\\', 'E', 'f', 0};

    (void)state;
    assert_true(text_same_path(a, b));
    assert_false(text_same_path(a, c));
    assert_false(text_same_path(c, a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),  cmocka_unit_test(cuts_short), cmocka_unit_test(utf8),
        cmocka_unit_test(bad_utf8), cmocka_unit_test(paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
