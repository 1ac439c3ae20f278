"""The rollout service: commands are recorded, carried out once, and survive crashes."""

import asyncio
import contextlib
import os
import threading
from datetime import timedelta

import pytest

from server.core.errors import FormatError, HeningError, ReleaseError
from server.publish_loop import Draining
from server.publisher.publisher import Publisher
from server.release.auth.principal import Role
from server.release.errors import (
    ConflictError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
)
from server.release.rollouts.changes import State
from server.release.rollouts.commands import ChangeRequest, Halt, Offer, Pause, Resume, Schedule
from server.release.rollouts.execution import ORPHAN_SECONDS
from server.release.rollouts.plan import Plan, Stage
from server.release.rollouts.preview import preview
from server.storage.models import Change
from tests.server.release.auth.issue import principal
from tests.server.release.rollouts.harness import (
    APPROVER,
    DAY,
    ENGINEER,
    CrashError,
    crash_at,
    open_harness,
)
from tests.server.world import CHANNEL

PLAN = Plan([Stage(10, DAY), Stage(1000)])


async def test_a_command_is_published_and_recorded(world):
    """A command is published, and the audit log has its begin and end."""
    async with open_harness(world) as harness:
        change = await harness.request(Offer(2, PLAN))
        assert (change.state, change.action, change.proposed_by) == (State.DONE, "offer", "eka")
        assert change.snapshot == (await harness.versions())[0]
        assert await harness.rollouts.find() == [await harness.rollouts.get(change.id)] == [change]
        recorded = [("eka", "rollout.offer"), ("eka", "rollout.offer.done")]
        assert await harness.audit_log() == recorded


async def test_offer_pause_and_resume_in_one_second(world):
    """A resume uses the record of the pause, even if the offer was made in the same second."""
    moment = world.now()
    world.now = lambda: moment
    async with open_harness(world) as harness:
        offer = await harness.request(Offer(2, Plan([Stage(1000)])))
        await harness.request(Pause())
        # Databases return rows of the same time in any order; this one returns them as inserted.
        async with harness.sessions.begin() as session:
            row = await session.get(Change, offer.id)
            values = {column.name: getattr(row, column.name) for column in Change.__table__.columns}
            await session.delete(row)
            await session.flush()
            session.add(Change(**values))
        assert (await harness.request(Resume())).state == State.DONE
        assert not (await harness.pointer()).paused


async def test_preview_runs_in_a_thread(world, monkeypatch):
    """A preview runs in a thread, so that it does not block halts."""
    ran = []

    def look(*arguments):
        ran.append(threading.get_ident())
        return preview(*arguments)

    monkeypatch.setattr("server.release.rollouts.rollouts.preview", look)
    async with open_harness(world) as harness:
        await harness.rollouts.preview(ChangeRequest(CHANNEL, Halt()))
    assert ran
    assert threading.get_ident() not in ran


async def test_a_dry_run_changes_nothing(world):
    """A dry run returns the preview or the error, and records nothing."""
    async with open_harness(world) as harness:
        before = await harness.tag()
        seen = await harness.rollouts.preview(ChangeRequest(CHANNEL, Offer(2, PLAN), before))
        assert (seen.counter, [share.permille for share in seen.shares]) == (2, [10, 1000])
        assert [way.end for way in seen.ways] == ["newest", "newest", "current"]
        with pytest.raises(HeningError, match="already offers"):
            await harness.rollouts.preview(ChangeRequest(CHANNEL, Offer(1, PLAN), before))
        with pytest.raises(PreconditionError):
            await harness.rollouts.preview(ChangeRequest(CHANNEL, Offer(2, PLAN), '"old"'))
        seen = await harness.rollouts.preview(ChangeRequest(CHANNEL, Halt(), '"old"'))
        assert seen.state == "halted"
        assert await harness.tag() == before
        assert await harness.audit_log() == []


async def test_two_person_approval(world):
    """With two-person approval, changes that admit phones wait; pauses and halts do not."""
    async with open_harness(world, ["*/*/stable"]) as harness:
        change = await harness.request(Offer(2, PLAN))
        assert change.state == State.WAITING
        assert (await harness.pointer()).steps[-1].counter == 1
        admin = principal("eka", Role.ADMIN)
        with pytest.raises(PermissionDeniedError, match="another account has to approve"):
            await harness.rollouts.approve(admin, change.id)
        with pytest.raises(PermissionDeniedError):
            await harness.rollouts.approve(principal("vera", Role.VIEWER), change.id)
        approved = await harness.rollouts.approve(APPROVER, change.id)
        assert (approved.state, approved.approved_by) == (State.DONE, "ari")
        assert (await harness.pointer()).steps[-1].counter == 2
        with pytest.raises(ConflictError, match="is done and cannot be approved"):
            await harness.rollouts.approve(APPROVER, change.id)
        assert (await harness.request(Pause())).state == State.DONE
        assert (await harness.request(Resume())).state == State.WAITING
        assert (await harness.request(Halt())).state == State.DONE
        assert [action for _, action in await harness.audit_log()][:3] == [
            "rollout.offer",
            "change.approve",
            "rollout.offer.done",
        ]


