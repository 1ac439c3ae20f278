"""Judges of runs; each is a method of its own, and a column of the kill matrix."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import zip_longest
from typing import Final

import msgspec

from client_sim.lab.cloud.double import msgpack
from client_sim.lab.cloud.explanation import ExplainedRequest
from client_sim.lab.cloud.keyring import Keyring
from client_sim.lab.cloud.requests import REQUIRED_REQUESTS, TABLE, split_requests
from client_sim.lab.cloud.scenarios import CloudRun
from client_sim.lab.cloud.world import NAME
from client_sim.lab.oracles.canary import CanarySearch
from client_sim.lab.oracles.equality import judge_equality
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.oracles.transforms import TRANSFORMS
from client_sim.lab.oracles.views import WINDOW, find_windows
from client_sim.lab.trace.observation import Channel, Departure
from client_sim.persona import Persona, canaries

SHORTEST: Final = 4 * 3600
LONGEST: Final = 8 * 3600
_ENOUGH: Final = 16  # bytes; values of this length are not equal by chance
_PIECE: Final = 64 * 1024
_SILENT: Final = frozenset(
    {"own", "edit", "add", "remove", "settings", "on", "off", "restart", "reset", "poll"}
)
_LENGTHS: Final = frozenset({24, 32})  # bytes of nonces, names and keys; times need fewer
_SYNCS: Final = frozenset({"sync", "due"})
_FIELDS: Final = {
    "contact": "contacts.",
    "note": "notes.",
    "message": "messages.",
    "photo": "photos.",
}
_WHEN: Final = {row.line: row.when for row in TABLE}
_CHANNELS: Final = (Channel.DNS, Channel.CONNECT, Channel.BYTES)


def judge_silence(run: CloudRun) -> Iterator[Finding]:
    """C0: nothing is resolved, connected to or sent while no type is on and no step needs it."""
    for each in run.departures(*_CHANNELS):
        step = run.step_of(each.phase)
        if step.name in _SILENT or (step.name in _SYNCS and not run.on[each.phase]):
            yield _find(each, "this leaves although no type is on and the owner requested nothing")


def judge_explained(
    run: CloudRun, explained: Sequence[ExplainedRequest], ring: Keyring
) -> Iterator[Finding]:
    """C2, C3: each byte is in the table, or decrypts with the owner's keys to a type that is on."""
    yield from _judge_channels(run)
    yield from _judge_pieces(run)
    for each in explained:
        step = run.step_of(each.exchange.phase)
        when = _WHEN.get(each.row, frozenset())
        where = f"{each.exchange.phase}, {each.row or each.exchange.request.target}"
        data = each.exchange.request.data
        if each.row and step.name not in when:
            yield Finding(
                where, f"the table allows it at {', '.join(sorted(when))} only", data, 0, 40
            )
        for part in each.parts:
            if part.problem:
                explanation = f"{part.name}: {part.problem}"
                yield Finding(where, explanation, part.data, 0, len(part.data))
    yield from _judge_contents(run, ring)


def _judge_contents(run: CloudRun, ring: Keyring) -> Iterator[Finding]:
    """Find encrypted content that is not of its declared type."""
    for kind, text in ring.contents:
        for value, offset, length in _search_owner(run.scenario.owner, text) if text else ():
            if not value.startswith(_FIELDS.get(kind, "-")):
                explanation = f"a {kind} has the owner's {value} in it, encrypted"
                yield Finding("opened", explanation, text, offset, length)


def _judge_channels(run: CloudRun) -> Iterator[Finding]:
    """Find host names, connections and bytes that do not belong to a request."""
    hosts = {run.cloud.host.encode()}
    for each in run.departures(Channel.DNS, Channel.CONNECT):
        name, *rest = each.data.split(b" ")
        if name not in hosts or rest not in ([], [b"443", name]):
            yield _find(each, "not a host of the phone's image")
    answered = {each.connection for each in run.exchanges}
    for connection in run.observation.connections():
        if connection.index not in answered or split_requests(connection.data)[1]:
            where = f"connection {connection.index}, {connection.phase}"
            explanation = "a connection without a complete request"
            yield Finding(where, explanation, connection.data, 0, len(connection.data))
    if len(run.departures(Channel.DNS)) > len(run.departures(Channel.CONNECT)):
        yield _find(run.departures(Channel.DNS)[-1], "a DNS question without a connection")


def _judge_pieces(run: CloudRun) -> Iterator[Finding]:
    """Find requests that are not written as a head and 64 KiB pieces of the body, or together."""
    sent: dict[int, list[Departure]] = {}
    for each in run.departures(Channel.BYTES):
        sent.setdefault(each.connection, []).append(each)
    for departures in sent.values():
        begins, at = {0}, 0
        for request in split_requests(b"".join(each.data for each in departures))[0]:
            begins |= {at, *range(at + request.start, at + len(request.data), _PIECE)}
            at += len(request.data)
        at = 0
        for each in departures:
            if at not in begins:
                yield _find(each, "a request not split into head and body")
            at += len(each.data)


