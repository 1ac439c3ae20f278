import hashlib
import json
import re

import pytest

from fixtures.catalogue import find_build
from fixtures.signing import CERTIFICATE_FILE, KEYS
from signer.ota.inspect import inspect_ota

FACTORY = find_build("armani", "id", 0).fingerprint


@pytest.fixture
def plan_arguments(repo):
    """Return the arguments of `release plan` without packages."""
    return (
        *("release", "plan", "--repo", repo, "--certificate", CERTIFICATE_FILE),
        *("--region", "id", "--channel", "stable"),
    )


def test_plan(run_json, plan_arguments, zips, tmp_path, tree, keys) -> None:
    """A plan needs no key and changes nothing; it has counter, paths and verdicts."""
    before = tree(tmp_path)
    value = run_json(*plan_arguments, "--changelog", "en=One.", zips["first"])
    assert (value["counter"], value["refusals"], value["channel"]) == (1, [], "armani/id/stable")
    assert value["paths"] == ["armani/id/stable/armani-first.zip"]
    assert all(verdict["passed"] is not False for verdict in value["verdicts"])
    assert value["policy"] == {"factory_builds": [], "required_locales": []}
    assert value["ways"] == []
    assert tree(tmp_path) == before
    assert keys.exists()


def test_plan_lists_all_refusals(run, plan_arguments, zips, repo, tmp_path) -> None:
    """The status is 1, and an invalid package hides no other reason."""
    (repo / "policy.toml").write_text('required_locales = ["en", "id"]\n')
    cut = tmp_path / "armani-cut.zip"
    cut.write_bytes(zips["first"].read_bytes()[:1000])
    changes = ("--json", "--changelog", "en=<b>", "--min-counter", "1")
    status, output, errors = run(*plan_arguments, *changes, cut, zips["step"])
    value = json.loads(output)
    assert (status, errors.count("\n")) == (1, 1)
    refused = {(each["subject"], each["question"]) for each in value["verdicts"] if each["refusal"]}
    assert refused == {
        ("armani-cut.zip", "is a sound package"),
        ("armani-step.zip", "starts from known builds"),
        ("armani/id/stable", "has every required locale"),
        ("armani/id/stable", "has a changelog for en"),
        ("armani/id/stable", "has one stepping stone"),
        ("armani/id/stable", "has one full package"),
    }
    assert (len(value["refusals"]), value["error"]) == (6, value["refusals"][0])
    assert value["policy"]["required_locales"] == ["en", "id"]
    status, output, errors = run(*plan_arguments, cut)
    assert (status, output, errors.count("\n")) == (1, "", 1)


def test_plan_for_people(run, plan_arguments, zips) -> None:
    """Each package and the channel have a table, sorted by answer; upgrade paths follow."""
    arguments = (*plan_arguments, "--factory-build", "Hening/armani:14/0")
    status, output, errors = run(*arguments, zips["first"])
    assert (status, errors) == (0, "")
    lines = [line.split() for line in output.splitlines()]
    assert ["Verdicts", "on", "armani/id/stable"] in lines
    assert ["yes", "has", "a", "counter", "that", "grows"] in lines
    assert ["factory", "Hening/armani:14/0", "armani-first.zip"] in lines
    assert "required locales none; factory builds none; proof not required." in output
    status, output, errors = run(*plan_arguments, zips["step"])
    assert status == 1
    assert "Cannot be signed, for 2 reasons." in output
    table = output.partition("Verdicts on armani-step.zip\n")[2].partition("Verdicts on")[0]
    answers = re.findall(r"^(yes|not asked|no)  ", table, re.MULTILINE)
    assert list(dict.fromkeys(answers)) == ["yes", "not asked", "no"]
    assert answers[::-1].index("yes") == len(answers) - answers.count("yes")
    assert "armani-step.zip starts from Hening/" in errors


def test_plan_with_source(run, run_json, plan_arguments, sign_arguments, zips) -> None:
    """An incremental is compared with its source's full package, if that is given."""
    verified = ("--certificate", CERTIFICATE_FILE)
    run_json(*sign_arguments, *verified, zips["first"])
    both = (zips["second"], zips["step"])

    def answer(*arguments):
        value = run_json(*plan_arguments, *arguments)
        (found,) = [v for v in value["verdicts"] if v["question"].startswith("starts from the b")]
        return found["passed"], value["ways"]

    assert answer(*both)[0] is None
    passed, ways = answer("--source", zips["first"], *both)
    assert passed is True
    assert ways == [
        {"build": FACTORY, "counter": 1, "packages": ["armani/id/stable/armani-step.zip"]}
    ]
    status, _, errors = run(*plan_arguments, "--source", zips["second"], *both)
    assert status == 1
    assert "is the full package of no build that these packages could start from" in errors


