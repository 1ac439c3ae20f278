import json
import os
import re
import shutil
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signer.keys.keystore import Keystore
from signer.proposal.document import proposal_id
from signer.work_folder import WorkFolder


@pytest.fixture
def at_once(repo, keys, incoming):
    """Return the options that sign and submit at once."""
    return ("--repo", repo, "--keys", keys, "--out", incoming)


def test_expiry_lists_the_soonest_first(run, run_json, repo, now) -> None:
    """With version, date and days; `--within` asks for what is due."""
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


def test_what_is_due_is_renewed(run, at_once, repo) -> None:
    """All roles but root expire within 91 days; root has a year."""
    status, output, errors = run("ceremony", "renew", "--within", "91", *at_once, "--json")
    assert (status, errors) == (0, "")
    renewed = json.loads(output)
    assert [role["role"] for role in renewed["roles"]] == [
        *("targets", "armani", "content", "dior", "tables"),
    ]
    assert {role["version"] for role in renewed["roles"]} == {2}
    assert set(renewed["seconds"]) == {"judging", "signing and handing over"}
    assert (repo / "metadata" / "2.armani.json").exists()
    status, _, errors = run("ceremony", "renew", "--within", "5", *at_once)
    assert (status, errors) == (
        1,
        "hening-signer: No role expires within 5 days; there is nothing to renew.\n",
    )


def test_one_role_is_renewed_for_people(run, at_once) -> None:
    """What it means and what was signed; where it takes longer, also how long."""
    status, output, errors = run(
        "ceremony", "renew", "dior", "--expires", "dior=120", *at_once, "--note", "Quarter."
    )
    assert (status, errors) == (0, "")
    lines = output.splitlines()
    assert lines[:3] == [
        "dior 2 replaces dior 1, expires on 2026-09-29.",
        "  To be signed by 1 of dior-1.",
        "  Nothing but the expiry changes.",
    ]
    assert lines[3].startswith("Signed dior 2; bundle ")
    ticks = iter(range(0, 100, 2))
    status, output, _ = run(
        *("ceremony", "renew", "dior", "--expires", "dior=130"),
        *at_once,
        monotonic=lambda: next(ticks),
    )
    assert output.splitlines()[4] == "Took: judging 2.00 s, signing and handing over 2.00 s."


def test_what_is_to_happen_is_said_once(run, at_once, repo) -> None:
    """Names, all, or a time; a proposal, or signed at once: one of them."""
    for words in (("--all", "dior"), (), ("--all", "--within", "3")):
        assert run("ceremony", "renew", *words, *at_once)[0] == 2
    for options, sentence in (
        ((), "Give --propose FILE"),
        (("--out", "x", "--propose", "y"), "Give --propose FILE"),
        (("--out", "x"), "Give --keys"),
        (("--propose", "y", "--note", "x" * 501), "--note has more than 500"),
    ):
        status, _, errors = run("ceremony", "renew", "dior", "--repo", repo, *options)
        assert (status, sentence in errors) == (2, True), errors


def test_a_note_is_plain_text(run, repo, made_keys, tmp_path) -> None:
    """The holders are shown it: another one is refused, and no proposal is written."""
    status, _, errors = run(
        *("ceremony", "renew", "dior", "--repo", repo, "--keys", made_keys),
        *("--note", "a\u202eb", "--propose", tmp_path / "x.json"),
    )
    assert (status, "The note is no plain text: a text holds " in errors) == (1, True)
    assert not (tmp_path / "x.json").exists()


def test_a_key_is_rotated(run_json, at_once, keys, passphrases) -> None:
    """Added by name, removed by name or by role and key id."""
    store = Keystore(keys)
    store.create_keys(("root-4", "armani-3"), passphrases, os.urandom)
    keyid = store.load_public_key("armani-2").keyid
    changed = run_json(
        *("ceremony", "holders", "--add", "root-4", "--remove", "root-2", "--add", "armani-3"),
        *("--remove", f"armani:{keyid}"),
        *at_once,
    )
    assert [(role["role"], role["version"]) for role in changed["roles"]] == [
        *(("root", 2), ("targets", 2), ("armani", 2)),
    ]
    (sentence,) = changed["roles"][0]["changes"]
    groups = " ".join(re.findall("....", store.load_public_key("root-4").keyid)[:8])
    assert sentence == (
        f"Adds root-4, key id {groups}, to root; removes root-2 from root; from then on two"
        " signatures of three keys are enough."
    )


def test_holders_that_cannot_be_are_refused(run, at_once) -> None:
    """With the sentence of the plan."""
    for options, status, sentence in (
        (("--add", "root-9"), 1, "There is no key root-9 in the key folder"),
        (("--remove", "armani:12"), 2, "ROLE:KEYID"),
        ((), 1, "Nothing is to change"),
    ):
        found, _, errors = run("ceremony", "holders", *options, *at_once)
        assert (found, sentence in errors) == (status, True), errors


def test_a_model_is_added(run_json, run, at_once, keys, passphrases) -> None:
    """By all of its keys in the folder."""
    Keystore(keys).create_keys(("cannon-1", "cannon-2"), passphrases, os.urandom)
    added = run_json("ceremony", "model", "cannon", "--threshold", "2", *at_once)
    assert [(role["role"], role["version"]) for role in added["roles"]] == [
        ("targets", 2),
        ("cannon", 1),
    ]
    status, _, errors = run("ceremony", "model", "cannon", *at_once)
    assert (status, "is there already" in errors) == (1, True)


