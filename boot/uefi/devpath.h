/* UEFI device paths (UEFI 10) as bytes: packed nodes of type, subtype, 16-bit length. They come
 * from firmware and from variables that anything may have written, so each walk is bounded. Pure:
 * no UEFI services, tested on the host. A "path" below is a valid one, that is, path_size() is not
 * 0. */
#ifndef CEDE_DEVPATH_H
#define CEDE_DEVPATH_H

#include "uefi/bytes.h"

/* Types and subtypes that the loader looks at (UEFI 10.3). */
enum {
    PATH_MEDIA = 0x04,
    PATH_END = 0x7f,
    MEDIA_HARD_DRIVE = 0x01,
    MEDIA_CDROM = 0x02,
    MEDIA_VENDOR = 0x03,
    MEDIA_FILE_PATH = 0x04,
    MEDIA_FIRMWARE_VOLUME = 0x07,
    END_ENTIRE = 0xff,
};

#define PATH_NODE_HEADER 4
#define PATH_LIMIT       KIB(8)

static inline u16 path_node_length(const u8 *node)
{
    return get16(node + 2);
}

/* Bytes of a path including its end node; 0 if it is malformed or does not end within `limit`. */
size_t path_size(const u8 *path, size_t limit);

/* Whether the node is the end of the path. */
bool path_at_end(const u8 *node);

const u8 *path_next(const u8 *node);

/* The first node of this type and subtype; NULL if there is none. */
const u8 *path_find(const u8 *path, u8 type, u8 subtype);

/* If `path` starts with every node of `prefix`, the rest of it; else NULL. */
const u8 *path_after(const u8 *path, const u8 *prefix);

/* Whether both partitions' HD() nodes have the same partition signature (UEFI 10.3.5.1): what a
 * short-form boot option names a partition by. */
bool path_same_partition(const u8 *hd, const u8 *other);

/* The file that a path ends in: its FilePath() nodes joined. False if it has none or it does not
 * fit. */
bool path_file(const u8 *path, u16 *out, size_t count);

/* Copies the part of `path` before its partition node, ended properly: the disk. False if too long.
 */
bool path_disk(const u8 *path, u8 *out, size_t size);

/* `path` without its end, then a FilePath() node for `file`. Bytes written, 0 if it does not fit.
 */
size_t path_append_file(const u8 *path, const u16 *file, u8 *out, size_t size);

#endif
