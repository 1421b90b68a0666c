/* The hypervisor's own rows, as they are. */
#include "../../hv/msr/rows_amd.c"
#include "../../hv/msr/rows_intel.c"
