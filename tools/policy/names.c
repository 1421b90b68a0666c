#include "names.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aliases.h"

enum { NAME_SIZE = 256, SUGGESTIONS = 3, CODES = 8 };

/* Which register the second code is for, from the attributes that libpfm4 prints. */
static enum policy_aux_register aux_of(const char *full)
{
    return strstr(full, ":ldlat=")      ? AUX_LDLAT
           : strstr(full, ":fe_thres=") ? AUX_FRONTEND
                                        : AUX_OFFCORE;
}

/* Events that only a fixed counter counts have pseudo-selectors: select 0, umask 1 + counter (as
 * Linux has them, which goes on with 80H and up for the parts of fixed counter 3). */
static void find_fixed(const struct processor *processor, struct encoding *e)
{
    u32 event = e->selector & 0xffff;

    if (processor->vendor != VENDOR_INTEL)
        return;
    e->fixed_only = !(event & 0xff) && event;
    if (e->fixed_only)
        e->fixed = 1U << (event >= 0x8000 ? 3 : MIN((event >> 8) - 1, POLICY_FIXED - 1));
    else if (event == 0xc0 || event == 0x3c)
        e->fixed = event == 0xc0 ? 1 << 0 : 1 << 1;
}

static bool encode_full(const struct processor *processor, const char *name, struct encoding *out,
                        int *error)
{
    u64 codes[CODES] = {0};
    char *full = NULL;
    pfm_pmu_encode_arg_t arg = {
        .codes = (uint64_t *)codes, .fstr = &full, .size = sizeof(arg), .count = CODES};

    *error = pfm_get_os_event_encoding(name, PFM_PLM0 | PFM_PLM3, PFM_OS_NONE, &arg);
    if (*error != PFM_SUCCESS)
        return false;
    *out = (struct encoding){
        .selector = codes[0] & ~(u64)SELECTOR_IDLE, .has_aux = arg.count > 1, .value = codes[1]};
    out->aux = aux_of(full);
    find_fixed(processor, out);
    free(full);
    return true;
}

/* perf's inst_retired.any_p is libpfm4's INST_RETIRED:ANY_P; case makes no difference to it. */
static void spell(const struct processor *processor, const char *name, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, "%s::%s", processor->name, name);
    for (char *c = out + strlen(processor->name); *c; c++)
        if (*c == '.')
            *c = ':';
}

enum name_verdict name_encode(const struct processor *processor, const char *name,
                              struct encoding *out)
{
    char full[NAME_SIZE];
    int error;

    if (alias_encode(processor, name, out))
        return NAME_FOUND;
    if (strstr(name, "::"))
        return NAME_UNKNOWN;
    spell(processor, name, full);
    if (encode_full(processor, full, out, &error))
        return NAME_FOUND;
    return error == PFM_ERR_UMASK ? NAME_NEEDS_UMASK : NAME_UNKNOWN;
}

/* What a processor knows, gathered once. */
struct catalogue {
    size_t count;
    struct entry {
        char *name;
        struct encoding encoding;
    } * entries;
};

static void add_name(struct catalogue *to, const struct processor *processor, const char *name)
{
    struct entry entry = {strdup(name), {0}};

    if (name_encode(processor, name, &entry.encoding) != NAME_FOUND) {
        free(entry.name);
        return;
    }
    to->entries = realloc(to->entries, (to->count + 1) * sizeof(entry));
    if (!to->entries || !entry.name)
        abort();
    to->entries[to->count++] = entry;
}

static void add_event(struct catalogue *to, const struct processor *processor, int index)
{
    pfm_event_info_t event = {.size = sizeof(event)};
    char name[NAME_SIZE];

    if (pfm_get_event_info(index, PFM_OS_NONE, &event) != PFM_SUCCESS)
        return;
    add_name(to, processor, event.name);
    for (int i = 0; i < event.nattrs; i++) {
        pfm_event_attr_info_t attr = {.size = sizeof(attr)};

        if (pfm_get_event_attr_info(index, i, PFM_OS_NONE, &attr) != PFM_SUCCESS ||
            attr.type != PFM_ATTR_UMASK)
            continue;
        snprintf(name, sizeof(name), "%s:%s", event.name, attr.name);
        add_name(to, processor, name);
    }
}

