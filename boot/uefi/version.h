/* Which Cede this is. */
#ifndef CEDE_VERSION_TEXT_H
#define CEDE_VERSION_TEXT_H

/* "0.1.0, build 0123456789ab" */
const char *version_text(void);

#endif
