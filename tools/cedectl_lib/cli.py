"""Options and commands of cedectl."""
import argparse
import contextlib
import json
import os
import sys
import time

from . import protocol, show
from .session import BadAnswer, NoAnswer, Session
from .transport import Closed, TransportError, connect

LONGEST = 10 ** 6  # seconds
OK, REFUSED, USAGE, NO_LINE, NO_ANSWER, BAD_ANSWER = range(6)

COMMANDS = ("help", "guests", "cores", "exits", "pmu", "policy", "allow", "deny", "denials", "memory", "log", "version", "dump",
            "pause", "resume", "reset", "reboot", "poweroff")
OWN = ("watch", "export", "completion")

EPILOG = """WHERE is a serial device (/dev/ttyUSB0), a UNIX socket (PATH or unix:PATH), HOST:PORT or tcp:HOST:PORT, or
exec:COMMAND, whose stdin and stdout are the line ('exec:ipmitool -I lanplus -H bmc sol activate').
The environment variable CEDECTL is the default.

exit status: 0 done; 1 Cede refuses, or an error in the command; 2 usage; 3 the line cannot be opened or closed;
4 no answer; 5 an answer that makes no sense."""

BASH = """_cedectl() {{
    local words="{words}"
    [[ ${{COMP_WORDS[COMP_CWORD-1]}} == -c ]] && {{ COMPREPLY=($(compgen -f -- "$2")); return; }}
    COMPREPLY=($(compgen -W "$words" -- "$2"))
}}
complete -F _cedectl cedectl"""


def escape_byte(text):
    if len(text) == 6 and text.lower().startswith("ctrl-") and 1 <= ord(text[5].upper()) ^ 0x40 <= 31:
        return ord(text[5].upper()) ^ 0x40
    raise argparse.ArgumentTypeError(f"{text}: use ctrl-] and the like")


def positive(text):
    value = float(text)
    if not 0 < value <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text}: a number above 0, at most {LONGEST}")
    return value


def whole(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text}: a whole number from 0")
    return int(text)


def parser():
    p = argparse.ArgumentParser(prog="cedectl", epilog=EPILOG, allow_abbrev=False,
                                formatter_class=argparse.RawDescriptionHelpFormatter,
                                description="Sees and changes a machine that runs under Cede, over its serial console.")
    p.add_argument("-c", "--connect", metavar="WHERE", default=os.environ.get("CEDECTL"), help="the line")
    p.add_argument("--baud", type=whole, metavar="N", help="of a device; default: as it is")
    p.add_argument("--timeout", type=positive, default=5.0, metavar="S", help="for each try (default 5)")
    p.add_argument("--retries", type=whole, default=2, metavar="N", help="further tries (default 2)")
    p.add_argument("--escape", type=escape_byte, default=0x1d, metavar="KEY", help="console-escape (default ctrl-])")
    p.add_argument("--json", action="store_true", help="answers as they come, one object per line")
    p.add_argument("--stay", action="store_true", help="leave a shared line at Cede's prompt")
    p.add_argument("-n", "--interval", type=positive, default=2.0, metavar="S", help="of watch (default 2)")
    p.add_argument("--count", type=whole, default=0, metavar="N", help="of watch: so many times (default: for ever)")
    p.add_argument("command", nargs="+", metavar="COMMAND",
                   help="Cede's (help lists them), policy [0] load FILE, watch [COMMAND...], export, completion")
    return p


def print_answer(answer, options):
    """-> exit status"""
    if options.json:
        print(json.dumps(answer), flush=True)
    else:
        for line in show.render(answer):
            print(line)
    if answer["ok"]:
        return OK
    print(f"cedectl: {answer.get('error', 'refused')}", file=sys.stderr)
    return REFUSED


def run_one(session, words, options):
    return print_answer(session.command(" ".join(words)), options)


def watch(session, words, options):
    """The same command again and again; `exits` by default, whose rates Cede keeps."""
    words = words or ["exits"]
    done = 0
    while not options.count or done < options.count:
        if done:
            time.sleep(options.interval)
        if sys.stdout.isatty() and not options.json:
            print("\x1b[H\x1b[2J", end="")
        status = run_one(session, words, options)
        if status:
            return status
        sys.stdout.flush()
        done += 1
    return OK


def export(session):
    answers = {command: session.command(command) for command in show.EXPORTED}
    for command, answer in answers.items():
        if not answer["ok"]:
            print(f"cedectl: {command}: {answer.get('error')}", file=sys.stderr)
            return REFUSED
    print("\n".join(show.export(answers)))
    return OK


def rules(path):
    """-> the lines of a policy file that say something, without their comments"""
    try:
        with open(path, encoding="utf-8-sig") as file:
            lines = [line.partition("#")[0].split() for line in file]
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file: save it as UTF-8") from None
    return [(number, " ".join(words)) for number, words in enumerate(lines, start=1) if words]


def unsendable(text):
    """-> why this cannot be a command, or ''"""
    if not text.isascii() or not text.isprintable() or len(text) > protocol.COMMAND_LIMIT:
        return f"a command is printable ASCII of at most {protocol.COMMAND_LIMIT} characters"
    return ""


def load_policy(session, path, options):
    """The file as a whole, or nothing: Cede checks each line, and puts the list in force at the end."""
    lines = rules(path)
    for number, line in lines:
        if line.split()[0] not in ("allow", "deny"):
            raise ValueError(f"{path}:{number}: {line.split()[0]!a}: a line starts with allow or deny")
        if why := unsendable(line):
            raise ValueError(f"{path}:{number}: {why}")
    answer = session.command("policy begin")
    for number, line in lines if answer["ok"] else ():
        answer = session.command(line)
        if not answer["ok"]:
            print(f"cedectl: {path}:{number}: nothing was changed", file=sys.stderr)
            return print_answer(answer, options)
    return print_answer(session.command("policy commit") if answer["ok"] else answer, options)


def carry_out(session, options):
    name, *words = options.command
    if name == "policy" and words[-2:-1] == ["load"]:
        if words[:-2] not in ([], ["0"]):
            raise ValueError(f"policy {words[0]} load: there is only guest 0")
        return load_policy(session, words[-1], options)
    if name == "watch":
        return watch(session, words, options)
    if name == "export":
        return export(session)
    return run_one(session, options.command, options)


def checked(options):
    if why := unsendable(" ".join(options.command)):
        raise ValueError(why)
    if not options.connect:
        raise ValueError("which line? use -c WHERE, or set CEDECTL")


def talk(options):
    transport = connect(options.connect, options.baud, options.timeout)
    try:
        session = Session(transport, options.timeout, options.retries, options.escape)
        try:
            return carry_out(session, options)
        finally:
            if not options.stay:
                with contextlib.suppress(Closed):  # as after reboot
                    session.leave()
    finally:
        transport.close()


def main(arguments):
    options = parser().parse_args(arguments)
    if options.command == ["completion"]:
        print(BASH.format(words=" ".join(COMMANDS + OWN)))
        return OK
    try:
        checked(options)
        return talk(options)
    except ValueError as error:
        print(f"cedectl: {error}", file=sys.stderr)
        return USAGE
    except TransportError as error:
        status, what = NO_LINE, error
    except NoAnswer as error:
        status, what = NO_ANSWER, error
    except BadAnswer as error:
        status, what = BAD_ANSWER, error
    except KeyboardInterrupt:
        return 128 + 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    print(f"cedectl: {what}", file=sys.stderr)
    return status
