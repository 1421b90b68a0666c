#include "hv.h"
#include "vendor.h"

struct hv hv;
struct lock hv_lock;
const struct vendor *vendor;
