/* Linked into a hypervisor image that only tests boot (build/faulty/cede.efi): makes the hypervisor
 * itself fault, so that its reports, its fix-ups and its page permissions can be seen to work
 * (faulty.efi), and stops all cores (kick.efi). */
#include "asm.h"
#include "faulty/faulty.h"
#include "hv.h"
#include "hypercall_impl.h"
#include "kick.h"
#include "kick/kick.h"

extern char image_start[], text_end[];

static u64 fixups_work(void)
{
    u64 value;

    return !read_safe(0x8000000000000000, &value) /* #GP: not canonical */
           && !read_safe(BIT(46), &value)         /* #PF: not mapped */
           && read_safe((u64)image_start, &value);
}

static u64 stop_and_go_on(struct cpu *self)
{
    u64 stopped = kick_stop(self);

    kick_resume(self);
    return stopped;
}

u64 hypercall_extra(u32 call, u32 item)
{
    if (call == KICK_CALL)
        return stop_and_go_on(this_cpu());
    if (call != FAULTY_CALL)
        return HYPERCALL_ERROR;
    switch (item) {
    case FAULTY_FIXUPS:
        return fixups_work();
    case FAULTY_UD2:
        __asm__ volatile("ud2");
        break;
    case FAULTY_WRITE_TEXT:
        *(volatile char *)image_start = 0;
        break;
    case FAULTY_WRITE_RODATA:
        *(volatile char *)text_end = 0;
        break;
    case FAULTY_GUARD_PAGE:
        *(volatile char *)(hv.cpu_blocks) = 0;
        break;
    case FAULTY_RUN_DATA:
        ((void (*)(void))hv.ones)();
        break;
    }
    return HYPERCALL_ERROR;
}
