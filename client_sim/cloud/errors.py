"""Errors of the phone's cloud client.

CloudError                 base class of all errors of this package
├── OffError               the owner has not turned this on, or has turned it off meanwhile
├── UnavailableError       the connection failed, or the server is overloaded
├── RefusedError           the server refused the request; has the status and the code
├── DeceivedError          an honest server does not give this response
├── SealError              decryption failed: another key, or changed bytes
├── RecordError            a record or an imported file cannot be read
└── StoreError             the client's store cannot be read or written

Each message tells the owner what happened and, where possible, what to do.
"""

from client_sim.errors import SimulatorError


class CloudError(SimulatorError):
    """Base class of all errors of the phone's cloud client."""


class OffError(CloudError):
    """The owner has not turned this on, or has turned it off meanwhile; nothing more is sent."""


class UnavailableError(CloudError):
    """The server cannot be reached or is overloaded; a later attempt may succeed."""


class RefusedError(CloudError):
    """The server refused with `status` and `code`; the message is the phone's own."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(_SENTENCES.get(code, f"The server refuses this ({status}, {code})."))
        self.status = status
        self.code = code


class DeceivedError(CloudError):
    """The response is not one that an honest server gives; it was not used."""


class SealError(CloudError):
    """A ciphertext was made with another key, or was changed."""


class RecordError(CloudError):
    """A record, or a file that the owner imports, is malformed."""


class StoreError(CloudError):
    """The client's store on the phone cannot be read or written."""


_SENTENCES = {
    "account_suspended": "The operator has suspended this account: only export and erasure work.",
    "consent_required": "The server has another policy: read it and agree with `cloud consent`.",
    "device_not_approved": "This phone waits until another of your phones approves it.",
    "device_without_key": "Register this phone first: log in again.",
    "guardian_required": "At this age a guardian has to agree, too: use --guardian.",
    "invalid_token": "This phone was logged out: log in again.",
    "login_bad_signature": "The name, the recovery words or the password is wrong.",
    "no_recovery": "Set up recovery words first.",
    "no_room": "The server's disk is full; nothing was changed there.",
    "not_ciphertext": "The server refused unencrypted data; nothing was stored.",
    "other_policy": "The policy has changed meanwhile: read it again with `cloud policy`.",
    "quota_exceeded": "Your space on the server is full; downloads still work.",
    "region_closing": "This region is closing and stores nothing new: move to another one.",
    "signup_closed": "Sign-up needs a valid code from the operator, or is closed.",
    "too_young": "The policy of this region requires a higher age.",
    "user_exists": "This name is taken: choose another one.",
    "user_not_init": "This name has no account yet: use `cloud sign-up`.",
}
