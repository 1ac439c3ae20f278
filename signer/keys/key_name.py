"""Names of keys, and of the people who hold them.

A key is called `ROLE-N`: the role that it signs, and a number.
"""

import re
import unicodedata

from server.core.names import check_codename, is_online
from signer.errors import KeyStoreError, refusing

MAX_HOLDER = 40
OFFLINE_COMMON_ROLES = ("root", "targets", "tables", "content")
POLICY_ROLE = "policy"
"""The role of keys that sign the policies of cloud regions; no metadata lists them."""
_NAME = re.compile(r"([a-z0-9][a-z0-9_-]{0,31})-([1-9][0-9]{0,2})")


def check_key_name(name: str) -> None:
    """Raise KeyStoreError unless `name` is `ROLE-N` for a role that is signed offline."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise KeyStoreError(
            f"{name[:64]!r} is not a key name; use ROLE-N with N from 1 to 999, for example"
            " root-1 or armani-2."
        )
    role = match[1]
    if is_online(role):
        raise KeyStoreError(f"{role} is signed by the server, whose `init` makes that key.")
    if role not in OFFLINE_COMMON_ROLES:
        with refusing(KeyStoreError):
            check_codename(role)


def check_holder(holder: str) -> None:
    """Raise KeyStoreError for a holder's name that is too long or could be misread in a list.

    A name has at most 40 printable characters and no outer spaces. It has none of `( ) , ; ?`,
    which would make one key look like several in a list. To keep two names from looking the same,
    it must be in Unicode's form NFKC, and no word may mix Latin, Greek and Cyrillic letters. Names
    that look alike within one script are not detected.
    """
    if (
        len(holder) > MAX_HOLDER
        or not holder.isprintable()
        or holder != holder.strip()
        or set(holder) & set("(),;?")
        or not unicodedata.is_normalized("NFKC", holder)
        or any(len(_find_scripts(word)) > 1 for word in holder.split())
    ):
        raise KeyStoreError(
            f"{holder[:64]!r} is not a holder's name; give 1 to {MAX_HOLDER} printable characters"
            " without `(),;?`, each word in letters of one script, for example bob."
        )


def _find_scripts(word: str) -> set[str]:
    return {"LATIN", "GREEK", "CYRILLIC"} & {
        unicodedata.name(letter, "").split(" ")[0] for letter in word
    }
