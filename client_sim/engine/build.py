"""What identifies a build of the ROM."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BuildFacts:
    """The facts of one build, as the signed release states them.

    `counter` is the release's place in its codename's one sequence, `post_timestamp` the build
    time in seconds of Unix time, `security_patch_level` a date `YYYY-MM-DD`.
    """

    fingerprint: str
    incremental: str
    counter: int
    post_timestamp: int
    security_patch_level: str
