"""Delivery to a real receiver: signed, in order, and retried after failures."""

import asyncio
import os

import pytest

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
from tests.server.release.auth.issue import audit_log
from tests.server.release.webhooks.conftest import ADMIN, halted, on_both
from tests.server.release.webhooks.receiver import receiving

DAY = 86_400


async def run_for_days(harness, webhook, days):
    """Run the delivery, advancing the clock to each next attempt."""
    end = harness.now + days * DAY
    while harness.now < end:
        await harness.deliverer.deliver_due()
        due = [delivery.next_at for delivery in await harness.deliveries(webhook)]
        harness.now = min([end, *(moment for moment in due if moment is not None)])


async def test_event_is_delivered(harness, receiver):
    """An event is sent once, unchanged and with a valid signature."""
    webhook = await harness.create(receiver)
    event = await harness.halted(1)
    await harness.deliverer.deliver_due()
    await harness.deliverer.deliver_due()
    channel = {"channel": "stable", "codename": "armani", "region": "id"}
    sent = {"id": event.id, "subject": "armani/id/stable", "time": 1_800_000_000, "type": "halted"}
    data = {**channel, "counter": 1, "reason": {"en": "It reboots."}}
    assert receiver.received == [{**sent, "data": data}]
    assert receiver.ids == [event.id]
    (delivery,) = await harness.deliveries(webhook)
    assert (delivery.delivered_at, delivery.next_at, delivery.attempts) == (harness.now, None, 1)
    assert receiver.raw[0][2] == delivery.event.encode()


@on_both
async def test_event_is_queued_once(harness, receiver):
    """An event is queued once; events of a rolled-back transaction are not queued.

    A webhook gets only its event types.
    """
    async with receiving() as other:
        await harness.create(receiver)
        await harness.create(other, [EventType.PUBLISHED])
        async with harness.sessions() as session:
            await enqueue(session, halted(9, harness.now), harness.now)
            await session.rollback()
        for _ in range(2):
            await harness.halted(1)
            await harness.halted(1)
            await harness.deliverer.deliver_due()
        assert (len(receiver.ids), other.received) == (1, [])


async def test_a_receiver_that_recovers(harness, receiver):
    """A message is repeated with the same id and a new time until it is accepted."""
    webhook = await harness.create(receiver)
    event = await harness.halted(1)
    receiver.status = 503
    await harness.deliverer.deliver_due()
    (delivery,) = await harness.deliveries(webhook)
    assert (delivery.last_error, delivery.attempts) == ("answered 503", 1)
    assert harness.now + 5 <= delivery.next_at <= harness.now + 10
    await harness.deliverer.deliver_due()
    assert len(receiver.ids) == 1
    harness.now, receiver.status = delivery.next_at, 200
    await harness.deliverer.deliver_due()
    assert receiver.ids == [event.id, event.id]
    times = [headers["webhook-timestamp"] for _, headers, _ in receiver.raw]
    assert times == ["1800000000", str(harness.now)]
    assert receiver.raw[0][2] == receiver.raw[1][2]
    assert (await load_webhook(harness.sessions, webhook))[0].failing_since is None
    assert harness.alarms == []


async def test_message_is_given_up_after_three_days(harness, receiver):
    """A message is given up after fourteen attempts, with an alarm; the webhook stays enabled."""
    webhook = await harness.create(receiver)
    await harness.halted(1)
    receiver.status = 500
    began = harness.now
    await run_for_days(harness, webhook, 3)
    (delivery,) = await harness.deliveries(webhook)
    assert (delivery.attempts, delivery.next_at, delivery.delivered_at) == (14, None, None)
    assert len(receiver.ids) == 14
    assert harness.alarms == [f"an event for the webhook {webhook} was given up: answered 500."]
    found, _ = await load_webhook(harness.sessions, webhook)
    assert (found.disabled_at, found.failing_since) == (None, began)


