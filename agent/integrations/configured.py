"""Which programs outside are told and heard, by the settings.

Knows no feed and no door. Invariant: what is set only in part is refused at the start, by name.
"""

from agent.errors import SetupError
from agent.integrations.chatwoot import Chatwoot, ChatwootSettings
from agent.integrations.outbound import require_callable
from agent.integrations.webhooks import Webhooks, WebhookSettings
from agent.settings import Settings
from agent.storage.chatwoot import ChatwootRecords


def webhooks_of(settings: Settings) -> Webhooks:
    hosts = frozenset(settings.allowed_hosts)
    for url in settings.webhooks:
        require_callable(url, hosts, "FRONTDESK_WEBHOOKS")
    if settings.webhooks and settings.webhook_secret is None:
        raise SetupError(
            "FRONTDESK_WEBHOOK_SECRET is not set: give a long random text, with which receivers "
            "check that it is you."
        )
    secrets = given_secrets(settings, "webhook_secret")
    return Webhooks(WebhookSettings(settings.webhooks, secrets, hosts))


def chatwoot_of(settings: Settings, records: ChatwootRecords) -> Chatwoot | None:
    if settings.chatwoot_url is None:
        return None
    hosts, url = frozenset(settings.allowed_hosts), settings.chatwoot_url.rstrip("/")
    require_callable(url, hosts, "FRONTDESK_CHATWOOT_URL")
    if settings.chatwoot_token is None or settings.chatwoot_secret is None:
        raise SetupError(
            "FRONTDESK_CHATWOOT_URL needs FRONTDESK_CHATWOOT_TOKEN, the bot's access token, and "
            "FRONTDESK_CHATWOOT_SECRET, by which its calls are known."
        )
    token = settings.chatwoot_token.get_secret_value()
    secrets = given_secrets(settings, "chatwoot_secret")
    return Chatwoot(ChatwootSettings(url, token, secrets, hosts), records)


def given_secrets(settings: Settings, name: str) -> tuple[bytes, ...]:
    given = getattr(settings, name)
    if given is None:
        return ()
    secrets = tuple(part.strip().encode() for part in given.get_secret_value().split(","))
    if not all(secrets):
        raise SetupError(f"FRONTDESK_{name.upper()} is empty: set a long random text.")
    return secrets
