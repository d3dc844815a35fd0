"""What ``load.c`` does, for machines without a C compiler: slower, and with it everything fast that it measures.

``load.py PORT CONNECTIONS SECONDS REQUEST_FILE`` prints requests, failures and seconds, then all latencies in
microseconds, one a line.
"""

import re
import select
import socket
import sys
import time
from pathlib import Path

_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection:\s*close", re.IGNORECASE)
_SLOWEST = 60.0  # seconds past the end in which a slow side may answer for the first time


class Client:
    """One connection, which sends the request again as soon as it has the answer."""

    def __init__(self, port: int, request: bytes, poll: select.epoll) -> None:
        self._port, self._request, self._poll = port, request, poll
        self.sent = 0.0
        self.answer = b""
        self.dial()

    def dial(self) -> None:
        self.line = socket.create_connection(("127.0.0.1", self._port))
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll.register(self.line, select.EPOLLIN)

    def again(self) -> None:
        """On a new connection: the server has ended this one."""
        self._poll.unregister(self.line)
        self.line.close()
        self.dial()

    def begin(self) -> None:
        self.answer = b""
        self.sent = time.perf_counter()
        self.line.sendall(self._request)

    def read(self) -> bool:
        """False when the server has ended the connection."""
        data = self.line.recv(1 << 20)
        self.answer += data
        return bool(data)

    @property
    def whole(self) -> bool:
        head, end, body = self.answer.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not end or length is None:
            return bool(end) and body.endswith(b"0\r\n\r\n")
        return len(body) >= int(length[1])

    @property
    def closes(self) -> bool:
        return _CLOSES.search(self.answer.partition(b"\r\n\r\n")[0]) is not None


def load(port: int, connections: int, seconds: float, request: bytes) -> tuple[int, float, list[float]]:
    """Failures, seconds, and the latencies of all answers in microseconds."""
    poll, latencies, failures = select.epoll(), [], 0
    clients = {client.line.fileno(): client for client in (Client(port, request, poll) for _ in range(connections))}
    began = moment = time.perf_counter()
    end = began + seconds
    for client in clients.values():
        client.begin()
    while moment < end or (not latencies and moment < end + _SLOWEST):
        for number, _ in poll.poll(1.0):
            client = clients[number]
            alive = client.read()
            if alive and not client.whole:
                continue
            moment = time.perf_counter()
            if alive:
                latencies.append((moment - client.sent) * 1e6)
                ok = client.answer.startswith(b"HTTP/1.1 200")
            else:
                ok = not client.answer
            if not ok:
                failures += 1
                print(client.answer[:500].decode("utf-8", "replace"), file=sys.stderr)
            if not alive or client.closes:
                del clients[number]
                client.again()
                clients[client.line.fileno()] = client
            if moment < end:
                client.begin()
        moment = time.perf_counter()
    return failures, moment - began, latencies


def main() -> None:
    port, connections, seconds, path = sys.argv[1:]
    failures, took, latencies = load(int(port), int(connections), float(seconds), Path(path).read_bytes())
    print(len(latencies), failures, f"{took:f}")
    print("\n".join(f"{latency:.0f}" for latency in latencies))


if __name__ == "__main__":
    main()