async def test_rejected_and_cancelled_changes(world):
    """A rejected or cancelled change is final; only the proposer or an approver can cancel."""
    async with open_harness(world, ["armani/*/*"]) as harness:
        first, second = [await harness.request(Offer(2, PLAN)) for _ in range(2)]
        assert await harness.rollouts.find(before=second.id) == [first]
        assert await harness.rollouts.find(before=first.id) == []
        rejected = await harness.rollouts.reject(APPROVER, first.id, "Not on a Friday.")
        assert (rejected.state, rejected.reason) == (State.REJECTED, "Not on a Friday.")
        with pytest.raises(PermissionDeniedError, match="may not cancel this change: ask eka"):
            await harness.rollouts.cancel(principal("ida"), second.id, "")
        cancelled = await harness.rollouts.cancel(ENGINEER, second.id, "Changed my mind.")
        assert cancelled.state == State.CANCELLED
        for over in (first, second):
            for act in (harness.rollouts.reject, harness.rollouts.cancel):
                with pytest.raises(ConflictError):
                    await act(APPROVER, over.id, "")
            with pytest.raises(ConflictError):
                await harness.rollouts.approve(APPROVER, over.id)
        assert (await harness.pointer()).steps[-1].counter == 1
        with pytest.raises(NotFoundError):
            await harness.rollouts.get("0")


async def test_scheduled_change(world):
    """A scheduled change survives a restart and is carried out once."""
    due = world.epoch() + DAY
    async with open_harness(world) as harness:
        change = await harness.request(Offer(2, PLAN), due_at=due)
        assert change.state == State.APPROVED
        assert await harness.rollouts.run_due() == []
    world.ahead = timedelta(days=1, seconds=1)
    async with open_harness(world) as harness, open_harness(world) as other:
        settled = await asyncio.gather(harness.rollouts.run_due(), other.rollouts.run_due())
        done = await harness.rollouts.get(change.id)
        assert done in [view for views in settled for view in views]
        assert (done.state, done.finished_at >= due) == (State.DONE, True)
        assert (await harness.pointer()).schedule[0][0] >= due
        assert (await harness.versions())[1] == 3
        assert await harness.rollouts.run_due() == []
        assert await harness.audit_log() == [
            ("eka", "rollout.offer"),
            ("server", "rollout.offer.done"),
        ]


async def test_an_offer_is_checked_again_when_it_is_due(world):
    """An offer is checked again when it is due, and refused if it fails; a halt is not checked."""
    asked = []

    def check(_view, pointer):
        asked.append(pointer.counter)
        if len(asked) == 2:
            raise ReleaseError("an app would misread build 2.")

    async with open_harness(world, check_offer=check) as harness:
        change = await harness.request(Offer(2, PLAN), due_at=world.epoch() + DAY)
        world.ahead = timedelta(days=2)
        (refused,) = await harness.rollouts.run_due()
        assert (refused.id, refused.state) == (change.id, State.REFUSED)
        assert refused.reason == "an app would misread build 2."
        await harness.request(Halt())
    assert asked == [2, 2]


async def test_invalid_times(world):
    """A time in the past or more than a year ahead is refused.

    A change due in the current second is carried out immediately.
    """
    async with open_harness(world) as harness:
        for days in (-1, 400):
            with pytest.raises(FormatError, match="within a year from now, and not in the past"):
                await harness.request(Offer(2, PLAN), due_at=world.epoch() + days * DAY)
        change = await harness.request(Pause(), due_at=world.epoch())
        assert change.state == State.DONE
        assert (await harness.pointer()).paused


async def test_halt_cancels_pending_changes(world):
    """A halt cancels scheduled changes and those that wait for approval."""
    async with open_harness(world, ["*/*/stable"]) as harness:
        waiting = await harness.request(Offer(2, PLAN))
        due = await harness.request(Pause(), due_at=world.epoch() + DAY)
        await harness.request(Halt({"en": "It drains."}))
        for change in (waiting, due):
            over = await harness.rollouts.get(change.id)
            assert (over.state, over.reason) == (State.CANCELLED, "the channel was halted.")
        assert [action for _, action in await harness.audit_log()].count("change.cancel") == 2
        assert (await harness.request(Halt())).state == State.DONE
        assert (await harness.pointer()).reason == {"en": "It drains."}


