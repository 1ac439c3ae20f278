"""Errors about content packs."""

from signer.errors import SignerError


class ContentError(SignerError):
    """A pack that must not be signed, or files that are not a pack."""
