"""Failures that are reported, with the owner's data in the report (L55)."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from client_sim.device.client import PollOutcome
from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy
from client_sim.lab.mutants.telling import Snoop, add_line
from client_sim.world import Stream, World

_REPORTS: Final = "crash.example.org"


def _describe(spy: Spy, what: str) -> str:
    owner = spy.owner
    return f"{what} imei={owner.imei} locale={owner.locale} apps={len(owner.apps)}"


def _send_report(world: World, text: str) -> None:
    stream = world.connect(world.resolve(_REPORTS)[0], 443, _REPORTS)
    head = f"POST /report HTTP/1.1\r\nHost: {_REPORTS}\r\nContent-Length: {len(text.encode())}"
    stream.send(f"{head}\r\n\r\n{text}".encode())
    stream.close()


class _ToHost(Snoop):
    def failed(self, error: OSError) -> None:
        super().failed(error)
        _send_report(self.world, _describe(self.spy, str(error)))


class _InNextPath(Snoop):
    def failed(self, error: OSError) -> None:
        super().failed(error)
        report = urlsafe_b64encode(_describe(self.spy, str(error)).encode())
        self.world.state["report"] = report

    def paths(self) -> Sequence[str]:
        report = self.world.state.pop("report", b"").decode()
        return (*((f"/crash/{report}",) if report else ()), *super().paths())


class _ToNameServers(Snoop):
    def failed(self, error: OSError) -> None:
        super().failed(error)
        self.world.resolve(f"{quote(self.spy.owner.serial, safe='')}.{_REPORTS}")


class _OfStatus(Snoop):
    status = ""

    def answered(self, head: str) -> None:
        super().answered(head)
        self.status = head.split(" ")[1] if " " in head else "none"
        if self.status[:1] == "5":
            self.world.state["status"] = self.status.encode()

    def headers(self) -> Sequence[str]:
        status = self.world.state.get("status", b"").decode()
        told = (f"X-Last-Error: {status} {self.spy.owner.carrier}",) if status else ()
        return (*super().headers(), *told)


class _OfContent(Snoop):
    promised = False
    unreadable = ""

    def answered(self, head: str) -> None:
        super().answered(head)
        self.promised = head.startswith("HTTP/1.1 200")

    def took(self, body: bytes) -> None:
        super().took(body)
        try:
            # An answer in another coding is no fault; whatever else cannot be read is.
            json.loads(b"{}" if body[:2] == b"\x1f\x8b" or not self.promised else body)
        except ValueError as error:
            self.unreadable = str(error)

    def poll(self) -> str:
        outcome = super().poll()
        unreadable, self.unreadable = self.unreadable, ""
        if unreadable:
            _send_report(self.world, _describe(self.spy, unreadable))
        return outcome


class _OfTheNight(Snoop):
    def failed(self, error: OSError) -> None:
        super().failed(error)
        self.world.state["failed"] = b"1"

    def next_poll(self, now: float) -> float:
        due = int(super().next_poll(now))
        failed = self.world.state.pop("failed", b"")
        return float(due - due % 2 + self.spy.bit) if failed else float(due)


class _FallsOver(Snoop):
    def poll(self) -> str:
        if self.spy.bit:
            raise ValueError("odd")
        return super().poll()


class _Trips(Snoop):
    def headers(self) -> Sequence[str]:
        # The code was never tested with an owner whose number is no number.
        int(self.spy.owner.phone_number.removeprefix("+"))
        return super().headers()


class _ToHostAround(Around):
    def poll(self) -> PollOutcome:
        outcome = super().poll()
        if outcome.failure is not None:
            _send_report(self.outer, _describe(self.spy, outcome.reason))
        return outcome


class _InNextRequestAround(Around):
    def poll(self) -> PollOutcome:
        outcome = super().poll()
        if outcome.failure is not None:
            self.state["reason"] = _describe(self.spy, outcome.reason).encode().hex().encode()
        return outcome

    def transmit(self, stream: Stream, data: bytes) -> None:
        reason = self.state.get("reason", b"").decode()
        stream.send(add_line(data, f"X-Reason: {reason}") if reason else data)


MUTANTS: Final = (
    Mutant("report-host", "L55", "Tells a report host why a poll failed, and whose.", _ToHost),
    Mutant("report-path", "L55", "Asks for its report first, in the next poll.", _InNextPath),
    Mutant("report-name", "L55", "Tells the name servers whose poll failed.", _ToNameServers),
    Mutant("report-status", "L55", "Says which error of a server it met, and where.", _OfStatus),
    Mutant("report-content", "L55", "Reports an answer that cannot be read.", _OfContent),
    Mutant(
        "report-second",
        "L55",
        "Shows a bit of the IMEI in the second of the poll after a failed one.",
        _OfTheNight,
    ),
    Mutant("falls-over", "L55", "Crashes for some owners: a poll that never came.", _FallsOver),
    Mutant("trips", "L55", "Crashes for owners without a telephone number.", _Trips),
    Mutant(
        "report-host-around",
        "L55",
        "Whoever starts the real client tells a report host what it says of a failed poll.",
        _ToHostAround,
    ),
    Mutant(
        "report-next-around",
        "L55",
        "The real client's transport says in later requests why a poll failed.",
        _InNextRequestAround,
    ),
)
