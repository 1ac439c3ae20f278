"""The list of attacks on a phone, filled by the modules beside it.

An attack is a function of a `Besieged`. If it is a generator, what follows its `yield` is how the
repository's owners put right what can be put right.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from securesystemslib.signer import CryptoSigner

from tests.attacks.besieged import Besieged


@dataclass(frozen=True)
class Attack:
    """An attack, what the phone makes of it, and the errors that it may refuse with."""

    act: Callable[[Besieged], Iterator[None] | None]
    result: str
    errors: tuple[type[Exception], ...]


ATTACKS: dict[str, Attack] = {}


def add(name, act, *errors, result="refused"):
    """Put an attack on the list; `result` is "refused", "nothing" or "installs"."""
    assert name not in ATTACKS
    ATTACKS[name] = Attack(act, result, errors)


def attack(name, *errors, result="refused"):
    """Put a function on the list, under TUF's name for what it does and its own."""

    def register(function):
        what = function.__name__.strip("_").replace("_", " ")
        add(f"{name}: {what}", function, *errors, result=result)
        return function

    return register


def replace_packages(besieged, change):
    """Serve other bytes in place of each package."""
    files = besieged.repository.files
    for path in files:
        if path.startswith("/targets/"):
            files[path] = change(files[path])


def foreign_signer():
    """Return signers whom nobody trusts."""
    return [CryptoSigner.generate_ed25519()]


def publish(besieged, *names):
    """Publish new versions of roles, of the model's and of `latest` unless told otherwise."""
    besieged.repository.publish(*(names or ("armani", "latest")))
