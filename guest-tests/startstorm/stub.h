/* Where the storm's cores start: startstorm/stub.S and what it is told. */
#ifndef CEDE_STARTSTORM_STUB_H
#define CEDE_STARTSTORM_STUB_H

#define STUB_PAGE 2     /* of the library's trampolines */
#define STUB_DATA 0x400 /* struct stub_data, from the page's start */

#define STUB_ARRIVED (STUB_DATA + 0)
#define STUB_LOOP    (STUB_DATA + 4)
#define STUB_X2APIC  (STUB_DATA + 8)

#define LOOP_HALT    0
#define LOOP_RUN     1
#define LOOP_OFFLINE 2 /* its APIC off, caches written back, halted, as Linux leaves it */
#define LOOPS        3

#ifndef __ASSEMBLER__
#include "types.h"

struct stub_data {
    u32 arrived, loop, x2apic;
};

extern const char stub_begin[], stub_end[];
#endif
#endif
