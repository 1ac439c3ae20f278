"""`--repo`, `--keys` and `--out` are optional if variables or a `hening.toml` name the folders."""

import pytest


@pytest.fixture(autouse=True)
def folder(repo, keys, incoming, tmp_path, monkeypatch):
    """Work in a folder whose `hening.toml` names all folders of the fixtures."""
    text = f'state = "{incoming.parent}"\nrepo = "{repo}"\nkeys = "{keys}"\n'
    (tmp_path / "hening.toml").write_text(text)
    (tmp_path / "hening.toml").chmod(0o644)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_change_without_options(run, incoming):
    """The bundle is in the state's `incoming`."""
    before = set(incoming.iterdir())
    status, _, errors = run("ceremony", "renew", "armani")
    assert (status, errors) == (0, "")
    assert len(set(incoming.iterdir()) - before) == 1


def test_propose_overrides_default_out(run, folder, incoming):
    """`--propose` and `--out` exclude each other only on the command line."""
    before = set(incoming.iterdir())
    status, _, errors = run("ceremony", "renew", "armani", "--propose", "p.json")
    assert (status, errors) == (0, "")
    assert (folder / "p.json").exists()
    assert set(incoming.iterdir()) == before
    more = ("--propose", "q.json", "--out", incoming)
    assert run("ceremony", "renew", "armani", *more)[0] == 2


def test_init_propose_overrides_default_out(run, folder, online_file):
    """`ceremony init` has its own options."""
    (folder / "public.json").write_bytes(online_file)
    arguments = ("--repo", "new", "--online", "public.json", "--model", "dior")
    status, _, errors = run("ceremony", "init", *arguments, "--propose", "first.json")
    assert (status, errors) == (0, "")
    assert (folder / "first.json").exists()


def test_to_overrides_default_out(run, incoming):
    """`--to` and `--out` exclude each other only on the command line; here the token is missing."""
    run("ceremony", "renew", "armani", "--propose", "p.json")
    submit = ("ceremony", "submit", "p.json", "--to", "https://hening.example")
    status, _, errors = run(*submit)
    assert status != 0
    assert "--out" not in errors
    assert run(*submit, "--out", incoming)[0] == 2


def test_explain_settings(run, folder) -> None:
    """Each default is shown with its source."""
    status, output, _ = run("--explain-settings")
    assert status == 0
    assert f"--out   incoming\n        from {folder}/hening.toml" in output


def test_keys_list_uses_default_repo(folder, run_json) -> None:
    """Without an existing working folder the roles of keys are not shown."""
    assert "signs" in run_json("keys", "list")["keys"][0]
    (folder / "hening.toml").write_text(
        (folder / "hening.toml").read_text().replace("repo = ", "#")
    )
    (folder / "hening.toml").write_text(f'{(folder / "hening.toml").read_text()}repo = "new"\n')
    assert "signs" not in run_json("keys", "list")["keys"][0]


def test_next_step_omits_default_state(run, incoming, zips):
    """The suggested command has no `--state`, because the server's command finds it, too."""
    (incoming.parent / "trusted").mkdir()
    (incoming.parent / "trusted" / "root.json").touch()
    order = ("--region", "id", "--channel", "stable", "--unverified", zips["first"])
    _, output, _ = run("release", "sign", *order)
    assert output.endswith("  hening-server rollout offer armani/id/stable --share 100%\n")
