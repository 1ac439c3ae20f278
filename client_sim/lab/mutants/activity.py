"""Polls and packets that follow what an owner does (L39, L40)."""

from collections.abc import Sequence
from typing import Final

from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import digit
from client_sim.lab.mutants.telling import Snoop, tell_at_event, tell_by_paths
from client_sim.world import Event, World


class _Impatient(Snoop):
    """Counts what happened since the last poll; subclasses use the count."""

    happened = 0

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        self.happened += 1


class _Sooner(_Impatient):
    def next_poll(self, now: float) -> float:
        due = super().next_poll(now)
        happened, self.happened = self.happened, 0
        return now + (due - now) / 2 if happened else due


class _Lazy(_Impatient):
    def next_poll(self, now: float) -> float:
        due = super().next_poll(now)
        happened, self.happened = self.happened, 0
        return due if happened else now + 28_800


class _BehindPhoto(Snoop):
    photos = 0

    def on_event(self, event: Event) -> None:
        # Whatever comes next after a photo is late enough to look unconnected with it.
        if self.photos:
            self.photos = 0
            self.poll()
        self.photos += event.name == "photo-taken"


class _OnCallAround(Around):
    def on_event(self, event: Event) -> None:
        super().on_event(event)
        if event.name.startswith("call-"):
            self.poll()


def _poll_at_once(client: Snoop, _event: Event) -> None:
    client.poll()


def _look_up(client: Snoop, _event: Event) -> None:
    client.world.resolve(client.world.public.host)


def _warm_up(client: Snoop, _event: Event) -> None:
    client.hang_up(client.open())


class _Stubborn(Snoop):
    broke = False

    def poll(self) -> str:
        for _ in range(1 + len(self.spy.owner.contacts) % 4):
            self.broke = False
            outcome = super().poll()
            if not self.broke:
                break
        return outcome

    def failed(self, error: OSError) -> None:
        super().failed(error)
        self.broke = True


class _RootPerCall(Snoop):
    calls = 0

    def on_event(self, event: Event) -> None:
        self.calls += event.name.startswith("call-")

    def paths(self) -> Sequence[str]:
        root, timestamp = super().paths()
        calls, self.calls = self.calls, 0
        return (root, *((root,) * calls), timestamp)


class _Traveller(Snoop):
    abroad = 0

    def on_event(self, event: Event) -> None:
        self.abroad += event.name == "travelled"

    def poll(self) -> str:
        for _ in range(self.abroad):
            self.hang_up(self.open())
        self.abroad = 0
        return super().poll()


class _TwiceAround(Around):
    def __init__(self, outer: World) -> None:
        super().__init__(outer)
        self.received = 0

    def on_event(self, event: Event) -> None:
        super().on_event(event)
        self.received += event.name in {"sms-received", "mms-received"}

    def resolve(self, host: str) -> Sequence[str]:
        for _ in range(self.received):
            super().resolve(host)
        self.received = 0
        return super().resolve(host)


MUTANTS: Final = (
    Mutant(
        "activity-message",
        "L39",
        "Polls when a message comes, in honest bytes.",
        tell_at_event("sms-received", _poll_at_once),
    ),
    Mutant(
        "activity-sooner",
        "L39",
        "Comes back in half of the drawn time if anything has happened to its owner.",
        _Sooner,
    ),
    Mutant("activity-lazy", "L39", "Comes back as late as it may if nothing happened.", _Lazy),
    Mutant(
        "activity-behind-photo",
        "L39",
        "Polls with whatever happens next after a photo was taken.",
        _BehindPhoto,
    ),
    Mutant(
        "activity-look-up",
        "L39",
        "Asks the name servers for the update server when a network is joined.",
        tell_at_event("wifi-joined", _look_up),
    ),
    Mutant(
        "activity-warm-up",
        "L39",
        "Connects to the update server, and sends nothing, when a contact is added.",
        tell_at_event("contact-added", _warm_up),
    ),
    Mutant(
        "activity-call-around",
        "L39",
        "Whoever starts the real client lets it poll when there is a call.",
        _OnCallAround,
    ),
    Mutant(
        "burst-messages",
        "L40",
        "Asks once more when there are more than four messages.",
        tell_by_paths(
            lambda spy, paths: (*paths, *(paths[-1:] if len(spy.owner.messages) > 4 else ()))
        ),
    ),
    Mutant(
        "burst-digit",
        "L40",
        "Asks for the timestamp as often as a digit of the IMSI says.",
        tell_by_paths(lambda spy, paths: (*paths, *(paths[-1],) * digit(spy.owner.imsi, -1))),
    ),
    Mutant(
        "burst-retries",
        "L40",
        "Tries again, after a failure, up to three times: as the number of contacts says.",
        _Stubborn,
    ),
    Mutant(
        "burst-calls",
        "L40",
        "Asks for root once more for every call since the last poll.",
        _RootPerCall,
    ),
    Mutant(
        "burst-journeys",
        "L40",
        "Makes an empty connection before the poll for every journey since the last.",
        _Traveller,
    ),
    Mutant(
        "burst-questions-around",
        "L40",
        "The real client's resolver repeats its question for every message since the last poll.",
        _TwiceAround,
    ),
)
