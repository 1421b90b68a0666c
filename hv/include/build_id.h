/* Which sources this program was made of: the commit, 12 digits, with a + if files were changed
 * since. The Makefile says it; "unknown" without git. */
#ifndef BUILD_ID_H
#define BUILD_ID_H

#ifndef CEDE_BUILD
#define CEDE_BUILD "unknown"
#endif

#endif
