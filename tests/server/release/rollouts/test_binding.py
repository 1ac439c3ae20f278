"""A waiting command applies only to the build, pause and accounts for which it was given."""

import asyncio
from datetime import timedelta

import msgspec
import pytest
from sqlalchemy import update

from server.core.names import Channel
from server.release.auth.principal import Role
from server.release.errors import ConflictError, NotFoundError
from server.release.rollouts.binding import BoundState, bind_state, check_bound_state
from server.release.rollouts.changes import State
from server.release.rollouts.commands import ChangeRequest, Halt, Offer, Pause, Resume, Schedule
from server.release.rollouts.plan import Plan, Stage
from server.storage.errors import StorageError
from server.storage.models import Account, Change
from tests.server.ceremony import release
from tests.server.publisher.maintenance.checks.damage import plant, run
from tests.server.release.auth.issue import principal
from tests.server.release.rollouts.harness import (
    APPROVER,
    DAY,
    ENGINEER,
    make_pointer,
    open_harness,
)
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, PACKAGE_2, SECOND

PLAN = Plan([Stage(10, DAY), Stage(1000)])
FULL = Plan([Stage(1000)])
BETA = Channel("armani", "id", "beta")


async def test_schedule_is_refused_after_another_offer(world):
    """A schedule for build 1 is refused if it is approved after build 2 is offered.

    The approver gets the reason.
    """
    async with open_harness(world, ["*/*/stable"]) as harness:
        schedule = await harness.request(Schedule(FULL))
        assert schedule.counter == 1
        offer = await harness.request(Offer(2, PLAN))
        await harness.rollouts.approve(APPROVER, offer.id)
        late = await harness.rollouts.approve(principal("ida", Role.APPROVER), schedule.id)
        assert late.state == State.REFUSED
        assert "offered 1 (build 1), and now it offers 2 (build 2)" in late.reason
        assert (await harness.pointer()).permille_at(world.epoch()) == 10


async def test_commands_given_before_a_pause_are_refused(world):
    """Commands given before a pause are refused with an alarm when they become due.

    A command given during a pause may end it.
    """
    async with open_harness(world) as harness:
        due = [
            await harness.request(command, due_at=world.epoch() + 60)
            for command in (Offer(2, PLAN), Schedule(FULL))
        ]
        await harness.request(Pause({"en": "We look at a report."}))
        world.ahead = timedelta(minutes=2)
        refused = await harness.rollouts.run_due()
        assert {change.id for change in refused} == {change.id for change in due}
        assert {change.state for change in refused} == {State.REFUSED}
        assert all("was paused after this command was given" in each.reason for each in refused)
        assert (await harness.pointer()).paused
        assert len(harness.alarms) == 2
        await harness.request(Schedule(FULL), due_at=world.epoch() + 60)
        world.ahead += timedelta(minutes=2)
        (done,) = await harness.rollouts.run_due()
        assert done.state == State.DONE
        assert not (await harness.pointer()).paused


async def set_account(harness, name, **values):
    """Set columns of an account directly."""
    async with harness.sessions.begin() as session:
        await session.execute(update(Account).where(Account.name == name).values(**values))


async def test_command_of_an_account_that_lost_its_rights_is_refused(world):
    """A command is refused if its proposer or approver has lost the right meanwhile.

    A command by `cli:USER` is not: it has no account, and that user can write the state folder.
    """
    whole = {"disabled_at": None, "codenames": '["*"]\n'}
    async with open_harness(world, ["*/*/stable"]) as harness:
        for name, values in (
            ("eka", {"disabled_at": 5}),
            ("eka", {"role": Role.APPROVER}),
            ("eka", {"codenames": '["cancro"]\n'}),
            ("ari", {"disabled_at": 5}),
            ("ari", {"role": Role.ENGINEER}),
            ("ari", {"codenames": '["content"]\n'}),
        ):
            change = await harness.request(Offer(2, PLAN), due_at=world.epoch() + 60)
            await harness.rollouts.approve(APPROVER, change.id)
            await set_account(harness, name, **values)
            world.ahead += timedelta(minutes=2)
            (refused,) = await harness.rollouts.run_due()
            assert (refused.id, refused.state) == (change.id, State.REFUSED)
            assert refused.reason.startswith(f"{name}, who ")
            assert (await harness.pointer()).steps[-1].counter == 1
            role = Role.ENGINEER if name == "eka" else Role.APPROVER
            await set_account(harness, name, **whole, role=role)
    async with open_harness(world) as harness:
        root = principal("cli:root", Role.ADMIN)
        await harness.request(Offer(2, PLAN), root, due_at=world.epoch() + 60)
        world.ahead += timedelta(minutes=2)
        (done,) = await harness.rollouts.run_due()
        assert done.state == State.DONE


