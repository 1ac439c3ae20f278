import pytest

from server.core.role_edit import Withdrawal
from signer.errors import ReleaseRefusal
from signer.release.edits import plan_withdrawal, undrained
from tests.cases import case
from tests.signer.builds import (
    BETA,
    EXPIRES,
    STABLE,
    is_withdrawn,
    make_facts,
    path_of,
    role_of,
    sign,
)


@pytest.fixture
def role():
    """Return a role with build 1, and build 2 with an incremental in two channels."""
    both = [make_facts(2), make_facts(2, 1)]
    return sign(sign(role_of(1), both, BETA), both)


def withdraw(role, *places, **more):
    """Plan a withdrawal."""
    return plan_withdrawal(Withdrawal(places, **more), role, EXPIRES)


def gone(role):
    """Return the withdrawn paths."""
    return {path for path, withdrawn in is_withdrawn(role).items() if withdrawn}


def test_a_build_is_withdrawn_everywhere(role) -> None:
    """Every package of it, in every channel; nothing else changes."""
    planned = withdraw(role, "armani", counter=2)
    everywhere = {path_of(2, source, where) for source in (None, 1) for where in (STABLE, BETA)}
    assert gone(planned) == everywhere
    assert planned.version == role.version + 1
    assert planned.targets[path_of(1)] == role.targets[path_of(1)]


def test_a_build_is_withdrawn_from_one_channel(role) -> None:
    """The others go on."""
    planned = withdraw(role, str(BETA), counter=2)
    assert gone(planned) == {path_of(2, None, BETA), path_of(2, 1, BETA)}


def test_one_edge_is_withdrawn(role) -> None:
    """The build and its full package stay."""
    assert gone(withdraw(role, path_of(2, 1))) == {path_of(2, 1)}


def test_a_full_package_does_not_go_alone(role) -> None:
    """No pointer could offer what is left; with its incrementals named it can go."""
    with pytest.raises(ReleaseRefusal, match=r"would stay.*with counter 2 from"):
        withdraw(role, path_of(2))
    assert gone(withdraw(role, path_of(2), path_of(2, 1))) == {path_of(2), path_of(2, 1)}
    assert gone(withdraw(withdraw(role, path_of(2, 1)), path_of(2))) == {path_of(2), path_of(2, 1)}
    assert gone(withdraw(role, path_of(1))) == {path_of(1)}


def test_a_drain_is_written_beside_it(role) -> None:
    """Without one the member is absent."""
    drained = withdraw(role, path_of(2, 1), drain_until=5000)
    assert drained.targets[path_of(2, 1)].custom["drain_until"] == 5000
    assert "drain_until" not in withdraw(role, path_of(2, 1)).targets[path_of(2, 1)].custom


def test_a_drain_gets_shorter_and_never_longer(role) -> None:
    """The same command an hour later changes nothing; without a drain it ends at once."""
    for first, second, left in (
        (5000, 6000, 5000),
        (5000, 4000, 4000),
        (5000, None, None),
        (None, 5000, None),
    ):
        with case(first):
            once = withdraw(role, path_of(2, 1), drain_until=first)
            twice = withdraw(once, path_of(2, 1), drain_until=second)
            assert twice.targets[path_of(2, 1)].custom.get("drain_until") == left
            assert (twice.targets == once.targets) == (first == left)


def test_a_drain_that_is_not_granted_is_said(role) -> None:
    """It belongs to the withdrawal; nothing is said of what is withdrawn only now."""
    for first, second, sentence in (
        (None, 5000, "its bytes are served no more."),
        (4000, 5000, "its bytes are served until 1970-01-01 01:06:40 UTC."),
        (5000, 5000, ""),
        (5000, 4000, ""),
        (5000, None, ""),
    ):
        with case(first):
            once = withdraw(role, path_of(2, 1), drain_until=first)
            request = Withdrawal((str(STABLE),), 2, second)
            said = undrained(request, once, plan_withdrawal(request, once, EXPIRES))
            start = (
                f"{path_of(2, 1)} was withdrawn before, and a drain cannot be added or lengthened"
            )
            assert said == ([f"{start} later: {sentence}"] if sentence else [])


def test_unknown_members_are_kept(role) -> None:
    """What a newer signer wrote survives."""
    role.targets[path_of(1)].custom["x-later"] = [1]
    role.targets[path_of(1)].unrecognized_fields["x-target"] = 2
    target = withdraw(role, path_of(1)).targets[path_of(1)]
    assert (target.custom["x-later"], target.unrecognized_fields["x-target"]) == ([1], 2)


def test_what_is_not_there_is_refused(role) -> None:
    """The sentence says what to name instead."""
    for places, more, sentence in (
        ((), {}, "0 models are named"),
        (("armani", "dior"), {"counter": 1}, "2 models are named"),
        (("armani",), {}, "armani stands for builds; say which one by its counter"),
        (("armani",), {"counter": 3}, "lists no build with counter 3"),
        (("armani/id/dev",), {"counter": 1}, "armani/id/dev lists no build"),
        (("armani/id",), {"counter": 1}, "neither CODENAME, CODENAME/REGION/CHANNEL nor the path"),
        (("ARMANI",), {"counter": 1}, "neither CODENAME"),
        (("armani/id/stable/none.zip",), {}, "none.zip is not listed"),
        (("armani/id/stable/armani-id-1-full.zip",), {"counter": 2}, "has counter 1; leave"),
    ):
        with case(places), pytest.raises(ReleaseRefusal, match=sentence):
            withdraw(role, *places, **more)
