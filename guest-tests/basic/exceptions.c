/* Every exception that software can raise, in ring 0 and ring 3: vector, error code, where RIP
 * points, and CR2 or DR6 where they count (APM chapter 8). None of them is the hypervisor's
 * business, so all must come out as on the bare machine. QEMU's TCG raises neither #XM nor,
 * before 9.x, #AC, and 7.2 has no INT1: a probe says what is tolerated for that. It also leaves P
 * out of the error code of a reserved-bit fault. */
#include "basic.h"
#include "cpu.h"
#include "fault.h"
#include "paging.h"
#include "report.h"

enum where { AT, PAST };

struct probe {
    const char *name;
    core_work *execute;
    int vector;
    u64 error;
    enum where rip; /* AT: at the marked instruction, PAST: at the next one */
    bool ring0, ring3;
    int tolerated; /* what TCG does instead: another vector or NO_FAULT; 0: nothing */
    u64 error_tcg; /* tolerated: 7.2 takes a gate of the 64-bit IDT for 16 bytes of selector */
};

/* The instruction under test lies between the labels that `here` and `past` remember. */
static volatile u64 here, next;

#define PROBE(name, before, text)                                                                 \
    static void name(u64 argument)                                                                \
    {                                                                                             \
        __asm__ volatile("lea 1f(%%rip), %%rcx; mov %%rcx, %0; lea 2f(%%rip), %%rcx; mov %%rcx, " \
                         "%1\n" before "\n1: " text "\n2:\n"                                      \
                         : "=m"(here), "=m"(next)                                                 \
                         : "D"(argument)                                                          \
                         : "rax", "rbx", "rcx", "rdx", "memory", "cc");                           \
    }

PROBE(do_de, "xor %%ecx, %%ecx; xor %%edx, %%edx; mov $1, %%eax", "div %%ecx")
PROBE(do_icebp, "", ".byte 0xf1")
PROBE(do_bp, "", "int3")
PROBE(do_of, "", "int $4")
PROBE(do_ud, "", "ud2")
PROBE(do_nm, "", "fnop")
PROBE(do_ts, "", "int $0x81")
PROBE(do_np_gate, "", "int $0x82")
PROBE(do_np_segment, "mov $0x58, %%eax", "mov %%eax, %%fs")
PROBE(do_ss, "mov $0x58, %%eax", "mov %%eax, %%ss")
PROBE(do_gp_selector, "mov $0x400, %%eax", "mov %%eax, %%fs")
PROBE(do_gp_canonical, "mov $0x4000000000000000, %%rax", "mov (%%rax), %%rax")
PROBE(do_gp_hlt, "", "hlt")
PROBE(do_gp_rdmsr, "mov $0xc0000080, %%ecx", "rdmsr")
PROBE(do_gp_gate, "", "int $0x20")
PROBE(do_read, "", "mov (%%rdi), %%rax")
PROBE(do_write, "", "movl $1, (%%rdi)")
PROBE(do_mf, "fninit; push $0x37b; fldcw (%%rsp); pop %%rax; fld1; fldz; fdivrp", "fwait")
PROBE(do_ac, "pushf; orl $0x40000, (%%rsp); popf; lea -65(%%rsp), %%rax", "mov (%%rax), %%ecx")
PROBE(do_xm,
      "push $0x1d80; ldmxcsr (%%rsp); pop %%rax; xorps %%xmm1, %%xmm1; mov $1, %%eax; "
      "cvtsi2ss %%eax, %%xmm0",
      "divss %%xmm1, %%xmm0")

static void run(const struct probe *p, u64 argument, bool ring3)
{
    struct fault f;
    int vector = (ring3 ? attempt_user : attempt)(p->execute, argument, &f);
    if (p->tolerated && vector == p->tolerated) {
        return;
    }
    expect(vector == p->vector, "%s in ring %u: vector %d", p->name, ring3 ? 3 : 0, vector);
    if (vector == p->vector) {
        u64 rip = p->rip == AT ? here : next;
        expect(f.frame.error == p->error || (p->error_tcg && f.frame.error == p->error_tcg),
               "%s in ring %u: error code %lx", p->name, ring3 ? 3 : 0, f.frame.error);
        expect(f.frame.rip == rip, "%s in ring %u: RIP off by %ld", p->name, ring3 ? 3 : 0,
               (long)(f.frame.rip - rip));
        expect((f.frame.cs & 3) == (ring3 ? 3 : 0), "%s: CS %lx", p->name, f.frame.cs);
    }
}

static const struct probe plain[] = {
    {"#DE", do_de, VECTOR_DE, 0, AT, true, true, 0, 0},
    {"#DB by INT1", do_icebp, VECTOR_DB, 0, PAST, true, true, VECTOR_UD, 0},
    {"#BP", do_bp, VECTOR_BP, 0, PAST, true, true, 0, 0},
    {"#OF", do_of, VECTOR_OF, 0, PAST, true, true, 0, 0},
    {"#UD", do_ud, VECTOR_UD, 0, AT, true, true, 0, 0},
    {"#NP of a gate", do_np_gate, VECTOR_NP, 0x82 * 8 + 2, AT, true, true, 0, 0x82 * 16 + 2},
    {"#NP of a segment", do_np_segment, VECTOR_NP, SEL_ABSENT, AT, true, false, 0, 0},
    {"#SS of a segment", do_ss, VECTOR_SS, SEL_ABSENT, AT, true, false, 0, 0},
    {"#GP of a selector", do_gp_selector, VECTOR_GP, 0x400, AT, true, true, 0, 0},
    {"#GP of an address", do_gp_canonical, VECTOR_GP, 0, AT, true, true, 0, 0},
    {"#GP of HLT", do_gp_hlt, VECTOR_GP, 0, AT, false, true, 0, 0},
    {"#GP of RDMSR", do_gp_rdmsr, VECTOR_GP, 0, AT, false, true, 0, 0},
    {"#GP of a gate", do_gp_gate, VECTOR_GP, 0x20 * 8 + 2, AT, false, true, 0, 0x20 * 16 + 2},
    {"#MF", do_mf, VECTOR_MF, 0, AT, true, true, 0, 0},
    {"#XM", do_xm, VECTOR_XM, 0, AT, true, true, NO_FAULT, 0},
};

