"""Delivery to a real receiver: signed, in order, and retried after failures."""

import asyncio

import pytest
from sqlalchemy import select

from server.release.webhooks.deliveries import (
    CLAIM_SECONDS,
    claim,
    decode_retry_after,
    enqueue,
    forget_old,
    plan_retry,
)
from server.release.webhooks.directory import disable_webhook, load_webhook, rotate_secret
from server.release.webhooks.event import EventType
from server.storage.models import AuditLogEntry
from tests.server.release.webhooks.conftest import ADMIN, halted, on_both
from tests.server.release.webhooks.receiver import receiving

DAY = 86_400


async def run_for_days(post, webhook, days):
    """Run the delivery, advancing the clock to each next attempt."""
    end = post.now + days * DAY
    while post.now < end:
        await post.deliverer.deliver_due()
        due = [delivery.next_at for delivery in await post.deliveries(webhook)]
        post.now = min([end, *(moment for moment in due if moment is not None)])


async def test_an_event_reaches_its_receiver(post, receiver):
    """An event is sent once, unchanged and with a valid signature."""
    webhook = await post.create(receiver)
    event = await post.halted(1)
    await post.deliverer.deliver_due()
    await post.deliverer.deliver_due()
    channel = {"channel": "stable", "codename": "armani", "region": "id"}
    told = {"id": event.id, "subject": "armani/id/stable", "time": 1_800_000_000, "type": "halted"}
    data = {**channel, "counter": 1, "reason": {"en": "It reboots."}}
    assert receiver.received == [{**told, "data": data}]
    assert receiver.ids == [event.id]
    (delivery,) = await post.deliveries(webhook)
    assert (delivery.delivered_at, delivery.next_at, delivery.attempts) == (post.now, None, 1)
    assert receiver.raw[0][2] == delivery.event.encode()


@on_both
async def test_what_is_queued(post, receiver):
    """An event is queued once; events of a rolled-back transaction are not queued.

    A webhook gets only its event types.
    """
    async with receiving() as other:
        await post.create(receiver)
        await post.create(other, [EventType.PUBLISHED])
        async with post.sessions() as session:
            await enqueue(session, halted(9, post.now), post.now)
            await session.rollback()
        for _ in range(2):
            await post.halted(1)
            await post.halted(1)
            await post.deliverer.deliver_due()
        assert (len(receiver.ids), other.received) == (1, [])


async def test_a_receiver_that_recovers(post, receiver):
    """A message is repeated with the same id and a new time until it is accepted."""
    webhook = await post.create(receiver)
    event = await post.halted(1)
    receiver.status = 503
    await post.deliverer.deliver_due()
    (delivery,) = await post.deliveries(webhook)
    assert (delivery.last_error, delivery.attempts) == ("answered 503", 1)
    assert post.now + 5 <= delivery.next_at <= post.now + 10
    await post.deliverer.deliver_due()
    assert len(receiver.ids) == 1
    post.now, receiver.status = delivery.next_at, 200
    await post.deliverer.deliver_due()
    assert receiver.ids == [event.id, event.id]
    times = [headers["webhook-timestamp"] for _, headers, _ in receiver.raw]
    assert times == ["1800000000", str(post.now)]
    assert receiver.raw[0][2] == receiver.raw[1][2]
    assert (await load_webhook(post.sessions, webhook))[0].failing_since is None
    assert post.alarms == []


async def test_given_up_after_three_days(post, receiver):
    """A message is given up after fourteen attempts, with an alarm; the webhook stays enabled."""
    webhook = await post.create(receiver)
    await post.halted(1)
    receiver.status = 500
    began = post.now
    await run_for_days(post, webhook, 3)
    (delivery,) = await post.deliveries(webhook)
    assert (delivery.attempts, delivery.next_at, delivery.delivered_at) == (14, None, None)
    assert len(receiver.ids) == 14
    assert post.alarms == [f"an event for the webhook {webhook} was given up: answered 500."]
    found, _ = await load_webhook(post.sessions, webhook)
    assert (found.disabled_at, found.failing_since) == (None, began)


