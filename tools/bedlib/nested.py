"""Bed N: an emulator, Linux with KVM in it, a machine of KVM's in that, and Cede in the machine.

The machine's serial wire and control socket reach through the first level (tools/nested/init) by ports of a virtio
console, so that here it is a machine as bed Q's. What the first level says of KVM comes by a port of its own. Here is
one run of it; saved.py lets it begin where the firmware has come up."""
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time

from . import machine, patience, qemu
from .verdict import NO_EMULATOR, BedError, End

TOOLS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
BUILDER = os.path.join(TOOLS, "nested", "build")
FIRST_LEVEL_MEMORY = 768  # MB, besides the machine's
FIRST_LEVEL_CPUS = 2
LAST_WORDS = 20.0         # seconds in which a stopped machine's first level tells its counts
UNSUPPORTED = ("icount", "skid", "pmu", "stock", "model")
MODULES = ("irqbypass kvm {kvm} virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci "
           "virtio_console virtio_blk")
KVM = {"amd": "kvm-amd"}
KERNEL = ("console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off tsc=reliable nowatchdog "
          "rcupdate.rcu_cpu_stall_suppress=1")
PORTS = ("console", "control", "report", "trace", "com2")
COMPLAINT = re.compile(r"kvm|svm|vmx|WARNING:|BUG:", re.IGNORECASE)
TRIPLE_FAULT = "KVM_EXIT_SHUTDOWN"
REGISTERS = ("CR{} read", "CR{} write", "DR{} read", "DR{} write", "exception {}", "exception {}")  # 16 codes each
REASONS = {  # the other codes of #VMEXIT (APM volume 2, appendix C)
    0x60: "INTR", 0x61: "NMI", 0x62: "SMI", 0x63: "INIT", 0x64: "VINTR", 0x65: "CR0 selective", 0x6e: "RDTSC",
    0x6f: "RDPMC", 0x72: "CPUID", 0x76: "INVD", 0x78: "HLT", 0x7a: "INVLPGA", 0x7b: "IOIO", 0x7c: "MSR",
    0x7f: "shutdown", 0x80: "VMRUN", 0x81: "VMMCALL", 0x82: "VMLOAD", 0x83: "VMSAVE", 0x84: "STGI", 0x85: "CLGI",
    0x86: "SKINIT", 0x87: "RDTSCP", 0x89: "WBINVD", 0x8a: "MONITOR", 0x8b: "MWAIT", 0x8d: "XSETBV", 0x400: "NPF"}


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
            raise BedError(f"bed N has no --{name}")
    if options.trace and not options.log:
        raise BedError("--trace wants --log FILE: the trace goes to FILE.trace")
    if options.vendor not in KVM:
        raise BedError(f"bed N has no --vendor {options.vendor}")


def first_level(emulator):
    """The folder of its kernel and initramfs, made if need be. CEDE_NESTED names another one."""
    if named := os.environ.get("CEDE_NESTED"):
        return named
    try:
        built = subprocess.run([BUILDER, emulator], stdout=subprocess.PIPE, text=True, check=False)
    except OSError as error:
        raise BedError(f"{BUILDER}: {error.strerror}", NO_EMULATOR) from None
    if built.returncode:
        raise BedError("the first level of bed N cannot be made: see above", NO_EMULATOR)
    return built.stdout.split()[-1]


def port(name):
    return f"/dev/vport0p{PORTS.index(name) + 1}"


def firmware(options):
    """Variables in RAM, but for Secure Boot: each byte that is written to a flash is an exit to QEMU, and OVMF writes
    some 30,000 of them when it starts for the first time."""
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


