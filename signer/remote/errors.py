"""What can keep a bundle from a server.

    SignerError
    ├── ServerRefusal        the server says no, and why
    └── SurroundingsError
        └── ServerAwayError  the server does not answer, or not as one that has our API

No sentence holds the token.
"""

from signer.errors import SignerError, SurroundingsError


class ServerRefusal(SignerError):  # noqa: N818 - a refusal is the answer, not a malfunction
    """The server says no; the sentence is the server's own."""


class ServerAwayError(SurroundingsError):
    """The server does not answer, or not as one that has our API would."""
