"""A small OpenID Connect provider over real HTTP, with real keys, that checks what it is sent.

Whoever comes to its authorization page is signed in as `person` at once. What is wrong with its ID
tokens is up to `spoil`, which gets the claims and the header before they are signed.
"""

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

CLIENT_ID, CLIENT_SECRET = "frontdesk", "a secret: of/the client"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def unspoilt(claims: dict[str, Any], header: dict[str, Any]) -> None:
    """As it should be."""


@dataclass
class OidcProvider:
    url: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    spoil: Callable[[dict[str, Any], dict[str, Any]], None] = unspoilt
    algorithm: str = "RS256"
    kid: str = "first"
    key: PrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    email_in_userinfo: bool = False
    broken: bool = False
    exchanges: int = 0
    grants: dict[str, dict[str, str]] = field(default_factory=dict)
    access: dict[str, dict[str, Any]] = field(default_factory=dict)

    def change_key(self, algorithm: str, kid: str) -> None:
        self.algorithm, self.kid = algorithm, kid
        self.key = (
            ec.generate_private_key(ec.SECP256R1())
            if algorithm == "ES256"
            else rsa.generate_private_key(65537, 2048)
        )

    def metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    def keys(self) -> dict[str, Any]:
        made = ECAlgorithm if self.algorithm == "ES256" else RSAAlgorithm
        jwk = json.loads(made.to_jwk(self.key.public_key()))  # type: ignore[arg-type]
        return {"keys": [{**jwk, "kid": self.kid, "use": "sig", "alg": self.algorithm}]}

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser goes next."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        assert {"openid", "email"} <= set(query["scope"].split())
        code = token_urlsafe(16)
        self.grants[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        self.exchanges += 1
        name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).partition(b":")
        grant = self.grants.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if (unquote(name.decode()), unquote(secret.decode())) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        if grant is None or (grant["code_challenge"], grant["redirect_uri"]) != (
            challenge,
            form.get("redirect_uri"),
        ):
            return 400, {"error": "invalid_grant"}
        access = token_urlsafe(16)
        self.access[access] = self.person
        return 200, {"access_token": access, "id_token": self.id_token(grant["nonce"])}

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        told = {"sub": self.person["sub"]} if self.email_in_userinfo else self.person
        claims = {
            **told,
            "iss": self.url,
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
        }
        header = {"kid": self.kid, "alg": self.algorithm}
        self.spoil(claims, header)
        if header["alg"] == "none":
            return jwt.encode(claims, None, "none", headers=header)  # type: ignore[arg-type]
        if header["alg"] == "HS256":  # with what everybody can read, as if it were a secret
            return jwt.encode(claims, self.keys()["keys"][0]["n"], "HS256", headers=header)
        return jwt.encode(claims, self.key, header["alg"], headers=header)


def _handler(provider: OidcProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if provider.broken:
                self._answer(500, {})
            elif parts.path == "/authorize":
                self.send_response(302)
                self.send_header("Location", provider.authorize(query))
                self.end_headers()
            elif parts.path == "/.well-known/openid-configuration":
                self._answer(200, provider.metadata())
            elif parts.path == "/keys":
                self._answer(200, provider.keys())
            elif parts.path == "/userinfo":
                token = self.headers["Authorization"].removeprefix("Bearer ")
                self._answer(200, provider.access[token])
            else:
                self._answer(404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._answer(*provider.token(form, self.headers["Authorization"] or ""))

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Requests are no news."""

    return Handler


@contextmanager
def running() -> Iterator[OidcProvider]:
    provider = OidcProvider()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(provider)) as server:
        provider.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield provider
        server.shutdown()
        thread.join()
