from datetime import timedelta

import pytest

from server.core.names import Channel
from server.core.release import Floor, decode_floor
from server.core.role_edit import Withdrawal
from signer.errors import ReleaseRefusal
from signer.release.edits import draining, plan_prune, plan_retirement, plan_withdrawal
from tests.signer.builds import (
    BETA,
    EXPIRES,
    NOW,
    STABLE,
    empty_role,
    fingerprint,
    make_facts,
    path_of,
    role_of,
    sign,
)


def prune(role, keep, now=NOW):
    """Plan a prune."""
    return plan_prune("armani", keep, role, now, EXPIRES)


def withdraw(role, place, counter, until=None):
    """Withdraw a build."""
    return plan_withdrawal(Withdrawal((str(place),), counter, until), role, EXPIRES)


def counters(role):
    """Return the listed counters."""
    return sorted({target.custom["counter"] for target in role.targets.values()})


def time_of(number):
    """Return the post-timestamp of a build."""
    return make_facts(number).post_timestamp


def test_prune_raises_the_floor() -> None:
    """The newest builds stay; the floor keeps counter and time of those that are removed."""
    role = role_of(1, 2, 3, 4)
    assert prune(role, 4).planned.unrecognized_fields == {}
    role.unrecognized_fields |= {"x": 1, "custom": {"floor": 0, "schema": 1, "x-later": [2]}}
    pruning = prune(role, 2)
    assert counters(pruning.planned) == [3, 4]
    assert pruning.removed == (path_of(1), path_of(2))
    assert decode_floor(pruning.planned) == Floor(schema=1, counter=3, time=time_of(2))
    assert pruning.floor == 3
    assert pruning.reason == "armani/id/stable keeps its newest builds, counter 3 among 2."
    kept = pruning.planned.unrecognized_fields
    assert (kept["x"], kept["custom"]["x-later"]) == (1, [2])
    again = prune(pruning.planned, 2)
    assert (again.planned.targets, again.removed) == (pruning.planned.targets, ())
    assert again.planned.unrecognized_fields == kept


def test_source_of_incremental_stays() -> None:
    """It stays until the incremental is withdrawn, and the message names it."""
    role = sign(role_of(1), [make_facts(2), make_facts(2, 1)])
    role = sign(role, [make_facts(3)])
    role = sign(role, [make_facts(4), make_facts(4, 2)])
    pruning = prune(role, 1)
    assert counters(pruning.planned) == [1, 2, 3, 4]
    assert pruning.reason == f"{path_of(2, 1)} starts from {fingerprint(1)}, which stays listed."
    assert (pruning.blocking, pruning.higher_floor) == ((path_of(2, 1),), 2)
    without = plan_withdrawal(Withdrawal(pruning.blocking), role, EXPIRES)
    pruning = prune(without, 1)
    assert counters(pruning.planned) == [2, 3, 4]
    assert pruning.reason == f"{path_of(4, 2)} starts from {fingerprint(2)}, which stays listed."
    assert pruning.blocking == ()


def test_stepping_stones_stay() -> None:
    """Stepping stones to a kept build stay, and the sources of their incrementals."""
    role = sign(role_of(1, 2), [make_facts(3)], min_counter=2)
    role = sign(role, [make_facts(4)], min_counter=3)
    pruning = prune(role, 1)
    assert counters(pruning.planned) == [2, 3, 4]
    assert pruning.reason.endswith("over the stepping stone 2.")
    # The stepping stone and its incremental are still offered, so they are not in the way.
    role = sign(role_of(1), [make_facts(2), make_facts(2, 1)])
    pruning = prune(sign(role, [make_facts(3)], min_counter=2), 1)
    assert counters(pruning.planned) == [1, 2, 3]
    assert pruning.reason == f"{path_of(2, 1)} starts from {fingerprint(1)}, which stays listed."
    assert pruning.blocking == ()


