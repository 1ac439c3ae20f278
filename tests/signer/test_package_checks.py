from dataclasses import replace

import pytest

from signer.errors import ReleaseRefusal
from signer.package_checks import check_package, choose_codename, judge_package


def test_a_good_package_passes(facts) -> None:
    """Real packages of the build pass every question."""
    for each in facts.values():
        assert not any(verdict.refusal for verdict in judge_package(each, "armani"))
        check_package(each, "armani")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"wipe": True}, "wipes the owner's data"),
        ({"downgrade": True}, "marked as a downgrade"),
        ({"spl_downgrade": True}, "lowers the security patch level"),
        ({"partial": True}, "only some partitions"),
        ({"streaming_property_files": ""}, "no ota-streaming-property-files"),
        ({"devices": ("dior",)}, "is for dior and not for armani"),
    ],
)
def test_a_package_that_must_not_be_offered_is_refused(facts, change, sentence) -> None:
    """The sentence names the file and the reason."""
    with pytest.raises(ReleaseRefusal, match=rf"^armani-first\.zip .*{sentence}"):
        check_package(replace(facts["first"], **change), "armani")


@pytest.mark.parametrize("name", ["Armani.zip", "a b.zip", "a..zip", "a.zip.exe", "-a.zip"])
def test_a_file_name_that_cannot_be_published_is_refused(facts, name) -> None:
    """The sentence says what names may look like."""
    changed = replace(facts["first"], path=facts["first"].path.with_name(name))
    with pytest.raises(ReleaseRefusal, match="rename it"):
        check_package(changed, "armani")


def test_the_device_is_only_asked_for_when_named(facts) -> None:
    """Looking at a package needs no model."""
    changed = replace(facts["first"], devices=("dior",))
    assert not any(verdict.refusal for verdict in judge_package(changed))


def test_the_model_comes_from_the_package(facts) -> None:
    """A package for one device names its model."""
    assert choose_codename(facts["first"]) == "armani"


def test_a_package_for_two_devices_needs_a_choice(facts) -> None:
    """The sentence names both and the option."""
    with pytest.raises(ReleaseRefusal, match="armani, armani_in; choose one with --codename"):
        choose_codename(replace(facts["first"], devices=("armani", "armani_in")))
