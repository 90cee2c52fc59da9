"""Who is asking, as far as a request alone can tell.

Owns reading credentials and the test for the machine's own programs. Refuses to decide what a
caller may do. Invariant: a header that a client or a proxy can set never gives a right, and no
credential is ever read from a URL.
"""

import hashlib
import hmac
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from starlette.requests import Request

# A proxy on this machine connects from loopback for everybody: what it forwards is not local.
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
# A page in the operator's browser may reach 127.0.0.1 under a name of its own (DNS rebinding).
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


SESSION_COOKIE: Final = "frontdesk_session"
CSRF_HEADER: Final = "X-CSRF-Token"


def bearer_token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def session_token(request: Request) -> str | None:
    return request.cookies.get(SESSION_COOKIE) or None


def csrf_token(session: str) -> str:
    """What writes with the cookie have to send: it can be told from the session, which no page can
    read, and not the session from it."""
    return hmac.new(session.encode(), b"csrf", hashlib.sha256).hexdigest()


def csrf_holds(request: Request, session: str) -> bool:
    given = request.headers.get(CSRF_HEADER, "")
    return hmac.compare_digest(csrf_token(session).encode(), given.encode("utf-8", "replace"))


def is_local_name(request: Request) -> bool:
    """Whether the browser speaks to its own machine, where there is no TLS to insist on."""
    return request.url.hostname in _LOCAL_NAMES


def from_this_machine(request: Request) -> bool:
    """Whether the caller is a program here that asked for this machine by a local name."""
    if any(name in request.headers for name in _FORWARDED):
        return False
    if request.url.hostname not in _LOCAL_NAMES or request.client is None:
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def client_address(request: Request, trusted: Sequence[IPv4Network | IPv6Network]) -> str | None:
    """Where the request comes from. X-Forwarded-For is read from its end, only as far as proxies
    that the operator trusts wrote it; it says who, and gives no right."""
    hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",")]
    address = request.client.host if request.client else None
    while address is not None and _is_in(address, trusted) and hops and hops[-1]:
        if not _is_address(hops[-1]):
            break
        address = hops.pop()
    return address and address[:64]


def _is_in(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    return _is_address(address) and any(ip_address(address) in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
