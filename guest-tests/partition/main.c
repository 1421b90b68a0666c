#include "partition.h"
#include "apic.h"
#include "clock.h"
#include "core.h"
#include "cpu.h"
#include "fault.h"
#include "paging.h"
#include "report.h"
#include "smp.h"

enum { CPUS = 16, TRAMPOLINES = 0x20000, PORT_RESET = 0x600, PORT_SLEEP = 0x601, SLP_EN_S5 = 0x34 };

void partition_main(const u8 *params, u64 cr3);

u8 blocks[CPUS][CORE_BLOCK] __attribute__((aligned(CORE_BLOCK)));
bool is_amd;
const u8 *boot_params;
u64 memory_end;
static u64 root;

/* The tables that the loader made reach 4 GiB, one to one. */
u64 paging_root(bool la57)
{
    (void)la57;
    return root;
}

const char *command_line(void)
{
    return (const char *)(u64) * (const u32 *)(boot_params + 0x228);
}

/* What follows the word, NULL: it is not there. */
static const char *find_word(const char *word)
{
    const char *c = command_line();

    while (*c) {
        u32 n = 0;
        while (word[n] && c[n] == word[n]) {
            n++;
        }
        if (!word[n] && (word[n - 1] == '=' || c[n] == ' ' || !c[n])) {
            return c + n;
        }
        while (*c && *c++ != ' ') {
        }
    }
    return NULL;
}

bool has_word(const char *word)
{
    return find_word(word);
}

u64 word_number(const char *name, u64 fallback)
{
    const char *c = find_word(name);
    u64 value = 0;

    for (; c && *c >= '0' && *c <= '9'; c++) {
        value = value * 10 + (u64)(*c - '0');
    }
    return c ? value : fallback;
}

static const char *prefix(void)
{
    static char text[24];
    const char *name = find_word("name=");
    u32 n = 0;

    for (; name && name[n] && name[n] != ' ' && n < sizeof text - 2; n++) {
        text[n] = name[n];
    }
    text[n] = n ? '-' : 0;
    return text;
}

static void set_up_cores(void)
{
    static const u64 pages[] = {TRAMPOLINES, TRAMPOLINES + PAGE, TRAMPOLINES + 2 * PAGE};
    u32 ids[CPUS];

    core_count = tables_cpus(ids, CPUS);
    core_count = core_count ? core_count : 1;
    ids[0] = core_count > 1 ? ids[0] : apic_id();
    for (u32 i = 0; i < core_count; i++) {
        cores[i] = (struct core *)blocks[i];
        core_build(cores[i], i, ids[i]);
    }
    idt_build();
    core_load(cores[0]);
    trampoline_build(pages);
}

static __attribute__((noreturn)) void end(void)
{
    static const struct {
        u16 limit;
        u64 base;
    } __attribute__((packed)) no_idt;

    say("test: %sdone %s", test_section_name(), all_ok() ? "ok" : "FAILED");
    if (has_word("end=off")) {
        outb(PORT_SLEEP, SLP_EN_S5);
    } else if (has_word("end=reset")) {
        outb(PORT_RESET, 1);
    } else if (has_word("end=triple")) {
        __asm__ volatile("lidt %0; int3" ::"m"(no_idt));
    } else if (has_word("end=wild")) {
        wild_tables();
    }
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

static void wait_for_key(char key)
{
    enum { COM1 = 0x3f8, COM1_STATUS = 0x3fd };

    while (!(inb(COM1_STATUS) & 1) || inb(COM1) != key) {
        pause();
    }
}

static void state(void)
{
    say("state: begin");
    show_state(0);
    for (u32 i = 1; i < core_count; i++) {
        core_run(cores[i], show_state, 0, 600000);
    }
    say("state: end");
    wait_for_key('d');
    for (u32 i = 1; i < core_count; i++) {
        core_begin(cores[i], dirty_state, 0);
    }
    while (dirty_cores < core_count - 1) {
        pause();
    }
    dirty_state(0);
    say("state: dirty");
    wait_for_key('r'); /* or Cede's line about the reset would cut this one */
}

void partition_main(const u8 *params, u64 cr3)
{
    boot_params = params;
    root = cr3;
    is_amd = cpuid(0, 0).ecx == 0x444d4163; /* "cAMD" */
    clock_set(word_number("tsc_early_khz=", 1000000) / 1000);
    test_section(prefix());
    probe_start();
    probe_memory(); /* before anything is written where it looks */
    set_up_cores();
    if (!has_word("quick")) {
        probe_machine();
    }
    apic_enable();
    probe_cores();
    if (has_word("dirty")) {
        dirty_memory();
    }
    if (has_word("state")) {
        state();
    }
    if (has_word("work=")) {
        work(word_number("work=", 1));
    }
    if (has_word("hostile")) {
        hostile(word_number("rounds=", 1));
    }
    end();
}
