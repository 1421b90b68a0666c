"""Bed N: an emulator, Linux with KVM in it, a machine of KVM's in that, and Cede in the machine.

This is the first level, Linux with KVM: what it is made of, what it is told, and what it tells. The emulator around it is
QEMU for AMD (nested_q.py; saved.py lets a run begin where the firmware has come up) and Bochs for Intel (nested_p.py)."""
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass

from . import qemu
from .kvm_report import Report
from .verdict import NO_EMULATOR, BedError, End

TOOLS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
BUILDER = os.path.join(TOOLS, "nested", "build")
MEMORY = 768  # MB, besides the machine's
KERNEL = "quiet loglevel=4 panic=-1 mitigations=off tsc=reliable rcupdate.rcu_cpu_stall_suppress=1"
UNSUPPORTED = ("icount", "spread", "skid", "pmu", "stock", "model", "usb", "no_serial")


@dataclass(frozen=True)
class Devices:
    """Of the first level."""
    modules: str
    report: str
    console: str
    com2: str
    control: str          # of the machine's QEMU; RELAY: its events come as lines of the report
    trace: str            # REPORT: it comes as lines of the report
    disks: str            # the first of the machine's: the next ones have the next letters
    mark: str = ""        # before each line of the report
    parameters: str = ""  # of KVM's module
    runner: str = ""      # what the first level starts the machine with


RELAY = "/tmp/control"
REPORT = "report"


def add_arguments(parser):
    group = parser.add_argument_group("bed N only")
    group.add_argument("--trace", action="append", default=[], metavar="EVENT[:FILTER]",
                       help="a tracepoint of KVM's, into LOG.trace, e.g. 'kvm_exit:vcpu_id == 1'")
    group.add_argument("--cold", action="store_true",
                       help="from power-on, not from the saved machine whose firmware has just come up")
    group.add_argument("--kvm", default="", metavar="'NAME=VALUE ...'", help="parameters of KVM's vendor module")


def check(options):
    for name in UNSUPPORTED:
        if getattr(options, name):
            raise BedError(f"bed N has no --{name.replace('_', '-')}")
    if options.trace and not options.log:
        raise BedError("--trace wants --log FILE: the trace goes to FILE.trace")
    options.accel = "kvm"


def inner_qemu(options):
    """The emulator that the machine runs on, and, for AMD, the one around the first level."""
    return qemu.find(options.qemu or qemu.default_path())


def made(emulator):
    """The folder of kernel and initramfs, made if need be. CEDE_NESTED names another one."""
    if named := os.environ.get("CEDE_NESTED"):
        return named
    try:
        built = subprocess.run([BUILDER, emulator], stdout=subprocess.PIPE, text=True, check=False)
    except OSError as error:
        raise BedError(f"{BUILDER}: {error.strerror}", NO_EMULATOR) from None
    if built.returncode:
        raise BedError("the first level of bed N cannot be made: see above", NO_EMULATOR)
    return built.stdout.split()[-1]


def image_formats(paths):
    return [(path, qemu.disk_format(path)) for path in paths]


def firmware(options):
    """Variables in RAM, but for Secure Boot: in a flash each byte that is written is an exit to QEMU."""
    if options.secure_boot:
        return qemu.firmware("/bed/code.fd", "/bed/variables.fd")
    return ["-bios", "/bed/rom"]


def copy_firmware(options, folder):
    code, variables = qemu.firmware_files(options)
    shutil.copyfile(code, os.path.join(folder, "code.fd"))
    shutil.copyfile(variables, os.path.join(folder, "variables.fd"))
    with open(os.path.join(folder, "rom"), "wb") as rom:
        for part in (variables, code):
            with open(part, "rb") as file:
                shutil.copyfileobj(file, rom)


def machine_command(options, emulator, devices, images):
    """The shell command that the first level runs; `images` are its disks, in order."""
    names = [(devices.disks[:-1] + chr(ord(devices.disks[-1]) + number), kind) for number, (_, kind) in enumerate(images)]
    disks = qemu.disks(names, "cache=none")  # what was read before a state was saved must be read again
    command = ["qemu", "-L", "/data", *qemu.accelerator(options), "-chardev", f"pipe,id=control,path={devices.control}",
               "-chardev", f"pipe,id=console,path={devices.console}", "-serial", "chardev:console"]
    if options.com2:
        command += ["-chardev", f"pipe,id=com2,path={devices.com2}", "-serial", "chardev:com2"]
    command += qemu.guest_machine(options, emulator, firmware(options), disks)
    return f"exec {devices.runner} {shlex.join(command)}\n"


def settings(options, devices):
    values = {"report": devices.report, "mark": devices.mark, "console": devices.console, "modules": devices.modules,
              "parameters": f"{devices.parameters} {options.kvm}".strip(), "trace": devices.trace if options.trace else "",
              "relay": devices.control if devices.control == RELAY else ""}
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def initramfs(options, folder, base, devices, command):
    """The first level's, with this run's folder /bed behind it. -> its path"""
    root = os.path.join(folder, "run")
    bed = os.path.join(root, "bed")
    os.makedirs(bed)
    copy_firmware(options, bed)
    write(os.path.join(bed, "machine"), command)
    write(os.path.join(bed, "settings"), settings(options, devices))
    write(os.path.join(bed, "events"), "".join(f"{event}\n" for event in options.trace))
    names = "\n".join(["bed"] + [os.path.join("bed", name) for name in sorted(os.listdir(bed))])
    packed = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, input=names.encode(), check=True,
                            stdout=subprocess.PIPE)
    path = os.path.join(folder, "first-level.cpio")
    shutil.copyfile(os.path.join(base, "first-level.cpio"), path)
    with open(path, "ab") as file:
        file.write(packed.stdout)
    return path


class FirstLevel:
    """What a run hears of it. `console` is its own, not the machine's."""

    def __init__(self, options, control, wire):
        self.options = options
        self.control = control
        self.wire = wire
        self.console = b""
        self.trace = open(options.log + ".trace", "wb") if options.trace else None
        self.report = Report(options.vendor, control, self.trace)

    def tell(self, at_the_end=False):
        self.report.flush(self.wire.tail[-1:] in (b"", b"\n"), at_the_end)

    def end(self, stopped, returncode, complaint):
        """-> End; `returncode` and `complaint` are the outer emulator's"""
        told = self.report.status is not None
        self.tell(at_the_end=True)
        if told:
            print(f"bed: {self.report.summary()}", file=sys.stderr)
        else:
            self.show()
        return End(returncode=self.report.status if told else min(returncode, -1), started=self.control.started,
                   panicked=self.wire.panicked_at is not None, triple_fault=self.report.triple_fault,
                   timed_out=stopped == "timeout", input_over=stopped == "input",
                   resets_used_up=stopped == "resets", cause=self.control.cause,
                   complaint="\n".join([*self.report.errors, complaint]).strip())

    def show(self):
        lines = self.console.decode(errors="replace").splitlines()
        os.write(2, "".join(f"bed: first level: {line}\n" for line in lines[-20:]).encode())

    def close(self):
        if self.options.log:
            with open(self.options.log + ".first-level", "wb") as file:
                file.write(self.console)
        if self.trace:
            self.trace.close()
