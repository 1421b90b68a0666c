"""Bed P: Bochs with a PMU that counts. Its command line, one run of it, and how that ended.

The machine says how it ended on a pipe (tools/pmu-bochs/model/bed.cc); what is not said there is in Bochs' log."""
import os
import pty
import re
import selectors
import subprocess
import sys
import time
import tty

from . import machine, patience
from .qemu import OVMF
from .verdict import NO_EMULATOR, BedError, End, verdict

TOOLS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
BUILDER = os.path.join(TOOLS, "pmu-bochs", "build")
MODELS = {"intel": "corei7_icelake_u", "amd": "ryzen"}
AMD_MODELS = ("ryzen", "trinity_apu", "zambezi", "phenomx3_8650_toliman")
IPS = 50000000
SIZE_OF_FLASH = 4 << 20
UNSUPPORTED = ("icount", "spread", "qemu", "qemu_arg", "secure_boot", "com2", "vga", "usb", "no_serial")

CONFIGURATION = """\
display_library: nogui
romimage: file={flash}, address={address:#x}, options=none
vgaromimage: file={empty}
cpu: model={model}, count={cpus}:1:1, ips={ips}, quantum=16, reset_on_triple_fault=0, ignore_bad_msrs={ignore}, \
exclude_features="{left_out}"{add}
memory: guest={memory}, host={memory}
pci: enabled=1, chipset=i440fx
clock: sync=none, time0=1700000000
com1: enabled=1, mode={serial}
plugin_ctrl: unmapped=1, speaker=0
log: {log}
panic: action=fatal
error: action=report
info: action=report
debug: action=ignore
{more}"""


def add_arguments(parser):
    group = parser.add_argument_group("bed P only")
    group.add_argument("--model", metavar="NAME", help="Bochs' name of a CPU, else the vendor's default")
    group.add_argument("--skid", type=int, default=0, metavar="N",
                       help="instructions between an overflow and its interrupt")
    group.add_argument("--ips", type=int, metavar="N", help="instructions per emulated second")
    group.add_argument("--pmu", default="", metavar="'NAME=VALUE ...'", help="the model's options: docs/pmu-model.md")
    group.add_argument("--stock", action="store_true", help="Bochs without the model, to compare speed")


def check(options):
    for name in UNSUPPORTED:
        if getattr(options, name) not in (None, False, "", []):
            raise BedError(f"bed P has no --{name.replace('_', '-')}")
    if options.accel != "tcg":
        raise BedError("bed P is an emulator: --accel is bed Q's")
    if options.cpu:
        raise BedError("bed P takes --model, not --cpu")


def emulator(options):
    """The path of the binary, built if need be. CEDE_BOCHS, or CEDE_BOCHS_STOCK, names another one."""
    named = os.environ.get("CEDE_BOCHS_STOCK" if options.stock else "CEDE_BOCHS")
    if named:
        return named
    try:
        built = subprocess.run([BUILDER] + (["--stock"] if options.stock else []), stdout=subprocess.PIPE, text=True,
                               check=False)
    except OSError as error:
        raise BedError(f"{BUILDER}: {error.strerror}", NO_EMULATOR) from None
    if built.returncode:
        raise BedError("the emulator of bed P cannot be built: see above", NO_EMULATOR)
    return built.stdout.split()[-1]


def flash(options, folder):
    """OVMF's two files as the one ROM that Bochs wants; variables live in RAM."""
    names = [OVMF.format("VARS", ""), OVMF.format("CODE", "")]
    if options.firmware:
        names = list(reversed(options.firmware.split(",")))
    path = os.path.join(folder, "flash.rom")
    with open(path, "wb") as rom:
        for name in names:
            try:
                with open(name, "rb") as file:
                    rom.write(file.read())
            except OSError:
                raise BedError(f"{name}: no such firmware; tools/setup test installs OVMF") from None
    if os.path.getsize(path) > SIZE_OF_FLASH:
        raise BedError("the firmware is larger than 4 MiB")
    return path


def disks(options, image):
    places = ["ata0-master", "ata0-slave", "ata1-master", "ata1-slave"]
    if len(options.disk) >= len(places):
        raise BedError(f"bed P takes {len(places) - 1} --disk at most")
    for place, path in zip(places, [image] + options.disk):
        if not os.path.isfile(path):
            raise BedError(f"{path}: no such disk image")
        if os.path.getsize(path) % 512:
            raise BedError(f"{path}: not a raw image of whole sectors")
        written = path == image and (not options.image or options.image_mode == "write")
        mode = "flat" if written else "volatile"
        yield f'{place}: type=disk, path="{os.path.realpath(path)}", mode={mode}\n'
    yield "ata1: enabled=1, ioaddr1=0x170, ioaddr2=0x370, irq=15\n"


def configuration(options, folder, image, serial, settings):
    rom = flash(options, folder)
    empty = os.path.join(folder, "no-vga.rom")
    with open(empty, "wb"):
        pass
    text = CONFIGURATION.format(
        flash=rom, address=(1 << 32) - os.path.getsize(rom), empty=empty, cpus=options.cpus,
        model=options.model or MODELS[options.vendor], memory=options.memory, ips=options.ips or IPS, serial=serial,
        ignore=int(options.stock), add=', add_features="x2apic"' if options.x2apic and is_amd(options) else "",
        log=os.path.join(folder, "bochs.log"), **settings)
    path = os.path.join(folder, "bochsrc")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "".join(disks(options, image)))
    return path


