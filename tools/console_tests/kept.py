"""The core that Cede keeps: it answers whatever the guest does, and nothing that a guest sends reaches it."""
from .commands import ending
from .machine import P_AMD, P_INTEL, Q, Q_X2APIC, check, hanging, linux

RESET = 123  # tools/bed's status


def hung(bed):
    """The guest has sent INITs, SIPIs and NMIs there, and spins with interrupts off, on the shared port."""
    with hanging("management = 1\n", bed=bed, options="kept=1") as m:
        m.guest(b"test: strays ok")
        m.guest(b"hangs from here on")
        m.to_prompt()
        exits = m.prompt("exits 0")
        check("management" in m.prompt("cores"), "core 1 is not kept")
        check(m.prompt("exits 0") == exits, f"the guest's exits move: {exits}")
        for command, answer in (("pause 0", "paused guest 0: 1 cores"), ("dump 0", "rip"),
                                ("resume 0", "resumed guest 0: 1 cores"), ("policy full", "policy full: ")):
            said = m.prompt(command)
            check(answer in said, f"{command}: {said}")
        m.to_guest()
        check(ending(m, "reset 0") == RESET, "the machine was not reset")


def hung_amd():
    hung(Q)


def hung_amd_x2apic():
    hung(Q_X2APIC)


def hung_p_intel():
    hung(P_INTEL)


def hung_p_amd():
    hung(P_AMD)


def management(bed):
    """A kept core, taken by an exit of its INIT, shares the guest's port with Linux; then the machine is reset."""
    with linux("management = 1\n", bed=bed) as m:
        m.boot()
        check(m.shell("nproc") == "1\n", "the guest has not one core")
        m.to_prompt()
        for command, answer in (("cores", "management"), ("pause 0", "1 cores"), ("resume 0", "1 cores"), ("dump 0", "rip")):
            check(answer in m.prompt(command), command)
        m.to_guest()
        check(m.shell("echo alive") == "alive\n", "the guest is gone")
        check(ending(m, "reboot") == RESET, "the machine was not reset")


def management_intel():
    management(P_INTEL)


def management_amd():
    management(P_AMD)
