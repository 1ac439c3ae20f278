"""The phone's polling: it sends the same requests as every phone and decides locally.

`PollingClient` is the client that the privacy lab examines. It never looks at `world.personal`.
"""

from dataclasses import dataclass, replace
from typing import Final

from client_sim.content.store import Store
from client_sim.device.choose import Check, Decision, Offer, decide_update
from client_sim.device.errors import DeviceError, ExpiredError, OlderError, PointerError, TrustError
from client_sim.device.limits import load_counter
from client_sim.device.records import (
    forget_due,
    load_due,
    load_failed,
    load_floor,
    load_secret,
    load_unusable,
    store_due,
)
from client_sim.device.refresh import refresh, refresh_codename
from client_sim.device.release import pointer_name
from client_sim.device.trust import SignedTarget, Trust, check_agreement
from client_sim.transport import Connection
from client_sim.world import Event, World

SHORTEST: Final = 14_400
"""Minimum seconds between two polls."""

SPREAD: Final = 14_401
"""Seconds over which the next poll is spread uniformly."""


@dataclass(frozen=True, slots=True)
class PollOutcome:
    """The requests and the decision of one poll.

    `requests` are the requested paths, `changed` says whether anything was new, `offer` is the
    package to install or None, `reason` the reason as a sentence, `versions` the verified roles.
    `failure` is the error that ended the poll early; then there is no offer. `halted` is true if
    the pointer halts the rollout. `checks` are the rules of the choice that were checked, in order;
    empty if the poll ended before them.
    """

    requests: tuple[str, ...]
    reason: str
    warnings: tuple[str, ...]
    versions: tuple[tuple[str, int], ...]
    changed: bool = False
    offer: Offer | None = None
    failure: DeviceError | None = None
    halted: bool = False
    checks: tuple[Check, ...] = ()

    def __str__(self) -> str:
        return self.reason


class PollingClient:
    """The clean client; the class itself is a `client_sim.world.Factory`.

    `retry_failed` allows a build that did not boot before, at the owner's request.
    """

    def __init__(self, world: World, *, retry_failed: bool = False) -> None:
        self.world = world
        self._retry_failed = retry_failed
        self._trust: Trust | None = None

    def poll(self) -> PollOutcome:
        """Poll once and decide; errors of the server or the network become a failed outcome.

        So do StateError and StorageError: a phone must continue to poll.
        """
        self._trust = None
        connection = Connection(self.world)
        trust: Trust | None = None
        decision = Decision((), None)
        try:
            # Removed before anything is sent, so that a phone that loses power here does not poll
            # twice for one due time.
            forget_due(self.world.state)
            public, state = self.world.public, self.world.state
            # After an update, the running build is newer than the factory's ROM.
            built_at = max(public.built_at, public.build.post_timestamp)
            trust = Trust(
                public.root,
                state,
                now=self.world.now(),
                built_at=built_at,
                codename=public.codename,
            )
            with connection:
                pointer = pointer_name(public.codename, public.region, public.channel)
                refreshed = refresh(connection, trust, pointer)
            warnings = refreshed.warnings + self._settle(trust)
            decision = self._decide(trust)
            if decision.leads_back:
                raise PointerError(decision.reason)
        except OlderError as error:
            # One of several servers under the same name may lag, so this is no failure.
            return PollOutcome(
                requests=tuple(connection.requests),
                reason="Nothing is new.",
                warnings=(str(error),),
                versions=() if trust is None else tuple(trust.versions.items()),
            )
        except DeviceError as error:
            return PollOutcome(
                requests=tuple(connection.requests),
                reason=str(error),
                warnings=(str(error),) if isinstance(error, ExpiredError) else (),
                versions=() if trust is None else tuple(trust.versions.items()),
                failure=error,
                checks=decision.checks,
            )
        self._trust = trust
        return PollOutcome(
            requests=tuple(connection.requests),
            changed=refreshed.changed,
            offer=decision.offer,
            reason=_explain(decision),
            warnings=warnings,
            versions=tuple(trust.versions.items()),
            halted=decision.is_halted,
            checks=decision.checks,
        )

    def decide_again(self) -> Decision:
        """Decide from the metadata that the last poll verified, without any request.

        Used after a package turned out to be unusable. Raises TrustError if that poll failed.
        """
        if self._trust is None:
            raise TrustError("The last poll did not succeed, so there is nothing to choose from.")
        return self._decide(self._trust)

    def on_event(self, event: Event) -> None:
        """Ignore the event: polling does not depend on the owner's events."""

    def next_poll(self, now: float) -> float:
        """Return the time of the next poll, epoch seconds; it survives reboots.

        A stored time further ahead than the longest interval is drawn again: the clock was wrong
        when it was stored.
        """
        due = load_due(self.world.state)
        if due is not None and due - now <= SHORTEST + SPREAD:
            return due
        draw = int.from_bytes(self.world.entropy(8), "big")
        return store_due(self.world.state, now + SHORTEST + draw % SPREAD)

    def fetch_release(self, offer: Offer, connection: Connection) -> SignedTarget:
        """Fetch the codename role and its proof, and check that the role agrees with `offer`.

        These requests reveal the model: call it only after a successful poll and the decision to
        install. Raises DeviceError.
        """
        if self._trust is None:
            raise TrustError("The last poll did not succeed, so there is nothing to install from.")
        # The decoder of the pointer has checked that the offer's path is below the phone's model.
        refresh_codename(connection, self._trust, self.world.public.codename)
        target = self._trust.find_release(offer.path)
        check_agreement(offer, target)
        return target

    def _settle(self, trust: Trust) -> tuple[str, ...]:
        """Activate public content packs that are due; a failure is only a warning."""
        store = Store(self.world.state)
        try:
            store.activate(trust.now, self.world.entropy)
        except DeviceError as error:
            return (f"Public content stays as it is: {error}",)
        return tuple(store.discarded.values())

    def _decide(self, trust: Trust) -> Decision:
        public, state = self.world.public, self.world.state
        pointer = trust.find_pointer(public.codename, public.region, public.channel)
        build = public.build
        build = replace(build, counter=load_counter(state, build.counter, build.post_timestamp))
        return decide_update(
            pointer,
            build,
            max(load_floor(state), build.counter),
            load_secret(state, self.world.entropy),
            trust.schedule_time(pointer_name(public.codename, public.region, public.channel)),
            load_failed(state),
            load_unusable(state),
            retry_failed=self._retry_failed,
        )


def _explain(decision: Decision) -> str:
    offer = decision.offer
    if offer is None:
        return decision.reason
    return f"Build {offer.counter} can be installed ({offer.type}, {offer.length} bytes)."
