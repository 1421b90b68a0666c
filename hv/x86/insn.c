#include "x86/insn.h"
#include "base/msr.h"

enum operand { OPERAND_REG, OPERAND_IMM8, OPERAND_IMM32, OPERAND_MOFFS };

#define KIND_GROUP 0xff /* ModRM.reg selects the operation */

/* The 32-bit forms, the likeliest first. The byte form of each is the opcode with bit 0 clear. */
static const struct form {
    u8 opcode, kind, operand;
} forms[] = {
    {0x89, STORE_MOV, OPERAND_REG},    {0xc7, KIND_GROUP, OPERAND_IMM32},
    {0x87, STORE_XCHG, OPERAND_REG},   {0xa3, STORE_MOV, OPERAND_MOFFS},
    {0x09, STORE_OR, OPERAND_REG},     {0x21, STORE_AND, OPERAND_REG},
    {0x81, KIND_GROUP, OPERAND_IMM32}, {0x83, KIND_GROUP, OPERAND_IMM8},
    {0x01, STORE_ADD, OPERAND_REG},    {0x29, STORE_SUB, OPERAND_REG},
    {0x31, STORE_XOR, OPERAND_REG},
};

#define NO_KIND 0xff

/* APM vol. 3, table A-6: ModRM.reg of group 1 (81, 83) and of group 11 (C7). */
static const u8 group_1[8] = {STORE_ADD, STORE_OR,  NO_KIND,   NO_KIND,
                              STORE_AND, STORE_SUB, STORE_XOR, NO_KIND};
static const u8 group_11[8] = {STORE_MOV, NO_KIND, NO_KIND, NO_KIND,
                               NO_KIND,   NO_KIND, NO_KIND, NO_KIND};

struct cursor {
    const u8 *bytes;
    u8 count, at;
    bool ran_out; /* sticky: bytes read from then on are 0 */
};

struct prefixes {
    bool operand_size, address_size, lock;
    u8 rex;
};

#define REX_W 8
#define REX_R 4
#define REX_X 2
#define REX_B 1

static u8 next_byte(struct cursor *cursor)
{
    if (cursor->at < cursor->count)
        return cursor->bytes[cursor->at++];
    cursor->ran_out = true;
    return 0;
}

static u32 next_dword(struct cursor *cursor)
{
    u32 value = 0;

    for (u32 shift = 0; shift < 32; shift += 8)
        value |= (u32)next_byte(cursor) << shift;
    return value;
}

/* Of `size` bytes the lowest four, with their sign. */
static u32 next_displacement(struct cursor *cursor, u32 size)
{
    u32 value = 0;

    for (u32 i = 0; i < size; i++) {
        u32 byte = next_byte(cursor);

        value |= i < 4 ? byte << 8 * i : 0;
    }
    return size == 1 ? (u32)(int8_t)value : value;
}

/* Notes one legacy prefix; false when the byte is none (APM vol. 3, table 1-1). */
static bool legacy_prefix(struct prefixes *prefixes, u8 byte)
{
    switch (byte) {
    case 0x66:
        prefixes->operand_size = true;
        return true;
    case 0x67:
        prefixes->address_size = true;
        return true;
    case 0xf0:
        prefixes->lock = true;
        return true;
    case 0x26: /* Segments: already in the fault address. */
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0xf2: /* Without meaning for the forms above (lock elision hints). */
    case 0xf3:
        return true;
    default:
        return false;
    }
}

/* Returns the opcode. A REX prefix counts only directly before it (APM vol. 3, 1.2.7). */
static u8 skip_prefixes(struct cursor *cursor, enum code_mode mode, struct prefixes *prefixes)
{
    for (;;) {
        u8 byte = next_byte(cursor);

        if (mode == CODE_64 && (byte & 0xf0) == 0x40)
            prefixes->rex = byte;
        else if (legacy_prefix(prefixes, byte))
            prefixes->rex = 0;
        else
            return byte;
    }
}