def test_sign_follows_the_policy(run, run_json, sign_arguments, zips, repo) -> None:
    """Factory builds and required locales of policy.toml apply."""
    verified = ("--certificate", CERTIFICATE_FILE)
    policy = repo / "policy.toml"
    policy.write_text('required_locales = ["id"]\n')
    status, _, errors = run(*sign_arguments, *verified, zips["first"])
    assert (status, "no text for id" in errors) == (1, True)
    policy.write_text(f'[factory_builds]\narmani = ["{FACTORY}"]\n')
    signed = run_json(*sign_arguments, *verified, zips["second"], zips["step"])
    assert signed["counter"] == 1


def test_propose_release(run, run_json, sign_arguments, zips, tmp_path, tree) -> None:
    """Nothing is signed; a release that is listed already is not proposed."""
    arguments = [each for each in sign_arguments if each != "--out"]
    arguments.remove(tmp_path / "incoming")
    propose = (*arguments, "--certificate", CERTIFICATE_FILE, "--propose", tmp_path / "p.json")
    before = tree(tmp_path / "repo")
    value = run_json(*propose, zips["first"])
    assert [role["role"] for role in value["roles"]] == ["armani"]
    assert "armani/id/stable/armani-first.zip" in (tmp_path / "p.json").read_text()
    assert tree(tmp_path / "repo") == before
    run_json(*sign_arguments, "--certificate", CERTIFICATE_FILE, zips["first"])
    status, _, errors = run(*propose, zips["first"])
    assert (status, "there is nothing to sign" in errors) == (1, True)


def test_next_steps(run, sign_arguments, zips, incoming) -> None:
    """Beside a server an offer is suggested: of a first build to all, of later ones to a few.

    An offer keeps its packages, so a second one of the same build is not suggested.
    """
    sign = (*sign_arguments, "--certificate", CERTIFICATE_FILE)
    _, output, _ = run(*sign, zips["first"])
    *_, title, command, bundle = output.splitlines()
    assert title == "Next, submit it to the server:"
    assert command.startswith("  hening-signer release submit --to https://HOST:PORT ")
    assert bundle.strip() in map(str, incoming.iterdir())
    (incoming.parent / "trusted").mkdir()
    (incoming.parent / "trusted" / "root.json").touch()
    for name, whom, share in (("first", "all phones", 100), ("second", "1% of the phones", 1)):
        _, output, _ = run(*sign, zips[name])
        assert output.endswith(
            f"Next, offer it to {whom}:\n  hening-server rollout offer armani/id/stable"
            f" --state {incoming.parent} --share {share}%\n"
        )
    _, output, _ = run(*sign, zips["step"])
    assert "armani/id/stable offers counter 2 already, there is nothing to do" in output
    assert "Otherwise, offer it to 1% of the phones:\n" in output
    assert "Next, offer it" not in output


def test_sign_labels_csig_and_md5(run, run_json, sign_arguments, repo, zips, incoming) -> None:
    """Lineage's label adds the property files; the csig is in the bundle."""
    key = KEYS / "FIXTURE-ONLY-ota.key.pem"
    pair = ("--key", key, "--certificate", CERTIFICATE_FILE)
    status, output, errors = run("ota", "csig", *pair, zips["first"])
    assert (status, errors) == (0, "")
    csig = zips["first"].with_name("armani-first.zip.csig")
    assert output.startswith(f"armani-first.zip.csig has {csig.stat().st_size} bytes")
    signed = run_json(
        *(*sign_arguments, "--certificate", CERTIFICATE_FILE, "--md5", "--csig", csig),
        *("--label", "lineage.version=22.1", zips["first"]),
    )
    role = json.loads((repo / "metadata" / f"{signed['version']}.armani.json").read_bytes())
    (target,) = role["signed"]["targets"].values()
    facts = inspect_ota(zips["first"])
    assert target["custom"]["labels"] == {
        "lineage.property_files": facts.property_files,
        "lineage.version": "22.1",
        "md5": hashlib.md5(zips["first"].read_bytes()).hexdigest(),
    }
    sha256 = hashlib.sha256(csig.read_bytes()).hexdigest()
    assert target["custom"]["csig"] == {"length": csig.stat().st_size, "sha256": sha256}
    assert (incoming / signed["bundle"] / "blobs" / sha256).read_bytes() == csig.read_bytes()


def test_unknown_csig_and_malformed_label(run, sign_arguments, zips, tmp_path) -> None:
    """A csig is assigned by its package's name; a malformed label is wrong usage."""
    csig = tmp_path / "other.zip.csig"
    csig.write_bytes(b"x")
    arguments = (*sign_arguments, "--unverified", zips["first"])
    status, _, errors = run(*arguments, "--csig", csig)
    assert (status, "belongs to no package here" in errors) == (1, True)
    status, _, errors = run(*arguments, "--label", "Version=1")
    assert (status, "is not a label" in errors) == (2, True)