async def test_switched_off_after_days_without_success(post, receiver):
    """After five days without success, a failed delivery disables the webhook."""
    webhook = await post.create(receiver)
    receiver.status = 500
    for number in (1, 2):
        await post.halted(number)
        await run_for_days(post, webhook, 3)
    found, deliveries = await load_webhook(post.sessions, webhook)
    assert found.disabled_at is not None
    assert {delivery.next_at for delivery in deliveries} == {None}
    assert post.alarms[-1] == f"the webhook {webhook} was switched off: answered 500."
    async with post.sessions() as session:
        entry = (await session.scalars(select(AuditLogEntry))).all()[-1]
    assert (entry.actor, entry.action) == ("server", "webhook.disable")
    assert (entry.subject, entry.detail) == (f"webhook/{webhook}", '{"reason":"answered 500"}\n')
    await post.halted(3)
    count = len(receiver.ids)
    await post.deliverer.deliver_due()
    assert len(receiver.ids) == count


async def test_gone(post, receiver):
    """A receiver that answers 410 gets no further requests; the audit log records this."""
    webhook = await post.create(receiver)
    await post.halted(1)
    await post.halted(2)
    receiver.status = 410
    await post.deliverer.deliver_due()
    await post.deliverer.deliver_due()
    assert len(receiver.ids) == 1
    found, deliveries = await load_webhook(post.sessions, webhook)
    assert (found.disabled_at, [d.next_at for d in deliveries]) == (post.now, [None, None])
    assert len(post.alarms) == 2


async def test_a_slow_receiver_holds_up_no_other(post, receiver):
    """A slow receiver delays no other, and has one request at a time."""
    async with receiving() as slow:
        entered, released = asyncio.Event(), asyncio.Event()

        async def wait(_request):
            entered.set()
            await released.wait()

        slow.before = wait
        await post.create(slow)
        await post.create(receiver)
        await post.halted(1)
        await post.halted(2)
        first = asyncio.create_task(post.deliverer.deliver_due())
        await entered.wait()
        await post.deliverer.deliver_due()
        await receiver.wait(2)
        assert len(slow.ids) == 1
        released.set()
        await first
        assert len(slow.ids) == 2


@on_both
async def test_a_process_that_dies_during_an_attempt(post, receiver):
    """A delivery of a dead process is sent by the next one after a minute, with the same id."""
    webhook = await post.create(receiver)
    event = await post.halted(1)
    assert (await claim(post.sessions, webhook, post.now)).event_id == event.id
    restarted = post.new_deliverer()
    await restarted.deliver_due()
    assert receiver.ids == []
    post.now += CLAIM_SECONDS
    await restarted.deliver_due()
    assert receiver.ids == [event.id]
    assert [delivery.attempts for delivery in await post.deliveries(webhook)] == [2]


@on_both
async def test_two_processes_share_the_queue(post, receiver):
    """Each delivery is made by one process only.

    A single process sends events in the order of the queue.
    """
    await post.create(receiver)

    async def queue(numbers):
        for number in numbers:
            post.now += 1
            yield (await post.halted(number)).id

    ids = [each async for each in queue(range(1, 21))]
    deliverers = [post.new_deliverer() for _ in range(3)]
    for _ in range(3):
        await asyncio.gather(*(deliverer.deliver_due() for deliverer in deliverers))
    assert sorted(receiver.ids) == sorted(ids)
    receiver.ids.clear()
    ids = [each async for each in queue(range(21, 51))]
    for _ in range(2):
        await post.deliverer.deliver_due()
    assert receiver.ids == ids


async def test_private_addresses_where_they_are_not_allowed(post, receiver):
    """Once private addresses are forbidden, delivery to one fails."""
    webhook = await post.create(receiver)
    await post.halted(1)
    await post.new_deliverer(private=False).deliver_due()
    (delivery,) = await post.deliveries(webhook)
    assert ("private" in delivery.last_error, receiver.raw) == (True, [])


@on_both
async def test_what_is_over_is_forgotten(post, receiver):
    """A finished delivery is deleted after a month, a pending one is not."""
    webhook = await post.create(receiver)
    await post.halted(1)
    await post.deliverer.deliver_due()
    post.now += 30 * DAY
    await post.halted(2)
    await forget_old(post.sessions, post.now)
    assert len(await post.deliveries(webhook)) == 2
    await forget_old(post.sessions, post.now + 1)
    assert [delivery.attempts for delivery in await post.deliveries(webhook)] == [0]