static const struct form *find_form(u8 opcode)
{
    for (u32 i = 0; i < COUNT(forms); i++)
        if (forms[i].opcode == opcode)
            return &forms[i];
    return NULL;
}

static bool is_32_bit(const struct prefixes *prefixes, enum code_mode mode)
{
    return !(prefixes->rex & REX_W) && prefixes->operand_size == (mode == CODE_16);
}

/* 64-bit mode has 8-byte addresses, 4-byte ones with the prefix; the other modes have 2 and 4. */
static u8 address_bytes(const struct prefixes *prefixes, enum code_mode mode)
{
    if (mode == CODE_64)
        return prefixes->address_size ? 4 : 8;
    return prefixes->address_size == (mode == CODE_16) ? 4 : 2;
}

/* ModRM without a SIB byte's words (APM vol. 3, table A-33): base and index of rm 0 to 7. */
static void operand_16(struct cursor *cursor, u8 modrm, struct store_insn *insn)
{
    enum { BX = 3, BP = 5, SI = 6, DI = 7, NONE = NO_REGISTER };
    static const u8 pairs[8][2] = {{BX, SI},   {BX, DI},   {BP, SI},   {BP, DI},
                                   {SI, NONE}, {DI, NONE}, {BP, NONE}, {BX, NONE}};
    u8 mod = modrm >> 6, rm = modrm & 7;
    bool absolute = mod == 0 && rm == 6;

    insn->base = absolute ? NONE : pairs[rm][0];
    insn->index = pairs[rm][1];
    insn->displacement = next_displacement(cursor, absolute ? 2 : mod);
}

static u8 extended(u8 number, bool high)
{
    return (number & 7) | (high ? 8 : 0);
}

/* Index 4 without REX.X is none (APM vol. 3, table A-35). */
static u8 read_sib(struct cursor *cursor, u8 rex, struct store_insn *insn)
{
    u8 sib = next_byte(cursor), index = extended(sib >> 3, rex & REX_X);

    insn->scale = sib >> 6;
    insn->index = index == 4 ? NO_REGISTER : index;
    return sib & 7;
}

/* APM vol. 3, 1.4 and table A-34. Without a base there are four bytes of displacement, which 64-bit
 * mode counts from the next instruction where there is no SIB byte. */
static void operand_32(struct cursor *cursor, u8 modrm, u8 rex, bool long_mode,
                       struct store_insn *insn)
{
    static const u8 size[3] = {0, 1, 4};
    u8 mod = modrm >> 6, rm = modrm & 7, base = rm == 4 ? read_sib(cursor, rex, insn) : rm;
    bool no_base = mod == 0 && base == 5;

    insn->base = no_base ? NO_REGISTER : extended(base, rex & REX_B);
    if (no_base && rm == 5 && long_mode)
        insn->base = RIP_REGISTER;
    insn->displacement = next_displacement(cursor, no_base ? 4 : size[mod]);
}

static u8 operation(const struct form *form, u8 modrm)
{
    if (form->kind != KIND_GROUP)
        return form->kind;
    return (form->opcode == 0xc7 ? group_11 : group_1)[modrm >> 3 & 7];
}

static void read_immediate(struct cursor *cursor, const struct form *form, struct store_insn *insn)
{
    insn->has_imm = form->operand != OPERAND_REG;
    if (form->operand == OPERAND_IMM32)
        insn->imm = next_dword(cursor);
    else if (form->operand == OPERAND_IMM8)
        insn->imm = (u32)(int8_t)next_byte(cursor);
}

static enum insn_status decode_modrm(struct cursor *cursor, const struct form *form,
                                     const struct prefixes *prefixes, u8 address, bool long_mode,
                                     struct store_insn *insn)
{
    u8 modrm = next_byte(cursor);

    insn->kind = operation(form, modrm);
    if (!cursor->ran_out && (modrm >> 6 == 3 || insn->kind == NO_KIND))
        return INSN_UNSUPPORTED;
    if (prefixes->lock && insn->kind == STORE_MOV)
        return INSN_UNSUPPORTED;
    insn->reg = extended(modrm >> 3, prefixes->rex & REX_R);
    if (address == 2)
        operand_16(cursor, modrm, insn);
    else
        operand_32(cursor, modrm, prefixes->rex, long_mode, insn);
    read_immediate(cursor, form, insn);
    return INSN_OK;
}

