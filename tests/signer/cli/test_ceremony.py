import pytest

from tests.cases import case


@pytest.fixture
def arguments(tmp_path, keys, online_file, incoming):
    """Return the arguments of a ceremony without models and options."""
    (tmp_path / "public.json").write_bytes(online_file)
    return (
        *("ceremony", "init", "--repo", tmp_path / "new", "--keys", keys),
        *("--online", tmp_path / "public.json", "--out", incoming),
    )


def test_ceremony_reports_its_roles(run_json, arguments, incoming) -> None:
    """Thresholds and expiry are the requested ones."""
    made = run_json(
        *arguments,
        *("--model", "dior", "--model", "armani", "--threshold", "armani=2"),
        *("--expires", "root=30"),
    )
    roles = {role["name"]: (role["threshold"], role["expires"]) for role in made["roles"]}
    assert roles == {
        "root": (2, "2026-07-01T12:00:00Z"),
        "targets": (2, "2026-08-30T12:00:00Z"),
        "tables": (2, "2026-08-30T12:00:00Z"),
        "content": (1, "2026-08-30T12:00:00Z"),
        "dior": (1, "2026-08-30T12:00:00Z"),
        "armani": (2, "2026-08-30T12:00:00Z"),
    }
    assert [path.name for path in incoming.iterdir()] == [made["bundle"]]
    assert made["warnings"] == []


def test_ceremony_table(run, arguments) -> None:
    """Each role has a line with its threshold and keys; a repeated ceremony says so."""
    status, output, errors = run(*arguments, "--model", "dior")
    assert (status, errors) == (0, "")
    assert "root     2 of 3      root-1 root-2 root-3  2027-06-01" in output
    assert output.splitlines()[-1].startswith("Submitted bundle ")
    status, again, _ = run(*arguments, "--model", "dior")
    assert status == 0
    assert again.splitlines()[0].endswith("/new, made before")
    assert again.splitlines()[-1].startswith("Submitted again bundle ")


def test_warning_of_one_signature_for_tables(run, run_json, arguments, tmp_path) -> None:
    """It is shown when the ceremony is signed, proposed or repeated."""
    options = ("--model", "dior", "--threshold", "tables=1")
    proposed = ("--propose", tmp_path / "first.json")
    other = [*arguments[:2], "--repo", tmp_path / "other", *arguments[4:-2], *proposed]
    for command in (arguments, other):
        _, output, _ = run(*command, *options)
        assert "Warning: One signature is enough for tables: " in output
    assert len(run_json(*arguments, *options)["warnings"]) == 1


def test_refused_ceremony_changes_nothing(run, arguments, keys, tmp_path, tree) -> None:
    """A refusal or wrong usage makes no folder and no bundle."""
    before = tree(tmp_path)
    for more, status, sentence in (
        (("--model", "dior", "--threshold", "root=4"), 1, "Keys are missing"),
        (("--model", "dior", "--online", keys / "root-1.pub"), 1, "give the public.json that"),
        (("--model", "Dior"), 2, "is not a codename"),
        (("--model", "dior", "--threshold", "root"), 2, "is not of the form NAME=N"),
        (("--model", "dior", "--threshold", "root=x"), 2, "is not of the form NAME=N"),
        (("--model", "dior", "--threshold", "root=0"), 2, "is not of the form NAME=N"),
        (("--model", "dior", "--expires", "root=3651"), 2, "with N from 1 to 3650"),
        (("--model", "dior", "--threshold", "root=2", "--threshold", "root=3"), 2, "given twice"),
        (("--model", "dior", "--keys", "nokeys"), 3, "does not exist"),
        (("--model", "dior", "--out", "no/where"), 3, "does not exist"),
        ((), 2, "--model"),
    ):
        with case(more):
            got, output, errors = run(*arguments, *more)
            assert (got, output, sentence in errors) == (status, "", True)
            assert tree(tmp_path) == before
