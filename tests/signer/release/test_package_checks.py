from dataclasses import replace

import pytest

from signer.errors import ReleaseRefusal
from signer.release.package_checks import choose_codename, judge_package
from tests.cases import case


def refusals(facts, allowed=()):
    """Return every sentence against a package of armani."""
    verdicts = judge_package(facts, "armani", allow_operations=allowed)
    assert {verdict.subject for verdict in verdicts} == {facts.path.name}
    assert all((verdict.answer == "no") == bool(verdict.refusal) for verdict in verdicts)
    return [verdict.refusal for verdict in verdicts if verdict.refusal]


def test_a_package_that_must_not_be_offered_is_refused(facts) -> None:
    """Real packages pass every question; else the sentence names the file and the reason."""
    for each in facts.values():
        assert refusals(each) == []
    for change, sentence in (
        ({"wipe": True}, "wipes the owner's data"),
        ({"downgrade": True}, "marked as a downgrade"),
        ({"spl_downgrade": True}, "lowers the security patch level"),
        ({"partial": True}, "only some partitions"),
        ({"streaming_property_files": ""}, "no ota-streaming-property-files"),
        ({"devices": ("dior",)}, "is for dior and not for armani"),
        *(
            ({"path": facts["first"].path.with_name(name)}, "rename it")
            for name in ("Armani.zip", "a b.zip", "a..zip", "a.zip.exe", "-a.zip")
        ),
    ):
        with case(change):
            changed = replace(facts["first"], **change)
            (refusal,) = refusals(changed)
            assert changed.path.name in refusal
            assert sentence in refusal
    change = {"ota_type": "BLOCK", "streaming_property_files": "", "security_patch_level": ""}
    first, *_ = refusals(replace(facts["first"], **change))
    assert first.startswith("armani-first.zip is block-based, and a phone")


def test_what_is_newer_is_refused_unless_allowed(facts) -> None:
    """Looking at it is fine; releasing it needs a confirmation that the phones know it."""
    for name, question in (
        ("unknown-27", "has known operations only"),
        ("minor-version-10", "has a known minor version"),
        ("property-EXTRA", "has known flags only"),
        ("metadata-new-flag", "has known flags only"),
    ):
        with case(name):
            newer = replace(facts["first"], unknown=(name,))
            (refused,) = [each for each in judge_package(newer) if each.refusal]
            assert (refused.question, refused.passed) == (question, False)
            assert f"({name})" in refused.refusal
            assert len(refusals(newer, ["unknown-2"])) == 1
            assert refusals(newer, [name]) == []
            (allowed,) = [
                each
                for each in judge_package(newer, allow_operations=[name])
                if each.question == question
            ]
            assert (allowed.passed, allowed.remark) == (True, f"allowed: {name}")


def test_an_unasked_question_has_no_answer(facts) -> None:
    """Without a certificate, without metadata.pb and without offsets nothing was compared."""
    changed = replace(facts["first"], has_metadata_pb=False, property_files="")
    silent = {each.question: each.remark for each in judge_package(changed) if not each.was_asked}
    assert silent == {
        "has metadata that agree": "it has no metadata.pb",
        "has true offsets": "it gives none",
        "has a good metadata signature": "give --certificate",
        "has a good payload signature": "give --certificate",
        "has a good whole-file signature": "give --certificate",
    }


def test_the_model_comes_from_the_package(facts) -> None:
    """A package for one device names its model; of two, the sentence names both and the option."""
    assert choose_codename(facts["first"]) == "armani"
    with pytest.raises(ReleaseRefusal, match="armani, armani_in; choose one with --codename"):
        choose_codename(replace(facts["first"], devices=("armani", "armani_in")))
