"""Every setting of the product: one typed tree, read once, frozen, loud when wrong.

Environment variables `FRONTDESK_*` or a `.env` file in the working directory; the README's table
names each one (a test compares them). Secrets that are not set are generated at first start and
kept in SQL (see storage.records), never empty.
"""

import os
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from agent.errors import SetupError


def cache_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "frontdesk"


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="FRONTDESK_", env_file=".env", extra="ignore", frozen=True
    )

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on.")
    data_dir: Path = Field(
        Path("data"), description="Uploads, databases, embedded servers' files, the lock."
    )
    weights_dir: Path = Field(
        default_factory=lambda: cache_dir() / "weights",
        description="Model files; shared by all data directories (default: the user's cache).",
    )
    model: str | None = Field(
        None, description="Chat model: a catalogue name, a path, or hf://repo@revision/file."
    )
    redis_url: str | None = Field(
        None, description="Redis or Valkey for sessions (default: an embedded Valkey)."
    )
    database_url: str | None = Field(
        None, description="SQLAlchemy URL (default: SQLite in the data directory)."
    )
    chroma_url: str | None = Field(
        None, description="Chroma server (default: embedded, in the data directory)."
    )
    engine_url: str | None = Field(
        None, description="OpenAI-compatible server to use instead of the in-process engine."
    )
    engine_key: SecretStr | None = Field(None, description="API key for FRONTDESK_ENGINE_URL.")
    engine_model: str | None = Field(
        None, description="Model to ask for at FRONTDESK_ENGINE_URL (default: its first)."
    )
    widget_secret: SecretStr | None = Field(
        None, description="Signs identifier_hash; two, comma-separated, for rotation."
    )
    jwt_secret: SecretStr | None = Field(
        None, description="Signs customers' JWTs (HS256); two, comma-separated, for rotation."
    )
    widget_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins, comma-separated, that may embed the widget and call the API."
    )
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.1", "::1"),
        description="Proxies (addresses or networks, comma-separated) whose X-Forwarded-For is "
        "believed, for the audit log and the sign-in's limits.",
    )
    public_url: str | None = Field(
        None, description="Where browsers reach Frontdesk, for the way back from the provider."
    )
    oidc_issuer: str | None = Field(
        None, description="OpenID Connect provider by which staff may sign in (its issuer's URL)."
    )
    oidc_client_id: str | None = Field(None, description="Client id at that provider.")
    oidc_client_secret: SecretStr | None = Field(
        None, description="Client secret at that provider."
    )
    oidc_roles: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Roles of people whom nobody invited: boss@example.org=admin, "
        "@example.org=staff; others are refused.",
    )
    password_sign_in: bool = Field(
        True, description="Sign-in by password; may be off where FRONTDESK_OIDC_ISSUER is set."
    )
    audit_days: int = Field(365, ge=1, description="Days for which the audit log is kept.")
    time_zone: str = Field("UTC", description="Zone whose calendar dates policies follow.")
    working_hours: str = Field(
        "",
        description="When people are there, in that zone, as `mo-fr 09:00-17:30; sa 10:00-14:00; "
        "closed 2026-12-25` (default: always).",
    )
    webhooks: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses, comma-separated, that are told what happens."
    )
    webhook_secret: SecretStr | None = Field(
        None, description="Signs what they are told; two, comma-separated, for rotation."
    )
    chatwoot_url: str | None = Field(
        None, description="Chatwoot whose inbox this answers as an agent bot."
    )
    chatwoot_token: SecretStr | None = Field(None, description="The bot's access token there.")
    chatwoot_secret: SecretStr | None = Field(
        None, description="Signs Chatwoot's calls, or ends their address; two for rotation."
    )
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Hosts, comma-separated, that may be called on private addresses too."
    )
    sample: bool = Field(True, description="Seed an empty catalogue with the sample company.")
    company: str = Field("Tidelark", description="The company's name, as the agent says it.")
    prompts_dir: Path | None = Field(
        None, description="Templates here replace the built-in prompts one by one."
    )
    sure_at: float = Field(
        0.65, ge=0, le=1, description="The model's own P(answers) at which a passage is taken."
    )
    refuse_below: float = Field(
        0.4, ge=0, le=1, description="P(answers) of the best passage below which none is taken."
    )
    clarify_at: float = Field(
        0.4, ge=0, le=1, description="Probability from which a question back is asked."
    )
    hand_off_below: float = Field(
        0.15, ge=0, le=1, description="Confidence below which an answer goes to a person as well."
    )
    hand_off_after: int = Field(
        2, ge=0, description="Unanswered questions in a row that call a person (0: never)."
    )
    answer_memory: int = Field(
        3,
        ge=0,
        description="Customers who must like an answer before it is given again at once (0: off).",
    )
    gate: Literal["off", "advise", "require"] = Field(
        "advise",
        description="Changes are tried on past questions before they go live: off, advise, or "
        "require (the admin page publishes nothing untried).",
    )
    gate_questions: int = Field(
        40, ge=1, le=500, description="Past questions a change is tried on, beside golden ones."
    )
    context_tokens: int = Field(8192, ge=2048, description="KV cells shared by all sequences.")
    sequences: int = Field(8, ge=1, le=64, description="Answers written at the same time.")
    queue: int = Field(32, ge=1, description="Turns that may wait before callers hear 'busy'.")
    cache_memory_mb: int = Field(
        192, ge=0, description="Memory for policies' computed states (they are on disk as well)."
    )
    cache_disk_gb: float | None = Field(
        None, ge=0, description="Disk for them (default: 4, or a tenth of what is free if less)."
    )
    warm: bool = Field(
        True, description="Read published policies in the background before anybody asks."
    )
    gaps: bool = Field(
        True, description="Name gaps and ask them again after a publication, when nobody waits."
    )
    threads: int | None = Field(
        None, ge=1, description="Threads of the model (default: what was measured as fastest)."
    )
    tune: bool = Field(
        True, description="Measure at the first start what is fastest on this machine (15 s)."
    )
    gpu_layers: int | None = Field(
        None, ge=0, description="The model's layers on a GPU (default: all, if built for one)."
    )
    sources: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Folders or Git checkouts that documents are kept in step with, "
        "comma-separated: policies=/srv/policies.",
    )
    sources_publish: bool = Field(
        False, description="Show their changes to customers at once (default: as drafts)."
    )
    sources_seconds: float = Field(60, ge=1, description="Seconds between two looks at them.")
    archive_days: int = Field(
        7, ge=1, description="Idle days after which a conversation moves from Redis to SQL."
    )
    sla_first_answer_minutes: float = Field(
        5, gt=0, description="Minutes in which a person's first answer is due."
    )
    sla_next_answer_minutes: float = Field(
        15, gt=0, description="Minutes in which each later answer of a person is due."
    )
    quality_review: bool = Field(
        True, description="Score finished conversations when nobody waits for the model."
    )
    currency: str = Field(
        "EUR", pattern="^[A-Z]{3}$", description="Currency of the prices below, as ISO 4217 has it."
    )
    machine_price_per_hour: float | None = Field(
        None, ge=0, description="Rent of the machine for an hour, for what a conversation costs."
    )
    machine_price: float | None = Field(
        None, ge=0, description="What the machine was bought for, if it is not rented."
    )
    machine_years: float = Field(4, gt=0, description="Years that a bought machine serves.")
    machine_watts: float | None = Field(
        None, ge=0, description="What the machine draws while it answers."
    )
    electricity_price: float | None = Field(None, ge=0, description="Price of a kWh.")
    price_per_resolution: float | None = Field(
        None, ge=0, description="What a provider paid by resolution would take, to compare with."
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @field_validator(
        "widget_origins",
        "trusted_proxies",
        "oidc_roles",
        "webhooks",
        "allowed_hosts",
        "sources",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                ip_network(one, strict=False)
            except ValueError as error:
                raise ValueError("use addresses or networks like 10.0.0.0/8") from error
        return value

    @field_validator("oidc_issuer", "public_url")
    @classmethod
    def _safe(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            local = parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1", "::1")
            if not parts.hostname or not (parts.scheme == "https" or local):
                raise ValueError("use an address that begins with https://")
        return value

    @field_validator("oidc_roles")
    @classmethod
    def _who_is_what(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            who, is_, role = one.rpartition("=")
            if not is_ or "@" not in who or role.strip() not in ("staff", "supervisor", "admin"):
                raise ValueError("use pairs like boss@example.org=admin or @example.org=staff")
        return value

    @field_validator("sources")
    @classmethod
    def _folders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            name, is_, folder = one.partition("=")
            if not is_ or not name.strip() or not Path(folder.strip()).is_absolute():
                raise ValueError("use pairs like policies=/srv/policies")
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.oidc_issuer and not (self.oidc_client_id and self.oidc_client_secret):
            raise ValueError("FRONTDESK_OIDC_ISSUER needs _CLIENT_ID and _CLIENT_SECRET beside it")
        if not self.password_sign_in and not self.oidc_issuer:
            raise ValueError("FRONTDESK_PASSWORD_SIGN_IN=0 needs FRONTDESK_OIDC_ISSUER")
        if self.sources_publish and self.gate == "require":
            raise ValueError(
                "FRONTDESK_SOURCES_PUBLISH=1 would publish untried, which FRONTDESK_GATE=require "
                "forbids: leave one of them out"
            )
        return self

    @cached_property
    def source_folders(self) -> dict[str, Path]:
        pairs = (one.partition("=") for one in self.sources)
        return {name.strip(): Path(folder.strip()) for name, _, folder in pairs}

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"'{value}' is not a time zone; use one like Europe/Berlin") from error
        return value

    @field_validator("data_dir", "weights_dir", "prompts_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return value.expanduser().absolute() if value else None

    @cached_property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        return tuple(ip_network(one, strict=False) for one in self.trusted_proxies)

    @cached_property
    def sql_url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'frontdesk.sqlite3'}"


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment; `overrides` that are not None win.

    Raises SetupError naming the variable and what is wrong with it, never its value.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        which = f"FRONTDESK_{name}: " if name else ""
        raise SetupError(f"{which}{first['msg']}. See the settings table in the README.") from None
