/* Memory: what the second level of translation adds to latency and bandwidth. Latency is of loads
 * each of which has the address of the next, in random order; where each is on another page of
 * 4 KiB, most miss the TLB (32 MiB are more pages than any has entries for). */
#include "machine.h"
#include "measure.h"
#include "paging.h"
#include "samples.h"

enum { LOADS = 20000, LINE = 64, BIGGEST = MIB(32), COPIED = MIB(2) };

static u64 memory, tables;

void memory_prepare(void)
{
    memory = ALIGN_UP(machine_pages((BIGGEST + MIB(2)) / PAGE), MIB(2));
    tables = machine_pages(PAGING_SMALL_PAGES(BIGGEST));
}

/* One cycle through all places (Sattolo's shuffle); each place has the next one's address. */
static void link(u64 base, u32 count, u32 stride)
{
    u64 state = 1;
    for (u32 i = 0; i < count; i++) {
        *(u64 *)(base + (u64)i * stride) = base + (u64)i * stride;
    }
    for (u32 i = count - 1; i; i--) {
        state = state * 6364136223846793005ULL + 1442695040888963407ULL;
        u64 *one = (u64 *)(base + (u64)i * stride),
            *other = (u64 *)(base + (state >> 33) % i * stride), place = *one;
        *one = *other;
        *other = place;
    }
}

static u64 chase(u64 at, u32 loads)
{
    u64 start = rdtsc();
    for (u32 i = 0; i < loads; i++) {
        __asm__ volatile("mov (%0), %0" : "+r"(at)::"memory");
    }
    return rdtsc() - start;
}

static void latency(const char *name, u64 base, u64 bytes, u32 stride)
{
    const struct measured m = {"memory", name, NULL, "ticks/load"};
    int64_t values[SAMPLES];
    link(base, (u32)(bytes / stride), stride);
    chase(base, LOADS);
    for (u32 i = 0; i < SAMPLES; i++) {
        values[i] = (int64_t)chase(base, LOADS);
    }
    samples_say(&m, values, LOADS);
}

static void string(const char *kind)
{
    void *from = (void *)memory, *to = (void *)(memory + BIGGEST / 2);
    u64 words = COPIED / 8;
    if (kind[0] == 'r') {
        __asm__ volatile("rep lodsq" : "+S"(from), "+c"(words)::"rax", "memory");
    } else if (kind[0] == 'w') {
        __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(0) : "memory");
    } else {
        __asm__ volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(words)::"memory");
    }
}

static void bandwidth(const char *kind)
{
    const struct measured m = {"memory", kind, NULL, "ticks/KiB"};
    int64_t values[SAMPLES];
    for (u32 i = 0; i < SAMPLES; i++) {
        u64 start = rdtsc();
        string(kind);
        values[i] = (int64_t)(rdtsc() - start);
    }
    samples_say(&m, values, COPIED / 1024);
}

void memory_measures(void)
{
    latency("latency-16-kib", memory, KIB(16), LINE);
    latency("latency-512-kib", memory, KIB(512), LINE);
    latency("latency-32-mib", memory, BIGGEST, LINE);
    latency("latency-32-mib-small-pages", paging_small(memory, BIGGEST, tables), BIGGEST,
            PAGE + LINE);
    bandwidth("read");
    bandwidth("write");
    bandwidth("copy");
}
