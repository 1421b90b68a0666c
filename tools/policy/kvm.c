/* KVM filters and policies: what each says in the other's words. */
#include "kvm.h"

#include <stdlib.h>

#include "cover.h"

enum { SELECTS = 4096 };

void kvm_add(struct kvm_filter *filter, struct filter_entry entry)
{
    filter->events = realloc(filter->events, (filter->count + 1) * sizeof(entry));
    if (!filter->events)
        abort();
    filter->events[filter->count++] = entry;
}

struct filter_entry kvm_entry(u64 select, u64 mask, u64 match, bool exclude)
{
    return (struct filter_entry){.first = (u16)select,
                                 .last = (u16)select,
                                 .mask = (u8)mask,
                                 .match = (u8)match,
                                 .exclude = exclude};
}

/* --- to a policy ----------------------------------------------------------------------------- */

static void print_entry(const char *verb, const struct filter_entry *e, FILE *to)
{
    if (e->match & ~e->mask)
        fprintf(to, "# no umask of 0x%02x matches 0x%02x under 0x%02x\n", e->first, e->match,
                e->mask);
    else if (!e->mask)
        fprintf(to, "%s 0x%02x/*\n", verb, e->first);
    else if (e->mask == 0xff)
        fprintf(to, "%s 0x%02x/0x%02x\n", verb, e->first, e->match);
    else
        fprintf(to, "%s 0x%02x/0x%02x&0x%02x\n", verb, e->first, e->match, e->mask);
}

static void print_fixed(u32 fixed, FILE *to)
{
    fixed &= (1U << POLICY_FIXED) - 1;
    if (!fixed)
        return;
    fputs("allow fixed", to);
    for (u32 i = 0; i < POLICY_FIXED; i++)
        if (fixed & 1U << i)
            fprintf(to, " %u", i);
    fputc('\n', to);
}

/* The umasks of a select that the entries hit: included by one, excluded by none. */
static bool hit_umasks(const struct kvm_filter *filter, u32 select, struct umasks *out)
{
    bool any = false;

    for (u32 umask = 0; umask < 256; umask++) {
        bool hit = false, excluded = false;

        for (size_t i = 0; i < filter->count; i++) {
            const struct filter_entry *e = &filter->events[i];

            if (e->first != select || (umask & e->mask) != e->match)
                continue;
            hit |= !e->exclude;
            excluded |= e->exclude;
        }
        out->in[umask] = hit && !excluded;
        any |= out->in[umask];
    }
    return any;
}

static bool has_excludes(const struct kvm_filter *filter)
{
    for (size_t i = 0; i < filter->count; i++)
        if (filter->events[i].exclude)
            return true;
    return false;
}

/* In a filter that denies, excludes allow again, which no line of a policy does: what is left to
 * deny is written down. */
static void print_denied(const struct kvm_filter *filter, FILE *to)
{
    struct umasks set;
    struct cube cubes[128];

    for (u32 select = 0; select < SELECTS; select++) {
        size_t count = hit_umasks(filter, select, &set) ? cover(&set, cubes) : 0;

        for (size_t i = 0; i < count; i++) {
            struct filter_entry e = kvm_entry(select, cubes[i].mask, cubes[i].match, false);

            print_entry("deny", &e, to);
        }
    }
}

void kvm_to_policy(const struct kvm_filter *filter, FILE *to)
{
    fputs("# KVM does not look at modifiers, and reserves AnyThread:\n"
          "allow modifier edge inv cmask in_tx\n",
          to);
    /* Not `allow all`, which has UMASK2 in it: KVM reserves those bits. */
    if (filter->deny)
        fputs("allow 0x00-0xfff/*\n", to);
    print_fixed(filter->deny ? ~filter->fixed : filter->fixed, to);
    if (filter->deny && has_excludes(filter)) {
        print_denied(filter, to);
        return;
    }
    for (size_t i = 0; i < filter->count; i++)
        print_entry(filter->deny || filter->events[i].exclude ? "deny" : "allow",
                    &filter->events[i], to);
}

/* --- from a policy --------------------------------------------------------------------------- */

static void add_select(struct kvm_filter *out, const struct filter *filter, u32 select)
{
    struct umasks set;
    struct cube cubes[128];
    size_t count;

    for (u32 umask = 0; umask < 256; umask++)
        set.in[umask] = filter_allows(filter, (select & 0xff) | umask << 8 |
                                                  (u64)(select >> 8) << 32) != out->deny;
    count = cover(&set, cubes);
    for (size_t i = 0; i < count; i++)
        kvm_add(out, kvm_entry(select, cubes[i].mask, cubes[i].match, false));
}

/* The list of what is allowed; if KVM takes no list as long, that of what is denied. Of what Cede
 * never allows KVM knows nothing. */
bool kvm_from_policy(struct kvm_filter *out, const struct pmu_policy *policy,
                     const struct policy_cpu *cpu, size_t *entries)
{
    static struct filter filter;
    struct filter_format format = *cpu->format;
    struct policy_cpu on = *cpu;
    u32 selects = format.event_high ? SELECTS : 256;

    format.never = 0;
    on.format = &format;
    policy_build(&filter, policy, &on);
    *entries = ~(size_t)0;
    for (int deny = 0; deny < 2; deny++) {
        *out = (struct kvm_filter){.deny = deny, .fixed = policy_fixed(policy)};
        if (deny)
            out->fixed ^= (1U << POLICY_FIXED) - 1;
        for (u32 select = 0; select < selects; select++)
            add_select(out, &filter, select);
        *entries = MIN(*entries, out->count);
        if (out->count <= KVM_EVENTS)
            return true;
        kvm_free(out);
    }
    return false;
}

void kvm_free(struct kvm_filter *filter)
{
    free(filter->events);
    filter->events = NULL;
    filter->count = 0;
}
