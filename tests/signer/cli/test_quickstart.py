"""The command `quickstart`: prompts, refusals and output."""

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata

from signer.quickstart.layout import load_unfinished
from signer.quickstart.steps import describe_raise
from tests.patience import PATIENCE
from tests.signer.in_process import InProcess

START = ("quickstart", "--model", "armani", "--out", "rom")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch, now):
    """Work in an empty folder with its own home; programs run in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("server.cli.state.now", lambda: now)
    monkeypatch.setattr(
        "signer.quickstart.steps.make_runner", lambda passphrase: InProcess(now, passphrase)
    )
    return tmp_path / "home"


def test_output_and_next_steps(run, tmp_path, home, tree) -> None:
    """Lines have at most 80 columns except for paths; a second run changes nothing."""
    status, output, errors = run(*START)
    assert (status, errors) == (0, "")
    summary = output[output.index("rom is ready") :]
    assert f"\n  {home}/rom-second-root\n" in summary
    assert "One signature is enough for every role." in summary
    assert "It is on the same disk now: move it to another" in summary
    assert "hening-server rollout offer armani/id/stable --share 100%" in summary
    assert [line for line in summary.splitlines() if len(line) > 80 and "/" not in line] == []
    assert (tmp_path / "rom" / "hening.toml").exists()
    before = tree(tmp_path)
    status, output, errors = run(*START)
    assert (status, output) == (1, "")
    assert "rom/keys is not empty, and keys are never made over others" in errors
    assert tree(tmp_path) == before


def test_output_as_json(run_json, tmp_path):
    """The output has the paths."""
    made = run_json(*START, "--second-root", tmp_path / "stick")
    assert made["second_root"] == str(tmp_path / "stick")
    assert made["keys"] == "rom/keys"


def test_raise_thresholds(run, tmp_path, monkeypatch):
    """After the described commands and two signatures, each role needs two signatures."""
    assert run(*START)[0] == 0
    new = ("keys", "new", "--keys", tmp_path / "bea", "--holder", "bea")
    assert run(*new, "root-3", "targets-2", "tables-2", "armani-2")[0] == 0
    for path in (tmp_path / "bea").glob("*.pub"):
        (tmp_path / "rom" / path.name).write_bytes(path.read_bytes())
    monkeypatch.chdir(tmp_path / "rom")
    for line in "\n".join(describe_raise("armani")).replace("\\\n", "").splitlines():
        program, *words = shlex.split(line)
        assert program == "hening-signer"
        status, _, errors = run(*words)
        assert (status, errors) == (0, "")
    root = tmp_path / "rom" / "repo" / "metadata" / "1.root.json"
    for keys in ("keys", tmp_path / "bea"):
        more = ("--root", root, "--out", f"{keys}.sig", "--yes")
        assert run("ceremony", "sign", "two.json", "--keys", keys, *more)[0] == 0
    signed = ("keys.sig", f"{tmp_path / 'bea'}.sig")
    assert run("ceremony", "accept", "two.json", *signed)[0] == 0
    now_root = Metadata.from_file(str(root.with_name("2.root.json"))).signed
    targets = Metadata.from_file(str(root.with_name("2.targets.json"))).signed
    assert {now_root.roles[name].threshold for name in ("root", "targets")} == {2}
    assert {targets.delegations.roles[name].threshold for name in ("tables", "armani")} == {2}


def test_recovery_with_second_root_key(run, tmp_path, home):
    """It replaces all lost keys, with the public files of the first disk."""
    assert run(*START)[0] == 0
    shutil.rmtree(tmp_path / "rom" / "keys")
    repo, keys, second = tmp_path / "rom" / "repo", tmp_path / "new", home / "rom-second-root"
    root = Metadata.from_file(str(repo / "metadata" / "1.root.json")).signed
    targets = Metadata.from_file(str(repo / "metadata" / "1.targets.json")).signed
    held = {name: root.roles[name].keyids for name in ("root", "targets")}
    held |= {
        name: targets.delegations.roles[name].keyids for name in ("tables", "content", "armani")
    }
    kept = json.loads((second / "root-2.pub").read_text())["public"]
    lost = [
        f"--remove={role}:{keyid}"
        for role, keyids in held.items()
        for keyid in keyids
        if root.keys.get(keyid) is None or root.keys[keyid].keyval["public"] != kept
    ]
    made = ("root-3", "targets-2", "tables-2", "content-2", "armani-2")
    assert run("keys", "new", "--keys", keys, *made)[0] == 0
    change = (*(f"--add={name}" for name in made), *lost, "--propose", "new.json")
    assert run("ceremony", "holders", "--repo", repo, "--keys", keys, *change)[0] == 0
    more = ("--root", repo / "metadata" / "1.root.json", "--yes", "--out")
    for folder in (keys, second):
        status, _, errors = run(
            "ceremony", "sign", "new.json", "--keys", folder, *more, f"{folder}.sig"
        )
        assert (status, errors) == (0, "")
    signed = [f"{folder}.sig" for folder in (keys, second)]
    status, _, errors = run("ceremony", "accept", "new.json", *signed, "--repo", repo)
    assert (status, errors) == (0, "")
    assert (repo / "metadata" / "2.armani.json").exists()


def test_refused_quickstart_leaves_nothing(run, tmp_path, tree) -> None:
    """Errors are found before a passphrase is asked for and a key is made."""
    status, output, errors = run(*START, "--model", "dior")
    assert (status, output) == (2, "")
    assert "A quickstart is for one model." in errors
    assert "`hening-signer keys new dior-1` and `hening-signer ceremony model dior`" in errors
    assert not (tmp_path / "rom").exists()
    status, _, errors = run(*START, environment={b"HENING_SIGNER_PASSPHRASE": b"short"})
    assert status == 1
    assert "8 to 1023" in errors
    assert tree(tmp_path) == {}
    (tmp_path / "file").touch()
    before = tree(tmp_path)
    for words, status, sentence in (
        (("--log-origin", "My Log"), 2, "'My Log' cannot name a log"),
        (("--second-root", "/proc/second"), 3, "/proc/second cannot be made or written"),
        (("--second-root", "file/second"), 3, "Choose another folder with --second-root."),
    ):
        got, output, errors = run(*START, *words, environment={})
        assert (got, output, sentence in errors) == (status, "", True)
        assert tree(tmp_path) == before


def test_prompts(run, monkeypatch, tmp_path):
    """The passphrase is typed twice; the suggested folder is accepted with the enter key."""
    typed, asked = ["another word", "one passphrase", "one passphrase"], []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(
        "click.termui.hidden_prompt_func", lambda prompt: asked.append(prompt) or typed.pop(0)
    )
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda _prompt: "")
    typed.insert(1, "something else")
    assert run(*START, environment={})[0] == 0
    assert len(asked) == 4
    assert (tmp_path / "home" / "rom-second-root" / "root-2.key").exists()


def test_interrupted_quickstart_is_completed(run, monkeypatch, now):
    """The message says so; another passphrase or model is refused."""
    with monkeypatch.context() as patch:
        patch.setattr(
            "signer.quickstart.steps.make_runner", lambda passphrase: InProcess(now, passphrase, 2)
        )
        status, _, errors = run(*START)
    assert status == 130
    assert "Stopped; rom is unfinished: run the same command again to continue" in errors
    wrong = {b"HENING_SIGNER_PASSPHRASE": b"not the passphrase"}
    assert "passphrase is wrong" in run(*START, environment=wrong)[2]
    other = ("quickstart", "--model", "dior", "--out", "rom")
    assert "unfinished quickstart of armani" in run(*other)[2]
    assert run(*START)[0] == 0


def test_failed_step(run, monkeypatch, now):
    """The program's message is followed by how to go on."""
    monkeypatch.setattr(
        "signer.quickstart.steps.make_runner", lambda _given: InProcess(now, b"short")
    )
    status, _, errors = run(*START)
    assert status == 1
    assert errors.splitlines()[-1].endswith(
        "rom is unfinished: run the same command again to continue, or remove keys, repo, server"
        f" and unfinished in rom, and {Path.home()}/rom-second-root."
    )


def test_termination_is_an_interruption(forked):
    """The message says how to go on, and the status is 130."""
    program = "import sys; from signer.cli import main; sys.exit(main())"
    process = subprocess.Popen(
        [*forked, program, *START, "--second-root", "second"],
        env={**os.environ, "HENING_SIGNER_PASSPHRASE": "correct horse battery staple"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "Making the server's online keys.\n"
    process.terminate()
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "hening-signer: Stopped; rom is unfinished: run the same command again" in errors
    assert load_unfinished(Path("rom")) is not None