def judge_duties(run: CloudRun) -> Iterator[Finding]:
    """Law: a phone that reports a step as done has sent the request that the step needs."""
    for phase in run.phases:
        step = run.step_of(phase)
        required = REQUIRED_REQUESTS.get(step.name)
        if required is None or phase in run.refused or (step.name == "sync" and not run.on[phase]):
            continue
        method, _, path = required.partition(" ")
        path = path.removesuffix("ID")
        sent = [each.request for each in run.exchanges if each.phase == phase]
        if not any(each.method == method and each.path.startswith(path) for each in sent):
            yield Finding(phase, f"the phone did not send {required} but claims it did", b"", 0, 0)
    for phase, error in run.crashed.items():
        yield Finding(phase, f"the phone ended with {error}", b"", 0, 0)


def judge_state(run: CloudRun) -> Iterator[Finding]:
    """Law: the server's accounts, sessions and consents match the owner's actions."""
    accounts = sessions = consents = 0
    for phase in run.phases:
        name = run.step_of(phase).name
        if phase not in run.refused:
            accounts = {"sign-up": 1, "erase": 0}.get(name, accounts)
            resets = {"sign-up": 1, "password": 1, "rotate": 1, "erase": 0}
            sessions = resets.get(name, sessions + {"log-in": 1, "log-out": -1}.get(name, 0))
            consents = {"consent": consents + 1, "withdraw": 0, "erase": 0}.get(name, consents)
        if run.states[phase] != (accounts, sessions, consents):
            found, expected = run.states[phase], (accounts, sessions, consents)
            explanation = (
                f"the server has {found} accounts, sessions, consents instead of {expected}"
            )
            yield Finding(phase, explanation, b"", 0, 0)
            return


def judge_nonces(ring: Keyring) -> Iterator[Finding]:
    """C5: no two ciphertexts have the same key and nonce."""
    first: dict[tuple[bytes, bytes], bytes] = {}
    for key, nonce, data in ring.nonces:
        if first.setdefault((key, nonce), data) != data:
            yield Finding("nonces", "the same nonce twice with the same key", data, 0, len(nonce))


def judge_fresh(run: CloudRun, ring: Keyring) -> Iterator[Finding]:
    """C4, C5, C8: each random value, and each next time, comes from a draw of its own."""
    for part in ring.not_fresh:
        explanation = f"{part.name}: not fresh randomness of the phone"
        yield Finding("draws", explanation, part.data, 0, len(part.data))
    first: dict[bytes, bytes] = {}
    for _, nonce, data in ring.nonces:
        if first.setdefault(nonce, data) != data:
            yield Finding("draws", "one random value for two ciphertexts", data, 0, len(nonce))
    drawn = {draw.phase for draw in run.observation.draws if len(draw.data) not in _LENGTHS}
    for phase, _ in _intervals(run):
        if phase not in drawn:
            yield Finding(phase, "the time of the next sync was not drawn", b"", 0, 0)


def judge_canaries(run: CloudRun, ring: Keyring) -> Iterator[Finding]:
    """C4: neither planted values nor secrets are found, through encodings and digests."""
    texts = [each.data for each in run.departures(Channel.DNS)]
    for each in run.exchanges:
        texts += [each.request.data[: each.request.start], each.request.body]
    tokens = find_tokens(tuple(sorted({v for v in ring.secrets.values() if len(v) >= 8})))
    for text in dict.fromkeys(filter(None, texts)):
        for explanation, offset, length in _search_owner(run.scenario.owner, text):
            yield Finding("sent", explanation, text, offset, length)
        readings, windows, _ = find_windows(text)
        for window in tokens.keys() & windows:
            for token, chain in tokens[window]:
                if any(token in reading for reading in readings):
                    explanation = f"a secret of the owner's, {chain}"
                    yield Finding("sent", explanation, text, max(0, text.find(token)), len(token))


@lru_cache(maxsize=16)
def _make_search(owner: Persona) -> CanarySearch:
    return CanarySearch(canaries(owner), 1)


@lru_cache(maxsize=20_000)  # most bodies are equal for all clients
def _search_owner(owner: Persona, text: bytes) -> tuple[tuple[str, int, int], ...]:
    return tuple(
        (f"{e.field}, {' → '.join(e.chain) or 'as it is'}", e.offset, min(len(e.data), 64))
        for e in _make_search(owner).search_again(text)
    )


@lru_cache(maxsize=64)
def find_tokens(secrets: tuple[bytes, ...]) -> dict[bytes, list[tuple[bytes, str]]]:
    """Return the encoded and hashed forms of secrets, by their first bytes."""
    found: dict[bytes, list[tuple[bytes, str]]] = {}
    for secret in secrets:
        for name, transform in (("as it is", bytes), *TRANSFORMS.items()):
            token = transform(secret)[:64]
            if len(token) >= _ENOUGH:
                found.setdefault(token[:WINDOW], []).append((token, name))
    return found


def judge_equal(one: CloudRun, other: CloudRun) -> Iterator[Finding]:
    """C2: only the records of types that are on change what is sent."""
    label = "an owner who shares only the contacts"
    yield from judge_equality(one.observation, other.observation, label, with_time=True)


