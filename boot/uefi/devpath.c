#include "uefi/devpath.h"

static const u8 end_node[PATH_NODE_HEADER] = {PATH_END, END_ENTIRE, PATH_NODE_HEADER, 0};

static void copy(u8 *to, const u8 *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = from[i];
}

static bool same(const u8 *a, const u8 *b, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

/* Any end node ends a path here: of several instances only the first is looked at. */
bool path_at_end(const u8 *node)
{
    return (node[0] & 0x7f) == PATH_END;
}

const u8 *path_next(const u8 *node)
{
    return node + path_node_length(node);
}

size_t path_size(const u8 *path, size_t limit)
{
    size_t at = 0;

    while (limit - at >= PATH_NODE_HEADER) {
        u16 length = path_node_length(path + at);
        if (length < PATH_NODE_HEADER || length > limit - at)
            return 0;
        if (path_at_end(path + at))
            return at + length;
        at += length;
    }
    return 0;
}

const u8 *path_find(const u8 *path, u8 type, u8 subtype)
{
    for (; !path_at_end(path); path = path_next(path))
        if (path[0] == type && path[1] == subtype)
            return path;
    return NULL;
}

const u8 *path_after(const u8 *path, const u8 *prefix)
{
    for (; !path_at_end(prefix); prefix = path_next(prefix), path = path_next(path)) {
        u16 length = path_node_length(prefix);
        if (path_at_end(path) || path_node_length(path) != length || !same(path, prefix, length))
            return NULL;
    }
    return path;
}

/* HD(): signature at 24 (16 bytes), signature type at 41; MBR disks (type 1) share one signature,
 * so the partition number at 4 counts as well. */
bool path_same_partition(const u8 *hd, const u8 *other)
{
    enum { HD_LENGTH = 42, NUMBER = 4, SIGNATURE = 24, SIGNATURE_TYPE = 41 };

    return path_node_length(hd) >= HD_LENGTH && path_node_length(other) >= HD_LENGTH &&
           hd[SIGNATURE_TYPE] == other[SIGNATURE_TYPE] && hd[SIGNATURE_TYPE] != 0 &&
           same(hd + NUMBER, other + NUMBER, 4) && same(hd + SIGNATURE, other + SIGNATURE, 16);
}

/* Appends one node's text without its NUL; separators are put between nodes where both lack them.
 */
static bool join_file(const u8 *node, u16 *out, size_t count, size_t *used)
{
    size_t chars = (path_node_length(node) - PATH_NODE_HEADER) / 2U;
    const u8 *text = node + PATH_NODE_HEADER;

    if ((*used == 0 || out[*used - 1] != '\\') && chars && get16(text) != '\\') {
        if (*used + 1 >= count)
            return false;
        out[(*used)++] = '\\';
    }
    for (size_t i = 0; i < chars; i++) {
        u16 c = get16(text + 2 * i);
        if (!c)
            break;
        if (c == '\\' && *used && out[*used - 1] == '\\')
            continue;
        if (*used + 1 >= count)
            return false;
        out[(*used)++] = c;
    }
    return true;
}

bool path_file(const u8 *path, u16 *out, size_t count)
{
    size_t used = 0;

    for (; !path_at_end(path); path = path_next(path))
        if (path[0] == PATH_MEDIA && path[1] == MEDIA_FILE_PATH &&
            !join_file(path, out, count, &used))
            return false;
    if (!used)
        return false;
    out[used] = 0;
    return true;
}

static bool is_partition(const u8 *node)
{
    return node[0] == PATH_MEDIA && (node[1] == MEDIA_HARD_DRIVE || node[1] == MEDIA_CDROM);
}

bool path_disk(const u8 *path, u8 *out, size_t size)
{
    const u8 *end = path;

    while (!path_at_end(end) && !is_partition(end))
        end = path_next(end);
    if ((size_t)(end - path) + sizeof end_node > size)
        return false;
    copy(out, path, (size_t)(end - path));
    copy(out + (end - path), end_node, sizeof end_node);
    return true;
}

size_t path_append_file(const u8 *path, const u16 *file, u8 *out, size_t size)
{
    size_t before = 0, chars = 1;

    while (!path_at_end(path + before))
        before += path_node_length(path + before);
    while (file[chars - 1])
        chars++;

    size_t node = PATH_NODE_HEADER + 2 * chars;
    if (node > 0xffff || before + node + sizeof end_node > size)
        return 0;
    copy(out, path, before);
    out += before;
    out[0] = PATH_MEDIA;
    out[1] = MEDIA_FILE_PATH;
    out[2] = (u8)node;
    out[3] = (u8)(node >> 8);
    copy(out + PATH_NODE_HEADER, (const u8 *)file, 2 * chars);
    copy(out + node, end_node, sizeof end_node);
    return before + node + sizeof end_node;
}
