"""Which language a customer writes in, by its commonest words. Pure.

Knows the languages that the product's own words exist in. A detector from a library needs a model
or tables of a hundred languages; five are told apart by a few dozen words each.
"""

import re
from typing import Final, Literal

Language = Literal["en", "de", "fr", "es", "zh"]

NAMES: Final[dict[Language, str]] = {
    "en": "English",
    "de": "German",
    "fr": "French",
    "es": "Spanish",
    "zh": "Chinese",
}
_WORDS: Final[dict[Language, str]] = {
    "en": "the a an is are do does did can could would will i my me you your it we our they what "
    "when where how why which who for of to from with and or if not have has there this that",
    "de": "der die das ein eine einen ist sind war ich mein meine meinen mir mich sie ihr wir uns "
    "es kann können darf muss möchte wie was wann wo warum wer welche für von zu mit und oder wenn "
    "nicht habe hat gibt dem den im am auf bei nach wird werden auch kein keine viel",
    "fr": "le la les un une des du est sont je mon ma mes moi vous votre nous notre il elle on "
    "peut puis dois comment que quoi quand où pourquoi qui quel quelle pour de avec et ou si ne "
    "pas ai a ce cette dans sur combien faire",
    "es": "el la los las un una unos es son soy yo mi mis me usted su nos puedo puede debo cómo "
    "como qué que cuándo dónde por quién cuál para de con y o si no he ha hay este esta en del al "
    "cuánto cuanto hacer",
    "zh": "",
}
_COMMON: Final = {name: frozenset(words.split()) for name, words in _WORDS.items()}
_WORD: Final = re.compile(r"[^\W\d_]+")
_CHINESE: Final = re.compile(r"[\u4e00-\u9fff]")


def language_of(text: str) -> Language | None:
    """None if too little of the text is common in any of them to tell."""
    if _CHINESE.search(text):
        return "zh"
    words = _WORD.findall(text.lower())
    counts = {name: sum(word in common for word in words) for name, common in _COMMON.items()}
    best, second = sorted(counts, key=lambda name: -counts[name])[:2]
    if counts[best] == counts[second] or counts[best] < 2:  # "no" is a word of three of them
        return None
    return best
