#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "x86/insn.c"

static enum insn_status decode_bytes(const u8 *bytes, u32 count, enum code_mode mode,
                                     struct store_insn *insn)
{
    /* At the very end of an object, so that reading one byte too many is an error under ASAN. */
    u8 copy[INSN_MAX];

    memcpy(copy + INSN_MAX - count, bytes, count);
    return insn_decode_store(copy + INSN_MAX - count, count, mode, insn);
}

/* What compilers and assemblers emit; bytes by GNU as 2.40. */
static const struct sample {
    const char *text;
    enum code_mode mode;
    u8 bytes[INSN_MAX];
    u8 length, kind;
    bool has_imm;
    u32 operand; /* register number or immediate */
    u32 offset;  /* by insn_store_offset(), of the registers below */
} samples[] = {
#define REG(n) false, n
#define IMM(n) true, n
    {"mov %eax,(%rdi)", CODE_64, {0x89, 0x07}, 2, STORE_MOV, REG(0), 0xe7},
    {"mov %eax,0x300(%rdi)", CODE_64, {0x89, 0x87, 0x00, 0x03}, 6, STORE_MOV, REG(0), 0x3e7},
    {"movl $0xfee,-0x10(%rax)",
     CODE_64,
     {0xc7, 0x40, 0xf0, 0xee, 0x0f},
     7,
     STORE_MOV,
     IMM(0xfee),
     0xff0},
    {"mov %r15d,(%r12)", CODE_64, {0x45, 0x89, 0x3c, 0x24}, 4, STORE_MOV, REG(15), 0x18c},
    {"mov %ecx,(%r13)", CODE_64, {0x41, 0x89, 0x4d, 0x00}, 4, STORE_MOV, REG(1), 0x1ad},
    {"mov %edx,0x7ee000b0",
     CODE_64,
     {0x89, 0x14, 0x25, 0xb0, 0, 0xe0, 0x7e},
     7,
     STORE_MOV,
     REG(2),
     0xb0},
    {"movl $0,0x7ee000b0(%rip)",
     CODE_64,
     {0xc7, 0x05, 0xb0, 0, 0xe0, 0x7e},
     10,
     STORE_MOV,
     IMM(0),
     0x2aa},
    {"movl $0xc4500,0x300(%r8,%r9,4)",
     CODE_64,
     {0x43, 0xc7, 0x84, 0x88, 0x00, 0x03, 0, 0, 0x00, 0x45, 0x0c, 0},
     12,
     STORE_MOV,
     IMM(0xc4500),
     0x8ac},
    {"xchg %eax,0xb0(%rbx)", CODE_64, {0x87, 0x83, 0xb0}, 6, STORE_XCHG, REG(0), 0x113},
    {"xchg %r9d,-4(%rsp)", CODE_64, {0x44, 0x87, 0x4c, 0x24, 0xfc}, 5, STORE_XCHG, REG(9), 0x80},
    {"orl $0x100,0xf0(%rdi)",
     CODE_64,
     {0x81, 0x8f, 0xf0, 0, 0, 0, 0, 1},
     10,
     STORE_OR,
     IMM(0x100),
     0x1d7},
    {"orl $-0x80,0xf0(%rdi)",
     CODE_64,
     {0x83, 0x8f, 0xf0, 0, 0, 0, 0x80},
     7,
     STORE_OR,
     IMM(0xffffff80),
     0x1d7},
    {"lock or %esi,(%rdi)", CODE_64, {0xf0, 0x09, 0x37}, 3, STORE_OR, REG(6), 0xe7},
    {"andl $0xfffeffff,0x350(%rax)",
     CODE_64,
     {0x81, 0xa0, 0x50, 0x03, 0, 0, 0xff, 0xff, 0xfe, 0xff},
     10,
     STORE_AND,
     IMM(0xfffeffff),
     0x350},
    {"xor %r10d,(%rax,%rbx,1)", CODE_64, {0x44, 0x31, 0x14, 0x18}, 4, STORE_XOR, REG(10), 0x63},
    {"addl $1,(%rax)", CODE_64, {0x83, 0x00, 0x01}, 3, STORE_ADD, IMM(1), 0x0},
    {"sub %ebp,%gs:0x20(,%rcx,8)",
     CODE_64,
     {0x65, 0x29, 0x2c, 0xcd, 0x20},
     8,
     STORE_SUB,
     REG(5),
     0x128},
    {"movabs %eax,0xfee000b0", CODE_64, {0xa3, 0xb0, 0, 0xe0, 0xfe}, 9, STORE_MOV, REG(0), 0xb0},
    {"mov %eax,%fs:(%eax)", CODE_64, {0x64, 0x67, 0x89, 0x00}, 4, STORE_MOV, REG(0), 0x0},
    {"lock andl $1,%cs:0x12345678(%rip)",
     CODE_64,
     {0x2e, 0xf0, 0x83, 0x25, 0x78, 0x56, 0x34, 0x12, 0x01},
     9,
     STORE_AND,
     IMM(1),
     0x871},
    {"mov %eax,0xfee00300", CODE_32, {0xa3, 0x00, 0x03, 0xe0, 0xfe}, 5, STORE_MOV, REG(0), 0x300},
    {"mov %ecx,0xfee000b0", CODE_32, {0x89, 0x0d, 0xb0, 0, 0xe0, 0xfe}, 6, STORE_MOV, REG(1), 0xb0},
    {"movl $0,0xffffb0b0",
     CODE_32,
     {0xc7, 0x05, 0xb0, 0xb0, 0xff, 0xff},
     10,
     STORE_MOV,
     IMM(0),
     0xb0},
    {"xchg %edx,0xffffb300",
     CODE_32,
     {0x87, 0x15, 0x00, 0xb3, 0xff, 0xff},
     6,
     STORE_XCHG,
     REG(2),
     0x300},
    {"mov %ebx,(%esp)", CODE_32, {0x89, 0x1c, 0x24}, 3, STORE_MOV, REG(3), 0x84},
    {"mov %ebx,0x40(%ebp,%esi,2)", CODE_32, {0x89, 0x5c, 0x75, 0x40}, 4, STORE_MOV, REG(3), 0x271},
    {"orl $0x100,(%bx,%si)",
     CODE_32,
     {0x67, 0x81, 0x08, 0x00, 0x01},
     7,
     STORE_OR,
     IMM(0x100),
     0x129},
    {"mov %edx,%es:0x10(%di)", CODE_32, {0x26, 0x67, 0x89, 0x55, 0x10}, 5, STORE_MOV, REG(2), 0xf7},
    {"mov %eax,%ds:(%bp)", CODE_32, {0x3e, 0x67, 0x89, 0x46, 0x00}, 5, STORE_MOV, REG(0), 0xa5},
    {"mov %eax,(%bx)", CODE_16, {0x66, 0x89, 0x07}, 3, STORE_MOV, REG(0), 0x63},
    {"mov %eax,0xb0(%edi)", CODE_16, {0x67, 0x66, 0x89, 0x87, 0xb0}, 8, STORE_MOV, REG(0), 0x197},
    {"movl $0,%es:0xb0(%esi)",
     CODE_16,
     {0x26, 0x67, 0x66, 0xc7, 0x86, 0xb0},
     13,
     STORE_MOV,
     IMM(0),
     0x176},
    {"mov %eax,%es:0x1234", CODE_16, {0x26, 0x66, 0xa3, 0x34, 0x12}, 5, STORE_MOV, REG(0), 0x234},
    {"orl $1,%fs:0x1234",
     CODE_16,
     {0x64, 0x66, 0x83, 0x0e, 0x34, 0x12, 0x01},
     7,
     STORE_OR,
     IMM(1),
     0x234},
    {"xchg %ecx,-2(%bp)", CODE_16, {0x66, 0x87, 0x4e, 0xfe}, 4, STORE_XCHG, REG(1), 0xa3},
    {"mov %edx,(%bp,%di)", CODE_16, {0x66, 0x89, 0x13}, 3, STORE_MOV, REG(2), 0x18c},
#undef REG
#undef IMM
};

