/* Names that libpfm4 does not have. */
#ifndef CEDE_POLICY_ALIASES_H
#define CEDE_POLICY_ALIASES_H

#include "names.h"

/* Whether the name is one of these on the processor. */
bool alias_encode(const struct processor *processor, const char *name, struct encoding *out);

/* The alias with this index, NULL past the last; whatever processor it is for. */
const char *alias_name(size_t index);

#endif
