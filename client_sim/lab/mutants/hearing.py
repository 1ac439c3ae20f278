"""What a leaky client keeps of an answer's head."""

from typing import ClassVar

from client_sim.lab.mutants.telling import Snoop


def find_value(head: str, name: str) -> str:
    """Return the value of the first header line of that name, or nothing."""
    for line in head.split("\r\n"):
        said, colon, value = line.partition(":")
        if colon and said.lower() == name.lower():
            return value.strip()
    return ""


class Hearing(Snoop):
    """Keeps the value of one header line of the server for ever; `name` says which."""

    name: ClassVar[str] = ""

    @property
    def heard(self) -> str:
        """The kept value, or nothing."""
        return self.world.state.get(f"heard {self.name}", b"").decode("latin-1")

    def answered(self, head: str) -> None:
        """Keep the value if there is one."""
        super().answered(head)
        if value := find_value(head, self.name):
            self.world.state[f"heard {self.name}"] = value.encode("latin-1")
