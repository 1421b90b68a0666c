"""Bed N for AMD: QEMU's TCG around the first level. The machine's serial wire and control socket reach through by ports of
a virtio console, so that here it is a machine as bed Q's."""
import contextlib
import os
import socket
import subprocess
import threading
import time

from . import machine, nested, patience, qemu

CPUS = 3           # the first level's; the machine has all but the first, see AFFINITY
LAST_WORDS = 20.0  # seconds in which a stopped machine's first level tells its counts
# Bits of the processors that run the machine. Not the first one: in TCG each XRSTOR of any processor reads, changes and
# writes the first one's hflags2 (cpu_clear_ignne), without a lock, which now and then undoes what a #VMEXIT there cleared,
# and the first level then takes interrupts whatever its IF and GIF say.
AFFINITY = (1 << CPUS) - 2
PORTS = ("console", "control", "report", "trace", "com2")


def port(name):
    return f"/dev/vport0p{PORTS.index(name) + 1}"


DEVICES = nested.Devices(
    modules="irqbypass kvm kvm-amd cr8_exits inject_once virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev "
            "virtio_pci virtio_console virtio_blk",
    report=port("report"), console=port("console"), com2=port("com2"), control=port("control"), trace=port("trace"),
    disks="/dev/vda", runner=f"taskset {AFFINITY:x}")


def outer_command(options, emulator, base, initrd, images, fds):
    """`fds`: a descriptor for each port."""
    command = [emulator, *qemu.data_folders(emulator), "-nodefaults", "-display", "none", "-no-reboot",
               "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(CPUS),
               "-m", str(options.memory + nested.MEMORY), "-kernel", os.path.join(base, "vmlinuz"), "-initrd", initrd,
               "-append", f"console=ttyS0 nowatchdog {nested.KERNEL}", "-chardev", "stdio,id=kernel,signal=off",
               "-serial", "chardev:kernel", "-device", "virtio-serial-pci"]
    for number, name in enumerate(PORTS, start=1):
        if name in fds:
            command += ["-chardev", f"socket,id={name},fd={fds[name]}",
                        "-device", f"virtserialport,chardev={name},nr={number},name={name}"]
    for number, (path, _) in enumerate(images):
        command += ["-drive", f"if=none,id=disk{number},format=raw,file={path},snapshot=on",
                    "-device", f"virtio-blk-pci,drive=disk{number}"]
    return command


def received(stream):
    """-> b"" at the end, however it came"""
    try:
        return os.read(stream.fileno(), 65536)
    except ConnectionResetError:  # what was typed is unread
        return b""


class SecondPort:
    """COM2 as a socket, for one client at a time. Our end of the port stays open: the machine's QEMU reads no more of one
    that it has once found closed."""

    def __init__(self, path):
        self.ours, self.theirs = socket.socketpair()
        self.client = None
        if path:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            self.server = socket.socket(socket.AF_UNIX)
            self.server.bind(path)
            self.server.listen(1)
            threading.Thread(target=self.serve, daemon=True).start()
        threading.Thread(target=self.hear, daemon=True).start()

    def serve(self):
        while True:
            self.client, _ = self.server.accept()
            with contextlib.suppress(OSError):
                while data := self.client.recv(4096):
                    self.ours.sendall(data)
            self.client = None

    def hear(self):
        while data := received(self.ours):
            client = self.client
            with contextlib.suppress(OSError):
                if client:
                    client.sendall(data)


class Nested(machine.Machine):
    """The emulator's stdout is the first level's console; the machine's own wires are sockets."""

    serves_com2 = True

    def __init__(self, options):
        super().__init__(options, os.devnull)
        self.com2 = SecondPort(options.com2 if self.serves_com2 else None) if options.com2 else None
        self.console, self.their_console = socket.socketpair()
        self.report_wire, self.their_report = socket.socketpair()
        self.trace_wire, self.their_trace = socket.socketpair()
        self.first_level = nested.FirstLevel(options, self.control, self.wire)

    def theirs(self):
        com2 = {"com2": self.com2.theirs} if self.com2 else {}
        return {"console": self.their_console, "control": self.control.theirs, "report": self.their_report,
                "trace": self.their_trace, **com2}

    def fds(self):
        return {name: end.fileno() for name, end in self.theirs().items()}

    def start(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            start_new_session=True, pass_fds=list(self.fds().values()), preexec_fn=machine.die_with_parent)
        for end in self.theirs().values():
            end.close()
        if self.options.interactive:
            self.keyboard = machine.Keyboard(self.console.fileno(), self.options.prompt)
            self.wire.listener = self.keyboard.heard
        for stream, handler in ((self.process.stdout, self.on_first_level), (self.process.stderr, self.on_stderr),
                                (self.console, self.on_serial), (self.control.ours, self.on_control),
                                (self.report_wire, self.on_report), (self.trace_wire, self.on_trace)):
            self.selector.register(stream, machine.selectors.EVENT_READ, handler)

    def on_first_level(self, stream):
        data = received(stream)
        self.first_level.console += data
        return bool(data)

    def on_report(self, stream):
        data = received(stream)
        self.first_level.report.received(data)
        self.first_level.tell()
        return bool(data)

    def on_trace(self, stream):
        data = received(stream)
        if self.first_level.trace:
            self.first_level.trace.write(data)
        return bool(data)

    def on_serial(self, stream):
        data = received(stream)
        self.wire.received(data)
        self.first_level.tell()
        return bool(data)

    def watch(self):
        stopped = super().watch()
        if stopped:
            self.last_words()
        return stopped

    def last_words(self):
        """Ends the machine, and hears what its first level has to say of it."""
        try:
            self.report_wire.sendall(b"end\n")
        except OSError:
            return
        start = time.monotonic()
        while self.streams() and self.first_level.report.status is None and not patience.over(start, LAST_WORDS):
            self.turn()

    def end(self, stopped):
        if stopped or self.first_level.report.status is not None:
            self.process.kill()
        return self.first_level.end(stopped, self.process.wait(), self.complaints.errors())

    def stop(self):
        super().stop()
        self.first_level.close()
        for wire in (self.console, self.report_wire, self.trace_wire):
            wire.close()


def run_cold(options, folder, emulator, base, images):
    """-> End"""
    command = nested.machine_command(options, emulator, DEVICES, images)
    initrd = nested.initramfs(options, folder, base, DEVICES, command)
    run = Nested(options)
    return run.run(outer_command(options, emulator, base, initrd, images, run.fds()))
