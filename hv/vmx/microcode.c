/* Microcode updates (SDM 10.11). In a guest the WRMSR that triggers one does nothing (26.3), so it
 * is executed here, where linear addresses are physical: the update must be in one piece there, as
 * it is in Linux. */
#include "base/asm.h"
#include "x86/guest_mem.h"
#include "hv.h"
#include "serial/log.h"
#include "memory/memory.h"
#include "base/msr.h"
#include "vmx/vmx.h"

/* The header is before the address that the MSR is given (table 10-7). */
#define HEADER_BYTES 48
#define DATA_SIZE    28   /* where it says how much follows; ... */
#define DEFAULT_SIZE 2000 /* ... if it says 0 */

static u32 data_size(const struct guest_memory *memory, const struct guest_paging *paging, u64 data)
{
    u32 size;

    if (guest_read(memory, paging, data - HEADER_BYTES + DATA_SIZE, &size, sizeof(size)) !=
        sizeof(size))
        return 0;
    return size ? size : DEFAULT_SIZE;
}

/* Where [linear, linear + size) is in one piece; 0: nowhere. */
static u64 locate(const struct guest_memory *memory, const struct guest_paging *paging, u64 linear,
                  u32 size)
{
    u64 skip = linear % PAGE_SIZE, first = 0, gpa;

    for (u64 at = 0; at < skip + size; at += PAGE_SIZE) {
        if (!guest_translate(memory, paging, linear - skip + at, &gpa) || (at && gpa != first + at))
            return 0;
        if (!at)
            first = gpa;
    }
    return first + skip;
}

bool vmx_load_microcode(const struct cpu *cpu, u64 data)
{
    const struct guest_memory memory = {.read = memory_read,
                                        .context = cpu->guest,
                                        .address_mask = (hv.phys_limit - 1) & PTE_ADDRESS};
    const struct guest_paging paging = {vmread(VMCS_GUEST_CR0), vmread(VMCS_GUEST_CR3),
                                        vmread(VMCS_GUEST_CR4), vmread(VMCS_GUEST_EFER)};
    u32 size = data_size(&memory, &paging, data);
    u64 gpa = size ? locate(&memory, &paging, data, size) : 0;

    if (gpa)
        return wrmsr_safe(IA32_BIOS_UPDT_TRIG, gpa);
    log_guest("core %u: a microcode update is ignored: it is not in one piece of memory",
              (u64)cpu->index);
    return true;
}
