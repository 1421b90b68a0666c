#include "host/keep.h"
#include "base/asm.h"
#include "base/tsc.h"
#include "host/screen.h"
#include "serial/log.h"

#define LINE 64

static struct kept *block;
static u32 used; /* of its text */
static bool busy;

static struct kept_cede *payload(void)
{
    return (struct kept_cede *)block->payload;
}

/* A reset throws away what only the caches have (SDM 10.1.1, table 10-1). */
static void flush(const volatile void *start, u64 size)
{
    u64 end = (u64)start + size;

    for (u64 at = ALIGN_DOWN((u64)start, LINE); at < end; at += LINE)
        flush_line((const void *)at);
}

/* The first lines are the ones that matter; what does not fit is left out. */
static void keep_line(const char *line)
{
    u32 start = used;
    char *text = payload()->text;

    for (; *line && used < KEPT_TEXT - 1; line++)
        text[used++] = *line;
    if (used < KEPT_TEXT)
        text[used++] = '\n';
    flush(text + start, used - start);
    block->used = used;
    flush(block, sizeof(*block));
}

/* A fault in here is a report too: it is not kept, lest it has no end. */
static void last_words(const char *line)
{
    if (busy)
        return;
    busy = true;
    if (block)
        keep_line(line);
    screen_line(line);
    busy = false;
}

void keep_exit(struct cpu *cpu, struct kept_exit *exit)
{
    struct kept_exit *slot = &payload()->rings[cpu->index][cpu->traced++ % KEPT_EXITS];

    exit->tsc = rdtsc();
    exit->rax = cpu->regs[RAX];
    exit->rcx = cpu->regs[RCX];
    exit->number = cpu->traced;
    *slot = *exit;
    flush_line(slot);
}

void keep_prepare(void)
{
    const struct boot_range *kept = &hv.info->kept;

    block = NULL;
    used = 0;
    log_last_words = last_words;
    if (kept->size < sizeof(*block) + KEPT_TEXT ||
        !kept_is_whole((void *)kept->base, kept->base, kept->size))
        return;
    block = (void *)kept->base;
    hv.trace = hv.info->trace && kept_rings(block) >= hv.info->cpu_count;
}