#define RIP 0x1f0

static u32 offset_of(const struct store_insn *insn)
{
    u64 regs[16];

    for (u32 i = 0; i < COUNT(regs); i++)
        regs[i] = 0x1000 + i * 0x21;
    return insn_store_offset(insn, regs, RIP);
}

static void check_sample(const struct sample *sample)
{
    struct store_insn insn;

    print_message("%s\n", sample->text);
    assert_int_equal(decode_bytes(sample->bytes, INSN_MAX, sample->mode, &insn), INSN_OK);
    assert_int_equal(insn.length, sample->length);
    assert_int_equal(insn.kind, sample->kind);
    assert_int_equal(insn.has_imm, sample->has_imm);
    assert_int_equal(insn.has_imm ? insn.imm : insn.reg, sample->operand);
    assert_int_equal(offset_of(&insn), sample->offset);
    for (u32 count = 0; count < sample->length; count++)
        assert_int_equal(decode_bytes(sample->bytes, count, sample->mode, &insn), INSN_TRUNCATED);
    assert_int_equal(decode_bytes(sample->bytes, sample->length, sample->mode, &insn), INSN_OK);
}

static void samples_decode(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(samples); i++)
        check_sample(&samples[i]);
}

static const struct refusal {
    const char *text;
    enum code_mode mode;
    u8 bytes[INSN_MAX];
    enum insn_status status;
} refusals[] = {
    {"mov %al,(%rdi)", CODE_64, {0x88, 0x07}, INSN_WIDTH},
    {"mov %ax,(%rdi)", CODE_64, {0x66, 0x89, 0x07}, INSN_WIDTH},
    {"mov %rax,(%rdi)", CODE_64, {0x48, 0x89, 0x07}, INSN_WIDTH},
    {"mov %rax,(%rdi), 66 loses to REX.W", CODE_64, {0x66, 0x48, 0x89, 0x07}, INSN_WIDTH},
    {"mov %ax,(%bx)", CODE_16, {0x89, 0x07}, INSN_WIDTH},
    {"mov %ax,(%edi)", CODE_32, {0x66, 0x89, 0x07}, INSN_WIDTH},
    {"movb $0,(%rdi)", CODE_64, {0xc6, 0x07, 0x00}, INSN_WIDTH},
    {"mov %al,moffs", CODE_32, {0xa2, 0, 0, 0, 0}, INSN_WIDTH},
    {"orb $1,(%rdi)", CODE_64, {0x80, 0x0f, 0x01}, INSN_WIDTH},
    {"lock or %al,(%rdi)", CODE_64, {0xf0, 0x08, 0x07}, INSN_WIDTH},
    {"xchg %al,(%rdi)", CODE_64, {0x86, 0x07}, INSN_WIDTH},
    {"mov %eax,%edi", CODE_64, {0x89, 0xc7}, INSN_UNSUPPORTED},
    {"xchg %eax,%edi", CODE_64, {0x87, 0xc7}, INSN_UNSUPPORTED},
    {"movl $0,%edi", CODE_64, {0xc7, 0xc7, 0, 0, 0, 0}, INSN_UNSUPPORTED},
    {"xbegin", CODE_64, {0xc7, 0xf8, 0, 0, 0, 0}, INSN_UNSUPPORTED},
    {"C7 /1", CODE_64, {0xc7, 0x0f, 0, 0, 0, 0}, INSN_UNSUPPORTED},
    {"lock mov", CODE_64, {0xf0, 0x89, 0x07}, INSN_UNSUPPORTED},
    {"lock movl $0", CODE_64, {0xf0, 0xc7, 0x07, 0, 0, 0, 0}, INSN_UNSUPPORTED},
    {"lock mov moffs", CODE_32, {0xf0, 0xa3, 0, 0, 0, 0}, INSN_UNSUPPORTED},
    {"adc %eax,(%rdi)", CODE_64, {0x11, 0x07}, INSN_UNSUPPORTED},
    {"adcl $1,(%rdi)", CODE_64, {0x83, 0x17, 0x01}, INSN_UNSUPPORTED},
    {"sbbl $1,(%rdi)", CODE_64, {0x83, 0x1f, 0x01}, INSN_UNSUPPORTED},
    {"cmpl $1,(%rdi)", CODE_64, {0x83, 0x3f, 0x01}, INSN_UNSUPPORTED},
    {"mov (%rdi),%eax", CODE_64, {0x8b, 0x07}, INSN_UNSUPPORTED},
    {"stosl", CODE_64, {0xab}, INSN_UNSUPPORTED},
    {"rep stosl", CODE_64, {0xf3, 0xab}, INSN_UNSUPPORTED},
    {"movsl", CODE_64, {0xa5}, INSN_UNSUPPORTED},
    {"movnti", CODE_64, {0x0f, 0xc3, 0x07}, INSN_UNSUPPORTED},
    {"bts", CODE_64, {0x0f, 0xab, 0x07}, INSN_UNSUPPORTED},
    {"incl (%rdi)", CODE_64, {0xff, 0x07}, INSN_UNSUPPORTED},
    {"pop (%rdi)", CODE_64, {0x8f, 0x07}, INSN_UNSUPPORTED},
    {"VEX, two bytes", CODE_64, {0xc5, 0xf8, 0x29, 0x07}, INSN_UNSUPPORTED},
    {"VEX, three bytes", CODE_64, {0xc4, 0xe1, 0x78, 0x29, 0x07}, INSN_UNSUPPORTED},
    {"EVEX", CODE_64, {0x62, 0xf1, 0x7c, 0x48, 0x29, 0x07}, INSN_UNSUPPORTED},
    {"XOP", CODE_64, {0x8f, 0xe8, 0x78, 0x80, 0x07}, INSN_UNSUPPORTED},
    {"inc %eax, not REX", CODE_32, {0x40, 0x89, 0x07}, INSN_UNSUPPORTED},
    {"15 prefixes",
     CODE_64,
     {0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x3e},
     INSN_TOO_LONG},
    {"16 bytes",
     CODE_64,
     {0x3e, 0x3e, 0x3e, 0x3e, 0x3e, 0x43, 0xc7, 0x84, 0x88, 0x00, 0x03, 0, 0, 0x00, 0x45},
     INSN_TOO_LONG},
};

