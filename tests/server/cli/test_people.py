"""`account`, `token`, `session` and `audit-log`: output for people and as JSON, and refusals."""

import asyncio
import hashlib
import json
import os

import pytest

from server.cli import database as cli_operator
from server.cli.audit_log import print_entries
from server.release.auth.accounts import create_account
from server.release.auth.audit_log_query import verify_export
from server.release.auth.principal import Role, command_line_principal, is_token
from server.release.auth.tokens import create_token
from server.release.auth.web_sessions import Origin, begin_session
from server.storage.database import open_database
from tests.cases import case
from tests.server.cli.conftest import check_sentence

CHANNEL = "armani/id/stable"


@pytest.fixture
def state(fresh, run):
    """Return a state folder with an empty database."""
    assert run("init", "--state", fresh.folder.root)[0] == 0
    return fresh.folder.root


@pytest.fixture(autouse=True)
def someone(monkeypatch, tmp_path):
    """Make commands run as user 0, who logged in under a name."""
    login = tmp_path / "loginuid"
    login.write_text("0")
    monkeypatch.setattr(cli_operator, "LOGIN", login)
    return login


def names(table):
    """Return the cells of a table that are words."""
    return set(table.replace("│", " ").replace("┃", " ").split())


def test_account_commands(run, state, ask):
    """The first admin is made here; accounts are listed, changed, disabled and enabled."""
    assert ask("account", "list") == []
    (made,) = ask("account", "add", "root", "--role", "admin", "--all-codenames")
    assert (made["name"], made["role"], made["codenames"]) == ("root", "admin", ["*"])
    ask(
        *("account", "add", "ani", "--role", "engineer"),
        *("--codename", "cancro", "--codename", "armani"),
    )
    (changed,) = ask("account", "set", "ani", "--role", "approver")
    assert (changed["role"], changed["codenames"]) == ("approver", ["armani", "cancro"])
    (changed,) = ask("account", "set", "ani", "--codename", "armani")
    assert (changed["role"], changed["codenames"]) == ("approver", ["armani"])
    (changed,) = ask("account", "disable", "ani")
    assert changed["disabled_at"] is not None
    (changed,) = ask("account", "enable", "ani")
    assert changed["disabled_at"] is None
    assert [row["name"] for row in ask("account", "list")] == ["ani", "root"]
    status, out, _ = run("account", "list", "--state", state)
    assert status == 0
    assert {"ani", "approver", "armani", "root", "admin", "all"} <= names(out)


def test_usage_errors(run, state):
    """Contradicting or missing options give status 2, and nothing is changed."""
    for words in (
        "account add ani --role viewer",
        "account add ani --role king --all-codenames",
        "account add ani --role viewer --all-codenames --codename armani",
        "account set ani",
        "token create ani",
        "token create ani --label x --days 367",
        "token create ani --label x --permission fly",
        "token revoke",
        "token revoke 0123456789ab --account ani",
        "audit-log list --limit 1001",
        "audit-log list --since yesterday",
        "audit-log verify --head 1:ab",
    ):
        with case(words):
            status, out, err = run(*words.split(), "--state", state)
            assert (status, out) == (2, "")
            assert "Error:" in err


def test_refused_commands(run, state):
    """A refusal gives status 1 and a sentence."""
    for words, sentence in (
        ("account add Ani --role viewer --all-codenames", "not an account name"),
        ("account add ani --role viewer --codename root", "neither a codename"),
        ("account disable ani", "there is no account ani"),
        ("token create ani --label x", "there is no account ani"),
        ("token revoke 0123456789ab", "there is no token 0123456789ab"),
    ):
        with case(words):
            status, out, err = run(*words.split(), "--state", state)
            assert (status, out) == (1, "")
            check_sentence(err)
            assert sentence in err


def test_token_commands(run, state, ask):
    """A new token is printed alone; later lists have no secret. It expires, or is revoked."""
    ask("account", "add", "ani", "--role", "engineer", "--all-codenames")
    status, out, err = run("token", "create", "ani", "--label", "laptop", "--state", state)
    assert status == 0
    assert is_token(out.rstrip("\n"))
    assert "It is shown only now" in err
    made = ask("token", "create", "ani", "--label", "ci", "--days", "1", "--permission", "read")
    assert is_token(made["token"])
    assert (made["permissions"], made["state"]) == (["read"], "valid")
    assert made["expires_at"] - made["created_at"] == 86_400
    status, listed, _ = run("token", "list", "--state", state)
    assert status == 0
    assert {made["id"], "laptop", "ci", "valid"} <= names(listed)
    for secret in (out.strip()[20:84], made["token"][20:84]):
        assert secret not in listed
        assert secret not in json.dumps(ask("token", "list"))
    assert run("token", "revoke", made["id"], "ffffffffffff", "--state", state)[0] == 1
    assert {row["state"] for row in ask("token", "list")} == {"valid"}  # all are revoked, or none
    ask("token", "revoke", made["id"])
    states = {row["label"]: row["state"] for row in ask("token", "list", "--account", "ani")}
    assert states == {"laptop": "valid", "ci": "revoked"}
    assert [row["state"] for row in ask("token", "revoke", "--account", "ani")] == ["revoked"] * 2


