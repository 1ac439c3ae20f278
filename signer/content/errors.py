"""What goes wrong with a content pack."""

from signer.errors import SignerError


class ContentError(SignerError):
    """A pack that must not be signed, or files that are no pack."""