static void refusals_are_named(void **state)
{
    (void)state;
    for (u32 i = 0; i < COUNT(refusals); i++) {
        struct store_insn insn;

        print_message("%s\n", refusals[i].text);
        assert_int_equal(decode_bytes(refusals[i].bytes, INSN_MAX, refusals[i].mode, &insn),
                         refusals[i].status);
    }
}

static void rex_counts_only_before_the_opcode(void **state)
{
    static const u8 dead_rex[] = {0x4c, 0x65, 0x89, 0x07}, two_rex[] = {0x48, 0x44, 0x89, 0x07};
    struct store_insn insn;

    (void)state;
    assert_int_equal(decode_bytes(dead_rex, 4, CODE_64, &insn), INSN_OK);
    assert_int_equal(insn.reg, 0);
    assert_int_equal(decode_bytes(two_rex, 4, CODE_64, &insn), INSN_OK);
    assert_int_equal(insn.reg, 8);
}

/* Bytes after ModRM, from the tables of APM vol. 3, appendix A.3, written as data, not as rules. */
static u32 reference_tail_16(u8 modrm)
{
    static const u8 tail[3][8] = {
        {0, 0, 0, 0, 0, 0, 2, 0}, {1, 1, 1, 1, 1, 1, 1, 1}, {2, 2, 2, 2, 2, 2, 2, 2}};

    return tail[modrm >> 6][modrm & 7];
}

