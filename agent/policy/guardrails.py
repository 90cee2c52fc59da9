"""What a customer's message is, before anything is looked up: pure functions of its text.

Refuses to know models, storage and documents. Invariant: when in doubt a message is a question,
for a question that is looked up needlessly costs a second, and one that is not is lost.
"""

import re
from typing import Final, Literal

MessageKind = Literal[
    "question",
    "greeting",
    "thanks",
    "goodbye",
    "acknowledged",
    "about_me",
    "complaint",
    "abuse",
    "wants_person",
    "off_limits",
]

# Whole messages only: "hi, can I bring a dog?" is a question.
_WORDS: Final[dict[MessageKind, str]] = {
    "greeting": (
        r"hi+|hello|hey+|hiya|howdy|good (?:morning|afternoon|evening|day)|greetings|"
        r"hallo|guten (?:morgen|tag|abend)|moin|servus|grüezi|bonjour|bonsoir|salut|coucou|"
        r"hola|buenos d[ií]as|buenas(?: tardes| noches)?|你好|您好|嗨|早上好|下午好|晚上好"
    ),
    "thanks": (
        r"(?:ok(?:ay)?|great|perfect|super|cool|nice)?[,! ]*(?:many |lots of )?"
        r"(?:thanks?(?: you)?|thx|ty|cheers)(?: (?:a lot|so much|very much|again|for (?:your|"
        r"the) help))?|"
        r"(?:vielen |besten )?dank(?:e)?(?: (?:sch[oö]n|sehr|dir|ihnen))?|merci(?: beaucoup|"
        r" bien)?|"
        r"(?:muchas )?gracias|谢谢(?:你|您)?|多谢"
    ),
    "goodbye": (
        r"(?:no[, ]+)?that(?:'s| is|s) (?:all|it|everything)(?: for now| i needed)?|nothing else|"
        r"(?:good ?)?bye(?: bye)?|see (?:you|ya)(?: later)?|have a (?:nice|good|great) day|"
        r"tsch[uü]ss|auf wiedersehen|au revoir|bonne journ[ée]e|adi[oó]s|hasta (?:luego|pronto)|"
        r"再见|拜拜"
    ),
    "acknowledged": (
        r"ok(?:ay|ey)?|k|got it|i see|understood|great|perfect|cool|nice|fine|all (?:right|good|"
        r"clear)|"
        r"alles klar|verstanden|d'accord|compris|vale|entendido|de acuerdo|好的?|明白了?|知道了"
    ),
    "about_me": (
        r"(?:who|what) are you|are you (?:a |an )?(?:real|human|person|bot|robot|ai|machine|"
        r"real person)"
        r"(?: or (?:a |an )?\w+)?|am i (?:talking|speaking|chatting) (?:to|with) (?:a |an )?"
        r"(?:human|person|real person|bot|robot|ai|machine)|(?:wer|was) (?:bist du|sind sie)|"
        r"(?:qui|qu) ?(?:es-tu|êtes-vous)|qui[ée]n eres|你是(?:谁|机器人吗|真人吗)"
    ),
}
# Words to the machine instead of a question to the company.
_OFF_LIMITS: Final = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,20}\b(?:previous|above|prior|earlier|your|all)\b"
    r".{0,20}\b(?:instructions?|prompts?|rules|guidelines)\b"
    r"|\b(?:your|the|initial) (?:system|hidden|initial) (?:prompt|instructions?|message)\b"
    r"|\b(?:repeat|print|show|reveal|output)\b.{0,30}\b(?:prompt|instructions|text) "
    r"(?:above|verbatim|you were given)\b",
    re.IGNORECASE,
)
_WHOLE: Final = {
    kind: re.compile(rf"(?:{words})(?: there| everyone| all)?", re.IGNORECASE)
    for kind, words in _WORDS.items()
}

