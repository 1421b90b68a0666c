#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "conf/options.c"

static bool have_bytes(const void *bytes, size_t size)
{
    u8 *copy = malloc(size + !size);

    memcpy(copy, bytes, size);
    bool found = options_have(copy, size, "--check");
    free(copy);
    return found;
}

static bool have(const char *text)
{
    size_t chars = strlen(text);
    u8 *wide = calloc(chars + 1, 2);

    for (size_t i = 0; i < chars; i++)
        wide[2 * i] = (u8)text[i];
    bool with_nul = have_bytes(wide, 2 * chars + 2);
    assert_true(with_nul == have_bytes(wide, 2 * chars));
    free(wide);
    return with_nul;
}

static void words(void **state)
{
    (void)state;
    assert_true(have("--check"));
    assert_true(have("cede.efi --check"));
    assert_true(have("FS0:\\cede.efi\t--check more"));
    assert_true(have("\"FS0:\\a b.efi\" \"--check\""));
    assert_false(have(""));
    assert_false(have("--checks"));
    assert_false(have("x--check"));
    assert_false(have("--chec"));
    assert_false(have("cede.efi"));
}

/* Firmware passes a GUID, a structure, or 8-bit text. */
static void junk(void **state)
{
    static const u8 high[] = {'-', 1, '-', 1, 'c', 1, 'h', 1, 'e', 1, 'c', 1, 'k', 1};

    (void)state;
    assert_false(options_have(NULL, 0, "--check"));
    assert_false(options_have(NULL, 99, "--check"));
    assert_false(have_bytes("--check", 7));
    assert_false(have_bytes(high, sizeof high));
    assert_false(have_bytes("-", 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words), cmocka_unit_test(junk)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