static u32 reference_tail_32(u8 modrm, u8 sib)
{
    static const u8 tail[3][8] = {
        {0, 0, 0, 0, 1, 4, 0, 0}, {1, 1, 1, 1, 2, 1, 1, 1}, {4, 4, 4, 4, 5, 4, 4, 4}};
    bool bare_index = modrm >> 6 == 0 && (modrm & 7) == 4 && (sib & 7) == 5;

    return tail[modrm >> 6][modrm & 7] + (bare_index ? 4 : 0);
}

static const struct reference_form {
    u8 opcode, imm;
    bool no_lock;
    int kinds[8]; /* by ModRM.reg; -1 = not accepted */
} reference_forms[] = {
#define ALL(k)                 \
    {                          \
        k, k, k, k, k, k, k, k \
    }
#define GROUP_1                                                          \
    {                                                                    \
        STORE_ADD, STORE_OR, -1, -1, STORE_AND, STORE_SUB, STORE_XOR, -1 \
    }
    {0x01, 0, false, ALL(STORE_ADD)}, {0x09, 0, false, ALL(STORE_OR)},
    {0x21, 0, false, ALL(STORE_AND)}, {0x29, 0, false, ALL(STORE_SUB)},
    {0x31, 0, false, ALL(STORE_XOR)}, {0x87, 0, false, ALL(STORE_XCHG)},
    {0x89, 0, true, ALL(STORE_MOV)},  {0x81, 4, false, GROUP_1},
    {0x83, 1, false, GROUP_1},        {0xc7, 4, true, {STORE_MOV, -1, -1, -1, -1, -1, -1, -1}},
};

/* One encoding, its expected outcome known by construction. */
struct built {
    u8 bytes[32];
    u32 length;
    enum code_mode mode;
    bool operand_size, address_size, lock;
    u8 rex;
};

static void append(struct built *built, u8 byte)
{
    built->bytes[built->length++] = byte;
}

