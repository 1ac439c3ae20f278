"""The keys by which a server's log may be signed at this moment."""

from server.core.note import VerifierKey
from server.core.profile import log_verifier
from server.publisher.key_holder import load_keys
from server.publisher.published import load_newest_root
from server.storage.layout import StateFolder


def load_log_verifiers(folder: StateFolder) -> list[VerifierKey]:
    """Return those of the keys that are held, and the one that the newest public root names."""
    held = [key.verifier for key in load_keys(folder).log_keys]
    root = load_newest_root(folder.public)
    return held if root is None else [*held, log_verifier(root)]
