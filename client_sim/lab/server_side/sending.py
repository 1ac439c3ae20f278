"""Sending of planted requests and questions; keeps every answer, and our end of each connection."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from client_sim.lab.errors import SurroundingsError
from client_sim.lab.server_side.alike import Said
from client_sim.lab.server_side.exchange import Exchange, Peer, ask, ask_together
from client_sim.lab.server_side.planting import Delivery, Planted
from client_sim.lab.server_side.questions import Question
from client_sim.lab.server_side.site import Site

_EVERY: Final = 5
PATIENCE: Final = 5.0
"""Seconds that a server has for an answer."""


@dataclass(slots=True)
class Sender:
    """A client of one server from some addresses; `peers` are the ends of all its connections."""

    site: Site
    sources: Sequence[str]
    patience: float = PATIENCE
    peers: list[Peer] = field(default_factory=list)

    def get(self, data: bytes, source: str | None = None, *, is_head: bool = False) -> bytes:
        """Ask once, from the first address unless another is named."""
        exchange = ask(
            self.site,
            data,
            self.sources[0] if source is None else source,
            patience=self.patience,
            heads=(is_head,),
        )
        return self._keep(exchange)

    def send(self, planted: Sequence[Planted], step: Callable[[], None]) -> list[bytes]:
        """Send planted requests one after the other, the unfinished ones around all others."""
        answers: list[bytes] = []
        open_ones = [each for each in planted if each.template.delivery is Delivery.UNFINISHED]

        def send_others() -> None:
            for each in planted:
                if each.template.delivery is not Delivery.UNFINISHED:
                    answers.append(self._send(each))
                    step()

        starts = [each.data for each in open_ones]
        for exchange in ask_together(self.site, starts, self.sources[0], send_others):
            answers.append(self._keep(exchange))
            step()
        return answers

    def ask_all(self, questions: Sequence[Question]) -> dict[str, bytes]:
        """Ask each question once; gives the answers by group."""
        return {each.group: self.get(each.data, is_head=each.is_head) for each in questions}

    def ask_everywhere(self, questions: Sequence[Question]) -> list[Said]:
        """Ask from every address, and from the first one again; all questions from two addresses.

        The others, which show what depends on a bit of an address, ask every fifth.
        """
        return [
            Said(each.group, self._name(source), self.get(each.data, source, is_head=each.is_head))
            for number, source in enumerate((*self.sources, self.sources[0]))
            for each in questions[:: 1 if number < 2 else _EVERY]
        ]

    def require_answer(self, data: bytes) -> None:
        """Raise SurroundingsError unless the server answers in HTTP."""
        if not self.get(data).startswith(b"HTTP/1."):
            raise SurroundingsError(
                f"{self.site.address}:{self.site.port} does not answer in HTTP/1: is the URL right?"
            )

    def _send(self, planted: Planted) -> bytes:
        template = planted.template
        return self._keep(
            ask(
                self.site,
                planted.data,
                self.sources[0],
                patience=self.patience,
                heads=(template.heads,) * template.answers,
                delivery=template.delivery,
                name=planted.name,
                alpn=planted.alpn,
            )
        )

    def _keep(self, exchange: Exchange) -> bytes:
        self.peers.append(exchange.peer)
        return exchange.answer

    def _name(self, source: str) -> str:
        return source or "this machine's address"
