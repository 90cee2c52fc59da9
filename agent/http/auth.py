"""Who is asking, as far as a request alone can tell.

Owns reading credentials and the test for the machine's own programs. Refuses to decide what a
caller may do. Invariant: a header that a client or a proxy can set never gives a right, and no
credential is ever read from a URL.
"""

from ipaddress import ip_address
from typing import Final

from starlette.requests import Request

# A proxy on this machine connects from loopback for everybody: what it forwards is not local.
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
# A page in the operator's browser may reach 127.0.0.1 under a name of its own (DNS rebinding).
_LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def bearer_token(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


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
