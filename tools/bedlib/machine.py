"""One run of one machine: its serial wire, its control socket, the clock, and its end.

Everything happens in one thread around one selector; nothing outlives run(), however it is left."""
import ctypes
import json
import os
import re
import selectors
import signal
import socket
import subprocess
import termios
import time
import tty

from . import patience
from .verdict import End

PANIC = b"cede: panic"
PANIC_GRACE = 2.0  # seconds for the rest of the report to arrive
ESCAPE = b"\x01"   # Ctrl-A, then x: leave; Ctrl-A twice: one Ctrl-A
LEFT_BY_USER = 130
QUIET = 3.0        # seconds at a prompt until no more can come: a power-off says something each second
PR_SET_PDEATHSIG = 1
ESCAPES = re.compile(rb"\x1b\[[0-9;?=]*[A-Za-z]")


class LeftByUser(Exception):
    pass


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Control:
    """QMP: lets the machine go and hears why it stops."""

    def __init__(self, reboots):
        self.ours, self.theirs = socket.socketpair()
        self.buffer = b""
        self.started = False
        self.stopped = False
        self.cause = ""
        self.resets_left = reboots
        self.resets_used_up = False

    def send(self, command):
        try:
            self.ours.sendall(json.dumps({"execute": command}).encode() + b"\n")
        except OSError:
            pass  # the emulator is gone; its exit status tells the rest

    def read(self):
        """-> False at the end of the connection"""
        try:
            data = self.ours.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in filter(bytes.strip, lines):
            self.message(json.loads(line))
        return bool(data)

    def message(self, message):
        if "QMP" in message:
            self.send("qmp_capabilities")
            self.send("cont")
        elif message.get("event") == "RESUME":
            self.started = True
        elif message.get("event") == "STOP":
            self.stopped = True
        elif message.get("event") == "SHUTDOWN":
            self.cause = message["data"]["reason"]
        elif message.get("event") == "RESET" and message["data"]["guest"]:
            self.resets_used_up = self.resets_left == 0
            self.resets_left -= 1


class Wire:
    """The serial console: from the emulator to stdout and the log, and watched for a panic."""

    def __init__(self, log, panic_ok):
        self.panic_ok = panic_ok
        self.log = open(log, "wb", buffering=0) if log else None
        self.tail = b""
        self.panicked_at = None
        self.listener = None

    def received(self, data):
        if self.log:
            self.log.write(data)
        if self.listener:
            self.listener(data)
        while data:
            self.watch(data[:4096])
            rest = data[:4096]
            while rest:
                rest = rest[os.write(1, rest):]
            data = data[4096:]

    def watch(self, data):
        self.tail = self.tail[-len(PANIC):] + data
        if self.panicked_at is None and PANIC in self.tail and not self.panic_ok:
            self.panicked_at = time.monotonic()

    def close(self):
        if self.log:
            self.log.close()


class Keyboard:
    """--interactive: stdin goes to the serial wire, raw when it is a terminal.

    With --prompt, what is no terminal (a file, a pipe, /dev/null) is typed line by line: each when the guest has
    asked for one. At the end of the input and at a prompt, the run is over."""

    def __init__(self, wire, prompt):
        self.wire = wire
        self.escaped = False
        self.saved = None
        self.held = b""     # read from stdin
        self.due = b""      # of that, what the wire has yet to take
        self.over = False   # stdin has ended
        self.said = b""     # by the guest, since the last line
        self.asked = False
        self.heard_at = 0.0
        os.set_blocking(wire, False)
        if os.isatty(0):
            self.saved = termios.tcgetattr(0)
            tty.setraw(0)
        self.prompt = re.compile(prompt.encode()) if prompt and self.saved is None else None

    def wants_more(self):
        return not self.over and not self.due and b"\n" not in self.held

    def read(self):
        data = os.read(0, 4096)
        self.held += b"".join(self.key(data[n:n + 1]) for n in range(len(data)))
        self.over = not data

    def key(self, byte):
        if self.saved is None:
            return byte
        if self.escaped:
            self.escaped = False
            if byte in b"xX":
                raise LeftByUser
            return byte
        self.escaped = byte == ESCAPE
        return b"" if self.escaped else byte

    def heard(self, data):
        """The guest's output. A prompt may have a kernel message right behind it."""
        self.heard_at = time.monotonic()
        if self.prompt and not self.asked:
            self.said = (self.said + data)[-512 - len(data):]
            self.asked = bool(self.prompt.search(ESCAPES.sub(b"", self.said)))

    def next_line(self):
        line, newline, rest = self.held.partition(b"\n")
        if not self.asked or not (newline or self.over):
            return b""
        self.held, self.said, self.asked = rest, b"", False
        return line.rstrip(b"\r") + b"\n"

    def type(self):
        if not self.due and self.held:
            self.due = self.next_line() if self.prompt else self.held
            self.held = self.held if self.prompt else b""
        try:
            while self.due:
                self.due = self.due[os.write(self.wire, self.due):]
        except BlockingIOError:
            pass
        except OSError:  # the emulator is gone; its exit status tells the rest
            self.over, self.held, self.due = True, b"", b""

    def finished(self):
        typed = self.over and not self.held and not self.due
        return bool(self.prompt and typed and self.asked and time.monotonic() > self.heard_at + QUIET)

    def attend(self, selector):
        """Once in each turn of a run's loop. -> is all typed that there was, and the guest silent at its prompt?"""
        self.type()
        if self.wants_more() != (0 in selector.get_map()):
            if self.wants_more():
                selector.register(0, selectors.EVENT_READ, self.on_input)
            else:
                selector.unregister(0)
        return self.finished()

    def on_input(self, *_):
        self.read()
        return True

    def close(self):
        if self.saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, self.saved)


