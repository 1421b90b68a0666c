/* LoadOptions: what cede.efi was started with. The UEFI shell passes the command line, the
 * program's name first; a boot option passes any bytes: UTF-16 of one tool, ASCII of another, with
 * a byte-order mark or a line end out of a file; or a structure of its maker's, which is no word to
 * Cede. Pure. */
#ifndef CEDE_OPTIONS_H
#define CEDE_OPTIONS_H

#include "types.h"

struct options {
    bool check;       /* --check stands somewhere, whatever stands around it */
    size_t junk;      /* bytes that are no text; 0 when there are none */
    char unknown[32]; /* the first word that is no option, printable; empty when there is none */
};

#define OPTIONS_UNKNOWN "load options: there is no '%s', only --check"

/* `named`: the first word is the program's name, as on the shell's command line. Elsewhere it is
 * one only if it ends in ".efi". */
void options_read(const u8 *data, size_t size, bool named, struct options *options);

#endif
