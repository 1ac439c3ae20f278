"""Runs the phone's real trust code for the first phone that receives an answer.

The requests of the real code and the sha256 of every answer become a path in the tree of the trust
state. Later phones in the same state follow the path, and each of their answers must have a known
hash. The real code first processes any answer with another hash.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from client_sim.device.choose import Offer
from client_sim.device.errors import DeviceError, TransportError, UnreachableError
from client_sim.device.internet import RealWorld
from client_sim.device.refresh import refresh, refresh_codename
from client_sim.device.release import pointer_name
from client_sim.device.trust import Trust, check_agreement
from client_sim.fleet.answer_tree import ABSENT, End, Node, RecordedRequest, TrustState, add_path
from client_sim.fleet.errors import EnvironmentFailedError
from client_sim.fleet.lines import Line
from client_sim.fleet.population import Group
from client_sim.fleet.tally import Failure
from client_sim.fleet.target import Target
from client_sim.transport import Connection, encode_request
from client_sim.world import BuildFacts, Public, World


class Recorder(Connection):
    """A connection that records requests and their answers in `recorded`, in order."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.recorded: list[RecordedRequest] = []

    def get(self, path: str, *, limit: int) -> bytes:
        """Return a body like `Connection.get`, and record it."""
        body = super().get(path, limit=limit)
        self._note(path, 200, hashlib.sha256(body).digest())
        return body

    def get_or_none(self, path: str, *, limit: int) -> bytes | None:
        """Return a body or None like `Connection.get_or_none`, and record it."""
        body = super().get_or_none(path, limit=limit)
        if body is None:
            self._note(path, 404, ABSENT)
        else:
            self._note(path, 200, hashlib.sha256(body).digest())
        return body

    def _note(self, path: str, status: int, digest: bytes) -> None:
        self.recorded.append(RecordedRequest(encode_request(self._host, path), status, digest))


_TIMESTAMP: Final = "role.timestamp"


class ResponseLearner:
    """Runs the real code for the first phone with a new state or answer, and stores the results.

    `states` has all trust states, `fresh` is that of phones that never polled, `lessons` counts the
    runs.
    """

    def __init__(self, target: Target, find_line: Callable[[bytes], Line]) -> None:
        self._target = target
        self._find_line = find_line
        self._known: dict[bytes, TrustState] = {}
        self._roles: dict[tuple[str, int], bytes] = {}
        self.states: list[TrustState] = []
        self.lessons = 0
        self.fresh = self._keep({}, None)

    def adopt(self, vault: dict[str, bytes]) -> TrustState:
        """Return the state of phones with the store `vault`, which the real code has verified."""
        return self._keep(dict(vault), None)

    def learn_poll(self, state: TrustState, group: Group, now: float) -> tuple[Failure, str] | None:
        """Poll with the real code for a phone of `group` in `state` at `now`.

        A refusal by the real code is learned, too. Return a failure if no answer could be learned,
        else None.
        """
        vault = dict(state.vault)
        recorder = self._connect(group, vault, now)
        trust = self._trust(vault, group, now)
        fault = ""
        with recorder:
            try:
                pointer = pointer_name(group.codename, group.region, group.channel)
                broken = refresh(recorder, trust, pointer).broken
            except TransportError as error:
                return _failure(error)
            except DeviceError as error:
                fault = str(error)
            else:
                if broken is not None:
                    return _failure(broken)
        following = None if fault else self._keep(vault, trust)
        recorded = [_add_expiry(each, vault.get(_TIMESTAMP, b"")) for each in recorder.recorded]
        state.polls[group.holder] = add_path(
            state.polls.get(group.holder), recorded, End(following, fault), self._find_line
        )
        return None

    def learn_install(
        self, state: TrustState, group: Group, offer: Offer, role_version: int, now: float
    ) -> tuple[Failure, str] | None:
        """Fetch and check the codename role of `offer` for a phone that has version `role_version`.

        Return a failure if the poll before it does not succeed or no answer could be learned, else
        None.
        """
        vault = dict(state.vault)
        if role_version:
            vault[f"role.{group.codename}"] = self._roles[group.codename, role_version]
        recorder = self._connect(group, vault, now)
        trust = self._trust(vault, group, now)
        end = End(state)
        with recorder:
            try:
                refresh(recorder, trust, pointer_name(group.codename, group.region, group.channel))
            except DeviceError as error:
                return _failure(error)
            recorder.recorded.clear()
            try:
                refresh_codename(recorder, trust, group.codename)
                target = trust.find_release(offer.path)
                check_agreement(offer, target)
                end.release, end.role = target.release, trust.versions[group.codename]
                self._roles[group.codename, end.role] = vault[f"role.{group.codename}"]
            except TransportError as error:
                return _failure(error)
            except DeviceError as error:
                end = End(None, str(error))
        key = group.name, offer.sha256, role_version
        state.installs[key] = add_path(
            state.installs.get(key), recorder.recorded, end, self._find_line
        )
        return None

    def _connect(self, group: Group, vault: dict[str, bytes], now: float) -> Recorder:
        self.lessons += 1
        return Recorder(make_world(self._target, group, vault, now))

    def _trust(self, vault: dict[str, bytes], group: Group, now: float) -> Trust:
        return Trust(self._target.root, vault, now=now, built_at=group.built_at)

    def _keep(self, vault: dict[str, bytes], trust: Trust | None) -> TrustState:
        """Return the state of phones with `vault`; states that differ only in timestamp are one."""
        digest = hashlib.sha256()
        for name in sorted(vault.keys() - {_TIMESTAMP}):
            digest.update(f"{name} {hashlib.sha256(vault[name]).hexdigest()}\n".encode())
        key = digest.digest()
        state = self._known.get(key)
        if state is None:
            state = self._known[key] = TrustState(len(self.states), vault, trust)
            self.states.append(state)
        elif trust is not None:
            state.vault, state.trust = vault, trust
        return state


