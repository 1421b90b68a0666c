"""Bed Q: which QEMU, and its command line."""
import functools
import os
import re
import shutil
import subprocess

from .verdict import NO_EMULATOR, BedError

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "cede")
PRIVATE = os.path.join(CACHE, "qemu-10", "usr", "bin", "qemu-system-x86_64")
PROGRAM = "qemu-system-x86_64"
OVMF = "/usr/share/OVMF/OVMF_{}_4M{}.fd"
DEFAULT_CPU = {"tcg": "max", "kvm": "host"}
X2APIC_SINCE = 10  # the first QEMU whose TCG has an x2APIC


def default_path():
    """The QEMU that tools/setup keeps in the cache, else the system's."""
    return PRIVATE if os.access(PRIVATE, os.X_OK) else PROGRAM


def find(path):
    found = shutil.which(path)
    if not found:
        raise BedError(f"{path}: no such emulator; tools/setup test installs one", NO_EMULATOR)
    return os.path.realpath(found)


@functools.lru_cache
def major_version(path):
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"version (\d+)", said)
    if not match:
        raise BedError(f"{path} --version does not say which version it is: {said.strip()!r}")
    return int(match.group(1))


def data_folders(path):
    """-L for a QEMU that runs from an unpacked package: its own data first, then the system's firmware."""
    own = os.path.normpath(os.path.join(os.path.dirname(path), "../share/qemu"))
    if own == "/usr/share/qemu" or not os.path.isdir(own):
        return []
    return ["-L", own, "-L", "/usr/share/seabios", "-L", "/usr/lib/ipxe/qemu"]


def firmware_files(options):
    """-> (code, variables)"""
    if options.firmware:
        code, separator, variables = options.firmware.partition(",")
        if not separator:
            raise BedError("--firmware wants CODE,VARS")
    elif options.secure_boot:
        code, variables = OVMF.format("CODE", ".secboot"), OVMF.format("VARS", ".snakeoil")
    else:
        code, variables = OVMF.format("CODE", ""), OVMF.format("VARS", "")
    for path in (code, variables):
        if not os.path.isfile(path):
            raise BedError(f"{path}: no such firmware; tools/setup test installs OVMF")
    return code, variables


def firmware(code, variables):
    return ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={code}",
            "-drive", f"if=pflash,unit=1,format=raw,snapshot=on,file={variables}"]


def machine(options, path):
    kind = "q35"
    extra = []
    if options.secure_boot:
        kind += ",smm=on"
        extra += ["-global", "driver=cfi.pflash01,property=secure,value=on"]
    if options.x2apic:
        if options.accel == "tcg" and major_version(path) < X2APIC_SINCE:
            raise BedError(f"--x2apic needs QEMU {X2APIC_SINCE} or newer: {path} has no x2APIC in TCG; "
                           "tools/setup test fetches one where it can be had")
        kind += ",kernel-irqchip=split"
        extra += ["-device", "intel-iommu,intremap=on,eim=on"]
    return ["-machine", kind, *extra]


def accelerator(options):
    if options.accel == "kvm":
        return ["-accel", "kvm"]
    if options.icount is None:
        return ["-accel", "tcg,thread=multi"]
    return ["-accel", "tcg,thread=single", "-icount", f"shift={options.icount},sleep=off"]


def disk_format(path):
    try:
        with open(path, "rb") as file:
            return "qcow2" if file.read(4) == b"QFI\xfb" else "raw"
    except OSError:
        raise BedError(f"{path}: no such disk image") from None


IMAGE_MODES = {"snapshot": "snapshot=on", "write": "snapshot=off", "read-only": "readonly=on"}


def disks(images, how, how_first=None, usb=False):
    """`images`: [(path, format)], the first one is booted from first. `how`: -drive's other options
    `usb`: the first one is a stick, and comes last: firmware prefers what is built in."""
    if usb:
        yield from ("-device", "qemu-xhci")
    for number, (path, kind) in enumerate(images):
        its = how_first if how_first and number == 0 else how
        stick = usb and number == 0
        device = "usb-storage,removable=on" if stick else "virtio-blk-pci"
        yield from ("-drive", f"if=none,id=disk{number},format={kind},file={path},{its}",
                    "-device", f"{device},drive=disk{number},bootindex={len(images) if stick else number}")


def serial(options):
    if options.no_serial:
        return []
    command = ["-chardev", "stdio,id=com1,signal=off", "-serial", "chardev:com1"]
    if options.com2:
        command += ["-chardev", f"socket,id=com2,path={options.com2},server=on,wait=off",
                    "-serial", "chardev:com2"]
    return command


def guest_machine(options, path, its_firmware, its_disks):
    """What the guest finds, wherever the emulator runs: all but its serial wires. It waits (-S) until it is told to go."""
    command = ["-nodefaults", "-display", "none", "-S", *machine(options, path),
               "-cpu", options.cpu or DEFAULT_CPU[options.accel],
               "-smp", str(options.cpus), "-m", str(options.memory), *its_firmware, *its_disks,
               "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", "-mon", "chardev=control,mode=control"]
    if options.vga:
        command += ["-vga", "std"]
    if not options.reboots:
        command += ["-no-reboot"]
    return command + options.qemu_arg


def command_line(options, path, image, control_fd, reset_log):
    """`reset_log` gets a line per triple fault."""
    images = [(name, disk_format(name)) for name in [image] + options.disk]
    drives = disks(images, "snapshot=on", IMAGE_MODES[options.image_mode], options.usb)
    return [path, *data_folders(path), *accelerator(options), *serial(options),
            "-chardev", f"socket,id=control,fd={control_fd}", "-d", "cpu_reset", "-D", reset_log,
            *guest_machine(options, path, firmware(*firmware_files(options)), drives)]
