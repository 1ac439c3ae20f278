"""Real worker processes, signals, connections and priorities."""

import asyncio
import contextlib
import gc
import gzip
import hashlib
import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from server.device.documents import make_document
from server.device.snapshot import EMPTY, load_snapshot
from server.http.requests import GateMode
from server.http.turns import Limits
from server.processes import worker
from server.processes.delta import Whole, WholeLists, plan_delta
from server.processes.messages import (
    MAIN_DECODER,
    PROTOCOL,
    Drain,
    Ready,
    Start,
    WorkerConfig,
    open_channel,
)
from server.processes.priority import NICE
from server.processes.sockets import bind_tcp
from server.storage.local_blobs import LocalBlobs
from tests.patience import PATIENCE, until
from tests.server.ceremony import release
from tests.server.processes.service import (
    TIMESTAMP,
    ask,
    is_worker,
    read_answer,
    send_request,
    serving,
    start_worker,
)
from tests.server.world import FIRST, PACKAGE_1, PACKAGE_2, SECOND

CONNECTIONS = 2000
RESTARTED = "a worker ended and is started again"


@pytest.fixture(scope="module")
def shared(published_state, tmp_path_factory, programs):
    """Yield a server with two workers, for tests that leave it running."""
    folder = tmp_path_factory.mktemp("shared")
    world = published_state.copy(folder / "state")
    with serving(world, folder, "--workers", "2", programs=programs) as service:
        service.world = world
        yield service


def test_worker_enables_garbage_collection(monkeypatch):
    """A worker starts without garbage collection and enables it before it serves."""

    def stop(_parent):
        raise SystemExit

    monkeypatch.setattr(worker, "exit_with", stop)
    monkeypatch.setattr(sys, "argv", ["worker", "3", "1"])
    gc.disable()
    try:
        with pytest.raises(SystemExit):
            worker.main()
        assert gc.isenabled()
    finally:
        gc.enable()


def test_rolling_restart_under_load(shared):
    """During a rolling restart no request fails; kept connections get `Connection: close`."""
    lost = shared.metric("hening_workers_lost_total")
    with Load(shared) as load:
        before = shared.workers()
        shared.hang_up()
        assert not set(before) & set(shared.workers())
        assert len(shared.workers()) == 2
        answered = dict(load.answered)
        until(lambda: all(load.answered[kind] > answered[kind] for kind in answered))
    assert load.failures == []
    assert load.closing > 0
    assert shared.metric("hening_workers_lost_total") == lost
    reasons = {each["reason"] for each in shared.logged("a worker ended")}
    assert reasons == {"it was asked to stop"}


def connection_count(pid):
    """Return the number of a process's open sockets."""
    count = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
            count += str(descriptor.readlink()).startswith("socket:")
    return count


def test_connections_are_shared_evenly(shared):
    """Two workers share two thousand connections evenly, within ten per cent."""
    with ExitStack() as stack:
        before = {pid: connection_count(pid) for pid in shared.workers()}
        for _ in range(CONNECTIONS):
            stack.enter_context(shared.connect())

        def shares():
            return [connection_count(pid) - count for pid, count in before.items()]

        until(lambda: sum(shares()) == CONNECTIONS)
        assert all(abs(share - CONNECTIONS / 2) <= CONNECTIONS / 20 for share in shares())


def test_successor_answers_a_killed_workers_queue(shared):
    """If a worker is killed, the successor answers the requests in its queue.

    It has the normal priority, like its predecessor.
    """
    lost, before = shared.metric("hening_workers_lost_total"), len(shared.logged(RESTARTED))
    with ExitStack() as stack:
        victim, other = shared.workers()
        os.kill(victim, signal.SIGSTOP)
        waiting = [stack.enter_context(shared.connect()) for _ in range(64)]
        for one in waiting:
            send_request(one, port=shared.port)
        until(lambda: any(map(has_answer, waiting)))
        assert not all(map(has_answer, waiting))
        os.kill(victim, signal.SIGKILL)
        assert all(read_answer(one)[0] == 200 for one in waiting)
        until(lambda: len(shared.workers()) == 2)
        assert other in shared.workers()
        usual = os.getpriority(os.PRIO_PROCESS, 0)
        assert all(set(nice_values(pid).values()) == {usual} for pid in shared.workers())
    assert [each["reason"] for each in shared.logged(RESTARTED)[before:]] == [
        "it was killed by SIGKILL"
    ]
    assert shared.metric("hening_workers_lost_total") == lost + 1


def has_answer(one):
    """Return whether the beginning of an answer has arrived."""
    return bool(select.select([one], [], [], 0)[0])


