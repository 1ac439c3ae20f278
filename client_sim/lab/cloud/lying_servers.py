"""C7: lying servers. The phone refuses or reports each lie, and keeps and sends nothing of it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from nacl.signing import SigningKey

from client_sim.lab.cloud.double import Double, msgpack, read_note
from client_sim.lab.cloud.phone import Factory
from client_sim.lab.cloud.requests import Request
from client_sim.lab.cloud.scenarios import CloudRun, CloudScenario, make_owner, run_scenario, steps
from client_sim.lab.cloud.world import Lie
from client_sim.lab.oracles.finding import Finding

_OWN: Final = "own:contact,note,photo sign-up consent words on:contact,photo sync"
_TWO: Final = f"{_OWN} log-in@1 consent@1 on:contact,photo@1 sync@1 edit:contact sync"
_AGAIN: Final = f"{_TWO} sync@1 edit:contact sync sync@1"
_LOGIN: Final = f"{_OWN} log-out log-in"
_FORGED: Final = SigningKey(b"\5" * 32)


@dataclass(frozen=True, slots=True)
class LieCase:
    """A lie in the last step of a scenario; `is_reported`: reporting it to the owner is enough."""

    id: str
    steps: str
    make: Callable[[Double], Lie]
    is_reported: bool = False


def judge_reported(case: LieCase, run: CloudRun) -> Iterator[Finding]:
    """Find a lie that was neither refused nor reported to the owner."""
    phase = run.phases[-1]
    if phase not in run.refused and not run.sentences.get(phase):
        yield Finding(phase, f"{case.id}: the owner is not told", b"", 0, 0)


def judge_kept(case: LieCase, run: CloudRun, honest: CloudRun) -> Iterator[Finding]:
    """Find records that are neither the previous ones nor those of an honest run."""
    for kind, records in run.records.items():
        if records not in (honest.records_before[kind], honest.records[kind]):
            data = b"\n".join(records)
            yield Finding(
                run.phases[-1], f"{case.id}: the owner's {kind}s changed", data, 0, len(data)
            )


def judge_answered(case: LieCase, run: CloudRun, first: int | None) -> Iterator[Finding]:
    """Find requests after the exchange in which the server lied first."""
    later = run.exchanges[first + 1 :] if first is not None else []
    if not case.is_reported and later:
        data = later[0].request.data
        explanation = f"{case.id}: the phone continues as if it were true"
        yield Finding(run.phases[-1], explanation, data, 0, min(len(data), 64))


def judge_salts(case: LieCase, run: CloudRun) -> Iterator[Finding]:
    """Find main keys derived from a salt that no phone of the owner drew."""
    drawn = {draw.data for draw in run.observation.draws}
    for phase, salt in run.derived:
        if salt not in drawn:
            yield Finding(phase, f"{case.id}: the phone derives a key from it", salt, 0, len(salt))


def examine_lies(factory: Factory, lies: tuple[LieCase, ...]) -> Iterator[tuple[str, Finding]]:
    """Yield the findings of four methods, each with the name of its method."""
    owner = make_owner("a")
    known: dict[str, CloudRun] = {}
    for case in lies:
        scenario = CloudScenario(owner, steps(case.steps))
        if case.steps not in known:
            known[case.steps] = run_scenario(factory, scenario)
        run, first = _run_with(factory, scenario, case)
        for finding in judge_reported(case, run):
            yield "told", finding
        for finding in judge_kept(case, run, known[case.steps]):
            yield "kept", finding
        for finding in judge_answered(case, run, first):
            yield "answered", finding
        for finding in judge_salts(case, run):
            yield "salts", finding


def _run_with(
    factory: Factory, scenario: CloudScenario, case: LieCase
) -> tuple[CloudRun, int | None]:
    """Run a scenario whose server lies in the last step; also return the first lie's exchange."""
    last = len(scenario.steps) - 1
    lie = case.make(Double("id", lambda: 0.0, seed=scenario.seed))
    count = [0]
    lied_at: list[int] = []

    def lies(phase: str) -> Lie:
        is_last = int(phase.partition(" ")[0]) == last

        def lie_in_last_step(
            request: Request, status: int, body: bytes
        ) -> tuple[int, bytes] | None:
            changed = lie(request, status, body)
            count[0] += 1
            if not is_last or changed is None or changed == (status, body):
                return None
            lied_at.append(count[0] - 1)
            return changed

        return lie_in_last_step

    run = run_scenario(factory, scenario, lies=lies)
    return run, lied_at[0] if lied_at else None


def _on_items(edit: Callable[[dict[str, Any], dict[str, Any]], None]) -> Callable[[Double], Lie]:
    """Return a lie about pages of items; `edit` gets a page and the first revisions by uid."""

    def make(_cloud: Double) -> Lie:
        first: dict[str, Any] = {}

        def lie(request: Request, status: int, body: bytes) -> tuple[int, bytes] | None:
            is_page = request.method == "GET" and request.path.endswith("/item/")
            if not is_page or status != 200 or "prefetch" in request.query:
                return None
            page = msgpack.decode(body)
            for item in page["data"]:
                first.setdefault(item["uid"], msgpack.decode(msgpack.encode(item)))
            edit(page, first)
            return status, msgpack.encode(page)

        return lie

    return make


def _roll_back(page: dict[str, Any], first: dict[str, Any]) -> None:
    page["data"] = [first[item["uid"]] for item in page["data"]]


def _swap(page: dict[str, Any], _first: dict[str, Any]) -> None:
    if len(page["data"]) > 1:
        one, two = page["data"][:2]
        one["content"], two["content"] = two["content"], one["content"]


