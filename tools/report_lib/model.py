"""What docs/pmu-model.md assumes of processors, as far as a report can contradict it. Bed P follows these rules, and
Cede's tests demand them: where a machine does not, rule and test are to be mended, with its manual's reason."""
import fnmatch
from dataclasses import dataclass

from . import measures

MOST = 5  # lines of one rule


@dataclass(frozen=True)
class Rule:
    section: str        # of docs/pmu-model.md, where no other file is named
    says: str
    of: str             # measurements, as a shell pattern
    number: float = None    # what they are ...
    like: tuple = ()    # ... or, with the one word replaced by the other, whose value they have
    kinds: tuple = ("bare", "cede")
    as_bare: bool = False   # ... or what they are bare


RULES = (
    Rule("Counting, 1", "an instruction that retires is one instruction (here three)", "op.*cpuid-?.instructions", 3),
    Rule("Counting, 1", "likewise (here one)", "op.rdtsc.instructions", 1),
    Rule("Counting, 1", "likewise (here four)", "op.wrmsr-lstar.instructions", 4),
    Rule("Counting, 1", "an instruction is a cycle", "op.*.cycles", like=(".cycles", ".instructions")),
    Rule("Counting, 1", "an instruction is a cycle", "exact.*-cycles", like=("-cycles", "-instructions")),
    Rule("Counting, 2", "an exit and entry in one ring count nothing in the other", "op.*-other-ring", 0),
    Rule("Counting, 4; Virtualization, 26", "an exit and entry are no branch, VMRUN neither", "op.*.branches", 0),
    Rule("Counting, 5", "an exit and entry make no branch miss", "op.*.branch-misses", 0),
    Rule("Counting, 8", "reference cycles follow the TSC", "op.*.reference-cycles",
         like=(".reference-cycles", ".tsc"), kinds=("bare",)),
    Rule("Overflow and PMI, 14; --skid", "a PMI strikes right behind the instruction that overflows", "skid.*", 0),
    Rule("Counting, 1; hv/counters/credit.h", "what is emulated is credited as one instruction", "op.*.instructions",
         kinds=("cede",), as_bare=True),
    Rule("Counting, 1; hv/counters/credit.h", "... and as one cycle", "op.*.cycles", kinds=("cede",), as_bare=True),
    Rule("Counting, 12; guest-tests/exact.c", "a guest counts as the bare machine", "exact.*", kinds=("cede",),
         as_bare=True),
)


def expected(rule, name, mine, bare):
    """-> what the rule wants a measurement to be: a number, a Measure, or None: it cannot be told"""
    if rule.like:
        return mine.get(name.replace(*rule.like))
    return bare.get(name) if rule.as_bare else rule.number


def fits(measure, wanted):
    return measure.has(wanted) if isinstance(wanted, (int, float)) else not measure.apart(wanted)


def against(rule, kind, mine, bare):
    for name, measure in mine.items():
        wanted = expected(rule, name, mine, bare) if fnmatch.fnmatch(name, rule.of) else None
        if wanted is not None and not fits(measure, wanted):
            yield f"{kind} {name}: {measure}, by the rule {wanted}"


def differences(report, reports):
    """-> (rule, line): what of a report is not as the model has it"""
    mine = {"bare": measures.bare(report, reports), "cede": measures.measures(report, "cede")}
    for rule in RULES:
        lines = [line for kind in rule.kinds for line in against(rule, kind, mine[kind], mine["bare"])]
        if len(lines) > MOST:
            lines[MOST:] = [f"... and {len(lines) - MOST} more"]
        for line in lines:
            yield f"{rule.section}: {rule.says}", line
