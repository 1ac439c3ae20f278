import json
import os
import re
import shutil
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.core.proposal import proposal_id
from signer.keys.keystore import Keystore
from signer.work_folder import WorkFolder
from tests.cases import case


def test_expiry(run, run_json, repo, now) -> None:
    """The soonest is first, with version, date and days; `--within` selects."""
    listed = run_json("ceremony", "expiry", "--repo", repo)["roles"]
    assert listed[0] == {
        "days_left": 90,
        "expires": "2026-08-30T12:00:00Z",
        "role": "armani",
        "version": 1,
    }
    assert (listed[-1]["role"], listed[-1]["days_left"]) == ("root", 365)
    assert run_json("ceremony", "expiry", "--repo", repo, "--within", "90") == {"roles": []}
    late = now + timedelta(days=91)
    status, output, _ = run("ceremony", "expiry", "--repo", repo, "--utc", at=late)
    assert status == 0
    assert output.splitlines()[2].split() == [
        "armani",
        "1",
        "2026-08-30",
        "12:00",
        "UTC",
        "expired",
    ]


def test_renew_within_days(run, destination, repo) -> None:
    """All roles but root expire within 91 days."""
    status, output, errors = run("ceremony", "renew", "--within", "91", *destination, "--json")
    assert (status, errors) == (0, "")
    renewed = json.loads(output)
    assert [role["role"] for role in renewed["roles"]] == [
        *("targets", "armani", "content", "dior", "tables")
    ]
    assert {role["version"] for role in renewed["roles"]} == {2}
    assert set(renewed["seconds"]) == {"judging", "signing and handing over"}
    assert (repo / "metadata" / "2.armani.json").exists()


def test_renew_for_people(run, destination) -> None:
    """The output has the change and what was signed, and how long slow steps took."""
    status, output, errors = run(
        "ceremony", "renew", "dior", "--expires", "dior=120", *destination, "--note", "Quarter."
    )
    assert (status, errors) == (0, "")
    lines = output.splitlines()
    assert lines[:3] == [
        "dior 2 replaces dior 1, expires on 2026-09-29.",
        "  To be signed by 1 of dior-1.",
        "  Only the expiry changes.",
    ]
    assert lines[3].startswith("Signed dior 2; bundle ")
    ticks = iter(range(0, 100, 2))
    status, output, _ = run(
        *("ceremony", "renew", "dior", "--expires", "dior=130"),
        *destination,
        monotonic=lambda: next(ticks),
    )
    assert output.splitlines()[4] == "Took: judging 2.00 s, signing and handing over 2.00 s."


def test_refused_change_changes_nothing(
    run, destination, repo, keys, online_file, tmp_path, tree
) -> None:
    """One sentence gives the reason; a proposal overwrites no file."""
    online, out = tmp_path / "public.json", tmp_path / "incomming"
    online.write_bytes(online_file)
    before = tree(tmp_path)
    first = ("--keys", keys, "--model", "armani", "--online", online, "--propose", tmp_path / "f")
    there = "already exists with other content"
    for command, words, status, sentence in (
        ("renew", ("--all", "dior", *destination), 2, ""),
        ("renew", destination, 2, ""),
        ("renew", ("--all", "--within", "3", *destination), 2, ""),
        ("renew", ("--within", "5", *destination), 1, "No role expires within 5 days; there is no"),
        ("renew", ("dior",), 2, "Give --propose FILE"),
        ("renew", ("dior", "--out", "x", "--propose", "y"), 2, "Give --propose FILE"),
        ("renew", ("dior", "--out", "x"), 2, "Give --keys"),
        ("renew", ("dior", "--propose", "y", "--note", "x" * 501), 2, "--note has more than 500"),
        (
            "renew",
            ("dior", "--propose", tmp_path / "x.json", "--note", "a\u202eb"),
            1,
            "The note is not plain text: a text holds ",
        ),
        ("renew", ("dior", "--propose", keys / "root-1.key"), 3, there),
        ("renew", ("dior", "--propose", keys / "root-1.pub"), 3, there),
        ("renew", ("dior", "--propose", repo / "metadata" / "1.root.json"), 3, there),
        (
            "renew",
            ("dior", "--keys", keys, "--out", out),
            3,
            f"hening-signer: The folder {out} does not exist; make it, or correct --out.\n",
        ),
        ("init", first, 1, "holds a repository already"),
        (
            "holders",
            ("--add", "root-9", *destination),
            1,
            "There is no key root-9 in the key folder",
        ),
        ("holders", ("--remove", "armani:12", *destination), 2, "ROLE:KEYID"),
        ("holders", destination, 1, "Nothing would change"),
        ("model", ("dior", *destination), 1, "already exists"),
        ("online", ("--online", online, *destination), 1, "named already"),
        ("reset", ("content", "--keep", "9", *destination), 1, "no version 9 of content"),
        ("reset", ("latest", *destination), 1, "has no resets"),
    ):
        with case(command, words):
            found, _, errors = run("ceremony", command, "--repo", repo, *words)
            assert (found, sentence in errors) == (status, True), errors
            assert tree(tmp_path) == before