def test_audit_log_list_pages_and_filters(run, state, ask):
    """Each change is recorded once with the login name; pages and filters show parts."""
    ask("account", "add", "ani", "--role", "engineer", "--all-codenames")
    token = ask("token", "create", "ani", "--label", "ci")
    ask("token", "revoke", token["id"])
    rows = ask("audit-log", "list")
    assert [(row["index"], row["action"]) for row in rows] == [
        (3, "token.revoke"),
        (2, "token.create"),
        (1, "account.create"),
    ]
    assert {row["actor"] for row in rows} == {"cli:root"}
    assert [row["index"] for row in ask("audit-log", "list", "--action", "token")] == [3, 2]
    assert [row["index"] for row in ask("audit-log", "list", "--limit", "1", "--before", "3")] == [
        2
    ]
    assert ask("audit-log", "list", "--until", "2001-01-01") == []
    assert len(ask("audit-log", "list", "--since", "2001-01-01T00:00Z")) == 3
    status, out, _ = run("audit-log", "list", "--state", state)
    assert status == 0
    assert {"cli:root", "token.revoke", "ani"} <= names(out)


def test_exported_audit_log_is_verified(run, state, ask, tmp_path):
    """An export and the database have the same head; a forgery is refused."""
    ask("account", "add", "ani", "--role", "engineer", "--all-codenames")
    old = ask("audit-log", "verify")
    assert old["length"] == 1
    ask("account", "disable", "ani")
    status, out, _ = run("audit-log", "export", "--state", state)
    assert status == 0
    file = tmp_path / "audit-log.jsonl"
    file.write_text(out)
    state_of_file = verify_export(out.encode().splitlines(keepends=True))
    head = f"{old['length']}:{old['sha256']}"
    for place in (["--state", state], ["--export", file]):
        status, out, err = run("audit-log", "verify", *place, "--head", head)
        assert (status, err) == (0, "")
        assert f"Head: 2:{state_of_file.sha256}" in out
        status, _, err = run("audit-log", "verify", *place, "--head", f"1:{'0' * 64}")
        assert status == 1
        check_sentence(err)
        assert "entry 1 of the audit log is not the one that was remembered" in err
    file.write_text(file.read_text().replace('"ani"', '"ana"', 1))
    status, _, err = run("audit-log", "verify", "--export", file)
    assert status == 1
    check_sentence(err)
    for words in ([], ["--state", state, "--export", file]):
        assert run("audit-log", "verify", *words)[0] == 2


def test_audit_log_of_a_rollout_command(run, world):
    """The audit log has a command's request, author and snapshot; a refusal is not recorded."""
    state = world.folder.root
    reason = "en=It drains the battery."
    assert run("rollout", "halt", CHANNEL, "--reason", reason, "--state", state)[0] == 0
    assert run("rollout", "set", CHANNEL, "--share", "50%", "--state", state)[0] == 1
    _, out, _ = run("audit-log", "list", "--subject", CHANNEL, "--state", state, "--json")
    done, asked = json.loads(out)
    assert (asked["action"], done["action"]) == ("rollout.halt", "rollout.halt.done")
    assert asked["detail"]["order"] == {"reason": {"en": reason[3:]}, "type": "halt"}
    assert done["detail"]["snapshot"] == world.published().snapshot.version
    assert asked["actor"] == done["actor"]
    assert asked["actor"].startswith("cli:")
    assert asked["detail"]["change"] == done["detail"]["change"]


def test_audit_log_of_keys_and_root(run, tmp_path, world):
    """New keys and the pinned root are recorded once."""

    def list_entries(state):
        return json.loads(run("audit-log", "list", "--state", state, "--json")[1])

    for _ in range(2):
        run("init", "--state", tmp_path / "new")
    (entry,) = list_entries(tmp_path / "new")
    assert (entry["action"], entry["subject"]) == ("server.init", "keys")
    assert entry["detail"] == {"made": ["latest", "snapshot", "timestamp", "log"]}
    state, root = world.folder.root, tmp_path / "1.root.json"
    pinned = world.folder.trusted_root.read_bytes()
    root.write_bytes(pinned)
    world.folder.trusted_root.unlink()
    for _ in range(2):
        assert run("init", "--state", state, "--root", root)[0] == 0
    assert run("keys", "new", "snapshot", "--state", state)[0] == 0
    done, begun, entry = list_entries(state)[:3]
    assert (entry["action"], entry["subject"]) == ("server.pin", "root")
    assert entry["detail"] == {"version": 1, "sha256": hashlib.sha256(pinned).hexdigest()}
    for row in (begun, done):
        assert (row["action"], row["subject"]) == ("keys.new", "snapshot")
    assert begun["detail"] == {"stage": "begun", "afresh": False}


