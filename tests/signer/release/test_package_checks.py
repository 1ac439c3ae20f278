from dataclasses import replace

import pytest

from signer.errors import ReleaseRefusal
from signer.release.package_checks import choose_codename, judge_package
from tests.cases import case


def refusals(facts, allowed=()):
    """Return all refusals of a package of armani."""
    verdicts = judge_package(facts, "armani", allow_operations=allowed)
    assert {verdict.subject for verdict in verdicts} == {facts.path.name}
    assert all((verdict.answer == "no") == bool(verdict.refusal) for verdict in verdicts)
    return [verdict.refusal for verdict in verdicts if verdict.refusal]


def test_unsuitable_package_is_refused(facts) -> None:
    """Real packages have no refusal; each refusal names file and reason."""
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


def test_newer_format_must_be_allowed(facts) -> None:
    """An unknown feature needs a confirmation that the phones support it."""
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


def test_open_questions(facts) -> None:
    """Without a certificate, metadata.pb or offsets nothing is compared."""
    changed = replace(facts["first"], has_metadata_pb=False, property_files="")
    silent = {each.question: each.remark for each in judge_package(changed) if not each.was_asked}
    assert silent == {
        "has metadata that agree": "it has no metadata.pb",
        "has true offsets": "it gives none",
        "has a good metadata signature": "give --certificate",
        "has a good payload signature": "give --certificate",
        "has a good whole-file signature": "give --certificate",
    }


def test_choose_codename(facts) -> None:
    """A package of one device names its model; otherwise --codename must."""
    assert choose_codename(facts["first"]) == "armani"
    with pytest.raises(ReleaseRefusal, match="armani, armani_in; choose one with --codename"):
        choose_codename(replace(facts["first"], devices=("armani", "armani_in")))
