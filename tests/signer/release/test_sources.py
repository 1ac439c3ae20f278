from dataclasses import replace

import pytest

from server.core.release import decode_releases
from signer.errors import ReleaseRefusal
from signer.release.plan import judge_release
from signer.release.request import ReleaseRequest
from signer.release.sources import (
    FullPackages,
    check_same_partitions,
    check_source_bytes,
    check_sources_used,
    find_full,
)
from tests.cases import case
from tests.signer.builds import (
    EXPIRES,
    NOW,
    STABLE,
    empty_role,
    fingerprint,
    make_facts,
    role_of,
    sign,
)

STEP, FULL = make_facts(2, 1), make_facts(1)


def partition(facts, **changes):
    """Return facts whose only partition is changed."""
    return replace(facts, partitions=(replace(facts.partitions[0], **changes),))


def test_find_full() -> None:
    """An incremental to the build is not its full package."""
    assert find_full(fingerprint(2), [FULL, STEP]) is None
    assert find_full(fingerprint(1), [STEP, FULL]) is FULL


def only_factory(full):
    """Return the packages of a role that lists none; the build of `full` is a factory build."""
    return FullPackages("armani", empty_role(), {}, {full.fingerprint})


def test_source_bytes(facts) -> None:
    """The source must write the partitions that the package patches."""
    assert any(each.source_sha256 for each in facts["step"].partitions)
    for step, full in (
        (STEP, FULL),
        (make_facts(2, 1, partitions=()), FULL),
        (partition(STEP, name="new", source_size=0, source_sha256=""), FULL),
        (facts["step"], facts["first"]),
    ):
        check_source_bytes(step, full, only_factory(full))
    for step, full, sentence in (
        (partition(STEP, source_sha256="f" * 64), FULL, "patches another system than"),
        (partition(STEP, source_size=4097), FULL, "patches another system than"),
        (STEP, partition(FULL, sha256="f" * 64), "patches another system than"),
        (STEP, partition(FULL, name="product"), "partition system, which .* does not have"),
        (facts["step"], facts["second"], "patches another"),
    ):
        with case(step), pytest.raises(ReleaseRefusal, match=sentence):
            check_source_bytes(step, full, only_factory(full))


def test_unused_source_is_refused(facts) -> None:
    """The build's own full package may be a source; other unused ones are refused."""
    both = [STEP, make_facts(2)]
    for packages, sources in ((both, [FULL]), ([STEP], []), ([STEP], [make_facts(2)])):
        check_sources_used(packages, sources, set())
    for packages, source, known in (
        ([STEP], make_facts(3), set()),
        ([STEP], make_facts(1, 0), set()),
        (both, make_facts(2), {fingerprint(1)}),
    ):
        with (
            case(source),
            pytest.raises(ReleaseRefusal, match="omit it, or give the right one with --so"),
        ):
            check_sources_used(packages, [source], known)
    check_same_partitions(facts["step"], facts["second"])
    with pytest.raises(ReleaseRefusal, match="leads to another product, system than armani-first"):
        check_same_partitions(facts["step"], facts["first"])


def test_same_partitions() -> None:
    """Full package and incremental of a build must write the same partitions."""
    full, role = make_facts(2), role_of(1)
    for other, names in (
        (partition(STEP, sha256="f" * 64), "system"),
        (partition(STEP, size=1), "system"),
        (partition(STEP, name="vendor"), "system, vendor"),
        (replace(STEP, partitions=()), "system"),
    ):
        for packages, sources, current in (
            ([other, full], [], role),
            ([other], [full], sign(role, [full])),
        ):
            judged = judge_release(ReleaseRequest(STABLE), packages, current, NOW, EXPIRES, sources)
            (refusal,) = judged.refusals
            start = f"{STEP.path.name} leads to another {names} than {full.path.name};"
            assert refusal.startswith(start)


