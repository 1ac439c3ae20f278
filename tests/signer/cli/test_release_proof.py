"""`--proof` of `release plan` and `release sign`, with reports of `hening-device prove`."""

import pytest

from client_sim.device.candidate import encode_proof
from client_sim.device.prove import Request, prove
from fixtures.signing import CERTIFICATE_FILE
from hening.version import find_version
from tests import package_drafts as drafts

VERIFIED = ("--certificate", CERTIFICATE_FILE)


@pytest.fixture
def report_on(tmp_path):
    """Return a function that proves a package and returns its report's path."""

    def call(package, source=None):
        request = Request(package, source, CERTIFICATE_FILE.read_bytes(), None, find_version())
        path = tmp_path / f"{package.stem}.proof.json"
        proof = prove(request, tmp_path / "phone", say=lambda _: None)
        path.write_bytes(encode_proof(proof))
        return path

    return call


@pytest.fixture
def plan(run, repo):
    """Return a function that plans packages and returns status, output and errors."""

    def call(*arguments):
        where = ("--repo", repo, "--region", "id", "--channel", "stable")
        return run("release", "plan", *where, *VERIFIED, *arguments)

    return call


@pytest.fixture
def lying(tmp_path):
    """Write a package that promises another image than its operations write."""
    draft = drafts.full()
    drafts.put(draft.partition, 7, drafts.info(drafts.OLD))
    path = tmp_path / "lying.zip"
    path.write_bytes(drafts.seal(draft).data)
    return path


def test_plan_with_refusing_proof(plan, report_on, lying, zips, tmp_path) -> None:
    """Without a report the question is open; the report of a wrong package refuses it."""
    status, output, errors = plan(lying)
    assert (status, errors) == (0, "")
    (line,) = [line for line in output.splitlines() if "installs on a phone" in line]
    assert "not asked" in line
    status, output, errors = plan("--proof", report_on(lying), lying)
    assert status == 1
    sentence = "A phone refuses lying.zip: The new product is not what the package promises."
    assert sentence in errors
    path = tmp_path / "x.json"
    path.write_text("{}\n")
    status, output, errors = plan("--proof", path, zips["first"])
    assert (status, output) == (1, "")
    assert "x.json is not a report of `hening-device prove`" in errors


def test_required_proofs(run, run_json, repo, sign_arguments, report_on, zips) -> None:
    """Nothing is signed without proofs of full package and incremental."""
    (repo / "policy.toml").write_text("require_proof = true\n")
    status, _, errors = run(*sign_arguments, *VERIFIED, zips["first"])
    assert status == 1
    assert "policy.toml requires a proof that armani-first.zip installs" in errors
    first, second = report_on(zips["first"]), report_on(zips["second"], zips["first"])
    step = report_on(zips["step"], zips["first"])
    signed = run_json(*sign_arguments, *VERIFIED, "--proof", first, zips["first"])
    assert signed["counter"] == 1
    signed = run_json(
        *sign_arguments, *VERIFIED, "--proof", step, "--proof", second, zips["step"], zips["second"]
    )
    assert signed["counter"] == 2
