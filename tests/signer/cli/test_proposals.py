import shutil

import pytest
from tuf.api.metadata import Metadata

from server.core.bundle import decode_bundle
from signer.keys.keystore import Keystore
from tests.signer.conftest import PASSPHRASE


@pytest.fixture
def root(repo):
    """Return the root that the holders trust."""
    return repo / "metadata" / "1.root.json"


@pytest.fixture
def proposal(run, repo, holders, made_keys):
    """Propose to renew armani; the file is beside the holders' folders."""
    path = holders / "renewal.json"
    status, output, _ = run(
        *("ceremony", "renew", "armani", "--repo", repo, "--keys", made_keys),
        *("--note", "Expires in June.", "--propose", path),
    )
    assert status == 0
    assert f"to {path}. Next, each holder runs" in output
    return path


def test_sign_accept_submit(run, run_json, proposal, holders, repo, incoming, root) -> None:
    """Two holders sign, the proposal is accepted and submitted; each step can be repeated."""
    for holder in ("alice", "bob"):
        signed = run_json(
            *("ceremony", "sign", proposal, "--keys", holders / holder, "--root", root, "--yes"),
            *("--out", holders / f"{holder}.sig"),
        )
        number = 1 if holder == "alice" else 2
        assert signed["keys"] == [{"name": f"armani-{number}", "roles": ["armani"]}]
    signatures = (holders / "alice.sig", holders / "bob.sig")
    for _ in range(2):
        accepted = run_json("ceremony", "accept", proposal, *signatures, "--repo", repo)
        assert accepted["roles"] == [{"role": "armani", "version": 2}]
        submitted = run_json("ceremony", "submit", proposal, "--repo", repo, "--out", incoming)
        assert submitted["versions"] == {"armani": 2}
    (bundle,) = incoming.iterdir()
    listed = decode_bundle((bundle / "bundle.json").read_bytes())
    assert [(role.name, role.version) for role in listed.roles] == [("armani", 2)]
    status, output, _ = run("ceremony", "submit", proposal, "--repo", repo, "--out", incoming)
    assert (status, output.startswith("Submitted armani 2; bundle ")) == (0, True)


def test_review(run, proposal, holders, root) -> None:
    """It shows the changes, that no root was compared, and who has signed and can sign."""
    run(
        *("ceremony", "sign", proposal, "--keys", holders / "alice", "--root", root, "--yes"),
        *("--out", holders / "alice.sig"),
    )
    status, output, errors = run("ceremony", "review", proposal, holders / "alice.sig")
    assert (status, errors) == (0, "")
    lines = output.splitlines()
    assert lines[0] == "The root was not compared with one that you trust; --root does that."
    assert lines[2:] == [
        "Note: Expires in June.",
        "armani 2 replaces armani 1, expires on 2026-08-30.",
        "  To be signed by 2 of armani-1?, armani-2?.",
        "  Only the expiry changes.",
        "Names with a question mark are the proposer's; --keys shows your own.",
        "Signatures",
        "role    has     signed by  can still sign",
        "armani  1 of 2  armani-1?  armani-2?",
    ]
    _, output, _ = run("ceremony", "review", proposal, "--keys", holders / "bob")
    assert "To be signed by 2 of armani-1?, armani-2." in output  # bob's own name is believed


def test_review_as_json(run_json, proposal) -> None:
    """It has the same facts, with key ids instead of names."""
    result = run_json("ceremony", "review", proposal)
    assert result["note"] == "Expires in June."
    assert result["roles"][0]["replaces"] == 1
    assert [len(tally["waiting"]) for tally in result["signatures"]] == [2]