async def test_webhook_is_disabled_after_five_days_without_success(harness, receiver):
    """After five days without success, a failed delivery disables the webhook."""
    webhook = await harness.create(receiver)
    receiver.status = 500
    for number in (1, 2):
        await harness.halted(number)
        await run_for_days(harness, webhook, 3)
    found, deliveries = await load_webhook(harness.sessions, webhook)
    assert found.disabled_at is not None
    assert {delivery.next_at for delivery in deliveries} == {None}
    assert harness.alarms[-1] == f"the webhook {webhook} was switched off: answered 500."
    entry = (await audit_log(harness.sessions))[-1]
    assert (entry.actor, entry.action) == ("server", "webhook.disable")
    assert (entry.subject, entry.detail) == (f"webhook/{webhook}", '{"reason":"answered 500"}\n')
    await harness.halted(3)
    count = len(receiver.ids)
    await harness.deliverer.deliver_due()
    assert len(receiver.ids) == count


async def test_receiver_that_answers_410(harness, receiver):
    """A receiver that answers 410 gets no further requests; the audit log records this."""
    webhook = await harness.create(receiver)
    await harness.halted(1)
    await harness.halted(2)
    receiver.status = 410
    await harness.deliverer.deliver_due()
    await harness.deliverer.deliver_due()
    assert len(receiver.ids) == 1
    found, deliveries = await load_webhook(harness.sessions, webhook)
    assert (found.disabled_at, [d.next_at for d in deliveries]) == (harness.now, [None, None])
    assert len(harness.alarms) == 2


async def test_slow_receiver_delays_no_other(harness, receiver):
    """A slow receiver delays no other, and has one request at a time."""
    async with receiving() as slow:
        entered, released = asyncio.Event(), asyncio.Event()

        async def wait(_request):
            entered.set()
            await released.wait()

        slow.before = wait
        await harness.create(slow)
        await harness.create(receiver)
        await harness.halted(1)
        await harness.halted(2)
        first = asyncio.create_task(harness.deliverer.deliver_due())
        await entered.wait()
        await harness.deliverer.deliver_due()
        await receiver.wait(2)
        assert len(slow.ids) == 1
        released.set()
        await first
        assert len(slow.ids) == 2


@on_both
async def test_a_process_that_dies_during_an_attempt(harness, receiver):
    """A delivery of a dead process is sent by the next one after a minute, with the same id."""
    webhook = await harness.create(receiver)
    event = await harness.halted(1)
    assert (await claim(harness.sessions, webhook, harness.now)).event_id == event.id
    restarted = harness.new_deliverer()
    await restarted.deliver_due()
    assert receiver.ids == []
    harness.now += CLAIM_SECONDS
    await restarted.deliver_due()
    assert receiver.ids == [event.id]
    assert [delivery.attempts for delivery in await harness.deliveries(webhook)] == [2]


@on_both
async def test_two_processes_share_the_queue(harness, receiver):
    """Each delivery is made by one process only.

    A single process sends events in the order of the queue.
    """
    await harness.create(receiver)

    async def queue(numbers):
        for number in numbers:
            harness.now += 1
            yield (await harness.halted(number)).id

    ids = [each async for each in queue(range(1, 21))]
    deliverers = [harness.new_deliverer() for _ in range(3)]
    for _ in range(3):
        await asyncio.gather(*(deliverer.deliver_due() for deliverer in deliverers))
    assert sorted(receiver.ids) == sorted(ids)
    receiver.ids.clear()
    ids = [each async for each in queue(range(21, 51))]
    for _ in range(2):
        await harness.deliverer.deliver_due()
    assert receiver.ids == ids


@on_both
async def test_finished_deliveries_are_deleted(harness, receiver):
    """A finished delivery is deleted after a month, a pending one is not."""
    webhook = await harness.create(receiver)
    await harness.halted(1)
    await harness.deliverer.deliver_due()
    harness.now += 30 * DAY
    await harness.halted(2)
    await forget_old(harness.sessions, harness.now)
    assert len(await harness.deliveries(webhook)) == 2
    await forget_old(harness.sessions, harness.now + 1)
    assert [delivery.attempts for delivery in await harness.deliveries(webhook)] == [0]