def test_online_keys_are_replaced(run_json, run, at_once, online_file, tmp_path) -> None:
    """The file of the server names them; the same file changes nothing."""
    path = tmp_path / "public.json"
    path.write_bytes(online_file)
    status, _, errors = run("ceremony", "online", "--online", path, *at_once)
    assert (status, "named already" in errors) == (1, True)
    value = json.loads(online_file)
    key = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32).public_key()
    value["keys"]["timestamp"] = key.public_bytes_raw().hex()
    path.write_text(json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n")
    changed = run_json("ceremony", "online", "--online", path, "--overlap", *at_once)
    assert [role["role"] for role in changed["roles"]] == ["root"]
    assert "to timestamp" in changed["roles"][0]["changes"][0]


def test_a_change_that_was_cut_off_is_completed_and_nothing_else(
    run, run_json, at_once, repo, keys, incoming, tmp_path
) -> None:
    """Killed between signing and submission: the same command again hands over what was signed."""
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
    kept = WorkFolder(repo).keep_proposal(proposal_id(proposal.read_bytes()), proposal.read_bytes())
    status, output, errors = run("ceremony", "renew", "armani", *at_once)
    assert (status, errors) == (0, "")
    bundle = renewed["bundle"]
    completed, advice = output.splitlines()
    assert completed == (
        "Completed what was cut off before: handed over armani 2;"
        f" bundle {bundle} is in {incoming}."
    )
    assert advice == "Nothing else was done; if you wanted something else, run the command again."
    assert not kept.exists()
    assert run_json("ceremony", "renew", "armani", *at_once)["roles"][0]["version"] == 3


def test_a_file_that_is_there_is_not_overwritten(run, repo, keys) -> None:
    """A proposal does not take the place of a key, nor of another proposal."""
    for path in (keys / "root-1.key", keys / "root-1.pub", repo / "metadata" / "1.root.json"):
        before = path.read_bytes()
        status, _, errors = run("ceremony", "renew", "dior", "--repo", repo, "--propose", path)
        assert status == 3
        assert "is there already with other content" in errors
        assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_not_made(run, repo, keys, tmp_path) -> None:
    """A slip of the pen would otherwise look like a transfer; nothing is signed."""
    out = tmp_path / "incomming"
    before = sorted((repo / "metadata").iterdir())
    status, _, errors = run(
        "ceremony", "renew", "dior", "--repo", repo, "--keys", keys, "--out", out
    )
    assert (status, errors) == (
        3,
        f"hening-signer: The folder {out} is not there; make it, or correct --out.\n",
    )
    assert sorted((repo / "metadata").iterdir()) == before


def test_a_repository_is_not_begun_twice(run, repo, keys, online_file, tmp_path) -> None:
    """The sentence names the commands that change it."""
    (tmp_path / "public.json").write_bytes(online_file)
    status, _, errors = run(
        *("ceremony", "init", "--repo", repo, "--keys", keys, "--model", "armani"),
        *("--online", tmp_path / "public.json", "--propose", tmp_path / "first.json"),
    )
    assert status == 1
    assert "holds a repository already" in errors


def test_lifetimes_are_limited(run_json, at_once, repo) -> None:
    """Root says so, in words and in its `custom`."""
    changed = run_json("ceremony", "lifetimes", "codenames=120", *at_once)
    (root,) = changed["roles"]
    assert root["changes"] == ["A new version of a model's role may be valid for 120 days."]
    stated = json.loads((repo / "metadata" / "2.root.json").read_bytes())["signed"]["custom"]
    assert stated["lifetimes"]["codenames"] == 120


def test_a_model_is_reset(run_json, at_once, repo, now) -> None:
    """Root and the role in one proposal, which says what no longer counts."""
    changed = run_json("ceremony", "reset", "armani", "--counter", "0", *at_once)
    said = {role["role"]: role["changes"] for role in changed["roles"]}
    assert said.keys() == {"root", "armani"}
    moment = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    (sentence,) = said["root"]
    assert f"no counter above 0 and no time after {moment} counts any more" in sentence
    assert said["armani"][-1].startswith("Follows reset 1 of root")
    stated = json.loads((repo / "metadata" / "2.root.json").read_bytes())["signed"]["custom"]
    reset = {"counter": 0, "number": 1, "time": int(now.timestamp())}
    assert stated["resets"] == {"armani": reset}


def test_content_is_reset(run, run_json, at_once) -> None:
    """It has no counters; an earlier version can be listed again, one that is not there cannot."""
    changed = run_json("ceremony", "reset", "content", "--keep", "1", *at_once)
    assert [role["role"] for role in changed["roles"]] == ["root", "content"]
    for words, says in (
        (("content", "--counter", "1"), "has no counters"),
        (("content", "--keep", "9"), "no version 9 of content"),
        (("latest",), "has no resets"),
        (("armani",), "give --counter"),
    ):
        status, _, errors = run("ceremony", "reset", *words, *at_once)
        assert (status, says in errors) == (1, True), errors
