/* What the parsers of cede.conf's sections share: tables of keys, and setters for their values. */
#ifndef CEDE_CONF_VALUE_H
#define CEDE_CONF_VALUE_H

#include "conf/conf.h"
#include "span.h"

struct key;

/* The section that lines are read into. */
struct section {
    const struct key *keys;
    unsigned count;
    void *base; /* of the struct that the keys' offsets are in */
    u32 *seen;  /* line that set keys[i], 0: none; of two names for one field the first's */
    struct conf_list *list;
};

struct parser {
    struct conf *conf;
    struct section now;
    unsigned line;
    u32 seen[16]; /* of [cede] */
    char *error;
};

struct choice {
    const char *name;
    u32 value;
};

struct key {
    const char *name;
    bool (*set)(struct parser *, const struct key *, struct span);
    size_t offset; /* of the field in the section's struct */
    size_t size;
    const struct choice *choices;
};

#define KEY_FIELD(type, name) offsetof(struct type, name), sizeof(((struct type *)0)->name)

/* Writes "cede.conf:LINE: ..."; false. */
bool reject(struct parser *p, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct span trim(struct span s);

/* For messages: the start of a span as text, with what is not printable ASCII as '?'. */
const char *shown(struct span s, char out[24]);

const struct choice *find_choice(const struct choice *choices, struct span value);

/* Where the value goes. */
char *field_of(struct parser *p, const struct key *key);

bool set_text(struct parser *p, const struct key *key, struct span value);

/* Paths may be written with '/' and without the leading separator. */
bool set_path(struct parser *p, const struct key *key, struct span value);

/* One of key->choices, into a u8. */
bool set_choice(struct parser *p, const struct key *key, struct span value);

/* Decimal, or hexadecimal with 0x; false if it is neither or above `max`. */
bool number(struct span s, u32 max, u32 *out);

/* Sets what the line says in the section that is read. */
bool parse_setting(struct parser *p, struct span name, struct span value);

extern const struct choice pmu_modes[], on_off[];

/* [guest NAME]: goes on with that section. */
bool guest_section(struct parser *p, struct span name);

/* Each guest for itself, when all has been read. */
bool guests_are_whole(struct parser *p);

#endif
