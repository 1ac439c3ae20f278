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
def proposal(run, repo, desks, made_keys):
    """Propose to renew armani; the file lies in the folder of desks."""
    path = desks / "renewal.json"
    status, output, _ = run(
        *("ceremony", "renew", "armani", "--repo", repo, "--keys", made_keys),
        *("--note", "Expires in June.", "--propose", path),
    )
    assert status == 0
    assert f"to {path}. Next, each holder runs" in output
    return path


def test_a_proposal_goes_round(run, run_json, proposal, desks, repo, incoming, root) -> None:
    """Two holders sign apart, it is accepted, and handed over; every step can be repeated."""
    for holder in ("alice", "bob"):
        signed = run_json(
            *("ceremony", "sign", proposal, "--keys", desks / holder, "--root", root, "--yes"),
            *("--out", desks / f"{holder}.sig"),
        )
        number = 1 if holder == "alice" else 2
        assert signed["keys"] == [{"name": f"armani-{number}", "roles": ["armani"]}]
    signatures = (desks / "alice.sig", desks / "bob.sig")
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


def test_a_review_needs_the_file_only(run, proposal, desks, root) -> None:
    """What changes, in words; that no root was compared; who has signed and who can."""
    run(
        *("ceremony", "sign", proposal, "--keys", desks / "alice", "--root", root, "--yes"),
        *("--out", desks / "alice.sig"),
    )
    status, output, errors = run("ceremony", "review", proposal, desks / "alice.sig")
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
    _, output, _ = run("ceremony", "review", proposal, "--keys", desks / "bob")
    assert "To be signed by 2 of armani-1?, armani-2." in output  # bob's own name is believed


def test_a_review_for_machines(run_json, proposal) -> None:
    """The same facts, and key ids in place of names."""
    told = run_json("ceremony", "review", proposal)
    assert told["note"] == "Expires in June."
    assert told["roles"][0]["replaces"] == 1
    assert [len(tally["waiting"]) for tally in told["signatures"]] == [2]


def test_a_signature_needs_a_yes_and_a_known_root(run, proposal, desks, root) -> None:
    """Without one the past that the proposal tells is anybody's; the key folder remembers it."""
    yes = ("ceremony", "sign", proposal, "--keys", desks / "alice", "--yes")
    status, _, errors = run(*yes, "--out", desks / "a.sig")
    assert (status, "Give --root ROOT.json" in errors) == (2, True)
    sign = ("ceremony", "sign", proposal, "--keys", desks / "alice", "--root", root)
    for more, sentence in (((), "no terminal to ask on"), (("--json",), "give --yes")):
        status, _, errors = run(*sign, "--out", desks / "a.sig", *more)
        assert (status, sentence in errors) == (2, True)
        assert not (desks / "a.sig").exists()
    other = Metadata.from_bytes(root.read_bytes())
    other.signed.unrecognized_fields["custom"]["more"] = 1
    store = Keystore(desks / "alice")
    key = store.load_public_key("root-1")
    other.signed.roles["root"].threshold = 1
    other.sign(store.load_signer(key, lambda _name: PASSPHRASE))
    (desks / "other.json").write_bytes(other.to_bytes())
    status, _, errors = run(*yes, "--root", desks / "other.json", "--out", desks / "a.sig")
    assert (status, "do not sign it" in errors) == (1, True)
    assert not (desks / "a.sig").exists()
    assert run(*yes, "--root", root, "--out", desks / "a.sig")[0] == 0
    assert run(*yes, "--out", desks / "b.sig")[0] == 0
    assert (desks / "a.sig").read_bytes() == (desks / "b.sig").read_bytes()


def test_a_file_of_another_kind_is_named(run, proposal, repo, root) -> None:
    """With the reason, and without a traceback: among several files one wants to know which."""
    status, _, errors = run("ceremony", "review", root)
    assert status == 1
    assert errors.startswith("hening-signer: 1.root.json is not a proposal, or was changed: ")
    status, _, errors = run("ceremony", "accept", proposal, proposal, "--repo", repo)
    assert status == 1
    assert errors.startswith("hening-signer: renewal.json: This is not a signature file")


def test_two_contents_of_one_version_are_not_signed(run, proposal, repo, desks, root) -> None:
    """Another proposal for the same version, and one for an older one, are from an old state."""
    (desks / "old").mkdir()
    shutil.copytree(repo, desks / "old" / "repo")
    sign = ("ceremony", "sign", "--keys", desks / "alice", "--yes", "--root", root)
    assert run(*sign, proposal, "--out", desks / "a.sig")[0] == 0
    other = desks / "other.json"
    run("ceremony", "renew", "armani", "--repo", repo, "--propose", other, "--expires", "armani=99")
    status, _, errors = run(*sign, other, "--out", desks / "b.sig")
    assert (status, "You have signed another armani 2 before" in errors) == (1, True)
    assert not (desks / "b.sig").exists()
    assert run(*sign, other, "--out", desks / "b.sig", "--again")[0] == 0
    status, _, errors = run(*sign, proposal, "--out", desks / "c.sig")
    assert (status, "another armani 2" in errors) == (1, True)


def test_a_first_repository_is_proposed(run, run_json, desks, online_file, proposal, root) -> None:
    """`ceremony init --propose` needs public halves only, and makes no folder before acceptance.

    It has no past that could be compared, so it is not for keys in use.
    """
    shutil.copytree(desks / "alice", desks / "used")
    (desks / "public").mkdir()
    for path in (each for holder in ("alice", "bob") for each in (desks / holder).glob("*.pub")):
        shutil.copy2(path, desks / "public")
    (desks / "public.json").write_bytes(online_file)
    init = (
        *("ceremony", "init", "--repo", desks / "new", "--keys", desks / "public"),
        *("--online", desks / "public.json", "--model", "armani"),
    )
    assert run(*init)[0] == 2
    first = desks / "first.json"
    proposed = run_json(*init, "--propose", first)
    assert [(role["role"], role["replaces"]) for role in proposed["roles"]][:2] == [
        ("root", 0),
        ("targets", 0),
    ]
    signatures = [desks / f"{holder}.sig" for holder in ("alice", "bob")]
    for holder, signed in zip(("alice", "bob"), signatures, strict=True):
        sign = ("ceremony", "sign", "--keys", desks / holder, "--yes")
        assert run(*sign, first, "--out", signed)[0] == 0
    assert not (desks / "new").exists()
    run_json("ceremony", "accept", first, *signatures, "--repo", desks / "new")
    assert {path.name for path in (desks / "new" / "metadata").iterdir()} == {
        f"1.{role}.json" for role in ("root", "targets", "armani", "content", "tables")
    }
    sign = ("ceremony", "sign", "--keys", desks / "used", "--yes")
    assert run(*sign, proposal, "--root", root, "--out", desks / "b.sig")[0] == 0
    status, _, errors = run(*sign, first, "--out", desks / "c.sig")
    assert (status, "begins another one" in errors) == (1, True)
