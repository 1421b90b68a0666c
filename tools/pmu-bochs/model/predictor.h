/*
 * A small branch predictor, so that branch misses mean something and are the same in every run.
 *
 * Conditional branches: one two-bit counter per branch, first seen as taken. Indirect branches: the
 * target of last time. Returns: a stack of 16 call sites. Branches are told apart by their whole
 * address, so where code is placed does not matter. A branch that finds its eight places in the
 * table taken replaces the first.
 */
#ifndef CEDE_PMU_PREDICTOR_H
#define CEDE_PMU_PREDICTOR_H

#include <cstdint>

namespace pmu
{

class Predictor
{
  public:
    Predictor()
    {
        forget();
    }

    /* Each says whether the prediction was wrong, and learns. */
    bool conditional(uint64_t from, bool taken);
    bool indirect(uint64_t from, uint64_t to);
    bool returned(uint64_t to);

    void called(uint64_t from);
    void forget();          /* everything */
    void forget_indirect(); /* IBPB */

  private:
    enum : unsigned { PLACES = 16384, PROBES = 8, DEPTH = 16, LONGEST_CALL = 15 };
    struct Entry {
        uint64_t from;
        uint64_t state;
    };

    static Entry *find(Entry *table, uint64_t from, uint64_t fresh);

    Entry directions[PLACES];
    Entry targets[PLACES];
    uint64_t callers[DEPTH];
    unsigned depth;
};

} // namespace pmu

#endif
