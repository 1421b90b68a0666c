/* Stores to the xAPIC's page of which everything is known; whatever is unusual is declined, and
 * nothing has changed then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#define read_safe read_safe_of_nothing
#include "fake/fake_machine.h"
#undef read_safe

static bool read_safe(u64 address, u64 *value)
{
    *value = *(const u64 *)address;
    return true;
}

static u64 tsc;
#define rdtsc the_real_rdtsc
#include "base/tsc.h"
#undef rdtsc
static u64 rdtsc(void)
{
    return tsc;
}

#include "svm/page.c"

#define RIP    0x1236 /* of the third entry */
#define LENGTH 6
#define EOI    0xb0

struct hv hv;
struct pmu pmu;
struct svm svm;
struct console_clock console_clock;

static u8 *block, before[CPU_BLOCK_SIZE];
static u32 page[1024] __attribute__((aligned(4096))), page_before[1024];
static u64 words[STORE_WORDS];
static struct cpu *cpu;
static struct vmcb *vmcb;
static struct known_store *known;

static void stores_to(u64 offset)
{
    vmcb->exit_info2 = (u64)page + offset;
}

static int set_up(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof(fake));
    memset(page, 0x5a, sizeof(page));
    block = aligned_alloc(CPU_BLOCK_SIZE, CPU_BLOCK_SIZE);
    memset(block, 0, CPU_BLOCK_SIZE);
    cpu = (struct cpu *)(block + CPU_STACK_TOP);
    vmcb = cpu_vmcb(cpu);
    hv = (struct hv){.apic_base = (u64)page, .icr_judged = ICR_JUDGE_STARTUP};
    pmu = (struct pmu){0};
    svm = (struct svm){0};
    console_clock = (struct console_clock){1000, 500};
    tsc = 1499;
    vmcb->exit_code = VMEXIT_NPF;
    vmcb->exit_info1 = NPF_PRESENT | NPF_WRITE | BIT(32);
    vmcb->rflags = RFLAGS_FIXED;
    vmcb->rip = RIP;
    vmcb->cr3 = 0x1000;
    vmcb->cr4 = 0x20;
    vmcb->efer = EFER_LMA | EFER_LME;
    vmcb->cs.attributes = BIT(9);
    vmcb->int_shadow = 1;
    known = &cpu->known_stores[RIP % KNOWN_STORES];
    *known = (struct known_store){.linear = RIP,
                                  .paging = {.cr3 = 0x1000, .cr4 = 0x20},
                                  .mode = CODE_64,
                                  .words = 6,
                                  .insn = {.length = LENGTH, .kind = STORE_MOV, .reg = RSI}};
    for (u32 i = 0; i < STORE_WORDS; i++)
        known->word[i] = (struct known_word){(u64)&words[i], words[i] = 100 + i};
    for (u32 i = 0; i < REGISTERS; i++)
        cpu->regs[i] = 0xdeadbeef00000000 | i;
    stores_to(EOI);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(block);
    return 0;
}

static void expect_declined(void)
{
    cpu->regs[RAX] = vmcb->rax; /* which nobody has read yet */
    cpu->regs[RSP] = vmcb->rsp;
    memcpy(before, block, sizeof(before));
    memcpy(page_before, page, sizeof(page));
    assert_false(svm_page_exit(cpu));
    assert_memory_equal(block, before, sizeof(before));
    assert_memory_equal(page, page_before, sizeof(page));
}

static void expect_stored(u32 offset, u32 value)
{
    u64 count = cpu->exits[EXIT_APIC_PAGE];

    stores_to(offset);
    vmcb->rip = RIP;
    vmcb->int_shadow = 1;
    memset(page, 0x5a, sizeof(page));
    assert_true(svm_page_exit(cpu));
    for (u32 i = 0; i < 1024; i++)
        assert_int_equal(page[i], i == offset / 4 ? value : 0x5a5a5a5a);
    assert_int_equal(vmcb->rip, RIP + LENGTH);
    assert_int_equal(vmcb->int_shadow, 0);
    assert_int_equal(cpu->exits[EXIT_APIC_PAGE], count + 1);
}

static void any_register_and_immediate(void **state)
{
    (void)state;
    vmcb->rax = 0xdeadbeef00000000 | RAX;
    vmcb->rsp = 0xdeadbeef00000000 | RSP;
    cpu->regs[RAX] = cpu->regs[RSP] = 77;
    for (u8 i = 0; i < REGISTERS; i++) {
        known->insn.reg = i;
        expect_stored(EOI, i);
    }
    known->insn.has_imm = true;
    known->insn.imm = 0x12345678;
    expect_stored(EOI, 0x12345678);
}

/* ID, LDR and DFR are noted, what is no register is refused. */
static void registers_of_the_apic(void **state)
{
    static const u32 plain[] = {0x80,  0xb0,  0xf0,  0x280, 0x300, 0x310, 0x320,
                                0x330, 0x340, 0x350, 0x360, 0x370, 0x380, 0x3e0};
    u32 i = 0;

    (void)state;
    for (u32 offset = 0; offset < 4096; offset += 4)
        if (i < COUNT(plain) && offset == plain[i]) {
            expect_stored(offset, RSI);
            i++;
        } else {
            stores_to(offset);
            vmcb->rip = RIP;
            expect_declined();
        }
    assert_int_equal(i, COUNT(plain));
    stores_to(EOI - 4096);
    expect_declined();
    stores_to(EOI + 4096);
    expect_declined();
    stores_to(BIT(32) + EOI);
    expect_declined();
}

