"""The one way in which we call an address that somebody configured: checked, and nowhere else.

Invariant: the connection goes to the very address that was checked, so a name that resolves to
another one a moment later changes nothing; no redirect is followed; a private address is called
only for a host that the operator allowed by name.
"""

import asyncio
import socket
from collections.abc import Collection, Mapping
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

import httpx

from agent.errors import SetupError, Unavailable

TIMEOUT_S: Final = 10.0
_NAT64: Final = IPv6Network("64:ff9b::/96")


class Refused(Unavailable):
    """The address may not be called: see FRONTDESK_ALLOWED_HOSTS."""


def require_callable(url: str, allowed_hosts: Collection[str], setting: str) -> None:
    """Raises SetupError unless it is an https URL, or http to an allowed host. Names no URL: it may
    hold a token."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    plain = parsed.scheme == "http" and parsed.host in allowed_hosts
    if not parsed.host or not (parsed.scheme == "https" or plain):
        raise SetupError(
            f"{setting}: use https:// addresses, or http:// for a host that is named in "
            "FRONTDESK_ALLOWED_HOSTS."
        )


async def post(
    url: str, body: bytes, headers: Mapping[str, str], allowed_hosts: Collection[str]
) -> int:
    """The status of the answer, whose body is not read. Raises Refused for an address that may not
    be called, httpx.HTTPError, OSError or TimeoutError if nobody answers."""
    parsed = httpx.URL(url)
    async with asyncio.timeout(TIMEOUT_S):
        address = await _address_of(parsed, allowed_hosts)
        request = httpx.Request(
            "POST",
            parsed.copy_with(host=address),
            content=body,
            headers={**headers, "Host": parsed.netloc.decode()},
            extensions={"sni_hostname": parsed.host},
        )
        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:
            response = await client.send(request, stream=True, follow_redirects=False)
            await response.aclose()
            return response.status_code


async def _address_of(url: httpx.URL, allowed_hosts: Collection[str]) -> str:
    loop = asyncio.get_running_loop()
    port = url.port or (443 if url.scheme == "https" else 80)
    found = await loop.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if url.host not in allowed_hosts:
        addresses = [one for one in addresses if is_public(one)]
    if not addresses:
        raise Refused(
            f"The host {url.host} has no public address: name it in FRONTDESK_ALLOWED_HOSTS if it "
            "is to be called all the same."
        )
    return addresses[0]


def is_public(address: str) -> bool:
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and (ip.ipv4_mapped or ip.sixtofour or ip in _NAT64):
        return False  # what is behind it may be anything
    return ip.is_global and not ip.is_multicast
