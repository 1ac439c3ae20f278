"""Servers that show what they were sent: in metrics, in answers, on error pages (L57)."""

import base64
import hashlib
import html

from client_sim.lab.server_mutants.toy import Asked, Line, ToyServer


class _Meter(ToyServer):
    """A server whose metrics have one series for each of something."""

    def start(self) -> None:
        self.series: dict[str, int] = {}

    def note(self, asked: Asked) -> None:
        label = self.label(asked)
        self.series[label] = self.series.get(label, 0) + 1

    def label(self, asked: Asked) -> str:
        """Return the label's value."""
        return asked.path

    def metrics(self) -> str:
        return super().metrics() + "".join(
            f'toy_requests_total{{of="{label}"}} {number}\n'
            for label, number in self.series.items()
        )


class _PathLabel(_Meter):
    """A metric by path."""


class _AgentLabel(_Meter):
    """A metric by a digest of the user-agent."""

    def label(self, asked: Asked) -> str:
        agent = asked.header("user-agent").encode("latin-1")
        return hashlib.md5(agent, usedforsecurity=False).hexdigest()


class _AddressLabel(_Meter):
    """A metric by client."""

    def label(self, asked: Asked) -> str:
        return asked.peer[0]


class _EchoPage(ToyServer):
    """An error page that says what was not found."""

    def body(self, asked: Asked, body: bytes) -> bytes:
        if asked.status != 404:
            return body
        return f"<p>{html.escape(asked.target)} is not here</p>".encode("latin-1")


class _Instance(ToyServer):
    """A problem document with the path in base64."""

    def body(self, asked: Asked, body: bytes) -> bytes:
        if asked.status != 400:
            return body
        return b'{"instance":"%s"}' % base64.urlsafe_b64encode(asked.target.encode("latin-1"))


class _EchoHeader(ToyServer):
    """An answer with the number that a request had."""

    def lines(self, asked: Asked, lines: list[Line]) -> list[Line]:
        number = asked.header("x-request-id")
        return [*lines, ("X-Request-Id", number)] if number.isalnum() else lines


class _EchoAddress(ToyServer):
    """An answer to a mistake that names who made it."""

    def body(self, asked: Asked, body: bytes) -> bytes:
        if asked.status != 405:
            return body
        return b'{"client":"%s"}' % asked.peer[0].encode()


class _EchoTrace(ToyServer):
    """TRACE as RFC 9110 section 9.3.8 has it."""

    def body(self, asked: Asked, body: bytes) -> bytes:
        return asked.data if asked.method == "TRACE" else body


TELLERS = (
    *(
        _PathLabel,
        _AgentLabel,
        _AddressLabel,
        _EchoPage,
        _Instance,
        _EchoHeader,
        _EchoAddress,
        _EchoTrace,
    ),
)
