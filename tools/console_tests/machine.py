"""An emulated machine under Cede, and its serial lines as a terminal and as cedectl see them.

Everything waits for what the machine says. A limit only ends a test that would hang, so it may be long."""
import json
import os
import re
import select
import subprocess
import tempfile
import time

from bedlib import patience

TOOLS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
BUILD = os.path.join(os.path.dirname(TOOLS), "build")
LINUX = os.path.join(BUILD, "linux")
ESCAPE = b"\x1d\x1d"
PROMPT = b"cede> "
BORDERS = (b"\r\n[Cede]\r\n", b"\r\n[guest]\r\n")  # what Cede says when somebody comes, and when they go
LIMIT = 120  # seconds, of a machine that is not busy

Q, Q_X2APIC = ("Q",), ("Q", "--x2apic")
P_AMD, P_INTEL = ("P", "--vendor", "amd"), ("P", "--vendor", "intel")


class Failed(Exception):
    pass


class Ended(Failed):
    pass


def check(good, what):
    if not good:
        raise Failed(what)


class Stream:
    """Bytes of one speaker: all since the start, the last of them perhaps not its own, and where the reader is."""

    def __init__(self):
        self.data, self.perhaps, self.at = b"", b"", 0

    def take(self, text):
        """-> what came before `text`, or None if that has not come; the reader goes behind it"""
        data = self.data + self.perhaps
        found = data.find(text, self.at)
        if found < 0:
            return None
        before, self.at = data[self.at:found], found + len(text)
        return before


class SharedLine:
    """Sorts what comes over a shared line: the guest's bytes, and Cede's of each visit to its prompt."""

    def __init__(self):
        self.guest, self.cede = Stream(), Stream()
        self.visits = 0
        self.at_prompt = False

    def received(self, data):
        data = self.speaker().perhaps + data
        while (found := data.find(BORDERS[self.at_prompt])) >= 0:
            self.put(data[:found], b"")
            data = data[found + len(BORDERS[self.at_prompt]):]
            self.visits += self.at_prompt
            self.at_prompt = not self.at_prompt
        keep = len(data) - part_of(data, BORDERS[self.at_prompt])
        self.put(data[:keep], data[keep:])

    def speaker(self):
        return self.cede if self.at_prompt else self.guest

    def put(self, data, perhaps):
        stream = self.speaker()
        stream.data += data
        stream.perhaps = perhaps


def part_of(data, border):
    """-> how many bytes at the end of `data` may be the start of `border`"""
    return next((n for n in range(len(border) - 1, 0, -1) if data.endswith(border[:n])), 0)


class Line:
    """The machine's shared line as cedectl's transport."""

    def __init__(self, machine):
        self.machine = machine

    def send(self, data, _):
        self.machine.send(data)

    def receive(self, timeout):
        start = len(self.machine.seen)
        self.machine.receive(max(timeout, 0))
        return self.machine.seen[start:]


