"""One run of one machine: its serial wire, its control socket, the clock, and its end.

Everything happens in one thread around one selector; nothing outlives run(), however it is left."""
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import termios
import time
import tty

from .verdict import End

PANIC = b"cede: panic"
PANIC_GRACE = 2.0  # seconds for the rest of the report to arrive
ESCAPE = b"\x01"   # Ctrl-A, then x: leave; Ctrl-A twice: one Ctrl-A
LEFT_BY_USER = 130
PR_SET_PDEATHSIG = 1


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

    def received(self, data):
        if self.log:
            self.log.write(data)
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
    """--interactive: stdin goes to the serial wire, raw when it is a terminal."""

    def __init__(self, pipe):
        self.pipe = pipe
        self.escaped = False
        self.saved = None
        if os.isatty(0):
            self.saved = termios.tcgetattr(0)
            tty.setraw(0)

    def read(self):
        """-> False at the end of input"""
        data = os.read(0, 4096)
        keys = b"".join(self.key(data[n:n + 1]) for n in range(len(data)))
        if keys:
            try:
                os.write(self.pipe.fileno(), keys)
            except BrokenPipeError:
                return False
        return bool(data)

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
        self.selector = selectors.DefaultSelector()

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
            self.keyboard = Keyboard(self.process.stdin)
            self.selector.register(0, selectors.EVENT_READ, self.on_keyboard)
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

    def on_keyboard(self, _):
        return self.keyboard.read()

    def streams(self):
        return [key for key in self.selector.get_map().values() if key.fileobj != 0]

    def turn(self):
        """What has arrived goes where it belongs; waits a moment if nothing has."""
        for key, _ in self.selector.select(0.2):
            if not key.data(key.fileobj):
                self.selector.unregister(key.fileobj)

    def watch(self):
        """Until the emulator has closed all it had open. -> why it was stopped, '' = it ended by itself"""
        limit = self.options.timeout
        deadline = time.monotonic() + limit if limit else None
        while self.streams():
            self.turn()
            now = time.monotonic()
            if self.wire.panicked_at and now > self.wire.panicked_at + PANIC_GRACE:
                return "panic"
            if self.control.resets_used_up:
                return "resets"
            if deadline and now > deadline:
                return "timeout"
        return ""

    def end(self, stopped):
        if stopped:
            self.process.kill()
        returncode = self.process.wait()
        return End(returncode=returncode, started=self.control.started,
                   panicked=self.wire.panicked_at is not None, triple_fault=self.triple_fault(),
                   timed_out=stopped == "timeout", resets_used_up=stopped == "resets",
                   cause=self.control.cause, complaint=self.complaints.errors())

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
