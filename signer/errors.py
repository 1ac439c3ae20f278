"""The error tree of the signer; every message is one sentence that says what to do about it.

    SignerError
    ├── KeyStoreError     a key file, passphrase or public half that cannot be used
    ├── WorkFolderError   the folder of signed metadata, or something in it, is not sound
    ├── CeremonyError     a repository that cannot be made as asked
    ├── ProposalError     a proposal or signature file that cannot be used as it is
    ├── ReleaseRefusal    a package that must not be signed, or not so
    ├── EnvironmentFailedError a folder, file descriptor or token that is not there
    │   └── MirrorUnavailableError  `signer.audit.findings`
    ├── MemoryFileError   what an audit remembers cannot be read: `signer.audit.findings`
    ├── ContentError      a pack that must not be signed
    ├── SourceError       a source of a content pack that is not sound
    ├── AnswerError       a mirror's answer that breaks the format: `signer.audit.findings`
    └── OtaError          a package that is not sound: `signer.ota.errors`

Where foreign errors become ours:

- `server.core`'s HeningError: in `refusing`, at each public function that calls the core;
- python-tuf's and securesystemslib's: in `server.core.metadata` and in `signer.signing`;
- cryptography's: in `signer.keys.key_file`, `keystore` and `public_key`;
- python-pkcs11's: in `signer.keys.hsm`;

OSError is never wrapped, except where EnvironmentFailedError says more: both mean that the
environment failed, which has its own exit status.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from server.core.errors import HeningError


class SignerError(Exception):
    """Anything that the signer refuses."""


class KeyStoreError(SignerError):
    """A key file, passphrase or public half that cannot be used."""


class WorkFolderError(SignerError):
    """The working folder of signed metadata, or something in it, is not sound."""


class CeremonyError(SignerError):
    """A repository that cannot be made as asked."""


class ProposalError(SignerError):
    """A proposal or signature file that cannot be used as it is."""


class ReleaseRefusal(SignerError):  # noqa: N818 - a refusal is the answer, not a malfunction
    """A package that must not be signed, or not so."""


class EnvironmentFailedError(SignerError):
    """A folder or file descriptor that is not there."""


class Interrupted(KeyboardInterrupt):
    """The program was interrupted after it had begun; the message says how to continue."""


@contextmanager
def resumable(advice: str) -> Iterator[None]:
    """Add `advice` to an interruption inside: how to complete what was begun."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(advice) from error


@contextmanager
def refusing(kind: type[SignerError]) -> Iterator[None]:
    """Turn an error of `server.core` into one of `kind`, with its message.

    Its first letter becomes a capital if it begins a word of prose, not a name or path.
    """
    try:
        yield
    except HeningError as error:
        sentence = str(error)
        if sentence.startswith(("a ", "an ", "the ", "this ")):
            sentence = sentence[:1].upper() + sentence[1:]
        raise kind(sentence) from error


class SourceError(SignerError):
    """A source that cannot be read, or contains what no pack may; names file and line."""


class ContentError(SignerError):
    """A pack that must not be signed, or files that are not a pack."""
