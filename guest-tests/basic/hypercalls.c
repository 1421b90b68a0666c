/* hypercall.h: without the signature, or above CPL 0, the call is the #UD of a machine without
 * Cede.
 */
#include "basic.h"
#include "cede.h"
#include "core.h"
#include "cpu.h"
#include "fault.h"
#include "machine.h"
#include "report.h"

static void call_plain(u64 eax)
{
    vmmcall((u32)eax, HYPERCALL_VERSION, 0, 0);
}

static void call_user(u64 signature)
{
    vmmcall((u32)signature, HYPERCALL_VERSION, 0, 0);
}

/* The other vendor's. KVM, below Cede, makes it this one's in the guest's memory. */
static void do_wrong_call(u64 eax)
{
    if (is_amd) {
        __asm__ volatile("vmcall" ::"a"(eax), "b"(0), "c"(0), "d"(0) : "memory");
    } else {
        __asm__ volatile("vmmcall" ::"a"(eax), "b"(0), "c"(0), "d"(0) : "memory");
    }
}

static void contract(u64 unused)
{
    (void)unused;
    expect(attempt(call_plain, 0, NULL) == VECTOR_UD, "EAX = 0: no #UD");
    expect(attempt(call_plain, 0x564d5868, NULL) == VECTOR_UD, "another signature: no #UD");
    expect(attempt_user(call_user, HYPERCALL_SIGNATURE, NULL) == VECTOR_UD, "CPL 3: no #UD");
    expect(attempt_user(call_user, 0, NULL) == VECTOR_UD, "CPL 3, EAX = 0: no #UD");
    expect(option_word("tcg-kvm") || attempt(do_wrong_call, HYPERCALL_SIGNATURE, NULL) == VECTOR_UD,
           "the other vendor's call: no #UD");
}

static void answers(void)
{
    u64 total = hypercall(HYPERCALL_CORES, 0, 0), self = hypercall(HYPERCALL_SELF, 0, 0);
    expect(hypercall(HYPERCALL_VERSION, 0, 0) == CEDE_VERSION, "version");
    expect(total >= core_count && total <= 4096, "%lu cores", total);
    expect(self < total, "self %lu", self);
    expect((u32)hypercall(HYPERCALL_CORE, (u32)self, 0) == cores[0]->apic_id, "APIC ID of self");
    expect(hypercall(HYPERCALL_CORE, (u32)self, 0) >> 32 == CORE_RUNNING, "state of self");
    expect(hypercall(HYPERCALL_COUNT, 0, 0) == HYPERCALL_ERROR, "unknown call");
    expect(hypercall(0xffffffff, 0, 0) == HYPERCALL_ERROR, "unknown call ffffffff");
    expect(hypercall(HYPERCALL_CORE, (u32)total, 0) == HYPERCALL_ERROR, "core beyond the last");
    expect(hypercall(HYPERCALL_EXITS, 0xffffffff, 0) == HYPERCALL_ERROR, "core ffffffff");
    expect(hypercall(HYPERCALL_EXITS, 0, EXIT_REASONS) == HYPERCALL_ERROR, "unknown reason");
    expect(hypercall(HYPERCALL_DENIALS, (u32)total, 0) == HYPERCALL_ERROR, "denials beyond");
    expect(hypercall(HYPERCALL_MEMORY, 0, 2) == HYPERCALL_ERROR, "memory item 2");
    say("info: Cede keeps %lu KiB, %lu KiB of it page tables",
        hypercall(HYPERCALL_MEMORY, 0, 0) / 1024, hypercall(HYPERCALL_MEMORY, 0, 1) / 1024);
}

void hypercall_probes(void)
{
    test_begin("hypercall-ud");
    expect(core_run_all(contract, 0, 5000), "a core did not finish");
    test_end();
    if (under_cede()) {
        test_begin_cede("hypercall-answers");
        answers();
        test_end();
    }
}