def machine_command(options, emulator, images):
    """The shell command that the first level runs; `images` are its disks, in order."""
    names = [(f"/dev/vd{chr(ord('a') + number)}", kind) for number, (_, kind) in enumerate(images)]
    disks = qemu.disks(names, "cache=none")  # what was read before a state was saved must be read again
    command = ["qemu", "-L", "/data", *qemu.accelerator(options)]
    for name, serial in (("console", True), ("com2", bool(options.com2)), ("control", False)):
        if serial or name == "control":
            command += ["-chardev", f"pipe,id={name},path={port(name)}"]
        if serial:
            command += ["-serial", f"chardev:{name}"]
    command += qemu.guest_machine(options, emulator, firmware(options), disks)
    return f"exec {shlex.join(command)}\n"


def settings(options):
    values = {"report": port("report"), "modules": MODULES.format(kvm=KVM[options.vendor]) + " cr8_exits",
              "parameters": options.kvm, "trace": port("trace") if options.trace else ""}
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def initramfs(options, folder, base, command):
    """The first level's, with this run's folder /bed behind it. -> its path"""
    root = os.path.join(folder, "run")
    bed = os.path.join(root, "bed")
    os.makedirs(bed)
    copy_firmware(options, bed)
    write(os.path.join(bed, "machine"), command)
    write(os.path.join(bed, "settings"), settings(options))
    write(os.path.join(bed, "events"), "".join(f"{event}\n" for event in options.trace))
    names = "\n".join(["bed"] + [os.path.join("bed", name) for name in sorted(os.listdir(bed))])
    packed = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=root, input=names.encode(), check=True,
                            stdout=subprocess.PIPE)
    path = os.path.join(folder, "first-level.cpio")
    shutil.copyfile(os.path.join(base, "first-level.cpio"), path)
    with open(path, "ab") as file:
        file.write(packed.stdout)
    return path


def outer_command(options, emulator, base, initrd, images, fds):
    """`fds`: a descriptor for each port but com2."""
    kernel = os.path.join(base, "vmlinuz")
    command = [emulator, *qemu.data_folders(emulator), "-nodefaults", "-display", "none", "-no-reboot",
               "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(FIRST_LEVEL_CPUS),
               "-m", str(options.memory + FIRST_LEVEL_MEMORY), "-kernel", kernel, "-initrd", initrd,
               "-append", KERNEL, "-chardev", "stdio,id=kernel,signal=off", "-serial", "chardev:kernel",
               "-device", "virtio-serial-pci"]
    for number, name in enumerate(PORTS, start=1):
        if name in fds:
            command += ["-chardev", f"socket,id={name},fd={fds[name]}"]
        elif options.com2:
            command += ["-chardev", f"socket,id={name},path={options.com2},server=on,wait=off"]
        else:
            continue
        command += ["-device", f"virtserialport,chardev={name},nr={number},name={name}"]
    for number, (path, _) in enumerate(images):
        command += ["-drive", f"if=none,id=disk{number},format=raw,file={path},snapshot=on",
                    "-device", f"virtio-blk-pci,drive=disk{number}"]
    return command


def reason(code):
    """-> an exit code's name"""
    if code < 0x60:
        return REGISTERS[code >> 4].format(code - 0x40 if code >= 0x40 else code % 16)
    return REASONS.get(code, hex(code))


def received(stream):
    """-> b"" at the end, however it came"""
    try:
        return os.read(stream.fileno(), 65536)
    except ConnectionResetError:  # what was typed is unread
        return b""


class Report:
    """What the first level says, line by line (tools/nested/init has the words)."""

    def __init__(self):
        self.buffer = b""
        self.status = None
        self.complaints = 0
        self.refused = 0
        self.triple_fault = False
        self.errors = []
        self.exits = []
        self.untold = []
        self.heard = set()

    def received(self, data):
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            word, _, text = line.decode(errors="replace").strip().partition(" ")
            handler = getattr(self, f"on_{word}", None)
            if handler:
                handler(text)

    def tell(self, text):
        self.untold.append(f"bed: {text}\n")

    def on_kernel(self, text):
        complaint = bool(COMPLAINT.search(text))
        self.complaints += complaint
        if text not in self.heard:
            self.heard.add(text)
            self.tell(f"{'KVM complains' if complaint else 'first level'}: {text}")

    def on_refused(self, text):
        self.triple_fault |= TRIPLE_FAULT in text
        self.refused += "kvm_nested_vmenter_failed" in text
        self.tell(f"KVM: {text}")

    def on_machine(self, text):
        if "warning:" not in text:
            self.errors.append(text)
        self.tell(f"machine: {text}")

    def on_exits(self, text):
        count, _, key = text.partition(" ")
        self.exits.append((int(count), int(key, 16)))

    def on_exit(self, text):
        self.status = int(text)

    def summary(self):
        exits = ", ".join(f"{reason(key)} {count}" for count, key in self.exits)
        return (f"KVM: {self.refused} failed nested entries, {self.complaints} complaints in its log, "
                f"{sum(count for count, _ in self.exits)} nested exits{f' ({exits})' if exits else ''}")


