"""A POST with an Idempotency-Key takes effect once within a day, even across crashes."""

import asyncio
import os

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from server.release.api import idempotency
from server.release.api.idempotency import Answer, Idempotency, Request
from server.release.api.operation import Reply
from server.release.api.problems import ProblemError
from server.release.auth.audit_log import note_effect, record
from server.release.errors import ConflictError, RateError
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.models import IdempotencyKey
from tests.server.release.api.toys import MADE, Toy, operation
from tests.server.release.api_world import api_world
from tests.server.release.auth.issue import add_account, audit_log

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEAR = {"name": "bear", "colour": "red"}
DAY = 24 * 3600
FIRST = Answer(201, {"X-Toy": "1"}, b"{}")
REFUSED = Answer(409, {}, b"{}")
REQUEST = Request("ben", "key", "0" * 64)


def key(name):
    """Return the header for a key."""
    return {"Idempotency-Key": name}


async def test_repetition_gets_the_same_answer(toys):
    """A repetition gets the same answer, marked as a replay, and has no effect.

    A key has 1 to 80 visible ASCII characters. Each account has its own keys.
    """
    for text in ("a" * 81, '""', "a b", "\u00e9"):
        answer = await toys.call("POST", "/toys", body=BEAR, headers=key(text))
        assert (answer.status, answer.problem) == (400, "malformed")
    first = await toys.call("POST", "/toys", body=BEAR, headers=key("repeat"))
    again = await toys.call("POST", "/toys", body=BEAR, headers=key('"repeat"'))
    assert MADE == ["bear"]
    other = await toys.call("POST", "/toys", body=BEAR, headers=key("repeat"), token="editor")
    assert (first.status, again.status, first.data) == (201, 201, again.data)
    assert first.headers["X-Toy"] == again.headers["X-Toy"] == "1"
    replayed = [each.headers.get("Idempotent-Replayed") for each in (first, again, other)]
    assert replayed == [None, "true", None]


async def test_key_of_another_request(toys):
    """A key used with another body or path gets 422."""
    await toys.call("POST", "/toys", body=BEAR, headers=key("taken"))
    for path, body in (("/toys", {**BEAR, "price": 1}), ("/secrets", BEAR)):
        answer = await toys.call("POST", path, body=body, headers=key("taken"))
        assert (answer.status, answer.problem) == (422, "key-reused")
    assert MADE == ["bear"]


async def test_refusals_and_failures_are_replayed(toys):
    """A refusal or a failure is replayed without calling the handler.

    After a failure the outcome is unknown, so the incident is repeated.
    """
    for how, status in (("conflict", 409), ("bug", 500)):
        MADE.clear()
        first, again = [
            await toys.call("POST", "/failures", body={"how": how}, headers=key(how))
            for _ in range(2)
        ]
        assert (first.status, again.status, first.json) == (status, status, again.json)
        assert "Idempotent-Replayed" not in first.headers
        assert "Idempotent-Replayed" in again.headers
        assert [how] == MADE


async def test_key_is_free_after_temporary_errors(toys):
    """After 429, 503, 507 or a malformed request, the key can be used again."""
    for how, status in (("rate", 429), ("storage", 503), ("quota", 507)):
        for _ in range(2):
            answer = await toys.call("POST", "/failures", body={"how": how}, headers=key(how))
            assert answer.status == status
            assert "Idempotent-Replayed" not in answer.headers
    assert len(MADE) == 6
    assert (await toys.call("POST", "/toys", body={}, headers=key("mend"))).status == 422
    assert (await toys.call("POST", "/toys", body=BEAR, headers=key("mend"))).status == 201


async def test_secret_is_not_stored(toys):
    """An answer with a secret is not stored, and a repetition gets 409."""
    body = {"name": "canary-of-a-secret", "colour": "red"}
    assert (await toys.call("POST", "/secrets", body=body, headers=key("once"))).status == 201
    again = await toys.call("POST", "/secrets", body=body, headers=key("once"))
    assert (again.status, again.problem) == (409, "answer-not-kept")
    assert len(MADE) == 1
    folder = toys.services.folder.root
    for path in folder.glob("hening.sqlite*"):
        assert b"canary-of-a-secret" not in await asyncio.to_thread(path.read_bytes)


async def test_key_expires_after_a_day(toys):
    """After 24 hours a key can be used again, and the account's old rows are deleted."""
    await toys.call("POST", "/toys", body=BEAR, headers=key("day"))
    toys.ahead(DAY - 5)
    answer = await toys.call("POST", "/toys", body=BEAR, headers=key("day"))
    assert "Idempotent-Replayed" in answer.headers
    toys.ahead(DAY + idempotency.CLEANUP_SECONDS)
    answer = await toys.call("POST", "/toys", body=BEAR, headers=key("day"))
    assert "Idempotent-Replayed" not in answer.headers
    assert MADE == ["bear", "bear"]
    async with toys.services.sessions() as session:
        own = select(func.count()).where(IdempotencyKey.account == "admin")
        assert await session.scalar(own) == 1


