"""What may be written of a gap: a name that holds, a draft that says what staff said and no more.

Pure. A document outlives the conversations it was drafted from, so nothing that could be somebody's
own goes into one. Invariant: every sentence of a draft's body is staff's, or rests on theirs.
"""

import re
from collections.abc import Sequence
from typing import Final

from agent.policy import claims, grounding, guardrails

LONGEST_NAME: Final = 80
_BLANK: Final = "(to be answered)"
_GREETING: Final = re.compile(
    r"^(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|hallo|liebe[rs]?|guten tag|bonjour|"
    r"hola)\b[^.,!?\n]{0,40}[.,!]\s*",
    re.IGNORECASE,
)
_SIGNED: Final = re.compile(
    r"^(?:best|kind|warm) (?:regards|wishes)\b|^(?:thanks|sincerely|cheers)\b|^i['’]m sorry\b|"
    r"^sorry\b|^please let (?:me|us) know\b|^let (?:me|us) know\b|^i(?:'ll| will| have|'ve)\b",
    re.IGNORECASE,
)
_WORDS: Final = 0.5  # the least share of a sentence's words that staff's answers have


def held_name(written: object, questions: Sequence[str]) -> str | None:
    """The name that the model wrote, if the questions bear it out."""
    name = " ".join(written.split()).rstrip(".?!:") if isinstance(written, str) else ""
    if not 3 <= len(name) <= LONGEST_NAME or re.search(r"\d|@|https?:", name):
        return None
    words = grounding.content_words(name)
    known = set[str]().union(*map(grounding.content_words, questions))
    return name[0].upper() + name[1:] if words & known else None


def is_personal(text: str) -> bool:
    """Whether it may tell who somebody is, or what is theirs: figures, names, addresses."""
    return bool(re.search(r"\d|@|https?:", text) or claims.names(text))


def said_by_staff(answers: Sequence[str]) -> list[str]:
    """Their sentences about the matter, each once: no greetings, no good wishes."""
    said: dict[str, None] = {}
    for answer in answers:
        for sentence in grounding.sentences(answer):
            text = _GREETING.sub("", sentence).strip()
            if not text or _SIGNED.match(text) or "@" in text:
                continue
            if guardrails.kind_of(text) == "question" and len(grounding.content_words(text)) > 1:
                said[text[0].upper() + text[1:]] = None
    return list(said)


def held_sentences(written: str, said: Sequence[str]) -> list[str]:
    """Of what the model made of staff's sentences, those that say nothing else."""
    whole = "\n".join(said)
    return [
        sentence
        for sentence in grounding.sentences(written)
        if not sentence.startswith(("#", "|"))
        and not grounding.unsupported_figures(sentence, [whole])
        and not claims.unsupported_names(sentence, [whole])
        and not claims.reverses(sentence, whole)
        and grounding.support(sentence, [whole]).share >= _WORDS
    ]


def draft(title: str, body: Sequence[str], questions: Sequence[str]) -> str:
    """A document in Markdown: what is known, else what is to be answered, with blanks."""
    if body:
        lines = body if any(re.match(r"[-*\d]", one) for one in body) else [" ".join(body)]
        return f"# {title}\n\n" + "\n".join(lines) + "\n"
    asked = [" ".join(one.split()) for one in questions if not is_personal(one)]
    wanted = list(dict.fromkeys(asked))[:6] or [title]
    parts = [f"## {one}\n\n{_BLANK}\n" for one in wanted]
    return f"# {title}\n\n" + "\n".join(parts)
