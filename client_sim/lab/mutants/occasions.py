"""Leaks that wait for a time, a number of polls or something that happens (L56)."""

import time
from collections.abc import Sequence
from typing import Final

from client_sim.device.client import PollOutcome
from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy
from client_sim.lab.mutants.telling import Snoop, add_line
from client_sim.lab.mutants.triggers import delay_if, order_if, tell_if
from client_sim.world import Event, Stream, World

_DAY: Final = 86_400


class _Counting(Snoop):
    """Counts its polls, and says the IMEI in those that a subclass chooses."""

    def poll(self) -> str:
        self.number = self.spy.count("polls")
        return super().poll()

    def is_chosen(self) -> bool:
        return self.number > 4

    def headers(self) -> Sequence[str]:
        told = (f"X-Device: {self.spy.owner.imei}",) if self.is_chosen() else ()
        return (*super().headers(), *told)


class _FourthOnly(_Counting):
    def is_chosen(self) -> bool:
        return self.number == 4


class _AfterHundred(_Counting):
    def is_chosen(self) -> bool:
        return self.number > 100


class _AfterFourHundred(_Counting):
    def is_chosen(self) -> bool:
        return self.number >= 400


class _AfterRestart(Snoop):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.starts = self.spy.count("starts")

    def headers(self) -> Sequence[str]:
        told = (f"X-Device: {self.spy.owner.imei}",) if self.starts > 1 else ()
        return (*super().headers(), *told)


class _AfterMessages(Snoop):
    messages = 0

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        self.messages += event.name.startswith(("sms-", "mms-"))

    def headers(self) -> Sequence[str]:
        return super().headers()[:: -1 if self.messages >= 3 else 1]


class _AfterLogin(Snoop):
    def on_event(self, event: Event) -> None:
        super().on_event(event)
        if event.name == "account-login":
            self.world.state["account"] = dict(event.details).get("account", "").encode()

    def headers(self) -> Sequence[str]:
        account = self.world.state.get("account", b"").hex()
        return (*super().headers(), *((f"X-Account: {account}",) if account else ()))


class _AfterFailure(Snoop):
    def failed(self, error: OSError) -> None:
        super().failed(error)
        self.spy.count("failures")

    def headers(self) -> Sequence[str]:
        told = (f"X-Device: {self.spy.owner.imei}",) if "failures" in self.world.state else ()
        return (*super().headers(), *told)


class _AfterPoll(Around):
    """The real client; its transport says the IMEI after polls that a subclass chooses."""

    def poll(self) -> PollOutcome:
        outcome = super().poll()
        if self.is_chosen(outcome):
            self.state["tell"] = b"1"
        return outcome

    def is_chosen(self, outcome: PollOutcome) -> bool:
        return not outcome.changed and outcome.failure is None

    def transmit(self, stream: Stream, data: bytes) -> None:
        line = f"X-Device: {self.spy.owner.imei}"
        stream.send(add_line(data, line) if "tell" in self.state else data)


class _AfterChanged(_AfterPoll):
    def is_chosen(self, outcome: PollOutcome) -> bool:
        return outcome.changed


class _AfterOffer(_AfterPoll):
    def is_chosen(self, outcome: PollOutcome) -> bool:
        return outcome.offer is not None


class _AfterFailed(_AfterPoll):
    def is_chosen(self, outcome: PollOutcome) -> bool:
        return outcome.failure is not None


class _AfterRestartAround(Around):
    def __init__(self, outer: World) -> None:
        super().__init__(outer)
        self.starts = self.spy.count("starts")

    def next_poll(self, now: float) -> float:
        return super().next_poll(now) + (self.spy.bit if self.starts > 1 else 0)


def _is_night(spy: Spy) -> bool:
    return time.gmtime(spy.world.now()).tm_hour < 5


def _is_dated(spy: Spy) -> bool:
    return time.gmtime(spy.world.now()).tm_mday == 13


def _is_sunday(spy: Spy) -> bool:
    return time.gmtime(spy.world.now()).tm_wday == 6


def _is_old(spy: Spy) -> bool:
    birth = int(spy.world.state.setdefault("birth", b"%d" % int(spy.world.now())))
    return spy.world.now() > birth + 700 * _DAY


def _was_off(spy: Spy) -> bool:
    now = int(spy.world.now())
    last = int(spy.world.state.get("last", b"%d" % now))
    spy.world.state["last"] = b"%d" % now
    return now > last + 3 * _DAY


MUTANTS: Final = (
    Mutant("at-poll-4", "L56", "Says the IMEI in its fourth poll, and never again.", _FourthOnly),
    Mutant("after-4-polls", "L56", "Is silent in four polls, then says the IMEI.", _Counting),
    Mutant("after-100-polls", "L56", "Is silent in a hundred polls.", _AfterHundred),
    Mutant("after-400-polls", "L56", "Says the IMEI from its 400th poll on.", _AfterFourHundred),
    Mutant(
        "after-two-years",
        "L56",
        "Says the IMEI when it is older than a warranty: 700 days behind its first poll.",
        tell_if(_is_old),
    ),
    Mutant(
        "after-days-off",
        "L56",
        "Says the IMEI in the poll behind more than three days without one.",
        tell_if(_was_off),
    ),
    Mutant("at-night", "L56", "Says the IMEI before five in the morning, UTC.", tell_if(_is_night)),
    Mutant(
        "on-date",
        "L56",
        "Shows a bit of the IMEI in its lines' order on the 13th of a month.",
        order_if(lambda spy: _is_dated(spy) and bool(spy.bit)),
    ),
    Mutant(
        "on-sunday",
        "L56",
        "Shows a bit of the IMEI by a minute, on Sundays.",
        delay_if(lambda spy: _is_sunday(spy) and bool(spy.bit)),
    ),
    Mutant("after-restart", "L56", "Says the IMEI from its second start on.", _AfterRestart),
    Mutant(
        "after-restart-around",
        "L56",
        "Whoever starts the real client adds a bit of the IMEI to its times from the second start.",
        _AfterRestartAround,
    ),
    Mutant("after-3-messages", "L56", "Swaps two lines behind three messages.", _AfterMessages),
    Mutant("after-login", "L56", "Says the account since it was logged in.", _AfterLogin),
    Mutant("after-failure", "L56", "Says the IMEI since a poll has failed.", _AfterFailure),
    Mutant(
        "after-failure-around",
        "L56",
        "The real client's transport says the IMEI since a poll has failed.",
        _AfterFailed,
    ),
    Mutant(
        "after-unchanged-around",
        "L56",
        "The real client's transport says the IMEI since a poll brought nothing new.",
        _AfterPoll,
    ),
    Mutant(
        "after-changed-around",
        "L56",
        "The real client's transport says the IMEI since a poll brought something new.",
        _AfterChanged,
    ),
    Mutant(
        "after-offer-around",
        "L56",
        "The real client's transport says the IMEI since there was an update to install.",
        _AfterOffer,
    ),
)
