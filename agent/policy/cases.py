"""A customer's own case: a yes/no question about what applies to them, what they said of it, and
whether a policy decides it or a question back has to be asked first.

Pure. The decision is a multinomial logistic regression over what the model says in one word (yes,
no, unclear), how far the conversation has come, and how many conditions the policy has; its weights
are fitted by `python -m tests.benchmarks.calibrate` on conversations about published rules
(OR-ShARC, Gao et al. 2021); agent/README.md has what each part is worth.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from agent.policy import grounding
from agent.policy.fitted import DECISION

Decision = Literal["yes", "no", "clarify"]
DECISIONS: Final[tuple[Decision, ...]] = ("yes", "no", "clarify")

_VERB: Final = (
    r"(?:can|could|may|must|am|is|are|was|were|do|does|did|will|would|shall|should|have|has|had)"
)
# "Can I …", "Is this …", "Does the insurance pay if I …"; not "Can you tell me …", "Do you have …".
_ASKS: Final = re.compile(
    rf"(?:^|[.!?;:,]\s+|\b(?:so|and|but|hi|hello|please) ){_VERB}(?:n['’]t)? "
    r"(?!(?:you|they|there|your)\b)(?:not )?(?:[\w-]+[ '’]){0,8}?"
    r"(?:i|my|me|we|our|us|mine|this|these|that)\b[^.!?]*\?*\s*$",
    re.IGNORECASE,
)
_ASKS_BACK: Final = re.compile(rf"\?\s*$|^\W*{_VERB} [^.]*$", re.IGNORECASE)
_TOLD: Final = 3  # messages
_TOLD_CHARACTERS: Final = 500
_LISTED: Final = re.compile(r"^\s*(?:[*•-]|\d+[.)])\s+(?:or |and )?(\S[^\n]*)$")
_CONDITION: Final = 200  # characters
_YES: Final = re.compile(
    r"^\W*(?:yes|yeah|yep|yup|ok(?:ay)?|sure|exactly|correct|right|of course|ja|oui|sí|"
    r"i (?:do|am|have|did|was|will))\b(?! not)|^\W*[是对有]",
    re.IGNORECASE,
)
_NO: Final = re.compile(
    r"^\W*(?:no|nope|not|nein|non|i (?:don['’]t|(?:do|am|have|did|was) not|haven['’]t|didn['’]t))\b"
    r"|^\W*[不没]",
    re.IGNORECASE,
)


class Verdict(NamedTuple):
    """The model's one word on a case: probabilities of yes, no and unclear as the next token."""

    yes: float
    no: float
    unclear: float


@dataclass(frozen=True, slots=True)
class Case:
    """`told` is what the customer said before the question, `asked` our questions about it, each
    with the customer's reply; all oldest first."""

    question: str
    told: tuple[str, ...] = ()
    asked: tuple[tuple[str, str], ...] = ()

    @property
    def query(self) -> str:
        """What to search for."""
        return " ".join((*self.told, self.question))

    @property
    def text(self) -> str:
        """As the model reads it."""
        lines = [f"The customer says: {said}" for said in self.told]
        lines.append(f"The customer asks: {self.question}")
        for question, reply in self.asked:
            lines += [f"You asked: {question}", f"The customer answered: {reply}"]
        return "\n".join(lines)


def own_case(said: Sequence[tuple[bool, str]]) -> Case | None:
    """The case that the last message belongs to, if it asks one or replies to a question of ours
    about one. `said`: (is the customer's, text), oldest first."""
    asked: list[tuple[str, str]] = []
    at = len(said) - 1
    while at >= 0:
        is_customers, text = said[at]
        if not is_customers:
            return None
        if _ASKS.search(text):
            return Case(text, _told(said[:at]), tuple(reversed(asked)))
        if at == 0 or said[at - 1][0] or not _ASKS_BACK.search(said[at - 1][1]):
            return None
        asked.append((said[at - 1][1].strip(), text))
        at -= 2
    return None


