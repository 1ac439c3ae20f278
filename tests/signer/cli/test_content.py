"""Commands for packs: build, compare, propose, sign, schedule and withdraw."""

import json
import shutil
import subprocess
import sys

import pytest

from server.core.bundle import decode_bundle
from server.core.content.index import decode_index
from server.core.metadata import decode_targets
from signer.content.pack_folder import load_pack, write_pack
from signer.work_folder import WorkFolder
from tests.server.core.content.samples import NEWS
from tests.signer.content.packs import make

HOST = ("--host", "example.com")
LATER = "2026-12-01T06:00Z"


@pytest.fixture
def notices(tmp_path):
    """Write a pack of notices."""
    write_pack(tmp_path / "notices-1", make("notices", start=5))
    return tmp_path / "notices-1"


@pytest.fixture
def index(repo):
    """Return a function that reads a role's newest index."""

    def read(role="content"):
        versions = WorkFolder(repo).load_versions()[role]
        data = WorkFolder(repo).load(role, versions[-1])
        return decode_index(role, decode_targets(role, data).signed)

    return read


def bundles(incoming):
    """Return the number of blobs of each bundle, by role and version."""
    read = [decode_bundle((path / "bundle.json").read_bytes()) for path in incoming.iterdir()]
    found = {(b.roles[0].name, b.roles[0].version): len(b.blobs) for b in read}
    return {place: count for place, count in found.items() if place[1] > 1}


def test_build_pack_on_a_base(run, run_json, tmp_path) -> None:
    """The second pack takes title, version and unchanged parts from the first."""
    first, second = tmp_path / "1", tmp_path / "2"
    result = run_json(
        *("content", "build", "emergency", "--out", first, "--title", "en=Numbers"),
        *("--start", LATER),
    )
    assert (result["kind"], result["version"], result["out"]) == ("emergency", 1, str(first))
    assert result["entries"] > 100
    [left_out] = result["left_out"]
    assert left_out["reason"] == "a country whose short numbers phonenumbers does not have"
    assert (left_out["count"], left_out["names"]["TK"]) == (len(left_out["names"]), 1)
    status, output, _ = run(
        *("content", "build", "emergency", "--out", second, "--base", first),
        *("--rollout", f"{LATER}=0.5%", "--rollout", "2026-12-02T06:00Z=100%"),
        *("--end", "2027-01-01T00:00Z"),
    )
    assert status == 0
    assert "Against version 1, emergency: 0 entries added, 0 changed, 0 removed." in output
    assert f"Left out ({left_out['count']}): a country whose short numbers" in output
    old, new = load_pack(first), load_pack(second)
    assert (new.pack.version, new.pack.title, new.parts) == (2, {"en": "Numbers"}, old.parts)
    assert (old.pack.start, old.pack.rollout) == (1_796_104_800, [(1_796_104_800, 1000)])
    assert new.pack.rollout == [(1_796_104_800, 5), (1_796_191_200, 1000)]
    assert new.pack.end == 1_798_761_600


def test_build_refuses_skipped_versions(run, notices, tmp_path) -> None:
    """Versions count from the former pack."""
    build = ("content", "build", "notices", "--out", tmp_path / "2", *HOST, "--edited", notices)
    for arguments in ((), ("--base", notices)):
        status, _, errors = run(*build, *arguments, "--version", 1002)
        assert (status, "notices leaps from version 1 to 1002" in errors) == (1, True)
    build = ("content", "build", "emergency", "--out", tmp_path / "3", "--version", 2**53 - 1)
    status, _, errors = run(*build)
    assert (status, "emergency leaps from version 0 to 9007199254740991" in errors) == (1, True)
    assert not {*tmp_path.iterdir()} & {tmp_path / "2", tmp_path / "3"}


def test_build_refuses_lost_entries(run, run_json, tmp_path) -> None:
    """Many lost entries need --accept-loss, and an empty pack is never built."""
    two = {c: {"exact": True, "numbers": ["110"]} for c in ("ID", "JP")}
    write_pack(tmp_path / "1", make("emergency", two))
    shutil.copytree(tmp_path / "1", tmp_path / "edited")
    (tmp_path / "edited" / "entries.json").write_text(json.dumps({"ID": two["ID"]}))
    build = ("content", "build", "emergency", "--edited", tmp_path / "edited")
    more = ("--base", tmp_path / "1", "--out", tmp_path / "2")
    status, _, errors = run(*build, *more)
    assert (status, "would lose 1 of the 2 entries of version 1 (JP)" in errors) == (1, True)
    assert run_json(*build, *more, "--accept-loss")["entries"] == 1
    (tmp_path / "edited" / "entries.json").write_text("{}")
    status, _, errors = run(*build, "--accept-loss", "--out", tmp_path / "3")
    assert (status, "would have no entry" in errors) == (1, True)


