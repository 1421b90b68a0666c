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
ROUNDS = 7  # of three changes each
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
        for _ in range(ROUNDS):
            changes += change_all(session, file.name)
            session.leave()
            m.receive(0.2)
            check(f"{last}\r\n".encode() not in m.line.guest.data[m.line.guest.at:], "perf was over too soon")
        said = m.finish(last)
        stats = m.shell("perf report -i /tmp/record --stats")
        samples = re.findall(r"SAMPLE events: *(\d+)", stats)
        check(samples and set(samples) == {"200"}, f"samples: {samples}; perf said {said}{stats}")
        print(f"  {changes} changes; {samples[0]} samples")


def switched(bed):
    """From full to filtered while perf records an allowed event, and a denied one of which there are half as many."""
    more = ("--memory", "768", "--add", f"{PERF}=perf.gz")
    with linux(conf="pmu = full\n", bed=bed, more=more, options=r"initrd=\perf.gz tsc=reliable") as m:
        m.boot()
        m.shell("echo 0 > /proc/sys/kernel/perf_cpu_time_max_percent")
        session = Session(Line(m), timeout=120)
        last = m.begin("taskset -c 1 sh /tests/perf-switch")
        m.guest(b"switch: now\r\n")
        answer = session.command("policy filtered")
        check(answer["ok"] and "2 cores" in answer["message"], f"policy filtered: {answer}")
        session.leave()
        said = m.finish(last)
        print(f"  {said.strip()}")
        found = re.findall(r"=(\d+)", said)
        check(len(found) == 4, said)
        allowed, missing, denied, after = map(int, found)
        check(allowed >= 200 and not missing, "a sample of the allowed event is missing")
        check(denied > 0 and after > 10, "the switch was not in the middle")
        check(abs(allowed - after - 2 * denied) <= 2, "the denied event lost a sample before it stopped")


def switch_intel():
    switched(P_INTEL)


def switch_amd():
    switched(P_AMD)


def perf_intel():
    perf(P_INTEL)


def perf_amd():
    perf(P_AMD)