static void append_prefixes(struct built *built, u32 segment)
{
    static const u8 segments[] = {0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0xf2, 0xf3};

    if (built->operand_size)
        append(built, 0x66);
    if (segments[segment % COUNT(segments)])
        append(built, segments[segment % COUNT(segments)]);
    if (built->address_size)
        append(built, 0x67);
    if (built->lock)
        append(built, 0xf0);
    if (built->rex)
        append(built, built->rex);
}

static enum insn_status reference_status(const struct built *built,
                                         const struct reference_form *form, u8 modrm)
{
    if ((built->rex & 8) || built->operand_size != (built->mode == CODE_16))
        return INSN_WIDTH;
    if (modrm >> 6 == 3 || form->kinds[modrm >> 3 & 7] < 0 || (form->no_lock && built->lock))
        return INSN_UNSUPPORTED;
    return built->length > INSN_MAX ? INSN_TOO_LONG : INSN_OK;
}

static u32 reference_imm(const struct built *built, u8 size)
{
    u32 imm;

    if (size == 1)
        return (u32)(int)(signed char)built->bytes[built->length - 1];
    memcpy(&imm, built->bytes + built->length - 4, 4);
    return imm;
}

static void check_built(struct built built, const struct reference_form *form, u8 modrm, u8 sib)
{
    bool is_16 = built.mode != CODE_64 && built.address_size == (built.mode == CODE_32);
    u32 tail = modrm >> 6 == 3 ? 0
               : is_16         ? reference_tail_16(modrm)
                               : reference_tail_32(modrm, sib);
    struct store_insn insn;
    enum insn_status expected;

    append(&built, form->opcode);
    append(&built, modrm);
    append(&built, sib); /* or the first byte of what follows */
    for (u32 i = 1; i < tail + form->imm; i++)
        append(&built, 0x91 + 37 * i);
    built.length -= tail + form->imm == 0;
    expected = reference_status(&built, form, modrm);
    assert_int_equal(decode_bytes(built.bytes, INSN_MAX, built.mode, &insn), expected);
    if (expected != INSN_OK)
        return;
    assert_int_equal(insn.length, built.length);
    assert_int_equal(insn.kind, form->kinds[modrm >> 3 & 7]);
    assert_int_equal(insn.has_imm, form->imm != 0);
    if (form->imm)
        assert_int_equal(insn.imm, reference_imm(&built, form->imm));
    else
        assert_int_equal(insn.reg, (modrm >> 3 & 7) + (built.rex & 4 ? 8 : 0));
    assert_int_equal(decode_bytes(built.bytes, built.length - 1, built.mode, &insn),
                     INSN_TRUNCATED);
}

static void check_prefix_combination(enum code_mode mode, u32 flags, u8 rex)
{
    u32 combination = 0;

    for (u32 form = 0; form < COUNT(reference_forms); form++) {
        for (u32 modrm = 0; modrm < 256; modrm++) {
            for (u32 sib = modrm & 1; sib < 256; sib += (modrm & 7) == 4 ? 1 : 51) {
                struct built built = {.mode = mode,
                                      .operand_size = flags & 1,
                                      .address_size = flags & 2,
                                      .lock = flags & 4,
                                      .rex = rex};

                append_prefixes(&built, combination++);
                check_built(built, &reference_forms[form], modrm, sib);
            }
        }
    }
}

static void lengths_by_construction(void **state)
{
    static const u8 rex[] = {0, 0x40, 0x41, 0x44, 0x46, 0x48, 0x4f};

    (void)state;
    for (u32 flags = 0; flags < 8; flags++) {
        check_prefix_combination(CODE_16, flags, 0);
        check_prefix_combination(CODE_32, flags, 0);
        for (u32 i = 0; i < COUNT(rex); i++)
            check_prefix_combination(CODE_64, flags, rex[i]);
    }
}

static void moffs_lengths(void **state)
{
    static const struct {
        enum code_mode mode;
        u8 bytes[INSN_MAX], length;
    } cases[] = {
        {CODE_64, {0xa3}, 9},       {CODE_64, {0x67, 0xa3}, 6}, {CODE_32, {0xa3}, 5},
        {CODE_32, {0x67, 0xa3}, 4}, {CODE_16, {0x66, 0xa3}, 4}, {CODE_16, {0x66, 0x67, 0xa3}, 7},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        struct store_insn insn;

        assert_int_equal(decode_bytes(cases[i].bytes, INSN_MAX, cases[i].mode, &insn), INSN_OK);
        assert_int_equal(insn.length, cases[i].length);
        assert_int_equal(decode_bytes(cases[i].bytes, insn.length - 1, cases[i].mode, &insn),
                         INSN_TRUNCATED);
    }
}

