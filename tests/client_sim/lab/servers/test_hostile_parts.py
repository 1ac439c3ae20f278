"""A server that keeps back a part does not know a phone again by what it asks for next."""

import pytest

from client_sim.lab.servers.hostile_parts import MANNERS, SMALL_PARTS, STOCKED_PARTS
from client_sim.lab.servers.packs import PARTS
from client_sim.lab.servers.replies import only_at
from client_sim.lab.servers.repository import Repository

PARTS_OF_TABLES = "/targets/tables/"


def asked_parts(phone, poll):
    """Give the numbers of the parts of tables that a phone asked for in a poll."""
    paths = phone.asked[poll]
    return [int(path.split(".")[1]) for path in paths if path.startswith(PARTS_OF_TABLES)]


def refused(make_phone, serve, wrap):
    """Let a phone poll three times; the first time a part is kept back."""
    phone = make_phone(only_at({0}, wrap)(serve))
    phone.poll(3)
    return phone


@pytest.mark.parametrize("pair", SMALL_PARTS, ids=lambda pair: pair.name)
def test_a_phone_stops_at_the_part_and_asks_for_all_of_them_the_next_time(
    make_phone, repository, pair
):
    """Of four parts two servers keep back different ones; the next polls of both are the same."""
    one, other = (
        refused(make_phone, repository.serve(), wrap) for wrap in (pair.first, pair.second)
    )
    kept = [int(name.split()[1]) for name in pair.name.partition(": ")[2].split(", or ")]
    for phone, part in zip((one, other), kept, strict=True):
        assert asked_parts(phone, 0) == list(range(part + 1))
        assert phone.outcomes[0].failure is None
        assert asked_parts(phone, 1) == [0, 1, 2, 3]
        assert asked_parts(phone, 2) == []
    assert one.asked[1:] == other.asked[1:]


def test_kinds_of_a_role_are_held_together_or_not_at_all(make_phone):
    """Where there is every kind, an access point's part and a time zone's are kept back alike."""
    repository = Repository(kinds=tuple(PARTS))
    for pair in STOCKED_PARTS[:: MANNERS // 3]:
        one, other = (
            refused(make_phone, repository.serve(), wrap) for wrap in (pair.first, pair.second)
        )
        assert one.asked[0] != other.asked[0]
        assert one.asked[1:] == other.asked[1:]
        assert len(asked_parts(one, 1)) in {0, 16 + 16 + 4 + 16}
    names = [pair.name for pair in (*SMALL_PARTS, *STOCKED_PARTS)]
    assert len(set(names)) == len(names)
