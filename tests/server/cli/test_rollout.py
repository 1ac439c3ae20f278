"""`rollout` and `change`: plans, previews, tags, waiting changes and proposals."""

import getpass
import json
import re
import time
from datetime import UTC, datetime, timedelta

from click.shell_completion import ShellComplete

from server.cli import cli
from server.release.auth.principal import command_line_principal
from tests.cases import case
from tests.server.world import SECOND

CHANNEL, BETA = "armani/id/stable", "armani/id/beta"


OFFICE = ["--zone", "Asia/Jakarta", "--window", "mon-thu 09:00-17:00"]


def test_stages_start_inside_windows(ask):
    """A plan's stages start inside the given windows. 2099-06-01 is a Monday."""
    stages = ["--stage", "1%=1d", "--stage", "10%=90m", "--stage", "100%"]
    start = ["--start", "2099-06-01T16:00+07:00"]
    seen = ask("rollout", "offer", CHANNEL, *stages, *start, *OFFICE, "--dry-run")
    starts = [share["from"] for share in seen[0]["shares"]]
    monday = 4_083_987_600  # 2099-06-01T16:00+07:00
    assert starts[1:] == [monday, monday + 86_400, monday + 86_400 + 17 * 3600]
    assert ask("rollout", "show")[0]["counter"] == 1
    (change,) = ask("rollout", "offer", CHANNEL, *stages, *start, *OFFICE)["changes"]
    assert change["order"]["plan"]["calendar"]["zone"] == "Asia/Jakarta"
    assert [pair[0] for pair in ask("rollout", "show")[0]["schedule"]] == starts[1:]


def test_malformed_plans(run, state):
    """A malformed plan gives status 2."""
    for words in (
        ["--stage", "1%=1d", "--share", "1%"],
        ["--stage", "1%=1y"],
        ["--stage", "1%", "--zone", "Asia/Jakarta"],
        ["--stage", "1%", "--zone", "Asia/Jakarta", "--window", "mon 17:00-09:00"],
        ["--stage", "1%", "--zone", "Asia/Jakarta", "--window", "someday 09:00-17:00"],
        ["--stage", "1%", "--zone", "Asia/Jakarta", "--window", "09:00-17:00"],
        ["--zone", "Asia/Jakarta"],
        ["--stage", "1%", "--start", "tomorrow"],
        ["--share", "1%", "--due", "tomorrow"],
    ):
        with case(words):
            assert run("rollout", "offer", CHANNEL, *words, "--state", state)[0] == 2


def test_preview(run, state):
    """A preview has tables of shares and builds; the newest build gets no offer."""
    status, out, err = run("rollout", "preview", CHANNEL, "--state", state)
    assert (status, err) == (0, "")
    words = " ".join(out.split())
    assert "armani/id/stable: 1 (build 1), offered Android 14, patch level 2026-01-05" in words
    assert "100%" in words
    assert "any older build" in words
    assert "1 (build 1), full, 10.2 kB" in words
    assert max(map(len, out.splitlines())) <= 80
    assert "nothing newer is offered" in words
    status, out, _ = run("rollout", "halt", CHANNEL, "--dry-run", "--state", state)
    assert (status, "nothing, it is halted" in out) == (0, True)


def test_command_with_an_older_tag_is_refused(run, ask, state):
    """`show` prints the tag; a command with an older tag is refused."""
    (row,) = ask("rollout", "show")
    tag = ["--if-match", row["etag"]]
    (after,) = ask("rollout", "pause", CHANNEL, *tag)["channels"]
    assert after["etag"] != row["etag"]
    status, _, err = run("rollout", "resume", CHANNEL, *tag, "--state", state)
    assert (status, "has changed meanwhile" in err) == (1, True)
    assert run("rollout", "pause", CHANNEL, "armani/id/beta", *tag, "--state", state)[0] == 2
    assert ask("rollout", "resume", CHANNEL)["channels"][0]["state"] == "offered"