async def test_halt_cancels_a_waiting_first_offer(world):
    """A halt before the first offer cancels a waiting offer, which can no longer be approved."""
    first, second = (PACKAGE_1, release(1)), (PACKAGE_2, release(2))
    files = {FIRST: first, SECOND: second, f"{BETA}/armani-1.zip": first}
    role = {("armani", 4): world.ceremony.role("armani", 4, files)}
    assert (await asyncio.to_thread(world.publish, role)).reason == ""
    async with open_harness(world, ["*/*/beta"]) as harness:
        with pytest.raises(NotFoundError, match="offers nothing yet"):
            await harness.rollouts.request(ENGINEER, [ChangeRequest(BETA, Halt())])
        (waiting,) = await harness.rollouts.request(ENGINEER, [ChangeRequest(BETA, Offer(1, PLAN))])
        (halt,) = await harness.rollouts.request(
            APPROVER, [ChangeRequest(BETA, Halt({"en": "Not this one."}))]
        )
        assert (halt.state, halt.snapshot) == (State.DONE, (await harness.versions())[0])
        assert (await harness.rollouts.get(waiting.id)).state == State.CANCELLED
        with pytest.raises(ConflictError, match="cannot be approved"):
            await harness.rollouts.approve(principal("ida", Role.APPROVER), waiting.id)
        assert (await harness.rollouts.view(BETA)).pointer is None


async def test_damaged_row_blocks_no_other_change(world):
    """A damaged row is refused with an alarm, and other changes are carried out."""
    async with open_harness(world) as harness:
        bad, good = [
            await harness.request(Schedule(FULL), due_at=world.epoch() + 60 + later)
            for later in range(2)
        ]
        async with harness.sessions.begin() as session:
            await session.execute(
                update(Change).where(Change.id == bad.id).values(arguments="{", outcome="[")
            )
        assert (await harness.rollouts.get(bad.id)).command is None
        assert len(await harness.rollouts.find()) == 2
        world.ahead = timedelta(minutes=2)
        settled = {change.id: change for change in await harness.rollouts.run_due()}
        assert settled[bad.id].state == State.REFUSED
        assert "damaged" in settled[bad.id].reason
        assert settled[good.id].state == State.DONE
        assert await harness.rollouts.run_due() == []
        assert (await harness.request(Halt())).state == State.DONE


def test_check_bound_state():
    """A halt is bound to nothing, a pause to its build.

    After a halt, every command is refused that could admit phones and was given before it.
    """
    pointer = make_pointer()
    check_bound_state(Halt(), BoundState(9), CHANNEL, pointer)
    check_bound_state(
        Pause(), BoundState(1), CHANNEL, msgspec.structs.replace(pointer, paused=True)
    )
    with pytest.raises(ConflictError, match="offered nothing, and now it offers build 1"):
        check_bound_state(Pause(), BoundState(), CHANNEL, pointer)
    halted = msgspec.structs.replace(pointer, halted=True)
    for command in (Offer(2, PLAN), Schedule(FULL), Resume()):
        with pytest.raises(ConflictError, match="was halted after this command was given"):
            check_bound_state(command, BoundState(1), CHANNEL, halted)
    check_bound_state(Offer(2, PLAN), bind_state(halted), CHANNEL, halted)


async def test_resume_is_refused_after_another_pause(world):
    """A resume is refused if another pause of a larger schedule followed."""
    async with open_harness(world, ["*/*/stable"]) as harness:
        await harness.rollouts.approve(APPROVER, (await harness.request(Offer(2, PLAN))).id)
        await harness.request(Pause())
        resume = await harness.request(Resume())
        faster = await harness.request(Schedule(Plan([Stage(500, 60), Stage(1000)])))
        await harness.rollouts.approve(APPROVER, faster.id)
        await harness.request(Pause({"en": "Half of the fleet is enough."}))
        late = await harness.rollouts.approve(principal("ida", Role.APPROVER), resume.id)
        assert late.state == State.REFUSED
        assert (await harness.pointer()).paused