def test_login_name_is_recorded(someone, monkeypatch):
    """The recorded name is the login name, even with sudo, else the process's user or number."""
    monkeypatch.setattr("os.getuid", lambda: 0)
    monkeypatch.setenv("LOGNAME", "mallory")
    monkeypatch.setenv("SUDO_USER", "mallory")
    for login, name in (
        ("1", "cli:daemon"),
        ("4294967295", "cli:root"),
        ("no number", "cli:root"),
        ("3999999999", "cli:3999999999"),
    ):
        someone.write_text(login)
        assert cli_operator.operator().actor == name


ENTRY = {"index": 7, "at": 1_800_000_000, "actor": "ani/0123456789ab"}
ROLES = {"role": ["engineer", "admin"], "codenames": [["a", "b"], ["*"]]}
ORDER = {"change": "3f", "order": {"type": "halt"}, "due_at": 1_800_000_000}


@pytest.mark.parametrize(
    ("action", "subject", "detail", "lines"),
    [
        (
            *("account.change", "ani", ROLES),
            ["ani changed the account ani", "role: engineer to admin; codenames: a, b to *"],
        ),
        ("some.thing", "a\x1b[2J", {"note": ""}, [r"ani did some.thing to a\u{1b}[2J"]),
        (
            *("rollout.halt", "armani/id/stable", ORDER),
            ["ani did rollout.halt to armani/id/stable", "change: 3f; order: type halt"],
        ),
    ],
)
def test_audit_log_entry_is_a_sentence(capsys, action, subject, detail, lines):
    """An entry is a sentence; one without its command's row is shown as recorded."""
    print_entries([ENTRY | {"action": action, "subject": subject, "detail": detail}], {})
    head, *rest = capsys.readouterr().out.splitlines()
    assert head.startswith("7  2027-01-15 ")
    assert head.endswith(f"  ani/0123456789ab  {action}")
    assert [line.strip() for line in rest] == lines


def test_trail_is_an_alias_of_audit_log(run):
    """`trail` is hidden and works like `audit-log`."""
    assert " trail" not in run("--help")[1]
    assert (
        run("trail", "list", "--help")[1].splitlines()[2:]
        == (run("audit-log", "list", "--help")[1].splitlines()[2:])
    )


@pytest.fixture
def begun(world):
    """Begin two sessions of an account; return the folder, and the sessions' ids and secrets."""

    async def act():
        at, operator = world.epoch(), command_line_principal("root")
        who = {"name": "ani", "role": Role.ENGINEER, "codenames": ["armani"], "at": at}
        what = {"account": "ani", "label": "x", "expires_at": at + 3600, "at": at}
        async with (
            open_database(world.folder.database) as sessions,
            sessions.begin() as session,
        ):
            await create_account(session, operator, **who)
            issued = await create_token(session, operator, os.urandom, **what)
            origin = Origin("ani", token=issued.row.id)
            return [await begin_session(session, os.urandom, origin, at=at) for _ in range(2)]

    return world.folder.root, asyncio.run(act())


def test_session_list_and_end(run, begun):
    """Sessions are listed without secrets; an unknown id ends none.

    Ids together with an account are a usage error.
    """
    state, (first, second) = begun

    def ask(*words):
        status, out, err = run(*words, "--state", state, "--json")
        assert (status, err) == (0, "")
        assert first.secret not in out
        assert first.row.secret_sha256 not in out
        return json.loads(out)

    rows = ask("session", "list")
    assert {row["id"] for row in rows} == {first.row.id, second.row.id}
    assert {row["account"] for row in rows} == {"ani"}
    status, _, err = run("session", "end", first.row.id, "s-000000000000", "--state", state)
    assert (status, "there is no session s-000000000000" in err) == (1, True)
    assert len(ask("session", "list")) == 2
    for words in ([], [first.row.id, "--account", "ani"]):
        assert run("session", "end", *words, "--state", state)[0] == 2
    status, out, _ = run("session", "end", first.row.id, "--state", state)
    assert (status, first.row.id in out) == (0, True)
    assert [row["id"] for row in ask("session", "end", "--account", "ani")] == [second.row.id]
    assert ask("session", "list") == []
    entries = ask("audit-log", "list", "--action", "session.end")
    assert [entry["subject"] for entry in entries] == ["ani", "ani"]
    assert all(entry["actor"].startswith("cli:") for entry in entries)
