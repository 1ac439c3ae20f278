"""Everything is made, also when it is stopped after any of its steps."""

import stat

import pytest
from tuf.api.metadata import Metadata

from server.places import Places
from signer.errors import Interrupted
from signer.quickstart.layout import Layout, load_unfinished, record_begin
from signer.quickstart.steps import make_all
from signer.release.policy import TeamPolicy, load_policy


@pytest.fixture
def layout(tmp_path):
    """Give the folders of a quickstart that has begun."""
    made = Layout(tmp_path / "rom", tmp_path / "second", "armani")
    record_begin(made)
    return made


@pytest.fixture(autouse=True)
def at_real_time(now, monkeypatch):
    """Let the server pin a root that is signed at the tests' moment."""
    monkeypatch.setattr("server.cli.state.now", lambda: now)


def test_one_person_can_sign_and_two_keys_are_root(layout, in_process):
    """Thresholds are 1; both root keys signed the first root, which the server trusts."""
    make_all(layout, "rom.example/log", in_process(), lambda _sentence: None)
    root = Metadata.from_file(str(layout.repo / "metadata" / "1.root.json"))
    targets = Metadata.from_file(str(layout.repo / "metadata" / "1.targets.json"))
    assert (root.signed.roles["root"].threshold, len(root.signed.roles["root"].keyids)) == (1, 2)
    assert len(root.signatures) == 2
    assert root.signed.roles["targets"].threshold == 1
    held = {name: role.threshold for name, role in targets.signed.delegations.roles.items()}
    assert held == {"armani": 1, "tables": 1, "content": 1, "latest": 1}
    trusted = layout.server / "trusted" / "root.json"
    assert trusted.read_bytes() == (layout.repo / "metadata" / "1.root.json").read_bytes()
    assert (layout.server / "keys" / "log-origin").read_text().strip() == "rom.example/log"
    assert len(list((layout.server / "incoming").iterdir())) == 1


def test_offline_keys_are_apart(layout, in_process):
    """Their folders are the owner's alone, and the second root key is in its own only."""
    make_all(layout, None, in_process(), lambda _sentence: None)
    for folder in (layout.keys, layout.second, layout.out):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert sorted(path.stem for path in layout.keys.glob("*.key")) == sorted(layout.key_names)
    assert [path.stem for path in layout.second.glob("*.key")] == ["root-2"]
    assert list(layout.server.rglob("*.key")) == []


def test_its_settings_file_and_policy_are_taken(layout, in_process):
    """As every command will read them."""
    make_all(layout, None, in_process(), lambda _sentence: None)
    places = Places({}, layout.out, layout.out.stat().st_uid)
    assert [(layout.out / places.find(name).path) for name in ("state", "repo", "keys")] == [
        layout.server,
        layout.repo,
        layout.keys,
    ]
    assert load_policy(layout.repo) == TeamPolicy(require_proof=True)


def test_it_goes_on_after_a_stop_at_any_step(layout, in_process):
    """A run that was stopped after one program more each time ends with one set of keys."""
    steps, keys = 0, {}
    while True:
        runner = in_process(steps)
        try:
            make_all(layout, None, runner, lambda _sentence: None)
            break
        except Interrupted:
            assert load_unfinished(layout.out) == layout
            for path in [*layout.keys.glob("*.pub"), *layout.second.glob("*.pub")]:
                assert keys.setdefault(path, path.read_bytes()) == path.read_bytes()
        steps += 1
    assert steps > 3
    assert load_unfinished(layout.out) is None
    assert layout.settings.exists()
    assert len(list((layout.server / "incoming").iterdir())) == 1
