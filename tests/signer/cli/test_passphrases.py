import os
from datetime import UTC, datetime

import pytest

from signer.cli.passphrases import Passphrases
from signer.cli.surroundings import Surroundings
from signer.errors import KeyStoreError
from signer.key_file import check_passphrase


@pytest.fixture
def terminal(monkeypatch):
    """Return a list of answers that somebody types, and the prompts that they saw."""
    answers, prompts = [], []

    def answer(prompt, *_more, **_named):
        prompts.append(prompt)
        return answers.pop(0)

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("click.termui.hidden_prompt_func", answer)
    return answers, prompts


def test_each_key_is_asked_for_and_an_empty_answer_repeats(terminal) -> None:
    """Three keys under two passphrases take two words and one enter key."""
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


def test_the_environment_serves_all_keys(passphrase) -> None:
    """Nobody is asked when the variable is set."""
    passphrases = Passphrases(None, {b"HENING_SIGNER_PASSPHRASE": passphrase})
    assert passphrases("root-1") == passphrases("root-2") == passphrases.choose("root-1") == passphrase


def test_a_descriptor_with_too_much_is_refused_and_not_cut() -> None:
    """Octets beyond the limit make the passphrase too long, not another one."""
    reader, writer = os.pipe()
    os.write(writer, b"x" * 2000)
    os.close(writer)
    chosen = Passphrases(reader, {}).choose("root-1")
    os.close(reader)
    with pytest.raises(KeyStoreError, match="octets; give one of 8 to 1023"):
        check_passphrase(chosen)


def test_octets_that_are_no_text_are_a_passphrase() -> None:
    """A passphrase is octets; nothing about it is decoded."""
    passphrases = Passphrases(None, {b"HENING_SIGNER_PASSPHRASE": b"\xff\xfe octets"})
    assert passphrases("root-1") == b"\xff\xfe octets"


def test_no_repr_shows_a_passphrase(passphrase) -> None:
    """What holds the passphrase does not show it in a debugger or a report of an error."""
    environment = {b"HENING_SIGNER_PASSPHRASE": passphrase}
    surroundings = Surroundings(datetime(2026, 6, 1, tzinfo=UTC), os.urandom, environment)
    shown = repr(surroundings) + repr(Passphrases(None, environment))
    assert passphrase.decode() not in shown
