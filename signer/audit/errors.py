"""What an audit can refuse; what it finds wrong in the log is no error but a finding.

    SignerError
    ├── MemoryFileError     the file that says what earlier audits saw cannot be used
    ├── AnswerError         a file of the mirror that cannot be used: told as a finding
    └── SurroundingsError
        └── MirrorAwayError the mirror does not answer, or not as a mirror

The core's own errors are findings, too, where the mirror's octets caused them.
"""

from signer.errors import SignerError, SurroundingsError


class MemoryFileError(SignerError):
    """The file that says what earlier audits saw cannot be used."""


class AnswerError(SignerError):
    """A file of the mirror that cannot be used."""


class MirrorAwayError(SurroundingsError):
    """The mirror does not answer, or not as a mirror would."""
