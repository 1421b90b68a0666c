#include "core.h"
#include "apic.h"
#include "clock.h"
#include "cpu.h"
#include "fault.h"
#include "paging.h"

struct table_register {
    u16 limit;
    u64 base;
} __attribute__((packed));

/* What firmware had loaded, while the library borrows its core. */
struct firmware_tables {
    struct table_register gdt, idt;
    u64 cr3, cr4, rflags;
    u16 cs, ds;
};

struct core *cores[MAX_CORES];
u32 core_count;

static const u64 gdt_image[GDT_SLOTS] = {
    [SEL_CODE64 / 8] = 0x00af9b000000ffff,    [SEL_DATA / 8] = 0x00cf93000000ffff,
    [SEL_CODE32 / 8] = 0x00cf9b000000ffff,    [SEL_CODE16 / 8] = 0x00009b000000ffff,
    [SEL_DATA16 / 8] = 0x000093000000ffff,    [SEL_USER_DATA / 8] = 0x00cff3000000ffff,
    [SEL_USER_CODE / 8] = 0x00affb000000ffff, [SEL_ABSENT / 8] = 0x00cf13000000ffff,
};

void core_build(struct core *core, u32 index, u32 apic_id)
{
    u64 base = (u64)core, tss = (u64)&core->tss;
    core->index = index;
    core->apic_id = apic_id;
    for (u32 i = 0; i < GDT_SLOTS; i++) {
        core->gdt[i] = gdt_image[i];
    }
    core->gdt[SEL_TSS / 8] = (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 | 0x89ULL << 40 |
                             (tss >> 24 & 0xff) << 56;
    core->gdt[SEL_TSS / 8 + 1] = tss >> 32;
    core->tss.rsp[0] = base + CORE_RING0_TOP;
    core->tss.ist[0] = base + CORE_DOUBLE_TOP;
    core->tss.io_map = sizeof(struct tss);
}

static void load_segments(u64 cs, u32 ds)
{
    __asm__ volatile(
        "push %0; lea 1f(%%rip), %%rax; push %%rax; lretq; 1:\n"
        "mov %1, %%ds; mov %1, %%es; mov %1, %%ss; mov %1, %%fs; mov %1, %%gs" ::"r"(cs),
        "r"(ds)
        : "rax", "memory");
}

void core_load(struct core *core)
{
    struct table_register gdt = {sizeof core->gdt - 1, (u64)core->gdt};
    core->gdt[SEL_TSS / 8] &= ~(2ULL << 40); /* LTR wants it available, not busy */
    __asm__ volatile("lgdt %0" ::"m"(gdt));
    load_segments(SEL_CODE64, SEL_DATA);
    __asm__ volatile("ltr %0" ::"r"((u16)SEL_TSS));
    idt_load();
    WRITE_CR(3, paging_root(READ_CR(4) & CR4_LA57));
}

static void firmware_save(struct firmware_tables *f)
{
    f->rflags = rflags();
    f->cr3 = READ_CR(3);
    f->cr4 = READ_CR(4);
    __asm__ volatile("cli; sgdt %0; sidt %1; mov %%cs, %2; mov %%ds, %3"
                     : "=m"(f->gdt), "=m"(f->idt), "=r"(f->cs), "=r"(f->ds));
}

static void firmware_restore(const struct firmware_tables *f)
{
    WRITE_CR(3, f->cr3);
    __asm__ volatile("lgdt %0; lidt %1" ::"m"(f->gdt), "m"(f->idt));
    load_segments(f->cs, f->ds);
    if (f->rflags & RFLAGS_IF) {
        irq_on();
    }
}

void core_borrow(core_work *function, u64 argument)
{
    struct firmware_tables firmware;
    firmware_save(&firmware);
    core_load(this_core());
    function(argument);
    firmware_restore(&firmware);
}

static void record_apic(struct apic_at_start *a)
{
    *a = (struct apic_at_start){
        .svr = apic_read(APIC_SVR),
        .tpr = apic_read(APIC_TPR),
        .ldr = apic_read(APIC_LDR),
        .dfr = apic_is_x2() ? ~0U : apic_read(APIC_DFR),
        .timer_initial = apic_read(APIC_TIMER_INITIAL),
    };
    for (u32 i = 0; i < COUNT(a->lvt); i++) {
        a->lvt[i] = apic_read(APIC_LVT_TIMER + 0x10 * i);
    }
}

void core_main(struct core *core)
{
    core_load(core);
    record_apic(&core->apic_at_start);
    apic_enable();
    atomic_add(&core->starts, 1);
    for (;;) {
        core_work *work = core->work;
        if (work) {
            work(core->argument);
            __atomic_store_n(&core->work, NULL, __ATOMIC_SEQ_CST);
        } else {
            __asm__ volatile("sti; hlt; cli" ::: "memory");
        }
    }
}

void core_begin(struct core *core, core_work *work, u64 argument)
{
    core->argument = argument;
    __atomic_store_n(&core->work, work, __ATOMIC_SEQ_CST);
    apic_send(core->apic_id, ICR_ASSERT | VECTOR_WAKE);
}

bool core_wait(struct core *core, u32 milliseconds)
{
    u64 end = deadline(milliseconds);
    while (core->work) {
        if (past(end)) {
            return false;
        }
        pause();
    }
    return true;
}

bool core_run(struct core *core, core_work *work, u64 argument, u32 milliseconds)
{
    core_begin(core, work, argument);
    return core_wait(core, milliseconds);
}

bool core_run_all(core_work *work, u64 argument, u32 milliseconds)
{
    bool done = true;
    for (u32 i = 1; i < core_count; i++) {
        if (cores[i]->starts) {
            core_begin(cores[i], work, argument);
        }
    }
    work(argument);
    for (u32 i = 1; i < core_count; i++) {
        done &= core_wait(cores[i], milliseconds);
    }
    return done;
}
