import re

from fixtures.signing import CERTIFICATE_FILE, KEYS


def test_sign_and_list(run, run_json, sign_arguments, repo, zips) -> None:
    """The model comes from the package, and the counter follows the former one."""
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


def test_sign_for_people(run, sign_arguments, zips) -> None:
    """The first run signs, and the second submits the same again."""
    status, output, errors = run(*sign_arguments, "--unverified", zips["first"])
    assert (status, errors) == (0, "")
    assert output.startswith(
        "The packages' own signatures were not verified.\n"
        "Signed armani/id/stable/armani-first.zip, counter 1.\narmani 2 "
    )
    _, output, _ = run(*sign_arguments, "--certificate", CERTIFICATE_FILE, zips["first"])
    assert output.startswith("Submitted again armani/id/stable/armani-first.zip, counter 1.\n")


def test_refusal_changes_nothing(run, sign_arguments, zips, tmp_path, tree) -> None:
    """The status is 1, with one sentence on standard error."""
    cut = tmp_path / "armani-cut.zip"
    cut.write_bytes(zips["step"].read_bytes()[:-1])
    before = tree(tmp_path)
    for more in (
        ("--unverified", "--codename", "dior", zips["first"]),
        ("--certificate", KEYS / "FIXTURE-ONLY-other.cert.pem", zips["first"]),
        ("--unverified", "--min-counter", "1", zips["first"]),
        ("--unverified", zips["second"], cut),  # one truncated package refuses the whole run
    ):
        status, output, errors = run(*sign_arguments, *more)
        assert (status, output) == (1, "")
        assert errors.count("\n") == 1
        assert errors.endswith(".\n")
        assert tree(tmp_path) == before


def test_wrong_usage_changes_nothing(run, sign_arguments, zips, tmp_path, tree) -> None:
    """The status is 2, and the message describes valid values."""
    before = tree(tmp_path)
    both = ("--certificate", CERTIFICATE_FILE, "--unverified")
    for more, sentence in (
        ((), "Give --certificate PEM to verify"),
        (both, "Give --certificate PEM to verify"),
        (("--region", "ID"), "Use lower-case letters, digits and `-`, at most 16."),
        (("--channel", "a/b"), "Use lower-case letters, digits and `-`, at most 16."),
        (("--codename", "Armani"), "'Armani' is not a codename"),
        (("--changelog", "EN=x"), "'EN' is not a locale such as en or zh-TW."),
        (("--changelog", "en=" + "x" * 4001), "The text for en is too long; give at most 4000"),
        (("--changelog", "en"), "'en' is not of the form NAME=TEXT."),
        (("--unverified", "--changelog", "en=a", "--changelog", "en=b"), "--changelog is given tw"),
        (("--expires", "0"), "0 is not in the range 1<=x<=3650."),
    ):
        status, output, errors = run(*sign_arguments, *more, zips["first"])
        assert (status, output, sentence in errors) == (2, "", True), errors
        assert tree(tmp_path) == before
