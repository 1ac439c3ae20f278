"""`latest` is split for a fleet that became too large: the split is proposed, signed and polled."""

from client_sim.persona import make_persona
from demo.phones import make_demo_phone
from fixtures.catalogue import Build
from tests.flows.conftest import CHANNEL

# By the table in docs/FORMATS.md section 2.
PART = "latest-a"
# `printf latest/armani/id/test | sha256sum` gives 39dbb66b…: latest-0 of 4, latest-3 of 16.
TEST = "armani/id/test"


def split(stage, parts):
    """Propose, review, sign and submit a split; returns the proposal's estimate of its cost."""
    proposal, signed = stage.folder / f"split-{parts}.json", stage.folder / f"split-{parts}.sig"
    told = stage.server(
        "rollout", "split", "--parts", str(parts), "--state", stage.server_state,
        "--propose", proposal, "--json",
    )  # fmt: skip
    (review,) = stage.signer("ceremony", "review", proposal, "--json")["roles"]
    root = stage.repo / "metadata" / "1.root.json"
    stage.signer(
        "ceremony",
        "sign",
        proposal,
        "--keys",
        stage.keys,
        "--root",
        root,
        "--out",
        signed,
        "--yes",
    )
    stage.signer("ceremony", "accept", proposal, signed, "--repo", stage.repo)
    stage.signer("ceremony", "submit", proposal, "--repo", stage.repo, "--out", stage.incoming)
    stage.submitted += 1
    results = stage.wait_for_results(stage.submitted)
    assert {result["status"] for result in results} == {"published"}
    return told["remarks"], review


def asked(outcome):
    """Return which roles and proofs a poll requested."""
    roles = [path.split("/")[-1] for path in outcome.requests]
    return [name for name in roles if "latest" in name]


def test_split_twice(stage):
    """A phone fetches and proves only its own part, and installs from it."""
    stage.release(1)
    stage.rollout("offer", "--share", "100%")
    phone = stage.phone("walker")
    assert phone.poll().offer.counter
    remarks, review = split(stage, 4)
    assert "1 pointers of 1 models" in remarks[0]
    assert "cannot be taken back" in remarks[-1]
    assert any("Splits latest into 4 parts" in change for change in review["changes"])
    assert any("cannot be taken back" in warning for warning in review["warnings"])

    outcome = phone.poll()
    assert asked(outcome) == ["1.latest-2.json", "latest-2.1"]
    assert phone.install() == Build("armani", "id", 1).incremental

    # A command for another channel in another part changes nothing that this phone fetches.
    edit = ("promote", CHANNEL, TEST, "--counter", str(outcome.offer.counter))
    stage.signer(
        "release", *edit, "--repo", stage.repo, "--keys", stage.keys, "--out", stage.incoming
    )
    stage.submitted += 1
    stage.wait_for_results(stage.submitted)
    stage.server(
        "rollout", "offer", TEST, "--state", stage.server_state, "--share", "100%",
        "--public-url", f"http://127.0.0.1:{stage.port}", "--json",
    )  # fmt: skip
    outcome = phone.poll()
    assert outcome.changed
    assert asked(outcome) == []
    tester = make_demo_phone(
        stage, "tester", Build("armani", "id", 0), make_persona(2), channel="test"
    )
    assert [name for name in asked(tester.poll()) if name.startswith("latest-0.")] != []

    split(stage, 16)
    assert asked(phone.poll())[0].endswith(".latest-a.json")
    assert asked(tester.poll())[0].endswith(".latest-3.json")
    stage.rollout("halt", "--reason", "en=Halted.")
    outcome = phone.poll()
    assert asked(outcome)[0].endswith(".latest-a.json")
    assert outcome.changed
    assert stage.phone("late").poll().halted
    assert asked(tester.poll()) == []


def test_check_audit_mirror_and_rotation_of_split(stage):
    """The server's own check, the log's audit, a mirror and a rotated key work with a split latest.

    The privacy lab does as well: see `test_dialects.py`.
    """
    stage.release(1)
    stage.rollout("offer", "--share", "100%")
    split(stage, 16)
    state = stage.server_state
    stage.server("check", "--state", state, "--deep")
    memory, root = stage.folder / "log.memory", stage.repo / "metadata" / "1.root.json"
    stage.signer(
        "log", "audit", "--mirror", state / "public", "--memory", memory, "--root", root, "--json"
    )
    stage.server("export", "--state", state, "--out", stage.folder / "mirror", "--json")
    assert (stage.folder / "mirror/metadata" / f"1.{PART}.json").is_file()

    stage.server("keys", "new", "latest", "--state", state)
    proposal, signed = stage.folder / "online.json", stage.folder / "online.sig"
    stage.signer(
        "ceremony", "online", "--repo", stage.repo, "--online", state / "keys" / "public.json",
        "--propose", proposal,
    )  # fmt: skip
    stage.signer(
        "ceremony",
        "sign",
        proposal,
        "--keys",
        stage.keys,
        "--root",
        root,
        "--out",
        signed,
        "--yes",
    )
    stage.signer("ceremony", "accept", proposal, signed, "--repo", stage.repo)
    stage.signer("ceremony", "submit", proposal, "--repo", stage.repo, "--out", stage.incoming)
    stage.submitted += 1
    assert {r["status"] for r in stage.wait_for_results(stage.submitted)} == {"published"}
    assert asked(stage.phone("late").poll())[0].endswith(f".{PART}.json")