def make_world(target: Target, group: Group, vault: dict[str, bytes], now: float) -> RealWorld:
    """Return the world of a phone of `group` with the store `vault` at `now`."""
    public = Public(
        host=target.host,
        port=target.port,
        tls=target.tls,
        codename=group.codename,
        region=group.region,
        channel=group.channel,
        root=target.root,
        ota_certificate=b"",
        built_at=group.built_at,
        build=group.builds[-1],
    )
    return RealWorld(
        public,
        vault,
        now=lambda: now,
        entropy=bytes,
        resolver={target.host: [target.address]},
        certificate_authority=target.authority,
    )


FACTORY: Final = BuildFacts("factory", "factory", 0, 0, "2000-01-01")
"""A build that is older than every release."""

PROBE: Final = Group("probe", "x", "x", (FACTORY,), 0)
"""A group that no server has; its phones send the same requests in a poll as all others."""


def record_idle_poll(target: Target, now: float) -> tuple[str, ...]:
    """Return the paths that a phone requests in a poll that finds nothing new, in order.

    The real code polls twice. Raises EnvironmentFailedError if it refuses an answer.
    """
    learner = ResponseLearner(target, lambda data: Line(data, 1))
    state = learner.fresh
    paths: list[str] = []
    for _ in range(2):
        failure = learner.learn_poll(state, PROBE, now)
        paths, place = [], state.polls.get(PROBE.holder)
        while isinstance(place, Node):
            paths.append(place.data.split(b" ")[1].decode())
            (edge,) = place.answers.values()
            place = edge.following
        if place is None or place.state is None:
            detail = place.fault if place is not None else failure and failure[1]
            raise EnvironmentFailedError(f"{target.host_header} cannot be polled: {detail}")
        state = place.state
    return tuple(paths)


def _failure(error: DeviceError) -> tuple[Failure, str]:
    if isinstance(error, UnreachableError):
        return Failure.UNREACHABLE, str(error)
    return (Failure.HTTP if isinstance(error, TransportError) else Failure.TRUST), str(error)


def _add_expiry(request: RecordedRequest, timestamp: bytes) -> RecordedRequest:
    """Return `recorded`, with version and expiry if it is the accepted timestamp."""
    if request.digest != hashlib.sha256(timestamp).digest():
        return request
    signed = json.loads(timestamp)["signed"]
    expires = datetime.fromisoformat(signed["expires"]).timestamp()
    return replace(request, version=signed["version"], expires=expires)
