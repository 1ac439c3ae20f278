"""`--state` is optional if a variable or a `hening.toml` names the folder."""

import json

import pytest


@pytest.fixture(autouse=True)
def at(world, tmp_path, monkeypatch):
    """Work in a subfolder of a folder whose `hening.toml` names the state."""
    assert world.folder.root == tmp_path / "state"
    (tmp_path / "below").mkdir()
    (tmp_path / "hening.toml").write_text('state = "state"\n')
    (tmp_path / "hening.toml").chmod(0o644)
    monkeypatch.chdir(tmp_path / "below")
    return tmp_path


def test_hening_toml_replaces_the_option(run):
    """With `hening.toml`, `--state` can be omitted, even in a subfolder."""
    status, out, err = run("rollout", "show", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)[0]["channel"] == "armani/id/stable"


def test_option_precedes_variable_and_file(run, monkeypatch):
    """The option takes precedence over the variable, and that over the file."""
    monkeypatch.setenv("HENING_STATE", "by-variable")
    assert "no server state in by-variable" in run("rollout", "show")[2]
    assert "no server state in by-option" in run("rollout", "show", "--state", "by-option")[2]


def test_missing_state_is_a_usage_error(run, at):
    """Without any of them, the usage error lists the ways to name the state."""
    (at / "hening.toml").unlink()
    status, _, err = run("rollout", "show")
    assert status == 2
    assert "Missing option '--state': give it, set HENING_STATE, or work in a folder with" in err


def test_unsafe_file_is_a_usage_error(run, at):
    """An unsafe file is a usage error, unless the command does not need it."""
    (at / "hening.toml").chmod(0o666)
    status, _, err = run("rollout", "show")
    assert status == 2
    assert f"{at / 'hening.toml'} is not used, because others can write it" in err
    assert run("rollout", "show", "--state", at / "state")[0] == 0


def test_option_variables_are_not_settings(run, at, monkeypatch):
    """`HENING_REPO` and the others belong to the options; other unknown names are errors."""
    for name in ("HENING_STATE", "HENING_REPO", "HENING_KEYS"):
        monkeypatch.setenv(name, str(at / "state"))
    assert run("check")[0] == 0
    monkeypatch.setenv("HENING_REPOS", "x")
    assert "repos" in run("check")[2]


def test_explicit_export_precedes_the_default_state(run, at):
    """`audit-log verify --export` works although `hening.toml` names a state folder, too."""
    exported = run("audit-log", "export")[1]
    (at / "audit-log.jsonl").write_text(exported)
    status, out, err = run("audit-log", "verify", "--export", at / "audit-log.jsonl")
    assert (status, err) == (0, "")
    assert "as they were recorded" in out


def test_explain_settings(run, at, monkeypatch):
    """Each folder is shown with the variable or file that names it."""
    monkeypatch.setenv("HENING_KEYS", "/media/keys")
    status, out, err = run("--explain-settings")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"--state {at}/state",
        f"        from {at}/hening.toml",
        "--repo  no folder: give the option",
        "--keys  /media/keys",
        "        from HENING_KEYS",
        f"--out   {at}/state/incoming",
        f"        from {at}/hening.toml",
        "An option takes precedence over a variable, and a variable over hening.toml.",
    ]
