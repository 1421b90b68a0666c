"""What a run's end means, as the exit status of tools/bed.

0 to 99 are the guest's own: the value it wrote to port 0xf4, or 0 for a power-off. Nothing else gives 0, but for a
prompt at the end of the input (--prompt): success needs proof from the guest."""
from dataclasses import dataclass

RESET = 123     # the guest reset the machine (more often than --reboots allows)
TIMEOUT = 124
DIED = 125      # triple fault, a hypervisor's panic, the emulator went away
SETUP = 126     # wrong options, or something that the bed needs is missing
NO_EMULATOR = 127
GUEST_MAX = 99


class BedError(Exception):
    """The bed cannot run this; `status` becomes the exit status."""

    def __init__(self, message, status=SETUP):
        super().__init__(message)
        self.status = status


@dataclass
class End:
    """Everything that was observed when a machine stopped."""
    returncode: int           # the emulator's; negative = killed by that signal
    started: bool = False     # its control socket said that the guest runs
    panicked: bool = False    # "cede: panic" was on the serial wire
    triple_fault: bool = False
    timed_out: bool = False
    resets_used_up: bool = False
    input_over: bool = False  # --prompt: all input is typed, and the guest asks for more
    cause: str = ""           # of the last SHUTDOWN event, as QMP names it
    complaint: str = ""       # what the emulator wrote to stderr, warnings left out


def of_exit_port(value, end):
    """isa-debug-exit ended the emulator. QEMU's own errors end it with 1 too, which would read as value 0,
    but never without a complaint."""
    if value == 0 and end.complaint:
        return DIED, "the emulator gave up"
    if value > GUEST_MAX:
        return DIED, f"the guest wrote {value} to port 0xf4, outside 0 to {GUEST_MAX}"
    return value, f"the guest wrote {value} to port 0xf4"


def of_shutdown(cause):
    known = {
        "guest-shutdown": (0, "power-off"),
        "guest-reset": (RESET, "the guest reset the machine"),
        "guest-panic": (DIED, "the guest panicked"),
    }
    return known.get(cause, (DIED, f"the emulator was stopped from outside ({cause or 'no event'})"))


def verdict(end):
    """-> (exit status, one line that says why). The worst thing seen wins."""
    if end.panicked:
        return DIED, "Cede panicked"
    if end.triple_fault:
        return DIED, "triple fault"
    if end.timed_out:
        return TIMEOUT, "timeout"
    if end.resets_used_up:
        return RESET, "one reset more than --reboots allows"
    if not end.started:
        return SETUP, f"the emulator did not start (status {end.returncode})"
    if end.input_over:
        return 0, "end of input, and the guest is at its prompt"
    if end.returncode == 0:
        return of_shutdown(end.cause)
    if end.returncode > 0 and end.returncode % 2:
        return of_exit_port(end.returncode >> 1, end)
    return DIED, f"the emulator died (status {end.returncode})"
