import io
from datetime import UTC, datetime

from rich.console import Console

from server.tables import print_table
from signer.cli import output
from signer.cli.output import print_review, progress_bar, report
from signer.proposal.review import RoleReview


def test_control_characters_are_escaped(capsys) -> None:
    """In tables, reviews and refusals, invisible and bidirectional characters are escaped."""
    odd, shown = "a\x1b[2J\u202eb", r"a\u{1b}[2J\u{202e}b"
    print_table(odd, (), [])
    print_table("Title", ("a",), [(odd,)])
    expires = datetime(2026, 6, 1, tzinfo=UTC)
    print_review([RoleReview("armani", 2, 1, expires, odd, (odd,), (odd,))])
    report(odd)
    result = capsys.readouterr()
    assert not set(result.out + result.err) & set("\x1b\u202e")
    assert result.out.count(shown) == 5
    assert result.err == f"hening-signer: {shown}\n"


def test_progress_without_a_terminal(capsys) -> None:
    """A line is printed for each gibibyte, and none for small packages."""
    gibibyte = 1 << 30
    with progress_bar("Reading") as progress:
        for done in (1, gibibyte - 1, gibibyte, gibibyte + 1, 3 * gibibyte):
            progress(done, 3 * gibibyte)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "Reading: 1.07 GB of 3.22 GB",
        "Reading: 3.22 GB of 3.22 GB",
    ]


def test_progress_bar_on_a_terminal(monkeypatch) -> None:
    """The bar is on standard error."""
    for done in (1, 100):
        console = Console(file=io.StringIO(), force_terminal=True, width=100)
        monkeypatch.setattr(output, "Console", lambda console=console, **_named: console)
        with progress_bar("Reading") as progress:
            progress(done, 100)
        assert "Reading" in console.file.getvalue()


def test_tables_fit_80_columns(run, sign_arguments, repo, keys, zips):
    """Nothing is cut off: long values are on two lines."""
    run(*sign_arguments, "--unverified", zips["first"])
    for words in (
        ("keys", "list", "--keys", keys, "--repo", repo),
        ("keys", "show", "root-1", "--keys", keys, "--repo", repo),
        ("release", "list", "--repo", repo),
        ("content", "list", "--repo", repo),
        ("ceremony", "expiry", "--repo", repo),
        ("ota", "inspect", zips["first"]),
    ):
        status, output, errors = run(*words)
        assert (status, errors) == (0, "")
        assert max(map(len, output.splitlines())) <= 80
        assert "\N{HORIZONTAL ELLIPSIS}" not in output
        assert len(output.splitlines()) > 2


def test_empty_list_is_a_sentence(run, repo, tmp_path):
    """There is no table head."""
    (tmp_path / "empty").mkdir()
    _, output, _ = run("keys", "list", "--keys", tmp_path / "empty")
    assert output.splitlines()[1:] == [f"No keys are in {tmp_path}/empty: `keys new` makes them."]
    _, output, _ = run("release", "list", "--repo", repo, "--codename", "armani")
    assert output.splitlines()[1:] == ["No release is signed yet: `release sign` signs packages."]
    _, output, _ = run("ceremony", "expiry", "--repo", repo, "--within", "1")
    assert output.splitlines()[1:] == ["No role expires within 1 day."]
