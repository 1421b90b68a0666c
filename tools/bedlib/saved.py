"""Bed N's quick start. To boot the first level, KVM's machine and its firmware takes most of a run and is always the same:
so it is done once, up to where gate.efi waits for the boot volume (tools/nested/gate.c), and the emulator's state is kept
in the cache. A run goes on from there with a volume of its own."""
import copy
import fcntl
import glob
import hashlib
import json
import os
import shutil
import socket
import sys
import tempfile
import time

from . import nested, nested_q, patience, qemu, volume
from .verdict import BedError

WAITING = b"gate: waiting"
PATIENCE = 300   # seconds
KEPT = 4         # states of a first level, each some 270 MB
FAST = 8 << 30   # bytes a second: as fast as it goes


class Monitor:
    """The outer machine's QMP, one command at a time."""

    def __init__(self):
        self.ours, self.theirs = socket.socketpair()
        self.stream = self.ours.makefile("rw")

    def open(self):
        self.answer()
        self.do("qmp_capabilities")

    def answer(self):
        while line := self.stream.readline():
            message = json.loads(line)
            if "event" not in message:
                return message
        raise BedError("the outer machine ended while its state was saved")

    def do(self, command, **arguments):
        self.stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self.stream.flush()
        message = self.answer()
        if "error" in message:
            raise BedError(f"{command}: {message['error']['desc']}")
        return message.get("return")

    def close(self):
        self.stream.close()
        self.ours.close()


class Saver(nested_q.Nested):
    """Runs a machine until it waits at the gate, and saves it."""

    serves_com2 = False

    def __init__(self, options, path):
        own = copy.copy(options)
        own.log, own.trace, own.interactive, own.timeout = None, [], False, PATIENCE
        super().__init__(own)
        self.path = path
        self.said = b""
        self.monitor = Monitor()

    def theirs(self):
        return {**super().theirs(), "outer": self.monitor.theirs}

    def on_serial(self, stream):
        data = os.read(stream.fileno(), 65536)
        waited = WAITING in self.said
        self.said += data
        if WAITING in self.said and not waited:
            self.control.send("stop")  # QEMU cannot restore a processor that is in a guest
        return bool(data)

    def watch(self):
        start = time.monotonic()
        while not self.control.stopped:
            self.turn()
            if not self.streams() or patience.over(start, PATIENCE):
                self.first_level.show()
                raise BedError("the machine's firmware did not come up: " + repr(self.said[-200:]))
        self.save()

    def save(self):
        self.monitor.open()
        self.monitor.do("migrate-set-parameters", **{"max-bandwidth": FAST})
        self.monitor.do("migrate", uri=f"exec:cat > {self.path}")
        while (status := self.monitor.do("query-migrate").get("status")) not in ("completed", "failed"):
            self.turn()
        if status == "failed":
            raise BedError("the outer machine's state could not be saved")

    def end(self, _):
        self.process.kill()

    def stop(self):
        super().stop()
        self.monitor.close()


class Restored(nested_q.Nested):
    """The control socket has been greeted already; the machine stands still."""

    def start(self, command):
        super().start(command)
        self.control.send("cont")


def suits(options, image):
    return not (options.cold or options.image or options.disk or options.secure_boot or
                os.path.getsize(image) != volume.SMALLEST)


def key(base, emulator, command, options):
    """What must be equal for a state to be of use."""
    digest = hashlib.sha256()
    for text in (base, emulator, command, nested.settings(options, nested_q.DEVICES), *options.trace, str(options.memory)):
        digest.update(text.encode() + b"\0")
    for path in (emulator, *qemu.firmware_files(options)):
        digest.update(f"{os.stat(path).st_size} {os.stat(path).st_mtime_ns}".encode())
    for module in (__file__, nested.__file__, nested_q.__file__):
        with open(module, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()[:16]


def forget_old(base):
    states = sorted(glob.glob(os.path.join(base, "state.*")), key=os.path.getmtime, reverse=True)
    for path in states[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


def blank(folder):
    path = os.path.join(folder, "blank.img")
    with open(path, "wb") as file:
        file.truncate(volume.SMALLEST)
    return path


def save(options, folder, emulator, base, initrd, state):
    print("bed: saving a machine whose firmware has come up, once for this set-up", file=sys.stderr)
    work = tempfile.mkdtemp(prefix="saving.", dir=base)
    try:
        gate = os.path.join(work, "gate.img")
        volume.build(gate, [(os.path.join(base, "gate.efi"), "EFI/BOOT/BOOTX64.EFI")])
        saver = Saver(options, os.path.join(work, "state"))
        images = nested.image_formats([gate, blank(folder)])
        command = nested_q.outer_command(options, emulator, base, initrd, images, saver.fds())
        saver.run(command + ["-chardev", f"socket,id=outer,fd={saver.fds()['outer']}", "-mon", "chardev=outer,mode=control"])
        os.rename(work, state)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def have_state(options, folder, emulator, base, initrd, state):
    with open(os.path.join(base, "lock"), "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # who waited finds it
        if not os.path.isdir(state):
            save(options, folder, emulator, base, initrd, state)
        os.utime(state)
        forget_old(base)


def run(options, folder, make_image):
    """-> End"""
    nested.check(options)
    emulator = nested.inner_qemu(options)
    base = nested.made(emulator)
    image = make_image()
    if not suits(options, image):
        return nested_q.run_cold(options, folder, emulator, base, nested.image_formats([image] + options.disk))
    command = nested.machine_command(options, emulator, nested_q.DEVICES, [("gate", "raw"), ("volume", "raw")])
    initrd = nested.initramfs(options, folder, base, nested_q.DEVICES, command)
    state = os.path.join(base, "state." + key(base, emulator, command, options))
    have_state(options, folder, emulator, base, initrd, state)
    machine = Restored(options)
    images = nested.image_formats([os.path.join(state, "gate.img"), image])
    outer = nested_q.outer_command(options, emulator, base, initrd, images, machine.fds())
    return machine.run(outer + ["-incoming", f"exec:cat {os.path.join(state, 'state')}"])
