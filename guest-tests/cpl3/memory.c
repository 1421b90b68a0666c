/* Memory that a kernel has opened to its users: the local APIC's page, which is as theirs as it is
 * the kernel's, and what firmware's map calls reserved. */
#include "cpl3.h"
#include "apic.h"
#include "cpu.h"
#include "fault.h"
#include "machine.h"
#include "paging.h"
#include "report.h"

USER(do_store, "movl $0x30, (%%rdi)")
USER(do_or, "orl $0x80, (%%rdi)")
USER(do_read, "movl (%%rdi), %%eax")

static void apic_page(void)
{
    test_begin("cpl3-apic-page");
    if (!apic_is_x2()) {
        u64 tpr = window_map(16, APIC_PAGE, PTE_ALL) + APIC_TPR;
        expect(attempt_user(do_store, tpr, NULL) == NO_FAULT, "a store faults");
        expect(xapic_read(APIC_TPR) == 0x30, "TPR is %x", xapic_read(APIC_TPR));
        expect(attempt_user(do_or, tpr, NULL) == NO_FAULT, "OR faults");
        expect(xapic_read(APIC_TPR) == 0xb0, "TPR is %x", xapic_read(APIC_TPR));
        window_map(16, APIC_PAGE, PTE_P | PTE_RW);
        expect(attempt_user(do_store, tpr, NULL) == VECTOR_PF, "a kernel's page takes a store");
        expect(xapic_read(APIC_TPR) == 0xb0, "TPR is %x now", xapic_read(APIC_TPR));
        xapic_write(APIC_TPR, 0);
    }
    test_end();
}

/* The first 16 MiB above 1 MiB of each range of firmware's map that is reserved RAM. */
static void reserved(void)
{
    test_begin("cpl3-reserved");
    for (UINTN i = 0; i < machine.map_size / machine.map_stride; i++) {
        const EFI_MEMORY_DESCRIPTOR *d =
            (const EFI_MEMORY_DESCRIPTOR *)(machine.map + i * machine.map_stride);
        bool ram = d->Type == EfiReservedMemoryType && d->PhysicalStart < GIB(1);
        for (u64 n = 0; ram && n < MIN(d->NumberOfPages, 4096ULL); n++) {
            u64 page = d->PhysicalStart + n * PAGE;
            int vector = attempt_user(do_read, page, NULL);
            expect(vector == NO_FAULT, "%lx: %d", page, vector);
        }
    }
    test_end();
}

void memory_probes(void)
{
    apic_page();
    reserved();
}
