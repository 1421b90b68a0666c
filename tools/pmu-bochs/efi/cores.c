/* Every core counts for itself. */
#include "core.h"
#include "probe.h"
#include "smp.h"

void cores_probe(core_work *count)
{
    if (core_count < 2) {
        return;
    }
    test_begin("every-core");
    if (start_all()) {
        expect(core_run_all(count, 0, 10000), "a core does not come back");
    }
    test_end();
}
