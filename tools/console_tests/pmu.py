"""The policy changed by cedectl's protocol while perf records: it keeps every sample of an allowed event, and a denied one stops."""
import argparse
import contextlib
import io
import os
import re
import tempfile

from cedectl_lib import cli
from cedectl_lib.session import Session

from .machine import BUILD, P_AMD, P_INTEL, Line, check, linux

PERF = os.path.join(BUILD, "tools/pmu-bochs/perf.gz")
ROUNDS = 7  # of three changes each; on a busy machine perf may be over sooner
TRIES = 5
LIST = "allow 0xc0/0x00 # instructions retired, on both vendors\nallow fixed 0\n"


def change_all(session, path):
    """-> how many changes"""
    for command in ("policy full", "policy filtered"):
        answer = session.command(command)
        check(answer["ok"] and "2 cores" in answer["message"], f"{command}: {answer}")
    with contextlib.redirect_stdout(io.StringIO()) as said:
        check(cli.load_policy(session, path, argparse.Namespace(json=False)) == cli.OK, said.getvalue())
    check("2 cores" in said.getvalue(), said.getvalue())
    return 3


def ended(m, last):
    """Whether the guest's command is over."""
    return f"{last}\r\n".encode() in m.line.guest.data[m.line.guest.at:]


def perf(bed):
    more = ("--memory", "768", "--add", f"{PERF}=perf.gz")
    with tempfile.NamedTemporaryFile("w", suffix=".pol") as file, \
            linux(bed=bed, more=more, options=r"initrd=\perf.gz tsc=reliable") as m:
        file.write(LIST)
        file.flush()
        m.boot()
        # Else the kernel throttles, since its interrupts take long when a core is stopped in one.
        m.shell("echo 0 > /proc/sys/kernel/perf_cpu_time_max_percent")
        session = Session(Line(m), timeout=120)
        last = m.begin("perf record -q -c 100000 -e instructions:u -o /tmp/record loop")
        changes = 0
        while changes < 3 * ROUNDS and not ended(m, last):
            changes += change_all(session, file.name)
            session.leave()
            m.receive(0.2)
        check(changes > 3, "perf was over too soon")
        said = m.finish(last)
        stats = m.shell("perf report -i /tmp/record --stats")
        samples = re.findall(r"SAMPLE events: *(\d+)", stats)
        check(samples and set(samples) == {"200"}, f"samples: {samples}; perf said {said}{stats}")
        print(f"  {changes} changes; {samples[0]} samples")


def set_mode(session, mode):
    answer = session.command(f"policy {mode}")
    check(answer["ok"] and "2 cores" in answer["message"], f"policy {mode}: {answer}")
    session.leave()


def switch(m, session):
    """-> samples of the allowed event, how many are missing, samples of the denied one, of the allowed one after these"""
    set_mode(session, "full")
    last = m.begin("taskset -c 1 sh /tests/perf-switch")
    m.guest(b"switch: now\r\n")
    set_mode(session, "filtered")
    said = m.finish(last)
    print(f"  {said.strip()}")
    found = re.findall(r"=(\d+)", said)
    check(len(found) == 4, said)
    return map(int, found)


def switched(bed):
    """From full to filtered while perf records an allowed event, and a denied one of which there are half as many."""
    more = ("--memory", "768", "--add", f"{PERF}=perf.gz")
    with linux(conf="pmu = full\n", bed=bed, more=more, options=r"initrd=\perf.gz tsc=reliable") as m:
        m.boot()
        m.shell("echo 0 > /proc/sys/kernel/perf_cpu_time_max_percent")
        session = Session(Line(m), timeout=120)
        for _ in range(TRIES):
            allowed, missing, denied, after = switch(m, session)
            check(allowed >= 200 and not missing, "a sample of the allowed event is missing")
            if denied > 0 and after > 10:
                break  # in the middle: on a busy machine this side may be late
        check(denied > 0 and after > 10, f"in {TRIES} tries the switch was not in the middle")
        check(abs(allowed - after - 2 * denied) <= 2, "the denied event lost a sample before it stopped")


def switch_intel():
    switched(P_INTEL)


def switch_amd():
    switched(P_AMD)


def perf_intel():
    perf(P_INTEL)


def perf_amd():
    perf(P_AMD)
