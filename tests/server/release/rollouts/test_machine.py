"""A stateful Hypothesis test: random commands and crashes by two operators.

The model records what was ever public. The real service and publisher work on a state folder.
"""

import asyncio
import contextlib
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from server.core.errors import HeningError
from server.core.names import decode_pointer_path
from server.publisher.publisher import Publisher
from server.release.rollouts.changes import State, read_arguments, read_outcome
from server.release.rollouts.commands import Halt, Offer, Pause, Resume, Schedule
from server.release.rollouts.execution import ORPHAN_SECONDS
from server.release.rollouts.plan import Plan, Stage
from server.storage.models import Change
from tests.server.ceremony import release
from tests.server.log_invariant import check_log, check_metadata_is_logged
from tests.server.release.auth.issue import audit_log, principal
from tests.server.release.rollouts.harness import APPROVER, CrashError, open_harness
from tests.server.world import CHANNEL, refresh_from_disk

LAST = 9
PATHS = {n: f"{CHANNEL}/build-{n}.zip" for n in range(2, LAST + 1)}
ENDS = {
    State.DONE: ["done"],
    State.REFUSED: ["refused"],
    State.CANCELLED: ["cancel"],
    State.REJECTED: ["reject"],
}


def role_files(world, withdrawn=()):
    """Return what armani lists: the published builds, and those of PATHS."""
    kept = world.published().roles["armani"].targets
    files = {
        path: (world.ceremony.blobs[target.hashes["sha256"]], target.custom)
        for path, target in kept.items()
    }
    for number, path in PATHS.items():
        data = b"PK\x03\x04" + bytes([number]) * 200
        files[path] = (data, release(number, withdrawn=number in withdrawn))
    return files


@pytest.fixture(scope="module")
def nine_builds(published_state, tmp_path_factory):
    """Return a server with builds 1 to LAST, of which the first is offered."""
    world = published_state.copy(tmp_path_factory.mktemp("machine") / "state")
    files = role_files(world)
    result = world.publish(
        {("armani", 3): world.ceremony.role("armani", 3, files)},
        [data for data, _ in files.values()],
    )
    assert result.reason == ""
    return world


COMMANDS = st.one_of(
    st.builds(
        lambda counter, share: Offer(counter, Plan([Stage(share, 600), Stage(1000)])),
        st.integers(2, LAST),
        st.sampled_from([1, 10, 500]),
    ),
    st.builds(
        lambda share: Schedule(Plan([Stage(share, 60), Stage(1000)])),
        st.sampled_from([1, 100, 1000]),
    ),
    st.sampled_from([Pause(), Resume(), Halt({"en": "It drains."})]),
)
NEVER = -1
CRASHES = st.sampled_from([NEVER, NEVER, 0, 3, 4, 5, 6, 7])