def test_each_channel_keeps_its_newest_builds() -> None:
    """A channel without new builds holds the floor, and sources of its builds."""
    role = role_of(2, 3, 4, current=role_of(1, channel=BETA))
    pruning = prune(role, 1)
    assert counters(pruning.planned) == [1, 2, 3, 4]
    assert pruning.reason.startswith("armani/id/beta keeps its newest builds, counter 1 among 1")
    assert counters(prune(withdraw(role, BETA, 1), 1).planned) == [4]
    role = sign(role_of(1, 2), [make_facts(3), make_facts(3, 1)])
    pruning = prune(sign(role_of(2, channel=BETA, current=role), [make_facts(4)]), 1)
    assert counters(pruning.planned) == [1, 2, 3, 4]
    assert (pruning.blocking, pruning.higher_floor) == ((path_of(3, 1),), 2)
    # A build of another region below the floor is removed, too.
    eu = Channel("armani", "eu", "stable")
    role = sign(sign(empty_role(), [make_facts(1, region="eu")], eu), [make_facts(2)])
    role = sign(sign(role, [make_facts(3, region="eu")], eu), [make_facts(4)])
    assert counters(prune(role, 1).planned) == [3, 4]


def test_withdrawn_builds_stay_while_they_drain() -> None:
    """A withdrawn build is not counted, and stays as long as its bytes are served."""
    end = int((NOW + timedelta(days=7)).timestamp())
    role = withdraw(role_of(1, 2, 3), STABLE, 1, end)
    assert counters(prune(role, 2).planned) == [1, 2, 3]
    assert "still drains" in prune(role, 1).reason
    assert counters(prune(role, 2, NOW + timedelta(days=8)).planned) == [2, 3]
    assert counters(prune(withdraw(role_of(1, 2, 3), STABLE, 3), 1).planned) == [2, 3]
    both = withdraw(role, STABLE, 2)
    assert draining(both, NOW) == (path_of(1),)
    assert draining(both, NOW + timedelta(days=7)) == ()


def test_pruned_build_does_not_return() -> None:
    """Neither its counter nor an older build can be listed; the last build is not pruned."""
    pruned = prune(withdraw(role_of(1, 2), STABLE, 1), 1).planned
    with pytest.raises(ReleaseRefusal, match="was not built after"):
        sign(pruned, [make_facts(1)])
    with pytest.raises(ReleaseRefusal, match="Counter 1 is not above 2"):
        sign(pruned, [make_facts(3)], counter=1)
    assert counters(sign(pruned, [make_facts(3)])) == [2, 3]
    for role, keep, sentence in (
        (role_of(1), 0, "--keep 1 or more"),
        (role_of(1), -1, "--keep 1 or more"),
        (empty_role(), 1, "release retire"),
        (withdraw(role_of(1), STABLE, 1), 1, "release retire"),
    ):
        with pytest.raises(ReleaseRefusal, match=sentence):
            prune(role, keep)


def test_plan_retirement() -> None:
    """All builds are removed; newer ones can be listed again while a counter is left."""
    retired = plan_retirement("armani", role_of(1, 2), EXPIRES)
    assert retired.targets == {}
    assert decode_floor(retired) == Floor(schema=1, counter=3, time=time_of(2))
    again = plan_retirement("armani", retired, EXPIRES)
    assert again.unrecognized_fields == retired.unrecognized_fields
    assert decode_floor(plan_retirement("armani", empty_role(), EXPIRES)).counter == 1
    with pytest.raises(ReleaseRefusal, match="not newer than the role's floor_time"):
        sign(retired, [make_facts(2)])
    back = sign(retired, [make_facts(3)])
    assert (counters(back), decode_floor(back).counter) == ([3], 3)
    assert counters(prune(sign(back, [make_facts(4)]), 1).planned) == [4]
    role = empty_role()
    role.unrecognized_fields["custom"] = {"floor": 2**53 - 1, "floor_time": 5, "schema": 1}
    last = sign(role, [make_facts(1)])
    with pytest.raises(ReleaseRefusal, match=r"no counter is left above 9007199254740991; withdr"):
        plan_retirement("armani", last, EXPIRES)
