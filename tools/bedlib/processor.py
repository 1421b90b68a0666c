"""One processor of the build machine for all of an emulated one's, where several would spoil it.

In TCG each FXRSTOR, XRSTOR and FNINIT of any processor reads, changes and writes the first one's hflags2
(cpu_clear_ignne), without a lock. Now and then that undoes what a #VMEXIT of the first one has just cleared there,
and Cede runs on under the guest's nested page tables. The change is one instruction: on one processor nothing comes
between its halves. Firmware's waiting processors do none of the three, so guest tests may be spread (--spread) and
take a third of the time."""
import contextlib
import fcntl
import os


def lock(folder, number):
    """-> the file that holds processor `number` until it is closed, or None where another bed has it, or nothing can be
    written down there"""
    try:
        file = open(os.path.join(folder, f"processor-{number}.lock"), "w", encoding="ascii")
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


class Processor:
    """One that no other bed of this user's has, or any, where they have all."""

    def __init__(self, folder):
        with contextlib.suppress(OSError):
            os.makedirs(folder, exist_ok=True)
        mine = sorted(os.sched_getaffinity(0))
        held = ((number, lock(folder, number)) for number in mine)
        self.number, self.file = next(((n, file) for n, file in held if file), (mine[os.getpid() % len(mine)], None))

    def __enter__(self):
        return ["taskset", "--cpu-list", str(self.number)]

    def __exit__(self, *_):
        if self.file:
            self.file.close()
