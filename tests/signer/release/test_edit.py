import contextlib
import functools
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.core.errors import ReleaseError
from server.core.pointer import find_upgrade_path, offered_in
from server.core.release import decode_floor, decode_releases
from server.core.role_edit import Withdrawal, next_role
from server.core.succession import check_role_content
from signer.errors import ReleaseRefusal
from signer.release.edits import (
    PromotionRequest,
    plan_promotion,
    plan_prune,
    plan_retirement,
    plan_withdrawal,
)
from tests.signer.builds import (
    BETA,
    EXPIRES,
    NOW,
    STABLE,
    empty_role,
    make_facts,
    path_of,
    role_of,
    sign,
)

channels = st.sampled_from([STABLE, BETA])
back = st.sampled_from([0, 1, 1, 2, 3])  # how many builds before the newest one
drains = st.none() | st.integers(0, 2**40)
edits = st.one_of(
    st.tuples(st.just("sign"), st.integers(-1, 2), channels, back, st.sampled_from([0, 0, 1, 3])),
    st.tuples(st.just("sign"), st.just(1), channels, st.just(0), st.just(0)),
    st.tuples(st.just("withdraw"), back, channels | st.just("armani"), drains),
    st.tuples(st.just("edge"), back, channels, back, drains),
    st.tuples(st.just("promote"), back, st.permutations([STABLE, BETA])),
    st.tuples(st.just("prune"), st.integers(1, 3)),
    st.tuples(st.just("retire"), st.sampled_from([1] * 9 + [0])),
)


def edit(role, newest, name, *drawn):
    """Return the role after one edit; `newest` is the highest number of a build so far."""
    match name, drawn:
        case "sign", (step, channel, source, stone):
            number = max(newest + step, 1)
            packages = [make_facts(number)]
            packages += [make_facts(number, number - source)] if source else []
            wanted = max(newest - stone, 0) if stone else None
            return sign(role, packages, channel, counter=number, min_counter=wanted)
        case "withdraw", (number, place, until):
            return plan_withdrawal(Withdrawal((str(place),), newest - number, until), role, EXPIRES)
        case "edge", (number, channel, source, until):
            path = path_of(newest - number, newest - number - source, channel)
            return plan_withdrawal(Withdrawal((path,), None, until), role, EXPIRES)
        case "promote", (number, (source, target)):
            request = PromotionRequest(source, target, newest - number)
            return plan_promotion(request, role, EXPIRES).planned
        case "prune", (keep,):
            return plan_prune("armani", keep, role, NOW, EXPIRES).planned
        case "retire", (0,):
            return plan_retirement("armani", role, EXPIRES)
    return next_role("armani", role, role.targets, EXPIRES)


@functools.cache
def busy_role():
    """Return a role with five builds in beta and four in stable, each with an incremental."""
    role = sign(empty_role(), [make_facts(1)], BETA)
    for number in range(2, 6):
        role = sign(role, [make_facts(number), make_facts(number, number - 1)], BETA)
    for number in range(1, 5):
        role = plan_promotion(PromotionRequest(BETA, STABLE, number), role, EXPIRES).planned
    return role


def reachable(role):
    """Return channel and counter of each channel's newest build, if it can be offered."""
    releases, found = decode_releases(role), set()
    for channel in (STABLE, BETA):
        newest = max((r.counter for r in offered_in(channel, releases).values()), default=0)
        with contextlib.suppress(ReleaseError):
            found.add((channel, find_upgrade_path(channel, newest, releases)[-1]))
    return found


def unknown_sources(role):
    """Return the incrementals in use whose source build is not listed."""
    releases = decode_releases(role)
    known = {release.fingerprint for release in releases.values()}
    return {
        path
        for path, release in releases.items()
        if not release.withdrawn and not known.issuperset(release.source_builds)
    }


@settings(max_examples=100, deadline=None)
@given(st.lists(edits, min_size=5, max_size=30))
def test_arbitrary_sequence_of_edits(sequence) -> None:
    """The core accepts each version, and a client that followed them all accepts the next."""
    role, data, withdrawn, highest = busy_role(), {}, {}, 5
    for each in sequence:
        before = role
        try:
            role = edit(before, highest, *each)
        except ReleaseRefusal:
            continue
        check_role_content("armani", before, role)
        assert role.version == before.version + 1
        assert list(role.targets) == sorted(role.targets)
        releases = decode_releases(role)
        for path, release in releases.items():
            target = role.targets[path]
            assert data.setdefault(path, target.hashes) == target.hashes
            assert release.withdrawn or path not in withdrawn, "nothing is resurrected"
            if release.withdrawn:
                until = release.drain_until or 0
                assert until <= withdrawn.setdefault(path, until)
                withdrawn[path] = until
        known = {r.counter for r in decode_releases(before).values()}
        joined = {r.counter for r in releases.values()} - known
        assert all(counter > highest for counter in joined)
        highest = max([highest, *joined])
        assert decode_floor(role).counter >= decode_floor(before).counter
        if each[0] == "prune":
            assert reachable(role) == reachable(before)
            assert unknown_sources(role) <= unknown_sources(before)
        if each[0] == "sign":
            assert joined == set() or (each[2], max(joined)) in reachable(role)


def test_withdrawn_bytes_are_refused() -> None:
    """Neither withdrawn bytes under another name nor a withdrawn build can be listed again."""
    both = [make_facts(2), make_facts(2, 1)]
    role = sign(role_of(1), both)
    role = plan_withdrawal(Withdrawal((path_of(2, 1),)), role, EXPIRES)
    renamed = make_facts(2, 1, path=make_facts(2, 1).path.with_name("again.zip"))
    with pytest.raises(ReleaseRefusal, match=r"again.zip has the bytes of \S+2-from-1.zip, which"):
        sign(role, [renamed])
    beta = role_of(1, channel=BETA, current=role)
    with pytest.raises(ReleaseRefusal, match=r"beta/again.zip has the bytes of \S+2-from-1.zip"):
        sign(beta, [make_facts(2), renamed], BETA)
    corrected = make_facts(2, 1, path=renamed.path, sha256="c" * 64)
    assert f"{STABLE}/again.zip" in sign(role, [corrected]).targets
    role = plan_withdrawal(Withdrawal(("armani",), 1), role_of(1), EXPIRES)
    for channel, sha256 in itertools.product((STABLE, BETA), (make_facts(1).sha256, "c" * 64)):
        again = make_facts(1, path=make_facts(1).path.with_name("again.zip"), sha256=sha256)
        with pytest.raises(ReleaseRefusal, match=r"which is withdrawn, and that is final; build"):
            sign(role, [again], channel)