def judge_shape(one: CloudRun, other: CloudRun) -> Iterator[Finding]:
    """C3: owners of equal shape send the same requests, of equal lengths, at equal times."""
    for a, b in zip_longest(one.observation.departures, other.observation.departures):
        if a is None or b is None or _shape(a) != _shape(b):
            departure = a or b
            assert departure is not None
            length = 0 if b is None else len(b.data)
            yield _find(
                departure, f"an owner of equal shape sends {length} bytes or other ones here"
            )
            return


def _shape(each: Departure) -> tuple[object, ...]:
    is_plain = each.channel in {Channel.DNS, Channel.CONNECT, Channel.SCHEDULE}
    content = each.data if is_plain else len(each.data)
    return (each.at, each.phase, each.channel, each.connection, content)


def judge_apart(one: CloudRun, other: CloudRun) -> Iterator[Finding]:
    """C3: two accounts with the same records have no value in common."""
    first_values = dict(list_values(one))
    for value, where in list_values(other):
        if value in first_values:
            yield Finding(where, "another account shows the same value", value, 0, len(value))


def list_values(run: CloudRun) -> Iterator[tuple[bytes, str]]:
    """Yield all longer values in requests and their first 24 bytes, except for constants."""
    known = {NAME, run.cloud.host, f"/policy/{run.cloud.name}/receipt-key"}
    known |= {each.answer.decode("latin-1") for each in run.exchanges}
    policies = b"".join(e.answer for e in run.exchanges if e.request.path.startswith("/policy"))
    for each in run.exchanges:
        request = each.request
        values: list[object] = [v for name, v in request.headers if name != "Authorization"]
        values += request.path.split("/")
        values += [each for each in request.query.split("&") if not each.startswith("stoken=")]
        values.append(_decode(request.body))
        for value in _walk(values):
            text = value.decode("latin-1")
            if len(value) < _ENOUGH or text in known or value in policies or text in _CONSTANT:
                continue
            where = f"{each.phase}, {request.method} {request.path}"
            yield value, where
            yield value[:24], where


_CONSTANT: Final = frozenset(
    {
        *("application/msgpack", "application/json", "application/vnd.x.restic.rest.v2"),
        *("login_challenge", "change_password", "authentication"),
    }
)


def _decode(body: bytes) -> object:
    for decode in (json.loads, msgpack.decode):
        try:
            return decode(body)
        except (ValueError, msgspec.MsgspecError):
            continue
    return body


def _walk(value: object) -> Iterator[bytes]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name not in {"text", "policy"}:  # the hashes of public texts
                yield from _walk(each)
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each)
    elif isinstance(value, str | bytes):
        data = value if isinstance(value, bytes) else value.encode()
        if data.startswith(b"eyJ"):  # a signed response in JSON
            data = base64.b64decode(data)
        inner = _decode(data) if data[:1] in {b"{", b"\x84", b"\x85", b"\x86"} else None
        if isinstance(inner, dict):
            yield from _walk(inner)
        else:
            yield data


def judge_range(idle: CloudRun) -> Iterator[Finding]:
    """C8: the next sync is 4 to 8 hours away."""
    intervals = _intervals(idle)
    for phase, seconds in intervals:
        if not SHORTEST <= seconds <= LONGEST:
            yield Finding(phase, f"the next time is {seconds:.0f} s away", b"", 0, 0)
    if len(intervals) < 2:
        yield Finding("all", f"{len(intervals)} syncs, and two or more are needed", b"", 0, 0)


def judge_steady(idle: CloudRun, busy: CloudRun) -> Iterator[Finding]:
    """C8: with the same randomness the next times are the same, whatever the owner does."""
    for (phase, a), (_, b) in zip_longest(_intervals(idle), _intervals(busy), fillvalue=("", 0.0)):
        if a != b:
            explanation = f"{a:.0f} s to the next time, {b:.0f} s for an owner with more changes"
            yield Finding(phase, explanation, b"", 0, 0)


def judge_drawn(idle: CloudRun, other: CloudRun) -> Iterator[Finding]:
    """C8: with other randomness the next times differ."""
    same = [a for a, b in zip(_intervals(idle), _intervals(other), strict=False) if a[1] == b[1]]
    if len(same) > 1:
        explanation = f"{len(same)} times of next syncs do not depend on the randomness"
        yield Finding(same[0][0], explanation, b"", 0, 0)


def _intervals(run: CloudRun) -> list[tuple[str, float]]:
    """Return the seconds from each sync to the next one, by phase."""
    return [
        (each.phase, float(each.data) - each.at)
        for each in run.departures(Channel.SCHEDULE)
        if run.step_of(each.phase).name in _SYNCS and each.data != b"None"
    ]


def _find(each: Departure, explanation: str) -> Finding:
    where = f"{each.phase}, {each.channel.value}"
    return Finding(
        where, explanation, each.data, 0, min(len(each.data), 64), channel=each.channel.value
    )
