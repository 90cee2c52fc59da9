"""What customers' programs may send: shapes, lengths, and text that every store can hold.

Owns the cleaning of text at the edge. Refuses to know what is done with it. Invariant: text that
passes is valid Unicode without control characters, so that nothing behind the edge has to ask.
"""

import json
import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from agent.conversation.access import CustomerClaim
from agent.errors import InvalidRequest

CONTENT_CHARACTERS: Final = 4000

# Control characters but for line feed and tab; a pasted text is full of them and means none.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _content(text: str) -> str:
    text = clean(text)
    if not text:
        raise ValueError("write something: the text is empty")
    if len(text) > CONTENT_CHARACTERS:
        raise ValueError(f"write at most {CONTENT_CHARACTERS:,} characters, not {len(text):,}")
    return text


Text = Annotated[str, AfterValidator(clean)]
Content = Annotated[str, AfterValidator(_content)]
Comment = Annotated[str, Field(max_length=2000), AfterValidator(clean)]


class Body(BaseModel):
    """A request's JSON. Half a character (a lone surrogate) is JSON, but no store takes it."""

    @model_validator(mode="before")
    @classmethod
    def _whole_characters(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for name, part in value.items():
                try:
                    json.dumps({name: part}, ensure_ascii=False, allow_nan=False).encode()
                except UnicodeEncodeError:
                    raise InvalidRequest(
                        "The text holds half of a character (a lone surrogate).",
                        field=name.encode(errors="replace").decode(),
                    ) from None
                except ValueError:
                    raise InvalidRequest("NaN and Infinity are no JSON.", field=name) from None
        return value


Word = Annotated[str, Field(max_length=320), AfterValidator(clean)]


class CustomerIn(Body):
    """The limits are those of `CustomerClaim`; here they are answered with the field's name."""

    identifier: Annotated[Word, Field(min_length=1)] | None = None
    identifier_hash: Annotated[str, Field(max_length=128)] | None = None
    jwt: Annotated[str, Field(max_length=4096)] | None = None
    name: Word | None = None
    email: Word | None = None
    attributes: Annotated[dict[Word, Word | int | float | bool | None], Field(max_length=50)] = (
        Field(default_factory=dict)
    )

    def claim(self) -> CustomerClaim:
        return CustomerClaim(**self.model_dump())


class StartIn(Body):
    locale: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{2,35}$")] | None = None
    customer: CustomerIn | None = None
    page_url: Annotated[Text, Field(max_length=2048)] | None = None


class MessageIn(Body):
    content: Content
    client_message_id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,128}$")] | None = None


class HandoffIn(Body):
    reason: Comment | None = None


class FeedbackIn(Body):
    rating: Literal["up", "down"]
    reason: Literal["incorrect", "incomplete", "outdated", "unhelpful"] | None = None
    comment: Comment | None = None


class CsatIn(Body):
    score: Annotated[int, Field(ge=1, le=5, strict=True)]
    comment: Comment | None = None


class StartedOut(BaseModel):
    """`token` is shown this once: only its hash is kept."""

    id: str
    token: str
    status: str
    greeting: str
    identity: Literal["anonymous", "verified"]


class PostedOut(BaseModel):
    message_id: str
    event_id: str


class Accepted(BaseModel):
    """The effect, where one shows, arrives as an event."""
