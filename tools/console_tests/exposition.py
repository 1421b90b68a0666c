"""A strict reader of Prometheus' text format 0.0.4, for what `cedectl export` prints.

    https://prometheus.io/docs/instrumenting/exposition_formats/"""
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
COMMENT = re.compile(rf"# (HELP|TYPE) ({NAME}) (.+)\Z")
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)?\}})? (\S+)\Z")
KINDS = {"counter", "gauge"}  # all that is used


class BadFormat(ValueError):
    pass


class Reader:
    """Each metric: HELP, TYPE, then all its samples."""

    def __init__(self):
        self.kinds, self.helped = {}, set()
        self.metrics = {}  # name -> [(labels, value)]

    def comment(self, what, name, rest):
        known = self.helped if what == "HELP" else self.kinds
        if name in known or name in self.metrics:
            raise BadFormat(f"{what} of {name} twice, or too late")
        if what == "HELP":
            self.helped.add(name)
        elif rest in KINDS:
            self.kinds[name] = rest
        else:
            raise BadFormat(f"no type: {rest}")

    def sample(self, name, text, value):
        pairs = [pair.split("=", 1) for pair in re.findall(LABEL, text or "")]
        labels = {key: quoted[1:-1] for key, quoted in pairs}
        if name not in self.kinds or name not in self.helped:
            raise BadFormat(f"{name} without TYPE and HELP")
        if name in self.metrics and list(self.metrics)[-1] != name:
            raise BadFormat(f"the samples of {name} do not stand together")
        samples = self.metrics.setdefault(name, [])
        if len(labels) < len(pairs) or labels in [others for others, _ in samples]:
            raise BadFormat(f"a label or a series of {name} twice")
        samples.append((labels, float(value)))

    def check(self):
        """What holds for a metric as a whole."""
        for name, kind in self.kinds.items():
            samples = self.metrics.get(name)
            if not samples:
                raise BadFormat(f"{name} has no sample")
            if (kind == "counter") != name.endswith("_total"):
                raise BadFormat(f"{name}: the name does not say that it is a {kind}")
            if kind == "counter" and min(value for _, value in samples) < 0:
                raise BadFormat(f"{name} is negative")


def parse(text):
    """-> {metric: [(labels, value)]}"""
    reader = Reader()
    if not text.endswith("\n"):
        raise BadFormat("the last line has no end")
    for line in text.splitlines():
        if found := COMMENT.match(line):
            reader.comment(*found.groups())
        elif found := SAMPLE.match(line):
            reader.sample(*found.groups())
        else:
            raise BadFormat(f"neither a comment nor a sample: {line}")
    reader.check()
    return reader.metrics
