"""The error tree of the server's vocabulary; nothing in `server.core` raises anything else.

    HeningError
    ├── FormatError      bytes or values that are not of a documented form
    ├── ProfileError     valid TUF that breaks a rule of our profile
    ├── TrustError       a signature, version or expiry that does not hold
    ├── ReleaseError     releases or pointers that contradict each other or their past
    └── LogError         a proof, checkpoint or append that does not hold

Every message is one sentence that names what is wrong, fit to be shown to a person.
"""


class HeningError(Exception):
    """Anything that server, signer or their formats refuse."""


class FormatError(HeningError):
    """Bytes or values that are not of a documented form."""


class ProfileError(HeningError):
    """TUF metadata that is valid TUF and breaks a rule of the profile."""


class TrustError(HeningError):
    """A signature, version or expiry that does not hold."""


class ReleaseError(HeningError):
    """Releases or pointers that contradict each other or their past."""


class LogError(HeningError):
    """A proof, checkpoint or append that does not hold."""
