"""What the agent says by itself and in which style, as an admin words it.

Owns the limits of the texts and how they come into force. Refuses to know where they are said.
Invariant: a text is plain text: nothing in it is a template or an instruction to code.
"""

import asyncio
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from pydantic import AfterValidator, Field

from agent.http.audit import note
from agent.http.dependencies import AdminDep, ServicesDep
from agent.http.schemas import Body, clean
from agent.prompting import LANGUAGES, SAID
from agent.services import Services
from agent.storage.words import STYLE

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])

# The style stands in front of every policy: what is long there is read before each first answer.
STYLE_CHARACTERS: Final = 300
Text = Annotated[str, Field(max_length=500), AfterValidator(clean)]
Style = Annotated[str, Field(max_length=STYLE_CHARACTERS), AfterValidator(clean)]


class WordIn(Body):
    name: Literal[
        "greeting", "about_me", "thanks", "acknowledged", "goodbye", "complaint", "abuse",
        "off_limits", "refusal", "missing_knowledge", "low_confidence", "handoff", "returned",
    ]  # fmt: skip
    language: Literal["en", "de", "fr", "es", "zh"]
    text: Text


class WordsIn(Body):
    """What is left out stays; an empty text brings the product's own back."""

    style: Style | None = None
    words: Annotated[list[WordIn], Field(max_length=len(SAID) * len(LANGUAGES))] = Field(
        default_factory=list
    )


@router.get("/words")
async def read_words(services: ServicesDep, _admin: AdminDep) -> dict[str, Any]:
    return await _shown(services)


@router.put("/words")
async def change_words(
    request: Request, services: ServicesDep, user: AdminDep, body: WordsIn
) -> dict[str, Any]:
    """In force at once. Another style has every policy read again before the next first answers."""
    texts: dict[tuple[str, str], str] = {(w.name, w.language): w.text for w in body.words}
    if body.style is not None:
        texts[STYLE] = " ".join(body.style.split())
    await asyncio.to_thread(services.records.words.write, texts, user.email)
    await services.use_words()
    note(request, detail=", ".join(f"{name} {language}".strip() for name, language in texts))
    return await _shown(services)


async def _shown(services: Services) -> dict[str, Any]:
    """`text` is what is said; `standard` what would be said without an admin's own."""
    own = await asyncio.to_thread(services.records.words.read)
    history = await asyncio.to_thread(services.records.words.history)
    standard = services.prompts.standard
    return {
        "style": own.pop(STYLE, ""),
        "words": [
            {
                "name": name,
                "language": language,
                "text": own.get((name, language), ""),
                "standard": standard(name, language),
            }
            for name in SAID
            for language in LANGUAGES
        ],
        "history": [one.model_dump() for one in history],
    }
