import pytest

from tests.cases import case


@pytest.fixture
def arguments(tmp_path, keys, online_file, incoming):
    """Return the arguments of a ceremony, but for models and options."""
    (tmp_path / "public.json").write_bytes(online_file)
    return (
        *("ceremony", "init", "--repo", tmp_path / "new", "--keys", keys),
        *("--online", tmp_path / "public.json", "--out", incoming),
    )


def test_a_ceremony_reports_its_roles(run_json, arguments, incoming) -> None:
    """Thresholds and expiry are those that were asked for."""
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


def test_people_get_a_table(run, arguments) -> None:
    """Each role has a line: how many signatures of which keys."""
    status, output, errors = run(*arguments, "--model", "dior")
    assert (status, errors) == (0, "")
    assert "root     2 of 3      root-1 root-2 root-3  2027-06-01" in output
    assert output.splitlines()[-1].startswith("Submitted bundle ")
    status, again, _ = run(*arguments, "--model", "dior")
    assert status == 0
    assert again.splitlines()[0].endswith("/new, made before")
    assert again.splitlines()[-1].startswith("Submitted again bundle ")


def test_one_signature_for_tables_is_warned_of(run, run_json, arguments, tmp_path) -> None:
    """Signed at once, proposed, or run again for programs."""
    options = ("--model", "dior", "--threshold", "tables=1")
    proposed = ("--propose", tmp_path / "first.json")
    other = [*arguments[:2], "--repo", tmp_path / "other", *arguments[4:-2], *proposed]
    for command in (arguments, other):
        _, output, _ = run(*command, *options)
        assert "Warning: One signature is enough for tables: " in output
    assert len(run_json(*arguments, *options)["warnings"]) == 1


def test_what_cannot_be_changes_nothing(run, arguments, keys, tmp_path, tree) -> None:
    """Refused or wrong usage: no folder and no bundle appears."""
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