class Machine:
    """`program` on a bed, its COM1 as a terminal, and COM2, if asked for, as a socket."""

    def __init__(self, program, conf="", cpus=2, bed=Q, options="", com2=False, more=()):
        self.folder = tempfile.TemporaryDirectory(prefix="cede-console-")
        self.com2 = os.path.join(self.folder.name, "com2")
        path = os.path.join(self.folder.name, "cede.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(conf)
        command = [os.path.join(TOOLS, "bed"), *bed, "--interactive", "--cpus", str(cpus), "--timeout", "1200",
                   "--conf", path, "--options", options, *more]
        command += ["--com2", self.com2] if com2 else []
        self.complaints = os.path.join(self.folder.name, "stderr")
        with open(self.complaints, "wb") as complaints:
            self.process = subprocess.Popen(command + [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=complaints, bufsize=0)
        self.seen = b""
        self.line = SharedLine()
        self.commands = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind:
            print(self.seen[-3000:].decode(errors="replace"))
            with open(self.complaints, "rb") as complaints:
                print(complaints.read()[-3000:].decode(errors="replace"))
        self.process.terminate()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.folder.cleanup()

    # --- the wire
    def send(self, data):
        self.process.stdin.write(data)

    def receive(self, seconds):
        """-> False when nothing has come"""
        if not select.select([self.process.stdout], [], [], seconds)[0]:
            return False
        data = os.read(self.process.stdout.fileno(), 65536)
        if not data:
            raise Ended("the machine has ended")
        self.seen += data
        self.line.received(data)
        return True

    def until(self, what, asked):
        """-> asked(), when it is neither None nor False"""
        start = time.monotonic()
        while (answer := asked()) is None or answer is False:
            check(not patience.over(start, LIMIT), f"{what} has not come")
            self.receive(1)
        return answer

    def guest(self, text):
        """Waits for `text` of the guest. -> what came before"""
        return self.until(text, lambda: self.line.guest.take(text))

    def cede(self, text):
        return self.until(text, lambda: self.line.cede.take(text))

    def end(self):
        """Waits for the machine's end. -> tools/bed's exit status"""
        start = time.monotonic()
        try:
            while not patience.over(start, LIMIT):
                start = time.monotonic() if self.receive(1) else start
        except Ended:
            return self.process.wait()
        raise Failed("the machine goes on")

    # --- Cede's prompt
    def to_prompt(self):
        self.send(ESCAPE)
        self.cede(PROMPT)

    def to_guest(self):
        visits = self.line.visits
        self.send(b"exit\r")
        self.until("the guest's console", lambda: self.line.visits > visits)

    def prompt(self, command):
        """-> the answer"""
        self.send(command.encode() + b"\r")
        self.cede(command.encode() + b"\r\n")
        return self.cede(PROMPT).decode().replace("\r\n", "\n")

    def cedectl(self, *words, status=0):
        """On COM2. -> the answer, a dict, or what was printed"""
        run = subprocess.run([os.path.join(TOOLS, "cedectl"), "-c", self.com2, "--timeout", "120", "--json", *words],
                             capture_output=True, text=True, check=False)
        check(run.returncode == status, f"cedectl {' '.join(words)}: {run.returncode}, {run.stdout}{run.stderr}")
        return json.loads(run.stdout) if run.stdout.startswith("{") else run.stdout

    # --- a Linux guest's shell
    def boot(self):
        self.guest(b"/proc/cede shows")
        self.guest(b"/ # ")
        self.shell("dmesg -n 1")  # the kernel's messages stay out of what is compared

    def begin(self, command):
        """Types a command. -> what will stand before and after its output"""
        self.commands += 1
        first, last = f"=={self.commands}==", f"=={-self.commands}=="
        self.send(f"echo ''{first}; {command}; echo ''{last}\r".encode())
        self.guest(f"\r\n{first}\r\n".encode())
        return last

    def finish(self, last):
        """-> the output of the command that begin() typed"""
        return self.guest(f"{last}\r\n".encode()).decode(errors="replace").replace("\r\n", "\n")

    def shell(self, command):
        return self.finish(self.begin(command))


def linux(conf="", cpus=2, bed=Q, options="", more=(), **others):
    """-> a machine that boots Linux to a shell; boot() waits for that"""
    return Machine(f"{LINUX}/vmlinuz", conf, cpus, bed,
                   rf"console=ttyS0,115200 panic=-1 no_timer_check initrd=\initrd.gz {options}".strip(),
                   more=("--add", f"{LINUX}/initrd.gz=initrd.gz", *more), **others)


def hanging(conf, **others):
    """-> a machine whose guest only spins, with interrupts off (guest-tests/hang.c)"""
    return Machine(os.path.join(BUILD, "guest-tests/hang.efi"), conf, **others)


def difference(got, wanted):
    """-> where two streams of bytes part"""
    for n, (a, b) in enumerate(zip(got, wanted)):
        if a != b:
            return f"byte {n} differs: {got[n - 20:n + 40]!r}, not {wanted[n - 20:n + 40]!r}"
    return f"{len(got)} bytes, not {len(wanted)}: {got[-60:]!r}"


def same_bytes(got, wanted):
    check(got == wanted, difference(got, wanted))


def numbers(count):
    """What `seq 1 COUNT` prints on a terminal."""
    return b"".join(b"%d\r\n" % n for n in range(1, count + 1))


def label(text):
    """-> `text` with its figures and widths taken out: what of an answer is the same each time"""
    return re.sub(r" +", " ", re.sub(r"\b(0x[0-9a-f]+|[0-9a-f]{12}\b\+?|\d[\d.]*\b)", "#", text)).strip()
