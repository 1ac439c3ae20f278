"""A compromised publisher sends dishonest requests to a key process.

An attacker that controls the server's process has its state folder and the socket, but no key.
"""

import asyncio
import hashlib
import shutil
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from client_sim.device.errors import LogError as PhoneLogError
from client_sim.device.tlog import decode_log_key, verify_checkpoint
from server.core.checkpoint import decode_checkpoint, decode_leaf, encode_checkpoint, encode_leaf
from server.core.errors import HeningError
from server.core.metadata import decode_timestamp
from server.core.pointer import encode_pointer
from server.core.profile import log_verifier
from server.core.tiles import GrowingTree
from server.core.tlog import leaf_hash
from server.publisher.errors import PublishError
from server.publisher.keys.holder import load_keys, open_keys
from server.publisher.keys.messages import Publish, Signature, SignCheckpoint, Unknown
from server.publisher.keys.online_keys import History
from server.publisher.keys.rotation import make_next_keys, switch_keys
from server.publisher.published import hash_public
from server.publisher.rollout import plan_halt, plan_pause
from server.publisher.verify import RoleVersion
from server.storage.database import open_database
from server.storage.errors import StorageError
from server.storage.layout import StateFolder
from server.storage.models import LogEntry
from tests.server.ceremony import release
from tests.server.keys.process import move_keys
from tests.server.log_invariant import check_log, check_metadata_is_logged
from tests.server.world import CHANNEL, FIRST, PACKAGE_1, World, refresh_from_disk

POINTER = CHANNEL.pointer_path


@pytest.fixture
def process(world, tmp_path):
    """Yield the key process of the world, which is not started yet."""
    moved = move_keys(world, tmp_path / "apart")
    yield moved
    moved.stop()


@pytest.fixture
def stolen(world, process):
    """Return a world whose publisher has no keys; it has published once with its key process."""
    process.start()
    change(world, lambda pointer: plan_pause(CHANNEL, pointer, {"en": "Once."}, 2**40))
    return world


def change(world, edit):
    """Publish the one pointer as `edit` changes it."""
    world.run(
        lambda publisher: publisher.change_pointers(
            lambda published: {POINTER: edit(published.pointers()[POINTER])}
        )
    )


def ask(world, pointers, files=(), **changes):
    """Send a dishonest publisher's request to the key process; returns the answer."""
    holder = open_keys(world.folder)
    asked = {
        "public": hash_public(world.folder.public),
        "now": world.now(),
        "files": list(files),
        "pointers": pointers,
        "renew": True,
        "logged": {},
        "burned": {},
    }
    return holder._ask(Publish(**(asked | changes)))


def offered(world):
    """Return the offered state as a request contains it."""
    return encode_pointer(world.published().pointers()[POINTER])


@contextmanager
def forked(world, folder):
    """Yield a second publisher on a copy of the state folder as it is now."""
    shutil.copytree(world.folder.root, folder)
    state = StateFolder(folder, world.folder.database_url, world.folder.keys_socket)
    yield World(state, world.keys, world.ceremony)


def head(world):
    """Return the log's public key, the note of its checkpoint, and the decoded checkpoint."""
    key = load_keys(world.folder).log_verifier
    note = (world.folder.public / "log" / "checkpoint").read_bytes()
    return key, note, decode_checkpoint(note, key)


def sign_text(world, text):
    """Ask for a signature of `text` by the log's key."""
    key, _, current = head(world)
    return open_keys(world.folder)._ask(SignCheckpoint(str(key), text, current.size, [], []))


def test_one_content_per_version(stolen):
    """No two answers have the same version of a role, whatever the requests are."""
    seen = set()
    for number in range(5):
        pointer = offered(stolen) | {"t": {"en": str(number)}}
        answer = ask(stolen, {POINTER: pointer})
        versions = {(file.role, file.version) for file in answer.files}
        versions.add(("timestamp", decode_timestamp(answer.timestamp).signed.version))
        assert len(versions) == 3
        assert not versions & seen
        seen |= versions


def test_forked_state_folder(stolen, tmp_path):
    """Of two publishers on copies of one state, only one gets its log signed."""
    with forked(stolen, tmp_path / "fork") as fork:
        change(stolen, lambda pointer: plan_halt(CHANNEL, pointer, {"en": "For all phones."}))
        before = (fork.folder.public / "log" / "checkpoint").read_bytes()
        with pytest.raises(HeningError, match="leaves was signed, and this one has"):
            change(fork, lambda pointer: plan_pause(CHANNEL, pointer, {"en": "For one."}, 2**40))
        assert (fork.folder.public / "log" / "checkpoint").read_bytes() == before


