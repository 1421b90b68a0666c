#include "console/command.h"
#include "hv.h"
#include "guest/kick.h"
#include "vendor.h"

static void dump(struct out *out, const struct cpu *cpu, const struct guest_state *state)
{
    static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                        "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

    out_hex(out, "cs", state->cs);
    out_hex(out, "rip", state->rip);
    out_hex(out, "rflags", state->rflags);
    for (u32 i = 0; i < REGISTERS; i++)
        out_hex(out, names[i], i == RAX ? state->rax : i == RSP ? state->rsp : cpu->regs[i]);
    out_hex(out, "cr0", state->cr0);
    out_hex(out, "cr2", state->cr2);
    out_hex(out, "cr3", state->cr3);
    out_hex(out, "cr4", state->cr4);
    out_hex(out, "efer", state->efer);
    out_number(out, "cpl", state->cpl);
}

void show_registers(struct request *request)
{
    struct guest_state state;
    struct cpu *cpu;
    u64 core;

    if (!request_number(request, 1, hv.info->cpu_count, "core", &core))
        return;
    cpu = cpu_at((u32)core);
    if (cpu->state != CORE_RUNNING) {
        out_fail(request->out, "core %u runs no guest", core);
        return;
    }
    kick_stop(request->self, cpu->guest);
    if (vendor->guest_state && vendor->guest_state(cpu, &state))
        dump(request->out, cpu, &state);
    else
        out_fail(request->out, "core %u keeps its guest's state to itself", core);
    kick_resume(request->self);
}
