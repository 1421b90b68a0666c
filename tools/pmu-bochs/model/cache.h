/*
 * A last-level cache per core, for the two architectural cache events.
 *
 * An access to another 64-byte line than the one before is a reference. A reference misses when its
 * pair of lines is not in the cache: 8 MiB, direct-mapped by physical address, lines fetched in
 * pairs as an adjacent-line prefetcher does. So streaming misses once per pair, and CLFLUSH makes
 * the next access miss.
 */
#ifndef CEDE_PMU_CACHE_H
#define CEDE_PMU_CACHE_H

#include <cstdint>
#include <cstring>

namespace pmu
{

class Cache
{
  public:
    enum Outcome { SAME_LINE, HIT, MISS };

    Cache()
    {
        empty();
    }

    Outcome access(uint64_t address)
    {
        uint64_t line = (address >> 6) + 1;
        if (line == last)
            return SAME_LINE;
        last = line;
        uint64_t *place = &pairs[(address >> 7) % PLACES];
        Outcome outcome = *place == (address >> 7) + 1 ? HIT : MISS;
        *place = (address >> 7) + 1;
        return outcome;
    }

    void flush(uint64_t address)
    {
        uint64_t *place = &pairs[(address >> 7) % PLACES];
        if (*place == (address >> 7) + 1)
            *place = 0;
        last = 0;
    }

    void empty()
    {
        memset(pairs, 0, sizeof pairs);
        last = 0;
    }

  private:
    enum : unsigned { PLACES = 65536 };
    uint64_t pairs[PLACES]; /* pair number + 1; 0: nothing */
    uint64_t last;          /* line number + 1 */
};

} // namespace pmu

#endif