def test_incrementals_without_full_package() -> None:
    """They are compared with each other, and the verdict says what was not compared."""
    role = sign(role_of(1, 2), [make_facts(3)])
    steps = [make_facts(3, 2), partition(make_facts(3, 1), sha256="f" * 64)]
    judged = judge_release(ReleaseRequest(STABLE), steps, role, NOW, EXPIRES)
    assert [each[:40] for each in judged.refusals] == ["armani-id-3-from-1.zip leads to another "]
    (silent,) = [
        each
        for each in judged.verdicts
        if each.question == "leads to the same partitions" and each.passed is None
    ]
    assert silent.remark == "give this build's full package with --source"


def judge_source(source, role, **request):
    """Return the verdict on build 2's incremental if `source` is given for build 1."""
    packages = [make_facts(2), STEP]
    judged = judge_release(
        ReleaseRequest(STABLE, **request), packages, role, NOW, EXPIRES, [source]
    )
    (verdict,) = [each for each in judged.verdicts if "starts from the bytes" in each.question]
    return verdict


def test_source_is_the_listed_package() -> None:
    """Another zip of the build is refused; unlisted ones are for factory builds only."""
    assert judge_source(FULL, role_of(1)).answer == "yes"
    other = replace(FULL, sha256="e" * 64, path=FULL.path.with_name("other.zip"))
    for request in ({}, {"factory_builds": frozenset({fingerprint(1)})}):
        verdict = judge_source(other, role_of(1), **request)
        assert verdict.answer == "no"
        assert verdict.refusal == (
            f"other.zip is of build {fingerprint(1)}, but is not the listed package"
            f" {STABLE}/armani-id-1-full.zip; give that one with --source."
        )
    stated = {"factory_builds": frozenset({fingerprint(1)})}
    assert judge_source(FULL, empty_role(), **stated).answer == "yes"
    verdict = judge_source(FULL, empty_role())
    assert (verdict.answer, "for which armani lists no full" in verdict.refusal) == (
        "no",
        True,
    )
    other = partition(FULL, sha256="f" * 64)
    assert "patches another system" in judge_source(other, empty_role(), **stated).refusal


def left_out(packages, sources=(), current=None, **request):
    """Return the verdicts about partitions that are left out, as answer, refusal or remark."""
    judged = judge_release(
        ReleaseRequest(STABLE, **request), packages, current or role_of(1), NOW, EXPIRES, sources
    )
    return [
        (each.answer, each.refusal or each.remark)
        for each in judged.verdicts
        if each.question == "leaves no partition out"
    ]


def with_more(facts):
    """Return a package that writes a second partition."""
    more = replace(facts.partitions[0], name="product")
    return replace(facts, partitions=(*facts.partitions, more))


def test_left_out_partition_is_refused() -> None:
    """It is found with the full package of the build before, which must be the listed file."""
    older = with_more(FULL)
    for package in (make_facts(2), STEP):
        ((answer, message),) = left_out([package], [older])
        assert answer == "no"
        assert "leaves out product" in message
        assert left_out([with_more(package)], [older]) == [("yes", "")]
    ((_, message),) = left_out([make_facts(2)], [replace(FULL, sha256="f" * 64)])
    assert "is not the listed package" in message
    remark = "give the full package of the build before it with --source"
    assert left_out([make_facts(2)]) == [("not asked", remark)]
    remark = "no build of this region is listed before it"
    assert left_out([FULL], current=empty_role()) == [("not asked", remark)]


def test_builds_before_a_listed_build() -> None:
    """Newer builds do not count, because their phones are not offered it."""
    role = role_of(1, 2)
    listed = FullPackages("armani", role, decode_releases(role), frozenset())
    assert listed.before(fingerprint(1), "id") == set()
    assert listed.before(fingerprint(2), "id") == {fingerprint(1)}
    assert listed.before(fingerprint(3), "id") == {fingerprint(1), fingerprint(2)}
    assert listed.before(fingerprint(3), "global") == set()
