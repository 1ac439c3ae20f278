from dataclasses import replace

import pytest

from signer.errors import ReleaseRefusal
from signer.release.sources import check_source_bytes, check_sources_used, find_full
from tests.signer.builds import fingerprint, make_facts

STEP, FULL = make_facts(2, 1), make_facts(1)


def partition(facts, **changes):
    """Return facts whose one partition is changed."""
    return replace(facts, partitions=(replace(facts.partitions[0], **changes),))


def test_the_full_package_of_a_build_is_found() -> None:
    """An incremental that leads to it is none."""
    assert find_full(fingerprint(2), [FULL, STEP]) is None
    assert find_full(fingerprint(1), [STEP, FULL]) is FULL


def test_the_same_partitions_pass() -> None:
    """Size and hash of what is patched are those that the full package writes."""
    check_source_bytes(STEP, FULL)
    real = make_facts(2, 1, partitions=())
    check_source_bytes(real, FULL)


def test_a_partition_without_a_source_is_not_compared() -> None:
    """It is new, or written whole."""
    check_source_bytes(partition(STEP, name="new", source_size=0, source_sha256=""), FULL)


@pytest.mark.parametrize(
    ("step", "full", "sentence"),
    [
        (partition(STEP, source_sha256="f" * 64), FULL, "patches another system than"),
        (partition(STEP, source_size=4097), FULL, "patches another system than"),
        (STEP, partition(FULL, sha256="f" * 64), "patches another system than"),
        (STEP, partition(FULL, name="product"), "partition system, which .* does not have"),
    ],
)
def test_other_partitions_are_refused(step, full, sentence) -> None:
    """Phones would refuse the package after its download."""
    with pytest.raises(ReleaseRefusal, match=sentence):
        check_source_bytes(step, full)


def test_the_packages_of_real_builds_agree(facts) -> None:
    """What the inspection reads from an incremental is what its source's full package says."""
    assert any(each.source_sha256 for each in facts["step"].partitions)
    check_source_bytes(facts["step"], facts["first"])
    with pytest.raises(ReleaseRefusal, match="patches another"):
        check_source_bytes(facts["step"], facts["second"])


@pytest.mark.parametrize("source", [make_facts(3), make_facts(1, 0)])
def test_a_source_that_nothing_starts_from_is_refused(source) -> None:
    """The wrong file behind --source would compare nothing."""
    check_sources_used([STEP, make_facts(2)], [FULL])
    check_sources_used([STEP], [])
    with pytest.raises(ReleaseRefusal, match="leave it away, or give the right one with --source"):
        check_sources_used([STEP], [source])
