"""Repeated halts and pauses: which are recorded, and how often."""

from datetime import timedelta

import pytest

from server.release.errors import RateError
from server.release.rollouts.changes import State
from server.release.rollouts.commands import ChangeRequest, Halt, Offer, Pause
from server.release.rollouts.plan import Plan, Stage
from tests.server.release.auth.issue import principal
from tests.server.release.rollouts.harness import DAY, ENGINEER, open_harness
from tests.server.world import CHANNEL

PLAN = Plan([Stage(10, DAY), Stage(1000)])


async def test_repetition_returns_the_recorded_change(world):
    """A repetition returns the recorded change; another account gets its own change."""
    operator = principal("operator-0")
    async with open_harness(world) as harness:
        for command in (Pause({"en": "We look."}), Halt({"en": "It drains."})):
            first = await harness.request(command)
            before = await harness.audit_log()
            assert [await harness.request(command) for _ in range(2)] == [first] * 2
            assert await harness.audit_log() == before
            other = await harness.request(command, operator)
            assert (other.proposed_by, other.state) == ("operator-0", State.DONE)
            assert await harness.request(command, operator) == other
        assert len(await harness.rollouts.find()) == 4


async def test_halt_of_another_offer_is_recorded(world):
    """A halt of the next offer, or with another reason, is carried out and recorded."""
    async with open_harness(world) as harness:
        await harness.request(Halt())
        await harness.request(Offer(2, PLAN))
        ids = {(await harness.request(Halt({"en": reason}))).id for reason in ("a", "b", "a", "a")}
        assert len(ids) == 3
        pointer = await harness.pointer()
        assert (pointer.halted, dict(pointer.reason)) == (True, {"en": "a"})


async def test_a_repetition_with_a_new_note_is_recorded(world):
    """A repetition with a new note is recorded once; one without a note is not."""
    async with open_harness(world) as harness:
        for kind in (Pause, Halt):
            first = await harness.request(kind(), note="a")
            second = await harness.request(kind(), note="b")
            assert (second.note, second.state) == ("b", State.DONE)
            assert second.id != first.id
            assert await harness.request(kind(), note="b") == second
            assert await harness.request(kind()) == second


@pytest.mark.parametrize("kind", [Halt, Pause])
async def test_new_texts_over_the_limit_are_dropped(world, kind):
    """Beyond an account's daily limit, new texts are dropped and the last change is returned."""
    async with open_harness(world, rewordings=3) as harness:
        kept = [await harness.request(kind({"en": word}), note=word) for word in "abc"]
        before = await harness.audit_log()
        for command, note in ((kind({"en": "d"}), ""), (kind({"en": "c"}), "d"), (kind(), "d")):
            assert await harness.request(command, note=note) == kept[-1]
        assert await harness.audit_log() == before
        assert (await harness.pointer()).reason == {"en": "c"}
        operator = principal("operator-0")
        assert (await harness.request(kind({"en": "e"}), operator)).proposed_by == "operator-0"
        assert (await harness.request(kind({"en": "f"}))).proposed_by == "operator-0"
        world.ahead = timedelta(days=1, seconds=1)
        assert (await harness.request(kind({"en": "g"}))).command == kind({"en": "g"})


async def test_limit_does_not_apply_to_a_halt_with_an_effect(world):
    """The limit does not apply to a halt that changes the channel."""
    async with open_harness(world, rewordings=1) as harness:
        for command in (Pause({"en": "a"}), Halt({"en": "b"})):
            assert (await harness.request(command)).command == command
        await harness.request(Offer(2, PLAN))
        assert (await harness.request(Halt({"en": "c"}))).command == Halt({"en": "c"})
        assert (await harness.pointer()).reason == {"en": "c"}


async def test_limit_of_scheduled_pauses(world):
    """Scheduled pauses count against the limit, even if cancelled; immediate ones do not."""
    async with open_harness(world, rewordings=2) as harness:
        for days in (1, 2):
            later = await harness.request(Pause(), due_at=world.epoch() + days * DAY)
            await harness.rollouts.cancel(ENGINEER, later.id, "no")
        with pytest.raises(RateError, match="a pause cannot be scheduled"):
            await harness.request(Pause(), due_at=world.epoch() + DAY)
        assert (await harness.request(Pause())).state == State.DONE


async def test_changes_are_returned_in_order(world):
    """Changes are returned in the order of the requests, including repetitions."""
    async with open_harness(world) as harness:
        halted = await harness.request(Halt())
        requests = [ChangeRequest(CHANNEL, Halt(), note=note) for note in ("new", "")]
        changes = await harness.rollouts.request(ENGINEER, requests)
        assert [change.note for change in changes] == ["new", ""]
        assert changes[1] == halted


async def test_repeated_halt_cancels_waiting_commands(world):
    """A repeated halt cancels waiting commands."""
    async with open_harness(world, ["*/*/stable"]) as harness:
        first = await harness.request(Halt())
        waiting = await harness.request(Offer(2, PLAN))
        assert (await harness.request(Halt())).id != first.id
        assert (await harness.rollouts.get(waiting.id)).state == State.CANCELLED


async def test_repeated_halt_halts_a_new_offer(world, monkeypatch):
    """An offer published between the two checks of a repeated halt is halted."""
    async with open_harness(world) as harness:
        await harness.request(Halt())
        real, stale = harness.rollouts.view, [await harness.rollouts.view(CHANNEL)]
        await harness.request(Offer(2, PLAN))

        async def view(channel):
            return stale.pop() if stale else await real(channel)

        monkeypatch.setattr(harness.rollouts, "view", view)
        await harness.request(Halt(), if_match="*")
        pointer = await harness.pointer()
        assert (pointer.steps[-1].counter, pointer.halted) == (2, True)
