/* No more calls than hypercall.h says. Test images link another file instead
 * (guest-tests/faulty-host/).
 */
#include "exits/hypercall_calls.h"

u64 hypercall_extra(u32 call, u32 item)
{
    (void)call;
    (void)item;
    return HYPERCALL_ERROR;
}
