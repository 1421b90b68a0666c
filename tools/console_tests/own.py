"""A port of Cede's own and a core of its own: cedectl, while no guest core ever exits."""
import collections
import contextlib
import os
import signal
import socket
import struct
import subprocess
import tempfile

from cedectl_lib import protocol

from . import exposition
from .machine import LIMIT, Q_X2APIC, TOOLS, check, linux

CONF = "console = com2\nmanagement = 3\n"
LIST = "# one event\nallow 0xc0/0x00\ndeny 0xc2/0x00\n"


def exits(m):
    return collections.Counter({(row["core"], row["reason"]): row["exits"] for row in m.cedectl("exits", "all")["exits"]})


def nobody_exits(m):
    """With all of the guest's cores in user space. What its kernel sends from one core to another now and then is its own
    (kept.hung() has a guest that sends none)."""
    m.shell("for n in 1 2 3; do sh -c 'while :; do :; done' & done; sleep 1")
    before = exits(m)
    for _ in range(20):
        m.cedectl("version")
    moved = {f"core {core}, {reason}": count for (core, reason), count in (exits(m) - before).items()}
    print(f"  exits during 21 commands: {moved or 'none'}")
    check(all(what.endswith("ipi") for what in moved), f"exits moved: {moved}")
    m.shell("kill $(jobs -p)")


def stopped_and_back(m):
    m.cedectl("pause", "0")
    check(m.cedectl("guests")["guests"][0]["state"] == "paused", "not paused")
    check(m.cedectl("dump", "1")["rip"].startswith("0x"), "no registers")
    m.cedectl("resume", "0")
    for _ in range(10):
        m.cedectl("pause", "0")
        m.cedectl("resume", "0")


def lists(m):
    with tempfile.NamedTemporaryFile("w", suffix=".pol") as file:
        file.write(LIST)
        file.flush()
        m.cedectl("policy", "0", "load", file.name)
    check(m.cedectl("policy")["allowed_events"] == 1, "the list is not in force")
    m.cedectl("policy", "architectural")


def metrics(m):
    found = exposition.parse(m.cedectl("export"))
    check(found["cede_info"][0][0]["virtualization"] == "AMD-V", "cede_info")
    states = {(labels["core"], labels["state"]): value for labels, value in found["cede_core_state"]}
    check(states[("3", "management")] == 1 and states[("0", "running")] == 1, "cede_core_state")
    check(sum(value for labels, value in found["cede_exits_total"] if labels["core"] == "0") > 0, "cede_exits_total")


def connect(m):
    line = socket.socket(socket.AF_UNIX)
    line.connect(m.com2)
    return line


def disconnects(m):
    """In the middle of a frame, of an answer, of a list, and half closed: the next one finds Cede as it was."""
    frame = protocol.encode(1, "exits all")
    for data, how in ((frame[:20], None), (frame, None), (frame * 50, None), (b"\xc3" * 70000, None),
                      (frame[:20], socket.SHUT_WR), (frame, socket.SHUT_RD), (protocol.encode(2, "policy begin"), None)):
        with contextlib.closing(connect(m)) as line, contextlib.suppress(OSError):
            line.settimeout(LIMIT)
            line.sendall(data)
            if how is not None:
                line.shutdown(how)
        check(m.cedectl("version")["ok"], "no answer after a disconnect")
    check(m.cedectl("guests")["guests"][0]["state"] == "running", "the guest does not run")


def killed(m):
    """cedectl itself, at any moment."""
    for lines in range(5):
        with subprocess.Popen([os.path.join(TOOLS, "cedectl"), "-c", m.com2, "-n", "0.01", "watch", "exits", "all"],
                              stdout=subprocess.PIPE) as client:
            for _ in range(lines * 7):
                client.stdout.readline()
            client.send_signal(signal.SIGKILL)
        check(m.cedectl("version")["ok"], "no answer after a client was killed")


def own_port():
    """The guest has neither the port nor the core, and notices nothing of what is asked there."""
    with linux(CONF, cpus=4, com2=True, bed=Q_X2APIC) as m:
        m.boot()
        check(m.shell("nproc") == "3\n", "the guest has not three cores")
        check("2f8" not in m.shell("cat /proc/ioports"), "the guest sees COM2")
        nobody_exits(m)
        stopped_and_back(m)
        lists(m)
        metrics(m)
        disconnects(m)
        killed(m)
        m.cedectl("nonsense", status=1)
        check(m.shell("echo alive") == "alive\n", "the guest is gone")
        check(m.cedectl("reboot")["message"] == "resetting the machine", "reboot")
        check(m.end() == 123, "the machine was not reset")


UART_PAGE = 0xfed50000  # nothing is there on bed Q: it reads 0


def spcr(address):
    """-> ACPI's table that names a 16550 in memory (SPCR revision 2: 80 bytes) as the firmware's console"""
    table = bytearray(struct.pack("<4sIBB6s8sI4sI", b"SPCR", 80, 2, 0, b"CEDE", b"TEST", 1, b"CEDE", 1))
    table += struct.pack("<B3xBBBBQ", 0, 0, 8, 0, 1, address)  # full 16550; memory, 8 bits wide, byte access
    table += bytes(80 - len(table))
    table[9] = -sum(table) & 0xff
    return table


def memory_uart():
    """A UART in memory, Cede's own: the guest finds ones in its page, and its neighbours as they were. (No UART answers:
    the bed has none in memory.)"""
    with tempfile.NamedTemporaryFile(suffix=".acpi") as table:
        table.write(spcr(UART_PAGE))
        table.flush()
        for mode, wanted in (("log", "0x00"), ("own", "0xFF")):
            with linux(f"console-mode = {mode}\n", more=("--qemu-arg=-acpitable", f"--qemu-arg=file={table.name}")) as m:
                m.boot()
                check(b"16550 at address 0xfed50000 (SPCR)" in m.seen, "it is not the console")
                read = [m.shell(f"devmem {UART_PAGE + offset:#x} 8").strip() for offset in (-1, 0, 5, 0xfff, 0x1000)]
                check(read == ["0x00", wanted, wanted, wanted, "0x00"], f"{mode}: {read}")
