"""MSRs of Cede's rows, as msrs.efi reads them: `msr: FIRST-LAST RULE reads|faults`."""
import re

LINE = re.compile(r"msr: (\S+ (\S+) \w+)\s*$")
AS_BARE = {"pass", "trap-write", "locked", "frozen"}  # reads pass (hv/msr/msr_table.h)


def passed(report, step):
    found = [LINE.match(line) for line in report.steps.get(step, ("", []))[1]]
    return [match[1] for match in found if match and match[2] in AS_BARE]


def differ(report):
    """-> lines: what must read under Cede as it does bare, and does not"""
    bare, cede = passed(report, "bare msrs"), passed(report, "cede msrs")
    if bare and cede:
        yield from (f"bare {line}" for line in bare if line not in cede)
        yield from (f"under Cede {line}" for line in cede if line not in bare)