def test_waiting_changes(run, ask, state, monkeypatch):
    """Scheduled and waiting changes are listed, approved, rejected and cancelled."""
    answer = ask("rollout", "pause", CHANNEL, "--due", f"{later()}")
    (later_on,) = answer["changes"]
    assert (later_on["state"], answer["snapshot"]) == ("approved", 0)
    assert ask("change", "cancel", later_on["id"], "--reason", "No.")["state"] == "cancelled"
    (state / "settings.toml").write_text('approval_channels = ["*/*/stable"]\n')
    ids = []
    for _ in range(2):
        status, out, _ = run("rollout", "offer", CHANNEL, "--share", "1%", "--state", state)
        assert (status, "waits for approval: it is change" in out) == (0, True)
        ids.append(out.split()[-1].rstrip("."))
    assert {row["id"] for row in ask("change", "list", "--waiting")} == set(ids)
    status, _, err = run("change", "approve", ids[0], "--state", state)
    assert (status, "another account has to approve" in err) == (1, True)
    status, out, _ = run("change", "reject", ids[1], "--reason", "Not today", "--state", state)
    assert (status, out) == (
        *(0, "The command to offer 2 (build 2) in armani/id/stable is rejected: Not today\n"),
    )
    monkeypatch.setattr("server.cli.change.operator", another)
    assert ask("change", "approve", ids[0])["state"] == "done"
    assert ask("rollout", "show")[0]["counter"] == 2
    status, out, _ = run("change", "list", "--channel", CHANNEL, "--state", state)
    assert (status, "rejected" in out) == (0, True)
    assert ask("rollout", "halt", CHANNEL)["channels"][0]["state"] == "halted"


def test_halt_continues_after_a_failing_channel(run, ask, state):
    """A channel that cannot be halted does not prevent other halts.

    A sentence says which channels were halted, with which effect and at which share.
    """
    status, out, err = run("rollout", "halt", "dior/id/stable", CHANNEL, "--state", state)
    assert status == 1
    assert out.startswith(
        "1 (build 1) is halted in armani/id/stable: from now on no phone installs it or switches"
        " to it. It had been offered to 100% of the phones."
    )
    assert "the other channels are halted: there is no model dior" in err
    assert ask("rollout", "show")[0]["state"] == "halted"
    status, out, err = run("rollout", "halt", "armani/id/beta", "--state", state)
    assert (status, out) == (1, "")
    assert "nothing is halted: armani/id/beta offers nothing yet" in err


def test_halt_with_unrecorded_text(run, state, monkeypatch):
    """Beyond an account's limit a halt has status 0, and a message says what is not recorded."""
    monkeypatch.setenv("HENING_REWORDINGS_PER_DAY", "1")
    results = [
        run("rollout", "halt", CHANNEL, "--note", note, "--json", "--state", state)
        for note in ("first", "second")
    ]
    assert [status for status, _, _ in results] == [0, 0]
    first, second = (json.loads(out)["changes"][0] for _, out, _ in results)
    assert first == second
    assert (results[0][2], "note are not recorded" in results[1][2]) == ("", True)


def test_commands_for_several_channels(run, promoted):
    """Each channel has its own message, in any order.

    Halting a channel that was never offered cancels its waiting offer, and says so.
    """
    (promoted / "settings.toml").write_text('approval_channels = ["*/*/beta"]\n')
    status, out, _ = run(
        "rollout", "offer", BETA, CHANNEL, "--counter", "2", "--share", "1%", "--state", promoted
    )
    lines = out.splitlines()
    assert (status, len(lines)) == (0, 2)
    waits = "The command to offer 2 (build 2) in armani/id/beta waits for approval: it is change "
    assert lines[0].startswith(waits)
    assert lines[1].startswith("armani/id/stable offers 2 (build 2) to 1% of its phones.")
    status, out, _ = run("rollout", "halt", BETA, "--state", promoted)
    assert status == 0
    assert out == "armani/id/beta offers nothing, and its waiting changes are cancelled.\n"
    status, out, _ = run("change", "list", "--channel", BETA, "--json", "--state", promoted)
    assert sorted(row["state"] for row in json.loads(out)) == ["cancelled", "done"]


def test_dry_run_of_a_scheduled_command(run, ask, state):
    """A dry run of a scheduled command shows shares from its time; a past time is refused."""
    moment = later()
    seen = ask("rollout", "offer", CHANNEL, "--share", "1%", "--due", moment, "--dry-run")
    due = int(datetime.fromisoformat(moment).timestamp())
    assert [share["from"] for share in seen[0]["shares"]] == [due]
    past = ["--due", "2020-01-01T00:00Z", "--dry-run"]
    assert run("rollout", "offer", CHANNEL, "--share", "1%", *past, "--state", state)[0] == 1


