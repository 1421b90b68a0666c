#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "console/guess.c"

#define LONGEST 7

/* The textbook's table, to compare with. */
static u32 by_table(const char *a, const char *b)
{
    u32 table[LONGEST + 1][LONGEST + 1];

    for (u32 i = 0; i <= strlen(a); i++)
        for (u32 j = 0; j <= strlen(b); j++)
            table[i][j] = !i   ? j
                          : !j ? i
                               : less(table[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
                                      1 + less(table[i - 1][j], table[i][j - 1]));
    return table[strlen(a)][strlen(b)];
}

static void random_word(char *word)
{
    u32 length = (u32)(rand() % LONGEST);

    for (u32 i = 0; i < length; i++)
        word[i] = (char)('a' + rand() % 3);
    word[length] = '\0';
}

static void distances(void **state)
{
    (void)state;
    srand(1);
    for (u32 n = 0; n < 200000; n++) {
        char a[LONGEST + 1], b[LONGEST + 1];
        u32 limit = (u32)(rand() % 4), wanted;

        random_word(a);
        random_word(b);
        wanted = by_table(a, b);
        if (wanted <= limit)
            assert_int_equal(apart(a, b, limit), wanted);
        else
            assert_true(apart(a, b, limit) > limit);
    }
}

static const char *meant(const char *word)
{
    static const char *const names[] = {"filtered", "full",  "off",
                                        "core",     "cores", "architectural"};
    struct guess guess = {.word = word};

    for (u32 i = 0; i < COUNT(names); i++)
        guess_consider(&guess, names[i]);
    return guess.name ? guess.name : "";
}

static void the_nearest(void **state)
{
    (void)state;
    assert_string_equal(meant("architectral"), "architectural");
    assert_string_equal(meant("arcihtectural"), "architectural");
    assert_string_equal(meant("filterd"), "filtered");
    assert_string_equal(meant("coress"), "cores");
    assert_string_equal(meant("fulll"), "full");
    assert_string_equal(meant("of"), "off");
}

static void nothing_near(void **state)
{
    static const char *const words[] = {"", "x", "o", "foo", "BR_INST_RETIRED", "archi", "0xc0"};

    (void)state;
    for (u32 i = 0; i < COUNT(words); i++)
        assert_string_equal(meant(words[i]), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances),
        cmocka_unit_test(the_nearest),
        cmocka_unit_test(nothing_near),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
