#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <sys/wait.h>

#define main kept_main
#include "kept.c"
#undef main

#define MEMORY "/tmp/cede-kept-test.memory"
#define SAID   "/tmp/cede-kept-test.said"
#define LINES  "test: a ok\ninfo: done, exit code 0\n"

enum { BASE = 0x10000000, SIZE = 8128 }; /* with its head two pages */

static struct kept *block;

static int begin(void **unused)
{
    int file = open(MEMORY, O_RDWR | O_CREAT | O_TRUNC, 0600);

    (void)unused;
    if (file < 0 || ftruncate(file, BASE + MIB(1)))
        return -1;
    block = map(file, BASE, KIB(8));
    close(file);
    kept_begin(block, BASE, KEPT_STEP, SIZE, 1);
    return 0;
}

static int end(void **unused)
{
    (void)unused;
    unlink(MEMORY);
    unlink(SAID);
    return munmap(block, KIB(8));
}

static void be_kept(char *address, char *memory)
{
    char *words[] = {"kept", address, memory, NULL};
    int lines[2], said = open(SAID, O_RDWR | O_CREAT | O_TRUNC, 0600);

    if (pipe(lines) || write(lines[1], LINES, strlen(LINES)) < 0)
        _exit(9);
    close(lines[1]);
    dup2(lines[0], 0);
    stdin = fdopen(0, "r");
    dup2(said, 1);
    dup2(said, 2);
    exit(kept_main(address ? 3 : 1, words));
}

/* Its status, and what it says into `text`. */
static int run(char *address, char *memory, char text[256])
{
    int status, said;
    pid_t child = fork();

    if (!child)
        be_kept(address, memory);
    waitpid(child, &status, 0);
    said = open(SAID, O_RDONLY);
    text[read(said, text, 255)] = 0;
    close(said);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void keeps(void **unused)
{
    char text[256];

    (void)unused;
    kept_put(block, "info: before\n");
    assert_int_equal(run("10000000", MEMORY, text), 0);
    assert_string_equal(text, LINES);
    assert_int_equal(kept_used(block), strlen("info: before\n" LINES));
    assert_memory_equal(block->payload, "info: before\n" LINES, strlen("info: before\n" LINES));
}

/* Nothing is written to what is no block of a step's, and what is said is still on the screen. */
static void refused(char *address, char *memory)
{
    static const u8 nothing[64];
    char text[256];

    assert_int_equal(run(address, memory, text), 1);
    assert_non_null(strstr(text, LINES));
    assert_non_null(strstr(text, "kept: no kept block at "));
    assert_int_equal(block->used, 0);
    assert_memory_equal(block->payload, nothing, sizeof nothing);
}

static void refuses(void **unused)
{
    (void)unused;
    refused(NULL, NULL);
    refused("10000000", "/nowhere/memory");
    refused("10001000", MEMORY);
    refused("zero", MEMORY);
    kept_begin(block, BASE, KEPT_CEDE, SIZE, 1);
    refused("10000000", MEMORY);
    kept_begin(block, BASE + KIB(4), KEPT_STEP, SIZE, 1);
    refused("10000000", MEMORY);
    kept_begin(block, BASE, KEPT_STEP, SIZE, 1);
    block->size++;
    refused("10000000", MEMORY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keeps, begin, end),
        cmocka_unit_test_setup_teardown(refuses, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
