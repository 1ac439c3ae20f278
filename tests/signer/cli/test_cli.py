import importlib.metadata
import os
import re
import subprocess
import sys

import click
import pytest

import signer.cli
from signer.cli import cli, main


def _commands(command=cli, path=()):
    yield path, command
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from _commands(child, (*path, name))


COMMANDS = {" ".join(path): path for path, _ in _commands()}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_an_example(name, run) -> None:
    """Every command explains itself, and its last paragraph can be copied."""
    status, output, errors = run(*COMMANDS[name], "--help")
    assert (status, errors) == (0, "")
    assert output.startswith("Usage: hening-signer")
    *_, last = output.rstrip().split("\n\n")
    example = " ".join(last.split())
    assert example.startswith(f"Example: hening-signer {name}".rstrip())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_is_a_command(name) -> None:
    """The options of an example exist and its required ones are given."""
    command = dict(_commands())[COMMANDS[name]]
    words = command.epilog.removeprefix("Example: hening-signer ").split(" ")
    target, rest = cli, words
    while isinstance(target, click.Group):
        target, rest = target.commands[rest[0]], rest[1:]
    given = {word for word in rest if word.startswith("--")}
    options = {name: option for option in target.params for name in option.opts}
    assert given <= set(options)
    required = {option.opts[0] for option in target.params if option.required}
    assert {each for each in required if each.startswith("--")} <= given


def test_every_option_says_what_it_is_for() -> None:
    """No option is left without a help text."""
    for path, command in _commands():
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, (path, option.name)


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("keys", "new"),
        ("keys", "new", "root-1"),
        ("keys", "list", "--keys"),
        ("release", "sign", "--counter", "0"),
        ("ota", "inspect", "/nonexistent.zip"),
    ],
)
def test_wrong_usage_is_2(arguments, run) -> None:
    """Wrong usage is explained on standard error."""
    status, output, errors = run(*arguments)
    assert (status, output) == (2, "")
    assert "Error: " in errors
    assert "Traceback" not in errors


def test_surroundings_that_fail_are_3(run, keys, monkeypatch) -> None:
    """A disk that is full is not the user's fault, and one sentence says so."""

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    status, output, errors = run("keys", "new", "--keys", keys, "dior-2")
    assert (status, output) == (3, "")
    assert errors == "No space left on device; mend that and run the command again.\n"


def test_a_file_in_the_way_is_3(run, tmp_path) -> None:
    """The sentence names the path."""
    (tmp_path / "file").write_bytes(b"")
    status, _, errors = run("keys", "new", "--keys", tmp_path / "file" / "keys", "dior-2")
    assert status == 3
    assert errors == (
        f"{tmp_path}/file/keys: Not a directory; mend that and run the command again.\n"
    )


def test_stopping_is_1(run, monkeypatch, made_keys) -> None:
    """Control-C ends a command with a sentence."""

    def stop(*_arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("signer.keystore.Keystore.load_public_keys", stop)
    status, _, errors = run("keys", "list", "--keys", made_keys)
    assert status == 1
    assert re.fullmatch(r"[A-Z][^\n]*\.\n", errors.lstrip("\n"))


def test_the_version_is_the_distribution_s(run) -> None:
    """The console script and the package agree."""
    _, output, _ = run("--version")
    assert importlib.metadata.version("hening") in output


def test_the_script_runs_as_a_process(tmp_path, passphrase) -> None:
    """Clock, environment and randomness of the real process are used, and its status comes out."""
    script = "import sys; from signer.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", script, "keys", "new", "--keys", tmp_path / "keys", "root-1"]
    environment = {**os.environ, "HENING_SIGNER_PASSPHRASE": passphrase.decode()}
    for status in (0, 1):
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert done.returncode == status
    assert done.stderr == (
        b"The key root-1 is there already; choose the next free number for its role.\n"
    )


def test_the_module_names_its_entry_point() -> None:
    """The console script of the distribution leads to `main`."""
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="hening-signer")
    assert script.load() is main is signer.cli.main
