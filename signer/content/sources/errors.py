"""What goes wrong with the source of a pack."""

from signer.errors import SignerError


class SourceError(SignerError):
    """A source that cannot be read, or holds what no pack may; names file and line."""
