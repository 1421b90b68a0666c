/* What an earlier boot of Cede has left in memory, for the operator. */
#ifndef CEDE_KEPT_REPORT_H
#define CEDE_KEPT_REPORT_H

#include "kept.h"

/* One line, where Cede starts: that there is something, and how to see it. NULL: nothing is. */
void kept_mention(const struct kept *last);

/* All of it. */
void kept_report(const struct kept *last);

#endif
