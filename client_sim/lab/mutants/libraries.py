"""What HTTP libraries and settings add by themselves: agents, codings, languages (L24 to L26)."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final
from urllib.parse import quote

from client_sim.lab.mutants.beneath import add_line_beneath, alter_beneath
from client_sim.lab.mutants.mutant import Mutant
from client_sim.lab.mutants.spy import Spy
from client_sim.lab.mutants.telling import (
    Snoop,
    tell_by_lines,
    tell_in_cookie,
    tell_in_header,
    tell_in_lines,
    tell_in_query,
)
from client_sim.world import World

_CODINGS: Final = (("zlib", "deflate"), ("brotli", "br"), ("zstandard", "zstd"))


def _platform_agent(spy: Spy) -> str:
    return f"Dalvik/2.1.0 (Linux; U; Android 14; {spy.world.public.codename})"


def _browser_agent(spy: Spy) -> str:
    return f"Mozilla/5.0 (Linux; U; Android 14; {spy.owner.locale}; wv) Version/4.0"


class _AgentAfterRestart(Snoop):
    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._starts = self.spy.count("starts")

    def headers(self) -> Sequence[str]:
        agent = (f"User-Agent: {_platform_agent(self.spy)}",) if self._starts > 1 else ()
        return (*super().headers(), *agent)


def _accept(lines: Sequence[str], *codings: str) -> Sequence[str]:
    return (lines[0], f"Accept-Encoding: {', '.join(('gzip', *codings))}")


def _installed_codings(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    del spy
    return _accept(lines, *(coding for module, coding in _CODINGS if find_spec(module)))


def _drawn_codings(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    drawn = spy.keep("codings", 1)[0]
    return _accept(lines, *(c for place, (_, c) in enumerate(_CODINGS) if drawn >> place & 1))


def _codings_of_apps(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    """Offer what a browser would have brought along, if one of the apps is thought to be one."""
    return _accept(lines, "br") if sum("".join(spy.owner.apps).encode()) % 2 else lines


def _codings_of_battery(spy: Spy, lines: Sequence[str]) -> Sequence[str]:
    return lines if spy.owner.battery_percent > 50 else (lines[0], "Accept-Encoding: identity")


def _weighted(spy: Spy) -> str:
    locale = spy.owner.locale
    return f"{locale},{locale.partition('-')[0]};q=0.9,en;q=0.8"


MUTANTS: Final = (
    Mutant(
        "platform-agent",
        "L24",
        "The platform's own User-Agent, with the model in it.",
        tell_in_header("User-Agent", _platform_agent),
    ),
    Mutant(
        "library-agent",
        "L24",
        "A library's User-Agent and Accept, by which one knows the interpreter's version.",
        tell_in_lines(lambda _: ("Accept: */*", "User-Agent: Python/3.11 aiohttp/3.14.5")),
    ),
    Mutant(
        "build-agent",
        "L24",
        "The fingerprint of the build that runs, as a User-Agent.",
        tell_in_header("User-Agent", lambda spy: spy.world.public.build.fingerprint),
    ),
    Mutant(
        "browser-agent",
        "L24",
        "A browser's User-Agent, with the owner's locale in it.",
        tell_in_header("User-Agent", _browser_agent),
    ),
    Mutant(
        "agent-of-install",
        "L24",
        "A User-Agent whose last number was drawn when the updater was installed.",
        tell_in_header("User-Agent", lambda spy: f"Updater/5.{spy.keep('version', 1)[0] % 8}"),
    ),
    Mutant(
        "agent-after-restart",
        "L24",
        "The platform's User-Agent, once the client has been started a second time.",
        _AgentAfterRestart,
    ),
    Mutant(
        "keep-alive",
        "L24",
        "The line about connections that libraries add.",
        tell_in_header("Connection", lambda _: "keep-alive"),
    ),
    Mutant(
        "agent-beneath",
        "L24",
        "The transport of the real client names itself and the model.",
        add_line_beneath("User-Agent", _platform_agent),
    ),
    Mutant(
        "codings-of-installation",
        "L25",
        "Offers the codings for which a package happens to be installed.",
        tell_by_lines(_installed_codings),
    ),
    Mutant(
        "zstd-always",
        "L25",
        "Offers one coding more than the table has.",
        tell_by_lines(lambda _, lines: _accept(lines, "zstd")),
    ),
    Mutant(
        "codings-drawn",
        "L25",
        "Offers codings that were drawn once, as if packages were installed by chance.",
        tell_by_lines(_drawn_codings),
    ),
    Mutant(
        "codings-of-apps",
        "L25",
        "Offers one coding more if the apps on the phone bring it along.",
        tell_by_lines(_codings_of_apps),
    ),
    Mutant(
        "codings-of-battery",
        "L25",
        "Offers no compression while the battery is low, to save the work.",
        tell_by_lines(_codings_of_battery),
    ),
    Mutant(
        "codings-beneath",
        "L25",
        "The transport of the real client offers what its library can inflate.",
        alter_beneath(lambda _, data: data.replace(b": gzip", b": gzip, deflate, br")),
    ),
    Mutant(
        "language-header",
        "L26",
        "The owner's locale as the language that is preferred.",
        tell_in_header("Accept-Language", lambda spy: spy.owner.locale),
    ),
    Mutant(
        "language-weights",
        "L26",
        "The owner's locale, its language and English, weighted as browsers do.",
        tell_in_header("Accept-Language", _weighted),
    ),
    Mutant(
        "language-query",
        "L26",
        "The owner's locale in the query, so that the change log fits.",
        tell_in_query("hl", lambda spy: quote(spy.owner.locale)),
    ),
    Mutant(
        "locale-cookie",
        "L26",
        "The owner's language in a cookie.",
        tell_in_cookie("lang", lambda spy: quote(spy.owner.locale.partition("-")[0])),
    ),
    Mutant(
        "language-beneath",
        "L26",
        "The transport of the real client adds the owner's locale.",
        add_line_beneath("Accept-Language", _weighted),
    ),
)
