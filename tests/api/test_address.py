"""Where a request comes from: nobody writes an address of their own into the audit log."""

from ipaddress import ip_network

import pytest
from starlette.requests import Request

from agent.http.auth import client_address

TRUSTED = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),  # no proxy of ours said so
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),  # the first one is the client's own
        ("127.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.3", "198.51.100.1"),
        ("127.0.0.1", "2001:db8::7", "2001:db8::7"),
        ("127.0.0.1", "198.51.100.1, nonsense", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("10.0.0.3", "10.0.0.4", "10.0.0.4"),
        ("testclient", "198.51.100.1", "testclient"),
    ],
)
def test_only_proxies_that_are_trusted_are_believed(
    peer: str, forwarded: str | None, seen: str
) -> None:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    request = Request({"type": "http", "headers": headers, "client": (peer, 5000)})
    assert client_address(request, TRUSTED) == seen