async def give(answer):  # noqa: RUF029 - as an operation
    """Return the answer."""
    return answer


def ask(keys, name, answer):
    """Make a request of ben with a key, without an effect."""
    request = Request("ben", name, "0" * 64)
    return keys.once(request, lambda: give(answer), asyncio.Event().wait)


def change(sessions, keys, name):
    """Make a request of ben with a key and an effect."""

    async def work():
        async with sessions.begin() as session:
            await note_effect(session, 1)
        return FIRST

    return keys.once(Request("ben", name, "0" * 64), work, asyncio.Event().wait)


async def kept(sessions):
    """Return the stored keys and their statuses."""
    async with sessions() as session:
        rows = await session.execute(select(IdempotencyKey.key, IdempotencyKey.status))
        return {key: status for key, status in rows}  # noqa: C416 - rows


async def test_limit_of_answers_without_an_effect(place, monkeypatch):
    """Of refusals and other answers without an effect, only the newest are kept.

    Answers with an effect are all kept. A refusal with whole role files is not: it can be computed
    again.
    """
    monkeypatch.setattr(idempotency, "EFFECTLESS_KEPT", 3)
    clock = iter(range(1000, 2000))
    async with open_database(place) as sessions:
        await add_account(sessions, "ben")
        keys = Idempotency(sessions, lambda: next(clock), os.urandom, 100)
        await ask(keys, "big", Answer(409, {}, b"x" * 20_000))
        assert await kept(sessions) == {}
        await change(sessions, keys, "done")
        for number in range(20):
            await ask(keys, f"nothing-{number}", (REFUSED, FIRST)[number % 2])
            assert len(await kept(sessions)) <= 1 + 2 * 3
        assert (await kept(sessions))["done"] == 201
        assert "nothing-19" in await kept(sessions)


async def test_limit_of_keys_of_an_account(place):
    """An account's keys are limited; only keys without an effect are evicted."""
    now = [1000]
    async with open_database(place) as sessions:
        await add_account(sessions, "ben")
        keys = Idempotency(sessions, lambda: now[0], os.urandom, 3)
        await change(sessions, keys, "a")
        await ask(keys, "b", REFUSED)
        for name in "cd":
            await change(sessions, keys, name)
        assert set(await kept(sessions)) == {"a", "c", "d"}
        now[0] += 100
        with pytest.raises(RateError) as refused:
            await ask(keys, "e", FIRST)
        assert (refused.value.retry_after, refused.value.share) == (DAY - 100, "idempotency_keys")
        assert (await change(sessions, keys, "a")).headers["Idempotent-Replayed"] == "true"
        now[0] += DAY
        await ask(keys, "e", FIRST)
        assert set(await kept(sessions)) == {"e"}


async def test_request_under_way_is_not_repeated(fresh):
    """A second request with a key is refused while the first one is under way."""
    begun, release, done = asyncio.Event(), asyncio.Event(), []

    async def slow(call):
        """Wait."""
        begun.set()
        await release.wait()
        done.append(call.body.name)
        return Reply(call.body)

    operations = (operation("POST", "/slow", slow, request=Toy, response=Toy),)
    async with api_world(fresh, operations) as api:
        first = asyncio.create_task(api.call("POST", "/slow", body=BEAR, headers=key("k")))
        await begun.wait()
        second = await api.call("POST", "/slow", body=BEAR, headers=key("k"))
        assert (second.status, second.problem) == (409, "under-way")
        release.set()
        assert (await first).status == 200
        assert done == ["bear"]
        third = await api.call("POST", "/slow", body=BEAR, headers=key("k"))
        assert third.headers["Idempotent-Replayed"] == "true"


async def lose_answer(toys, name):
    """Remove a stored answer, as if the process had crashed before it."""
    async with toys.services.sessions.begin() as session:
        row = await session.get(IdempotencyKey, ("admin", name))
        row.status, row.headers, row.body = 0, "{}", ""


async def test_crash_before_the_effect(toys):
    """After a crash before the effect, the repetition carries the request out."""
    await toys.call("POST", "/toys", body=BEAR, headers=key("before"))
    await lose_answer(toys, "before")
    for replayed in (False, True):
        answer = await toys.call("POST", "/toys", body=BEAR, headers=key("before"))
        assert answer.status == 201
        assert ("Idempotent-Replayed" in answer.headers) is replayed
    assert MADE == ["bear", "bear"]


