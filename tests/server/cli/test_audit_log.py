import pytest

from server.cli.audit_log import print_entries

HASH = "0123456789abcdef" * 4


def entry(action, subject, **detail):
    """Return an entry in its JSON form."""
    return {
        "index": 7,
        "at": 1_800_000_000,
        "actor": "ani/0123456789ab",
        "action": action,
        "subject": subject,
        "detail": detail,
    }


@pytest.mark.parametrize(
    ("row", "lines"),
    [
        (
            entry(
                "account.change", "ani", role=["engineer", "admin"], codenames=[["a", "b"], ["*"]]
            ),
            ["ani changed the account ani", "role: engineer to admin; codenames: a, b to *"],
        ),
        (
            entry("upload.create", "u-1", length=56_123_456, sha256=HASH),
            ["ani began the upload u-1", "length: 56.1 MB; sha256: 0123456789abcdef"],
        ),
        (
            entry("submission.publish", HASH, snapshot=3),
            ["ani published the submission 0123456789abcdef", "snapshot: 3"],
        ),
        (
            entry("keys.new", "log", stage="begun", afresh=False),
            ["ani created the next key of log", "stage: begun; afresh: no"],
        ),
        (entry("some.thing", "a\x1b[2J", note=""), [r"ani did some.thing to a\u{1b}[2J"]),
        (
            entry(
                "rollout.halt",
                "armani/id/stable",
                change="3f",
                order={"type": "halt"},
                due_at=1_800_000_000,
            ),
            ["ani did rollout.halt to armani/id/stable", "change: 3f; order: type halt"],
        ),
    ],
)
def test_an_entry_is_a_sentence(capsys, row, lines):
    """With further details; an entry whose command has no row is shown as recorded."""
    print_entries([row], {})
    head, *rest = capsys.readouterr().out.splitlines()
    assert head.startswith("7  2027-01-15 ")
    assert head.endswith(f"  ani/0123456789ab  {row['action']}")
    assert [line.strip() for line in rest] == lines


def test_the_former_name_of_the_command_still_works(run):
    """`trail` is hidden, and does what `audit-log` does."""
    assert " trail" not in run("--help")[1]
    assert (
        run("trail", "list", "--help")[1].splitlines()[2:]
        == (run("audit-log", "list", "--help")[1].splitlines()[2:])
    )
