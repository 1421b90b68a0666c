"""README's "What is not verified", and which steps and measurements of a report settle what of it. Only processors
settle anything: reports of emulators do not."""
import fnmatch
from dataclasses import dataclass

from . import measures

EMULATORS = ("QEMU", "Bochs")


@dataclass(frozen=True)
class Item:
    text: str               # how it begins in README.md, or a part of it that stands for itself
    steps: tuple = ()       # that must be ok
    measured: tuple = ()    # patterns: what must be there
    vendor: str = ""        # whose machine it takes


ITEMS = (
    Item("No processor has run this.", steps=("cede basic", "cede mp", "cede cpl3", "cede smp", "cede apicpage")),
    Item("Counts are exact by the model's rules", steps=("bare exact", "cede exact"),
         measured=("exact.*-instructions", "op.cpuid-0.cycles")),
    Item("Before perfmon version 4"),
    Item("AMD\n  without PerfMonV2 (before Zen 4)", measured=("op.cpuid-0.instructions",), vendor="AuthenticAMD"),
    Item("`vmrun-branch = on`", measured=("op.cpuid-0.branches",), vendor="AuthenticAMD"),
    Item("erratum SRF7", measured=("op.cpuid-0.instructions",), vendor="GenuineIntel"),
    Item("Intel, once all cores have been started"),
    Item("Intel, likewise", steps=("bare startstorm", "cede startstorm"), vendor="GenuineIntel"),
    Item("AMD: what stops cores"),
    Item("AMD: VMRUN and its kin", steps=("bare cpl3", "cede cpl3"), vendor="AuthenticAMD"),
    Item("A guest that raises #AC or #DB without end"),
    Item("Nested under KVM"),
    Item("No real serial line"),
    Item("Branch records and IBS on AMD ran in the model only"),
    Item("Intel's branch records were shown on the model only"),
    Item("Refusals that emulators cannot provoke"),
    Item("280 cores were captured", steps=("cede smp", "cede startstorm")),
    Item("A core that faults inside the hypervisor"),
)


def is_processor(report):
    fact = report.machine.get
    return fact("processor.hypervisor") == "none" and not fact("system.vendor", EMULATORS[0]).startswith(EMULATORS)


def missing(item, report):
    """-> what of a report would have to be there, and is not"""
    names = list(measures.measures(report, "cede"))
    yield from (f"{step} is {report.steps.get(step, ('not there',))[0]}" for step in item.steps
                if report.steps.get(step, ("",))[0] != "ok")
    yield from (f"no {pattern} under Cede" for pattern in item.measured if not fnmatch.filter(names, pattern))


def state(item, reports):
    """-> what the reports, by number, have to say of an item"""
    if not item.steps and not item.measured:
        return "open: no step of the stick settles it"
    heard = [(number, list(missing(item, report))) for number, report in reports
             if item.vendor in ("", report.machine.get("processor.vendor"))]
    settled = [str(number) for number, lacks in heard if not lacks]
    if settled:
        word = "settled" if item.steps else "measured, and to be read"
        return f"{word}: {', '.join([*item.steps, *item.measured])} of {', '.join(settled)}"
    return "open: " + ("; ".join(f"{number}: {lacks[0]}" for number, lacks in heard) or "no such processor")


def items(reports):
    """-> (item, what is to be said of it)"""
    processors = [(number, report) for number, report in enumerate(reports, 1) if is_processor(report)]
    for item in ITEMS if processors else ():
        yield " ".join(item.text.split()), state(item, processors)
