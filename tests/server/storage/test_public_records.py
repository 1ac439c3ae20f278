"""Which root belongs to which timestamp, since when it is public, and when proofs are old."""

import pytest

from server.core.errors import FormatError
from server.storage.public_records import (
    begin_proof_renewal,
    end_proof_renewal,
    find_roots,
    list_roots,
    load_proof_renewals,
    root_time,
    write_roots,
)
from server.storage.tree import LocalTree


@pytest.fixture
def public(tmp_path):
    """Give a public tree of three roots."""
    (tmp_path / "metadata").mkdir()
    for version in (1, 2, 3):
        (tmp_path / "metadata" / f"{version}.root.json").write_bytes(b"{}")
    return tmp_path


def test_the_record(public):
    """A new root is seen with its timestamp and later ones; that time is stored."""
    assert root_time(public) == 0
    write_roots(LocalTree(public), before=1, newest=3, timestamp=7, time=1_795_000_000)
    assert [list_roots(public, version) for version in (6, 7, 8)] == [[1], [1, 2, 3], [1, 2, 3]]
    assert root_time(public) == 1_795_000_000


def test_other_names(public):
    """A file without a root's name is no root."""
    for name in ("0.root.json", "04.root.json", "9x.root.json", "5.root.json.old"):
        (public / "metadata" / name).write_bytes(b"{}")
    assert list_roots(public, 1) == find_roots(public) == [1, 2, 3]


def test_other_records(public):
    """One of a former version has no time: its root is public for long. Others are refused."""
    (public / "roots.json").write_bytes(b'{"before":1,"newest":3,"timestamp":7}\n')
    assert list_roots(public, 6) == [1]
    assert root_time(public) == 0
    for data in (b"", b"{}\n", b'{"before":1,"newest":3,"time":"x","timestamp":7}\n'):
        (public / "roots.json").write_bytes(data)
        with pytest.raises(FormatError):
            root_time(public)


def test_how_often_proofs_were_signed_again(public):
    """The number is odd in between; beginning and ending twice changes nothing."""
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
