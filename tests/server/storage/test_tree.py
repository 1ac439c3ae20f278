"""Both stores of the public tree behave in the same way; and the tree's records."""

import uuid

import pytest

from server.core.errors import FormatError
from server.storage.errors import StorageError
from server.storage.objects import Objects, TakenError
from server.storage.s3_tree import S3Tree
from server.storage.tree import (
    LocalTree,
    begin_proof_renewal,
    end_proof_renewal,
    find_roots,
    list_roots,
    load_proof_renewals,
    root_time,
    write_roots,
)

STAMP = "metadata/timestamp.json"


@pytest.fixture
def place(seaweed):
    """Return an unused prefix in the bucket."""
    return seaweed.place(f"tree/{uuid.uuid4()}")


@pytest.fixture
def machine(place, tmp_path):
    """Return a function that makes a machine with its own copy."""

    def make(name):
        return S3Tree(Objects(place), tmp_path / name / "public", tmp_path / name / "staging" / "p")

    return make


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.needs("seaweed"))])
def tree(request, tmp_path):
    """Return an empty tree of either kind."""
    if request.param == "local":
        return LocalTree(tmp_path / "here" / "public")
    return request.getfixturevalue("machine")("here")


def staged(tmp_path):
    """Write a publication under a temporary name."""
    folder = tmp_path / "here" / "staging" / ".tmp-p-1"
    (folder / "metadata").mkdir(parents=True)
    (folder / "metadata" / "1.root.json").write_bytes(b"root")
    (folder / "plan.json").write_bytes(b"plan")
    return folder


def test_create_replace_and_remove(tree):
    """Creating a file twice succeeds only with the same bytes.

    `replace` overwrites a file; removing a missing file is no error.
    """
    name = "metadata/1.root.json"
    assert not tree.has(name)
    tree.create(name, b"root")
    tree.create(name, b"root")
    with pytest.raises(StorageError, match=r"is already there with other bytes; it is never"):
        tree.create(name, b"other")
    assert tree.has(name)
    assert (tree.folder / name).read_bytes() == b"root"
    for content in (b"1", b"2", b"2", b"3"):
        tree.replace(STAMP, content)
        assert (tree.folder / STAMP).read_bytes() == content
    for _ in range(2):
        tree.remove(STAMP)
        assert not tree.has(STAMP)


@pytest.mark.needs("seaweed")
def test_staged_publication_reaches_other_machines(machine, tmp_path):
    """Another machine finds a staged publication complete, and not after it was removed."""
    one, two = machine("here"), machine("there")
    folder = tmp_path / "there" / "staging" / "p"
    one.stage(staged(tmp_path), 1)
    two.refresh(2)
    assert (folder / "metadata" / "1.root.json").read_bytes() == b"root"
    one.unstage()
    two.refresh(3)
    assert list(folder.parent.iterdir()) == []


@pytest.mark.needs("seaweed")
def test_outdated_machine_cannot_write(machine):
    """A machine that has not seen the newest timestamp cannot replace it."""
    one, two = machine("one"), machine("two")
    one.replace(STAMP, b"1")
    with pytest.raises(TakenError, match="was written by another process"):
        two.replace(STAMP, b"2")
    two.remove("metadata/other.json")
    one.replace(STAMP, b"3")
    one.replace("log/proof/root.1", b"a")
    with pytest.raises(TakenError):
        two.replace("log/proof/root.1", b"b")


@pytest.mark.needs("seaweed")
def test_staged_publication_of_the_later_lease_counts(machine, tmp_path):
    """Of two staged publications that of the later lease counts; `unstage` removes both."""
    one, two = machine("one"), machine("two")
    for tree, name, fence in ((one, "one", 9), (two, "two", 10)):
        temporary = tmp_path / name / "staging" / ".tmp-p"
        temporary.mkdir(parents=True)
        (temporary / "plan.json").write_bytes(name.encode())
        tree.stage(temporary, fence)
    one.refresh(11)
    assert (tmp_path / "one" / "staging" / "p" / "plan.json").read_bytes() == b"two"
    one.unstage()
    two.refresh(12)
    assert list(two.folder.parent.glob("staging/p")) == []


