"""How the main process handles workers that hang, end or cannot start."""

import asyncio
import contextlib
import os
import signal
import socket

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from server.compat.options import CompatOptions
from server.compat.pages import make_page
from server.compat.rendering import Rendered
from server.device.snapshot import EMPTY, load_snapshot
from server.http.counts import Counts
from server.http.requests import GateMode
from server.http.turns import Limits
from server.processes import child
from server.processes.child import Bounds, Place, worker_environment
from server.processes.errors import ProcessError
from server.processes.messages import WorkerConfig
from server.processes.priority import ProcessStarter
from server.processes.sockets import bind_tcp
from server.processes.supervisor import LAST_DELAY, Supervisor, Tally, restart_delay
from server.storage.local_blobs import LocalBlobs
from tests.patience import PATIENCE
from tests.server.processes.service import ask, ask_in_loop, is_worker, start_worker

HOST = b"127.0.0.1:8080"


async def until(condition):
    """Wait until a condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def supervising(world, compat=(), **bounds):
    """Yield a supervisor of one real worker, the port, and its log."""
    (one,) = await asyncio.to_thread(bind_tcp, "127.0.0.1", 0, 1)
    limits = Limits(drain_seconds=0.5)
    dialects = CompatOptions(dialects=("graphene",))
    blobs = LocalBlobs(world.folder.blobs)
    config = WorkerConfig(
        GateMode.DIRECT, limits, (HOST,), str(world.folder.blobs), compat=dialects
    )
    place = Place(0, [one], [], compat)
    supervisor = Supervisor([place], config, os.environ, ProcessStarter(), Bounds(**bounds))
    snapshot = await asyncio.to_thread(load_snapshot, world.folder.public, blobs, EMPTY)
    with structlog.testing.capture_logs() as logs, contextlib.closing(one):
        await supervisor.show(snapshot)
        async with supervisor.running():
            yield supervisor, one.getsockname()[1], logs


def reasons(logs):
    """Return the reasons of workers' ends, in order."""
    return [entry["reason"] for entry in logs if "reason" in entry]


async def test_worker_hanging_in_its_drain_is_killed(world):
    """A worker that hangs while it drains is killed after the limit."""
    async with supervising(world, grace=0.5) as (supervisor, _, logs):
        (pid,) = supervisor.pids
        os.kill(pid, signal.SIGSTOP)
    assert reasons(logs) == ["it did not end within 1 seconds and was killed"]
    assert not await asyncio.to_thread(is_worker, pid)


async def test_failed_successor_keeps_former_workers(world, monkeypatch):
    """If successors cannot start, former workers continue, and an alarm says what to do."""
    async with supervising(world) as (supervisor, port, logs):
        before = supervisor.pids
        monkeypatch.setattr(child, "PROTOCOL", 0)
        await supervisor.renew(None, None)
        assert supervisor.pids == before
        assert await ask_in_loop(port) == 200
        (reason,) = reasons(logs)
        assert reason.startswith("the code on disk has another version")
        alarms = [entry["error"] for entry in logs if entry["event"] == "alarm"]
        assert alarms == ["the restart stopped here, because the successor did not serve."]
        monkeypatch.undo()
        await supervisor.renew(None, None)
        assert not set(before) & set(supervisor.pids)


async def test_failed_worker_ends_the_start(world, monkeypatch):
    """If a worker cannot start with the server, the server ends with the worker's message."""
    monkeypatch.setattr(child, "PROTOCOL", 0)
    with pytest.raises(ProcessError, match="could not be started: the code on disk has another"):
        async with supervising(world):
            pass