class Complaints:
    """What the emulator writes to stderr: passed on, and kept but for warnings."""

    def __init__(self):
        self.text = b""

    def received(self, data):
        self.text += data
        os.write(2, data)

    def errors(self):
        lines = self.text.decode(errors="replace").splitlines()
        return "\n".join(line for line in lines if line.strip() and "warning:" not in line)


class Machine:
    def __init__(self, options, reset_log):
        self.options = options
        self.reset_log = reset_log
        self.control = Control(options.reboots)
        self.wire = Wire(options.log, options.panic_ok)
        self.complaints = Complaints()
        self.keyboard = None
        self.process = None
        self.selector = selectors.PollSelector()  # epoll takes no files, which stdin may be

    def run(self, command):
        """-> End"""
        try:
            self.start(command)
            stopped = self.watch()
            return self.end(stopped)
        finally:
            self.stop()

    def start(self, command):
        interactive = self.options.interactive
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0, start_new_session=True,
            pass_fds=[self.control.theirs.fileno()], preexec_fn=die_with_parent)
        self.control.theirs.close()
        if interactive:
            self.keyboard = Keyboard(self.process.stdin.fileno(), self.options.prompt)
            self.wire.listener = self.keyboard.heard
        self.selector.register(self.process.stdout, selectors.EVENT_READ, self.on_serial)
        self.selector.register(self.process.stderr, selectors.EVENT_READ, self.on_stderr)
        self.selector.register(self.control.ours, selectors.EVENT_READ, self.on_control)

    def on_serial(self, stream):
        return self.passed_on(stream, self.wire)

    def on_stderr(self, stream):
        return self.passed_on(stream, self.complaints)

    @staticmethod
    def passed_on(stream, receiver):
        data = os.read(stream.fileno(), 65536)
        receiver.received(data)
        return bool(data)

    def on_control(self, _):
        return self.control.read()

    def streams(self):
        return [key for key in self.selector.get_map().values() if key.fileobj != 0]

    def turn(self):
        """What has arrived goes where it belongs; waits a moment if nothing has."""
        for key, _ in self.selector.select(0.2):
            if not key.data(key.fileobj):
                self.selector.unregister(key.fileobj)

    def watch(self):
        """Until the emulator has closed all it had open. -> why it was stopped, '' = it ended by itself"""
        start = time.monotonic()
        while self.streams():
            self.turn()
            if self.keyboard and self.keyboard.attend(self.selector):
                return "input"
            if self.wire.panicked_at and patience.over(self.wire.panicked_at, PANIC_GRACE):
                return "panic"
            if self.control.resets_used_up:
                return "resets"
            if patience.over(start, self.options.timeout):
                return "timeout"
        return ""

    def end(self, stopped):
        if stopped:
            self.process.kill()
        returncode = self.process.wait()
        return End(returncode=returncode, started=self.control.started,
                   panicked=self.wire.panicked_at is not None, triple_fault=self.triple_fault(),
                   timed_out=stopped == "timeout", resets_used_up=stopped == "resets",
                   input_over=stopped == "input", cause=self.control.cause, complaint=self.complaints.errors())

    def triple_fault(self):
        try:
            with open(self.reset_log, errors="replace") as file:
                return "Triple fault" in file.read()
        except FileNotFoundError:
            return False

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.keyboard:
            self.keyboard.close()
        self.wire.close()
        self.control.ours.close()
        self.selector.close()


def run(options, make_command, folder):
    """`make_command(control_fd, reset_log)` -> the emulator's command line."""
    reset_log = os.path.join(folder, "resets.log")
    machine = Machine(options, reset_log)
    return machine.run(make_command(machine.control.theirs.fileno(), reset_log))
