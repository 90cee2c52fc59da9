"""What a conversation is about, where a library has the same facts on many things.

"Do they allow dogs?" means the hotel that was named two messages before, and every hotel's folder
answers that question. Knows no language model: a term stands for a folder that many of its
documents have and few others. Invariant: an index never changes; a conversation in which nothing is
named is about nothing, and a library without such folders has no subjects.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from knowledge_base.model import Passage

# A folder of fewer documents has no terms of its own, one of more is a category and not a thing.
SMALLEST_FOLDER, LARGEST_FOLDER = 3, 60
# Of a folder's documents so many have a term that stands for it, and so many of those that have it
# are in the folder. DSTC9's 2,900 FAQs: a hotel's name is in 84 % of its own.
COVERAGE = 0.3
CONCENTRATION = 0.5
# A word that is written in small letters is no name, and has to stand for its folder all the more:
# "train" does, and "travel" does not, although one hotel's folder has most of it.
WORD_COVERAGE = 0.4
WORD_CONCENTRATION = 0.9
WORD_DOCUMENTS = 6
LONGEST_TERM = 6  # words
OLDER = 0.5  # of the weight of what was named later
_WORD = re.compile(r"[\w'&-]+")
_JOINS = frozenset({"and", "of", "the", "de", "la", "&", "at", "in", "on"})

Term = tuple[str, ...]


class Subjects:
    def __init__(self, passages: Sequence[Passage], keys: Mapping[str, str]) -> None:
        """`keys` are the documents' paths by their ids."""
        documents: dict[str, list[Passage]] = defaultdict(list)
        for passage in passages:
            documents[passage.document_id].append(passage)
        folders: dict[str, list[list[Passage]]] = defaultdict(list)
        for document, its_own in documents.items():
            folder, _, _ = keys.get(document, "").rpartition("/")
            if folder:
                folders[folder].append(its_own)
        counted: dict[str, Counter[Term]] = {}
        for folder, members in folders.items():
            if SMALLEST_FOLDER <= len(members) <= LARGEST_FOLDER:
                counted[folder] = Counter(term for member in members for term in _terms(member))
        everywhere: Counter[Term] = Counter()
        for counts in counted.values():
            everywhere.update(counts)
        small = {
            word
            for passage in passages
            for word in _WORD.findall(f"{passage.title} {passage.text}")
            if word.islower()
        }
        self._folders: dict[Term, list[str]] = {}
        for folder, counts in counted.items():
            members = folders[folder]
            ids = [passage.id for member in members for passage in member]
            for term, count in counts.items():
                covers, concentrates = count / len(members), count / everywhere[term]
                if len(term) == 1 and term[0] in small:
                    stands = (
                        count >= WORD_DOCUMENTS
                        and covers >= WORD_COVERAGE
                        and concentrates >= WORD_CONCENTRATION
                    )
                else:
                    stands = covers >= COVERAGE and concentrates >= CONCENTRATION
                if stands and len(counted) > 1:
                    self._folders[term] = ids

    def of(self, texts: Sequence[str]) -> dict[str, float]:
        """How much each passage belongs to what the texts, oldest first, name: 1 for what was named
        last, less for what was named before."""
        weights: dict[str, float] = {}
        weight = 1.0
        for text in reversed(texts):
            named = set(self._named(text))
            for passage in named:
                weights.setdefault(passage, weight)
            if named:
                weight *= OLDER
        return weights

    def _named(self, text: str) -> Iterator[str]:
        """The passages of each term in the text, a longer term before those in it."""
        words = [word.lower() for word in _WORD.findall(text)]
        at = 0
        while at < len(words):
            for length in range(min(LONGEST_TERM, len(words) - at), 0, -1):
                ids = self._folders.get(tuple(words[at : at + length]))
                if ids is not None:
                    yield from ids
                    at += length - 1
                    break
            at += 1


def _terms(document: Sequence[Passage]) -> set[Term]:
    """Words of four letters and more, and names of several words."""
    found: set[Term] = set()
    for text in {text for one in document for text in (one.title, one.text)}:
        found.update((word.lower(),) for word in _WORD.findall(text) if len(word) > 3)
        found.update(_names(text))
    return found


def _names(text: str) -> Iterator[Term]:
    """Words in capitals, with the small words between them."""
    for sentence in re.split(r"[.!?:;|\n]+", text):
        run: list[str] = []
        for word in [*_WORD.findall(sentence), ""]:
            if word[:1].isupper() or (run and word in _JOINS):
                run.append(word)
                continue
            while run and run[-1].islower():
                run.pop()
            if 1 < len(run) <= LONGEST_TERM:
                yield tuple(part.lower() for part in run)
            run = []
