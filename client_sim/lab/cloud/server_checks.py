"""C6: what a server stores and reveals about its owners."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from client_sim.lab.cloud.double import FLAWS, Double, msgpack
from client_sim.lab.cloud.explanation import explain_all
from client_sim.lab.cloud.judges import find_tokens, list_values
from client_sim.lab.cloud.phone import OurPhone
from client_sim.lab.cloud.requests import encode_request, split_requests
from client_sim.lab.cloud.scenarios import (
    EVERYTHING,
    START,
    CloudRun,
    CloudScenario,
    make_owner,
    run_scenario,
    steps,
)
from client_sim.lab.cloud.world import NAME
from client_sim.lab.oracles.canary import CanarySearch
from client_sim.lab.oracles.finding import Finding
from client_sim.lab.programme.result import MatrixRow
from client_sim.persona import canaries

CHECKS: Final = {
    "kept": "Does it store no name, content, password, key, word or token in clear?",
    "seconds": "Does it store no exact time of an owner's action?",
    "alike": "Do accounts of equal shape have equal tables, apart from ciphertext?",
    "unknown": "Does an unknown name get the same answer, with the same work, as a known one?",
    "gone": "Is nothing left of an erased account?",
    "ended": "Is a device that has logged out no longer served?",
}
"""The questions of the checks of a server."""
_ERASURE: Final = steps(
    "own:contact,photo sign-up consent words on:contact,photo sync log-out log-in consent erase"
)
_YEAR: Final = 31_536_000


def examine_server(flaws: str = "") -> Iterator[tuple[str, list[Finding]]]:
    """Let phones use a server, and search what it stores; yield findings by check."""
    run = run_scenario(OurPhone, CloudScenario(make_owner("a"), EVERYTHING, flaws=flaws))
    yield "unknown", list(_judge_unknown(run.cloud))
    yield "seconds", list(_judge_seconds(run))
    yield "kept", list(_judge_kept(run))
    erased = run_scenario(OurPhone, CloudScenario(make_owner("a"), _ERASURE, flaws=flaws))
    yield "ended", list(_judge_ended(erased))
    yield "gone", list(_judge_erased(erased))
    other = run_scenario(
        OurPhone, CloudScenario(make_owner("q", long=True), EVERYTHING, flaws=flaws)
    )
    yield "alike", list(_judge_alike(run, other))


def _judge_kept(run: CloudRun) -> Iterator[Finding]:
    dump = run.cloud.dump()
    ring = explain_all(run)[1]
    values = {**canaries(run.scenario.owner), "name": (NAME.encode(),)}
    values["token"] = tuple(token.encode() for token in ring.tokens.values())
    for found in CanarySearch(values, 0).search(dump):
        yield Finding(
            "kept", f"{found.field} is stored in clear", dump, found.offset, len(found.data)
        )
    secrets = tuple(sorted({value for value in ring.secrets.values() if len(value) >= 8}))
    for window, tokens in find_tokens(secrets).items():
        for token, chain in tokens if window in dump else ():
            if token in dump:
                yield Finding("kept", f"a secret, {chain}", dump, dump.index(token), len(token))
    for each in run.exchanges:
        if each.request.path.endswith("/signup/"):
            body = msgpack.decode(each.request.body)
            for name in ("loginPubkey", "encryptedContent", "salt"):
                if body[name] in dump:
                    explanation = f"{name} is in clear: a thief can try passwords on it"
                    yield Finding(
                        "kept", explanation, dump, dump.index(body[name]), len(body[name])
                    )


def _judge_seconds(run: CloudRun) -> Iterator[Finding]:
    for value in _list_scalars(msgpack.decode(run.cloud.dump())):
        texts = re.findall(r"\d{10}", value) if isinstance(value, str) else []
        numbers = [int(text) for text in texts] + ([value] if isinstance(value, int) else [])
        for number in numbers:
            if START <= number <= START + _YEAR:
                yield Finding("kept", f"the second {number} is stored", str(value).encode(), 0, 10)


def _list_scalars(value: Any) -> Iterator[Any]:  # noqa: ANN401 - any JSON
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield name
            yield from _list_scalars(each)
    elif isinstance(value, list):
        for each in value:
            yield from _list_scalars(each)
    else:
        yield value


def _judge_alike(one: CloudRun, other: CloudRun) -> Iterator[Finding]:
    a, b = (_shape(msgpack.decode(each.cloud.dump())) for each in (one, other))
    if a != b:
        at = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
        data = str(a[at : at + 3]).encode()
        yield Finding("kept", "accounts of equal shape have different tables", data, 0, len(data))


def _shape(value: Any) -> list[object]:  # noqa: ANN401 - any JSON
    return [len(each) if isinstance(each, str | bytes) else each for each in _list_scalars(value)]


def _judge_unknown(cloud: Double) -> Iterator[Finding]:
    answers = []
    for name in (NAME, f"{NAME[:-1]}b"):
        body = msgpack.encode({"username": name})
        headers = (("Content-Type", "application/msgpack"), ("Content-Length", str(len(body))))
        path = "/api/v1/authentication/login_challenge/"
        (request,), _ = split_requests(encode_request("POST", path, headers, body))
        before = cloud.work
        status, answer = cloud.answer(request)
        answers.append((status, len(answer), cloud.work - before, answer))
    (known, unknown), names = [each[:3] for each in answers], ("status", "length", "work")
    for name, a, b in zip(names, known, unknown, strict=True):
        if a != b:
            yield Finding("challenge", f"{name} {a}, of an unknown name {b}", answers[0][3], 0, 8)
    salt = msgpack.decode(answers[0][3])["salt"]
    if salt == cloud.salt_of("all"):
        yield Finding("challenge", "all accounts have the same salt", salt, 0, 32)


def _judge_erased(run: CloudRun) -> Iterator[Finding]:
    dump = run.cloud.dump()
    for value, where in list_values(run):
        if value in dump:
            explanation = "a value remains after the erasure"
            yield Finding(where, explanation, dump, dump.index(value), len(value))


def _judge_ended(run: CloudRun) -> Iterator[Finding]:
    phase = next(each for each in run.phases if each.endswith("log-out"))
    before = run.states[run.phases[run.phases.index(phase) - 1]]
    if run.states[phase][1] >= before[1]:
        yield Finding(phase, "the server still serves a device that has logged out", b"", 0, 0)


def try_server(flaw: str) -> MatrixRow:
    """Examine a server with one flaw."""
    found = dict(examine_server(flaw))
    killed = tuple(check for check in CHECKS if found[check])
    return MatrixRow(flaw or "honest", "C6", FLAWS.get(flaw, "honest"), killed)
