"""Dissection of frames into connections, DNS questions, and other traffic."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from typing import Final

from client_sim.lab.captures import dns, packets
from client_sim.lab.captures.capture import Capture, Conversation, DnsQuestion, OtherTraffic, State
from client_sim.lab.captures.connections import (
    OVERHEAD,
    Budget,
    Endpoint,
    Flow,
    Flows,
    TcpConnection,
    TcpConnections,
)
from client_sim.lab.captures.packet_files import Frame, UnknownBlock
from client_sim.lab.trace.hello import ClientHello, is_tls, read_hello, read_wire

_IGMP, _ICMP6 = 2, 58
_PROTOCOLS: Final = {
    1: "ICMP",
    packets.TCP: "damaged TCP segment",
    packets.UDP: "damaged UDP datagram",
    47: "GRE",
    50: "ESP",
    _ICMP6: "ICMPv6",
    132: "SCTP",
}
# Neighbours, routers and groups of the same link (RFC 4861, RFC 3810), which are not routed.
_LINK_LOCAL: Final = frozenset({130, 131, 132, 133, 134, 135, 136, 137, 143})
_PORTS: Final = {
    67: "DHCP",
    123: "NTP",
    137: "NetBIOS",
    443: "QUIC",
    547: "DHCPv6",
    1900: "SSDP",
    3478: "STUN",
    5353: "mDNS",
    5355: "LLMNR",
}
_PLACES: Final = 1000  # pairs of addresses that are distinguished
_CHECK_SUM: Final = 4  # bytes; some captures include the checksum of a frame


class Dissection:
    """Builds a `Capture` from frames.

    `phones` are the addresses of the phone, 4 or 16 bytes each. If there are none, everything that
    was captured is judged, and the end that opens a connection is the phone.
    """

    def __init__(self, phones: frozenset[bytes], bytes_limit: int) -> None:
        self._phones = phones
        self._budget = Budget(bytes_limit)
        self._connections = TcpConnections(phones, self._budget)
        self._flows = Flows(phones, self._budget)
        self._fragments = packets.Fragments()
        self._other_traffic: dict[tuple[str, str], list[bytes]] = defaultdict(list)
        self._ignored: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._addresses: dict[bytes, set[str]] = defaultdict(set)
        self._names: dict[bytes, set[bytes]] = defaultdict(set)
        self._frames = 0
        self._time = 0.0
        self._first_times: dict[tuple[str, str], float] = {}

    def add(self, frame: Frame) -> None:
        """Add the next frame."""
        self._frames += 1
        self._time = frame.at
        inner = packets.strip_link(frame.link, frame.data)
        if isinstance(inner, packets.Opaque):
            self._record(inner.label, "", frame.data)
        elif inner.kind == packets.ARP:
            self._ignored["ARP"] += 1
        elif inner.kind in {packets.IPV4, packets.IPV6}:
            packet = packets.read_packet(inner)
            if isinstance(packet, packets.Opaque):
                self._record(packet.label, "", inner.data)
            else:
                self._take_packet(frame, packet)
        else:
            self._record(f"EtherType {inner.kind:#06x}", "", inner.data)

    def add_unknown(self, block: UnknownBlock) -> None:
        """Add a part of the file that the reader cannot interpret."""
        self._record(block.label, "", block.data)

    def finish(self, form: str) -> Capture:
        """Return the capture; `form` is the name of its file format."""
        for packet in self._fragments.leftover():
            self._record_packet("fragments that do not fit together", packet)
        questions: list[DnsQuestion] = []
        conversations: list[Conversation] = []
        for connection in self._connections.finish():
            if connection.remote.port == dns.PORT and connection.sent.data:
                questions += self._read_tcp_questions(connection)
            conversations.append(_make_conversation(len(conversations) + 1, connection))
        for flow in self._flows:
            questions += self._read_flow(flow)
        return Capture(
            form=form,
            conversations=tuple(conversations),
            dns_questions=tuple(questions),
            other_traffic=tuple(
                OtherTraffic(
                    label, where, len(pieces), b"".join(pieces), self._first_times[label, where]
                )
                for (label, where), pieces in self._other_traffic.items()
            ),
            addresses=self._follow_names(),
            ignored=dict(self._ignored),
            others=dict(self._others + self._connections.others + self._flows.others),
            frames=self._frames,
        )

    def _take_packet(self, frame: Frame, packet: packets.Packet) -> None:
        if packet.is_fragment:
            self._budget.spend(len(packet.payload) + OVERHEAD)
            whole = self._fragments.add(packet)
            if whole is None:
                return
            packet = whole
        if packet.options and packet.protocol not in {_IGMP, _ICMP6}:
            self._record_packet("IP options", packet, packet.options)
        if len(packet.trailer) != _CHECK_SUM and any(packet.trailer):
            self._record_packet("bytes after a packet", packet, packet.trailer)
        self._take_payload(frame, packet)

    def _take_payload(self, frame: Frame, packet: packets.Packet) -> None:
        ends = (packet.source, packet.target)
        match packet.protocol:
            case 6 if (segment := packets.read_segment(packet.payload, packet.missing)) is not None:
                self._connections.add(frame.number, frame.at, ends, segment)
            case 17 if (datagram := packets.read_datagram(packet.payload)) is not None:
                if datagram.source == dns.PORT:
                    self._learn(datagram.payload)
                is_sent = self._flows.add(frame.at, ends, datagram)
                if is_sent and datagram.trailer:
                    self._record_packet("bytes after a datagram", packet, datagram.trailer)
                if is_sent and packet.missing:
                    self._record_packet("truncated datagrams", packet, b"")
            case 2:
                self._ignored["IGMP"] += 1
            case 58 if packet.payload and packet.payload[0] in _LINK_LOCAL:
                self._ignored["ICMPv6 on the link"] += 1
            case _:
                label = _PROTOCOLS.get(packet.protocol, f"IP protocol {packet.protocol}")
                self._record_packet(label, packet)

    def _record_packet(self, label: str, packet: packets.Packet, data: bytes | None = None) -> None:
        if self._phones and packet.source not in self._phones:
            if packet.target not in self._phones:
                self._others[label] += 1
            return
        where = f"{ip_address(packet.source)} to {ip_address(packet.target)}"
        self._record(label, where, packet.payload if data is None else data)

    def _record(self, label: str, where: str, data: bytes) -> None:
        self._budget.spend(len(data) + OVERHEAD)
        if len(self._other_traffic) >= _PLACES:
            where = "more places"
        self._append(label, where, [data], self._time)

    def _append(self, label: str, where: str, pieces: Iterable[bytes], at: float) -> None:
        self._other_traffic[label, where] += pieces
        self._first_times.setdefault((label, where), at)

    def _learn(self, message: bytes) -> None:
        # Counted even if nothing is learned, because resolving aliases takes time.
        self._budget.spend(len(message) + OVERHEAD)
        for answer in dns.read_answers(message):
            self._budget.spend(len(answer.name) + OVERHEAD)
            if answer.address is not None:
                self._addresses[answer.name].add(answer.address)
            if answer.target is not None:
                self._names[answer.name].add(answer.target)

    def _follow_names(self) -> dict[bytes, frozenset[str]]:
        """Return the addresses of each name, including those of its aliases (CNAME)."""
        found: dict[bytes, frozenset[str]] = {}
        for name in {*self._addresses, *self._names}:
            aliases = {name}
            queue = [name]
            while queue and len(aliases) < 16:
                new = self._names.get(queue.pop(), set()) - aliases
                aliases |= new
                queue += new
            found[name] = frozenset().union(*(self._addresses.get(n, set()) for n in aliases))
        return found

    def _read_flow(self, flow: Flow) -> Iterator[DnsQuestion]:
        where = f"{flow.local} to {flow.remote}"
        if flow.remote.port != dns.PORT:
            name = _PORTS.get(flow.remote.port)
            label = f"UDP port {flow.remote.port}" + (f" ({name})" if name else "")
            self._append(label, where, [data for _, data in flow.sent], flow.at)
            return
        for at, message in flow.sent:
            yield from self._read_message(message, where, at)

    def _read_tcp_questions(self, connection: TcpConnection) -> Iterator[DnsQuestion]:
        for message in dns.split_messages(bytes(connection.sent.data)):
            where = f"{connection.local} to {connection.remote}"
            yield from self._read_message(message, where, connection.at)

    def _read_message(self, message: bytes, where: str, at: float) -> Iterator[DnsQuestion]:
        question = dns.read_question(message)
        if question is None:
            self._append("port 53 without a DNS question", where, [message], at)
        else:
            yield DnsQuestion(where, question.name, question.kind, question.extra, at)


def _make_conversation(number: int, connection: TcpConnection) -> Conversation:
    sent = connection.sent
    data = bytes(sent.data)
    gaps = [
        f"{gap.size} bytes are missing" + (f" at offset {gap.offset}" if gap.offset >= 0 else "")
        for gap in sent.gaps
    ]
    if connection.is_guess:
        gaps.append("the capture starts after the beginning of the connection")
    secure = is_tls(data)
    hello = read_hello(data) if secure else None
    state = State.ENCRYPTED if secure else State.PLAIN
    if connection.remote.port == dns.PORT:
        state = State.NAMES
    return Conversation(
        where=(
            f"connection {number}, {connection.local} to {connection.remote},"
            f" frame {connection.frame}"
        ),
        local=str(connection.local),
        target=_name_target(connection.remote, hello),
        frame=connection.frame,
        at=connection.at,
        data=data,
        state=state if data else State.SILENT,
        hello=hello,
        wire=read_wire(data),
        pieces=tuple(sent.pieces),
        segments=tuple(size for _, size in sent.pieces),
        closed=connection.closed,
        is_reset=connection.is_reset,
        gaps=tuple(gaps),
        contradictions=tuple((piece.label, piece.data) for piece in sent.contradictions),
    )


def _name_target(remote: Endpoint, hello: ClientHello | None) -> bytes:
    """Return the target of a connection in the format of `RecordingWorld`."""
    name = b"plain" if hello is None else hello.server_name or b""
    return f"{ip_address(remote.address)} {remote.port} ".encode() + name