async def test_delivery_continues_after_an_error(harness, receiver, monkeypatch):
    """An error in one round is logged, and the next round delivers."""
    await harness.create(receiver)
    event = await harness.halted(1)
    start, failed = harness.deliverer._start_due, asyncio.Event()

    async def fail(group):
        if not failed.is_set():
            failed.set()
            raise OSError("the database is away")
        await start(group)

    monkeypatch.setattr(harness.deliverer, "_start_due", fail)
    task = asyncio.create_task(harness.deliverer.run())
    await receiver.wait(1)
    assert failed.is_set()
    assert receiver.ids == [event.id]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_retry_after(harness):
    """Retry-After is obeyed, but the usual pause is the shortest."""
    for number, (asked, least, most) in enumerate((("3600", 3600, 3600), ("1", 5, 10))):
        async with receiving() as late:
            late.status, late.headers = 503, {"Retry-After": asked}
            webhook = await harness.create(late)
            await harness.halted(number)
            await harness.deliverer.deliver_due()
            (delivery,) = await harness.deliveries(webhook)
            assert least <= delivery.next_at - harness.now <= most
            await disable_webhook(harness.sessions, ADMIN, webhook, harness.now)


@on_both
async def test_metrics(harness, receiver):
    """Metrics count attempts by result, waiting deliveries, their age, and disabled webhooks."""
    await harness.create(receiver)
    await harness.halted(1)
    harness.now += 100
    await harness.deliverer.measure()
    assert (harness.metric("_waiting"), harness.metric("_oldest_seconds")) == (1, 100)
    await harness.deliverer.deliver_due()
    assert harness.metric("_attempts_total", result="delivered") == 1
    receiver.status = 500
    await harness.halted(2)
    await harness.deliverer.deliver_due()
    assert harness.metric("_attempts_total", result="failed") == 1
    receiver.status = 410
    harness.now += 20
    await harness.deliverer.deliver_due()
    await harness.deliverer.measure()
    assert harness.metric("_attempts_total", result="given-up") == 1
    assert harness.metric("s_switched_off_total") == 1
    assert (harness.metric("_waiting"), harness.metric("_oldest_seconds")) == (0, 0)


async def test_secrets_during_a_rotation(harness, receiver):
    """During the overlap both secrets sign, afterwards only the new one."""
    webhook = await harness.create(receiver)
    old = receiver.secret
    made = await rotate_secret(harness.sessions, ADMIN, webhook, 3600, harness.now, os.urandom)
    new = made.secret
    assert new != old
    for number, secret in enumerate((old, new)):
        receiver.secret = secret
        await harness.halted(number)
        await harness.deliverer.deliver_due()
    assert len(receiver.ids) == 2
    harness.now += 3600
    await harness.halted(3)
    await harness.deliverer.deliver_due()
    assert " " not in receiver.raw[-1][1]["webhook-signature"]
    await rotate_secret(harness.sessions, ADMIN, webhook, 3600, harness.now, os.urandom)
    made = await rotate_secret(harness.sessions, ADMIN, webhook, 0, harness.now, os.urandom)
    receiver.secret = made.secret
    await harness.halted(4)
    await harness.deliverer.deliver_due()
    assert len(receiver.ids) == 4
    assert " " not in receiver.raw[-1][1]["webhook-signature"]


#: 10 s, tripled each time, at most twelve hours; calculated by hand.
LONGEST = [10, 30, 90, 270, 810, 2430, 7290, 21870, *[43200] * 5]


def test_pauses_between_attempts():
    """Each of the 13 pauses is in the upper half of its maximum."""
    for attempts, longest in enumerate(LONGEST, start=1):
        drawn = [plan_retry(attempts, lambda _n, i=i: i.to_bytes(8)) for i in range(longest + 2)]
        assert min(drawn) == longest // 2
        assert max(drawn) == longest
    assert sum(LONGEST) == 248_800 < 3 * DAY
    assert [plan_retry(attempts, bytes) for attempts in (14, 15)] == [None, None]


def test_values_of_retry_after():
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