# Anger without a matter: a short message that asks nothing. With details it is a question.
_ANGER_WORDS: Final = 10
_COMPLAINT: Final = re.compile(
    r"\b(?:this|that|it|your (?:service|company|support|site|app)) (?:is|was)(?:n't)? (?:so |just |"
    r"absolutely |really |completely |totally )*(?:ridiculous|unacceptable|terrible|awful|horrible|"
    r"outrageous|rubbish|a joke|a disgrace|a scam|the worst|not good enough)\b"
    r"|\bi(?:'m| am) (?:so |very |really |extremely |absolutely )*(?:angry|upset|furious|"
    r"disappointed|frustrated|unhappy|fed up)\b"
    r"|\bworst (?:\w+ )?(?:service|company|experience|support)\b"
    r"|\bdas ist (?:doch |wirklich )?(?:unverschämt|eine frechheit|inakzeptabel|lächerlich|"
    r"unglaublich)\b|\bich bin (?:sehr |so |echt )?(?:wütend|verärgert|enttäuscht|sauer)\b"
    r"|\bc'est (?:inadmissible|scandaleux|inacceptable|honteux|nul)\b"
    r"|\bje suis (?:très |vraiment )?(?:déçu|furieu|en colère|mécontent)"
    r"|\b(?:es|esto es) (?:inaceptable|una vergüenza|indignante|ridículo)\b"
    r"|\bestoy (?:muy )?(?:enfadad|decepcionad|molest|furios|hart)"
    r"|太差了|太糟糕|太过分|气死我|很失望|无法接受",
    re.IGNORECASE,
)
_ABUSE: Final = re.compile(
    r"\b(?:fuck\w*|shit|bullshit|asshole|bastard|bitch|idiots?|morons?|wankers?)\b"
    r"|\byou(?:'re| are) (?:so |all |just |really |a |an )*(?:stupid|useless|dumb|pathetic|"
    r"worthless|rubbish)\b|\b(?:stupid|useless|dumb) (?:bot|robot|machine|ai)\b"
    r"|\b(?:arschloch|schei(?:ß|ss)e?|verpiss dich|halt die klappe)\b"
    r"|\b(?:connard|va te faire|ta gueule|merde)\b|\b(?:gilipollas|mierda|imbécil|cállate)\b"
    r"|傻逼|混蛋|滚开|废物",
    re.IGNORECASE,
)

_PERSON: Final = (
    r"(?:a |an |some |your |the )?(?:real |live |actual |human )*"
    r"(?:human|person|people|agent|advisor|adviser|representative|rep|operator|colleague|"
    r"someone|somebody|"
    r"staff(?: member)?|team member|customer (?:service|support)|support(?: team)?)"
)
_WANTS_PERSON: Final = re.compile(
    rf"(?:\b(?:talk|speak|chat|connect(?: me)?|transfer(?: me)?|put me through|pass me|get me|"
    rf"escalate)"
    rf"(?: this)?(?: (?:to|with|over to|through to))? {_PERSON}\b(?! (?:of the host|my host))"
    rf"|\b(?:i (?:want|need|would like|'d like)|give me|"
    rf"get me) {_PERSON}(?! to\b)(?=[\s.!,]*(?:please|now|$))"
    r"|^\W*(?:an? )?(?:real |live )?(?:human|person|agent|representative|operator)(?: please)?\W*$"
    r"|^\W*(?:einen? )?(?:echten? )?(?:mensch(?:en)?|person|mitarbeiter(?:in)?)(?: bitte)?\W*$"
    r"|^\W*(?:une? )?(?:vraie )?(?:personne|humain|conseill(?:er|ère))(?: s'il vous pla[iî]t)?\W*$"
    r"|^\W*(?:una? )?(?:persona|humano|agente)(?: por favor)?\W*$"
    r"|\bmit (?:einem|einer|jemand\w*|eurem|ihrem) ?(?:echten |richtigen )?(?:menschen|person|"
    r"mitarbeiter\w*|"
    r"kolleg\w*|berater\w*)? ?(?:aus \w+ team )?(?:sprechen|reden|verbinden|chatten)"
    r"|\bparler (?:à|avec) (?:un|une|quelqu)\w*[ '’]?(?:un|humain|personne|conseiller|agent|"
    r"vraie personne)?"
    r"|\bhablar con (?:una? )?(?:persona|humano|agente|alguien|representante)"
    r"|(?:转|找|要|和|联系).{0,3}(?:人工|真人|客服人员))",
    re.IGNORECASE,
)

# A follow-up leans on what was said before: it is searched together with the question before it.
_LEANS: Final = re.compile(
    r"^(?:and|but|so|or|also|what about|how about|what if|then|und|aber|oder|et|mais|y|pero)\b"
    r"|\b(?:it|its|they|them|their|theirs|that|those|this|these|he|she|him|her|ones|same|instead|"
    r"otherwise|dies\w*|dort|ça|cela|eso|esto)\b",
    re.IGNORECASE,
)
_SHORT_QUESTION_WORDS: Final = 4

# A passive or first-person undertaking that no tool stands behind.
_PROMISE: Final = re.compile(
    r"\b(?:i|we)(?:'ll| will| shall|'m going to| am going to| are going to|'re going to)\s+"
    r"(?:now |then |also |gladly |be happy to |make sure to )*"
    r"(?:check|look (?:into|it up)|e-?mail|send|call|contact you|get back|follow up|process|"
    r"refund you|"
    r"cancel|change|update|arrange|forward|escalate|notify|investigate|book|issue)\b"
    r"|\blet me (?:check|look|see|find out)\b",
    re.IGNORECASE,
)