static const struct catalogue *catalogue_of(const struct processor *processor)
{
    static struct catalogue catalogues[PFM_PMU_MAX];
    struct catalogue *catalogue = &catalogues[processor->pmu];
    pfm_pmu_info_t info = {.size = sizeof(info)};

    if (catalogue->count || pfm_get_pmu_info(processor->pmu, &info) != PFM_SUCCESS)
        return catalogue;
    for (int i = info.first_event; i != -1; i = pfm_get_event_next(i))
        add_event(catalogue, processor, i);
    return catalogue;
}

void name_each(const struct processor *processor, name_visitor *visit, void *context)
{
    const struct catalogue *catalogue = catalogue_of(processor);

    for (size_t i = 0; i < catalogue->count; i++)
        visit(context, processor, catalogue->entries[i].name, &catalogue->entries[i].encoding);
}

bool encoding_same_event(enum vendor vendor, u64 a, u64 b)
{
    u64 event = EVTSEL_EVENT | EVTSEL_UMASK | (vendor == VENDOR_AMD ? MASK(35, 32) : EVTSEL_UMASK2);

    return !((a ^ b) & event);
}

/* --- nearest names --------------------------------------------------------------------------- */

struct suggestion {
    char name[NAME_SIZE];
    unsigned edits;
};

struct search {
    const char *name;
    struct suggestion best[SUGGESTIONS];
};

static char folded(char c)
{
    return c == ':' || c == '-' ? '.' : (char)tolower((unsigned char)c);
}

/* Edits (insert, delete, replace) that turn one name into the other. */
static unsigned edits(const char *a, const char *b)
{
    unsigned row[NAME_SIZE], width = (unsigned)MIN(strlen(a), (size_t)NAME_SIZE - 1);

    for (unsigned x = 0; x <= width; x++)
        row[x] = x;
    for (unsigned y = 1; *b; b++, y++) {
        unsigned diagonal = row[0];

        row[0] = y;
        for (unsigned x = 1; x <= width; x++) {
            unsigned replace = diagonal + (folded(a[x - 1]) != folded(*b));

            diagonal = row[x];
            row[x] = MIN(replace, MIN(row[x], row[x - 1]) + 1);
        }
    }
    return row[width];
}

/* Whether `name` is `event` with a unit mask. */
static bool is_part(const char *event, const char *name)
{
    size_t length = strlen(event);

    return !strncasecmp(event, name, length) && name[length] == ':';
}

static void consider(struct search *search, const char *name)
{
    unsigned n = is_part(search->name, name) ? 0 : edits(search->name, name);
    size_t at = SUGGESTIONS;

    for (size_t i = 0; i < SUGGESTIONS; i++)
        if (!strcasecmp(search->best[i].name, name))
            return;
    while (at > 0 && n < search->best[at - 1].edits)
        at--;
    if (at == SUGGESTIONS)
        return;
    memmove(&search->best[at + 1], &search->best[at],
            (SUGGESTIONS - 1 - at) * sizeof(search->best[0]));
    snprintf(search->best[at].name, NAME_SIZE, "%s", name);
    search->best[at].edits = n;
}

static void consider_event(void *context, const struct processor *processor, const char *name,
                           const struct encoding *encoding)
{
    (void)processor;
    (void)encoding;
    consider(context, name);
}

void name_suggest(const struct processors *processors, const char *name, char *out, size_t size)
{
    struct search search = {.name = name};
    struct encoding unused;
    size_t used = 0;

    for (size_t i = 0; i < SUGGESTIONS; i++)
        search.best[i].edits = ~0U;
    for (size_t p = 0; p < processors->count; p++) {
        for (size_t i = 0; alias_name(i); i++)
            if (alias_encode(&processors->list[p], alias_name(i), &unused))
                consider(&search, alias_name(i));
        name_each(&processors->list[p], consider_event, &search);
    }
    out[0] = 0;
    for (size_t i = 0; i < SUGGESTIONS && used < size; i++)
        if (search.best[i].name[0])
            used += (size_t)snprintf(out + used, size - used, "%s%s", i ? ", " : "",
                                     search.best[i].name);
}
