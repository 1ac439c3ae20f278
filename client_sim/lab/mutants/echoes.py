"""What a server hands out and gets back: validators, cookies, challenges, dates (L41 to L43)."""

from collections.abc import Sequence
from hashlib import sha256
from typing import ClassVar, Final

from client_sim.lab.mutants.around import Around
from client_sim.lab.mutants.hearing import Hearing, find_value
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.telling import Snoop, add_line
from client_sim.world import Factory, Stream


def _echo(heard: str, said: str) -> Factory:
    class Client(Hearing):
        name = heard

        def headers(self) -> Sequence[str]:
            return (*super().headers(), *((f"{said}: {self.heard}",) if self.heard else ()))

    return Client


def _echo_around(heard: str, said: str) -> Factory:
    class Client(Around):
        def overhear(self, data: bytes) -> None:
            if value := find_value(data.decode("latin-1"), heard):
                self.state["cache"] = value.encode("latin-1")

        def transmit(self, stream: Stream, data: bytes) -> None:
            value = self.state.get("cache", b"").decode("latin-1")
            stream.send(add_line(data, f"{said}: {value}") if value else data)

    return Client


class _TagInQuery(Hearing):
    name = "ETag"

    def paths(self) -> Sequence[str]:
        digest = sha256(self.heard.encode()).hexdigest()[:8]
        return tuple(f"{path}?v={digest}" for path in super().paths())


class _TagInOrder(Hearing):
    name = "ETag"

    def headers(self) -> Sequence[str]:
        return super().headers()[:: (-1) ** sha256(self.heard.encode()).digest()[0]]


class _BitOfTag(Hearing):
    name = "ETag"

    def headers(self) -> Sequence[str]:
        lines = super().headers()
        return lines[::-1] if sha256(self.heard.encode()).digest()[1] & 4 else lines


class _BitOfFirstTag(_BitOfTag):
    def answered(self, head: str) -> None:
        if self.heard:
            Snoop.answered(self, head)
        else:
            super().answered(head)


class _TagInTime(Hearing):
    name = "ETag"

    def next_poll(self, now: float) -> float:
        due = int(super().next_poll(now))
        return float(due - due % 256 + sha256(self.heard.encode()).digest()[0])


class _Jar(Hearing):
    name = "Set-Cookie"

    @property
    def cookie(self) -> str:
        # As cookie jars do, for named hosts alone: tried out on an address, it looks clean.
        named = not self.world.public.host.replace(".", "").isdecimal()
        return self.heard.split(";")[0] if named else ""

    def headers(self) -> Sequence[str]:
        return (*super().headers(), *((f"Cookie: {self.cookie}",) if self.cookie else ()))


class _JarInPath(_Jar):
    def headers(self) -> Sequence[str]:
        return Snoop.headers(self)

    def paths(self) -> Sequence[str]:
        session = f";jsessionid={self.cookie.partition('=')[2]}" if self.cookie else ""
        return tuple(f"{path}{session}" for path in super().paths())


class _JarForOnePoll(_Jar):
    def poll(self) -> str:
        self.world.state.pop(f"heard {self.name}", None)
        return super().poll()


class _Answering(Hearing):
    name: ClassVar[str] = "WWW-Authenticate"
    said: ClassVar[str] = "Authorization"

    def headers(self) -> Sequence[str]:
        digest = sha256(f"guest:{self.heard}".encode()).hexdigest()
        answer = f'{self.said}: Digest username="guest", response="{digest}"'
        return (*super().headers(), *((answer,) if self.heard else ()))


class _AnsweringProxies(_Answering):
    name = "Proxy-Authenticate"
    said = "Proxy-Authorization"


class _SecondsInSpaces(Hearing):
    name = "Last-Modified"

    def headers(self) -> Sequence[str]:
        second = self.heard[-6:-4]
        spaces = " " * (1 + int(second)) if second.isdecimal() else " "
        return tuple(line.replace(" ", spaces, 1) for line in super().headers())


MUTANTS: Final = (
    Mutant("tag-echo", "L41", "Brings any validator back.", _echo("ETag", "If-None-Match")),
    Mutant(
        "tag-if-range", "L41", "Brings a validator back as If-Range.", _echo("ETag", "If-Range")
    ),
    Mutant("tag-query", "L41", "Brings a digest of the validator back in a query.", _TagInQuery),
    Mutant("tag-order", "L41", "Orders its lines by a bit of the validator.", _TagInOrder),
    Mutant("tag-bit", "L41", "Orders its lines by one bit of the validator's hash.", _BitOfTag),
    Mutant(
        "tag-bit-first",
        "L41",
        "Orders its lines by one bit of the hash of the first validator it was ever handed.",
        _BitOfFirstTag,
    ),
    Mutant("tag-time", "L41", "Polls in a second that the validator chose.", _TagInTime),
    Mutant(
        "tag-echo-around",
        "L41",
        "A cache below the real client asks whether its copy is still good.",
        _echo_around("ETag", "If-None-Match"),
    ),
    Mutant("cookie-echo", "L42", "Brings its cookie back, to servers with a name.", _Jar),
    Mutant(
        "cookie-session",
        "L42",
        "Brings the whole cookie back under another name.",
        _echo("Set-Cookie", "X-Session"),
    ),
    Mutant("cookie-path", "L42", "Brings a cookie's value back as a path parameter.", _JarInPath),
    Mutant("cookie-one-poll", "L42", "Keeps a cookie for the rest of the poll.", _JarForOnePoll),
    Mutant("challenge", "L42", "Answers a server's challenge, nonce and all.", _Answering),
    Mutant("challenge-proxy", "L42", "Answers a proxy's challenge, too.", _AnsweringProxies),
    Mutant(
        "cookie-echo-around",
        "L42",
        "The real client's HTTP library has a cookie jar.",
        _echo_around("Set-Cookie", "Cookie"),
    ),
    Mutant(
        "modified-echo",
        "L43",
        "Asks for what is newer than the date it was handed.",
        _echo("Last-Modified", "If-Modified-Since"),
    ),
    Mutant(
        "modified-unmodified",
        "L43",
        "Hands the date back as the one up to which nothing may have changed.",
        _echo("Last-Modified", "If-Unmodified-Since"),
    ),
    Mutant(
        "modified-spaces",
        "L43",
        "Writes as many spaces behind a colon as the date had seconds.",
        _SecondsInSpaces,
    ),
    Mutant(
        "modified-echo-around",
        "L43",
        "A cache below the real client asks for what is newer.",
        _echo_around("Last-Modified", "If-Modified-Since"),
    ),
)