async def test_the_loop_survives_whatever_happens(post, receiver, monkeypatch):
    """An error in one round is logged, and the next round delivers."""
    await post.create(receiver)
    event = await post.halted(1)
    start, failed = post.deliverer._start_due, asyncio.Event()

    async def fail(group):
        if not failed.is_set():
            failed.set()
            raise OSError("the database is away")
        await start(group)

    monkeypatch.setattr(post.deliverer, "_start_due", fail)
    task = asyncio.create_task(post.deliverer.run())
    await receiver.wait(1)
    assert failed.is_set()
    assert receiver.ids == [event.id]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_receiver_that_asks_for_time(post):
    """Retry-After is obeyed, between the usual pause and 12 hours."""
    for number, (asked, least, most) in enumerate(
        (("3600", 3600, 3600), ("1", 5, 10), ("999999", 43_200, 43_200))
    ):
        async with receiving() as late:
            late.status, late.headers = 503, {"Retry-After": asked}
            webhook = await post.create(late)
            await post.halted(number)
            await post.deliverer.deliver_due()
            (delivery,) = await post.deliveries(webhook)
            assert least <= delivery.next_at - post.now <= most
            await disable_webhook(post.sessions, ADMIN, webhook, post.now)


@on_both
async def test_what_is_counted(post, receiver):
    """Metrics count attempts by result, waiting deliveries, their age, and disabled webhooks."""
    await post.create(receiver)
    await post.halted(1)
    post.now += 100
    await post.deliverer.measure()
    assert (post.metric("_waiting"), post.metric("_oldest_seconds")) == (1, 100)
    await post.deliverer.deliver_due()
    assert post.metric("_attempts_total", result="delivered") == 1
    receiver.status = 500
    await post.halted(2)
    await post.deliverer.deliver_due()
    assert post.metric("_attempts_total", result="failed") == 1
    receiver.status = 410
    post.now += 20
    await post.deliverer.deliver_due()
    await post.deliverer.measure()
    assert post.metric("_attempts_total", result="given-up") == 1
    assert post.metric("s_switched_off_total") == 1
    assert (post.metric("_waiting"), post.metric("_oldest_seconds")) == (0, 0)


async def test_a_new_secret_and_the_one_before(post, receiver):
    """During the overlap both secrets sign, afterwards only the new one."""
    webhook = await post.create(receiver)
    old = receiver.secret
    made = await rotate_secret(post.sessions, ADMIN, webhook, 3600, post.now, post.entropy)
    new = made.secret
    assert new != old
    for number, secret in enumerate((old, new)):
        receiver.secret = secret
        await post.halted(number)
        await post.deliverer.deliver_due()
    assert len(receiver.ids) == 2
    post.now += 3600
    await post.halted(3)
    await post.deliverer.deliver_due()
    assert " " not in receiver.raw[-1][1]["webhook-signature"]
    await rotate_secret(post.sessions, ADMIN, webhook, 3600, post.now, post.entropy)
    made = await rotate_secret(post.sessions, ADMIN, webhook, 0, post.now, post.entropy)
    receiver.secret = made.secret
    await post.halted(4)
    await post.deliverer.deliver_due()
    assert len(receiver.ids) == 4
    assert " " not in receiver.raw[-1][1]["webhook-signature"]


#: 10 s, tripled each time, at most twelve hours; calculated by hand.
LONGEST = [10, 30, 90, 270, 810, 2430, 7290, 21870, *[43200] * 5]


def test_the_waits_grow_and_end_within_three_days():
    """Each of the 13 pauses is in the upper half of its maximum."""
    for attempts, longest in enumerate(LONGEST, start=1):
        drawn = [plan_retry(attempts, lambda _n, i=i: i.to_bytes(8)) for i in range(longest + 2)]
        assert min(drawn) == longest // 2
        assert max(drawn) == longest
    assert sum(LONGEST) == 248_800 < 3 * DAY
    assert [plan_retry(attempts, bytes) for attempts in (14, 15)] == [None, None]


def test_what_a_receiver_asks_for():
    """Retry-After is a number of seconds or a date in one of three forms.

    1,800,000,000 is 2027-01-15 08:00 UTC.
    """
    friday = "Fri, 15 Jan 2027 08:02:00 GMT"
    for seconds, texts in {
        0: [
            *("0", "Fri, 15 Jan 2027 07:59:59 GMT", "", "-1", "1.5", "9" * 10, "\u0661", "soon"),
            *("Fri, 99 Jan 2027 08:02:00 GMT", friday * 9),
        ],
        120: ["120", friday, "Friday, 15-Jan-27 08:02:00 GMT", "Fri Jan 15 08:02:00 2027"],
        43_200: ["43200", "43201", "999999999", "Fri, 15 Jan 2099 08:00:00 GMT"],
    }.items():
        for text in texts:
            assert decode_retry_after(text, 1_800_000_000) == seconds, text
