/* Decoder for the one kind of instruction that Cede ever has to look at: a 32-bit store to the
 * xAPIC page, met as a nested page fault. The fault address comes with the exit; from an outer
 * hypervisor sometimes only the page's, so that the operand has to tell the rest. Everything else a
 * guest may do to that page is refused by name. */
#ifndef CEDE_INSN_H
#define CEDE_INSN_H

#include "types.h"

/* APM vol. 3, 1.2.1: no instruction is longer; a longer one raises #GP before it accesses memory.
 */
#define INSN_MAX 15

/* Default operand and address size: CS.L selects CODE_64 (in long mode), else CS.D selects CODE_32.
 */
enum code_mode { CODE_16, CODE_32, CODE_64 };

enum insn_status {
    INSN_OK,
    INSN_TRUNCATED, /* more bytes than given are needed, and 15 were not yet given */
    INSN_TOO_LONG,  /* more than 15 bytes: no processor executes this */
    INSN_WIDTH, /* a store, but not of 32 bits: an xAPIC register is one aligned dword (APM 16.3.2)
                 */
    INSN_UNSUPPORTED, /* anything else, string stores and ADC/SBB included */
};

enum store_kind { STORE_MOV, STORE_XCHG, STORE_ADD, STORE_OR, STORE_AND, STORE_SUB, STORE_XOR };

#define NO_REGISTER  0xff /* of an operand's base or index */
#define RIP_REGISTER 0xfe /* RIP as the base: of the next instruction */

struct store_insn {
    u8 length; /* of the instruction, 2-15 */
    u8 kind;   /* enum store_kind */
    u8 reg; /* operand register, 0 (RAX) to 15 (R15), where there is no immediate; its low 32 bits
             */
    bool has_imm;
    u32 imm; /* sign-extended from 8 bits where the form says so */
    u32 displacement;
    u8 base, index, scale; /* of the memory operand; 1 << scale times the index */
};

/* Decodes the instruction that starts at bytes[0]; count is how many bytes can be read there (more
 * than 15 are ignored). *insn is complete only after INSN_OK. */
enum insn_status insn_decode_store(const u8 *bytes, u32 count, enum code_mode mode,
                                   struct store_insn *insn);

/* What the store leaves in memory that held `old`; `operand` is the register's or the immediate's
 * value. Updates the six arithmetic flags in *rflags as the instruction does (MOV and XCHG change
 * none). With STORE_XCHG the caller also puts `old` into the register, zero-extended to 64 bits. */
u32 insn_store_value(enum store_kind kind, u32 old, u32 operand, u64 *rflags);

/* Where in its page the store's operand lies, for segments that begin at a page's begin, as all but
 * odd ones do. `regs` by their encoding; `rip` is the instruction's. */
u32 insn_store_offset(const struct store_insn *insn, const u64 *regs, u64 rip);

#endif
