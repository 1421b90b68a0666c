/* Any bytes, from the wire to a command line or a frame. */
#include <stdlib.h>
#include <string.h>

#include "console/frame.c"
#include "console/line.c"
#include "console/out.c"
#include "serial/log_format.c"

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_line(struct line *line)
{
    struct frame frame;

    require(line->length < LINE_SIZE && strlen(line->text) == line->length);
    for (u32 i = 0; i < line->length; i++)
        require(line->text[i] >= ' ' && line->text[i] <= '~');
    if (line_is_frame(line) && frame_parse(line->text, line->length, &frame))
        require(frame.text > line->text && frame.text < line->text + line->length &&
                strlen(frame.text) > 0);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static u8 bytes[1024];
    struct ring echo = RING(bytes);
    struct line *line = calloc(1, sizeof(*line));

    for (size_t i = 0; i < size; i++) {
        enum line_event event = line_byte(line, data[i], "> ", &echo);

        require(line->length < LINE_SIZE && ring_used(&echo) <= sizeof(bytes));
        if (event == LINE_DONE)
            check_line(line);
        if (event != LINE_MORE)
            ring_clear(&echo);
    }
    free(line);
    return 0;
}
