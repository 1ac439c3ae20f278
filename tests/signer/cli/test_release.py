import re

import pytest

from fixtures.hostile import hostile_zips
from fixtures.signing import CERTIFICATE_FILE, KEYS


def test_a_release_is_signed_and_listed(run, run_json, sign_arguments, repo, zips) -> None:
    """The model comes from the package, the counter from the past."""
    certificate = ("--certificate", CERTIFICATE_FILE)
    first = run_json(*sign_arguments, *certificate, "--changelog", "en=One=1", zips["first"])
    assert (first["role"], first["version"], first["counter"]) == ("armani", 2, 1)
    second = run_json(*sign_arguments, *certificate, zips["second"], zips["step"])
    assert second["paths"] == [
        "armani/id/stable/armani-second.zip",
        "armani/id/stable/armani-step.zip",
    ]
    assert (second["counter"], second["repeated"]) == (2, False)
    assert second["certificate_verified"] is True
    listed = run_json("release", "list", "--repo", repo, "--codename", "armani")
    assert [(each["path"][-10:], each["counter"]) for each in listed["models"][0]["releases"]] == [
        ("-first.zip", 1),
        ("second.zip", 2),
        ("i-step.zip", 2),
    ]
    status, output, _ = run("release", "list", "--repo", repo)
    assert status == 0
    assert "armani 3, expires 2026-08-30" in output
    assert "dior 1, expires 2026-08-30" in output
    assert re.findall(r"counter +(\d+)\n *from +(\w+)", output) == [
        ("1", "any"),
        ("2", "any"),
        ("2", "1"),
    ]


@pytest.mark.parametrize(
    "more", [(), ("--certificate", CERTIFICATE_FILE, "--unverified")], ids=["neither", "both"]
)
def test_whether_signatures_are_verified_must_be_said(
    run, sign_arguments, zips, tmp_path, tree, more
) -> None:
    """Nothing is signed when the certificate was forgotten."""
    before = tree(tmp_path)
    status, output, errors = run(*sign_arguments, *more, zips["first"])
    assert (status, output) == (2, "")
    assert "Give --certificate PEM to verify" in errors
    assert tree(tmp_path) == before


def test_people_get_sentences(run, sign_arguments, zips) -> None:
    """The first run signs, the second submits the same again."""
    status, output, errors = run(*sign_arguments, "--unverified", zips["first"])
    assert (status, errors) == (0, "")
    assert output.startswith(
        "The packages' own signatures were not verified.\n"
        "Signed armani/id/stable/armani-first.zip, counter 1.\narmani 2 "
    )
    _, output, _ = run(*sign_arguments, "--certificate", CERTIFICATE_FILE, zips["first"])
    assert output.startswith("Submitted again armani/id/stable/armani-first.zip, counter 1.\n")


@pytest.mark.parametrize(
    "more",
    [
        ("--unverified", "--codename", "dior"),
        ("--certificate", KEYS / "FIXTURE-ONLY-other.cert.pem"),
        ("--unverified", "--min-counter", "1"),
    ],
)
def test_a_refusal_is_1_and_changes_nothing(
    run, sign_arguments, zips, tmp_path, tree, more
) -> None:
    """One sentence on standard error, and every file stays as it was."""
    before = tree(tmp_path)
    status, output, errors = run(*sign_arguments, *more, zips["first"])
    assert (status, output) == (1, "")
    assert errors.count("\n") == 1
    assert errors.endswith(".\n")
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--region", "ID"), "Use lower-case letters, digits and `-`, at most 16."),
        (("--channel", "a/b"), "Use lower-case letters, digits and `-`, at most 16."),
        (("--codename", "Armani"), "'Armani' is not a codename"),
        (("--changelog", "EN=x"), "'EN' is no locale; LOCALE is like en or zh-TW."),
        (("--changelog", "en=" + "x" * 4001), "The text for en is too long; give at most 4000"),
        (("--changelog", "en"), "'en' is not of the form NAME=TEXT."),
        (("--expires", "0"), "0 is not in the range 1<=x<=3650."),
    ],
)
def test_a_malformed_value_is_2_and_changes_nothing(
    run, sign_arguments, zips, tmp_path, tree, more, sentence
) -> None:
    """The sentence says what the value has to be like, in words of people."""
    before = tree(tmp_path)
    status, output, errors = run(*sign_arguments, "--unverified", *more, zips["first"])
    assert (status, output) == (2, "")
    assert sentence in errors
    assert tree(tmp_path) == before


@pytest.mark.parametrize("cut", [0, 1, 1000, -1])
def test_a_bad_zip_is_1_and_changes_nothing(run, sign_arguments, zips, tmp_path, tree, cut) -> None:
    """A truncated package beside a good one spoils the whole run."""
    (tmp_path / "armani-cut.zip").write_bytes(zips["step"].read_bytes()[:cut])
    before = tree(tmp_path)
    status, output, errors = run(
        *sign_arguments, "--unverified", zips["second"], tmp_path / "armani-cut.zip"
    )
    assert (status, output) == (1, "")
    assert errors.count("\n") == 1
    assert tree(tmp_path) == before


def test_every_hostile_package_is_1_and_changes_nothing(
    run, sign_arguments, zips, tmp_path, tree
) -> None:
    """Each way in which a package can be wrong gets one sentence of its own reader."""
    for name, data in hostile_zips(zips["first"].read_bytes()).items():
        (tmp_path / "armani-hostile.zip").write_bytes(data)
        before = tree(tmp_path)
        status, output, errors = run(
            *(*sign_arguments, "--certificate", CERTIFICATE_FILE), tmp_path / "armani-hostile.zip"
        )
        assert (name, status, output) == (name, 1, "")
        assert errors.count("\n") == 1, name
        assert tree(tmp_path) == before, name


def test_a_folder_that_is_not_there_is_3(run, sign_arguments, zips, tmp_path) -> None:
    """A mistyped `--out` is not silently made, and the sentence says so."""
    status, _, errors = run(
        *sign_arguments, "--unverified", "--out", tmp_path / "no" / "where", zips["first"]
    )
    assert status == 3
    assert errors == (
        f"hening-signer: The folder {tmp_path}/no/where is not there; make it, or correct --out.\n"
    )


def test_a_text_that_is_given_twice_is_2(run, sign_arguments, zips) -> None:
    """One locale has one text."""
    status, _, errors = run(
        *sign_arguments,
        *("--unverified", "--changelog", "en=a", "--changelog", "en=b", zips["first"]),
    )
    assert status == 2
    assert "--changelog is given twice" in errors
