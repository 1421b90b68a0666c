"""Options of tools/bed, and the order in which a run happens."""
import argparse
import contextlib
import os
import re
import shutil
import signal
import sys
import tempfile

from . import bochs, kvm, machine, nested, nested_p, processor, qemu, saved, volume
from .verdict import SETUP, BedError, verdict

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
BUILD = os.path.join(ROOT, "build")
DEFAULT_TIMEOUT = {"Q": 180, "P": 180, "N": 400}
DEFAULT_VENDOR = {"Q": "amd", "P": "intel", "N": "amd"}
LONGEST = 10 ** 6  # seconds

EPILOG = """exit status: 0 to 99 the value that the guest wrote to port 0xf4, 0 also for a power-off and for --prompt;
123 reset, 124 timeout, 125 the machine died, 126 usage or set-up, 127 emulator missing.
With --interactive on a terminal, Ctrl-A x ends the machine."""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise BedError(f"{message}\n{self.format_usage().strip()}")


def parser():
    p = Parser(prog="tools/bed", epilog=EPILOG, allow_abbrev=False,
               formatter_class=argparse.RawDescriptionHelpFormatter,
               description="Boots an EFI program on an emulated machine, under Cede unless --bare.")
    p.add_argument("bed", choices=["Q", "P", "N"],
                   help="Q: QEMU (AMD); P: Bochs with a PMU that counts; N: KVM's nested virtualization, in an emulator")
    p.add_argument("file", nargs="?", metavar="FILE.efi",
                   help="any EFI program, a kernel included; none: Cede's own choice, e.g. a --disk")
    p.add_argument("--bare", action="store_true", help="without Cede")
    p.add_argument("--cpus", type=int, default=1, metavar="N")
    p.add_argument("--spread", action="store_true",
                   help="QEMU's processors on all of this machine's: faster, for what runs no OS (bedlib/processor.py)")
    p.add_argument("--memory", type=int, default=512, metavar="MB")
    p.add_argument("--timeout", type=float, metavar="S",
                   help="seconds until 124, more on a busy machine (default 180, bed N 400; none with --interactive)")
    p.add_argument("--x2apic", action="store_true", help="interrupt remapping, so that OSes use x2APIC")
    p.add_argument("--icount", type=int, metavar="N", help="TSC = executed instructions * 2^N")
    p.add_argument("--reboots", type=int, default=0, metavar="N", help="resets that do not end the run")
    p.add_argument("--panic-ok", action="store_true",
                   help="a panic of Cede's does not end the run, for tests that provoke one")
    p.add_argument("--disk", action="append", default=[], metavar="IMG", help="a disk (snapshot)")
    p.add_argument("--add", action="append", default=[], metavar="SRC=DEST",
                   help="one more file on the boot volume")
    p.add_argument("--options", default="", metavar="TEXT", help="the program's load options")
    p.add_argument("--conf", metavar="FILE", help="cede.conf; next and options are added if absent")
    p.add_argument("--com2", metavar="SOCKET", help="a second serial port, as a UNIX socket")
    p.add_argument("--log", metavar="FILE", help="raw serial output goes there too")
    p.add_argument("--interactive", action="store_true", help="stdin is the serial console's input")
    p.add_argument("--prompt", metavar="REGEX",
                   help="--interactive without a terminal: type a line of stdin when the guest shows this; done at its end")
    p.add_argument("--vga", action="store_true", help="a display adapter: firmware has a GOP")
    p.add_argument("--no-serial", action="store_true", help="bed Q: no serial port; the run ends by itself or in time")
    p.add_argument("--cpu", default="", metavar="MODEL",
                   help="QEMU's -cpu, e.g. max,-svm (default max; host on KVM, and on bed N)")
    p.add_argument("--accel", choices=["tcg", "kvm"], default="tcg",
                   help="bed Q: kvm runs it on this machine's own virtualization, nested")
    p.add_argument("--firmware", metavar="CODE,VARS", help="other UEFI firmware than OVMF's default")
    p.add_argument("--secure-boot", action="store_true", help="OVMF with its snake-oil keys enrolled")
    p.add_argument("--launcher", metavar="FILE", help="BOOTX64.EFI instead of Cede or the bare launcher")
    p.add_argument("--image", metavar="IMG", help="boot this disk image as it is; FILE and its like are moot")
    p.add_argument("--image-mode", choices=("snapshot", "write", "read-only"), default="snapshot",
                   help="what becomes of writes to --image: gone with the machine (default), kept, refused; not on bed N")
    p.add_argument("--usb", action="store_true",
                   help="bed Q: the boot volume is a USB stick, which firmware starts if there is no --disk, or when told to")
    p.add_argument("--qemu", metavar="PATH", help="default: tools/setup's QEMU 10, else the system's")
    p.add_argument("--qemu-arg", action="append", default=[], metavar="ARG", help="passed on as it is")
    p.add_argument("--vendor", choices=["amd", "intel"], help="beds P (default intel) and N (default amd)")
    bochs.add_arguments(p)
    nested.add_arguments(p)
    return p