def test_forked_log_by_socket(stolen):
    """The key process signs only one tree root of a size, also for requests sent to its socket."""
    key, note, current = head(stolen)
    for size in (current.size - 1, current.size, current.size + 1):
        with pytest.raises(PublishError, match="are not of one history"):
            sign_text(stolen, f"{key.name}\n{size}\n{'A' * 43}=\n".encode())
    assert isinstance(sign_text(stolen, note.partition(b"\n\n")[0] + b"\n"), Signature)


def sign_leaves(world, leaves):
    """Have the log signed with further leaves without publishing it; return the note."""
    folder = world.folder.public / "log"
    key, _, current = head(world)
    size = current.size
    tree = GrowingTree(size, lambda path: (folder / path).read_bytes())
    for leaf in leaves:
        tree.append(leaf_hash(leaf))
    history = History(tree, size, leaves, size)
    holder = open_keys(world.folder)
    holder.load()

    def sign(text):
        return holder.sign_checkpoint(key, text, history)

    return encode_checkpoint(tree.size, tree.root(), key, sign)


def kept_back(world):
    """Have a version of latest and its log leaf signed without publishing them; return the note."""
    answer = ask(world, {POINTER: offered(world) | {"t": {"en": "For one."}}})
    (latest,) = (file for file in answer.files if file.role == "latest")
    digest = hashlib.sha256(latest.data).hexdigest()
    return sign_leaves(world, [encode_leaf("latest", latest.version, digest)])


def halt(world):
    """Halt the rollout, and check that every phone and every auditor sees it."""
    change(world, lambda pointer: plan_halt(CHANNEL, pointer, {"en": "For all phones."}))
    assert world.published().pointers()[POINTER].halted
    key = load_keys(world.folder).log_verifier
    check_metadata_is_logged(world.folder, check_log(world.folder, key.public))
    assert refresh_from_disk(world.folder, [FIRST])[1][FIRST] == PACKAGE_1


@pytest.mark.parametrize(
    "leaf", [b"made up", encode_leaf("latest", 9, "0" * 64), encode_leaf("armani", 3, "0" * 64)]
)
def test_invented_leaves(stolen, leaf):
    """A leaf that belongs to no publication of the key process is refused; publishing continues."""
    with pytest.raises(PublishError, match=r"belongs to no publication that was signed here"):
        sign_leaves(stolen, [leaf])
    halt(stolen)


def test_withheld_leaves(stolen):
    """The key process has the leaves, so the next server continues after `rebuild`."""
    kept_back(stolen)
    with pytest.raises(StorageError, match=r"leaves was signed, .* run `hening-server rebuild`"):
        halt(stolen)
    assert stolen.rebuild().leaves == 1
    halt(stolen)


def add_row(world, entry):
    """Append a row to the log's table, as an attacker with access to the database can."""

    async def add():
        async with open_database(world.folder.database) as sessions, sessions.begin() as session:
            last = await session.scalar(select(func.max(LogEntry.index)))
            role, version, sha256 = decode_leaf(entry)
            session.add(
                LogEntry(index=last + 1, role=role, version=version, sha256=sha256, appended_at=1)
            )

    asyncio.run(add())


def test_invented_rows(stolen):
    """A database row that can never be signed is removed when the next leaf is added."""
    add_row(stolen, encode_leaf("latest", 9, "0" * 64))
    halt(stolen)


def test_invented_rows_and_withheld_leaves(stolen):
    """`rebuild` replaces an invented row by the signed leaves that were withheld."""
    kept_back(stolen)
    add_row(stolen, encode_leaf("latest", 9, "0" * 64))
    assert stolen.rebuild().leaves == 1
    halt(stolen)