@pytest.mark.needs("seaweed")
def test_late_process_of_the_same_machine(machine):
    """A process stops writing once another process of its machine publishes.

    Once it has seen what the other one wrote, it may write again, more than once.
    """
    late, new = machine("one"), machine("one")
    late.refresh(1)
    late.replace(STAMP, b"1")
    new.refresh(2)
    for write in (late.replace, late.create):
        with pytest.raises(StorageError, match="another process of this machine publishes now"):
            write("metadata/other.json", b"2")
    new.replace(STAMP, b"2")
    late.refresh(3)
    for data in (b"3", b"4"):
        late.replace(STAMP, data)


@pytest.mark.needs("seaweed")
def test_copy_after_a_power_cut(machine):
    """An empty file is fetched again; a file with other bytes stays as it is."""
    one, two = machine("one"), machine("two")
    for name in ("1.root.json", "2.root.json"):
        one.create(f"metadata/{name}", b"root")
    one.replace("log/checkpoint", b"note")
    (two.folder / "metadata").mkdir(parents=True)
    (two.folder / "metadata" / "1.root.json").write_bytes(b"")
    (two.folder / "metadata" / "2.root.json").write_bytes(b"verified")
    two.refresh(12)
    found = {path.name: path.read_bytes() for path in (two.folder / "metadata").iterdir()}
    assert found == {"1.root.json": b"root", "2.root.json": b"verified"}


@pytest.mark.needs("seaweed")
def test_store_without_conditional_writes(place, monkeypatch):
    """A store that ignores the conditions of writes is refused."""
    objects = Objects(place)
    for _ in range(3):
        objects.check_conditions()

    def careless(name, data, _tag=""):
        objects.remove(name)
        return Objects.create(objects, name, data)

    for method in ("create", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(objects, method, careless)
            with pytest.raises(StorageError, match="has no conditional writes"):
                objects.check_conditions()


@pytest.fixture
def public(tmp_path):
    """Return a public tree with three roots."""
    (tmp_path / "metadata").mkdir()
    for version in (1, 2, 3):
        (tmp_path / "metadata" / f"{version}.root.json").write_bytes(b"{}")
    return tmp_path


def test_record_of_roots(public):
    """A new root is listed from its timestamp on, and its time is stored."""
    assert root_time(public) == 0
    write_roots(LocalTree(public), before=1, newest=3, timestamp=7, time=1_795_000_000)
    assert [list_roots(public, version) for version in (6, 7, 8)] == [[1], [1, 2, 3], [1, 2, 3]]
    assert root_time(public) == 1_795_000_000


def test_files_without_a_roots_name(public):
    """A file without a root's name is not listed."""
    for name in ("0.root.json", "04.root.json", "9x.root.json", "5.root.json.old"):
        (public / "metadata" / name).write_bytes(b"{}")
    assert list_roots(public, 1) == find_roots(public) == [1, 2, 3]


def test_older_and_malformed_records_of_roots(public):
    """A record of an older version has the time 0; malformed records are refused."""
    (public / "roots.json").write_bytes(b'{"before":1,"newest":3,"timestamp":7}\n')
    assert list_roots(public, 6) == [1]
    assert root_time(public) == 0
    for data in (b"", b"{}\n", b'{"before":1,"newest":3,"time":"x","timestamp":7}\n'):
        (public / "roots.json").write_bytes(data)
        with pytest.raises(FormatError):
            root_time(public)


def test_counter_of_proof_renewals(public):
    """The counter of proof renewals is odd during a renewal.

    Beginning or ending twice changes nothing.
    """
    assert load_proof_renewals(public) == 0
    end_proof_renewal(LocalTree(public))
    assert not (public / "proofs.json").exists()
    for step, number in (
        (begin_proof_renewal, 1),
        (begin_proof_renewal, 1),
        (end_proof_renewal, 2),
        (end_proof_renewal, 2),
        (begin_proof_renewal, 3),
    ):
        step(LocalTree(public))
        assert load_proof_renewals(public) == number
    (public / "proofs.json").write_bytes(b'{"restated":-1}\n')
    with pytest.raises(FormatError, match=r"proofs\.json is malformed"):
        load_proof_renewals(public)
