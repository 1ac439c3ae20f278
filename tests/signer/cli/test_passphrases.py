import os
from datetime import UTC, datetime

import click
import pytest

from signer.cli.passphrases import NEW_VARIABLE, Passphrases, passphrase_option
from signer.cli.runtime import Runtime
from signer.errors import EnvironmentFailedError, KeyStoreError
from signer.keys.key_file import check_passphrase


@pytest.fixture
def terminal(monkeypatch):
    """Return a list of typed answers, and a list of the prompts."""
    answers, prompts = [], []

    def answer(prompt, *_more, **_named):
        prompts.append(prompt)
        return answers.pop(0)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("click.termui.hidden_prompt_func", answer)
    return answers, prompts


def test_empty_answer_repeats_the_passphrase(terminal) -> None:
    """The second prompt says so, the first one does not."""
    answers, prompts = terminal
    answers += ["first passphrase", "", "second passphrase"]
    passphrases = Passphrases(None, {})
    assert [passphrases(name) for name in ("root-1", "root-2", "root-3")] == [
        b"first passphrase",
        b"first passphrase",
        b"second passphrase",
    ]
    assert "root-1" in prompts[0]
    assert "empty: as before" not in prompts[0]
    assert "empty: as before" in prompts[1]


def test_pin_has_its_own_prompt(terminal) -> None:
    """An empty answer never repeats a PIN."""
    answers, prompts = terminal
    answers += ["a passphrase", "1234", "", "b passphrase"]
    passphrases = Passphrases(None, {})
    names = ("root-1", "token drawer", "root-2", "root-3")
    assert [passphrases(name) for name in names] == [
        b"a passphrase",
        b"1234",
        b"a passphrase",
        b"b passphrase",
    ]
    assert "PIN of token drawer" in prompts[1]
    assert "empty" not in prompts[1]


def test_typed_passphrase_must_be_text(terminal) -> None:
    """The refusal does not show it, nor does its cause."""
    answers, _ = terminal
    answers.append("secret \udcff")
    with pytest.raises(click.UsageError, match="not text in this terminal") as caught:
        Passphrases(None, {})("root-1")
    assert caught.value.__suppress_context__


def test_passphrase_of_environment(passphrase) -> None:
    """It is used for all keys, need not be text, and is not shown."""
    secret = b"\xff\xfe bytes"
    found = Passphrases(None, {b"HENING_SIGNER_PASSPHRASE": secret})
    assert found("root-1") == found("root-2") == found.choose("root-1") == secret
    environment = {b"HENING_SIGNER_PASSPHRASE": passphrase}
    runtime = Runtime(datetime(2026, 6, 1, tzinfo=UTC), os.urandom, environment)
    shown = repr(runtime) + repr(Passphrases(None, environment))
    assert passphrase.decode() not in shown


def test_new_passphrase_is_typed_twice(terminal) -> None:
    """Both must agree; an empty answer repeats the former passphrase."""
    answers, prompts = terminal
    answers += ["", "first word", "first wrod", "first word", "first word", ""]
    answers += ["second word", "second word"]
    passphrases = Passphrases(None, {})
    assert [passphrases.choose(name) for name in ("root-1", "root-2", "root-3")] == [
        b"first word",
        b"first word",
        b"second word",
    ]
    assert answers == []
    assert "New passphrase of root-1" in prompts[0]
    assert "empty: as before" not in prompts[0]
    assert "New passphrase of root-2 (empty: as before)" in prompts[5]


def test_new_passphrase_with_wrong_length(terminal, capsys) -> None:
    """It is asked for again before it is repeated."""
    answers, prompts = terminal
    answers += ["2short", "w" * 1024, "long enough", "long enough"]
    assert Passphrases(None, {}).choose("root-1") == b"long enough"
    assert [prompt.split()[0] for prompt in prompts] == ["New", "New", "New", "Repeat"]
    sizes = ("6", "1024")
    assert capsys.readouterr().err.splitlines() == [
        f"The passphrase has {size} bytes; give one of 8 to 1023." for size in sizes
    ]