def test_workers_end_with_the_main_process(world, tmp_path, programs):
    """If the main process is killed, no worker continues.

    A stopped worker does not notice, but does not keep the listening socket either.
    """
    with (
        serving(world, tmp_path, "--workers", "2", programs=programs) as service,
        ExitStack() as stack,
    ):
        stopped, serves = service.workers()
        os.kill(stopped, signal.SIGSTOP)
        stack.callback(kill, stopped)
        kept = [stack.enter_context(service.connect()) for _ in range(20)]
        for one in kept:
            send_request(one, port=service.port)
        until(lambda: any(map(has_answer, kept)))
        service.process.kill()
        until(lambda: not any(map(is_worker, (stopped, serves))))
        until(lambda: is_refused(service))
        with pytest.raises(ConnectionRefusedError):
            service.connect()


def is_refused(service):
    """Return whether no process listens any more."""
    try:
        service.connect().close()
    except ConnectionError:
        return True
    return False


def kill(worker):
    """Kill a worker that may have ended already."""
    if is_worker(worker):
        os.kill(worker, signal.SIGKILL)


def test_publication_reaches_all_workers(shared):
    """A publication is served on every connection by every worker."""
    world = shared.world
    with ExitStack() as stack:
        before = {pid: connection_count(pid) for pid in shared.workers()}
        kept = [stack.enter_context(shared.connect()) for _ in range(40)]
        assert {ask(one)[0] for one in kept} == {200}
        assert min(connection_count(pid) - count for pid, count in before.items()) > 9
        bundle = world.submit(world.second_release(), [PACKAGE_2])
        until(lambda: world.published().roles["armani"].version == 3)
        until(lambda: {ask(one, "/metadata/3.armani.json")[0] for one in kept} == {200})
        until((world.folder.results / f"{bundle}.json").exists)
        assert world.result(bundle).status == "published"
    # The next is a difference to this one, in workers that were fed before and in new ones.
    shared.hang_up()
    assert shared.poll("/metadata/3.armani.json")[0] == 200


def test_workers_have_higher_priority_than_the_main_process(shared):
    """Workers, and the thread that starts them, keep the normal priority.

    All other threads of the main process have a lower one.
    """
    usual, world = os.getpriority(os.PRIO_PROCESS, 0), shared.world
    bundle = world.submit({("tables", 2): world.ceremony.role("tables", 2)})
    until((world.folder.results / f"{bundle}.json").exists)
    main = nice_values(shared.process.pid)
    (parent,) = (thread for thread in main if has_children(thread))
    assert main.pop(parent) == usual
    assert len(main) > 2
    assert set(main.values()) == {usual + NICE}
    assert all(set(nice_values(pid).values()) == {usual} for pid in shared.workers())


def test_answer_under_way_is_completed_at_shutdown(world, tmp_path, programs):
    """After SIGTERM an answer under way is completed; others get `Connection: close`."""
    large = bytes(range(256)) * (1 << 15)  # 8 MiB, more than the kernel's buffers
    files = {FIRST: (PACKAGE_1, release(1)), SECOND: (large, release(2))}
    role = {("armani", 3): world.ceremony.role("armani", 3, files)}
    assert world.publish(role, [large]).reason == ""
    folder, _, name = SECOND.rpartition("/")
    path = f"/targets/{folder}/{hashlib.sha256(large).hexdigest()}.{name}"
    with (
        serving(world, tmp_path, "--workers", "1", programs=programs) as service,
        service.connect() as one,
        service.connect() as other,
    ):
        one.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{service.port}\r\n\r\n".encode())
        assert one.recv(1) == b"H"
        service.process.terminate()
        until(lambda: ask(other)[2] == "close")  # the drain has begun
        status, body, _ = read_answer(one, b"H")
        assert (status, body) == (200, large)


def test_metrics_include_replaced_workers(shared):
    """Metrics are the sum of all workers, including replaced ones."""
    before = shared.answers("404")
    for _ in range(20):
        assert shared.poll("/metadata/99.armani.json")[0] == 404
    shared.hang_up()
    for _ in range(10):
        assert shared.poll("/metadata/99.armani.json")[0] == 404
    until(lambda: shared.answers("404") - before == 30)


def test_restarts_leak_neither_descriptors_nor_memory(world, tmp_path):
    """The main process's descriptors and memory are the same after two and four restarts."""
    with serving(world, tmp_path, "--workers", "1") as service:
        seen = []
        for _ in range(4):
            service.hang_up()
            (worker,) = service.workers()
            seen.append([*measure(service.process.pid), *measure(worker)])
    main_open, main_kilobytes, open_, kilobytes = zip(*seen[1:], strict=True)
    assert len(set(open_)) == 1
    assert max(main_open) - min(main_open) <= 2  # of the database's, as they come and go
    assert main_kilobytes[-1] - main_kilobytes[0] < 768
    assert kilobytes[-1] - kilobytes[0] < 768


def measure(pid):
    """Return a process's number of descriptors and its resident memory in kB."""
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return len(list(Path(f"/proc/{pid}/fd").iterdir())), int(status["VmRSS"].split()[0])


async def test_worker_exits_if_its_parent_has_ended():
    """A worker whose parent has already ended exits."""
    process, ours = await start_worker(parent=os.getppid())
    with ours:
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 1