def _rename(page: dict[str, Any], _first: dict[str, Any]) -> None:
    for item in page["data"]:
        item["uid"] = "A" * 32


def _never_end(page: dict[str, Any], _first: dict[str, Any]) -> None:
    page["data"], page["done"] = [], False


def _undelete(page: dict[str, Any], _first: dict[str, Any]) -> None:
    for item in page["data"]:
        item["content"]["deleted"] = not item["content"]["deleted"]


def _omit(_cloud: Double) -> Lie:
    """Withhold another phone's records, but not the list in which it announces them."""
    collections: list[str] = []

    def lie(request: Request, status: int, body: bytes) -> tuple[int, bytes] | None:
        is_page = request.method == "GET" and "/item/" in request.path and status == 200
        if not is_page or "limit=500" in request.query:
            return None
        collections.append(request.path.partition("/item/")[0])
        if collections[-1] == collections[0]:
            return None
        return status, msgpack.encode({**msgpack.decode(body), "data": []})

    return lie


def _on(part: str, **members: Any) -> Callable[[Double], Lie]:
    """Return a lie that changes members of a msgpack answer; `user__x` is member `x` of `user`."""

    def make(_cloud: Double) -> Lie:
        def lie(request: Request, status: int, body: bytes) -> tuple[int, bytes] | None:
            if not request.path.endswith(part) or status >= 300:
                return None
            content = msgpack.decode(body)
            for name, value in members.items():
                inner, _, last = name.rpartition("__")
                (content[inner] if inner else content)[last] = value
            return status, msgpack.encode(content)

        return lie

    return make


def _answer(
    path: str, answer: Callable[[Double, bytes], bytes], status: int = 0, method: str = "GET"
) -> Callable[[Double], Lie]:
    """Return a lie that replaces the answers to paths with a prefix."""

    def make(cloud: Double) -> Lie:
        def lie(request: Request, honest_status: int, body: bytes) -> tuple[int, bytes] | None:
            is_match = request.method == method and request.path.startswith(path)
            if not is_match or honest_status >= 300 or request.path == "/blobs/photos/data/":
                return None
            return status or honest_status, answer(cloud, body)

        return lie

    return make


def _forge(cloud: Double, _body: bytes) -> bytes:
    return cloud.make_policy(1, _FORGED)


def _reregion(cloud: Double, _body: bytes) -> bytes:
    return cloud.make_policy(1, region="eu")


def _forge_receipt(cloud: Double, body: bytes) -> bytes:
    content = json.loads(body)
    other = Double("id", cloud.now, seed=b"another server")
    content["receipt"] = other.receipt(**read_note(content["receipt"]))
    return json.dumps(content).encode()


def _foreign_key(cloud: Double) -> Lie:
    def lie(request: Request, status: int, body: bytes) -> tuple[int, bytes] | None:
        if not request.path.endswith("/list_multi/"):
            return None
        page = msgpack.decode(body)
        for each in page["data"]:
            each["collectionKey"] = cloud.draw(54).encode()
        return status, msgpack.encode(page)

    return lie


_CONSENT: Final = "own:contact sign-up consent"
_API: Final = "/api/v1/"
LIES: Final = (
    LieCase("rollback", _AGAIN, _on_items(_roll_back)),
    LieCase("swap", f"{_OWN} log-in@1 consent@1 on:contact@1 sync@1", _on_items(_swap)),
    LieCase("another name", f"{_OWN} log-in@1 consent@1 on:contact@1 sync@1", _on_items(_rename)),
    LieCase("deleted", _AGAIN, _on_items(_undelete)),
    LieCase("omission", _AGAIN, _omit, is_reported=True),
    LieCase("list without end", _AGAIN, _on_items(_never_end)),
    LieCase("foreign key", f"{_OWN} log-in@1 consent@1 on:contact@1 sync@1", _foreign_key),
    LieCase("another version", _LOGIN, _on("/login_challenge/", version=2)),
    LieCase("weaker keys", _LOGIN, _on("/login_challenge/", salt=b"x" * 8)),
    LieCase("another salt", _LOGIN, _on("/login_challenge/", salt=bytes(range(32)))),
    LieCase("another public key", _LOGIN, _on("/login/", user__pubkey=bytes(32))),
    LieCase("another wrap", _LOGIN, _on("/login/", user__encryptedContent=bytes(104))),
    LieCase("another account", _LOGIN, _on("/login/", user__username="budi")),
    LieCase("forged policy", _CONSENT, _answer("/policy/id", _forge)),
    LieCase("another region's policy", _CONSENT, _answer("/policy/id", _reregion)),
    LieCase("another text", _CONSENT, _answer("/policy/id/1/en", lambda *_: b"Agree to all.")),
    LieCase(
        *("forged receipt", _CONSENT),
        _answer("/account/1/consents", _forge_receipt, method="POST"),
    ),
    LieCase(
        *("another piece", f"{_OWN} log-in@1 consent@1 on:photo@1 sync@1"),
        _answer("/blobs/photos/data/", lambda _cloud, body: body[::-1]),
    ),
    LieCase("another address", f"{_OWN} sync", _answer(_API, lambda *_: b"", 302, "POST")),
    LieCase(
        *("forged erasure", f"{_OWN} erase receipt", _answer("/erasure/", _forge_receipt)),
        is_reported=True,
    ),
    LieCase(
        *("space counted wrongly", f"{_OWN} edit:contact add:contact sync"),
        _answer("/account/1/usage", lambda *_: b'{"quota":1000,"used":0}'),
        is_reported=True,
    ),
)
"""The lies of hostile servers; the phone's own tests have more of each kind."""
