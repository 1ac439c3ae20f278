"""`--repo`, `--keys` and `--out` are spared where variables or a `hening.toml` name the folders."""

import pytest


@pytest.fixture(autouse=True)
def at(repo, keys, incoming, tmp_path, monkeypatch):
    """Work in a folder whose `hening.toml` names all folders of the fixtures."""
    text = f'state = "{incoming.parent}"\nrepo = "{repo}"\nkeys = "{keys}"\n'
    (tmp_path / "hening.toml").write_text(text)
    (tmp_path / "hening.toml").chmod(0o644)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_change_is_signed_at_once(run, incoming):
    """With none of the three options; the bundle is in the state's `incoming`."""
    before = set(incoming.iterdir())
    status, _, errors = run("ceremony", "renew", "armani")
    assert (status, errors) == (0, "")
    assert len(set(incoming.iterdir()) - before) == 1


def test_a_proposal_goes_before_a_folder_that_is_only_a_default(run, at, incoming):
    """`--propose` and `--out` exclude each other on the command line alone."""
    before = set(incoming.iterdir())
    status, _, errors = run("ceremony", "renew", "armani", "--propose", "p.json")
    assert (status, errors) == (0, "")
    assert (at / "p.json").exists()
    assert set(incoming.iterdir()) == before
    more = ("--propose", "q.json", "--out", incoming)
    assert run("ceremony", "renew", "armani", *more)[0] == 2


def test_a_first_ceremony_is_proposed_likewise(run, at, online_file):
    """`ceremony init` has options of its own."""
    (at / "public.json").write_bytes(online_file)
    arguments = ("--repo", "new", "--online", "public.json", "--model", "dior")
    status, _, errors = run("ceremony", "init", *arguments, "--propose", "first.json")
    assert (status, errors) == (0, "")
    assert (at / "first.json").exists()


def test_an_api_goes_before_a_folder_that_is_only_a_default(run, incoming):
    """`--to` and `--out` exclude each other on the command line alone; here a token is missing."""
    run("ceremony", "renew", "armani", "--propose", "p.json")
    submit = ("ceremony", "submit", "p.json", "--to", "https://hening.example")
    status, _, errors = run(*submit)
    assert status != 0
    assert "--out" not in errors
    assert run(*submit, "--out", incoming)[0] == 2


def test_keys_say_what_they_sign(run, at, run_json) -> None:
    """`keys list` has the working folder without an option; what was taken is explained."""
    status, output, _ = run("--explain-settings")
    assert status == 0
    assert f"--out   incoming\n        from {at}/hening.toml" in output
    assert "signs" in run_json("keys", "list")["keys"][0]
    (at / "hening.toml").write_text((at / "hening.toml").read_text().replace("repo = ", "#"))
    (at / "hening.toml").write_text(f'{(at / "hening.toml").read_text()}repo = "new"\n')
    assert "signs" not in run_json("keys", "list")["keys"][0]


def test_the_next_step_spares_what_is_found(run, incoming, zips):
    """An offer without `--state`, as the server's command finds the same folder."""
    (incoming.parent / "trusted").mkdir()
    (incoming.parent / "trusted" / "root.json").touch()
    order = ("--region", "id", "--channel", "stable", "--unverified", zips["first"])
    _, output, _ = run("release", "sign", *order)
    assert output.endswith("  hening-server rollout offer armani/id/stable --share 100%\n")