static void run_both(const struct probe *p, u64 argument)
{
    if (p->ring0) {
        run(p, argument, false);
    }
    if (p->ring3) {
        run(p, argument, true);
    }
}

static void plain_exceptions(void)
{
    test_begin("exceptions");
    for (u32 i = 0; i < COUNT(plain); i++) {
        run_both(&plain[i], 0);
    }
    test_end();
}

static void device_not_available(void)
{
    static const struct probe nm = {"#NM", do_nm, VECTOR_NM, 0, AT, true, true, 0, 0};
    test_begin("exception-nm");
    WRITE_CR(0, READ_CR(0) | CR0_TS);
    run_both(&nm, 0);
    WRITE_CR(0, READ_CR(0) & ~(u64)CR0_TS);
    test_end();
}

static void alignment_check(void)
{
    static const struct probe ac = {"#AC", do_ac, VECTOR_AC, 0, AT, false, true, NO_FAULT, 0};
    test_begin("exception-ac");
    WRITE_CR(0, READ_CR(0) | CR0_AM);
    run_both(&ac, 0);
    WRITE_CR(0, READ_CR(0) & ~(u64)CR0_AM);
    test_end();
}

/* A TSS too short for the IST entry that a gate asks for: #TS with the TSS selector (APM 8.2.11).
 */
static void invalid_tss(void)
{
    static const struct probe ts = {"#TS", do_ts, VECTOR_TS, SEL_TSS, AT, true, false, 0, 0};
    struct core *core = this_core();
    test_begin("exception-ts");
    core->gdt[SEL_TSS / 8] -= 104 - 84; /* the limit, in bits 15:0 */
    core_load(core);
    run_both(&ts, 0);
    core->gdt[SEL_TSS / 8] += 104 - 84;
    core_load(core);
    test_end();
}

/* #GP whose gate is absent: #NP while delivering a contributory exception is #DF (APM 8.2.9). */
static void double_fault(void)
{
    struct fault f;
    test_begin("exception-df");
    idt_set_present(VECTOR_GP, false);
    int vector = attempt(do_gp_canonical, 0, &f);
    idt_set_present(VECTOR_GP, true);
    expect(vector == VECTOR_DF, "vector %d", vector);
    expect(f.frame.error == 0, "error code %lx", f.frame.error);
    test_end();
}

static void page_fault(const struct probe *p, u64 address, bool ring3)
{
    struct fault f;
    u64 error = p->error | (ring3 ? 4 : 0), forgiven = p->error & 8 ? 1 : 0;
    int vector = (ring3 ? attempt_user : attempt)(p->execute, address, &f);
    expect(vector == VECTOR_PF && (f.frame.error | forgiven) == error && f.cr2 == address,
           "%s in ring %u: vector %d error %lx CR2 %lx", p->name, ring3 ? 3 : 0, vector,
           f.frame.error, f.cr2);
}

static void do_jump(u64 address)
{
    ((void (*)(void))address)();
}

static void page_faults(void)
{
    static u8 page[4096] __attribute__((aligned(4096)));
    static const struct probe read = {.name = "read", .execute = do_read, .error = 0};
    static const struct probe write = {.name = "write", .execute = do_write, .error = 2};
    static const struct probe guarded = {
        .name = "write of read-only", .execute = do_write, .error = 3};
    static const struct probe user = {.name = "user read", .execute = do_read, .error = 1};
    static const struct probe fetch = {.name = "fetch", .execute = do_jump, .error = 0x11};
    static const struct probe reserved = {.name = "reserved", .execute = do_read, .error = 9};
    u64 efer = rdmsr(MSR_EFER), cr0 = READ_CR(0);
    wrmsr(MSR_EFER, efer | EFER_NXE);
    WRITE_CR(0, cr0 | CR0_WP);
    test_begin("exception-pf");
    page[0] = 0xc3; /* RET, should the fetch go through */
    for (u32 ring3 = 0; ring3 < 2; ring3++) {
        u64 address = window_map(0, (u64)page, 0) + 0x123;
        page_fault(&read, address, ring3);
        page_fault(&write, address, ring3);
        window_map(0, (u64)page, PTE_P | PTE_US);
        page_fault(&guarded, address, ring3);
        window_map(0, (u64)page, PTE_ALL | PTE_NX);
        page_fault(&fetch, address, ring3);
        window_map(0, (u64)page | BIT(51), PTE_ALL);
        page_fault(&reserved, address, ring3);
    }
    window_map(0, (u64)page, PTE_P | PTE_RW);
    page_fault(&user, WINDOW_BASE, true);
    window_map(0, 0, 0);
    test_end();
    wrmsr(MSR_EFER, efer);
    WRITE_CR(0, cr0);
}

void exception_probes(void)
{
    WRITE_CR(4, READ_CR(4) | CR4_OSFXSR | CR4_OSXMMEXCPT);
    WRITE_CR(0, READ_CR(0) | CR0_NE);
    plain_exceptions();
    device_not_available();
    alignment_check();
    invalid_tss();
    double_fault();
    page_faults();
}
