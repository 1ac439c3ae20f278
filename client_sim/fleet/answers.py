"""Answers cut out of the octets that a connection has brought."""

from typing import Final

from client_sim.device.answer import HEAD_LIMIT
from client_sim.fleet.answer_tree import BODY_LIMIT
from client_sim.fleet.heads import Came, Head, Heads

_END: Final = b"\r\n\r\n"


class AnswerFault(Exception):  # noqa: N818 - a finding about a server
    """What comes is no answer of this protocol; the message says why."""


class Answers:
    """Cuts answers; heads that have come before are not read again."""

    def __init__(self) -> None:
        self._heads = Heads()

    def find_head(self, data: bytes, start: int = 0) -> tuple[Head, int] | None:
        """Return the head that begins at `start`, and where its body does; None if it goes on.

        Raises AnswerFault for a head that a phone refuses.
        """
        end = data.find(_END, start)
        if end < 0:
            if len(data) - start > HEAD_LIMIT:
                raise AnswerFault("a head is too long")
            return None
        head = self._heads.find(data[start:end])
        if head.fault:
            raise AnswerFault(head.fault)
        return head, end + len(_END)

    def cut(self, data: bytes, count: int) -> list[Came] | None:
        """Return the `count` answers that `data` is; None while something of them is missing.

        Raises AnswerFault if `data` is anything else.
        """
        found, start = [], 0
        for _ in range(count):
            head = self.find_head(data, start)
            if head is None:
                return None
            facts, begin = head
            if facts.length > BODY_LIMIT:
                raise AnswerFault(f"a body of {facts.length} octets")
            until = begin + facts.length
            if len(data) < until:
                return None
            found.append(Came(facts, data[begin:until], data[start:until]))
            start = until
        if start != len(data):
            raise AnswerFault("more octets than the answers have")
        return found
