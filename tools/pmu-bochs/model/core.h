/*
 * The counters of one core, whatever its vendor: what each counts, when it overflows, when its
 * interrupt is due. Plain logic without Bochs; a vendor (intel.h, amd.h) adds the registers.
 *
 * Instructions are tallied per mode by the main loop (tally.h); a counter's value is what it was
 * given plus what its part of the tally has grown by since. Every instruction retires under the
 * settings that were in force when it began, so a write takes effect at settle(), after the writing
 * instruction has been tallied: of the WRMSR that enables and the one that disables, exactly the
 * second is counted.
 */
#ifndef CEDE_PMU_CORE_H
#define CEDE_PMU_CORE_H

#include "branches.h"
#include "cache.h"
#include "predictor.h"
#include "tally.h"

namespace pmu
{

enum : unsigned { MAX_COUNTERS = 16, SLOTS_PER_CYCLE = 4 };

/* `weight` units of the counter for each occurrence; 0: nothing is counted. One instruction retires
 * per cycle. */
struct Event {
    Kind kind;
    unsigned weight;
};

constexpr Event NOTHING = {INSTRUCTIONS, 0};
constexpr Event CYCLES = {INSTRUCTIONS, 1};
constexpr Event SLOTS = {INSTRUCTIONS, SLOTS_PER_CYCLE};

/* What a counter is to do from now on. */
struct Setting {
    Event event = NOTHING;
    unsigned modes = 0;      /* bit 1 << mode for each mode in which it counts */
    bool interrupts = false; /* an overflow asks for a PMI */
    bool edge = false;
    bool invert = false;
    unsigned threshold = 0; /* CMASK */
};

/* An access to memory: where, from where it came, how long it took. */
struct MemoryAccess {
    bool made;
    uint64_t address;
    Cache::Outcome outcome;
};

/* What the model needs of the machine around it. */
struct Machine {
    virtual ~Machine() = default;
    virtual uint64_t clock() = 0;   /* TSC ticks */
    virtual void deliver_pmi() = 0; /* by the local APIC's LVTPC */
    virtual bool svm_enabled() = 0; /* EFER.SVME */
    virtual uint64_t next_ip()
    {
        return 0;
    } /* linear, of the instruction that executes next */
    virtual bool fetched_from(uint64_t, uint64_t *)
    {
        return false;
    } /* the physical address of the one that has just retired, if it is known */
    virtual void deliver_extended(unsigned)
    {
    } /* by the APIC's extended LVT entry of this number */
};

/* As Bochs' cpuid_t has it. */
enum Access { UNKNOWN = -1, FAULT = 0, DONE = 1 };

class Core
{
  public:
    Core(Tally &tally, Machine &machine, unsigned skid);
    virtual ~Core() = default;

    virtual void reset() = 0;
    virtual Access rdmsr(uint32_t msr, uint64_t *value) = 0;
    virtual Access wrmsr(uint32_t msr, uint64_t value) = 0;
    virtual bool rdpmc(uint32_t index, uint64_t *value) = 0; /* false: #GP */
    virtual unsigned kernel_counter_bits() const = 0;        /* width, for tests and CPUID */

    /* Overflows are seen, PMIs that are due delivered, writes take effect. Called after the
     * instruction that uses up the tally's budget, and where no instruction retires: at a change of
     * mode, at a VM exit. */
    void settle();

    /* The next instruction runs in `mode`. */
    void enter_mode(unsigned mode);

    /* Look again after the instruction in flight. */
    void look_soon();

    /* What the registers say has changed: settle() after the instruction in flight. */
    void changed();

    /* The same, by VM exit and VM entry: the guest finds predictor and cache as it left them. */
    void leaves_guest();
    void enters_guest();

    /* An event other than an instruction or a branch happened in `mode`. */
    void happened(Kind kind, unsigned mode);

    /* events.cc: what Bochs says about the instruction that executes, and that a branch has
     * retired. */
    void conditional(uint64_t from, uint64_t to, bool taken);
    void jumped(uint64_t from, uint64_t to, unsigned opcode_flags);
    void far(uint64_t from, uint64_t to, uint8_t to_mode, bool interrupt);
    void branch_retired(unsigned opcode_flags);

    /* An interrupt or exception begins; the handler's first instruction is about to execute; it
     * never came to that. */
    void event_begins(uint64_t from, uint8_t mode, uint8_t vector);
    void event_ends(uint64_t handler, uint8_t mode);
    void event_lost();
    bool event_in_flight() const
    {
        return branches.delivering();
    }