def test_sign_needs_yes_and_a_trusted_root(run, proposal, holders, root) -> None:
    """Without a root the proposal's past could be anyone's; the key folder remembers the root."""
    yes = ("ceremony", "sign", proposal, "--keys", holders / "alice", "--yes")
    status, _, errors = run(*yes, "--out", holders / "a.sig")
    assert (status, "Give --root ROOT.json" in errors) == (2, True)
    sign = ("ceremony", "sign", proposal, "--keys", holders / "alice", "--root", root)
    for more, sentence in (((), "no terminal to ask on"), (("--json",), "give --yes")):
        status, _, errors = run(*sign, "--out", holders / "a.sig", *more)
        assert (status, sentence in errors) == (2, True)
        assert not (holders / "a.sig").exists()
    other = Metadata.from_bytes(root.read_bytes())
    other.signed.unrecognized_fields["custom"]["more"] = 1
    store = Keystore(holders / "alice")
    key = store.load_public_key("root-1")
    other.signed.roles["root"].threshold = 1
    other.sign(store.load_signer(key, lambda _name: PASSPHRASE))
    (holders / "other.json").write_bytes(other.to_bytes())
    status, _, errors = run(*yes, "--root", holders / "other.json", "--out", holders / "a.sig")
    assert (status, "do not sign it" in errors) == (1, True)
    assert not (holders / "a.sig").exists()
    assert run(*yes, "--root", root, "--out", holders / "a.sig")[0] == 0
    assert run(*yes, "--out", holders / "b.sig")[0] == 0
    assert (holders / "a.sig").read_bytes() == (holders / "b.sig").read_bytes()


def test_wrong_kind_of_file_is_named(run, proposal, repo, root) -> None:
    """The message has the file's name and the reason."""
    status, _, errors = run("ceremony", "review", root)
    assert status == 1
    assert errors.startswith("hening-signer: 1.root.json is not a proposal, or was changed: ")
    status, _, errors = run("ceremony", "accept", proposal, proposal, "--repo", repo)
    assert status == 1
    assert errors.startswith("hening-signer: renewal.json: This is not a signature file")


def test_second_content_of_one_version_is_not_signed(run, proposal, repo, holders, root) -> None:
    """Another proposal for a signed version is refused without `--again`."""
    (holders / "old").mkdir()
    shutil.copytree(repo, holders / "old" / "repo")
    sign = ("ceremony", "sign", "--keys", holders / "alice", "--yes", "--root", root)
    assert run(*sign, proposal, "--out", holders / "a.sig")[0] == 0
    other = holders / "other.json"
    run("ceremony", "renew", "armani", "--repo", repo, "--propose", other, "--expires", "armani=99")
    status, _, errors = run(*sign, other, "--out", holders / "b.sig")
    assert (status, "You have signed another armani 2 before" in errors) == (1, True)
    assert not (holders / "b.sig").exists()
    assert run(*sign, other, "--out", holders / "b.sig", "--again")[0] == 0
    status, _, errors = run(*sign, proposal, "--out", holders / "c.sig")
    assert (status, "another armani 2" in errors) == (1, True)


def test_propose_first_repository(run, run_json, holders, online_file, proposal, root) -> None:
    """`ceremony init --propose` needs public halves only, and makes no folder.

    A first proposal has no past to compare, so keys in use do not sign it.
    """
    shutil.copytree(holders / "alice", holders / "used")
    (holders / "public").mkdir()
    for path in (each for holder in ("alice", "bob") for each in (holders / holder).glob("*.pub")):
        shutil.copy2(path, holders / "public")
    (holders / "public.json").write_bytes(online_file)
    init = (
        *("ceremony", "init", "--repo", holders / "new", "--keys", holders / "public"),
        *("--online", holders / "public.json", "--model", "armani"),
    )
    assert run(*init)[0] == 2
    first = holders / "first.json"
    proposed = run_json(*init, "--propose", first)
    assert [(role["role"], role["replaces"]) for role in proposed["roles"]][:2] == [
        ("root", 0),
        ("targets", 0),
    ]
    signatures = [holders / f"{holder}.sig" for holder in ("alice", "bob")]
    for holder, signed in zip(("alice", "bob"), signatures, strict=True):
        sign = ("ceremony", "sign", "--keys", holders / holder, "--yes")
        assert run(*sign, first, "--out", signed)[0] == 0
    assert not (holders / "new").exists()
    run_json("ceremony", "accept", first, *signatures, "--repo", holders / "new")
    assert {path.name for path in (holders / "new" / "metadata").iterdir()} == {
        f"1.{role}.json" for role in ("root", "targets", "armani", "content", "tables")
    }
    sign = ("ceremony", "sign", "--keys", holders / "used", "--yes")
    assert run(*sign, proposal, "--root", root, "--out", holders / "b.sig")[0] == 0
    status, _, errors = run(*sign, first, "--out", holders / "c.sig")
    assert (status, "begins another one" in errors) == (1, True)
