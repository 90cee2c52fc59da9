# ruff: noqa: T201 - what was measured goes to stdout
"""How well the model tells a claim that a policy makes from one that it contradicts.

    python -m tests.benchmarks.claims

Asks of 43 claims about the sample company, the right passage given, whether the passage agrees.
Prints the probability of each, the area under the curve, and what the threshold does with them.
"""

import asyncio
from pathlib import Path
from typing import Final, NamedTuple

from agent.conversation.reading import AGREED, Reader
from agent.generation.engine import EngineSettings, LlamaEngine
from agent.prompting import Prompts
from agent.settings import load_settings
from agent.weights.store import resolve
from knowledge_base.chunking import cut
from knowledge_base.model import Hit, Passage
from knowledge_base.parsing import parse_file
from knowledge_base.sizes import PassageSizes

CONTENT = Path(__file__).resolve().parents[2] / "knowledge_base" / "content"


class Claim(NamedTuple):
    """Of a section of a document; `told`: the section says so."""

    document: str
    section: str | None
    says: str
    told: bool


CLAIMS: Final = (
    Claim("account/login.md", "Passwords", "a password may only have 6 characters", False),
    Claim("account/login.md", "Passwords", "a password needs at least 12 characters", True),
    Claim("account/login.md", "Passwords", "the password has to be changed regularly", False),
    Claim(
        "account/login.md",
        "Forgotten password",
        "a password reset link is valid for 24 hours",
        False,
    ),
    Claim("account/login.md", "Forgotten password", "a reset link is valid for 30 minutes", True),
    Claim(
        "account/login.md", "Forgotten password", "a reset link can be used several times", False
    ),
    Claim(
        "account/login.md", "Account locked", "customer service can lift the lock right away", False
    ),
    Claim(
        "account/login.md",
        "Account locked",
        "the account is locked after six wrong passwords",
        True,
    ),
    Claim("account/login.md", "Two-step login", "every guest must have two-step login", False),
    Claim("account/login.md", "Two-step login", "two-step login is required for hosts", True),
    Claim(
        "account/verification.md",
        "Which documents are accepted",
        "a student card is accepted for verification",
        False,
    ),
    Claim(
        "account/verification.md",
        "Which documents are accepted",
        "a passport is accepted for verification",
        True,
    ),
    Claim(
        "account/verification.md",
        "What happens to the pictures",
        "pictures of the passport are kept for 7 years",
        False,
    ),
    Claim(
        "account/verification.md",
        "What happens to the pictures",
        "the pictures are deleted after 90 days",
        True,
    ),
    Claim(
        "account/verification.md",
        "What happens to the pictures",
        "the host sees my identity document",
        False,
    ),
    Claim("account/your-account.md", "Opening an account", "I can have two accounts", False),
    Claim("account/your-account.md", "Opening an account", "an account is free of charge", True),
    Claim(
        "account/your-account.md", "Deleting an account", "accounts are deleted immediately", False
    ),
    Claim(
        "account/your-account.md",
        "Deleting an account",
        "the account is deleted after 30 days",
        True,
    ),
    Claim(
        "account/your-data.md",
        "Getting a copy of your data",
        "I have to pay for a copy of my data",
        False,
    ),
    Claim("account/your-data.md", "Getting a copy of your data", "a copy of my data is free", True),
    Claim(
        "account/your-data.md",
        "Calls are recorded only with consent",
        "calls are always recorded",
        False,
    ),
    Claim(
        "account/your-data.md",
        "Calls are recorded only with consent",
        "calls are recorded only if I agree",
        True,
    ),
    Claim("account/your-data.md", "Who sees what", "the host gets to see my e-mail address", False),
    Claim(
        "account/your-data.md",
        "Who sees what",
        "the host sees my telephone number after the confirmation",
        True,
    ),
    Claim(
        "safety/cameras.md",
        "Indoors: no cameras",
        "cameras inside the home are fine if the listing names them",
        False,
    ),
    Claim(
        "safety/cameras.md", "Indoors: no cameras", "cameras are forbidden inside the home", True
    ),
    Claim(
        "safety/cameras.md",
        "Outdoors: only with notice",
        "outdoor cameras are allowed at the pool",
        False,
    ),
    Claim(
        "safety/cameras.md",
        "Outdoors: only with notice",
        "video doorbells are allowed if the listing names them",
        True,
    ),
    Claim(
        "safety/fraud.md",
        "Never pay outside Tidelark",
        "I have to pay the host in cash before arrival",
        False,
    ),
    Claim(
        "safety/fraud.md",
        "Never pay outside Tidelark",
        "a bank transfer to the host is against the rules",
        True,
    ),
    Claim(
        "safety/emergencies.md",
        "Tidelark safety line",
        "the safety line is only open on weekdays",
        False,
    ),
    Claim("safety/emergencies.md", "Tidelark safety line", "the safety line is always open", True),
    Claim(
        "safety/cleaning.md",
        "Cleaning fee",
        "the cleaning fee is charged every week in long stays",
        False,
    ),
    Claim("safety/cleaning.md", "Cleaning fee", "the cleaning fee is charged only once", True),
    Claim(
        "safety/cleaning.md",
        "What guests do before leaving",
        "guests have to strip the beds before leaving",
        False,
    ),
    Claim(
        "safety/cleaning.md",
        "What guests do before leaving",
        "guests have to take out the rubbish",
        True,
    ),
    Claim(
        "safety/alarms.md",
        "For guests: an alarm is missing",
        "a missing smoke alarm gives a full refund in every case",
        False,
    ),
    Claim(
        "safety/alarms.md",
        "For guests: an alarm is missing",
        "the host has 12 hours to install a missing alarm",
        True,
    ),
    Claim("guests/check-in-and-out.md", None, "check-in starts at 10 in the morning", False),
    Claim("guests/check-in-and-out.md", None, "check-in is from 15:00 to 21:00", True),
    Claim("guests/pets.md", "Pet fee", "two dogs stay for free", False),
    Claim("guests/pets.md", "Pet fee", "there is a fee of 35 EUR for the first pet", True),
)


