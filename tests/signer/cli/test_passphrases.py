import os
from datetime import UTC, datetime

import click
import pytest

from signer.cli.passphrases import NEW_VARIABLE, Passphrases
from signer.cli.surroundings import Surroundings
from signer.errors import KeyStoreError
from signer.keys.key_file import check_passphrase


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
    assert (
        passphrases("root-1") == passphrases("root-2") == passphrases.choose("root-1") == passphrase
    )


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


def test_new_keys_are_asked_for_one_by_one(terminal) -> None:
    """Each new passphrase is typed twice, until both agree; an empty answer repeats the last."""
    answers, prompts = terminal
    answers += ["", "first word", "first wrod", "first word", "first word", "", "2nd", "2nd"]
    passphrases = Passphrases(None, {})
    assert [passphrases.choose(name) for name in ("root-1", "root-2", "root-3")] == [
        b"first word",
        b"first word",
        b"2nd",
    ]
    assert answers == []
    assert "New passphrase of root-1" in prompts[0]
    assert "empty: as before" not in prompts[0]
    assert "New passphrase of root-2 (empty: as before)" in prompts[5]


def test_a_pin_is_asked_for_by_its_token(terminal) -> None:
    """It is never repeated from a passphrase, nor a passphrase from it."""
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


def test_a_token_is_never_tried_with_a_passphrase() -> None:
    """The variables are apart, because a few wrong PINs lock a token."""
    both = {b"HENING_SIGNER_PASSPHRASE": b"for files", b"HENING_SIGNER_PIN": b"1234"}
    assert Passphrases(None, both)("token drawer") == b"1234"
    assert Passphrases(None, both)("root-1") == b"for files"
    only = Passphrases(None, {b"HENING_SIGNER_PASSPHRASE": b"for files"})
    with pytest.raises(click.UsageError, match="for a token HENING_SIGNER_PIN"):
        only("token drawer")


def test_a_descriptor_serves_tokens_unless_they_have_their_variable() -> None:
    """Who gives one secret for everything means it."""
    for environment, pin in (({}, b"1234-1234"), ({b"HENING_SIGNER_PIN": b"5678"}, b"5678")):
        reader, writer = os.pipe()
        os.write(writer, b"1234-1234\n")
        os.close(writer)
        passphrases = Passphrases(reader, environment)
        os.close(reader)
        assert passphrases("root-1") == b"1234-1234"
        assert passphrases("token drawer") == pin


def test_the_new_passphrase_has_its_own_variable() -> None:
    """The old one does not stand in for it."""
    environment = {NEW_VARIABLE: b"new passphrase", b"HENING_SIGNER_PASSPHRASE": b"old one"}
    assert Passphrases(None, environment, NEW_VARIABLE).choose("root-1") == b"new passphrase"
    del environment[NEW_VARIABLE]
    with pytest.raises(click.UsageError, match="no terminal"):
        Passphrases(None, environment, NEW_VARIABLE).choose("root-1")


def test_what_is_no_text_is_refused_without_showing_it(terminal) -> None:
    """An error of the encoding would carry what was typed."""
    answers, _ = terminal
    answers.append("secret \udcff")
    with pytest.raises(click.UsageError, match="not text in this terminal") as caught:
        Passphrases(None, {})("root-1")
    assert caught.value.__suppress_context__
