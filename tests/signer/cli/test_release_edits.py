import json
import re

import pytest
from click.shell_completion import ShellComplete

from fixtures.build import build_zip
from fixtures.catalogue import find_build
from server.core.bundle import decode_bundle
from signer.cli import cli

VERIFIED = ("--unverified",)
STEP = "armani/id/stable/armani-step.zip"
FACTORY = find_build("armani", "id", 0).fingerprint


@pytest.fixture
def released(run_json, sign_arguments, zips):
    """Sign both builds of armani, the second with its incremental."""
    run_json(*sign_arguments, *VERIFIED, zips["first"])
    run_json(*sign_arguments, *VERIFIED, zips["second"], zips["step"])


@pytest.fixture
def current(repo):
    """Return a function that reads the newest version of armani's role."""

    def read():
        files = (repo / "metadata").glob("*.armani.json")
        newest = max(files, key=lambda path: int(path.name.partition(".")[0]))
        return json.loads(newest.read_bytes())["signed"]

    return read


def withdrawn(role):
    """Return the withdrawn paths."""
    return [path for path, each in role["targets"].items() if each["custom"]["withdrawn"]]


@pytest.mark.usefixtures("released")
def test_withdraw_incremental(run, run_json, destination, current, incoming) -> None:
    """The bundle has no package; repeating it submits it again, and reports a late drain."""
    status, output, errors = run("release", "withdraw", *destination, STEP)
    assert (status, errors) == (0, "")
    assert withdrawn(current()) == [STEP]
    assert current()["version"] == 4
    bundles = {path.name for path in incoming.iterdir()}
    sentence = f"{STEP} was withdrawn before, and a drain cannot be added or lengthened later"
    for more, start in (((), ""), (("--drain",), sentence)):
        status, output, _ = run("release", "withdraw", *destination, *more, STEP)
        assert (status, output[: len(start)]) == (0, start)
        assert "armani 4 has this change already; submitted again as bundle" in output
        assert {path.name for path in incoming.iterdir()} == bundles
    (remark,) = run_json("release", "withdraw", *destination, "--drain", STEP)["remarks"]
    assert remark.startswith(sentence)
    newest = next(
        bundle
        for path in incoming.iterdir()
        if (bundle := decode_bundle((path / "bundle.json").read_bytes())).roles[0].version == 4
    )
    assert newest.blobs == []


def test_withdraw_stepping_stone(run, run_json, sign_arguments, zips, destination) -> None:
    """The output says that no phone reaches the newest build."""
    run_json(*sign_arguments, *VERIFIED, zips["first"])
    run_json(*sign_arguments, *VERIFIED, "--min-counter", 1, zips["second"])
    status, output, _ = run(
        "release", "withdraw", *destination, "--counter", "1", "armani/id/stable"
    )
    assert status == 0
    assert output.startswith("From then on armani/id/stable has no release from which")


@pytest.mark.usefixtures("released")
def test_drain(run_json, destination, current, repo, now):
    """The policy or the option gives the days."""
    for policy, more, days in (
        ("", (), 7),
        ("drain_days = 3", (), 3),
        ("drain_days = 3", ("--drain-days", 1), 1),
    ):
        (repo / "policy.toml").write_text(policy)
        run_json("release", "withdraw", *destination, "--counter", "2", "--drain", *more, "armani")
        until = {each["custom"].get("drain_until") for each in current()["targets"].values()}
        assert until == {None, int(now.timestamp()) + days * 86400}


@pytest.mark.usefixtures("released")
def test_retire(run, run_json, destination, current, repo) -> None:
    """It ends a drain, which the list shows, and can be repeated."""
    run_json("release", "withdraw", *destination, "--drain", "--drain-days", 1, STEP)
    _, output, _ = run("release", "list", "--repo", repo, "--codename", "armani")
    _, *rows = re.split("^armani/", output, flags=re.MULTILINE)
    assert " ".join(rows[0].split()) == (
        f"id/stable/armani-first.zip counter 1 from any type full build {FACTORY} withdrawn no"
    )
    assert rows[2].endswith("yes, served until 2026-06-02 12:00:00 UTC\n")
    status, output, _ = run("release", "retire", *destination, "armani")
    assert status == 0
    assert output.startswith(
        f"{STEP} was still served for downloads in progress; it is now removed immediately.\n"
    )
    assert (current()["targets"], current()["custom"]["floor"]) == ({}, 3)
    assert run("release", "retire", *destination, "armani")[0] == 0


