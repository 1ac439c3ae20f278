"""Recovery words: twelve words on paper that replace a lost password.

They must be set up and confirmed before the first upload. The server stores the account's keys
encrypted with the words, a public key derived from the words, and the words themselves encrypted
with the account's key.
"""

import difflib
from dataclasses import dataclass
from typing import Final

from mnemonic import Mnemonic
from nacl.signing import SigningKey

from client_sim.cloud import wire
from client_sim.cloud.account import (
    Cloud,
    Region,
    check_password,
    fetch_challenge,
    sign_response,
)
from client_sim.cloud.errors import CloudError, DeceivedError, OffError, RefusedError
from client_sim.cloud.keys import (
    SALT,
    AccountKeys,
    Entropy,
    hkdf,
    login_key,
    main_cipher,
    seal,
    unseal,
    unwrap_account,
)
from client_sim.cloud.service import Service

ENTROPY: Final = 16
_COUNT: Final = 12
_PROPOSED: Final = 8
_PENDING: Final = "pending-words"


@dataclass(frozen=True, slots=True)
class WordKeys:
    """The keys derived from the words: one wraps the account's keys, one signs requests."""

    wrap: bytes
    proof: SigningKey


def word_keys(secret: bytes) -> WordKeys:
    """Derive the keys from the 16 bytes of the words."""
    proof = SigningKey(hkdf(secret, "hening recovery proof 1"))
    return WordKeys(hkdf(secret, "hening recovery wrap 1"), proof)


def encode_words(secret: bytes) -> str:
    """Return 16 bytes as twelve BIP 39 words."""
    return str(Mnemonic("english").to_mnemonic(secret))


def decode_words(text: str) -> bytes:
    """Return the 16 bytes of twelve words, ignoring spaces and case.

    Raises CloudError, which names the first word that is not in the list. Nothing is sent.
    """
    words = text.lower().split()
    book = Mnemonic("english")
    for number, word in enumerate(words, 1):
        if word not in book.wordlist:
            near = difflib.get_close_matches(word, book.wordlist, 2)
            hint = f"; similar words: {' or '.join(near)}" if near else ""
            raise CloudError(f"Word {number}, {word!r}, is not in the word list{hint}.")
    if len(words) != _COUNT:
        raise CloudError(f"These are {len(words)} words; type all {_COUNT}.")
    try:
        return bytes(book.to_entropy(words))
    except ValueError:
        raise CloudError(
            "The words' checksum is wrong: one word is wrong, or two are swapped."
        ) from None


def propose_password(entropy: Entropy) -> str:
    """Return a password of eight random words, 88 bits."""
    book = Mnemonic("english").wordlist
    return " ".join(book[int.from_bytes(entropy(2), "big") % len(book)] for _ in range(_PROPOSED))


def make_words(cloud: Cloud, secret: bytes = b"") -> str:
    """Create new words, or use `secret`; they are valid only once confirmed. Nothing is sent."""
    cloud.keys  # noqa: B018 - raises OffError
    secret = secret or cloud.store.get(_PENDING) or cloud.entropy(ENTROPY)
    cloud.store.set(_PENDING, secret)
    return encode_words(secret)


def confirm_words(cloud: Cloud, typed: str, password: str) -> None:
    """Check the words that the owner typed, and store their data on the server.

    Raises CloudError if they are not the words from `make_words`.
    """
    pending = cloud.store.get(_PENDING)
    if not pending:
        raise OffError("Create recovery words first, with `cloud words`.")
    if decode_words(typed) != pending:
        raise CloudError("These are not the words that the phone created; nothing was sent.")
    with cloud.connect() as service:
        main, challenge = fetch_challenge(cloud, service, password)
        sealed = seal_words(cloud.keys, pending, cloud.entropy)
        body = sign_response(
            login_key(main), cloud.name, service, "setRecovery", challenge, recovery=sealed
        )
        service.account("PUT", "recovery", None, body)
    with cloud.store.transaction():
        cloud.store.set("words", b"1")
        cloud.store.unset(_PENDING)


def find_words(cloud: Cloud) -> bool:
    """Ask the server whether the account has words, as another phone may have set them up."""
    try:
        with cloud.connect() as service:
            load_words(cloud, service)
    except RefusedError as refusal:
        if refusal.status != 404:
            raise
        return False
    cloud.store.set("words", b"1")
    return True


def load_words(cloud: Cloud, service: Service) -> bytes:
    """Fetch the 16 bytes of the account's words; raises DeceivedError if they are not its own."""
    stored = service.account("GET", "recovery", wire.Recovery)
    secret = unseal(cloud.keys.keys.cipher, stored.words)
    keys = word_keys(secret)
    if bytes(keys.proof.verify_key) != stored.key:
        raise DeceivedError("The server's key does not match your words: set up new words.")
    unwrap_account(keys.wrap, stored.wrap, cloud.keys.public_key)
    return secret


def seal_words(account: AccountKeys, secret: bytes, entropy: Entropy) -> dict[str, bytes]:
    """Return the data of the words to store on the server."""
    keys = word_keys(secret)
    return {
        "key": bytes(keys.proof.verify_key),
        "wrap": account.wrap(keys.wrap, entropy),
        "words": seal(account.keys.cipher, secret, entropy),
    }


def recover(cloud: Cloud, region: Region, name: str, typed: str, new: str) -> None:
    """Set a new password with the words; all sessions end. Log in with it afterwards."""
    keys = word_keys(decode_words(typed))
    check_password(new)
    request = {"username": name}
    with cloud.connect(region=region) as service:
        challenge = service.account(
            "POST", "recovery/challenge", wire.JustChallenge, request
        ).challenge
        body = sign_response(keys.proof, name, service, "openRecovery", challenge)
        opened = service.account("POST", "recovery/open", wire.OpenedRecovery, body)
        account = unwrap_account(keys.wrap, opened.wrap, opened.public_key)
        salted = service.records("POST", "authentication/login_challenge/", wire.Challenge, request)
        if salted.version != 1 or len(salted.salt) != SALT:
            raise DeceivedError("The server asks for a weaker key derivation; no key was sent.")
        main = cloud.derive(new.encode(), salted.salt)
        challenge = service.account(
            "POST", "recovery/challenge", wire.JustChallenge, request
        ).challenge
        body = sign_response(
            keys.proof,
            name,
            service,
            "useRecovery",
            challenge,
            login_key=bytes(login_key(main).verify_key),
            wrap=account.wrap(main_cipher(main), cloud.entropy),
        )
        token = service.account("POST", "recovery/use", wire.NewToken, body).token
        # End this session: the owner logs in with the new password instead.
        service.token = token
        service.records("POST", "authentication/logout/")
    with cloud.store.transaction():
        cloud.forget_login()
