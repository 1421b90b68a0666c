"""Answers as text for people, and as metrics for Prometheus."""


def heading(name):
    return name.replace("_", " ")


def text_of(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def table(rows):
    names = list(rows[0])
    if len(names) == 1:
        return [text_of(row[names[0]]) for row in rows]
    widths = [max(len(heading(name)), *(len(text_of(row.get(name, ""))) for row in rows)) for name in names]
    numbers = [all(isinstance(row.get(name), int) for row in rows) for name in names]

    def line(cells):
        return "  ".join(cell.rjust(width) if number else cell.ljust(width)
                         for cell, width, number in zip(cells, widths, numbers)).rstrip()

    return [line(map(heading, names))] + [line([text_of(row.get(name, "")) for name in names]) for row in rows]


def render(answer):
    """-> lines"""
    lines = []
    facts = {name: value for name, value in answer.items() if name not in ("ok", "error", "message", "cut")}
    width = max((len(name) for name, value in facts.items() if not isinstance(value, list)), default=0) + 2
    for name, value in facts.items():
        if isinstance(value, list):
            lines += table(value) if value else [f"{heading(name)}: none"]
        else:
            lines.append(heading(name).ljust(width) + text_of(value))
    if answer.get("cut"):
        lines.append("(more does not fit an answer)")
    return lines + [answer[name] for name in ("message",) if name in answer]


# --- Prometheus' text format, version 0.0.4 ----------------------------------------------------------
def quoted(value):
    return '"' + str(value).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") + '"'


def sample(name, labels, value):
    inside = ",".join(f"{key}={quoted(text)}" for key, text in labels.items())
    return f"{name}{{{inside}}} {value}" if inside else f"{name} {value}"


def metric(name, kind, text, samples):
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *(sample(name, *one) for one in samples)]


STATES = ("firmware", "running", "waiting", "stopped", "paused", "management")


def export(answers):
    """`answers`: by command (EXPORTED) -> lines"""
    cores = answers["cores"]["cores"]
    lines = metric("cede_info", "gauge", "Cede's version and what it runs on.",
                   [({"version": answers["version"]["cede"], "build": answers["version"].get("build", "unknown"),
                      "virtualization": answers["version"]["virtualization"]}, 1)])
    lines += metric("cede_core_state", "gauge", "1 for the state that a core is in.",
                    [({"core": core["core"], "state": state}, int(core["state"] == state))
                     for core in cores for state in STATES])
    lines += metric("cede_exits_total", "counter", "Exits since start, by core and reason.",
                    [({"core": row["core"], "reason": row["reason"]}, row["exits"])
                     for row in answers["exits all"]["exits"]])
    lines += metric("cede_denials_total", "counter", "Event selector writes whose event was denied.",
                    [({"core": core["core"]}, core["denials"]) for core in cores])
    lines += metric("cede_memory_kept_bytes", "gauge", "Memory kept from the guests.",
                    [({}, answers["memory"]["kept"])])
    return lines


EXPORTED = ("version", "cores", "exits all", "memory")