class Nested(machine.Machine):
    """The emulator's stdout is the first level's console; the machine's own wires are sockets."""

    def __init__(self, options):
        super().__init__(options, os.devnull)
        self.console, self.their_console = socket.socketpair()
        self.report_wire, self.their_report = socket.socketpair()
        self.trace_wire, self.their_trace = socket.socketpair()
        self.trace = open(options.log + ".trace", "wb") if options.trace else None
        self.report = Report()
        self.first_level = b""

    def theirs(self):
        return {"console": self.their_console, "control": self.control.theirs, "report": self.their_report,
                "trace": self.their_trace}

    def fds(self):
        return {name: end.fileno() for name, end in self.theirs().items()}

    def start(self, command):
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
            start_new_session=True, pass_fds=list(self.fds().values()),
            preexec_fn=machine.die_with_parent)
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
        self.first_level += data
        return bool(data)

    def on_report(self, stream):
        data = received(stream)
        self.report.received(data)
        self.tell()
        return bool(data)

    def on_trace(self, stream):
        data = received(stream)
        if self.trace:
            self.trace.write(data)
        return bool(data)

    def on_serial(self, stream):
        data = received(stream)
        self.wire.received(data)
        self.tell()
        return bool(data)

    def tell(self, at_the_end=False):
        """Where it does not break a line of the machine's apart."""
        at_line_start = self.wire.tail[-1:] in (b"", b"\n")
        if at_the_end and not at_line_start:
            os.write(2, b"\n")
        if at_the_end or at_line_start:
            os.write(2, "".join(self.report.untold).encode())
            self.report.untold = []

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
        while self.streams() and self.report.status is None and not patience.over(start, LAST_WORDS):
            self.turn()

    def end(self, stopped):
        told = self.report.status is not None
        if told or stopped:
            self.process.kill()
        returncode = self.process.wait()
        self.tell(at_the_end=True)
        if told:
            print(f"bed: {self.report.summary()}", file=sys.stderr)
        else:
            self.show_first_level()
        return End(returncode=self.report.status if told else min(returncode, -1), started=self.control.started,
                   panicked=self.wire.panicked_at is not None, triple_fault=self.report.triple_fault,
                   timed_out=stopped == "timeout", input_over=stopped == "input",
                   resets_used_up=stopped == "resets", cause=self.control.cause,
                   complaint="\n".join([*self.report.errors, self.complaints.errors()]).strip())

    def show_first_level(self):
        lines = self.first_level.decode(errors="replace").splitlines()
        os.write(2, "".join(f"bed: first level: {line}\n" for line in lines[-20:]).encode())

    def stop(self):
        super().stop()
        if self.options.log:
            with open(self.options.log + ".first-level", "wb") as file:
                file.write(self.first_level)
        if self.trace:
            self.trace.close()
        for wire in (self.console, self.report_wire, self.trace_wire):
            wire.close()


def image_formats(paths):
    return [(path, qemu.disk_format(path)) for path in paths]


def run_cold(options, folder, emulator, base, images):
    """-> End"""
    initrd = initramfs(options, folder, base, machine_command(options, emulator, images))
    nested = Nested(options)
    return nested.run(outer_command(options, emulator, base, initrd, images, nested.fds()))
