"""Roles signed in a ceremony reach a real server over its API, even after a bundle was lost."""

import pytest

from demo.stage import StageError
from tests.flows.conftest import FlowStage, open_stage


class ApiStage(FlowStage):
    """A stage whose signers use only the server's API."""

    def open(self):
        """Start the server with an API; `place` is the address that the signers use."""
        state = ["--state", self.server_state]
        self.server("account", "add", "eka", "--role", "engineer", "--all-codenames", *state)
        token = self.folder / "token"
        token.touch(0o600)
        token.write_text(self.server("token", "create", "eka", "--label", "signer", *state))
        _, api = self.start("--api-port", "0", listens=2)
        self.place = ("--to", api.removesuffix("/api/v1"), "--token-file", token)
        self.wait_for_results(1)

    def renew(self, days):
        """Sign armani's next version in a ceremony; return the accepted proposal."""
        proposal, signed = (self.folder / f"{days}.{name}" for name in ("json", "sig"))
        self.signer(
            *("ceremony", "renew", "armani", "--expires", f"armani={days}"),
            *("--repo", self.repo, "--propose", proposal),
        )
        root = self.repo / "metadata" / "1.root.json"
        self.signer(
            *("ceremony", "sign", proposal, "--keys", self.keys, "--root", root),
            *("--out", signed, "--yes"),
        )
        self.signer("ceremony", "accept", proposal, signed, "--repo", self.repo)
        return proposal


@pytest.fixture(scope="module")
def stage(ceremony, programs, tmp_path_factory):
    """Open a stage with an API."""
    with open_stage(ApiStage, ceremony, tmp_path_factory.mktemp("api"), programs) as opened:
        yield opened


def test_submit_and_resubmit(stage):
    """`submit` sends one version and refuses another one after a gap; `resubmit` fills the gap."""
    proposal = stage.renew(91)
    for _ in range(2):
        told = stage.signer("ceremony", "submit", proposal, "--repo", stage.repo, *stage.place)
        (published,) = told["published"]
        assert (published["snapshot"], published["sent"]) == (2, 0)
    stage.renew(92)  # its bundle is lost
    proposal = stage.renew(93)
    with pytest.raises(StageError, match="armani 4 was submitted; 3 comes next"):
        stage.signer("ceremony", "submit", proposal, "--repo", stage.repo, *stage.place)
    told = stage.signer("ceremony", "resubmit", "armani=3", "--repo", stage.repo, *stage.place)
    assert [each["snapshot"] for each in told["published"]] == [3]
    assert {result["status"] for result in stage.wait_for_results(4)} == {"published", "refused"}
    public = stage.server_state / "public" / "metadata"
    for version in (2, 3, 4):
        name = f"{version}.armani.json"
        assert (public / name).read_bytes() == (stage.repo / "metadata" / name).read_bytes()
