/* LoadOptions: what cede.efi was started with. The UEFI shell passes the command line with the
 * program's name first, a boot option passes any bytes. Pure. */
#ifndef CEDE_OPTIONS_H
#define CEDE_OPTIONS_H

#include "types.h"

/* Whether UTF-16 text in data[size] has `word` among its blank-separated words. */
bool options_have(const u8 *data, size_t size, const char *word);

#endif