def is_amd(options):
    return options.model in AMD_MODELS if options.model else options.vendor == "amd"


def serial_wire(interactive):
    """A pipe, or where somebody types a pseudo-terminal: Bochs' terminal mode drops output when nobody reads for a while.
    -> our end, its end, Bochs' mode of the port"""
    if not interactive:
        ours, theirs = os.pipe()
        return ours, theirs, f"file, dev=/proc/self/fd/{theirs}"
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    return ours, theirs, f"term, dev={os.ttyname(theirs)}"


class Bochs:
    """One run."""

    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.master, self.slave, self.serial = serial_wire(options.interactive)
        self.report, self.reporter = os.pipe()
        self.said = b""
        self.wire = machine.Wire(options.log, options.panic_ok)
        self.keyboard = None
        self.process = None
        self.selector = selectors.PollSelector()  # epoll takes no files, which stdin may be

    def settings(self):
        return {"left_out": "rdrand,rdseed,mwait,mwaitx", "more": ""}

    def fds(self):
        return [self.reporter, self.slave]

    def start(self, program, image):
        command = [program, "-q", "-f", configuration(self.options, self.folder, image, self.serial, self.settings())]
        chosen = f"skid={self.options.skid} reboots={self.options.reboots} {self.options.pmu} report={self.reporter}"
        environment = {**os.environ, "CEDE_PMU": chosen, "BXSHARE": self.folder}
        with open(os.path.join(self.folder, "output"), "wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                pass_fds=self.fds(), env=environment, preexec_fn=machine.die_with_parent)
        os.close(self.reporter)
        self.selector.register(self.master, selectors.EVENT_READ, self.on_serial)
        self.selector.register(self.report, selectors.EVENT_READ, self.on_report)
        if self.options.interactive:
            self.keyboard = machine.Keyboard(self.master, self.options.prompt)
            self.wire.listener = self.keyboard.heard

    def on_serial(self):
        self.wire.received(os.read(self.master, 65536))
        return True

    def on_report(self):
        data = os.read(self.report, 4096)
        self.said += data
        return bool(data)

    def watch(self):
        """Until the emulator has ended and its output is read. -> why it was stopped, '' = it ended by itself"""
        start = time.monotonic()
        while True:
            events = self.selector.select(0.2)
            for key, _ in events:
                if not key.data():
                    self.selector.unregister(key.fileobj)
            if not events and self.process.poll() is not None:
                return ""
            if self.keyboard and self.keyboard.attend(self.selector):
                return "input"
            if self.wire.panicked_at and patience.over(self.wire.panicked_at, machine.PANIC_GRACE):
                return "panic"
            if patience.over(start, self.options.timeout):
                return "timeout"
            if why := self.over():
                return why

    def over(self):
        """-> why the run is to be ended, besides what is looked for here"""
        return ""

    def log(self, name="bochs.log"):
        try:
            with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def end(self, stopped):
        if stopped:
            self.process.kill()
        returncode = self.process.wait()
        log = self.log()
        said = self.said.decode().splitlines()
        end = End(returncode=returncode, started="start 0" in said or self.options.stock,
                  panicked=self.wire.panicked_at is not None, triple_fault=bool(re.search(r"3rd \(", log)),
                  timed_out=stopped == "timeout", input_over=stopped == "input")
        for line in said:
            if line.startswith("instructions "):
                print(f"bed: {line}", file=sys.stderr)
        last = said[-1].split() if said else ["nothing"]
        if last[0] == "exit":
            end.returncode = int(last[1]) << 1 | 1
        elif last[0] == "reset":
            end.returncode, end.cause = 0, "guest-reset"
            end.resets_used_up = self.options.reboots > 0
        elif "soft power off" in log:
            end.returncode, end.cause, end.started = 0, "guest-shutdown", True
        elif not stopped:
            end.returncode = min(returncode, -1)  # a status of Bochs' own must not read as QEMU's exit port
            self.complain(log)
        return end

    def complain(self, log):
        panics = re.findall(r"^\S*p\[.*$|.*>>PANIC<<.*$", log, re.MULTILINE)
        lines = panics[-3:] or self.log("output").splitlines()[-5:]
        os.write(2, ("\n".join(lines) + "\n").encode())

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.keyboard:
            self.keyboard.close()
        self.wire.close()
        self.selector.close()
        for fd in (self.master, self.slave, self.report):
            os.close(fd)


def keep(options, folder):
    """CEDE_BED_KEEP=FOLDER: Bochs' log stays there."""
    target = os.environ.get("CEDE_BED_KEEP")
    if target:
        os.makedirs(target, exist_ok=True)
        for name in ("bochs.log", "bochsrc", "output"):
            if os.path.exists(os.path.join(folder, name)):
                os.replace(os.path.join(folder, name), os.path.join(target, name))


def run(options, folder, make_image):
    """-> (exit status, why)"""
    check(options)
    program = emulator(options)
    image = make_image()
    bochs = Bochs(options, folder)
    try:
        bochs.start(program, image)
        return verdict(bochs.end(bochs.watch()))
    finally:
        bochs.stop()
        keep(options, folder)