def test_two_contents_signed_by_maintainers(stolen):
    """If maintainers signed two contents of a version, only the first one enters the log."""
    contents = [
        RoleVersion("armani", 3, stolen.ceremony.role("armani", 3, {FIRST: (PACKAGE_1, each)}))
        for each in (release(1), release(1, withdrawn=True))
    ]
    leaves = []
    for file in contents:
        answer = ask(stolen, {}, [file], renew=False)
        assert "armani" not in {each.role for each in answer.files}
        leaves.append(encode_leaf("armani", 3, hashlib.sha256(file.data).hexdigest()))
    with pytest.raises(PublishError, match="belongs to no publication"):
        sign_leaves(stolen, leaves)
    sign_leaves(stolen, leaves[1:])
    with pytest.raises(PublishError, match="armani 3 is in the log with other bytes"):
        ask(stolen, {}, contents[:1], renew=False)
    stolen.rebuild()
    halt(stolen)


def test_record_without_log(stolen, process):
    """When a publisher loads keys, the key process learns the public state, before it signs."""
    process.stop()
    shutil.rmtree(process.record)
    process.start()
    load_keys(stolen.folder)
    with pytest.raises(PublishError, match="are not of one history"):
        sign_text(stolen, f"{head(stolen)[0].name}\n1\n{'A' * 43}=\n".encode())
    assert isinstance(ask(stolen, {POINTER: offered(stolen)}, public=""), Unknown)
    halt(stolen)


def test_lost_leaves(stolen, process):
    """If no copy and no record has the leaves, the log gets a new key.

    The steps are those of docs/how-to/lost-leaves.md, in that order.
    """
    former = load_keys(stolen.folder).log_verifier
    note = kept_back(stolen)
    (process.record / "leaves").unlink()
    with pytest.raises(HeningError, match=r"is cut off: .* see docs/how-to/lost-leaves"):
        stolen.rebuild()

    process.stop()
    (process.record / "log.json").unlink()
    process.start()
    stolen.rebuild()
    stolen.run(lambda p: make_next_keys(p, stolen.folder, ["log"], afresh=True))
    following = load_keys(stolen.folder).log_keys[1].verifier
    assert stolen.publish({("root", 2): stolen.ceremony.root(2, log=following)}).reason == ""
    stolen.ahead += timedelta(minutes=2)  # caches have the new root by now
    assert stolen.run(lambda p: switch_keys(p, stolen.folder, ["log"], stolen.now)) == ["log"]

    halt(stolen)
    verify_checkpoint(note, decode_log_key(str(former)))
    with pytest.raises(PhoneLogError):
        verify_checkpoint(note, decode_log_key(str(log_verifier(stolen.published().root))))


def test_arbitrary_bytes_are_not_signed(stolen):
    """The log's key signs checkpoints alone, and the other keys sign no arbitrary bytes."""
    with pytest.raises(PublishError, match="three lines"):
        sign_text(stolen, b'{"_type":"root"}')
    for role, half in load_keys(stolen.folder).signers.items():
        with pytest.raises(HeningError, match="the key process signs"):
            half.sign(role.encode())


def test_unsigned_offers_are_refused(stolen):
    """Pointers to a withdrawn package, another channel's or any other package are not signed."""
    for member, value in (
        ("x", "0" * 64),
        ("p", "armani/id/stable/evil.zip"),
        ("p", "armani/eu/stable/armani-1.zip"),
    ):
        pointer = offered(stolen)
        pointer["s"][0]["k"][0][member] = value
        with pytest.raises(PublishError, match="the key process refuses"):
            ask(stolen, {POINTER: pointer})
    withdrawn = {FIRST: (PACKAGE_1, release(1, withdrawn=True))}
    role = stolen.ceremony.role("armani", 3, withdrawn)
    assert stolen.publish({("armani", 3): role}).reason == ""
    pointer = offered(stolen) | {"h": False}
    with pytest.raises(PublishError, match="which is withdrawn"):
        ask(stolen, {POINTER: pointer})


def test_superseded_role_is_not_signed(stolen, tmp_path):
    """The predecessor of a role that withdraws a build is not signed again."""
    with forked(stolen, tmp_path / "fork") as fork:
        withdrawn = {FIRST: (PACKAGE_1, release(1, withdrawn=True))}
        role = stolen.ceremony.role("armani", 3, withdrawn)
        assert stolen.publish({("armani", 3): role}).reason == ""
        load_keys(stolen.folder)  # as every half minute, the publisher reports the public state
        with pytest.raises(PublishError, match=r"was public, and .* is now"):
            open_keys(fork.folder).plan(
                *([], fork.published().pointers(), fork.now()), renew=True, logged={}, burned={}
            )