def passage_of(claim: Claim) -> Hit:
    file = CONTENT / claim.document
    parsed = parse_file(file.name, file.read_bytes())
    text = next(
        parsed.text[piece.start : piece.end]
        for piece in cut(parsed.text, parsed.title, PassageSizes())
        if piece.section == claim.section
    )
    name = claim.document
    passage = Passage(
        *(name, name, 1, parsed.title, claim.section, text, 0, "public", None, None, None)
    )
    return Hit(passage, 1.0, 1.0, 1, 1, 1.0)


async def main() -> None:
    settings = load_settings()
    model = resolve(settings.model, settings.weights_dir)
    engine = await LlamaEngine.open(
        model.path, name=model.name, sha256=None, settings=EngineSettings(queue_limit=64)
    )
    reader = Reader(engine=engine, prompts=Prompts(company=settings.company), time_zone="UTC")
    found = [(await reader.agrees(one.says, (passage_of(one),)), one) for one in CLAIMS]
    await engine.close()
    for probability, one in sorted(found, key=lambda pair: pair[0]):
        print(f"{probability:.2f} {'so' if one.told else 'NOT so':6} {one.says}")
    told = [probability for probability, one in found if one.told]
    others = [probability for probability, one in found if not one.told]
    above = sum((a > b) + 0.5 * (a == b) for a in told for b in others)
    print(f"area under the curve {above / len(told) / len(others):.3f}")
    print(f"below {AGREED}: {sum(p < AGREED for p in told)} of {len(told)} that are so,")
    print(f"  {sum(p < AGREED for p in others)} of {len(others)} that are not")


if __name__ == "__main__":
    asyncio.run(main())