static void every_two_byte_opening(void **state)
{
    u8 bytes[INSN_MAX] = {0};

    (void)state;
    for (u32 opening = 0; opening < 0x30000; opening++) {
        struct store_insn insn;

        bytes[0] = opening;
        bytes[1] = opening >> 8;
        for (u32 count = 0; count <= INSN_MAX; count++) {
            enum insn_status status = decode_bytes(bytes, count, opening >> 16, &insn);

            assert_true(status <= INSN_UNSUPPORTED);
            assert_true(status != INSN_OK || (insn.length >= 2 && insn.length <= count));
        }
    }
}

/* The processor that runs this test is the reference for results and flags. */
#define NATIVE(name, instruction)                          \
    static u32 name(u32 old, u32 operand, u64 *rflags)     \
    {                                                      \
        u64 ax = 0;                                        \
        u8 of;                                             \
        __asm__(instruction " %3, %0\n\tlahf\n\tseto %2"   \
                : "+d"(old), "+a"(ax), "=c"(of)            \
                : "S"(operand)                             \
                : "cc");                                   \
        *rflags = (ax >> 8 & 0xd5) | (of ? RFLAGS_OF : 0); \
        return old;                                        \
    }
NATIVE(native_add, "addl")
NATIVE(native_sub, "subl")
NATIVE(native_or, "orl")
NATIVE(native_and, "andl")
NATIVE(native_xor, "xorl")

static const struct {
    enum store_kind kind;
    u32 (*native)(u32 old, u32 operand, u64 *rflags);
    u64 undefined; /* AF after the logical ones */
} natives[] = {
    {STORE_ADD, native_add, 0},         {STORE_SUB, native_sub, 0},
    {STORE_OR, native_or, RFLAGS_AF},   {STORE_AND, native_and, RFLAGS_AF},
    {STORE_XOR, native_xor, RFLAGS_AF},
};

#define RFLAGS_OTHER (BIT(1) | BIT(8) | BIT(9) | BIT(10) | BIT(21))

static void check_native(u32 row, u32 old, u32 operand)
{
    u64 expected, actual = MASK(63, 0), ignored = natives[row].undefined | ~0x8d5ULL;
    u32 value = natives[row].native(old, operand, &expected);

    assert_int_equal(insn_store_value(natives[row].kind, old, operand, &actual), value);
    assert_int_equal(actual & ~ignored, expected & ~ignored);
    assert_int_equal(actual | 0x8d5, MASK(63, 0));
}

static void values_and_flags_as_the_processor(void **state)
{
    static const u32 corners[] = {0,          1,          7,          8,          0xf,
                                  0x10,       0x7f,       0xff,       0x80,       0xffff,
                                  0x7fffffff, 0x80000000, 3,          0x80000001, 0x1234,
                                  0xfffffff0, 0xfffffffe, 0xffffffff, 0xdeadbeef, 0xc4500};

    (void)state;
    for (u32 row = 0; row < COUNT(natives); row++) {
        u32 random = 1;

        for (u32 i = 0; i < COUNT(corners); i++)
            for (u32 j = 0; j < COUNT(corners); j++)
                check_native(row, corners[i], corners[j]);
        for (u32 i = 0; i < 20000; i++) {
            u32 first = random = random * 1664525 + 1013904223;

            random = random * 1664525 + 1013904223;
            check_native(row, first, random);
        }
    }
}

static void mov_and_xchg_leave_flags(void **state)
{
    u64 rflags = RFLAGS_OTHER | RFLAGS_CF;

    (void)state;
    assert_int_equal(insn_store_value(STORE_MOV, 5, 9, &rflags), 9);
    assert_int_equal(insn_store_value(STORE_XCHG, 5, 7, &rflags), 7);
    assert_int_equal(rflags, RFLAGS_OTHER | RFLAGS_CF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_decode),
        cmocka_unit_test(refusals_are_named),
        cmocka_unit_test(rex_counts_only_before_the_opcode),
        cmocka_unit_test(lengths_by_construction),
        cmocka_unit_test(moffs_lengths),
        cmocka_unit_test(every_two_byte_opening),
        cmocka_unit_test(values_and_flags_as_the_processor),
        cmocka_unit_test(mov_and_xchg_leave_flags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
