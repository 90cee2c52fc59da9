"""Tokens and signed identities."""

import hashlib
import hmac
import time

import jwt
import pytest

from agent.conversation import access
from agent.conversation.access import CustomerClaim
from agent.errors import InvalidRequest, NotAuthorized

WIDGET = (b"new widget secret, thirty-two bytes", b"old widget secret, thirty-two bytes")
JWT = (b"a jwt secret that has thirty-two bytes at least",)


def verify(**claim: object) -> access.Identity:
    return access.identify(CustomerClaim(**claim), widget_secrets=WIDGET, jwt_secrets=JWT)


def signed(identifier: str, secret: bytes) -> str:
    return hmac.new(secret, identifier.encode(), hashlib.sha256).hexdigest()


def token(**claims: object) -> str:
    return jwt.encode(claims, JWT[0], algorithm="HS256")


@pytest.mark.parametrize("secret", WIDGET)
def test_a_signed_identifier_is_verified_under_both_active_secrets(secret: bytes) -> None:
    identity = verify(identifier="guest-7", identifier_hash=signed("guest-7", secret))
    assert (identity.level, identity.method, identity.identifier) == ("verified", "hmac", "guest-7")


@pytest.mark.parametrize("given", [None, "", "0" * 64, signed("guest-8", WIDGET[0]), "é" * 64])
def test_an_identifier_without_its_signature_is_refused(given: str | None) -> None:
    with pytest.raises(NotAuthorized):
        verify(identifier="guest-7", identifier_hash=given)


def test_what_a_page_states_is_never_verified() -> None:
    identity = verify(name="Ada", email="ada@example.com", attributes={"plan": "gold"})
    assert identity.level == "anonymous"
    assert identity.identifier is None
    assert identity.stated["name"] == "Ada"


def test_a_jwt_is_verified_and_its_claims_are_kept() -> None:
    identity = verify(jwt=token(sub="guest-7", exp=time.time() + 600, booking="B1"))
    assert identity.identifier == "guest-7"
    assert identity.claims == {"booking": "B1"}


def test_jwts_that_do_not_hold_are_refused() -> None:
    soon = time.time() + 600
    unsigned = jwt.encode({"sub": "g", "exp": soon}, None, algorithm="none")
    foreign = jwt.encode({"sub": "g", "exp": soon}, b"another secret of thirty-two bytes!!")
    for bad in [
        token(sub="g", exp=time.time() - 10),
        token(sub="g", exp=time.time() + 90_000),
        token(sub="g"),
        token(exp=soon),
        token(sub="", exp=soon),
        unsigned,
        foreign,
        "not.a.jwt",
    ]:
        with pytest.raises(NotAuthorized):
            verify(jwt=bad)


def test_a_jwt_for_another_identifier_is_refused() -> None:
    with pytest.raises(NotAuthorized):
        verify(identifier="guest-8", jwt=token(sub="guest-7", exp=time.time() + 600))


def test_a_hash_without_an_identifier_is_a_mistake() -> None:
    with pytest.raises(InvalidRequest):
        verify(identifier_hash="0" * 64)


def test_tokens_are_long_random_and_kept_hashed() -> None:
    one, one_hash = access.new_token()
    two, _ = access.new_token()
    assert one != two
    assert len(one) >= 43
    assert one not in one_hash
    assert access.token_holds(one, one_hash)
    assert not access.token_holds(two, one_hash)