def decide(case: Case, policy: str, verdict: Verdict) -> dict[Decision, float]:
    """The probability of each decision; that of a question back is 0 if nothing is left to ask."""
    values = features(case, policy, verdict)
    sums = [sum(w * v for w, v in zip(DECISION[name], values, strict=True)) for name in DECISIONS]
    powers = [math.exp(one - max(sums)) for one in sums]
    if not leaves_something_to_ask(case, policy):
        powers[DECISIONS.index("clarify")] = 0.0
    return {name: power / sum(powers) for name, power in zip(DECISIONS, powers, strict=True)}


def features(case: Case, policy: str, verdict: Verdict) -> tuple[float, ...]:
    """The first is always 1: its weight is the bias."""
    replies = [(bool(_YES.search(reply)), bool(_NO.search(reply))) for _, reply in case.asked]
    last_yes, last_no = replies[-1] if replies else (False, False)
    count, low = len(replies), policy.lower()
    conditions = min(len(listed_conditions(policy)), 6)
    told = len(" ".join(case.told)) / 100
    flags = (
        *(count == 0, count == 1, count == 2, count > 2, last_yes, last_no),
        conditions > count,
        any(word in low for word in ("any of", "one of", "either")),
        any(word in low for word in ("all of", "both", "must")),
        " or " in low,
        " not " in low or "n't" in low,
        " if " in low,
        bool(told),
        bool(told) and not count,
        last_yes and (" not " in low or "n't" in low),
        last_no and ("all of" in low or "must" in low),
    )
    return (
        *(1.0, *map(float, flags)),
        float(sum(yes for yes, _ in replies)),
        float(sum(no for _, no in replies)),
        float(conditions),
        min(told, 5.0),
        _log(verdict.yes) - _log(verdict.no),
        _log(verdict.unclear),
    )


def leaves_something_to_ask(case: Case, policy: str) -> bool:
    """Whether the policy lists more conditions than were asked about. Where it lists none, nothing
    depends on the customer: "Can I bring my dog?" got a question back for every list of rules."""
    return len(listed_conditions(policy)) > len(case.asked)


def is_new_question(case: Case, text: str) -> bool:
    """Whether the text is one question that was not asked yet and is not the customer's own."""
    if not text.endswith("?") or text.count("?") > 1 or "policy text" in text:
        return False
    words = grounding.content_words(text)
    before = [case.question, *(question for question, _ in case.asked)]
    return bool(words) and all(words != grounding.content_words(one) for one in before)


def listed_conditions(policy: str) -> list[str]:
    """Items of lists that a sentence leads into ("You get it if:"). A list under a heading tells
    rules or facts, which nobody has to be asked about."""
    found: list[str] = []
    leads = False
    for line in policy.splitlines():
        item = _LISTED.match(line)
        if item is None:
            if line.strip():
                leads = line.rstrip().endswith(":") and not line.lstrip().startswith("#")
        elif leads:
            found.append(item[1].strip(" ;,."))
    return found


def condition_as_question(case: Case, policy: str) -> str | None:
    """The first condition listed in the policy that nothing was said about, put to the customer in
    its own words."""
    known = grounding.content_words(case.text)
    for condition in listed_conditions(policy):
        words = grounding.content_words(condition)
        if words and len(words & known) <= len(words) / 2 and len(condition) <= _CONDITION:
            return f"Does this apply to you: {condition}?"
    return None


def _told(before: Sequence[tuple[bool, str]]) -> tuple[str, ...]:
    """What the customer said right before the question, in messages of its own. What was said
    before an answer of ours, and other questions, are other matters."""
    told: list[str] = []
    room = _TOLD_CHARACTERS
    for is_customers, text in reversed(before):
        room -= len(text)
        if not is_customers or text.rstrip().endswith("?") or room < 0 or len(told) == _TOLD:
            break
        told.append(text)
    return tuple(reversed(told))


def _log(probability: float) -> float:
    return math.log(max(probability, 1e-4))
