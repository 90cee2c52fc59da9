"""Sign-in through the company's identity provider: OpenID Connect's code flow with PKCE.

Owns the conversation with the provider and the proof that an ID token is its word, for us, now, and
for this attempt. Refuses to know accounts. Invariants: only RS256 and ES256 count, with a key that
the issuer publishes; nothing that a browser brings is believed unless its own cookie, which we
sealed, says the same; every call has a time and a size at which it ends.
"""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Mapping, Sequence
from secrets import token_urlsafe
from typing import Any, Final, NamedTuple, Self
from urllib.parse import quote, urlencode, urlsplit

import httpx
import jwt

from agent.errors import NotAuthorized, Unavailable
from agent.storage.people import ROLES, UserRole

ALGORITHMS: Final = {"RS256": "RSA", "ES256": "EC"}  # and the kind of key that each needs
ATTEMPT_S: Final = 600
_SEALED_WITH: Final = "HS256"
_TIMEOUT_S: Final = 5.0
_LARGEST: Final = 256 * 1024
_FRESH_S: Final = 3600.0
_CLOCKS_DIFFER_S: Final = 60
_CLAIMS: Final = ["iss", "sub", "aud", "exp", "iat", "nonce"]


class Attempt(NamedTuple):
    """One way to the provider and back: what has to come back unchanged, and what proves that it is
    the same browser. `page` is where it began, by a name of ours, never an address."""

    state: str
    nonce: str
    verifier: str
    page: str

    @classmethod
    def begin(cls, page: str) -> Self:
        return cls(token_urlsafe(32), token_urlsafe(32), token_urlsafe(48), page)

    def sealed(self, secret: bytes) -> str:
        claims = {**self._asdict(), "exp": int(time.time()) + ATTEMPT_S}
        return jwt.encode(claims, secret, _SEALED_WITH)

    @classmethod
    def opened(cls, sealed: str, secrets: tuple[bytes, ...], state: str) -> Self:
        """Raises NotAuthorized unless the cookie is ours, young, and of this state."""
        for secret in secrets:
            try:
                claims = jwt.decode(
                    sealed, secret, algorithms=[_SEALED_WITH], options={"require": ["exp"]}
                )
            except jwt.InvalidTokenError:
                continue
            attempt = cls(*(str(claims[name]) for name in cls._fields))
            if hmac.compare_digest(attempt.state.encode(), state.encode()):
                return attempt
        raise NotAuthorized("This sign-in has ended: begin it again.")


class Identity(NamedTuple):
    """Who the provider says it is. `subject` never changes, the verified e-mail address may."""

    subject: str
    email: str
    name: str | None


def role_of(email: str, pairs: Sequence[str]) -> UserRole | None:
    """The role that FRONTDESK_OIDC_ROLES gives to somebody who has no account yet; an address of
    their own wins over their domain's."""
    given = {who.strip().casefold(): role.strip() for who, _, role in map(_pair, pairs)}
    address = email.strip().casefold()
    name, _, domain = address.rpartition("@")
    role = given.get(address) or (given.get(f"@{domain}") if name else None)
    return next((known for known in ROLES if known == role), None)


def _pair(text: str) -> tuple[str, str, str]:
    return text.rpartition("=")