class Machine(RuleBasedStateMachine):
    """Two operators on one state folder, each a process that may crash."""

    base = None
    folder = None

    def __init__(self):
        super().__init__()
        root = self.folder / "state"
        shutil.rmtree(root, ignore_errors=True)
        self.world = self.base.copy(root)
        self.runner = asyncio.Runner()
        self.stacks, self.harnesses, self.crash_at = [None, None], [None, None], [NEVER] * 2
        self.approval = ()
        for number in (0, 1):
            self.start(number)
        self.withdrawn, self.role_version = set(), 3
        self.seen, self.audit_log, self.reached, self.polled = (0, 0, 0), [], {}, 0

    def start(self, number):
        """Start an operator's process."""

        async def enter():
            stack = contextlib.AsyncExitStack()

            def step(done):
                if done == self.crash_at[number]:
                    raise CrashError

            opened = open_harness(self.world, self.approval, after_step=step)
            harness = await stack.enter_async_context(opened)
            return stack, harness

        self.stacks[number], self.harnesses[number] = self.runner.run(enter())

    def stop(self, number):
        """End an operator's process."""
        self.runner.run(self.stacks[number].aclose())
        self.crash_at[number] = NEVER

    def run(self, number, work):
        """Let an operator work. A refusal returns None, a crash restarts the process."""

        async def act():
            return await work(self.harnesses[number])

        try:
            return self.runner.run(act())
        except HeningError:
            return None
        except CrashError:
            self.stop(number)
            self.start(number)
            return None

    @rule(number=st.integers(0, 1), command=COMMANDS, crash=CRASHES)
    def request(self, number, command, crash):
        """One operator gives a command; its process may crash after any step."""
        self.crash_at[number] = crash
        change = self.run(
            number, lambda harness: harness.request(command, principal(f"operator-{number}"))
        )
        self.crash_at[number] = NEVER
        if isinstance(command, Halt) and change is not None:
            assert self.pointer().halted

    @rule(commands=st.tuples(COMMANDS, COMMANDS))
    def two_commands(self, commands):
        """Both operators give a command at the same time, with the same tag.

        Halting a halted channel changes nothing, so the other operator's offer of the next build
        may win.
        """
        was_halted = self.pointer().halted

        async def act():
            tag = await self.harnesses[0].tag()
            given = [
                harness.request(command, principal(f"operator-{number}"), if_match=tag)
                for number, (harness, command) in enumerate(
                    zip(self.harnesses, commands, strict=True)
                )
            ]
            return await asyncio.gather(*given, return_exceptions=True)

        answers = self.runner.run(act())
        assert all(not isinstance(a, Exception) or isinstance(a, HeningError) for a in answers)
        if any(isinstance(command, Halt) for command in commands):
            assert self.pointer().halted or was_halted

    @rule(
        number=st.integers(0, 1),
        command=COMMANDS.filter(lambda command: not isinstance(command, Halt)),
    )
    def request_later(self, number, command):
        """Schedule a command in half an hour."""
        due = self.world.epoch() + 1800
        self.run(number, lambda harness: harness.request(command, due_at=due))

    @rule(number=st.integers(0, 1), ends=st.booleans())
    def other_command_meanwhile(self, number, ends):
        """Schedule 100 % for this build; then the other operator offers the next one, or pauses."""
        due, was_paused = self.world.epoch() + 600, self.pointer().paused
        command = Schedule(Plan([Stage(1000)]))
        self.run(number, lambda harness: harness.request(command, due_at=due))
        following = self.pointer().steps[-1].counter + 1
        other = Pause() if ends else Offer(min(following, LAST), Plan([Stage(1, 600), Stage(1000)]))
        self.run(
            1 - number, lambda harness: harness.request(other, principal(f"operator-{1 - number}"))
        )
        before = self.pointer()
        self.world.ahead += timedelta(minutes=11)
        self.run(number, lambda harness: harness.rollouts.run_due())
        if ends and before.paused and not was_paused:
            assert self.pointer().paused

    @rule(number=st.integers(0, 1), minutes=st.sampled_from([1, 15, 60]), crash=CRASHES)
    def time_passes(self, number, minutes, crash):
        """Advance the time and carry out what is due; the process may crash."""
        self.world.ahead += timedelta(minutes=minutes)
        self.crash_at[number] = crash
        self.run(number, lambda harness: harness.rollouts.run_due())
        self.crash_at[number] = NEVER

    @rule(is_on=st.booleans())
    def two_person_approval(self, is_on):
        """Switch two-person approval on or off."""
        self.approval = ("*/*/stable",) if is_on else ()
        for harness in self.harnesses:
            policy = harness.rollouts._policy
            harness.rollouts._policy = replace(policy, approval_channels=self.approval)

    @rule(
        number=st.integers(0, 1),
        way=st.sampled_from(["approve", "approve", "reject", "cancel"]),
        choice=st.integers(0, 3),
        crash=CRASHES,
    )
    def decide(self, number, way, choice, crash):
        """Let an approver decide about a waiting command; the process may crash after any step."""
        find = self.harnesses[number].rollouts.find
        waiting = self.runner.run(find(state=State.WAITING, limit=1000))
        if not waiting:
            return
        change = waiting[choice % len(waiting)]
        arguments = (APPROVER, change.id) if way == "approve" else (APPROVER, change.id, "No.")
        self.crash_at[number] = crash
        self.run(number, lambda harness: getattr(harness.rollouts, way)(*arguments))
        self.crash_at[number] = NEVER

    @precondition(lambda self: len(self.withdrawn) < 2)
    @rule(counter=st.integers(2, LAST))
    def withdraw(self, counter):
        """Publish a role in which the maintainers withdraw a build."""
        if counter in self.withdrawn:
            return
        self.withdrawn.add(counter)
        self.role_version += 1
        files = role_files(self.world, self.withdrawn)
        name = ("armani", self.role_version)
        bundle = self.world.submit({name: self.world.ceremony.role(*name, files)})

        async def process():
            async with self.world.publisher() as publisher:
                await Publisher.process_incoming(publisher)

        self.runner.run(process())
        assert self.world.result(bundle).status == "published"

    def pointer(self):
        """Return the channel's public pointer."""
        return self.world.published().pointers()[CHANNEL.pointer_path]

    @invariant()
    def offered_packages_are_valid(self):
        """Every offered package is listed by its role, stored, and not withdrawn unless halted."""
        published = self.world.published()
        role = published.roles["armani"]
        for path, pointer in published.pointers().items():
            for package in (each for step in pointer.steps for each in step.packages):
                target = role.targets[package.path]
                assert (package.length, package.sha256) == (target.length, target.hashes["sha256"])
                assert pointer.halted or not target.custom["withdrawn"]
                assert package.path.startswith(f"{decode_pointer_path(path)}/")
        if published.timestamp.version != self.polled:
            _, found = refresh_from_disk(self.world.folder, [PATHS[2], CHANNEL.pointer_path])
            assert None not in found.values()
            self.polled = published.timestamp.version

    @invariant()
    def nothing_decreases(self):
        """Versions, the offered build and its share never decrease, and a halt stays."""
        published = self.world.published()
        now = (
            published.timestamp.version,
            published.snapshot.version,
            published.roles["latest"].version,
        )
        assert all(after >= before for before, after in zip(self.seen, now, strict=True))
        self.seen = now
        pointer = self.pointer()
        counter, share = pointer.steps[-1].counter, pointer.permille_at(self.world.epoch())
        assert counter >= max(self.reached, default=0)
        known_share, known_halt = self.reached.get(counter, (0, False))
        assert share >= known_share
        assert pointer.halted >= known_halt
        self.reached[counter] = (share, pointer.halted)

    @invariant()
    def audit_log_is_complete(self):
        """Check that the audit log only grows, with the begin and the end of every change."""

        async def look():
            harness = self.harnesses[0]
            entries = [(e.action, e.detail) for e in await audit_log(harness.sessions)]
            return entries, await harness.rollouts.find(limit=1000)

        entries, changes = self.runner.run(look())
        assert entries[: len(self.audit_log)] == self.audit_log
        self.audit_log = entries
        for change in changes:
            actions = [action for action, detail in entries if change.id in detail]
            assert actions[0] == f"rollout.{change.action}"
            assert actions.count("change.approve") == (change.approved_by is not None)
            actions = [action for action in actions if action != "change.approve"]
            ends = [action.rpartition(".")[2] for action in actions[1:]]
            assert ends == ENDS.get(change.state, [])

    @invariant()
    def commands_change_the_build_that_was_seen(self):
        """Each published command changed the build that its author had seen."""

        async def look():
            async with self.harnesses[0].sessions() as session:
                rows = (await session.scalars(select(Change))).all()
                return [(read_arguments(row), read_outcome(row)) for row in rows]

        for arguments, outcome in self.runner.run(look()):
            if outcome.intent is not None and isinstance(
                arguments.command, Schedule | Pause | Resume
            ):
                assert outcome.intent.counter == arguments.seen.counter

    def teardown(self):
        """At the end, one operator carries out what is left; every change is then finished."""
        self.world.ahead += timedelta(seconds=ORPHAN_SECONDS + 3600)
        self.run(0, lambda harness: harness.rollouts.run_due())
        unfinished = self.runner.run(
            self.harnesses[0].rollouts.find(state=State.APPROVED, limit=1000)
        )
        for number in (0, 1):
            self.stop(number)
        self.runner.close()
        assert unfinished == []
        self.offered_packages_are_valid()
        public = self.world.keys.log_verifier.public
        check_metadata_is_logged(self.world.folder, check_log(self.world.folder, public))


def test_any_sequence(nine_builds, tmp_path):
    """The invariants hold for any sequence of commands, crashes, withdrawals and delays."""
    Machine.base, Machine.folder = nine_builds, tmp_path
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=12,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
