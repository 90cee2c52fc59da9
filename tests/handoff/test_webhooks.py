"""Other programs are told what happens: signed, again if need be, only where they may be."""

import hashlib
import hmac
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from agent.errors import SetupError
from agent.integrations import outbox
from agent.integrations.outbound import Refused, is_public, post, require_callable
from agent.storage import valkey
from agent.storage.records import Records
from agent.storage.webhooks import Delivery
from tests.handoff.conftest import Opened, eventually
from tests.handoff.receiver import receiving

SECRETS = SecretStr("new secret,old secret")


def test_what_happens_is_told_and_signed(staged: Opened) -> None:
    with (
        receiving() as receiver,
        staged(
            webhooks=(f"{receiver.url}/hook?token=1",),
            webhook_secret=SECRETS,
            allowed_hosts=("127.0.0.1",),
        ) as stage,
    ):
        ann = stage.colleague()
        chat = stage.chat(customer={"name": "Kim"})
        chat.answer("How much is the fee for a dog?")
        chat.post("handoff")
        ann.does(chat, "notes", {"content": "Regular guest."})
        ann.does(chat, "messages", {"content": "Hello, I am here."})
        ann.does(chat, "return_to_ai")
        chat.post("csat", {"score": 5})
        eventually(lambda: receiver.told("csat_submitted", chat.id))

        said = [one.body for one in receiver.told("message_created", chat.id)]
        assert [(m["message_type"], m["sender"]["type"], m["private"]) for m in said] == [
            ("incoming", "customer", False),
            ("outgoing", "ai_agent", False),
            ("outgoing", "human_agent", True),
            ("outgoing", "human_agent", False),
            ("outgoing", "system", False),
        ]
        assert said[0]["conversation"]["customer"]["name"] == "Kim"
        assert said[1]["citations"][0]["title"] == "Pets"
        (requested,) = receiver.told("handoff_requested", chat.id)
        assert requested.body["data"]["reason"] == "customer_request"
        assert len(receiver.told("handoff_returned", chat.id)) == 1
        assert receiver.told("conversation_status_changed", chat.id)

        assert requested.path == "/hook?token=1"
        timestamp = requested.headers["x-frontdesk-timestamp"]
        assert abs(time.time() - int(timestamp)) < 60
        signed = timestamp.encode() + b"." + requested.raw
        wanted = [
            "sha256=" + hmac.new(secret, signed, hashlib.sha256).hexdigest()
            for secret in (b"new secret", b"old secret")
        ]
        assert requested.headers["x-frontdesk-signature"].split(",") == wanted


def test_a_receiver_that_fails_is_told_again_under_the_same_id(
    staged: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_FIRST_PAUSE_S", 0.1)
    with (
        receiving() as elsewhere,
        receiving() as receiver,
        staged(
            webhooks=(receiver.url,), webhook_secret=SECRETS, allowed_hosts=("127.0.0.1",)
        ) as stage,
    ):
        answers = [(500, {}), (302, {"Location": elsewhere.url})]
        receiver.answer = lambda _heard: answers.pop(0) if answers else (200, {})
        chat = stage.chat()
        chat.post("csat", {"score": 4})
        eventually(lambda: len(receiver.heard) == 3)
        assert len({one.headers["x-frontdesk-delivery"] for one in receiver.heard}) == 1
        assert elsewhere.heard == [], "no redirect is followed"
        chat.post("csat", {"score": 5})
        eventually(lambda: len(receiver.heard) == 4)


def test_what_happened_before_a_restart_is_told_after_it(staged: Opened, tmp_path: Path) -> None:
    server = valkey.start(tmp_path)
    settings = {
        "data_dir": tmp_path,
        "redis_url": server.url,
        "webhook_secret": SECRETS,
        "allowed_hosts": ("127.0.0.1",),
    }
    try:
        with receiving() as receiver:
            url = receiver.url
            with staged(webhooks=(url,), **settings) as stage:
                stage.chat().post("csat", {"score": 3})
                eventually(lambda: receiver.heard)
        # Nobody listens there now.
        with staged(webhooks=(url,), **settings) as stage:
            chat = stage.chat()
            chat.post("csat", {"score": 1})
            started = time.monotonic()
            chat.answer("How much is the fee for a dog?")
            assert time.monotonic() - started < 30, "customers do not wait for it"
            eventually(lambda: stage.product.services.records.webhooks.position())
        with (
            receiving(int(url.rpartition(":")[2])) as receiver,
            staged(webhooks=(url,), **settings),
        ):
            eventually(lambda: receiver.told("csat_submitted", chat.id), patience_s=60)
            eventually(lambda: len(receiver.told("message_created", chat.id)) == 2)
            assert receiver.told("csat_submitted", chat.id)[0].body["data"]["score"] == 1
            assert len(receiver.told("csat_submitted")) == 1, "what was told is not told again"
    finally:
        server.stop()


def test_an_erased_conversation_is_told_to_nobody(tmp_path: Path) -> None:
    records = Records.open(f"sqlite:///{tmp_path / 'records.sqlite3'}")
    gone, kept = (Delivery(f"d_{n}", "https://a.example/", f"c_{n}", "{}") for n in (1, 2))
    records.webhooks.add([gone, kept], "1-0")
    records.erase("c_1")
    assert records.webhooks.claim("https://a.example/", 60, 10) == [kept]
    assert records.webhooks.claim("https://a.example/", 60, 10) == [], "it is somebody's already"
    records.close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1%eth0",
        "fd00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ],
)
def test_private_addresses_are_no_receivers(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111"])
def test_public_ones_are(address: str) -> None:
    assert is_public(address)


async def test_a_name_that_leads_to_this_machine_is_refused() -> None:
    with receiving() as receiver:
        port = receiver.url.rpartition(":")[2]
        with pytest.raises(Refused, match="FRONTDESK_ALLOWED_HOSTS"):
            await post(f"http://localhost:{port}/", b"{}", {}, frozenset())
        assert receiver.heard == []
        assert await post(f"http://localhost:{port}/", b"{}", {}, {"localhost"}) == 200
        assert receiver.heard[0].headers["host"] == f"localhost:{port}"


@pytest.mark.parametrize("url", ["http://a.example/", "ftp://a.example/", "a.example", ""])
def test_only_https_addresses_are_taken(url: str) -> None:
    with pytest.raises(SetupError, match="FRONTDESK_WEBHOOKS"):
        require_callable(url, frozenset(), "FRONTDESK_WEBHOOKS")