class Provider:
    def __init__(self, issuer: str, client_id: str, client_secret: str) -> None:
        self._issuer = issuer.rstrip("/")
        self._client_id = client_id
        self._client_secret = client_secret
        self._metadata: Mapping[str, Any] = {}
        self._keys: list[dict[str, Any]] = []
        self._read_at = -_FRESH_S
        self._reading = asyncio.Lock()

    @property
    def host(self) -> str:
        return urlsplit(self._issuer).netloc

    async def address(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where to send the browser. Raises Unavailable while the provider does not answer."""
        metadata = await self._discovered()
        challenge = hashlib.sha256(attempt.verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid email profile",
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        endpoint = str(metadata["authorization_endpoint"])
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    async def identify(self, attempt: Attempt, code: str, redirect_uri: str) -> Identity:
        """Raises NotAuthorized for whatever does not hold, Unavailable if nobody answers."""
        metadata = await self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": attempt.verifier,
        }
        methods = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        basic: httpx.BasicAuth | None = None
        if "client_secret_basic" in methods:
            basic = httpx.BasicAuth(quote(self._client_id, ""), quote(self._client_secret, ""))
        else:
            form |= {"client_id": self._client_id, "client_secret": self._client_secret}
        tokens = await _json("POST", metadata["token_endpoint"], data=form, auth=basic)
        claims = await self._proven(str(tokens.get("id_token", "")), attempt.nonce)
        if "email" not in claims and "userinfo_endpoint" in metadata:
            bearer = {"Authorization": f"Bearer {tokens.get('access_token', '')}"}
            told = await _json("GET", metadata["userinfo_endpoint"], headers=bearer)
            if told.get("sub") != claims["sub"]:
                raise NotAuthorized("The identity provider speaks of two people.")
            claims = {**told, **claims}
        if not claims.get("email") or claims.get("email_verified") not in (True, "true"):
            raise NotAuthorized("The identity provider vouches for no e-mail address of yours.")
        name = claims.get("name")
        return Identity(
            subject=f"{claims['iss']} {claims['sub']}",
            email=str(claims["email"]),
            name=str(name)[:100] if name else None,
        )

    async def _proven(self, token: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token that is signed by the issuer, for us, and for this attempt."""
        try:
            key, algorithm = await self._key_of(jwt.get_unverified_header(token))
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._client_id,
                issuer=self._metadata["issuer"],
                leeway=_CLOCKS_DIFFER_S,
                options={"require": _CLAIMS},
            )
        except jwt.PyJWTError as error:
            raise NotAuthorized("The identity provider's answer does not hold.") from error
        alone = claims["aud"] in (self._client_id, [self._client_id])
        ours = claims.get("azp", self._client_id if alone else None) == self._client_id
        fresh = hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode())
        if not (ours and fresh):
            raise NotAuthorized("The identity provider's answer is not for this sign-in.")
        return claims

    async def _key_of(self, header: Mapping[str, Any]) -> tuple[jwt.PyJWK, str]:
        """A key that is not known may be new: the issuer is asked once more. Only what its token
        endpoint answers comes here, so nobody else can make us ask."""
        algorithm = str(header.get("alg"))
        if algorithm not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError
        for again in (False, True):
            if again:
                await self._discovered(again=True)
            for key in self._keys:
                fits = key.get("kty") == ALGORITHMS[algorithm] and key.get("kid") == header.get(
                    "kid"
                )
                signs = key.get("use", "sig") == "sig" and key.get("alg", algorithm) == algorithm
                if fits and signs:
                    return jwt.PyJWK(key, algorithm), algorithm
        raise jwt.InvalidKeyError

    async def _discovered(self, *, again: bool = False) -> Mapping[str, Any]:
        """What the provider says of itself, with its keys; kept for an hour."""
        async with self._reading:
            if again or time.monotonic() - self._read_at >= _FRESH_S:
                where = f"{self._issuer}/.well-known/openid-configuration"
                metadata = await _json("GET", where)
                if str(metadata.get("issuer", "")).rstrip("/") != self._issuer:
                    raise Unavailable("The identity provider is not the one that was set.")
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    self._require_as_safe(metadata.get(name))
                keys = (await _json("GET", metadata["jwks_uri"])).get("keys")
                self._keys = [key for key in keys or () if isinstance(key, dict)]
                self._metadata = metadata
                self._read_at = time.monotonic()
            return self._metadata

    def _require_as_safe(self, url: object) -> None:
        if not str(url).startswith(("https://", f"{urlsplit(self._issuer).scheme}://")):
            raise Unavailable("The identity provider names an address without TLS.")


async def _json(method: str, url: str, **options: Any) -> dict[str, Any]:
    """Raises NotAuthorized if the provider refuses, Unavailable if it cannot be understood."""
    try:
        async with (
            asyncio.timeout(2 * _TIMEOUT_S),
            httpx.AsyncClient(timeout=_TIMEOUT_S) as client,
            client.stream(method, url, **options) as response,
        ):
            body = b""
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _LARGEST:
                    raise Unavailable("The identity provider's answer is too long.")
            if method == "POST" and 400 <= response.status_code < 500:
                raise NotAuthorized("The identity provider refused the sign-in.")
            found = httpx.Response(response.status_code, content=body).json()
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
        raise Unavailable("The identity provider does not answer: try again later.") from error
    if response.status_code != 200 or not isinstance(found, dict):
        raise Unavailable("The identity provider does not answer: try again later.")
    return found
