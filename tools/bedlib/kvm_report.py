"""What the first level of bed N says of KVM and of the machine on it, a line each (tools/nested/init has the words)."""
import json
import os
import re

COMPLAINT = re.compile(r"kvm|svm|vmx|WARNING:|BUG:", re.IGNORECASE)
TRIPLE_FAULT = "KVM_EXIT_SHUTDOWN"

# Codes of #VMEXIT (APM volume 2, appendix C): 16 for each of these, then some by name.
AMD_ROWS = ("CR{} read", "CR{} write", "DR{} read", "DR{} write", "exception {}", "exception {}")
AMD = {
    0x60: "INTR", 0x61: "NMI", 0x62: "SMI", 0x63: "INIT", 0x64: "VINTR", 0x65: "CR0 selective", 0x6e: "RDTSC",
    0x6f: "RDPMC", 0x72: "CPUID", 0x76: "INVD", 0x78: "HLT", 0x7a: "INVLPGA", 0x7b: "IOIO", 0x7c: "MSR",
    0x7f: "shutdown", 0x80: "VMRUN", 0x81: "VMMCALL", 0x82: "VMLOAD", 0x83: "VMSAVE", 0x84: "STGI", 0x85: "CLGI",
    0x86: "SKINIT", 0x87: "RDTSCP", 0x89: "WBINVD", 0x8a: "MONITOR", 0x8b: "MWAIT", 0x8d: "XSETBV", 0x400: "NPF"}
# Basic exit reasons (SDM appendix C).
INTEL = (
    "exception or NMI", "interrupt", "triple fault", "INIT", "SIPI", "I/O SMI", "SMI", "interrupt window", "NMI window",
    "task switch", "CPUID", "GETSEC", "HLT", "INVD", "INVLPG", "RDPMC", "RDTSC", "RSM", "VMCALL", "VMCLEAR", "VMLAUNCH",
    "VMPTRLD", "VMPTRST", "VMREAD", "VMRESUME", "VMWRITE", "VMXOFF", "VMXON", "CR access", "MOV DR", "I/O", "RDMSR",
    "WRMSR", "entry: guest state", "entry: MSR loading", "35", "MWAIT", "monitor trap flag", "38", "MONITOR", "PAUSE",
    "entry: machine check", "42", "TPR below threshold", "APIC access", "virtualized EOI", "GDTR or IDTR", "LDTR or TR",
    "EPT violation", "EPT misconfiguration", "INVEPT", "RDTSCP", "preemption timer", "INVVPID", "WBINVD", "XSETBV")


def amd_reason(code):
    if code < 0x60:
        return AMD_ROWS[code >> 4].format(code - 0x40 if code >= 0x40 else code % 16)
    return AMD.get(code, hex(code))


def intel_reason(code):
    return INTEL[code] if code < len(INTEL) else hex(code)


class Report:
    """`control` hears the events of the machine's QMP where they come this way."""

    def __init__(self, vendor, control, trace):
        self.reason = {"amd": amd_reason, "intel": intel_reason}[vendor]
        self.control = control
        self.trace = trace   # a file, or None
        self.buffer = b""
        self.status = None   # QEMU's
        self.complaints = 0
        self.refused = 0
        self.triple_fault = False
        self.errors = []     # QEMU's
        self.exits = []
        self.untold = []
        self.heard = set()

    def received(self, data):
        self.buffer += data
        *lines, self.buffer = self.buffer.split(b"\n")
        for line in lines:
            self.line(line.decode(errors="replace").strip())

    def line(self, text):
        word, _, rest = text.partition(" ")
        handler = getattr(self, f"on_{word}", None)
        if handler:
            handler(rest)

    def tell(self, text):
        self.untold.append(f"bed: {text}\n")

    def flush(self, at_line_start, at_the_end):
        """To stderr, where it does not break a line of the machine's apart."""
        if at_the_end and not at_line_start:
            os.write(2, b"\n")
        if at_the_end or at_line_start:
            os.write(2, "".join(self.untold).encode())
            self.untold = []

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

    def on_trace(self, text):
        if self.trace:
            self.trace.write(text.encode() + b"\n")

    def on_qmp(self, text):
        self.control.message(json.loads(text))

    def on_exit(self, text):
        self.status = int(text)

    def summary(self):
        exits = ", ".join(f"{self.reason(key)} {count}" for count, key in self.exits)
        return (f"KVM: {self.refused} failed nested entries, {self.complaints} complaints in its log, "
                f"{sum(count for count, _ in self.exits)} nested exits{f' ({exits})' if exits else ''}")