    /* The instruction after which the tally's budget is used up has retired; what one that
     * inspects() is about does to memory. settle() follows. */
    virtual void instruction_done()
    {
    }
    virtual void inspected_access(uint64_t, uint64_t, unsigned, bool, bool)
    {
    } /* linear, physical, length, loads, stores */

    void accessed(uint64_t address);
    void touched(uint64_t linear, bool loads, bool stores);
    void memory_retired();
    /* Of the instruction that has just retired; zeros if it had none. */
    void last_access(uint64_t *address, uint64_t *source, uint64_t *latency) const;
    void flushed(uint64_t address)
    {
        cache.flush(address);
    }
    void barrier()
    {
        predictor.forget_indirect();
    } /* IBPB */

    /* Reference cycles up to now belong to the mode that ends now. */
    void tick();
    void stop_clock();
    void start_clock();
    bool clock_stopped() const
    {
        return stopped;
    }

    /* A record of what has overflowed is to be written, between this instruction and the next. */
    virtual bool record_due() const
    {
        return false;
    }

    bool settings_pending() const
    {
        return pending;
    }

    /* Every instruction is tallied from now on, the first ones in `mode`, whether a counter counts
     * or not; and how many were so far in `modes`. */
    void tally_always(unsigned mode);
    uint64_t instructions(unsigned modes);

  protected:
    virtual unsigned counters() const = 0;
    virtual Setting setting(unsigned counter) const = 0;
    virtual bool watches_metrics() const
    {
        return false;
    }
    virtual bool counts_guest_entry() const
    {
        return false;
    } /* VMRUN is a branch of the guest */
    /* -> a PMI is due where the counter's own setting asks for one */
    virtual bool overflowed(unsigned counter) = 0;
    virtual unsigned latency_threshold() const
    {
        return 0;
    }

    /* Is every taken branch to be handed to taken()? Asked at each: what the registers say now. A
     * change of the answer is changed()'s. */
    virtual bool records_branches() const
    {
        return false;
    }
    virtual void taken(const Branch &)
    {
    }
    virtual void branched(unsigned, bool, bool)
    {
    } /* opcode flags, taken, missed: any branch, likewise */

    /* Is the next instruction to be looked at alone? What it is turns out to be another one when an
     * event comes before it: starts_at(). */
    virtual bool inspects() const
    {
        return false;
    }
    virtual void starts_at(uint64_t)
    {
    }
    virtual void interrupting()
    {
    } /* a PMI is being delivered: freeze */

    void flush();
    uint64_t read(unsigned counter);
    void write(unsigned counter, uint64_t value);
    uint64_t grown(Kind kind, unsigned modes) const;
    uint64_t retired_now(); /* the instruction in flight not among them */
    void clear();
    void set_now(unsigned counter, uint64_t value); /* within settle(), or right behind it */
    void ask_for_pmi();

    Machine &machine;
    uint64_t mask[MAX_COUNTERS]; /* all ones in the counter's width */

  private:
    struct Counter {
        Setting what;
        uint64_t base; /* value when its tally was `seen` */
        uint64_t seen;
        uint64_t next;  /* written, not in force yet */
        uint64_t cycle; /* the last cycle that was compared */
        bool written;
        bool live;
        bool stepped;   /* compared cycle by cycle: CMASK, INV, EDGE */
        bool condition; /* of the last cycle, for EDGE */
    };

    uint64_t tallied(const Counter &c) const;
    void arm(int64_t budget);
    void set_hot(bool hot);
    void fold();
    void step(Counter &c);
    bool check_overflows();
    void plan();
    int64_t budget_of(const Counter &c, uint64_t limit) const;
    uint64_t retired() const;
    void interrupt_when_due();
    void watch(bool clock, bool memory, bool branches);

    Tally &tally;
    Predictor predictor;
    Branches branches;
    Cache cache;
    Cache::Outcome outcome;   /* of the latest access */
    MemoryAccess load, store; /* the instruction's first ones */
    Counter counter[MAX_COUNTERS];
    int64_t left[KINDS]; /* occurrences until a counter of them may overflow */
    unsigned skid;
    bool pending;
    bool guest_predicts, guest_caches; /* did so at the last VM exit */
    bool resumes;                      /* what is pending is a VM entry's */
    bool pmi_due;
    uint64_t pmi_at; /* in instructions retired */
    uint64_t clock_seen;
    bool stopped;
    bool always = false; /* tallied without a counter that wants it */
};

} // namespace pmu

#endif