def test_key_rotation(run_json, destination, keys, passphrases) -> None:
    """Keys are added by name, and removed by name or by role and key id."""
    store = Keystore(keys)
    store.create_keys(("root-4", "armani-3"), passphrases, os.urandom)
    keyid = store.load_public_key("armani-2").keyid
    changed = run_json(
        *("ceremony", "holders", "--add", "root-4", "--remove", "root-2", "--add", "armani-3"),
        *("--remove", f"armani:{keyid}"),
        *destination,
    )
    assert [(role["role"], role["version"]) for role in changed["roles"]] == [
        *(("root", 2), ("targets", 2), ("armani", 2))
    ]
    (sentence,) = changed["roles"][0]["changes"]
    groups = " ".join(re.findall("....", store.load_public_key("root-4").keyid)[:8])
    assert sentence == (
        f"Adds root-4, key id {groups}, to root; removes root-2 from root; from then on two"
        " signatures of three keys are enough."
    )


def test_interrupted_change_is_completed(
    run, run_json, destination, repo, keys, incoming, tmp_path
) -> None:
    """The next command only submits what was signed before."""
    (tmp_path / "lost").mkdir()
    renewed = run_json(
        *("ceremony", "renew", "armani", "--repo", repo, "--keys", keys),
        *("--out", tmp_path / "lost"),
    )
    proposal = tmp_path / "again.json"
    shutil.copytree(repo, tmp_path / "behind")
    for path in (tmp_path / "behind" / "metadata").glob("2.*"):
        path.unlink()
    run("ceremony", "renew", "armani", "--repo", tmp_path / "behind", "--propose", proposal)
    data = proposal.read_bytes()
    WorkFolder(repo).keep_proposal(proposal_id(data), data, ())
    status, output, errors = run("ceremony", "renew", "armani", *destination)
    assert (status, errors) == (0, "")
    bundle = renewed["bundle"]
    completed, advice = output.splitlines()
    assert completed == (
        f"Completed an interrupted command: submitted armani 2; bundle {bundle} is in {incoming}."
    )
    assert advice == "Nothing else was done; if you wanted something else, run the command again."
    assert WorkFolder(repo).load_kept_proposals() == {}
    assert run_json("ceremony", "renew", "armani", *destination)["roles"][0]["version"] == 3


def test_failed_completion_as_json(run, destination, repo) -> None:
    """The error is printed as JSON, too."""
    WorkFolder(repo).keep_proposal("0" * 64, b"{}", ())
    status, output, errors = run("ceremony", "renew", "armani", *destination, "--json")
    assert status == 1
    assert json.loads(output) == {"error": errors.removeprefix("hening-signer: ").rstrip("\n")}


def test_lifetimes(run_json, destination, repo) -> None:
    """The new root has them in its `custom`."""
    changed = run_json("ceremony", "lifetimes", "codenames=120", *destination)
    (root,) = changed["roles"]
    assert root["changes"] == ["A new version of a model's role may be valid for 120 days."]
    stated = json.loads((repo / "metadata" / "2.root.json").read_bytes())["signed"]["custom"]
    assert stated["lifetimes"]["codenames"] == 120


def test_new_model(run_json, destination, keys, passphrases) -> None:
    """Its keys are found by name."""
    Keystore(keys).create_keys(("cannon-1", "cannon-2"), passphrases, os.urandom)
    added = run_json("ceremony", "model", "cannon", "--threshold", "2", *destination)
    assert [(role["role"], role["version"]) for role in added["roles"]] == [
        ("targets", 2),
        ("cannon", 1),
    ]


def test_new_online_keys(run_json, destination, online_file, tmp_path) -> None:
    """They are those of the server's file."""
    path, value = tmp_path / "public.json", json.loads(online_file)
    key = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32).public_key()
    value["keys"]["timestamp"] = key.public_bytes_raw().hex()
    path.write_text(json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n")
    changed = run_json("ceremony", "online", "--online", path, "--overlap", *destination)
    assert [role["role"] for role in changed["roles"]] == ["root"]
    assert "to timestamp" in changed["roles"][0]["changes"][0]


def test_reset(run_json, destination, repo, now) -> None:
    """One proposal has root and the role, and says what is no longer valid."""
    changed = run_json("ceremony", "reset", "armani", "--counter", "0", *destination)
    changes = {role["role"]: role["changes"] for role in changed["roles"]}
    assert changes.keys() == {"root", "armani"}
    moment = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    (sentence,) = changes["root"]
    assert f"no counter above 0 and no time after {moment} is valid any more" in sentence
    assert changes["armani"][-1].startswith("Follows reset 1 of root")
    stated = json.loads((repo / "metadata" / "2.root.json").read_bytes())["signed"]["custom"]
    reset = {"counter": 0, "number": 1, "time": int(now.timestamp())}
    assert stated["resets"] == {"armani": reset}
    changed = run_json("ceremony", "reset", "content", "--keep", "1", *destination)
    assert [role["role"] for role in changed["roles"]] == ["root", "content"]
