"""The table of attacks on a phone, filled by the other modules of this folder.

An attack is a function that takes an `AttackedPhone`, or several that are tried on one phone in
turn. If it is a generator, the code after its `yield` is how the repository's owners repair the
damage.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from securesystemslib.signer import CryptoSigner

from tests.attacks.attacked_phone import AttackedPhone


@dataclass(frozen=True)
class Attack:
    """The functions of an attack, its effect on the phone, and the errors that may refuse it."""

    ways: Mapping[str, Callable[[AttackedPhone], Iterator[None] | None]]
    result: str
    errors: tuple[type[Exception], ...]


ATTACKS: dict[str, Attack] = {}


def add(name, ways, *errors, result="refused"):
    """Register an attack; `result` is "refused", "nothing" or "installs"."""
    assert name not in ATTACKS
    ATTACKS[name] = Attack(ways, result, errors)


def attack(name, *errors, result="refused"):
    """Register a function; the attack's name consists of TUF's term and the function's own name."""

    def register(function):
        what = function.__name__.strip("_").replace("_", " ")
        add(f"{name}: {what}", {what: function}, *errors, result=result)
        return function

    return register


def replace_packages(attacked, change):
    """Serve other bytes in place of each package."""
    files = attacked.repository.files
    for path in files:
        if path.startswith("/targets/"):
            files[path] = change(files[path])


def foreign_signer():
    """Return signers whose keys no role lists."""
    return [CryptoSigner.generate_ed25519()]


def publish(attacked, *names):
    """Publish new versions of roles; by default of the model's role and of `latest`."""
    attacked.repository.publish(*(names or ("armani", "latest")))