@pytest.mark.parametrize("is_seen", [False, True])
async def test_command_given_during_a_halt(world, is_seen):
    """A command accepted on the state before a halt is cancelled when the halt is done.

    An offer of the next build that was given with knowledge of the halt stays.
    """
    async with open_harness(world) as harness, open_harness(world) as other:
        before = await other.rollouts.view(CHANNEL)

        async def view_before(_channel):  # noqa: RUF029 - replaces `view`
            return before

        if not is_seen:
            other.rollouts.view = view_before
        execution, given = harness.rollouts._change_runner._execution, []
        settle = execution._settle

        async def request_and_settle(*arguments):
            given.append(await other.request(Offer(2, PLAN), due_at=world.epoch() + 60))
            await settle(*arguments)

        execution._settle = request_and_settle
        await harness.request(Halt())
        (meanwhile,) = given
        assert meanwhile.state == State.APPROVED
        ended = await other.rollouts.get(meanwhile.id)
        if is_seen:
            assert ended.state == State.APPROVED
        else:
            assert (ended.state, ended.reason) == (State.CANCELLED, "the channel was halted.")


async def test_postponed_change_of_a_disabled_account_is_refused(world, monkeypatch):
    """A change postponed by a full disk is refused if its author was disabled meanwhile.

    A scheduled halt is carried out even then.
    """

    async def fail(_edit):  # noqa: RUF029 - stands for the publisher's
        raise StorageError("there is no room.")

    async with open_harness(world) as harness:
        publisher = harness.rollouts._change_runner._execution.publisher
        with monkeypatch.context() as patch:
            patch.setattr(publisher, "edit_pointers", fail)
            with pytest.raises(StorageError):
                await harness.request(Offer(2, PLAN))
        await set_account(harness, "eka", disabled_at=5)
        world.ahead = timedelta(days=3)
        (refused,) = await harness.rollouts.run_due()
        assert refused.state == State.REFUSED
        assert "does not have the right any more" in refused.reason
        await set_account(harness, "eka", disabled_at=None)
        await harness.request(Halt(), due_at=world.epoch() + 60)
        await set_account(harness, "eka", disabled_at=5)
        world.ahead += timedelta(minutes=2)
        (done,) = await harness.rollouts.run_due()
        assert done.state == State.DONE
        assert (await harness.pointer()).halted


FORGED = "UPDATE changes SET state = 'approved', approved_by = 'ari', approved_at = due_at"
ALTERED = "UPDATE changes SET arguments = replace(arguments, '10}', '1000}')"


async def test_altered_row_publishes_nothing(world):
    """A command with a forged approval is refused with an alarm when it is due.

    A command whose row was altered is refused when it is approved.
    """
    async with open_harness(world, ("*/*/stable",)) as harness:
        before = await harness.versions()
        forged = await harness.request(Offer(2, Plan(stages=[Stage(10)])))
        await asyncio.to_thread(run(FORGED), world.folder.root)
        world.ahead += timedelta(minutes=1)
        (settled,) = await harness.rollouts.run_due()
        assert (settled.id, settled.state) == (forged.id, State.REFUSED)
        assert "another approval and state" in settled.reason
        assert len(harness.alarms) == 1
        altered = await harness.request(Offer(2, Plan(stages=[Stage(10)])))
        await asyncio.to_thread(run(ALTERED), world.folder.root)
        settled = await harness.rollouts.approve(APPROVER, altered.id)
        assert (settled.state, "another command" in settled.reason) == (State.REFUSED, True)
        assert await harness.versions() == before
        # Commands with intact rows are carried out.
        assert (await harness.request(Halt())).state == State.DONE


async def test_planted_row_publishes_nothing(world):
    """A command without an entry in the audit log is refused."""
    async with open_harness(world) as harness:
        done = await harness.request(Offer(2, Plan(stages=[Stage(10)])))
        before = await harness.versions()
        planted = plant("changes", "id = 'feed', state = 'approved', outcome = ''")
        await asyncio.to_thread(planted, world.folder.root)
        with pytest.raises(ConflictError, match="no entry in it"):
            await harness.rollouts._change_runner._execution.carry_out(["feed"], "server")
        assert (await harness.rollouts.get("feed")).state == State.REFUSED
        assert await harness.versions() == before
        assert (await harness.rollouts.get(done.id)).state == State.DONE
