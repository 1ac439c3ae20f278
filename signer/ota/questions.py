"""What an inspection asks about a package, in the words of the verdicts on a sound one."""

from collections.abc import Callable

ONE_ZIP = "is one zip to every reader"
METADATA_AGREE = "has metadata that agree"
NO_SERIAL = "names no serial number"
RULES = "follows its version's rules"
PARTITION_HASHES = "has partition hashes"
OFFSETS = "has true offsets"
PROPERTIES = "has true payload properties"
METADATA_SIGNATURE = "has a good metadata signature"
PAYLOAD_SIGNATURE = "has a good payload signature"
WHOLE_FILE_SIGNATURE = "has a good whole-file signature"

# Called with each question whose answer is yes, in the order in which they are asked.
Answered = Callable[[str], None]


def ignore(_question: str) -> None:
    """Take an answer that nobody waits for."""
