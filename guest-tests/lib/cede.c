#include "cede.h"
#include "cpu.h"
#include "fault.h"

struct call {
    u32 eax, ecx, edx, ebx;
    u64 answer;
};

u64 vmmcall(u32 eax, u32 ecx, u32 edx, u32 ebx)
{
    u64 rax = eax;
    if (is_amd) {
        __asm__ volatile("vmmcall" : "+a"(rax) : "c"(ecx), "d"(edx), "b"(ebx) : "memory");
    } else {
        __asm__ volatile("vmcall" : "+a"(rax) : "c"(ecx), "d"(edx), "b"(ebx) : "memory");
    }
    return rax;
}

static void do_call(u64 argument)
{
    struct call *call = (struct call *)argument;
    call->answer = vmmcall(call->eax, call->ecx, call->edx, call->ebx);
}

u64 hypercall(u32 number, u32 core, u32 item)
{
    struct call call = {HYPERCALL_SIGNATURE, number, core, item, 0};
    return attempt(do_call, (u64)&call, NULL) == NO_FAULT ? call.answer : HYPERCALL_ERROR;
}

/* Other hypervisors answer too: KVM with a negative number. */
bool under_cede(void)
{
    static int known; /* 0: not asked, 1: no, 2: yes */
    if (!known) {
        known = hypercall(HYPERCALL_VERSION, 0, 0) >> 31 ? 1 : 2;
    }
    return known == 2;
}

u64 cede_exits(u32 core)
{
    u64 sum = 0;
    for (u32 reason = 0; reason < EXIT_REASONS; reason++) {
        sum += reason == EXIT_HYPERCALL ? 0 : hypercall(HYPERCALL_EXITS, core, reason);
    }
    return sum;
}
