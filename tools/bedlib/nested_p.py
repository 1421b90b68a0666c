"""Bed N for Intel: Bochs around the first level, with bed P's PMU model. COM1 is the first level's console and, in marked
lines, its report; COM2 is the machine's."""
import copy
import os

from . import bochs, machine, nested, volume
from .verdict import BedError

UNSUPPORTED = ("com2", "secure_boot")
MARK = "@@ "
# An exit of Cede's is some 20,000 instructions of KVM's: at bed P's speed the firmware's timer, a hundred times a second,
# takes a processor up.
IPS = 600000000
CONSOLE = "console=ttyS0,115200 nowatchdog"
# Bochs wants the posted-interrupt descriptor on a page of its own (SDM 26.2.1.1: 64 bytes), so KVM is to use none.
DEVICES = nested.Devices(
    modules="irqbypass kvm kvm-intel scsi_common scsi_mod sd_mod libata ata_piix", report="/dev/ttyS0",
    console="/dev/ttyS1", com2="", control=nested.RELAY, trace=nested.REPORT, disks="/dev/sdb", mark=MARK,
    parameters="enable_apicv=0")


def check(options):
    nested.check(options)
    for name in UNSUPPORTED:
        if getattr(options, name):
            raise BedError(f"bed N has no --{name.replace('_', '-')} for Intel")


class Nested(bochs.Bochs):
    """`options` are the machine's; the first level is a machine of bed P's."""

    def __init__(self, options, folder, images):
        outer = copy.copy(options)
        outer.cpus, outer.memory, outer.reboots = 1, options.memory + nested.MEMORY, 0
        outer.interactive = False
        outer.ips = options.ips or IPS
        outer.log, outer.x2apic, outer.image, outer.firmware, outer.disk = None, False, None, None, images
        super().__init__(outer, folder)
        self.wire = machine.Wire(options.log, options.panic_ok)
        self.control = machine.Control(options.reboots)
        self.first_level = nested.FirstLevel(options, self.control, self.wire)
        self.console, self.their_console, self.com2 = bochs.serial_wire(options.interactive)
        self.unfinished = b""

    def settings(self):
        # KVM wants MONITOR and MWAIT exiting, which Bochs has if it has the instructions. What bed P leaves them out for,
        # waiting processors of the firmware's, does not come up with one processor.
        return {"left_out": "rdrand,rdseed",
                "more": f"com2: enabled=1, mode={self.com2}\n"}

    def fds(self):
        return [*super().fds(), self.their_console]

    def start(self, program, image):
        super().start(program, image)
        self.selector.register(self.console, bochs.selectors.EVENT_READ, self.on_console)
        its = self.first_level.options
        if its.interactive:
            self.keyboard = machine.Keyboard(self.console, its.prompt)
            self.wire.listener = self.keyboard.heard

    def on_serial(self):
        """COM1."""
        *lines, self.unfinished = (self.unfinished + os.read(self.master, 65536)).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace").strip()
            if text.startswith(MARK):
                self.first_level.report.line(text.removeprefix(MARK))
            else:
                self.first_level.console += line + b"\n"
        self.first_level.tell()
        return True

    def on_console(self):
        data = os.read(self.console, 65536)
        self.wire.received(data)
        self.first_level.tell()
        return bool(data)

    def over(self):
        if self.control.resets_used_up:
            return "resets"
        return "told" if self.first_level.report.status is not None else ""

    def end(self, stopped):
        self.process.kill()
        returncode = self.process.wait()
        if not stopped:
            self.complain(self.log())
        return self.first_level.end(stopped, returncode, "")

    def stop(self):
        super().stop()
        self.first_level.close()
        self.control.ours.close()
        os.close(self.console)
        os.close(self.their_console)


def outer_image(folder, base, initrd):
    """The first level's boot volume: its kernel, started by the bare launcher."""
    configuration = os.path.join(folder, "first-level.conf")
    nested.write(configuration, volume.configuration(
        b"", "vmlinuz", f"{CONSOLE} {nested.KERNEL} initrd=\\first-level.cpio").decode())
    path = os.path.join(folder, "first-level.img")
    volume.build(path, [(os.path.join(nested.TOOLS, "..", "build", "launch.efi"), "EFI/BOOT/BOOTX64.EFI"), (configuration, "cede.conf"),
                        (os.path.join(base, "vmlinuz"), "vmlinuz"), (initrd, "first-level.cpio")])
    return path


def run(options, folder, make_image):
    """-> End"""
    check(options)
    inner = nested.inner_qemu(options)
    base = nested.made(inner)
    program = bochs.emulator(options)
    images = nested.image_formats([make_image()] + options.disk)
    command = nested.machine_command(options, inner, DEVICES, images)
    initrd = nested.initramfs(options, folder, base, DEVICES, command)
    first_level = Nested(options, folder, [path for path, _ in images])
    try:
        first_level.start(program, outer_image(folder, base, initrd))
        return first_level.end(first_level.watch())
    finally:
        first_level.stop()
        bochs.keep(options, folder)
