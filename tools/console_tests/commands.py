"""The commands: those of docs/console.md's transcript, as there, at the prompt and by program; errors; refusals."""
import os
import re

from cedectl_lib.session import Session

from .machine import TOOLS, Line, check, hanging, label, linux

PAGE = os.path.join(os.path.dirname(TOOLS), "docs/console.md")
WIDTH = 80
VARYING = {"exits", "log"}  # commands that do not have the same lines each time
ENDING = ("reset 0", "reboot", "poweroff")  # each ends a machine, in this file or in another


def page():
    with open(PAGE, encoding="utf-8") as file:
        return file.read()


def transcript():
    """-> [(command, answer)] of the page's first: a sole tenant's. (tools/test-guests has the partitions' commands.)"""
    block = re.search(r"```\n(cede> .*?)```", page(), re.S).group(1)
    parts = re.split(r"^cede> (.*)\n", block, flags=re.M)[1:]
    return list(zip(parts[::2], parts[1::2]))


def first_cells(answer):
    """The names of facts, the first column of tables."""
    return [re.split(r"  +", line.strip())[0] for line in answer.splitlines()]


def as_documented(command, said, documented):
    """The first line is a table's heading, or a sentence: equal but for figures. So are the names of what follows."""
    if [label(line) for line in said.splitlines()[:1]] != [label(line) for line in documented.splitlines()[:1]]:
        return False
    return command.split()[0] in VARYING or first_cells(said) == first_cells(documented)


def replay(m):
    """At the prompt."""
    m.to_prompt()
    for command, documented in transcript():
        if command in ENDING or command == "exit":
            continue
        said = m.prompt(command)
        check(as_documented(command, said, documented), f"{command} says\n{said}\ndocs/console.md has\n{documented}")
        check(max(map(len, said.splitlines()), default=0) < WIDTH, f"{command} is too wide")
    m.to_guest()


def all_are_documented(m):
    m.to_prompt()
    listed = {line.split()[0] for line in m.prompt("help").splitlines()[1:]}
    m.to_guest()
    shown = set(re.findall(r"^cede> (\w+)", page(), re.M))
    check(listed <= shown, f"not in docs/console.md: {listed - shown}")


def by_program(m):
    session = Session(Line(m), timeout=60)
    for command, documented in transcript():
        if command in ENDING or command == "exit":
            continue
        answer = session.command(command)
        check(answer["ok"] == ("error:" not in documented), f"{command}: {answer}")
    session.leave()


def policies(m):
    m.to_prompt()
    for command, answer in (("policy full", "policy full: 2 cores"), ("policy", "mode            full"),
                            ("policy begin", "a list begins"), ("allow 0xc0/0x00 # instructions", ""),
                            ("# a comment", ""), ("deny 0xc2/0x00", ""),
                            ("policy commit", "policy filtered, a list of 2 lines: 2 cores"), ("policy", "events  1\n"),
                            ("policy begin", "a list"), ("allow 0xzz", "error: line 1"), ("deny 0xc2/0x00", ""),
                            ("policy commit", "error: line 1"), ("policy", "events  1\n"),
                            ("policy commit", "the list allows nothing"), ("policy", "events  1\n"),
                            ("policy architectural", "a list of 1 lines: 2 cores")):
        said = m.prompt(command)
        check(answer in said, f"{command}: {said}, not {answer}")
    m.to_guest()


def mistakes(m):
    m.to_prompt()
    for command in ("nonsense", "policy x", "dump", "dump 99", "dump x", "pause 1", "resume 0", "reset 1", "reset",
                    "a b c d e f g h i j"):
        check("error: " in m.prompt(command), f"{command} is taken")
    m.to_guest()


def outcomes(m):
    """What was done, when, and what came of it."""
    log = m.prompt("log 100").replace("\n  ", " ")
    for entry in (r"pause 0: paused guest 0: 2 cores", r"policy commit: policy filtered, a list of 2 lines: 2 cores",
                  r"policy commit: refused: the list allows nothing", r"resume 0: refused: guest 0 is not paused"):
        check(re.search(rf"^cede: console: at [1-9]\d* s: {entry}", log, re.M), f"the log has no {entry}: {log}")


def ending(m, command):
    """At the prompt; -> tools/bed's exit status. The answer comes before the end."""
    m.to_prompt()
    m.send(command.encode() + b"\r")
    m.cede(b"switching the machine off" if command == "poweroff" else b"resetting the machine")
    return m.end()


def commands():
    """Every command: the documented transcript, errors, a pause and what the log says of it, and the end."""
    with linux() as m:
        m.boot()
        all_are_documented(m)
        replay(m)
        by_program(m)
        policies(m)
        mistakes(m)
        m.to_prompt()
        outcomes(m)
        m.to_guest()
        check(m.shell("echo alive") == "alive\n", "the guest is gone")
        check(ending(m, "poweroff") == 0, "the machine is not off")


def readonly():
    """console-lock = readonly refuses what changes something, and the machine goes on."""
    with hanging("console-lock = readonly\nmanagement = 1\n", options="kept=1") as m:
        m.guest(b"hangs from here on")
        m.to_prompt()
        for command in ("policy full", "policy begin", "allow all", "pause 0", "resume 0", "reset 0", "reboot", "poweroff"):
            check("readonly" in m.prompt(command), f"{command} is not refused")
        check("running" in m.prompt("guests"), "the guest does not run")
        check("reboot: refused: console-lock" in m.prompt("log"), "the log does not tell of it")
        m.to_guest()