@pytest.mark.usefixtures("released")
def test_shell_completion(repo, tmp_path):
    """It offers channels of signed releases that match the other options."""
    completion = ShellComplete(cli, {}, "hening-signer", "")

    def offered(words, begun="", folder=repo):
        line = [*words[:2], "--repo", str(folder), *words[2:]]
        return [item.value for item in completion.get_completions(line, begun)]

    assert offered(["release", "promote"], "arm") == ["armani/id/stable"]
    assert offered(["release", "promote"], "arm", tmp_path / "none") == []
    for words, parts in (
        (["release", "sign", "--codename"], ["armani"]),
        (["release", "sign", "--region"], ["id"]),
        (["release", "sign", "--region", "id", "--channel"], ["stable"]),
        (["release", "sign", "--region", "eu", "--channel"], []),
        (["release", "list", "--codename"], ["armani"]),
    ):
        assert offered(words) == parts


@pytest.mark.usefixtures("released")
def test_promote(run, destination, current) -> None:
    """Packages that are left out are named."""
    stable, beta = "armani/id/stable", "armani/id/beta"
    status, output, _ = run("release", "promote", *destination, "--counter", "2", stable, beta)
    assert status == 0
    assert f"{STEP} is not promoted: it starts from" in output
    targets = current()["targets"]
    assert targets[f"{beta}/armani-second.zip"] == targets[f"{stable}/armani-second.zip"]
    assert f"{beta}/armani-step.zip" not in targets


@pytest.mark.usefixtures("released")
def test_prune(run, run_json, destination, current, repo, sign_arguments, tmp_path) -> None:
    """The policy or the option gives the number; incrementals to withdraw are named."""
    builds = [find_build("armani", "id", number) for number in range(3)]
    for name, source in (("third", None), ("next", builds[1])):
        (tmp_path / f"armani-{name}.zip").write_bytes(build_zip(builds[2], source))
        run_json(*sign_arguments, *VERIFIED, tmp_path / f"armani-{name}.zip")
    status, output, _ = run("release", "prune", *destination, "--keep", "1", "armani")
    assert status == 0
    assert "Packages removed: 0. Floor: 0." in output
    assert (
        f"The floor could rise to 2 if these incrementals of older builds were withdrawn first:"
        f" {STEP}.\n"
    ) in output
    run_json("release", "withdraw", *destination, STEP)
    (repo / "policy.toml").write_text("keep_builds = 1\n")
    status, output, _ = run("release", "prune", *destination, "armani")
    assert "Packages removed: 1. Floor: 2." in output
    assert current()["custom"]["floor"] == 2
    stable = "armani/id/stable/armani-{}.zip"
    assert [*current()["targets"]] == [
        stable.format(x) for x in ("next", "second", "step", "third")
    ]
    (listed,) = run_json("release", "list", "--repo", repo, "--codename", "armani")["models"]
    assert listed["floor"] == 2
    assert "builds below 2 are removed" in run("release", "list", "--repo", repo)[1]


@pytest.mark.usefixtures("released")
def test_propose_edits(run, run_json, repo, tmp_path, tree) -> None:
    """`--propose` signs nothing; a change that is there already is not proposed."""

    def propose(name):
        return ("--repo", repo, "--propose", tmp_path / f"{name}.json")

    before, channels = tree(repo), ("armani/id/stable", "armani/id/beta")
    run_json("release", "withdraw", *propose("withdrawal"), STEP)
    run_json("release", "retire", *propose("retirement"), "armani")
    run_json("release", "promote", *propose("promotion"), "--counter", 1, *channels)
    assert tree(repo) == before
    status, _, errors = run("release", "prune", *propose("pruning"), "armani")
    assert (status, "nothing to propose" in errors) == (1, True)


@pytest.mark.usefixtures("released")
def test_refused_edit_changes_nothing(run, destination, tmp_path, tree) -> None:
    """There is one sentence on standard error; a reserved name is wrong usage."""
    before, promote = tree(tmp_path), ("promote", "armani/id/stable")
    for words, status, sentence in (
        (("withdraw", "armani/id/stable/none.zip"), 1, ""),
        (("withdraw", "--counter", 9, "armani"), 1, ""),
        (("withdraw", "--drain-days", "3", STEP), 2, "give --drain, too"),
        ((*promote, "armani/id/beta", "--counter", 9), 1, ""),
        ((*promote, "armani/eu/stable", "--counter", 2), 1, "cannot go to armani/eu"),
        ((*promote, "armani/id", "--counter", 2), 2, "CODENAME/REGION/CHANNEL"),
        (("retire", "tables"), 2, ""),
    ):
        found, _, errors = run("release", *words, *destination)
        assert (found, errors[-2:], sentence in errors) == (status, ".\n", True)
        assert tree(tmp_path) == before