def checked(arguments):
    options = parser().parse_intermixed_args(arguments)
    if options.cpus < 1 or options.memory < 1:
        raise BedError("--cpus and --memory want a number above 0")
    if options.reboots < 0:
        raise BedError("--reboots wants a number from 0")
    if options.timeout is None:
        options.timeout = 0 if options.interactive else DEFAULT_TIMEOUT[options.bed]
    if options.vendor is None:
        options.vendor = DEFAULT_VENDOR[options.bed]
    if not 0 <= options.timeout <= LONGEST:
        raise BedError(f"--timeout wants seconds from 0 (none) to {LONGEST}")
    try:
        re.compile(options.prompt or "")
    except re.error as error:
        raise BedError(f"--prompt {options.prompt}: {error}") from None
    if options.bed == "Q" and options.vendor == "intel" and options.accel == "tcg":
        raise BedError("bed Q emulates AMD only: Intel is bed P's")
    return options


def launcher(options):
    if options.launcher:
        return options.launcher
    name = "launch.efi" if options.bare else "cede.efi"
    path = os.path.join(BUILD, name)
    if not os.path.isfile(path):
        raise BedError(f"{path} is missing: run make build/{name}")
    return path


def added(options):
    for item in options.add:
        source, separator, destination = item.rpartition("=")
        if not separator or not destination:
            raise BedError(f"--add {item}: wants SRC=DEST")
        yield source, destination


def write_configuration(options, folder):
    text = b"# written by tools/bed\n"
    if options.conf:
        try:
            with open(options.conf, "rb") as file:
                text = file.read()
        except OSError as error:
            raise BedError(f"--conf {options.conf}: {error.strerror}") from None
    path = os.path.join(folder, "cede.conf")
    with open(path, "wb") as file:
        program = options.file and os.path.basename(options.file)
        file.write(volume.configuration(text, program, options.options))
    return path


def boot_image(options, folder):
    if options.image:
        if not os.path.isfile(options.image):
            raise BedError(f"--image {options.image}: no such image")
        return options.image
    image = os.path.join(folder, "boot.img")
    files = [(launcher(options), "EFI/BOOT/BOOTX64.EFI"),
             (write_configuration(options, folder), "cede.conf")]
    if options.file:
        files.append((options.file, os.path.basename(options.file)))
    volume.build(image, files + list(added(options)))
    return image


def one_processor(options):
    """-> a context whose value goes before the emulator's command line"""
    apart = options.spread or options.accel == "kvm" or options.icount is not None or options.cpus == 1
    return contextlib.nullcontext([]) if apart else processor.Processor(qemu.CACHE)


def run(options, folder):
    if options.bed == "P":
        return bochs.run(options, folder, lambda: boot_image(options, folder))
    if options.bed == "N":
        run_nested = {"amd": saved.run, "intel": nested_p.run}[options.vendor]
        return verdict(run_nested(options, folder, lambda: boot_image(options, folder)))
    if options.accel == "kvm":
        kvm.check(options)
    emulator = qemu.find(options.qemu or qemu.default_path())

    def command(control_fd, reset_log):
        return runner + qemu.command_line(options, emulator, image, control_fd, reset_log)

    image = boot_image(options, folder)
    with one_processor(options) as runner:
        return verdict(machine.run(options, command, folder))


def on_signal(number, _):
    raise SystemExit(128 + number)


def fill_standard_streams():
    """What was closed would be taken by the next file or socket that is opened."""
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def main(arguments):
    fill_standard_streams()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    folder = tempfile.mkdtemp(prefix="cede-bed-")
    try:
        status, why = run(checked(arguments), folder)
        print(f"bed: {why}", file=sys.stderr)
        return status
    except BedError as error:
        print(f"bed: {error}", file=sys.stderr)
        return error.status
    except OSError as error:
        print(f"bed: {error}", file=sys.stderr)
        return SETUP
    except machine.LeftByUser:
        return machine.LEFT_BY_USER
    finally:
        shutil.rmtree(folder, ignore_errors=True)