def test_misleading_texts_are_refused(run, ask, state, tmp_path, monkeypatch):
    """Texts that are not plain give status 1 and are not repeated; nothing is recorded."""
    monkeypatch.chdir(tmp_path)
    for words in (
        ["halt", CHANNEL, "--reason", "en=see https://rom.example"],
        ["halt", CHANNEL, "--note", "\x1b[2J"],
        ["pause", CHANNEL, "--reason", "id=a\u202eb"],
        ["resume", CHANNEL, "--note", "<b>"],
        ["withdraw", CHANNEL, "--counter", "2", "--note", "a\u200bb", "--propose", "x.json"],
        ["split", "--parts", "4", "--note", "a\u200bb", "--propose", "x.json"],
    ):
        with case(words):
            status, out, err = run("rollout", *words, "--state", state)
            assert (status, out) == (1, "")
            assert "is not plain text: a text holds " in err
            assert not set(err) & set("\x1b\u202e\u200b")
            assert ask("rollout", "show")[0]["state"] == "offered"
            assert list(tmp_path.glob("*.json")) == []


def test_older_invalid_texts_are_escaped(run, ask, state, monkeypatch):
    """Older invalid texts are escaped on terminals; JSON has the original."""
    odd = "[red]a\u202eb\x1b[2J"
    with monkeypatch.context() as older:
        older.setattr("server.release.rollouts.rollouts.check_note", lambda _: None)
        offered = ask("rollout", "offer", CHANNEL, "--share", "1%", "--due", later())
        change = offered["changes"][0]["id"]
        ask("change", "cancel", change, "--reason", odd)
    (row,) = ask("change", "list")
    assert row["reason"] == odd
    _, out, _ = run("change", "list", "--state", state)
    assert r"[red]a\u{202e}b\u{1b}[2J" in "".join(out.replace("│", " ").split())
    _, out, _ = run("audit-log", "list", "--state", state)
    assert not set(out) & set("\x1b\u202e")


def test_proposals(run, ask, state, tmp_path):
    """Withdrawal, promotion and retirement are written as proposals; nothing is published."""
    file = tmp_path / "proposal.json"
    words = ["withdraw", CHANNEL, "--counter", "2", "--note", "It drains.", "--propose", file]
    answer = ask("rollout", *words)
    proposal = json.loads(file.read_bytes())
    assert (proposal["kind"], proposal["note"]) == ("proposal", "It drains.")
    assert file.stat().st_mode & 0o777 == 0o644  # it is passed around, and contains no secret
    (changed,) = proposal["changes"]
    listed = json.loads(changed["octets"])["signed"]["targets"]
    assert listed[SECOND]["custom"]["withdrawn"] is True
    assert len(answer["proposal"]) == 64
    status, _, err = run("rollout", *words, "--expires", "30", "--state", state)
    assert (status, "exists already" in err) == (1, True)
    other = tmp_path / "promotion.json"
    ask("rollout", "promote", CHANNEL, "beta", "--counter", "2", "--propose", other)
    status, out, _ = run(
        "rollout", "retire", "armani", "--propose", tmp_path / "r", "--state", state
    )
    assert (status, "nothing changes until it is signed" in out) == (0, True)
    status, _, err = run("rollout", "retire", "dior", "--propose", tmp_path / "c", "--state", state)
    assert (status, "there is no model dior" in err) == (1, True)


def later():
    """Return a time within the year that commands allow."""
    return (datetime.now(UTC) + timedelta(days=9)).isoformat()


def another():
    """Return the name of another user."""
    return command_line_principal("another")


def test_change_shows_its_own_build(run, ask, state):
    """A change shows its own build, not that of a later offer."""
    (change,) = ask("rollout", "offer", CHANNEL, "--counter", "2", "--share", "1%")["changes"]
    newest, *_ = ask("change", "list")
    assert (newest["build"]["counter"], newest["counter"]) == (2, 1)
    _, out, _ = run("change", "list", "--state", state)
    assert out.splitlines()[1].strip() == "offer 2 (build 2) in armani/id/stable"
    (paused,) = ask("rollout", "pause", CHANNEL)["changes"]
    assert paused["build"]["counter"] == 2
    assert ask("change", "show", change["id"]) == change


