"""Measurements of a report: `measure: NAME UNIT MIN MEDIAN MAX` (docs/hardware.md), and what of them differs beyond
the noise: when the ranges, each over all that was measured of the same, have a gap between them."""
import re
from dataclasses import dataclass, replace

LINE = re.compile(r"measure: (\S+) (\S+) (-?\d+\.\d\d) (-?\d+\.\d\d) (-?\d+\.\d\d)\s*$")
KINDS = {"bare": ("bare ", "again "), "cede": ("cede ",), "once": ("bare ",), "again": ("again ",)}
COLUMNS = ("bare", "cede")
ROUNDING = 0.015  # the numbers have two places
SAME_MACHINE = ("processor.brand", "processor.microcode", "system.vendor", "system.product", "bios.version")
SHORT = re.compile(r"(op\..*\.(tsc|cycles)|memory\..*|skid\..*|start\..*)$")  # what a table is of


@dataclass(frozen=True)
class Measure:
    unit: str
    least: float
    median: float
    most: float

    def with_(self, other):
        return replace(self, least=min(self.least, other.least), most=max(self.most, other.most))

    def apart(self, other):
        return max(self.least - other.most, other.least - self.most) > ROUNDING

    def has(self, number):
        return self.least - ROUNDING <= number <= self.most + ROUNDING

    def is_count(self):
        return not self.unit.startswith(("ticks", "us"))

    def __str__(self):
        if self.least == self.most:
            return f"{self.median:.2f}"
        return f"{self.median:.2f} ({self.least:.2f} to {self.most:.2f})"


def joined(many):
    """{name: Measure} over several of the same kind"""
    found = {}
    for measures in many:
        for name, measure in measures.items():
            found[name] = found[name].with_(measure) if name in found else measure
    return found


def of_lines(lines):
    found = [LINE.match(line) for line in lines]
    return {match[1]: Measure(match[2], *map(float, match.groups()[2:])) for match in found if match}


def measures(report, kind):
    """{name: Measure} of what was measured bare or under Cede; bare in the first boot, or in the second"""
    return joined(of_lines(lines) for step, (_, lines) in report.steps.items() if step.startswith(KINDS[kind]))


def same_machine(report, reports):
    def key(one):
        return [one.machine.get(fact) for fact in SAME_MACHINE]
    return [other for other in reports if key(other) == key(report)]


def bare(report, reports):
    """With the noise from one boot to the next, where there are several reports of the machine."""
    return joined(measures(other, "bare") for other in [report, *same_machine(report, reports)])


def apart(first, second):
    """-> (name, Measure, Measure) of those in both that differ"""
    return [(name, measure, second[name]) for name, measure in first.items()
            if name in second and measure.apart(second[name])]


def times(first, second):
    return f"{second.median / first.median:.2f} times" if first.median > 0 and second.median > 0 else ""


def bare_against_bare(report):
    """-> lines: how far two boots differ that differ in nothing; none when there was only one"""
    first, second = measures(report, "once"), measures(report, "again")
    differ, common = apart(first, second), [name for name in first if name in second]
    if common:
        yield f"{len(differ)} of {len(common)} measurements"
    for name, one, other in differ:
        yield f"{name} {one.unit}: {one}, again {other}  {times(one, other)}".rstrip()


def bare_against_cede(report, reports):
    """-> lines; none when nothing was measured in both"""
    first, second = bare(report, reports), measures(report, "cede")
    differ = apart(first, second)
    common = [name for name in first if name in second]
    if common:
        yield f"{len(differ)} of {len(common)} measurements"
    for name, one, other in differ:
        yield f"{name} {one.unit}: bare {one}, under Cede {other}  {times(one, other)}".rstrip()


def machines_differ(one, other, reports):
    """-> lines: counts that differ bare. Times differ anyway: the table has them."""
    for name, first, second in apart(bare(one, reports), bare(other, reports)):
        if first.is_count():
            yield f"{name}: {first} | {second}"


def table(reports, everything):
    """-> lines: medians, bare and under Cede, of each report"""
    columns = [measures(report, kind) for report in reports for kind in COLUMNS]
    names = [name for name in joined(columns) if everything or SHORT.match(name)]
    width = max([len(name) for name in names], default=0)
    if names:
        heads = [f"{number} {kind}" for number in range(1, len(reports) + 1) for kind in COLUMNS]
        yield f"{'medians':{width}} {'':10}" + "".join(f"{head:>12}" for head in heads)
    for name in names:
        cells = [f"{column[name].median:.2f}" if name in column else "-" for column in columns]
        unit = next(column[name].unit for column in columns if name in column)
        yield f"{name:{width}} {unit:10}" + "".join(f"{cell:>12}" for cell in cells)
