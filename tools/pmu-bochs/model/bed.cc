/*
 * What a test bed needs of a machine: port 0xf4 ends the run with the value written, a reset ends
 * it too unless more are allowed. How it ended is said on the file descriptor that the bed gave.
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

void install_bed(void)
{
    static bool done;
    const unsigned EXIT_PORT = 0xf4, ANY_SIZE = 7;
    if (!done)
        DEV_register_iowrite_handler(NULL, write_exit_port, EXIT_PORT, "test bed's exit", ANY_SIZE);
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