EXTRA = ("PIL", "blurhash", "certifi", "defusedxml", "holidays", "phonenumbers", "polib", "yaml")
WITHOUT_EXTRA = f"""
import sys

sys.modules |= dict.fromkeys({EXTRA})
from signer.cli import main

sys.exit(main(sys.argv[1:]))
"""


def test_without_extra(notices, tmp_path) -> None:
    """Packs are checked without the extra; what needs it says what to install."""
    new = tmp_path / "new"
    texts = ("--title", "en=Night", "--body", "en=Dark.", "--source-name", "rom.example")
    for missing, *arguments in (
        ("", "validate", *HOST, notices),
        ("PIL", "build", "emergency", "--out", new),
        ("polib", "add-notice", "night", "--source", new, *texts, "--source-licence", "CC0-1.0"),
    ):
        command = [sys.executable, "-c", WITHOUT_EXTRA, "content", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        told = f"({missing} is missing): install hening with its extra `content`"
        assert (done.returncode, told in done.stderr) == (bool(missing), bool(missing)), done.stderr
    assert not new.exists()


ADD = ("content", "add-notice")
OWN = ("--source-name", "rom.example", "--source-licence", "CC0-1.0")


def test_add_notice(run, run_json, tmp_path) -> None:
    """Hand-written lines stay, the pack has all notices, and missing texts are shown."""
    folder, text = tmp_path / "notices", 'Build 1.2.0: "repaired".\nInstall it.'
    source = ("--source", folder)
    first = ("clock", *source, "--title", "en=The clock", "--body", f"en={text}")
    status, _, errors = run(*ADD, *first)
    assert (status, "A new folder needs --source-name" in errors) == (2, True)
    assert not folder.exists()
    run_json(*ADD, *first, *OWN, "--published", "2026-12-01", "--model", "armani")
    with (folder / "index.yaml").open("a") as file:
        file.write("# Until here.")  # without a line feed
    titles = ("--title", "en=Night", "--title", "id=Malam")
    texts = (*titles, "--body", "en=Dark.", "--body", "id=Gelap.")
    result = run_json(*ADD, "night", *source, *texts, "--severity", "urgent", "--end", "2027-01-01")
    assert result["files"] == [str(folder / name) for name in ("index.yaml", "en.yaml", "id.yaml")]
    assert "# Until here.\n" in (folder / "index.yaml").read_text()
    build = ("content", "build", "notices", *source, "--out")
    assert run_json(*build, tmp_path / "1")["missing"] == {"id": ["clock"]}
    _, output, _ = run(*build, tmp_path / "2")
    assert any({"en", "id"} <= {*line.split()} for line in output.splitlines())
    entries = load_pack(tmp_path / "1").entries
    assert entries["clock"] == {
        "body": {"en": text},
        "models": ["armani"],
        "published": "2026-12-01",
        "severity": "info",
        "title": {"en": "The clock"},
    }
    assert entries["night"]["title"] == {"en": "Night", "id": "Malam"}
    assert (entries["night"]["severity"], entries["night"]["end"]) == ("urgent", "2027-01-01")


def test_refused_notice_changes_nothing(run, tmp_path) -> None:
    """The message gives the reason, and no file is made."""
    folder = tmp_path / "notices"
    source = ("--source", folder, *OWN)
    assert run(*ADD, "clock", *source, "--title", "en=A", "--body", "en=B")[0] == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    texts = ("--title", "en=A", "--body", "en=B")
    for arguments, sentence in (
        (("clock", *texts), "line 8: clock is given twice"),
        (("Night", *texts), "'Night' is not an id"),
        (("night", "--title", "id=A", "--body", "id=B"), "night has no title and body in en"),
        (("night", "--title", "en=A", "--body", "id=B"), "must be in the same languages"),
        (("night", *texts, "--end", "2026-01-01"), "ends before"),
    ):
        status, _, errors = run(*ADD, *arguments, *source)
        assert (status != 0, sentence in errors) == (True, True), errors
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_build_edited_pack(run_json, notices, tmp_path) -> None:
    """Edited entries are built again, and compared with the former ones."""
    path = notices / "entries.json"
    path.write_text(json.dumps({"more": NEWS, **json.loads(path.read_text())}))
    new = tmp_path / "notices-2"
    result = run_json(
        "content", "build", "notices", "--edited", notices, *HOST, "--version", 2, "--out", new
    )
    (note,) = result["notes"]
    assert note.startswith("pack.json names as sources hand-made 1: if your changes come from")
    shutil.rmtree(notices)
    write_pack(notices, make("notices", start=5))
    result = run_json("content", "diff", notices, new)
    assert (result["added"], result["changed"], result["removed"]) == (["more"], [], [])
    assert (result["parts"], result["members"]) == ([0], {"version": [1, 2]})
    assert result["octets"] == len(load_pack(new).parts[0])


def test_diff_cuts_long_lists(run, notices, tmp_path) -> None:
    """The first forty entries are shown, and all with --all."""
    entries = {f"n{number:02}": NEWS for number in range(50)}
    write_pack(tmp_path / "2", make("notices", entries, version=2))
    status, output, _ = run("content", "diff", notices, tmp_path / "2")
    assert status == 0
    assert "notices: 50 entries added, 0 changed, 1 removed" in output
    assert "added n39\n" in output
    assert "added n40\n" not in output
    assert "and 10 more added, which --all shows" in output
    assert "Parts that phones fetch again: 00;" in output
    assert "added n49\n" in run("content", "diff", notices, tmp_path / "2", "--all")[1]


def test_diff_shows_values(run, run_json, tmp_path) -> None:
    """The values before and after are shown; unprintable characters are escaped, in JSON, too."""
    old = {"ID": {"exact": True, "numbers": ["110", "112"]}}
    new = {"ID": {"exact": True, "numbers": ["777"]}, "JP": {"exact": 0, "a\u202e": "b\x1b"}}
    write_pack(tmp_path / "1", make("emergency", old))
    write_pack(tmp_path / "2", make("emergency", new, version=2))
    status, output, _ = run("content", "diff", tmp_path / "1", tmp_path / "2")
    assert status == 0
    assert output.splitlines()[1:8] == [
        "added JP",
        "  + a\\u{202e}: “b\\u{1b}”",
        "  + exact: “0”",
        "changed ID",
        "  - numbers: “110, 112”",
        "  + numbers: “777”",
        "emergency: what the index says",
    ]
    assert "  - version: “1”\n  + version: “2”\n" in output
    result = run_json("content", "diff", tmp_path / "1", tmp_path / "2")
    assert result["entries"]["ID"] == {
        "after": new["ID"],
        "before": old["ID"],
        "members": {"numbers": ["110, 112", "777"]},
    }
    assert result["entries"]["JP"]["members"]["a\u202e"] == [None, "b\x1b"]
    status, output, _ = run("content", "diff", tmp_path / "1", tmp_path / "2", "--json")
    assert "\\u202e" in output
    assert output.rstrip("\n").isprintable()


def test_validate(run, run_json, notices, repo, tmp_path) -> None:
    """The message has kind, key and rule; packs of both roles go into one proposal."""
    result = run_json("content", "validate", notices, *HOST)
    size = len(load_pack(notices).parts[0])
    assert result["packs"] == [{"entries": 1, "kind": "notices", "octets": size, "version": 1}]
    assert run("content", "validate", notices, *HOST)[1].endswith("may be signed.\n")
    status, _, errors = run("content", "validate", notices)
    assert status == 1
    assert "The entry 'end-of-support' of notices: 'https://example.com" in errors
    write_pack(tmp_path / "emergency-1", make("emergency"))
    result = run_json(
        *("content", "release", notices, tmp_path / "emergency-1", *HOST, "--repo", repo),
        *("--rollout", f"{LATER}=100%", "--propose", tmp_path / "both.json"),
    )
    assert [role["role"] for role in result["roles"]] == ["content", "tables"]
    sentence = "notices 1 is used by 100% of phones from 2026-12-01 06:00:00 UTC."
    assert sentence in result["roles"][0]["changes"]


def test_release_with_all_keys(run, run_json, destination, incoming, index, notices, tmp_path):
    """Only new parts are sent, and the review shows the changes."""
    status, output, errors = run("content", "release", notices, *HOST, *destination)
    assert (status, errors) == (0, "")
    assert "Adds the pack notices 1" in output
    assert "Links may lead to example.com" in output
    write_pack(tmp_path / "zones-1", make("zones"))
    run_json("content", "release", tmp_path / "zones-1", *destination)
    more = {**load_pack(tmp_path / "zones-1").entries, "Asia/Makassar": {"link": "Asia/Jakarta"}}
    write_pack(
        tmp_path / "zones-2", make("zones", more, load_pack(tmp_path / "zones-1"), version=2)
    )
    result = run_json("content", "release", tmp_path / "zones-2", *destination)
    assert "1 of 16 parts change" in result["roles"][0]["changes"][0]
    assert bundles(incoming) == {("content", 2): 1, ("tables", 2): 16, ("tables", 3): 1}
    assert index().packs["notices"].version == 1
    assert index("tables").packs["zones"].version == 2
    status, _, errors = run("content", "release", notices, *destination)
    assert status == 1
    assert "does not follow version 1, which is signed" in errors


def test_build_follows_the_working_folder(run_json, destination, repo, tmp_path) -> None:
    """Without --base the version is one above that of the working folder."""
    source = ("--source", tmp_path / "source")
    run_json(*ADD, "clock", *source, *OWN, "--title", "en=A", "--body", "en=B")
    build = ("content", "build", "notices", *source, "--repo", repo, "--out")
    assert run_json(*build, tmp_path / "1")["version"] == 1
    run_json("content", "release", tmp_path / "1", *destination)
    assert run_json(*build, tmp_path / "2")["version"] == 2
    assert run_json(*build, tmp_path / "3", "--version", 3)["version"] == 3


def test_release_by_two_holders(
    run, run_json, repo, destination, holders, incoming, tmp_path, index
) -> None:
    """Proposal, review with the pack's folder, two signatures, accept and submit."""
    first, second = tmp_path / "zones-1", tmp_path / "zones-2"
    write_pack(first, make("zones"))
    run_json("content", "release", first, *destination)
    more = {**load_pack(first).entries, "Etc/Jakarta": {"link": "Asia/Jakarta"}}
    write_pack(second, make("zones", more, load_pack(first), version=2))
    proposal, root = tmp_path / "zones.json", repo / "metadata" / "1.root.json"
    run_json("content", "release", second, "--repo", repo, "--propose", proposal)
    result = run_json("content", "review", proposal, second, "--before", first)
    assert result["packs"] == [{"entries": 3, "kind": "zones", "version": 2}]
    assert [each["added"] for each in result["differences"]] == [["Etc/Jakarta"]]
    sign = ("ceremony", "sign", proposal, "--root", root, "--yes")
    signatures = [tmp_path / f"{holder}.sig" for holder in ("alice", "bob")]
    for path in signatures:
        run_json(*sign, "--keys", holders / path.stem, "--out", path)
    status, _, errors = run("ceremony", "accept", proposal, signatures[0], "--repo", repo)
    assert (status, "tables has 1 of the 2 signatures" in errors) == (1, True)
    run_json("ceremony", "accept", proposal, *signatures, "--repo", repo)
    submit = ("ceremony", "submit", proposal, "--repo", repo, "--out", incoming)
    run_json(*submit, "--package", second / "parts")
    assert bundles(incoming) == {("tables", 2): 16, ("tables", 3): 1}
    assert index("tables").packs["zones"].version == 2
    status, output, _ = run("content", "review", proposal, second, "--before", first)
    assert "zones 2 is the pack that the proposal lists, and keeps every rule; it has 3" in output
    assert "added Etc/Jakarta\n  + link: “Asia/Jakarta”\n" in output
    status, output, _ = run("content", "review", proposal, second)
    assert "All entries of zones 2 are shown: give the pack that it replaces" in output
    assert "added Asia/Jakarta\n  + times: “+07:00 +07 at first, no change”\n" in output
    status, _, errors = run("content", "review", proposal, first)
    assert (status, "lists another pack zones" in errors) == (1, True)


def test_schedule_and_withdraw(run, run_json, destination, notices, index, incoming, repo) -> None:
    """No part is sent; a withdrawal has a warning."""
    run_json("content", "release", notices, *HOST, *destination)
    run_json(
        *("content", "schedule", "notices", "--rollout", f"{LATER}=10%"),
        *("--end", "2027-01-01T00:00Z", *destination),
    )
    pack = index().packs["notices"]
    assert (pack.rollout, pack.end) == ([(1_796_104_800, 100)], 1_798_761_600)
    run_json("content", "schedule", "notices", "--no-end", *destination)
    status, output, _ = run("content", "withdraw", "notices", *destination)
    assert (status, "notices 1 cannot be used again" in output) == (0, True)
    assert index().packs["notices"].is_withdrawn
    assert bundles(incoming)["content", 5] == 0
    listed = run_json("content", "list", "--repo", repo)
    assert listed["packs"] == [
        {
            "end": 0,
            "kind": "notices",
            "role": "content",
            "rollout": [[1_796_104_800, 100]],
            "start": 5,
            "version": 1,
            "withdrawn": [1],
        }
    ]
    status, output, _ = run("content", "list", "--repo", repo)
    assert "content 5, links to example.com" in output


def test_warning_of_one_signature(run, destination, tmp_path) -> None:
    """It is shown with each signed version, unless two must sign."""
    write_pack(tmp_path / "emergency-1", make("emergency", start=5))
    release = ("content", "release", tmp_path / "emergency-1", *destination)
    warned = "Warning: One signature is enough for tables: "
    assert run("ceremony", "holders", "--threshold", "tables=1", *destination)[0] == 0
    assert warned in run(*release)[1]
    assert run("ceremony", "holders", "--threshold", "tables=2", *destination)[0] == 0
    assert warned not in run("content", "withdraw", "emergency", *destination)[1]


def test_remove_host(run, run_json, destination, notices, tmp_path) -> None:
    """The pack that stays is checked from its folder."""
    write_pack(tmp_path / "features-1", make("features", {}, start=5))
    both = (*HOST, "--host", "example.org")
    run_json("content", "release", notices, *both, *destination)
    release = ("content", "release", tmp_path / "features-1")
    status, _, errors = run(*release, *HOST, *destination)
    assert (status, "notices 1 stays, and may link to example.org" in errors) == (1, True)
    stays = ("--stays", notices)
    status, _, errors = run(*release, "--host", "example.org", *stays, *destination)
    assert (status, "leads to example.com, which is not an allowed host" in errors) == (1, True)
    assert run_json(*release, *HOST, *stays, *destination)


def test_wrong_usage(run, destination, tmp_path) -> None:
    """Wrong values and meaningless options are refused before anything is read."""
    build, out = ("build", "--out", tmp_path / "1"), destination
    for arguments, sentence in (
        (
            (*build, "emergency", "--source", tmp_path, "--year", 2026),
            "The pack emergency takes no --source and no --year.",
        ),
        ((*build, "zones", "--source-name", "x"), "takes no --source-name without --source."),
        (("schedule", "notices", *out), "Give --rollout, --end or --no-end."),
        (("schedule", "notices", "--no-end", "--end", LATER, *out), "exclude each other"),
        (("schedule", "notices", "--rollout", "100%", *out), "is not TIME=SHARE"),
        (("schedule", "notices", "--rollout", f"{LATER}=101%", *out), "is not TIME=SHARE"),
        (("schedule", "notices", "--rollout", f"{LATER}=half", *out), "is not TIME=SHARE"),
        (("schedule", "notices", "--end", "2026-12-01", *out), "is not a time with a time zone"),
        (("withdraw", "jokes", *out), "is not one of"),
    ):
        status, _, errors = run("content", *arguments)
        assert (status, sentence in errors) == (2, True)
    assert not (tmp_path / "1").exists()


def test_interrupted_release_is_completed_with_its_parts(
    run, run_json, destination, notices, incoming, repo, monkeypatch
) -> None:
    """The next command submits the accepted version with its parts."""

    def cut(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("signer.proposal.submission.submit", cut)
        assert run("content", "release", notices, *HOST, *destination)[0] == 130
    assert bundles(incoming) == {}
    result = run_json("content", "withdraw", "notices", *destination)
    assert [each["versions"] for each in result["completed"]] == [{"content": 2}]
    assert bundles(incoming) == {("content", 2): 1}
    assert list((repo / "proposals").iterdir()) == []


def test_reset_restores_earlier_packs(run, run_json, destination, notices, index, tmp_path) -> None:
    """Their files are given with --pack; the versions are 1."""
    run_json("content", "release", notices, *destination, *HOST)
    false = make("notices", {"false": NEWS}, version=1_001, start=5)
    write_pack(tmp_path / "false", false)
    run_json("content", "release", tmp_path / "false", *destination)
    status, _, errors = run("ceremony", "reset", "content", "--keep", "2", *destination)
    assert (status, "no package has it" in errors) == (1, True), errors
    run_json("ceremony", "reset", "content", "--keep", "2", "--pack", notices, *destination)
    assert index().packs["notices"].version == 1
