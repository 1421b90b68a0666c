"""One conversation with Cede: to its prompt, commands and answers, and back to the guest's console."""
import json
import os
import time

from . import protocol


class NoAnswer(Exception):
    pass


class BadAnswer(Exception):
    pass


class Session:
    """`timeout` seconds for each try; `retries` further tries. A changing command is carried out once however often
    it is sent: Cede knows its sequence number."""

    def __init__(self, transport, timeout=5.0, retries=2, escape=0x1d):
        self.transport, self.timeout, self.retries = transport, timeout, retries
        self.attention = bytes([escape]) * 3  # to the prompt, from wherever it is
        self.reader = protocol.Reader()
        # Not a number that an earlier session may have used.
        self.sequence = int.from_bytes(os.urandom(4), "big") & 0x7fffffff

    def command(self, text):
        """-> the answer, a dict"""
        self.sequence = self.sequence % 0x7fffffff + 1
        frame = protocol.encode(self.sequence, text)
        damaged = False
        for _ in range(self.retries + 1):
            # What a person, or noise, has left on Cede's line is dropped first (Ctrl-U).
            self.transport.send(self.attention + b"\x15" + frame, self.timeout)
            answer, seen_damage = self.wait()
            damaged |= seen_damage
            if answer is not None:
                return self.parse(answer)
        raise NoAnswer("Cede received damaged commands only" if damaged else "no answer")

    def wait(self):
        """-> (this command's answer or None, whether Cede received a damaged frame)"""
        end = time.monotonic() + self.timeout
        while (left := end - time.monotonic()) > 0:
            for sequence, text in self.reader.feed(self.transport.receive(left)):
                if sequence == self.sequence:
                    return text, False
                if sequence == 0:
                    return None, True
        return None, False

    @staticmethod
    def parse(text):
        try:
            answer = json.loads(text)
        except json.JSONDecodeError as error:
            raise BadAnswer(f"the answer is no JSON: {error}") from None
        if not isinstance(answer, dict) or not isinstance(answer.get("ok"), bool):
            raise BadAnswer("the answer is no object with `ok`")
        return answer

    def leave(self):
        """The console is the guest's again."""
        self.sequence = self.sequence % 0x7fffffff + 1
        self.transport.send(self.attention + b"\x15" + protocol.encode(self.sequence, "exit"), self.timeout)
        self.wait()
