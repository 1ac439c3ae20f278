"""`latest` is split for a fleet that became too large: the split is proposed, signed and polled."""

from client_sim.persona import make_persona
from demo.phones import make_demo_phone
from fixtures.catalogue import Build
from tests.flows.conftest import CHANNEL

# By the table in docs/FORMATS.md section 2.
PART = "latest-a"
# `printf latest/armani/id/test | sha256sum` gives 39dbb66b…: latest-0 of 4, latest-3 of 16.
TEST = "armani/id/test"


def split(town, parts):
    """Propose, review, sign and submit a split; returns the proposal's estimate of its cost."""
    proposal, signed = town.folder / f"split-{parts}.json", town.folder / f"split-{parts}.sig"
    told = town.server(
        "rollout", "split", "--parts", str(parts), "--state", town.server_state,
        "--propose", proposal, "--json",
    )  # fmt: skip
    (review,) = town.signer("ceremony", "review", proposal, "--json")["roles"]
    root = town.repo / "metadata" / "1.root.json"
    town.signer(
        "ceremony", "sign", proposal, "--keys", town.keys, "--root", root, "--out", signed, "--yes"
    )
    town.signer("ceremony", "accept", proposal, signed, "--repo", town.repo)
    town.signer("ceremony", "submit", proposal, "--repo", town.repo, "--out", town.incoming)
    town.submitted += 1
    results = town.wait_for_results(town.submitted)
    assert {result["status"] for result in results} == {"published"}
    return told["remarks"], review


def asked(outcome):
    """Return which roles and proofs a poll requested."""
    roles = [path.split("/")[-1] for path in outcome.requests]
    return [name for name in roles if "latest" in name]


def test_split_twice(town):
    """A phone fetches and proves only its own part, and installs from it."""
    town.release(1)
    town.rollout("offer", "--share", "100%")
    phone = town.phone("walker")
    assert phone.poll().offer.counter
    remarks, review = split(town, 4)
    assert "1 pointers of 1 models" in remarks[0]
    assert "cannot be taken back" in remarks[-1]
    assert any("Splits latest into 4 parts" in change for change in review["changes"])
    assert any("cannot be taken back" in warning for warning in review["warnings"])

    outcome = phone.poll()
    assert asked(outcome) == ["1.latest-2.json", "latest-2.1"]
    assert phone.install() == Build("armani", "id", 1).incremental

    # A command for another channel in another part changes nothing that this phone fetches.
    edit = ("promote", CHANNEL, TEST, "--counter", str(outcome.offer.counter))
    town.signer("release", *edit, "--repo", town.repo, "--keys", town.keys, "--out", town.incoming)
    town.submitted += 1
    town.wait_for_results(town.submitted)
    town.server(
        "rollout", "offer", TEST, "--state", town.server_state, "--share", "100%",
        "--public-url", f"http://127.0.0.1:{town.port}", "--json",
    )  # fmt: skip
    outcome = phone.poll()
    assert outcome.changed
    assert asked(outcome) == []
    tester = make_demo_phone(
        town, "tester", Build("armani", "id", 0), make_persona(2), channel="test"
    )
    assert [name for name in asked(tester.poll()) if name.startswith("latest-0.")] != []

    split(town, 16)
    assert asked(phone.poll())[0].endswith(".latest-a.json")
    assert asked(tester.poll())[0].endswith(".latest-3.json")
    town.rollout("halt", "--reason", "en=Halted.")
    outcome = phone.poll()
    assert asked(outcome)[0].endswith(".latest-a.json")
    assert outcome.changed
    assert town.phone("late").poll().halted
    assert asked(tester.poll()) == []


def test_check_audit_mirror_and_rotation_of_split(town):
    """The server's own check, the log's audit, a mirror and a rotated key work with a split latest.

    The privacy lab does as well: see `test_dialects.py`.
    """
    town.release(1)
    town.rollout("offer", "--share", "100%")
    split(town, 16)
    state = town.server_state
    town.server("check", "--state", state, "--deep")
    memory, root = town.folder / "log.memory", town.repo / "metadata" / "1.root.json"
    town.signer(
        "log", "audit", "--mirror", state / "public", "--memory", memory, "--root", root, "--json"
    )
    town.server("export", "--state", state, "--out", town.folder / "mirror", "--json")
    assert (town.folder / "mirror/metadata" / f"1.{PART}.json").is_file()

    town.server("keys", "new", "latest", "--state", state)
    proposal, signed = town.folder / "online.json", town.folder / "online.sig"
    town.signer(
        "ceremony", "online", "--repo", town.repo, "--online", state / "keys" / "public.json",
        "--propose", proposal,
    )  # fmt: skip
    town.signer(
        "ceremony", "sign", proposal, "--keys", town.keys, "--root", root, "--out", signed, "--yes"
    )
    town.signer("ceremony", "accept", proposal, signed, "--repo", town.repo)
    town.signer("ceremony", "submit", proposal, "--repo", town.repo, "--out", town.incoming)
    town.submitted += 1
    assert {r["status"] for r in town.wait_for_results(town.submitted)} == {"published"}
    assert asked(town.phone("late").poll())[0].endswith(f".{PART}.json")
