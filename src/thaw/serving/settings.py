"""How the API is served."""

from dataclasses import dataclass, field

from thaw.parallel import cores


def default_slots() -> int:
    """Several requests for each core, as they wait for each other, too: benchmarks/serving.py."""
    return 4 * cores()


@dataclass(frozen=True)
class ServeSettings:
    """Address and limits of a server.

    allowed_hosts: names, beside `host` and localhost, by which clients may call it; IP addresses
    are always allowed. cors_origins: pages whose scripts may use it, such as https://example.org.
    max_body: bytes of a request. max_images: of a request. slots: requests that predict at once.
    queue: requests that wait for a slot, each at most `max_wait` seconds; more are refused.
    receive_seconds: until a request has arrived entirely. drain_seconds: for what has arrived, when
    the server stops. token: who sends it may train; None: nobody may.
    """

    host: str = "127.0.0.1"
    port: int = 5001
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    max_body: int = 32_000_000
    max_images: int = 32
    slots: int = field(default_factory=default_slots)
    queue: int = 32
    max_wait: float = 5.0
    receive_seconds: float = 60.0
    drain_seconds: float = 30.0
    token: str | None = field(default=None, repr=False)
