#include "memory/store_fetch.h"
#include "base/asm.h"
#include "guest.h"
#include "hv.h"
#include "memory/memory.h"
#include "base/msr.h"
#include "vendor.h"

#define TOO_MANY (STORE_WORDS + 1)

static bool same_state(const struct known_store *known, const struct guest_paging *paging,
                       u64 linear, u8 mode)
{
    return known->words && known->linear == linear && known->mode == mode &&
           known->paging.cr0 == paging->cr0 && known->paging.cr4 == paging->cr4 &&
           known->paging.efer == paging->efer;
}

static bool in_long_mode(const struct guest_paging *paging)
{
    return (paging->cr0 & CR0_PG) && (paging->efer & EFER_LMA);
}

/* Another process: another root table, mostly with the same entry for the kernel. */
static bool same_root(struct known_store *known, u64 cr3)
{
    u64 gpa = (cr3 & PTE_ADDRESS) + known->word[0].gpa % PAGE_SIZE, entry = 0;

    if (known->paging.cr3 == cr3)
        return true;
    if (!in_long_mode(&known->paging) || !memory_read(tenant(), gpa, &entry, sizeof(entry)) ||
        entry != known->word[0].value)
        return false;
    known->paging.cr3 = cr3;
    known->word[0].gpa = gpa;
    return true;
}

/* The addresses were judged when they were first read (memory_read), as the tenant's: partitions
 * have no xAPIC page. */
static bool same_words(const struct known_store *known)
{
    const struct known_word *word = known->word, *end = word + known->words;
    u64 value;

    for (; word < end; word++)
        if (!read_safe(word->gpa, &value) || value != word->value)
            return false;
    return true;
}

static void note_word(struct known_store *known, u64 gpa, const u8 *word)
{
    if (known->words >= STORE_WORDS) {
        known->words = TOO_MANY;
        return;
    }
    known->word[known->words].gpa = gpa;
    __builtin_memcpy(&known->word[known->words++].value, word, 8);
}

/* Less than a word is not kept: an entry of 4 bytes, an instruction that crosses pages. */
static bool read_and_note(void *context, u64 gpa, void *buffer, u32 size)
{
    struct known_store *known = context;

    if (!memory_read(tenant(), gpa, buffer, size))
        return false;
    if (size < 8)
        known->words = TOO_MANY;
    else
        note_word(known, gpa, buffer);
    if (size > 8)
        note_word(known, gpa + size - 8, (u8 *)buffer + size - 8);
    return true;
}

static enum insn_status find_out(struct known_store *known)
{
    struct guest_memory memory = {
        .read = read_and_note, .context = known, .address_mask = (hv.phys_limit - 1) & PTE_ADDRESS};
    u8 bytes[INSN_MAX];
    u32 count;

    known->words = 0;
    known->recorded = false;
    count = guest_read(&memory, &known->paging, known->linear, bytes, INSN_MAX);
    return insn_decode_store(bytes, count, known->mode, &known->insn);
}

static enum insn_status fetch_store(struct known_store *known, const struct code_state *code,
                                    u8 mode)
{
    u64 linear = guest_linear_rip(code->cs_base, code->rip, code->long_mode);
    enum insn_status status;

    if (same_state(known, &code->paging, linear, mode) && same_root(known, code->paging.cr3) &&
        same_words(known))
        return INSN_OK;
    known->paging = code->paging;
    known->linear = linear;
    known->mode = mode;
    status = find_out(known);
    if (status != INSN_OK || known->words == TOO_MANY)
        known->words = 0;
    return status;
}

/* From what the processor has recorded; kept if that is as long as an instruction can be. */
static enum insn_status recorded_store(struct known_store *known, const struct code_state *code,
                                       enum code_mode mode, struct store_insn *insn)
{
    enum insn_status status = insn_decode_store(code->bytes, code->byte_count, mode, insn);

    if (status != INSN_OK || code->byte_count < INSN_MAX)
        return status;
    known->recorded = false;
    known->words = 0;
    known->mode = (u8)mode;
    known->insn = *insn;
    __builtin_memcpy(&known->word[0].value, code->bytes, 8);
    __builtin_memcpy(&known->word[1].value, code->bytes + INSN_MAX - 8, 8);
    known->recorded = true;
    return status;
}

enum insn_status store_fetch(struct known_store *known, const struct code_state *code,
                             struct store_insn *insn)
{
    enum code_mode mode = code->long_mode ? CODE_64 : code->default32 ? CODE_32 : CODE_16;
    enum insn_status status = INSN_TRUNCATED;

    known += code->rip % KNOWN_STORES;
    if (code->byte_count)
        status = recorded_store(known, code, mode, insn);
    if (status != INSN_TRUNCATED)
        return status;
    status = fetch_store(known, code, (u8)mode);
    *insn = known->insn;
    return status;
}
