/* What the operator sees once Cede is in place. */
#ifndef CEDE_BANNER_H
#define CEDE_BANNER_H

#include "conf/conf.h"
#include "conf/options.h"
#include "machine/mp.h"

/* Called as a guest: asks the hypervisor by hypercall. `keeps`: there was room for a kept block. */
void banner(const struct options *options, const struct conf *conf, const struct mp *mp,
            const struct boot_uart *uart, bool keeps);

#endif
