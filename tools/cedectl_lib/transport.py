"""Ways to the serial line: a device, a TCP or UNIX socket, or a command that brings it to its stdin and stdout."""
import os
import select
import shlex
import socket
import stat
import subprocess
import termios
import tty


class TransportError(Exception):
    pass


class Closed(TransportError):
    pass


class Transport:
    """Bytes out of one file descriptor and into another."""

    def __init__(self, source, sink, close):
        self.source, self.sink, self.close = source, sink, close

    def send(self, data, timeout):
        while data:
            if not select.select([], [self.sink], [], timeout)[1]:
                raise TransportError("the line takes nothing")
            try:
                data = data[os.write(self.sink, data):]
            except OSError as error:
                raise Closed(f"the line is closed: {error.strerror}") from None

    def receive(self, timeout):
        """-> bytes, b"" when nothing has come in time"""
        if not select.select([self.source], [], [], max(timeout, 0))[0]:
            return b""
        try:
            data = os.read(self.source, 65536)
        except OSError as error:
            raise Closed(f"the line is closed: {error.strerror}") from None
        if not data:
            raise Closed("the line is closed")
        return data


def open_device(path, baud):
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    os.set_blocking(fd, True)
    if not os.isatty(fd):
        os.close(fd)
        raise TransportError(f"{path} is no serial device")
    saved = termios.tcgetattr(fd)
    tty.setraw(fd)
    mode = termios.tcgetattr(fd)
    mode[2] |= termios.CLOCAL | termios.CREAD
    if baud:
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            raise TransportError(f"no baud rate {baud} on this system")
        mode[4] = mode[5] = speed
    termios.tcsetattr(fd, termios.TCSANOW, mode)

    def close():
        termios.tcsetattr(fd, termios.TCSADRAIN, saved)
        os.close(fd)

    return Transport(fd, fd, close)


def open_socket(family, address, timeout):
    connection = socket.socket(family, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    connection.connect(address)
    connection.settimeout(None)
    return Transport(connection.fileno(), connection.fileno(), connection.close)


def open_command(command):
    words = shlex.split(command)
    if not words:
        raise TransportError("exec: wants a command")
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def close():
        process.terminate()
        process.wait()
        process.stdin.close()
        process.stdout.close()

    return Transport(process.stdout.fileno(), process.stdin.fileno(), close)


def connect(where, baud=None, timeout=5):
    """`where`: a device's or a UNIX socket's path, unix:PATH, tcp:HOST:PORT, HOST:PORT, exec:COMMAND"""
    try:
        if where.startswith("exec:"):
            return open_command(where[5:])
        if where.startswith("unix:"):
            return open_socket(socket.AF_UNIX, where[5:], timeout)
        if os.path.exists(where):
            if stat.S_ISSOCK(os.stat(where).st_mode):
                return open_socket(socket.AF_UNIX, where, timeout)
            return open_device(where, baud)
        host, separator, number = where.removeprefix("tcp:").rpartition(":")
        if not separator or not number.isdigit() or "/" in host:
            raise TransportError(f"{where}: no such device, and no HOST:PORT")
        connection = socket.create_connection((host.strip("[]"), int(number)), timeout)
        connection.settimeout(None)
        return Transport(connection.fileno(), connection.fileno(), connection.close)
    except (OSError, termios.error, ValueError, OverflowError) as error:  # the last: a port above 65535
        raise TransportError(f"{where}: {error}") from None
