"""What a customer takes for granted: "Since breakfast is included, when is it served?" rests on a
claim that the policies may contradict.

Pure, and English only: another language has no premise here. Invariant: what is returned claims
something of the company's rules, never of the customer's own case, which no policy can know.
"""

import re
from typing import Final

from agent.policy import claims, grounding

_END: Final = r"(?=\s*(?:[.,;!?]|$))"
_TOLD: Final = (
    r"(?:you|your (?:\w+ )?(?:colleagues?|agents?|website|site|app|polic(?:y|ies)|terms)|"
    r"(?:my|the) host|they|some(?:one|body)|a (?:friend|colleague))"
)
_SAYING: Final = r"(?:say|says|said|told (?:me|us)|states?|wrote|claims?|promised?|confirmed)"
_KNOWING: Final = (
    r"(?:read|heard|know|thought|understand|understood|believed?|saw|assumed?|was told|were told)"
)
_TAG: Final = r"(?:right|correct|true|is that (?:right|correct)|(?:is|are|do|does|ca|wo)n['’]t \w+)"
_CLAIMS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        (
            r"(?:^|[.!?]\s+|\b(?:so|but|and|hi|hello),? )"
            r"(?:since|because|given that|seeing that|as) (?P<claim>[^,.?!]+),"
        ),
        (
            rf"\b(?:i|we)(?:['’]ve| have)? (?:just )?{_KNOWING}"
            rf"(?: (?:on|in|at) your \w+| somewhere)?(?: that)? (?P<claim>[^,.;?!]+){_END}"
        ),
        rf"\b{_TOLD} {_SAYING}(?: that)? (?P<claim>[^,.;?!]+){_END}",
        rf"(?:^|[.!?]\s+)(?P<claim>[^,.?!]+), {_TAG}\s*\?",
        r"\bwhy (?:do|does) (?P<claim>[^?.!]+)",
    )
)
_ASKED: Final = re.compile(
    r"\bis it (?:true|correct|right|the case) that (?P<claim>[^?.!]+)", re.IGNORECASE
)
_WHY: Final = re.compile(
    r"\bwhy (?P<verb>must|can|may|are|is) (?P<who>(?:i|you|we|they)|(?:(?:the|every|each|all|a|an|"
    r"your|no) )?[\w-]+) (?P<what>[^?.!]+)",
    re.IGNORECASE,
)
_OWN: Final = re.compile(r"^(?:i|we|my|our|mine|he|she|his|her)\b", re.IGNORECASE)
_RULED: Final = re.compile(
    r"^(?:i|we) (?:(?:always|only|also|never) )?(?:can|cannot|can['’]t|may|must|have to|need to|"
    r"need|get|am allowed|are allowed|will|should|do(?: not|n['’]t) (?:have|need) to)\b",
    re.IGNORECASE,
)
_NO_SUBJECT: Final = re.compile(r"^(?:is|are|was|were|has|have|had)\b", re.IGNORECASE)
_FEWEST_WORDS: Final = 3
# Of a claim's words without its figures, what a passage that decides it has at least; it has to be
# told from one that says nothing of it, for the model agrees with neither.
_ABOUT: Final = 0.5


def premise_of(question: str) -> str | None:
    """The claim about the company's rules that the question rests on; None if it rests on none."""
    if match := _ASKED.search(question):
        return match["claim"].strip()
    for pattern in _CLAIMS:
        if match := pattern.search(question):
            return _of_the_rules(match["claim"])
    if match := _WHY.search(question):
        return _of_the_rules(f"{match['who']} {match['verb'].lower()} {match['what']}")
    return None


def is_about(claim: str, passage: str) -> bool:
    """Whether the passage speaks of what the claim speaks of, whatever it says of it."""
    words = {word for word in grounding.content_words(claim) if not word[0].isdigit()}
    return bool(words) and len(words & grounding.content_words(passage)) >= _ABOUT * len(words)


def repeats(sentence: str, claim: str) -> bool:
    """Whether the sentence says the same again, instead of the contrary."""
    return grounding.is_said(claim, sentence) and not claims.may_differ(sentence, claim)


def _of_the_rules(claim: str) -> str | None:
    claim = claim.strip()
    if len(claim.split()) < _FEWEST_WORDS or _NO_SUBJECT.match(claim):
        return None
    return claim if _RULED.match(claim) or not _OWN.match(claim) else None
