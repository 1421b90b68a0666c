/* kept ADDRESS [FILE]: lines of stdin go into the kept block of the self-test's step (kept.h) that
 * lies there in memory, and to stdout. FILE instead of /dev/mem: its test. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/kept_text.h"

static struct kept *map(int memory, u64 base, u64 size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory, (off_t)base);

    return at == MAP_FAILED ? NULL : at;
}

/* First the page with its head, which says how large it is. */
static struct kept *find(const char *file, u64 base)
{
    int memory = open(file, O_RDWR);
    struct kept *head = memory < 0 ? NULL : map(memory, base, KIB(4));

    if (!head || !kept_is_whole(head, base, KEPT_LIMIT) || head->kind != KEPT_STEP)
        return NULL;
    return map(memory, base, sizeof *head + head->size);
}

int main(int argc, char **argv)
{
    struct kept *block =
        argc > 1 ? find(argc > 2 ? argv[2] : "/dev/mem", strtoull(argv[1], NULL, 16)) : NULL;
    char line[256];

    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        fputs(line, stdout);
        if (block)
            kept_put(block, line);
    }
    if (!block)
        fprintf(stderr, "kept: no kept block at %s\n", argc > 1 ? argv[1] : "no address");
    return !block;
}
