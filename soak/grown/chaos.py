"""Injects faults into a site while a fleet polls and engineers work, and records a history."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from client_sim.fleet.response_learner import record_idle_poll
from client_sim.fleet.target import Target
from server.settings import Node as NodeKind
from soak.client import ADDRESS
from soak.grown.engineer import Engineer, get_document, list_changes
from soak.grown.faults import Turn, draw_turns, find_faults, named_turns
from soak.grown.history import HISTORY, Calm, Ended, Faulty, History, Listed, Polled, Ready
from soak.grown.nodes import METRICS, PHONES
from soak.grown.observer import Observer
from soak.grown.program import Keeper
from soak.grown.rules import EDGE, Verdict, everything_heals, judge
from soak.grown.site import Site
from soak.load import NAME, Kind, Load, poll
from soak.load import Site as PolledSite
from tests.server.ceremony import release
from tests.server.world import FIRST, PACKAGE_1

POLLS = Kind("phones' polls", poll, 32, 20.0, frozenset({"404 200"}))
WARM_SECONDS = 5.0  # of commands before the first fault
LAST = ("pause", "resume", "halt")  # commands of each engineer after the last fault


class Fleet:
    """Polls through the edge in a thread, until it is stopped."""

    def __init__(self, site: Site, history: History, seed: int) -> None:
        address = urlsplit(site.public_url).hostname or ""
        root = site.world.folder.trusted_root.read_bytes()
        # Phones use plain HTTP on loopback only, so the poll is recorded on the edge's machine.
        target = Target(NAME, PHONES, ADDRESS, tls=False, root=root)
        with ThreadPoolExecutor(1, initializer=site.machines["edge"].enter) as thread:
            paths = thread.submit(record_idle_poll, target, time.time()).result()
        self._load = Load(PolledSite(PHONES, b"", b"", paths, address), seed, (POLLS,))
        self._history = history
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="fleet", daemon=True)

    def start(self) -> None:
        """Start polling."""
        self._thread.start()

    def stop(self) -> Polled:
        """Stop after the polls in progress, and return the results of all polls."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        counts = self._load.counts[POLLS.name]
        answered = sum(counts.get(word, 0) for word in POLLS.expected)
        return Polled(self._history.now(), answered, [each.begin for each in self._load.failures])

    def _run(self) -> None:
        with contextlib.closing(self._loop):
            begun = self._loop.time() - self._history.now()
            self._loop.run_until_complete(self._load.run(begun, self._stop))


def run_chaos(
    site: Site,
    out: Path,
    seconds: float,
    seed: int,
    names: Sequence[str],
    hold: float | None,
    heal: float,
    say: Callable[[str], None],
) -> list[Verdict]:
    """Inject random faults, or each of `names` once, for `seconds` at most; return the verdicts.

    `hold`: seconds that each named fault lasts, None for a random time. `heal`: seconds within
    which the site must recover after the last fault. The history is `history.jsonl` in `out`.
    """
    history = History(out / HISTORY, time.monotonic)
    faults = find_faults(site, names)
    turns = named_turns(faults, seed, hold) if names else draw_turns(faults, seed)
    engineers = list(_make_engineers(site, history, seed))

    def withdrawn() -> list[str]:
        return [path for engineer in engineers for path in engineer.withdrawn[-1:]]

    keeper = Keeper(
        site.programs,
        lambda name, status, again: history.add(Ended(history.now(), name, status, again)),
    )
    fleet = Fleet(site, history, seed)
    observers = list(_make_observers(site, history, withdrawn))
    keeper.start()
    fleet.start()
    for observer in observers:
        observer.start()
    _ask_whether_ready(site, history)
    stop = threading.Event()
    working = [
        threading.Thread(target=engineer.work, args=(stop,), daemon=True) for engineer in engineers
    ]
    for thread in working:
        thread.start()
    time.sleep(WARM_SECONDS)
    _make_trouble(turns, history, history.now() + seconds, say)
    calm = Calm(history.now(), heal)
    history.add(calm)
    say("The faults are over; everything has to heal.")
    stop.set()
    for thread in working:
        thread.join()
    for engineer in engineers:
        engineer.cycle(LAST)
    while any(everything_heals(history.events)) and history.now() < calm.at + heal:
        _ask_whether_ready(site, history)
        time.sleep(1)
    history.add(Listed(history.now(), _list_changes(site)))
    history.add(fleet.stop())
    for observer in observers:
        observer.stop()
    keeper.stop()
    history.close()
    return judge(history.events)


def _make_trouble(
    turns: Iterator[Turn], history: History, until: float, say: Callable[[str], None]
) -> None:
    """Carry out the turns in order; begin none after the time `until`."""
    for turn in turns:
        if history.now() > until:
            return
        say(f"{history.now():5.0f} s: {' and '.join(each.name for each in turn.faults)}")
        for fault in turn.faults:
            history.add(Faulty(history.now(), fault.name, begins=True))
            fault.begin()
        time.sleep(turn.hold)
        for fault in reversed(turn.faults):
            fault.end()
            history.add(Faulty(history.now(), fault.name, begins=False))
        time.sleep(turn.pause)


def _make_engineers(site: Site, history: History, seed: int) -> Iterator[Engineer]:
    controls = site.of(NodeKind.CONTROL)
    ceremony = site.world.ceremony
    packages = site.world.folder.root / "packages"
    packages.mkdir()
    armani = {FIRST: (PACKAGE_1, release(1))}
    for model, version, counter, files in (("armani", 2, 1, armani), ("cancro", 1, 0, {})):
        yield Engineer(
            model,
            version,
            counter,
            ceremony,
            controls,
            site.token,
            history,
            seed,
            files,
            packages,
        )
        controls = controls[::-1]


def _make_observers(
    site: Site, history: History, withdrawn: Callable[[], list[str]]
) -> Iterator[Observer]:
    root = site.world.folder.trusted_root.read_bytes()
    ready = f"http://127.0.0.1:{METRICS}/readyz"
    for node in site.of(NodeKind.DEVICE):
        url = f"http://{node.machine.address}:{PHONES}"
        yield Observer(node.machine.name, url, ready, root, history, withdrawn, node.machine.enter)
    ready = f"{site.public_url}/metadata/timestamp.json"
    yield Observer(EDGE, site.public_url, ready, root, history, withdrawn)


def _ask_whether_ready(site: Site, history: History) -> None:
    for node in [*site.of(NodeKind.CONTROL), *site.of(NodeKind.PUBLISHER)]:
        if node.program.is_ready():
            history.add(Ready(history.now(), node.machine.name))


def _list_changes(site: Site) -> dict[str, str]:
    """Return the state of every change by its id, from a control node."""
    node, *_ = site.of(NodeKind.CONTROL)
    return list_changes(lambda path: get_document(f"{node.api}{path}", site.token))