def marking(path, again, fail=lambda _when: None):
    """Return an operation that writes two audit-log entries and calls `fail` around them."""

    async def leave_mark(call):
        """Write to the audit log."""
        fail("before")
        async with call.services.sessions.begin() as session:
            for number in range(2):
                await mark(session, f"{call.body.name}{number}")
        fail("after")
        return Reply(call.body)

    return operation("POST", path, leave_mark, request=Toy, response=Toy, status=201, again=again)


async def show(call, entry):  # noqa: RUF029 - as a handler
    """Return the result of an earlier call."""
    return Reply(Toy(entry["subject"], call.body.colour))


async def test_crash_between_effect_and_answer(fresh):
    """After a crash between effect and answer, the repetition does not repeat the effect.

    It answers from the result, or says that the answer was not kept.
    """
    operations = (marking("/silent", None), marking("/shown", show))
    async with api_world(fresh, operations) as api:
        repeated = []
        for path in ("/silent", "/shown"):
            await api.call("POST", path, body=BEAR, headers=key(path))
            await lose_answer(api, path)
            repeated.append(await api.call("POST", path, body=BEAR, headers=key(path)))
            other = await api.call("POST", path, body=BEAR | {"price": 1}, headers=key(path))
            assert (other.status, other.problem) == (422, "key-reused")
        silent, shown = repeated
        assert (silent.status, silent.problem) == (409, "answer-not-kept")
        assert "entry 1 of the audit log" in silent.json["detail"]
        assert (shown.status, shown.json["name"]) == (201, "bear0")
        assert shown.headers["Idempotent-Replayed"] == "true"
        assert len(await audit_log(api.services.sessions)) == 4


async def test_repetition_after_a_storage_error(fresh):
    """If the disk or database fails, a repetition completes the request."""
    failing = []

    def fail(when):
        if when in failing:
            failing.clear()
            raise StorageError("the disk is gone.")

    async with api_world(fresh, (marking("/mark", show, fail),)) as api:
        for moment in ("before", "after"):
            failing.append(moment)
            sent = {"body": BEAR, "headers": key(moment)}
            answers = [await api.call("POST", "/mark", **sent) for _ in range(3)]
            assert [answer.status for answer in answers] == [503, 201, 201], moment
        assert len(await audit_log(api.services.sessions)) == 4


async def mark(session, subject):
    """Write an audit-log entry."""
    await record(session, at=1, actor="ben", action="toy.make", subject=subject, detail={})


async def test_processes_with_the_same_request(place):
    """Of several processes with the same request, one carries it out, on both databases."""
    barrier = asyncio.Barrier(4)

    async def one():
        async with open_database(place) as sessions:

            async def work():
                async with sessions.begin() as session:
                    await mark(session, "bear")
                return FIRST

            async def again(_entry):  # noqa: RUF029 - as an operation
                return FIRST

            await barrier.wait()
            keys = Idempotency(sessions, lambda: 1000, os.urandom, 10)
            try:
                return await keys.once(REQUEST, work, again)
            except (ProblemError, ConflictError) as error:
                return type(error)

    async with open_database(place) as sessions:
        await add_account(sessions, "ben")
    answers = await asyncio.gather(*(one() for _ in range(4)))
    async with open_database(place) as sessions:
        assert len(await audit_log(sessions)) == 1
    replayed = Answer(201, {"X-Toy": "1", "Idempotent-Replayed": "true"}, b"{}")
    # A later process takes over, or learns that another one is working on it.
    assert all(answer in (FIRST, replayed, ProblemError, ConflictError) for answer in answers)
    assert any(answer in (FIRST, replayed) for answer in answers)


async def test_request_that_was_taken_over(place):
    """The transaction of a process whose request was taken over is refused.

    A database error for another reason, such as a missing account, is raised.
    """
    async with open_database(place) as sessions:
        late, early = (Idempotency(sessions, lambda: 1000, os.urandom, 10) for _ in range(2))
        with pytest.raises(IntegrityError):
            await late.once(REQUEST, asyncio.Event().wait, asyncio.Event().wait)
        await add_account(sessions, "ben")

        async def work():
            async with sessions.begin() as session:
                await mark(session, "bear")
            return FIRST

        async def be_late():
            assert await early.once(REQUEST, work, asyncio.Event().wait) == FIRST
            return await work()

        with pytest.raises(ConflictError, match="took this request over"):
            await late.once(REQUEST, be_late, asyncio.Event().wait)
        assert len(await audit_log(sessions)) == 1
