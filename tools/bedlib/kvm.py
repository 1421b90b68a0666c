"""Can this machine run Cede on its own KVM? If not, why, in one sentence with the remedy."""
import grp
import os

from .verdict import BedError

DEVICE = "/dev/kvm"
VENDORS = {"svm": "kvm_amd", "vmx": "kvm_intel"}


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def extension(root=""):
    """-> svm or vmx, as /proc/cpuinfo shows; None: neither"""
    for line in read(f"{root}/proc/cpuinfo").splitlines():
        if line.startswith("flags"):
            return next((name for name in VENDORS if name in line.split()), None)
    return None


def group_of(path):
    number = os.stat(path).st_gid
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def trouble(root=""):
    """-> what is in the way, or ''. `root` is for tests."""
    device, feature = root + DEVICE, extension(root)
    if not feature:
        return ("this processor shows neither SVM nor VMX: switch virtualization on in the firmware's set-up, or, in a "
                "virtual machine, nesting on its host")
    module = VENDORS[feature]
    if not os.path.exists(device):
        return f"there is no {DEVICE}: modprobe {module} (as root) makes it"
    if not os.access(device, os.R_OK | os.W_OK):
        group = group_of(device)
        return f"{DEVICE} is not yours to open: it is group {group}'s; usermod -aG {group} USER (as root), then log in again"
    nested = read(f"{root}/sys/module/{module}/parameters/nested").strip()
    if nested not in ("1", "Y"):
        return (f"{module} has nesting off: modprobe -r {module} && modprobe {module} nested=1 (as root, no machine "
                f"running), and 'options {module} nested=1' in /etc/modprobe.d keeps it")
    return ""


def check(options):
    if options.icount is not None:
        raise BedError("--icount is of --accel tcg: KVM counts no instructions")
    if why := trouble():
        raise BedError(f"--accel kvm: {why}")