static enum insn_status decode_moffs(struct cursor *cursor, const struct prefixes *prefixes,
                                     u8 address, struct store_insn *insn)
{
    insn->kind = STORE_MOV;
    insn->displacement = next_displacement(cursor, address);
    return prefixes->lock ? INSN_UNSUPPORTED : INSN_OK;
}

static enum insn_status decode(struct cursor *cursor, enum code_mode mode, struct store_insn *insn)
{
    struct prefixes prefixes = {0};
    u8 opcode = skip_prefixes(cursor, mode, &prefixes);
    const struct form *form = find_form(opcode | 1);
    u8 address = address_bytes(&prefixes, mode);

    if (cursor->ran_out)
        return INSN_OK;
    if (!form)
        return INSN_UNSUPPORTED;
    if (form->opcode != opcode || !is_32_bit(&prefixes, mode))
        return INSN_WIDTH;
    if (form->operand == OPERAND_MOFFS)
        return decode_moffs(cursor, &prefixes, address, insn);
    return decode_modrm(cursor, form, &prefixes, address, mode == CODE_64, insn);
}

enum insn_status insn_decode_store(const u8 *bytes, u32 count, enum code_mode mode,
                                   struct store_insn *insn)
{
    struct cursor cursor = {.bytes = bytes, .count = MIN(count, INSN_MAX)};
    enum insn_status status;

    *insn = (struct store_insn){.base = NO_REGISTER, .index = NO_REGISTER};
    status = decode(&cursor, mode, insn);
    if (status == INSN_OK && cursor.ran_out)
        return count < INSN_MAX ? INSN_TRUNCATED : INSN_TOO_LONG;
    insn->length = cursor.at;
    return status;
}

static u64 result_flags(u32 result)
{
    u64 flags = result == 0 ? RFLAGS_ZF : 0;

    flags |= result >> 31 ? RFLAGS_SF : 0;
    flags |= (0x6996 >> ((result ^ result >> 4) & 0xf)) & 1 ? 0 : RFLAGS_PF;
    return flags;
}

/* `carries`: bit n is the carry (borrow) out of bit n. */
static u64 carry_flags(u32 carries)
{
    u64 flags = carries >> 31 ? RFLAGS_CF : 0;

    flags |= (carries >> 31 ^ carries >> 30) & 1 ? RFLAGS_OF : 0;
    flags |= carries & BIT(3) ? RFLAGS_AF : 0;
    return flags;
}

u32 insn_store_value(enum store_kind kind, u32 old, u32 operand, u64 *rflags)
{
    u32 value, carries = 0;

    switch (kind) {
    case STORE_ADD:
        value = old + operand;
        carries = (old & operand) | ((old | operand) & ~value);
        break;
    case STORE_SUB:
        value = old - operand;
        carries = (~old & operand) | ((~old | operand) & value);
        break;
    case STORE_OR:
        value = old | operand;
        break;
    case STORE_AND:
        value = old & operand;
        break;
    case STORE_XOR:
        value = old ^ operand;
        break;
    default: /* MOV, XCHG */
        return operand;
    }
    *rflags &= ~(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF);
    *rflags |= result_flags(value) | carry_flags(carries);
    return value;
}

static u64 register_value(u8 number, const u64 *regs, u64 next_rip)
{
    if (number == RIP_REGISTER)
        return next_rip;
    return number == NO_REGISTER ? 0 : regs[number];
}

u32 insn_store_offset(const struct store_insn *insn, const u64 *regs, u64 rip)
{
    u64 address = register_value(insn->base, regs, rip + insn->length) + insn->displacement;

    address += register_value(insn->index, regs, 0) << insn->scale;
    return (u32)address & (u32)MASK(11, 0);
}