def test_change_show(run, ask, state):
    """A change shows build, plan, note, author and approver in 80 columns."""
    stages = ["--stage", "1%=1d", "--stage", "10%=90m", "--stage", "100%"]
    note = ["--note", "Tried by ten of us.", "--due", later()]
    (change,) = ask("rollout", "offer", CHANNEL, *stages, *OFFICE, *note)["changes"]
    status, out, err = run("change", "show", change["id"], "--utc", "--state", state)
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    words = " ".join(out.split())
    for text in (
        "Offer 2 (build 2) in armani/id/stable: approved",
        "build Android 14, patch level 2026-01-05, 12.8 kB, built 2026-01-01 Build 2.",
        "plan 1% for 1 day, then 10% for 2 h, then 100%",
        "windows Mon\N{EN DASH}Thu 09:00\N{EN DASH}17:00 Asia/Jakarta",
        "note Tried by ten of us.",
        f"proposed by {command_line_principal('').name}",
        "UTC",
    ):
        assert text in words, text


def test_similar_name_is_suggested(run, state):
    """An unknown channel or model is refused, and the message suggests a similar name."""
    for words, sentence in (
        (["offer", "armani/id/stabel", "--share", "1%"], "Did you mean armani/id/stable?"),
        (["offer", "armnai/id/stable", "--share", "1%"], "Did you mean armani?"),
        (["pause", "armani/id/stabel"], "Did you mean armani/id/stable?"),
    ):
        with case(words):
            status, _, err = run("rollout", *words, "--state", state)
            assert (status, sentence in err) == (1, True)


def test_lists_fit_80_columns(run, ask, state):
    """Every list fits into 80 columns without loss."""
    name = "a-long-name-for-a-program"
    ask("account", "add", name, "--role", "engineer", "--codename", "armani")
    ask("token", "create", name, "--label", "a long label " * 4)
    ask("rollout", "offer", CHANNEL, "--counter", "2", "--share", "1%")
    for words, shown in (
        ("rollout show", "2 (build 2)"),
        ("change list", "2 (build 2)"),
        ("audit-log list", "offered armani/id/stable (2)"),
        ("check", "targets"),
        ("keys list", "timestamp"),
        ("account list", name),
        ("token list", name),
        ("session list", "no session"),
        (f"rollout preview {CHANNEL}", "installs"),
    ):
        with case(words):
            status, out, _ = run(*words.split(), "--state", state)
            assert (status, shown in out) == (0, True)
            assert max(map(len, out.splitlines())) <= 80
            assert "\N{HORIZONTAL ELLIPSIS}" not in out


def test_audit_log_entries_are_sentences(run, ask, state):
    """An entry has local time, author, action and build in words, without braces."""
    ask("rollout", "halt", CHANNEL, "--reason", "en=It drains", "--note", "Seen in the lab")
    _, out, _ = run("audit-log", "list", "--state", state, "--utc")
    lines = [line.strip() for line in out.splitlines()]
    place = next(n for n, line in enumerate(lines) if line.endswith("rollout.halt"))
    author = f"cli:{getpass.getuser()}"
    assert re.fullmatch(rf"\d+  [-\d]{{10}} [:\d]{{5}} UTC  {author}  rollout.halt", lines[place])
    assert lines[place + 1] == f"{author} asked to halt armani/id/stable (1)"
    assert f"{author} halted armani/id/stable (1)" in lines
    details = " ".join(lines[place + 2 : place + 4])
    assert "for owners: en It drains" in details
    assert "note: Seen in the lab" in details
    assert not set(out) & set('{}"')


def test_times_are_local_or_utc(run, ask, state, monkeypatch):
    """Times are local with the zone's name; with `--utc` they are UTC."""
    monkeypatch.setenv("TZ", "Asia/Jakarta")
    time.tzset()
    try:
        ask("rollout", "pause", CHANNEL)
        for words in (["change", "list"], ["check"]):
            _, out, _ = run(*words, "--state", state)
            assert (" WIB" in out, " UTC" in out) == (True, False), words
            _, out, _ = run(*words, "--utc", "--state", state)
            assert (" WIB" in out, " UTC" in out) == (False, True), words
    finally:
        monkeypatch.undo()
        time.tzset()


def test_shell_completion_of_channels(state, tmp_path):
    """Shell completion offers channels with builds, if a state is given."""
    completion = ShellComplete(cli, {}, "hening-server", "")
    for folder, offered in ((state, [CHANNEL]), (tmp_path / "none", [])):
        words = ["rollout", "halt", "--state", str(folder)]
        assert [item.value for item in completion.get_completions(words, "arm")] == offered


def test_empty_lists_are_sentences(run, state):
    """An empty list is a sentence without a frame."""
    for what in ("change", "session", "account"):
        status, out, _ = run(what, "list", "--state", state)
        assert (status, out.count("\n"), out.startswith(("No ", "There is no "))) == (0, 1, True)
