#include "uefi/version.h"

#include "build_id.h"
#include "hypercall.h"
#include "uefi/text.h"

const char *version_text(void)
{
    static char text[48];

    text_print(text, sizeof text, "%u.%u.%u, build %s", CEDE_VERSION >> 16 & 0xff,
               CEDE_VERSION >> 8 & 0xff, CEDE_VERSION & 0xff, CEDE_BUILD);
    return text;
}