def test_pin_and_passphrase_are_separate(pipe) -> None:
    """A passphrase is never tried as PIN, because wrong PINs lock a token."""
    both = {b"HENING_SIGNER_PASSPHRASE": b"for files", b"HENING_SIGNER_PIN": b"1234"}
    assert Passphrases(None, both)("token drawer") == b"1234"
    assert Passphrases(None, both)("root-1") == b"for files"
    only = Passphrases(None, {b"HENING_SIGNER_PASSPHRASE": b"for files"})
    with pytest.raises(click.UsageError, match="for a token --pin-fd or HENING_SIGNER_PIN"):
        only("token drawer")
    passphrases = Passphrases(pipe(b"1234-1234\n"), {})
    assert passphrases("root-1") == b"1234-1234"
    with pytest.raises(click.UsageError, match="for a token --pin-fd or HENING_SIGNER_PIN"):
        passphrases("token drawer")
    passphrases = Passphrases(pipe(b"1234-1234\n"), {b"HENING_SIGNER_PIN": b"5678"})
    assert passphrases("root-1") == b"1234-1234"
    assert passphrases("token drawer") == b"5678"


@pytest.fixture
def pipe():
    """Return a function that gives the descriptor of a pipe with some bytes."""
    readers = []

    def make(data) -> int:
        reader, writer = os.pipe()
        os.write(writer, data)
        os.close(writer)
        readers.append(reader)
        return reader

    yield make
    for reader in readers:
        os.close(reader)


@pytest.fixture
def use():
    """Return a function that runs a command with options for secrets and returns the secrets."""

    def run(*arguments, environment=(), names=("root-1", "token drawer", "token shelf")):
        found = []

        @click.command()
        @passphrase_option
        def command(passphrase_fd: int | None) -> None:
            passphrases = Passphrases(passphrase_fd, dict(environment))
            found.extend(passphrases(name) for name in names)

        command.main([str(each) for each in arguments], standalone_mode=False)
        return found

    return run


def test_pin_descriptor(use, pipe) -> None:
    """It is read once for all tokens, and before the variable; an empty PIN is not tried."""
    environment = {b"HENING_SIGNER_PIN": b"of the variable", b"HENING_SIGNER_PASSPHRASE": b"words"}
    options = ("--passphrase-fd", pipe(b"for files\n"), "--pin-fd", pipe(b"1234\n"))
    assert use(*options, environment=environment) == [b"for files", b"1234", b"1234"]
    assert use("--pin-fd", pipe(b"1234"), environment=environment) == [b"words", b"1234", b"1234"]
    assert use(environment=environment) == [b"words", b"of the variable", b"of the variable"]
    environment = {b"HENING_SIGNER_PIN": b"5678"}
    for data in (b"", b"\n"):
        with pytest.raises(EnvironmentFailedError, match="nothing to read from --pin-fd"):
            use("--pin-fd", pipe(data), environment=environment, names=["token drawer"])
    with pytest.raises(
        EnvironmentFailedError, match=r"Nothing can be read from --pin-fd 987 \(Bad fil"
    ):
        use("--pin-fd", 987, environment=environment, names=["token drawer"])
    reader = pipe(b"words\n")
    with pytest.raises(click.UsageError, match="one file descriptor"):
        use("--passphrase-fd", reader, "--pin-fd", reader)


def test_invalid_descriptors(use, pipe) -> None:
    """Impossible and non-blocking descriptors are refused; a long passphrase is not cut."""
    for option in ("--passphrase-fd", "--pin-fd"):
        for number in (2**31, 99999999999, 10**40):
            with pytest.raises(click.BadParameter, match="not in the range"):
                use(option, number)
        message = f"Nothing can be read from {option} 2147483647"
        with pytest.raises(EnvironmentFailedError, match=message):
            use(option, 2**31 - 1, names=["token drawer"])
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with pytest.raises(EnvironmentFailedError, match="is non-blocking"):
        Passphrases(reader, {})
    os.close(reader)
    os.close(writer)
    with pytest.raises(KeyStoreError, match="bytes; give one of 8 to 1023"):
        check_passphrase(Passphrases(pipe(b"x" * 2000), {}).choose("root-1"))


def test_new_passphrase_variable() -> None:
    """The old passphrase is not used for it, and the message names the right option."""
    environment = {NEW_VARIABLE: b"new passphrase", b"HENING_SIGNER_PASSPHRASE": b"old one"}
    assert Passphrases(None, environment, NEW_VARIABLE).choose("root-1") == b"new passphrase"
    del environment[NEW_VARIABLE]
    with pytest.raises(click.UsageError, match="no terminal"):
        Passphrases(None, environment, NEW_VARIABLE).choose("root-1")
    with pytest.raises(EnvironmentFailedError, match="from --new-passphrase-fd 987"):
        Passphrases(987, {}, NEW_VARIABLE)