# The model saying in its own words what NO_ANSWER says.
_DECLINES: Final = re.compile(
    r"NO_ANSWER|\b(?:excerpts?|policy excerpts?|provided (?:information|policies|text))\b.{0,60}"
    r"\b(?:do(?:es)? not|don't|doesn't|no information|nothing)\b"
    r"|\b(?:not|isn't|aren't|never) (?:\w+ ){0,2}(?:specified|mentioned|stated|covered|provided|"
    r"addressed) "
    r"in (?:the|our|these) (?:\w+ )?(?:excerpts?|polic(?:y|ies)|information|documents?)"
    r"|\bpolicy(?: text)? (?:does not|doesn't) (?:mention|say|state|specify|contain|provide)\b"
    r"|\bpolicy text (?:does not|doesn't) (?:cover|include|give|list)\b"
    r"|\bI (?:do not|don't|cannot|can't) (?:have|find) (?:\w+ ){0,3}(?:information|details|"
    r"an answer)\b",
    re.IGNORECASE,
)


_DATES: Final = re.compile(
    r"\b(?:today|tonight|tomorrow|yesterday|now|currently|already|still|(?:this|next|last) "
    r"(?:week|month|year|weekend|spring|summer|autumn|fall|winter|(?:mon|tues|wednes|thurs|fri|satur|"
    r"sun)day)|january|february|march|april|june|july|august|september|october|november|december|"
    r"may \d|\d(?:st|nd|rd|th)?(?: of)? may|christmas|easter|20\d\d|"
    r"heute|morgen|gestern|jetzt|noch|januar|februar|märz|juni|juli|oktober|dezember|weihnachten|"
    r"ostern|aujourd'hui|demain|maintenant|encore|janvier|février|mars|avril|juin|juillet|août|"
    r"septembre|octobre|novembre|décembre|noël|hoy|mañana|ayer|ahora|todavía|enero|febrero|marzo|"
    r"abril|junio|julio|agosto|septiembre|octubre|noviembre|diciembre|navidad)\b"
    r"|今天|明天|昨天|现在|\d月|\b\d{1,2}[./]\d{1,2}\b",
    re.IGNORECASE,
)

_AMOUNT: Final = re.compile(
    r"\bhow (?:much|many)\b|\b(?:costs?|expensive|at most)\b|\bwhat\b[^?]*\b(?:fee|price|charge)"
    r"|\bwie ?viele?\b|\b(?:kostet|kosten|preis|gebühr)\b|\bcombien\b|\b(?:prix|frais|coûte)\b"
    r"|\bcu[aá]nt[oa]s?\b|\b(?:cuesta|precio|tarifa)\b|多少|几(?:个|只|位)|费用|价格",
    re.IGNORECASE,
)


def kind_of(text: str) -> MessageKind:
    """What the message is as a whole."""
    if wants_person(text):
        return "wants_person"
    if _OFF_LIMITS.search(text):
        return "off_limits"
    if "?" not in text and "？" not in text and len(text.split()) <= _ANGER_WORDS:
        if _ABUSE.search(text):
            return "abuse"
        if _COMPLAINT.search(text.replace("’", "'")):
            return "complaint"
    bare = re.sub(r"[^\w\s',’-]", " ", text).strip(" ,-\n")
    bare = re.sub(r"\s+", " ", bare).rstrip(",")
    for kind, pattern in _WHOLE.items():
        if pattern.fullmatch(bare):
            return kind
    parts = [part.strip() for part in bare.split(",")]
    if len(parts) > 1 and all(part and kind_of(part) != "question" for part in parts):
        return kind_of(parts[-1])
    return "question"


def wants_person(text: str) -> bool:
    """True if the customer asks for a human being, in any of the languages of the widget."""
    return bool(_WANTS_PERSON.search(text))


def leans_on_history(question: str) -> bool:
    """True if the question cannot be searched alone: it points back or is a few words long."""
    return len(question.split()) <= _SHORT_QUESTION_WORDS or bool(_LEANS.search(question))


def mentions_dates(question: str) -> bool:
    """True if what the answer is may depend on what day it is. Told the day in any case, a small
    model puts it into answers that have nothing to do with it."""
    return bool(_DATES.search(question.replace("’", "'")))


def asks_amount(question: str) -> bool:
    """True if the answer is a sum or a number."""
    return bool(_AMOUNT.search(question))


def promises_work(sentence: str) -> bool:
    """True if the sentence undertakes something that nobody here will do."""
    return bool(_PROMISE.search(sentence))


def declines(answer: str) -> bool:
    """True if the answer says that the policies do not say."""
    return bool(_DECLINES.search(answer))
