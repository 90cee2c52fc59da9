"""Who a customer is: conversation tokens, signed identities.

Knows no HTTP and no storage. Invariant: nothing that a browser merely states ever becomes a fact;
every comparison of secrets takes the same time whatever it finds.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from secrets import token_urlsafe
from typing import Annotated, Any, Final

import jwt
from pydantic import BaseModel, ConfigDict, Field

from agent.domain import Identity
from agent.errors import InvalidRequest, NotAuthorized

TOKEN_IDLE: Final = timedelta(days=30)
JWT_AHEAD: Final = timedelta(hours=24)
Text = Annotated[str, Field(max_length=320)]


class CustomerClaim(BaseModel):
    """What a page says of its customer; see the contract for which of it is believed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    identifier: Text | None = None
    identifier_hash: Annotated[str, Field(max_length=128)] | None = None
    jwt: Annotated[str, Field(max_length=4096)] | None = None
    name: Text | None = None
    email: Text | None = None
    attributes: dict[Text, Text | int | float | bool | None] = Field({}, max_length=50)


def new_token() -> tuple[str, str]:
    """(token with 256 random bits for the customer, its hash for the store)"""
    token = token_urlsafe(32)
    return token, token_hash(token)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def token_holds(token: str, stored_hash: str) -> bool:
    return hmac.compare_digest(token_hash(token), stored_hash)


def is_idle(active_at: str) -> bool:
    return datetime.now(UTC) - datetime.fromisoformat(active_at) > TOKEN_IDLE


def identify(
    claim: CustomerClaim | None, *, widget_secrets: Sequence[bytes], jwt_secrets: Sequence[bytes]
) -> Identity:
    """The identity that the claim proves. Raises NotAuthorized for a proof that does not hold."""
    if claim is None:
        return Identity()
    stated = {
        name: value
        for name in ("name", "email", "attributes")
        if (value := getattr(claim, name)) not in (None, {})
    }
    if claim.jwt is not None:
        claims = _jwt_claims(claim.jwt, jwt_secrets)
        if claim.identifier is not None and claim.identifier != claims["sub"]:
            raise NotAuthorized("The identifier is not the one that the JWT was signed for.")
        return Identity(
            level="verified",
            method="jwt",
            identifier=claims["sub"],
            claims={k: v for k, v in claims.items() if k not in {"exp", "iat", "nbf", "sub"}},
            stated=stated,
        )
    if claim.identifier is None:
        if claim.identifier_hash is not None:
            raise InvalidRequest("identifier_hash needs its identifier.", field="identifier")
        return Identity(stated=stated)
    if not _hash_holds(claim.identifier, claim.identifier_hash or "", widget_secrets):
        raise NotAuthorized(
            "The identifier needs a valid identifier_hash: the hex HMAC-SHA256 of the identifier "
            "under the widget secret."
        )
    return Identity(level="verified", method="hmac", identifier=claim.identifier, stated=stated)


def _hash_holds(identifier: str, given: str, secrets: Sequence[bytes]) -> bool:
    good = False
    for secret in secrets:
        wanted = hmac.new(secret, identifier.encode(), hashlib.sha256).hexdigest()
        good |= hmac.compare_digest(wanted.encode(), given.lower().encode("utf-8", "replace"))
    return good


def _jwt_claims(token: str, secrets: Sequence[bytes]) -> dict[str, Any]:
    for secret in secrets:
        try:
            claims: dict[str, Any] = jwt.decode(
                token, secret, algorithms=["HS256"], options={"require": ["sub", "exp"]}
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.PyJWTError as error:
            raise NotAuthorized(f"The JWT does not hold: {error}.") from None
        if claims["exp"] > (datetime.now(UTC) + JWT_AHEAD).timestamp():
            raise NotAuthorized("The JWT's exp must be at most 24 hours ahead.")
        if not claims["sub"]:
            raise NotAuthorized("The JWT's sub is empty.")
        return claims
    raise NotAuthorized("The JWT's signature does not hold under the JWT secret.")
