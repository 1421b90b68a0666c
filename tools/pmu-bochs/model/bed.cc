/*
 * What a test bed needs of a machine: port 0xf4 ends the run with the value written, a reset ends
 * it too unless more are allowed. How it ended is said on the file descriptor that the bed gave.
 * There, each write to port 0xf5 says how many instructions a hypervisor has executed and how many
 * all others, from the first such write on. Counted outside the machine, which costs it nothing.
 */
#include "machine.h"

#include <unistd.h>

namespace pmu
{

static unsigned resets;

static void say(const char *what, unsigned value)
{
    dprintf((int)options.report, "%s %u\n", what, value);
}

static void end(const char *what, unsigned value)
{
    say(what, value);
    fflush(nullptr);
    _exit(0);
}

static void write_exit_port(void *, Bit32u, Bit32u value, unsigned)
{
    end("exit", value);
}

static unsigned mode_of(const BX_CPU_C *c)
{
    return (c->user_pl ? (unsigned)MODE_USER : 0) |
           (c->in_vmx_guest || c->in_svm_guest ? (unsigned)MODE_GUEST : 0);
}

/* On a machine without a hypervisor all instructions are the host's. */
static void write_tally_port(void *, Bit32u, Bit32u value, unsigned)
{
    uint64_t host = 0, guest = 0;
    for (unsigned k = 0; k < BX_SMP_PROCESSORS; k++) {
        Core *core = processors[k].core;
        core->tally_always(mode_of(processors[k].cpu));
        host += core->instructions(HOST_MODES);
        guest += core->instructions(GUEST_MODES);
    }
    dprintf((int)options.report, "instructions at %u: host %llu guest %llu\n", value,
            (unsigned long long)host, (unsigned long long)guest);
}

void install_bed(void)
{
    static bool done;
    const unsigned EXIT_PORT = 0xf4, TALLY_PORT = 0xf5, ANY_SIZE = 7;
    if (!done) {
        DEV_register_iowrite_handler(NULL, write_exit_port, EXIT_PORT, "test bed's exit", ANY_SIZE);
        DEV_register_iowrite_handler(NULL, write_tally_port, TALLY_PORT, "test bed's tally",
                                     ANY_SIZE);
    }
    done = true;
}

/* The first reset is power-on. */
void bed_reset(void)
{
    install_bed();
    install_fw_cfg();
    if (resets > options.reboots)
        end("reset", resets);
    say(resets ? "reboot" : "start", resets);
    resets++;
}

} // namespace pmu
