"""The guest's port, shared: nothing of either side's is lost, doubled or out of place."""
import random
import time

from cedectl_lib.session import Session

from .machine import ESCAPE, P_AMD, P_INTEL, Line, check, linux, numbers, same_bytes

LINES, VISITS = 60000, 100
LONG_VISIT = 10  # seconds: the ring fills
PROGRAMS_LINES = 20000
PAUSES = 8
BED_P_LINES, BED_P_VISITS = 2000, 10


def many_visits(m, lines, visits, name, long_visit=0):
    """To the prompt and back while the guest writes."""
    last = m.begin(f"seq 1 {lines}")
    start, before = m.line.guest.at, m.line.visits
    for n in range(visits):
        m.to_prompt()
        check(name in m.prompt("version"), "no answer at the prompt")
        if n == visits // 2:
            time.sleep(long_visit)
        m.to_guest()
        # The visits are spread over the guest's output.
        m.until("the guest's output", lambda: len(m.line.guest.data) - start >= lines * 5 * n / visits)
    left = len(numbers(lines)) - (len(m.line.guest.data) - start)
    same_bytes(m.finish(last).encode().replace(b"\n", b"\r\n"), numbers(lines))
    check(m.line.visits - before == visits, f"{m.line.visits - before} visits, not {visits}")
    print(f"  {visits} visits, {len(numbers(lines))} bytes of the guest's, {left} of them after the last visit")


def visits():
    """To the prompt and back 100 times during heavy output of the guest's."""
    with linux() as m:
        m.boot()
        many_visits(m, LINES, VISITS, "AMD-V", LONG_VISIT)


def typing(m):
    """What is typed before and after a visit reaches the guest once, in order; a single escape does too."""
    m.send(b"stty -echo; cat -v\r")
    m.guest(b"\r\n")
    for n in range(20):
        m.send(b"before %d " % n + ESCAPE + b"version\rexit\rafter %d\x1d.\r" % n)
        m.guest(b"before %d after %d^].\r\n" % (n, n))
    m.send(b"\x04stty echo\r")
    check(m.shell("echo alive") == "alive\n", "the guest does not read any more")


def noise(size, dice):
    """Anything but what means something at the prompt: Ctrl-C, Ctrl-D, end of line, the escape, a frame."""
    return bytes(b for b in dice.randbytes(size) if b not in (0x03, 0x04, 0x0a, 0x0d, 0x1d, 0x40))


def floods(m):
    """Noise, broken UTF-8 and a line of 64 KiB at the prompt change nothing."""
    dice = random.Random(1)
    m.to_prompt()
    for size in (100, 1000, 65536):
        data = noise(size, dice)
        for at in range(0, len(data), 512):
            m.send(data[at:at + 512])
            m.receive(0.02)
        m.send(b"\x03")
        m.cede(b"^C\r\n")
        m.cede(b"cede> ")
        check("AMD-V" in m.prompt("version"), "no answer after noise")
    m.send(b"@cede/1 00000001 reboot 00000000\r")
    m.cede(b"damaged frame")
    m.to_guest()


def unfinished(m):
    """Half a frame, an unfinished escape, a list begun: whoever comes next finds nothing of it."""
    m.to_prompt()
    m.send(b"@cede/1 00000002 rebo")
    m.until("silence", lambda: not m.receive(0.5))
    session = Session(Line(m), timeout=60)
    check(session.command("version")["ok"], "no answer after half a frame")
    check(session.command("policy begin")["ok"], "policy begin")
    session.leave()
    m.send(b"\x1d")
    check(Session(Line(m), timeout=60).command("guests")["guests"][0]["state"] == "running", "guests")
    m.to_guest()
    check(m.shell("echo alive") == "alive\n", "the guest is gone")


def input_keeps():
    """Typing, noise and what is left unfinished."""
    with linux() as m:
        m.boot()
        typing(m)
        floods(m)
        unfinished(m)
        check(m.shell("nproc") == "2\n", "the guest is not as it was")


def abandoned():
    """Somebody leaves in the middle of a visit: the guest waits half a minute for its full ring, and loses nothing."""
    with linux() as m:
        m.boot()
        last = m.begin(f"seq 1 {PROGRAMS_LINES}")
        m.send(ESCAPE + b"@cede/1 0000")
        before = m.line.visits
        m.until("the end of the visit", lambda: m.line.visits > before)
        same_bytes(m.finish(last).encode().replace(b"\n", b"\r\n"), numbers(PROGRAMS_LINES))


def programs():
    """cedectl's protocol on the guest's port, while the guest writes: nothing of either is lost."""
    with linux() as m:
        m.boot()
        session = Session(Line(m), timeout=60)
        last = m.begin(f"seq 1 {PROGRAMS_LINES}")
        for _ in range(20):
            check(session.command("version")["virtualization"] == "AMD-V", "version")
            check(len(session.command("cores")["cores"]) == 2, "cores")
            session.leave()
        same_bytes(m.finish(last).encode().replace(b"\n", b"\r\n"), numbers(PROGRAMS_LINES))


def stop_while_paused(m):
    """Its cores have signals of their own for each further stop: none may reach the guest, which would stand still."""
    for _ in range(PAUSES):
        m.to_prompt()
        for command in ("pause 0", "dump 1", "dump 0", "policy full", "dump 1", "policy filtered", "resume 0"):
            said = m.prompt(command)
            check("error" not in said, f"{command}: {said}")
        m.to_guest()
        for core in range(2):
            check(m.shell(f"taskset -c {core} echo alive") == "alive\n", f"the guest's core {core} is gone")


def bed_p(bed, name):
    """A UART with a transmitter that takes its time, on both vendors; then the machine is switched off."""
    with linux(bed=bed) as m:
        m.boot()
        many_visits(m, BED_P_LINES, BED_P_VISITS, name)
        m.to_prompt()
        for command, answer in (("cores", "running"), ("exits", "cpuid"), ("pmu", "counters"), ("policy", "mode"),
                                ("pause 0", "paused guest 0: 2 cores"), ("guests", "paused"), ("dump 1", "rip"),
                                ("resume 0", "resumed guest 0: 2 cores")):
            said = m.prompt(command)
            check(answer in said and "error" not in said, f"{command}: {said}")
        check("-" not in m.prompt("cores").split(), "a core's last exit is not known")
        m.to_guest()
        check(m.shell("echo alive") == "alive\n", "the guest is gone")
        stop_while_paused(m)
        m.to_prompt()
        m.send(b"poweroff\r")
        m.cede(b"switching the machine off")
        check(m.end() == 0, "the machine is not off")


def bed_p_intel():
    bed_p(P_INTEL, "VT-x")


def bed_p_amd():
    bed_p(P_AMD, "AMD-V")