async def test_snapshot_is_served_and_reported_when_complete(world):
    """Pieces of a snapshot are not served, or reported, before the message that completes it.

    The worker also reports the map of the dialects that it serves.
    """
    blobs = LocalBlobs(world.folder.blobs)
    first = await asyncio.to_thread(load_snapshot, world.folder.public, blobs, EMPTY)
    other = make_document(TIMESTAMP, b"{}", mutable=True)
    documents = {**first.documents, TIMESTAMP: other}
    second = replace(first, version=first.version + 1, documents=documents)
    (one,) = await asyncio.to_thread(bind_tcp, "127.0.0.1", 0, 1)
    port = one.getsockname()[1]
    hosts = (f"127.0.0.1:{port}".encode(),)
    config = WorkerConfig(GateMode.DIRECT, Limits(), hosts, str(world.folder.blobs))
    process, ours = await start_worker(os.getpid(), (one.fileno(),))
    with contextlib.closing(one):
        channel = await open_channel(MAIN_DECODER, ours)
        await channel.send(Start(PROTOCOL, config, (one.fileno(),), ()))
        for piece in plan_delta(EMPTY, first):
            await channel.send(piece)
        await channel.send(Whole(first.version, first.root))
        while Ready() not in (messages := await channel.receive()):
            assert messages, "the worker ended"
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as kept:
            served = await asyncio.to_thread(ask, kept, TIMESTAMP, port)
            for piece in plan_delta(first, second):
                await channel.send(piece)
            # Messages are processed in order: once it reports the map, it has the pieces.
            await channel.send(WholeLists(7))
            reports = []
            async with asyncio.timeout(PATIENCE):
                while not reports or reports[-1].lists != 7:
                    messages = await channel.receive()
                    assert messages, "the worker has ended"
                    reports += messages
            assert {each.version for each in reports} == {first.version}
            assert await asyncio.to_thread(ask, kept, TIMESTAMP, port) == served
            await channel.send(Whole(second.version, second.root))
            answer = served
            while answer == served:
                answer = await asyncio.to_thread(ask, kept, TIMESTAMP, port)
            assert gzip.decompress(answer[1]) == b"{}"
        await channel.send(Drain(60.0))
        while messages := await channel.receive():
            reports += messages
        assert reports[-1].version == second.version
        assert await process.wait() == 0
        channel.close()


def nice_values(pid):
    """Return the nice values of a process's threads, by their ids."""
    threads = [int(each.name) for each in Path(f"/proc/{pid}/task").iterdir()]
    return {thread: os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}


def has_children(thread):
    """Return whether a thread is the parent of a process."""
    return bool(Path(f"/proc/{thread}/task/{thread}/children").read_text().split())


def test_single_process_keeps_its_priority(world, tmp_path, programs):
    """Without workers, the main process keeps its priority, because it serves phones."""
    with serving(world, tmp_path, programs=programs) as service:
        assert service.poll()[0] == 200
        assert set(nice_values(service.process.pid).values()) == {
            os.getpriority(os.PRIO_PROCESS, 0)
        }


def test_keyboard_interrupt_drains_workers(world, tmp_path):
    """Ctrl-C ends the main process, which lets workers drain; they do not get the signal.

    They stay in its session, because the kernel may share cores among sessions first.
    """
    options = ("--workers", "1")
    with (
        serving(world, tmp_path, *options, process_group=0) as service,
        service.connect() as one,
    ):
        assert {os.getsid(pid) for pid in service.workers()} == {os.getsid(0)}
        assert ask(one)[2] == ""
        os.killpg(service.process.pid, signal.SIGINT)
        until(lambda: ask(one)[2] == "close")
        assert service.process.wait() == 0
        reasons = {each["reason"] for each in service.logged("a worker ended")}
        assert reasons == {"it was asked to stop"}


KEPT, FRESH = 8, 2


class Load:
    """Kept and new connections that make requests, count answers and record failures."""

    def __init__(self, service):
        self._service = service
        self._stop = threading.Event()
        self.answered = {"kept": 0, "fresh": 0}
        self.closing = 0
        self.failures = []

    def __enter__(self):
        """Begin to make requests."""
        works = [self._kept] * KEPT + [self._fresh] * FRESH
        self._threads = [threading.Thread(target=self._run, args=(work,)) for work in works]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        """Stop, and wait for the last answers."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - every one of them is a failed request
            self.failures.append(repr(error))

    def _check(self, kind, answer):
        self.answered[kind] += 1
        if answer[0] != 200:
            self.failures.append(f"answered {answer[0]}")

    def _kept(self):
        with ExitStack() as stack:
            one = stack.enter_context(self._service.connect())
            while not self._stop.is_set():
                answer = ask(one, port=self._service.port)
                self._check("kept", answer)
                if answer[2] == "close":
                    self.closing += 1
                    stack.close()
                    one = stack.enter_context(self._service.connect())
                time.sleep(0.005)

    def _fresh(self):
        while not self._stop.is_set():
            self._check("fresh", self._service.poll())
            time.sleep(0.005)
