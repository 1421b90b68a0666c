#include "exits/exits.h"
#include "base/asm.h"
#include "msr/cpuid_table.h"
#include "guest.h"
#include "exits/hypercall_calls.h"
#include "host/machine_check.h"
#include "ports/io.h"
#include "serial/log.h"
#include "memory/memory.h"

void exit_cpuid(struct cpu *cpu, u64 cr4)
{
    const struct guest *guest = cpu->guest;
    struct cpuid_context context = {.cr4 = cr4,
                                    .intel = hv.intel,
                                    .granted = guest->msr.granted,
                                    .hypervisor_bit =
                                        guest->boot->policy.hypervisor_bit || is_partition(guest),
                                    .x2apic_locked = is_partition(guest),
                                    .pmu_off = guest->boot->policy.pmu == PMU_OFF};
    u32 leaf = (u32)cpu->regs[RAX], subleaf = (u32)cpu->regs[RCX], out[4];

    cpu->exits[EXIT_CPUID]++;
    cpuid(leaf, subleaf, out);
    cpuid_edit(&context, leaf, subleaf, out);
    cpu->regs[RAX] = out[0];
    cpu->regs[RBX] = out[1];
    cpu->regs[RCX] = out[2];
    cpu->regs[RDX] = out[3];
}

void exit_io(struct cpu *cpu, u16 port, u32 size, bool in)
{
    u64 mask = MASK(size * 8 - 1, 0);

    cpu->exits[EXIT_IO]++;
    if (!in) {
        io_write(cpu, port, size, (u32)(cpu->regs[RAX] & mask));
        return;
    }
    /* A 32-bit result clears the upper half of RAX, smaller ones keep the rest. */
    cpu->regs[RAX] = (io_read(cpu, port, size) & mask) | (size == 4 ? 0 : cpu->regs[RAX] & ~mask);
}

void exit_rdpmc(struct cpu *cpu)
{
    cpu->exits[EXIT_PMU_READ]++;
    cpu->regs[RAX] = cpu->regs[RDX] = 0;
}

bool exit_first_touch(struct cpu *cpu, u64 gpa, u64 rip)
{
    enum first_touch result;

    cpu->exits[EXIT_MAP]++;
    lock(&hv_lock);
    result = memory_first_touch(cpu->guest, gpa);
    unlock(&hv_lock);
    if (result == TOUCH_HIDDEN)
        log_line("core %u: the guest touched Cede's memory at %x (rip %x): it finds ones there",
                 (u64)cpu->index, gpa, rip);
    return result != TOUCH_BEYOND;
}

bool exit_hypercall(struct cpu *cpu, u32 cpl)
{
    if (cpl != 0 || (u32)cpu->regs[RAX] != HYPERCALL_SIGNATURE) {
        cpu->exits[EXIT_VIRT_INSN]++;
        return false;
    }
    cpu->exits[EXIT_HYPERCALL]++;
    cpu->regs[RAX] = hypercall(cpu, (u32)cpu->regs[RCX], (u32)cpu->regs[RDX], (u32)cpu->regs[RBX]);
    return true;
}

void exit_unexpected(struct cpu *cpu)
{
    if (is_partition(cpu->guest))
        guest_fail(cpu);
    log_line("panic: this core is stopped; the others go on");
    cpu_stop();
}

/* A partition's memory is write-back, and no device reads it: there is nothing to write back, and
 * others' caches are not emptied for it. */
void exit_invd(struct cpu *cpu)
{
    cpu->exits[EXIT_INVD]++;
    if (!is_partition(cpu->guest))
        wbinvd();
}

/* Of partitions only, which go on if it was none of theirs. */
void exit_machine_check(struct cpu *cpu)
{
    enum machine_check verdict = machine_check_judge(cpu, log_line);

    cpu->exits[EXIT_OTHER]++;
    if (verdict == MC_IS_FATAL)
        machine_check_reset(cpu);
    if (verdict == MC_GOES_ON)
        return;
    log_line("machine check: what core %u was doing is lost", (u64)cpu->index);
    exit_unexpected(cpu);
}

void exit_triple_fault(struct cpu *cpu, u64 cs, u64 rip, u64 cr2, u64 cr3)
{
    cpu->exits[EXIT_SHUTDOWN]++;
    if (is_partition(cpu->guest)) {
        /* Where CR4.MCE is clear, a machine check is a shutdown (APM 8.2.18). */
        if (machine_check_came() && machine_check_judge(cpu, log_line) == MC_IS_FATAL)
            machine_check_reset(cpu);
        log_line("triple fault on core %u, near cs:rip %x:%x cr2 %x cr3 %x", (u64)cpu->index, cs,
                 rip, cr2, cr3);
        guest_fail(cpu);
    }
    log_line("triple fault in the guest on core %u, near cs:rip %x:%x cr2 %x cr3 %x: resetting the "
             "machine",
             (u64)cpu->index, cs, rip, cr2, cr3);
    platform_reset();
}
