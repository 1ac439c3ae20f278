"""The complete site that `make grown` starts, with a published first release."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from server.publisher.keys.key_socket import KeySocket
from server.release.auth.principal import Role
from server.settings import Node as Kind
from server.storage.durable import make_folder, write_durable
from server.storage.layout import StateFolder
from server.storage.s3_blobs import S3Blobs
from soak.grown.database import Pair
from soak.grown.network import Machine, make_machines
from soak.grown.nodes import API, PHONES, Node, Shared, key_process, make_edge, make_node
from soak.grown.program import Program
from soak.grown.store import S3, VOLUMES, Store
from soak.halts import make_token
from tests.seaweed import BUCKET, KEY_ID, SECRET
from tests.server.world import World, make_world, publish_first

KINDS = {
    "device-1": Kind.DEVICE,
    "device-2": Kind.DEVICE,
    "device-3": Kind.DEVICE,
    "control-1": Kind.CONTROL,
    "control-2": Kind.CONTROL,
    "publisher-1": Kind.PUBLISHER,
    "publisher-2": Kind.PUBLISHER,
}
MACHINES = ("edge", *KINDS, "database-1", "database-2", "store", *VOLUMES)


@dataclass(frozen=True, slots=True)
class Site:
    """A running site. `world` signs releases; `token` is an engineer's API token."""

    machines: dict[str, Machine]
    nodes: dict[str, Node]
    database: Pair
    store: Store
    keys: Program
    edge: Program
    rotation: Program
    world: World
    token: str

    @property
    def public_url(self) -> str:
        """The URL that phones poll."""
        return f"http://{self.machines['edge'].address}:{PHONES}"

    @property
    def programs(self) -> list[Program]:
        """All programs of the site."""
        nodes = [node.program for node in self.nodes.values()]
        pair = [self.database.primary, self.database.standby]
        return [*nodes, *pair, *self.store.programs.values(), self.keys, self.edge, self.rotation]

    def of(self, kind: Kind) -> list[Node]:
        """Return the nodes of a kind."""
        return [node for node in self.nodes.values() if node.kind is kind]

    def describe(self) -> Iterator[tuple[str, str, str]]:
        """Yield name, address and programs of each machine, with the ports that others use."""
        held: dict[str, list[str]] = {name: [name] for name in self.machines}
        held["edge"] += [f"({PHONES})", self.rotation.name]
        held["store"] = ["master", "filer", "s3", f"({S3})"]
        held[self.database.primary.name].append("(primary)")
        held[self.database.standby.name].append("(standby)")
        for port, kind in ((PHONES, Kind.DEVICE), (API, Kind.CONTROL)):
            for node in self.of(kind):
                held[node.machine.name].append(f"({port})")
        for name, machine in self.machines.items():
            yield name, machine.address, " ".join(held[name])
        yield "", "a Unix socket", self.keys.name


@contextlib.contextmanager
def running_site(place: Path, say: Callable[[str], None]) -> Iterator[Site]:
    """Run the site in the folder `place` until the block ends.

    The programs are not stopped here: the kernel kills them with the calling process.
    """
    machines = make_machines(MACHINES)
    say("PostgreSQL and SeaweedFS start.")
    database = Pair((machines["database-1"], machines["database-2"]), place / "database")
    database.start()
    store = Store(machines, place / "store")
    store.start()
    say("The keys are made, and the first release is published.")
    ceremony = make_world(place / "ceremony")
    folder = ceremony.folder
    keys = key_process(folder.keys, folder.trusted_root, place)
    keys.start()
    keys.wait()
    shared = Shared(
        database.url,
        store.endpoint,
        f"{BUCKET}/grown",
        KEY_ID,
        SECRET,
        str(place / "keys" / "socket"),
        f"http://{machines['edge'].address}:{PHONES}",
    )
    here = StateFolder(
        place / "first", shared.database_url, shared.keys_socket, store.place("grown/shared")
    )
    pinned = folder.trusted_root.read_bytes()
    _initialise(here, pinned)
    world: World = ceremony.on(here)
    world.blobs = S3Blobs(store.place("grown/blobs"), _now)
    publish_first(world)
    token = asyncio.run(make_token(world, Role.ENGINEER))
    with contextlib.ExitStack() as stack:
        nodes = {
            name: stack.enter_context(make_node(kind, machines[name], place, shared))
            for name, kind in KINDS.items()
        }
        for node in nodes.values():
            _initialise(
                StateFolder(node.folder.root, keys_socket=shared.keys_socket), pinned, node.kind
            )
        devices = [machines[name] for name, kind in KINDS.items() if kind is Kind.DEVICE]
        front, rotation = make_edge(machines["edge"], devices, here.trusted_root, place)
        say("The nodes start.")
        _start_all([front, *(node.program for node in nodes.values())])
        rotation.start()
        yield Site(machines, nodes, database, store, keys, front, rotation, world, token)


def _initialise(folder: StateFolder, pinned: bytes, kind: Kind = Kind.ALL) -> None:
    """Make the files that `hening-server init` makes."""
    write_durable(folder.trusted_root, pinned)
    if kind is not Kind.DEVICE:
        make_folder(folder.incoming)
        make_folder(folder.keys)
        KeySocket(folder).write_public()


def _start_all(programs: Sequence[Program]) -> None:
    for program in programs:
        program.start()
    for program in programs:
        program.wait()


def _now() -> datetime:
    return datetime.now(UTC)
