/* Reads what a guest could read itself. */
#include "base/asm.h"
#include "guest.h"
#include "memory/memory.h"
#include "memory/memory_parts.h"
#include "x86/guest_mem.h"

/* Less than a word; never beyond the word, which may be the page's last. */
static bool copy_few(u64 gpa, u8 *to, u32 size)
{
    while (size) {
        u32 skip = gpa % 8, part = MIN(8 - skip, size);
        u64 word;

        if (!read_safe(gpa - skip, &word))
            return false;
        for (word >>= skip * 8, gpa += part, size -= part; part; part--, word >>= 8)
            *to++ = (u8)word;
    }
    return true;
}

/* By words, the last of which may overlap the one before. Page table entries are one word each. */
static bool copy_out(u64 gpa, u8 *to, u32 size)
{
    u32 done = 0;

    if (size < 8)
        return copy_few(gpa, to, size);
    for (; done + 8 <= size; done += 8)
        if (!read_safe(gpa + done, (u64 *)(void *)(to + done)))
            return false;
    return done == size || read_safe(gpa + size - 8, (u64 *)(void *)(to + size - 8));
}

/* A partition's memory is in none of its cores' tables: this is for what a partition seldom does.
 */
static bool copy_partitions(const struct boot_range *memory, u64 gpa, void *buffer, u32 size)
{
    u64 cr3;
    bool done;

    if (!in_range(gpa, 0, memory->size - size + 1))
        return false;
    cr3 = host_map_open();
    done = copy_out(memory->base + gpa, buffer, size);
    host_map_close(cr3);
    return done;
}

bool memory_read(void *context, u64 gpa, void *buffer, u32 size)
{
    const struct guest *guest = context;

    if (is_partition(guest))
        return copy_partitions(&guest->boot->memory, gpa, buffer, size);
    if (gpa + size > hv.map_top || is_hidden(gpa) || is_hidden(gpa + size - 1) ||
        is_partitions(gpa))
        return false;
    return copy_out(gpa, buffer, size);
}

u32 memory_read_linear(const struct cpu *cpu, const struct guest_paging *paging, u64 linear,
                       void *buffer, u32 size)
{
    struct guest_memory memory = {.read = memory_read,
                                  .context = cpu->guest,
                                  .address_mask = (hv.phys_limit - 1) & PTE_ADDRESS};

    return guest_read(&memory, paging, linear, buffer, size);
}