async def test_resume_after_a_restart(world):
    """A resume after a restart continues with the time that was left.

    Expected: after half of a day's hold, half a day is left.
    """
    async with open_harness(world) as harness:
        await harness.request(Offer(2, PLAN))
        world.ahead = timedelta(hours=12)
        await harness.request(Pause())
        assert [share for _, share in (await harness.pointer()).schedule] == [10]
    world.ahead = timedelta(days=9)
    async with open_harness(world) as harness:
        await harness.request(Resume())
        pointer = await harness.pointer()
        assert [share for _, share in pointer.schedule] == [10, 1000]
        assert abs(pointer.schedule[1][0] - world.epoch() - DAY // 2) < 60
        await harness.request(Pause())
        world.ahead = timedelta(days=10)
        await harness.request(Resume())
        assert abs((await harness.pointer()).schedule[-1][0] - world.epoch() - DAY // 2) < 120


@pytest.mark.parametrize("step", [3, 6])
async def test_crash_during_a_change(world, step):
    """After a crash at any step, the change is published once and recorded as done."""
    async with open_harness(world, after_step=crash_at(step)) as harness:
        with pytest.raises(CrashError):
            await harness.request(Offer(2, PLAN))
        (change,) = await harness.rollouts.find()
        assert change.state == State.APPROVED
        with pytest.raises(ConflictError, match="cannot be cancelled"):
            await harness.rollouts.cancel(ENGINEER, change.id, "")
    world.ahead = timedelta(seconds=ORPHAN_SECONDS)
    async with open_harness(world) as harness:
        (settled,) = await harness.rollouts.run_due()
        assert (settled.id, settled.state) == (change.id, State.DONE)
        assert (await harness.versions())[1] == 3
        assert (await harness.pointer()).steps[-1].counter == 2
        actions = [action for _, action in await harness.audit_log()]
        assert actions == ["rollout.offer", "rollout.offer.done"]


async def test_role_files_of_an_unfinished_change_are_kept(world):
    """The role files that prove an unfinished change are kept until it is finished."""
    async with open_harness(world, after_step=crash_at(6)) as harness:
        with pytest.raises(CrashError):
            await harness.request(Offer(2, PLAN))
    async with world.publisher() as publisher, open_harness(world) as harness:
        pointers = (await harness.rollouts.published()).pointers()
        for _ in range(6):
            await publisher.change_pointers(lambda _published: {})
            await publisher.change_pointers(lambda _published: pointers)
        newest = (await harness.versions())[1]
        await asyncio.to_thread(age, world.folder.public / "metadata")
        draining, role = Draining(), world.folder.public / "metadata" / "3.latest.json"
        await draining.poll(publisher, harness.rollouts)
        assert role.exists()
        world.ahead = timedelta(seconds=ORPHAN_SECONDS)
        (settled,) = await harness.rollouts.run_due()
        assert settled.state == State.DONE
        assert (await harness.versions())[1] == newest
        await draining.poll(publisher, harness.rollouts)
        assert not role.exists()


def age(folder):
    """Make all files of a folder look two hours old."""
    for path in folder.iterdir():
        then = path.stat().st_mtime - 7200
        os.utime(path, (then, then))


@pytest.mark.parametrize("step", [3, 6])
async def test_a_halt_after_a_crash(world, step):
    """A halt after a crash first completes the interrupted offer, then halts it."""
    async with open_harness(world, after_step=crash_at(step)) as harness:
        with pytest.raises(CrashError):
            await harness.request(Offer(2, PLAN))
    async with open_harness(world) as harness:
        await harness.request(Halt())
        pointer = await harness.pointer()
        assert (pointer.steps[-1].counter, pointer.halted) == (2, True)
        assert [change.state for change in await harness.rollouts.find()] == [State.DONE] * 2


class Disk:
    """A disk that is full from step 4 of a publication on, while `is_full`."""

    is_full = True

    def __call__(self, done):
        """Raise the error of a full disk at step 4."""
        if self.is_full and done == 4:
            raise OSError(28, "No space left on device")


async def test_failed_halt_is_retried_first(world):
    """A halt that failed on a full disk is retried at the next check.

    It is carried out before older changes.
    """
    disk = Disk()
    async with open_harness(world, after_step=disk) as harness:
        for command in (Pause(), Halt()):
            with pytest.raises(OSError, match="No space"):
                await harness.request(command, if_match="*")
        halt, pause = await harness.rollouts.find()
        for number, change in enumerate((pause, halt)):
            assert harness.alarms[number].startswith(f"change {change.id} is recorded, but not")
        with pytest.raises(OSError, match="No space"):
            await harness.rollouts.run_due()
        assert len(harness.alarms) == 2  # each change is reported only once
        disk.is_full = False
        settled = await harness.rollouts.run_due()
        assert {change.id: change.state for change in settled}[halt.id] == State.DONE
        assert (await harness.pointer()).halted
        assert await harness.rollouts.run_due() == []


@contextlib.contextmanager
def older_version(monkeypatch, *, publisher=False):
    """Accept invalid texts, as an older version of the service or the publisher did."""
    with monkeypatch.context() as patch:
        patch.setattr("server.release.rollouts.rollouts.check_words", lambda *_: None)
        if publisher:
            patch.setattr("server.publisher.rollout.sound_reason", lambda reason, _: dict(reason))
            patch.setattr("server.publisher.plan.check_reasons", lambda *_: None)
        yield


async def test_invalid_texts_of_an_older_version(world, monkeypatch):
    """A waiting pause or halt with invalid texts is carried out without these texts."""
    reason = {"en": "It drains.", "id": "see https://rom.example"}
    async with open_harness(world) as harness:
        with older_version(monkeypatch):
            await harness.request(Pause(reason), due_at=world.epoch() + 10)
        world.ahead = timedelta(seconds=10)
        (paused,) = await harness.rollouts.run_due()
        assert (paused.state, paused.command) == (State.DONE, Pause(reason))
        assert (await harness.pointer()).reason == {"en": "It drains."}
    disk = Disk()
    async with open_harness(world, after_step=disk) as harness:
        with older_version(monkeypatch), pytest.raises(OSError, match="No space"):
            await harness.request(Halt({"en": "a\u202eb"}))
        disk.is_full = False
        (halted,) = await harness.rollouts.run_due()
        assert halted.state == State.DONE
        assert ((await harness.pointer()).halted, (await harness.pointer()).reason) == (True, {})


async def test_misleading_texts_are_refused(world):
    """Commands and previews with texts that are not plain are refused and not recorded."""
    async with open_harness(world) as harness:
        for command, note in (
            (Halt({"en": "a\u202eb"}), ""),
            (Pause({"en": "see https://rom.example"}), ""),
            (Halt(), "a\u200bb"),
            (Offer(2, PLAN), "\x1b[2J"),
        ):
            request = ChangeRequest(CHANNEL, command, note=note)
            for ask in (
                harness.rollouts.request(ENGINEER, [request]),
                harness.rollouts.preview(request),
            ):
                with pytest.raises(ReleaseError, match="is not plain text"):
                    await ask
        assert await harness.rollouts.find() == []


async def test_public_reason_can_be_repeated(world, monkeypatch):
    """A halt may repeat an invalid reason that is already public."""
    odd = {"en": "see https://rom.example"}
    async with open_harness(world) as harness:
        with older_version(monkeypatch, publisher=True):
            await harness.request(Pause(odd))
        await harness.request(Resume())
        with pytest.raises(ReleaseError, match="is not plain text"):
            await harness.request(Pause(odd))
        with older_version(monkeypatch, publisher=True):
            await harness.request(Pause(odd))
        await harness.request(Halt(odd))
        assert ((await harness.pointer()).halted, (await harness.pointer()).reason) == (True, odd)


async def test_tag_is_stale_after_a_submission(world):
    """After a submission changed the pointer, a command with the old tag is refused."""
    async with open_harness(world) as harness:
        await harness.request(Offer(2, PLAN))
        tag = await harness.tag()
        published = await asyncio.to_thread(world.published)
        files = {
            path: (
                world.ceremony.blobs[target.hashes["sha256"]],
                target.custom | {"withdrawn": True},
            )
            for path, target in published.roles["armani"].targets.items()
        }
        world.submit({("armani", 4): world.ceremony.role("armani", 4, files)})
    async with world.publisher() as publisher:
        (result,) = await Publisher.process_incoming(publisher)
        assert result.status == "published", result.reason
    async with open_harness(world) as harness:
        with pytest.raises(PreconditionError, match="has changed meanwhile"):
            await harness.request(Schedule(PLAN), if_match=tag)
        with pytest.raises(HeningError, match="is halted for good"):
            await harness.request(Schedule(PLAN))
        assert len(await harness.rollouts.find()) == 1
        await harness.request(Halt(), if_match=tag)  # a halt ignores the tag
