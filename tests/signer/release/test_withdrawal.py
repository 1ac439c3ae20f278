import pytest

from server.core.role_edit import Withdrawal
from signer.errors import ReleaseRefusal
from signer.release.edits import find_undrained, plan_withdrawal
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


def withdrawn_paths(role):
    """Return the withdrawn paths."""
    return {path for path, withdrawn in is_withdrawn(role).items() if withdrawn}


def test_plan_withdrawal(role) -> None:
    """A build is withdrawn in one channel or in all; a needed full package cannot be alone."""
    role.targets[path_of(2)].custom["x-later"] = [1]
    role.targets[path_of(2)].unrecognized_fields["x-target"] = 2
    planned = withdraw(role, "armani", counter=2)
    everywhere = {path_of(2, source, where) for source in (None, 1) for where in (STABLE, BETA)}
    assert withdrawn_paths(planned) == everywhere
    assert planned.version == role.version + 1
    assert planned.targets[path_of(1)] == role.targets[path_of(1)]
    target = planned.targets[path_of(2)]
    assert (target.custom["x-later"], target.unrecognized_fields["x-target"]) == ([1], 2)
    planned = withdraw(role, str(BETA), counter=2)
    assert withdrawn_paths(planned) == {path_of(2, None, BETA), path_of(2, 1, BETA)}
    assert withdrawn_paths(withdraw(role, path_of(2, 1))) == {path_of(2, 1)}
    with pytest.raises(ReleaseRefusal, match=r"would stay.*with counter 2 from"):
        withdraw(role, path_of(2))
    both = {path_of(2), path_of(2, 1)}
    assert withdrawn_paths(withdraw(role, *both)) == both
    assert withdrawn_paths(withdraw(withdraw(role, path_of(2, 1)), path_of(2))) == both
    assert withdrawn_paths(withdraw(role, path_of(1))) == {path_of(1)}


def test_drain_is_never_extended(role) -> None:
    """A longer drain is reported and not granted."""
    start = f"{path_of(2, 1)} was withdrawn before, and a drain cannot be added or lengthened"
    for first, second, left, message in (
        (5000, 6000, 5000, "its bytes are served until 1970-01-01 01:23:20 UTC."),
        (5000, 5000, 5000, ""),
        (5000, 4000, 4000, ""),
        (5000, None, None, ""),
        (None, 5000, None, "its bytes are served no more."),
    ):
        with case(first, second):
            once = withdraw(role, path_of(2, 1), drain_until=first)
            assert once.targets[path_of(2, 1)].custom.get("drain_until") == first
            twice = withdraw(once, path_of(2, 1), drain_until=second)
            assert twice.targets[path_of(2, 1)].custom.get("drain_until") == left
            assert (twice.targets == once.targets) == (first == left)
            assert ("drain_until" in twice.targets[path_of(2, 1)].custom) == (left is not None)
            # Packages that this request withdraws are not reported.
            request = Withdrawal((str(STABLE),), 2, second)
            sentences = find_undrained(request, once, plan_withdrawal(request, once, EXPIRES))
            assert sentences == ([f"{start} later: {message}"] if message else [])


def test_unknown_place_is_refused(role) -> None:
    """The message says what to name instead."""
    for places, more, sentence in (
        ((), {}, "0 models are named"),
        (("armani", "dior"), {"counter": 1}, "2 models are named"),
        (("armani",), {}, "armani is not a package; give the counter of the build"),
        (("armani",), {"counter": 3}, "lists no build with counter 3"),
        (("armani/id/dev",), {"counter": 1}, "armani/id/dev lists no build"),
        (("armani/id",), {"counter": 1}, "neither CODENAME, CODENAME/REGION/CHANNEL nor the path"),
        (("ARMANI",), {"counter": 1}, "neither CODENAME"),
        (("armani/id/stable/none.zip",), {}, "none.zip is not listed"),
        (("armani/id/stable/armani-id-1-full.zip",), {"counter": 2}, "has counter 1; leave"),
    ):
        with case(places), pytest.raises(ReleaseRefusal, match=sentence):
            withdraw(role, *places, **more)