static void ipis_are_judged(void **state)
{
    (void)state;
    cpu->regs[RSI] = 0x500; /* INIT */
    stores_to(APIC_ICR);
    expect_declined();
    expect_stored(APIC_ICR_HIGH, 0x500);
    cpu->regs[RSI] = 0x400; /* NMI */
    expect_stored(APIC_ICR, 0x400);
    hv.icr_judged = ICR_JUDGE_ALL;
    vmcb->rip = RIP;
    expect_declined();
}

static void unusual_exits(void **state)
{
    static const struct {
        u64 offset, value;
    } cases[] = {
        {offsetof(struct vmcb, rflags), BIT(8)},
        {offsetof(struct vmcb, rflags), BIT(16)},
        {offsetof(struct vmcb, exit_info1), NPF_WRITE},
        {offsetof(struct vmcb, exit_info1), NPF_PRESENT},
        {offsetof(struct vmcb, exit_int_info), EVENT_VALID},
        {offsetof(struct vmcb, efer), 0},
        {offsetof(struct vmcb, rip), RIP + KNOWN_STORES},
        {offsetof(struct vmcb, cr3), 0x2000},
        {offsetof(struct vmcb, cr4), 0x1020},
    };

    (void)state;
    for (u32 i = 0; i < COUNT(cases); i++) {
        u64 *field = (u64 *)((u8 *)vmcb + cases[i].offset), old = *field;

        *field = cases[i].value;
        expect_declined();
        *field = old;
    }
    vmcb->cs.attributes = 0;
    expect_declined();
    vmcb->cs.attributes = BIT(9);
    hv.trace = true;
    expect_declined();
    hv.trace = false;
    tsc = 1500; /* the console's turn */
    expect_declined();
    tsc = 1499;
    expect_stored(EOI, RSI);
}

static void what_is_not_known_or_no_move(void **state)
{
    (void)state;
    for (u8 kind = STORE_MOV + 1; kind <= STORE_XOR; kind++) {
        known->insn.kind = kind;
        expect_declined();
    }
    known->insn.kind = STORE_MOV;
    known->mode = CODE_32;
    expect_declined();
    known->mode = CODE_64;
    for (u32 i = 0; i < 6; i++) {
        words[i]++;
        expect_declined();
        words[i]--;
    }
    known->words = 0;
    expect_declined();
}

static void recorded_bytes(void **state)
{
    (void)state;
    svm.decode_assists = true;
    vmcb->fetched = 15;
    for (u8 i = 0; i < 15; i++)
        vmcb->bytes[i] = i;
    expect_declined(); /* known by walking */
    memcpy(&known->word[0].value, vmcb->bytes, 8);
    memcpy(&known->word[1].value, vmcb->bytes + 7, 8);
    known->words = 0;
    known->recorded = true;
    vmcb->cr3 = 0x7000; /* in any process */
    expect_stored(EOI, RSI);
    vmcb->rip = RIP;
    vmcb->fetched = 14;
    expect_declined();
    vmcb->fetched = 15;
    vmcb->bytes[14]++;
    expect_declined();
    vmcb->bytes[14]--;
    svm.decode_assists = false;
    expect_declined();
}

/* Instructions, by the second counter; kernel and user. */
static void it_is_credited(void **state)
{
    (void)state;
    fake_msr(MSR_PERF_CTR + 2, 100, MASK(47, 0));
    fake_msr(MSR_PERF_CTR + 4, MASK(31, 0), MASK(47, 0));
    cpu->pmu.core.attention = 2;
    cpu->pmu.amd.shadow[1] = EVTSEL_EN | EVTSEL_OS | 0xc0;
    cpu->pmu.core.known.selector[1] = cpu->pmu.amd.shadow[1];
    cpu->pmu.core.known.rings[1] = RING_OS;
    expect_declined(); /* what was known is not true any more */
    assert_int_equal(rdmsr(MSR_PERF_CTR + 2), 100);
    cpu->pmu.core.known.valid = true;
    expect_stored(EOI, RSI);
    assert_int_equal(rdmsr(MSR_PERF_CTR + 2), 101);
    vmcb->cpl = 3;
    expect_stored(EOI, RSI);
    assert_int_equal(rdmsr(MSR_PERF_CTR + 2), 101);
    vmcb->cpl = 0;
    cpu->regs[RSI] = 0x500;
    stores_to(APIC_ICR);
    vmcb->rip = RIP;
    expect_declined();
    assert_int_equal(rdmsr(MSR_PERF_CTR + 2), 101);
    cpu->pmu.core.attention = 6; /* the third would carry */
    cpu->pmu.amd.shadow[2] = cpu->pmu.core.known.selector[2] = EVTSEL_EN | EVTSEL_OS | 0x76;
    cpu->pmu.core.known.rings[2] = RING_OS;
    stores_to(EOI);
    assert_false(svm_page_exit(cpu));
    assert_int_equal(rdmsr(MSR_PERF_CTR + 2), 101);
    assert_int_equal(rdmsr(MSR_PERF_CTR + 4), MASK(31, 0));
    assert_int_equal(vmcb->rip, RIP);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(any_register_and_immediate),
        TEST(registers_of_the_apic),
        TEST(ipis_are_judged),
        TEST(unusual_exits),
        TEST(what_is_not_known_or_no_move),
        TEST(recorded_bytes),
        TEST(it_is_credited),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