async def test_worker_start_timeout(world, monkeypatch, tmp_path):
    """A worker that does not get ready is killed after its limit."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr("server.processes.child.sys.executable", str(program))
    with pytest.raises(ProcessError, match=r"within 0\.5 seconds|silent for 0\.5 seconds"):
        async with supervising(world, start=0.5):
            pass


async def test_start_of_a_process_fails(world, monkeypatch):
    """If no process can be started, an alarm is raised and the start is retried."""

    async def fail(*_args):
        await asyncio.sleep(0)
        raise BlockingIOError(11, "Resource temporarily unavailable")

    async with supervising(world) as (supervisor, port, logs):
        monkeypatch.setattr("server.processes.supervisor.begin", fail)
        await supervisor.renew(None, None)
        (pid,) = supervisor.pids
        os.kill(pid, signal.SIGKILL)
        sentence = "a worker cannot be started: Resource temporarily unavailable."
        await until(lambda: [entry.get("error") for entry in logs].count(sentence) >= 3)
        assert not supervisor.is_serving
        monkeypatch.undo()
        assert await ask_in_loop(port) == 200
        assert supervisor.is_serving


async def test_dialect_lists_reach_workers(world):
    """Workers serve the dialects' lists once they have them, and take new ones."""
    lists = Rendered(contents={"/graphene/FP4-stable": make_page("text/plain", b"first")})
    other = Rendered(contents={"/graphene/FP4-stable": make_page("text/plain", b"other")})
    (compat,) = await asyncio.to_thread(bind_tcp, "127.0.0.1", 0, 1)
    port = compat.getsockname()[1]
    with contextlib.closing(compat):
        async with supervising(world, compat=[compat]) as (supervisor, _, _):
            waiting = asyncio.create_task(asyncio.to_thread(get_list, port))
            await supervisor.show_lists(lists)
            assert await waiting == (200, b"first")
            before = supervisor.pids
            await supervisor.renew(None, None)
            assert supervisor.pids != before
            assert await asyncio.to_thread(get_list, port) == (200, b"first")
            await supervisor.show_lists(other)
            async with asyncio.timeout(PATIENCE):
                while await asyncio.to_thread(get_list, port) != (200, b"other"):
                    pass
            await until(lambda: supervisor.compat_tally.total.answers[200] >= 3)
            assert supervisor.tally.total.answers[200] == 0


def get_list(port):
    """Return the answer to an app over a new connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as one:
        return ask(one, "/graphene/FP4-stable", port)[:2]


def test_restart_delays():
    """The first restart is immediate; delays then double up to a limit."""
    delays = [restart_delay(failures) for failures in range(1, 100)]
    assert delays[:4] == [0.1, 0.2, 0.4, 0.8]
    assert sorted(delays) == delays
    assert delays[-1] == LAST_DELAY == restart_delay(10**6)


def test_worker_environment():
    """Workers inherit none of the server's settings, and no variable of the service manager."""
    kept = {"PATH": "/bin", "AWS_REGION": "eu", "LANG": "C"}
    ours = ("HENING_S3_SECRET", "LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET", "WATCHDOG_USEC")
    given = {**kept, **dict.fromkeys((*ours, "CREDENTIALS_DIRECTORY"), "x")}
    assert worker_environment(given) == kept


async def test_invalid_message_ends_a_worker():
    """A worker that gets an invalid message says so and ends."""
    process, ours = await start_worker(os.getpid())
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    writer.write(b"\0\0\0\x03abc")
    assert b"not a message of this version" in await reader.read()
    assert await process.wait() == 1
    writer.close()


REPORTS = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5), st.integers(0, 5)), max_size=12)


@given(REPORTS)
def test_tally_of_any_reports(reports):
    """Counts are the sum of the last reports, including those of ended workers."""
    tally = Tally()
    served, opened = dict.fromkeys((1, 2, 3), 0), dict.fromkeys((1, 2, 3), 0)
    for worker, more, connections in reports:
        served[worker] += more
        opened[worker] = connections
        counts = Counts(unknown_headers=served[worker], connections=connections)
        counts.answers[200] = served[worker]
        counts.begun[str(worker)] = served[worker]
        tally.report(worker, counts)
    assert sum(tally.total.begun.values()) == sum(served.values())
    assert tally.total.answers[200] == tally.total.unknown_headers == sum(served.values())
    assert tally.total.connections == sum(opened.values())
    tally.forget(1)
    assert tally.total.answers[200] == sum(served.values())
    assert tally.total.connections == opened[2] + opened[3]


def test_tally_of_a_reused_process_id():
    """A new process with a reused number counts from zero."""
    tally = Tally()
    for number in (5, 3):
        counts = Counts()
        counts.answers[404] = number
        tally.report(7, counts)
        tally.forget(7)
    assert tally.total.answers[404] == 8
