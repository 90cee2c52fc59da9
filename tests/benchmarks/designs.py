# ruff: noqa: T201 - the table on stdout is what this is for
"""Compares designs of answering from cached passages: `python -m tests.benchmarks.designs DIR`.

`record` asks the model (20 s a question on two cores; what is in `DIR/records.jsonl` is not asked
again), `table` compares the designs over what was recorded. Thresholds are fitted on one half of
the questions and tried on the other, both ways round, so every figure is of questions that its
thresholds have not seen; the ones printed last are fitted on all. Reads `../shared/eval` beside the
checkout; where it is absent it says so and exits 0.
"""

import argparse
import itertools
import json
import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any
from zlib import crc32

from agent.evaluation import scoring
from agent.policy import grounding, guardrails
from tests.benchmarks import design_rules as rules
from tests.benchmarks.design_items import SETS, Search, in_turn, load
from tests.benchmarks.design_records import Recorder
from tests.benchmarks.design_rules import Case, Choice, Record, Rule
from tests.benchmarks.retrieval import EVAL

AT_ONCE = 3
FOUR_EVERY = 3  # of so many questions one is also answered from four passages
# Seconds of a token before the first word and of one after it: 1.5B Q4_K_M, two quiet cores.
TOKEN_S, DECODED_S = 0.01, 0.04
# What a right refusal counts beside an answer's score of at most 1: where nothing answers, and
# where the right document was taken away (another one may answer, so less).
REFUSAL, TAKEN_AWAY = 0.4, 0.15
TOKEN_PRICE = 0.0002  # of that for each token before the first word: of equals, the cheaper one

Grid = dict[str, tuple[float, ...]]

SURE = (0.15, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)
REFUSE = (0.55, 0.6, 0.63, 0.66, 0.69, 0.72, 0.75, 0.8, 1.0)
LIKELY_SURE = (-1.0, -0.75, -0.5, 9.0)
WEIGHT = (0.0, 1.0, 2.0, 4.0, 8.0)
TRUSTED = (0.5, 0.6, 0.7, 0.8, 9.0)
CLOSE = (0.05, 0.1, 0.2)
DOUBT = (0.3, 0.4, 0.45, 0.5, 0.55, 0.6)


@dataclass(frozen=True)
class Design:
    """A rule with what is fixed and, in `grid`, what is fitted."""

    name: str
    rule: Rule
    fixed: dict[str, Any] = field(default_factory=dict)
    grid: Grid = field(default_factory=dict)

    def settings(self) -> Iterator[dict[str, Any]]:
        for values in itertools.product(*self.grid.values()):
            yield self.fixed | dict(zip(self.grid, values, strict=True))


def _designs() -> list[Design]:
    one, like = rules.one_by_one, rules.likelihood
    both: Grid = {"sure": SURE, "refuse": REFUSE}
    gate: Grid = {"trusted": TRUSTED, "close": CLOSE}
    first: dict[str, Any] = {"judge": "first"}
    kept: dict[str, Any] = first | {"kept": True}
    ranked: Grid = {"weight": WEIGHT, "refuse": REFUSE}
    return [
        Design("A four passages, prefilled", rules.four),
        Design("B first passage", rules.first),
        Design("C0 one by one, today's thresholds", one, first | {"sure": 0.45, "refuse": 0.66}),
        Design("C one by one", one, first, both),
        Design("C2 one by one, at most two", one, first | {"most": 2}, both),
        Design("D one by one, question first", one, {"judge": "second"}, both),
        Design("E likelihood, never refusing", like, first | {"refuse": 1.0, "sure": -99.0},
               {"weight": WEIGHT}),
        Design("E1 likelihood, winner judged", like, first, ranked),
        Design("E2 E1, judge after the question", like, {"judge": "second"}, ranked),
        Design("E3 E1, judged only if unlikely", like, first, ranked | {"sure": LIKELY_SURE}),
        Design("F one by one, only if close", one, first, gate | both),
        Design("F1 E1, only if close", like, first, ranked | gate),
        Design("G C, two passages if unsure", one, first,
               {"sure": SURE[2:], "refuse": REFUSE, "both": DOUBT}),
        Design("G1 E1, two passages if unsure", like, first, ranked | {"both": DOUBT}),
        Design("G2 first judged, else two", rules.pair_if_unsure, first, both),
        Design("G3 G2, only if close", rules.pair_if_unsure, first, both | gate),
        Design("G4 G3, second kept too", rules.pair_if_unsure, kept, both | gate),
        Design("H all in one sum", rules.blend, first, ranked | {"doubt": (0.5, 1.0, 2.0, 4.0)}),
        Design("P two passages", rules.always_pair, {"kept": False}),
        Design("P1 two, judged", rules.always_pair, first | {"kept": False}, {"refuse": REFUSE}),
        Design("P2 P1, second kept too", rules.always_pair, kept, {"refuse": REFUSE}),
    ]  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", choices=("record", "table"))
    parser.add_argument("folder", type=Path, help="for the records and the knowledge bases")
    parser.add_argument("--weights", type=Path, help="the folder of both models' GGUF files")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    given = parser.parse_args(arguments)
    if not EVAL.is_dir():
        print(f"The evaluation sets are not at {EVAL}; nothing was measured.")
    elif given.work == "record":
        _record(given.folder, given.weights, given.limit, tuple(given.sets))
    else:
        _table(load(given.folder / "records.jsonl"))
    return 0


def _record(folder: Path, weights: Path, limit: int | None, sets: tuple[str, ...]) -> None:
    path = folder / "records.jsonl"
    known = {(one["set"], one["id"]) for one in load(path)}
    todo = [
        (name, id_, place % FOUR_EVERY == 0)
        for place, (name, id_) in enumerate(in_turn(sets)[:limit])
        if (name, id_) not in known
    ]
    search = Search(folder / "kb", weights / "all-MiniLM-L6-v2-f16.gguf")
    with closing(search):
        recorder = Recorder(weights / "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", search.prompts)
        with closing(recorder), path.open("a", encoding="utf-8") as out:
            for start in range(0, len(todo), AT_ONCE):
                group = [
                    (search.ask(name, id_), four)
                    for name, id_, four in todo[start : start + AT_ONCE]
                ]
                for one in recorder.records(group):
                    out.write(json.dumps(one, ensure_ascii=False) + "\n")
                out.flush()
                print(
                    f"{start + len(group)} of {len(todo)}: {recorder.prefilled} tokens in"
                    f" {recorder.prefill_s:.0f} s, {recorder.decoded} decoded in"
                    f" {recorder.steps} steps and {recorder.decode_s:.0f} s",
                    flush=True,
                )


# How good an outcome is


def score(record: Record, choice: Choice) -> float:
    """Of an answerable question: all key facts, yes or no, or token F1; a refusal scores 0."""
    if not _answered(choice):
        return 0.0
    text, gold = choice.text, record["gold"] or ""
    if record["key_facts"]:
        return float(all(_plain(fact) in _plain(text) for fact in record["key_facts"]))
    if record["set"] == "or_sharc":
        return float(_plain(text).startswith(_plain(gold)))
    return _f1(text, gold)


def right(record: Record, place: int) -> bool:
    """The passage is of the right document and has the key facts, where they are known."""
    hit = record["hits"][place]
    facts = all(_plain(fact) in _plain(hit["text"]) for fact in record["key_facts"])
    return bool(hit["gold"] and facts)


def _answered(choice: Choice) -> bool:
    return bool(choice.text) and not _declines(choice.text)


_declines = cache(guardrails.declines)
_f1 = cache(scoring.token_f1)


@cache
def _plain(text: str) -> str:
    return " ".join(text.lower().replace("%", " %").split())


def _cases(records: Sequence[Record]) -> tuple[list[Case], list[Case]]:
    """The questions, and those answerable ones of which wrong passages are left when every
    passage of a right document, or with the key facts, is taken away."""
    whole, without = [], []
    for record in records:
        places = tuple(range(len(record["judged"])))
        if not places:
            continue
        whole.append(Case(record, places))
        left = tuple(p for p in places if not record["hits"][p]["gold"] and not right(record, p))
        if record["answerable"] and record["set"] != "or_sharc" and len(left) >= 2:
            without.append(Case(record, left))
    return whole, without


def _worth(case: Case, choice: Choice, *, taken_away: bool) -> float:
    price = TOKEN_PRICE * sum(choice.calls)
    if taken_away:
        return (0.0 if _answered(choice) else TAKEN_AWAY) - price
    if not case.record["answerable"]:
        return (0.0 if _answered(choice) else REFUSAL) - price
    return score(case.record, choice) - price


def _fit(design: Design, whole: Sequence[Case], without: Sequence[Case]) -> dict[str, Any]:
    def total(settings: dict[str, Any]) -> float:
        return sum(
            _worth(case, design.rule(case, **settings), taken_away=away)
            for cases, away in ((whole, False), (without, True))
            for case in cases
        )

    return max(design.settings(), key=total)


# The table


@dataclass(slots=True)
class _Run:
    """What a design chose, thresholds fitted on the other half."""

    design: Design
    whole: list[tuple[Case, Choice]]
    without: list[tuple[Case, Choice]]

    def only(self, wanted: Callable[[Case], bool]) -> "_Run":
        whole, without = (
            [(case, choice) for case, choice in tried if wanted(case)]
            for tried in (self.whole, self.without)
        )
        return _Run(self.design, whole, without)


def _tried(design: Design, whole: Sequence[Case], without: Sequence[Case]) -> _Run:
    def half(case: Case) -> int:
        return crc32(case.record["id"].encode()) % 2

    chosen: dict[str, list[tuple[Case, Choice]]] = {"whole": [], "without": []}
    for side in (0, 1):
        fitted = _fit(
            design,
            [case for case in whole if half(case) != side],
            [case for case in without if half(case) != side],
        )
        for name, cases in (("whole", whole), ("without", without)):
            chosen[name] += [
                (case, design.rule(case, **fitted)) for case in cases if half(case) == side
            ]
    return _Run(design, **chosen)


HEAD = (
    "| design | quality | ± | against C0 | key facts | F1 | precision | yes/no |"
    " right passage | refused | unanswerable answered | right taken away, answered |"
    " wrong figures | judged % | judgements | tokens to 1st word | first word s | all work s |"
)


def _table(records: Sequence[Record]) -> None:
    whole, without = _cases(records)
    by_set = {name: sum(case.record["set"] == name for case in whole) for name in SETS}
    print(f"{len(whole)} questions ({by_set}), {len(without)} with the right passages taken away\n")
    runs = [_tried(design, whole, without) for design in _designs()]
    today = next(run for run in runs if run.design.name.startswith("C0"))
    _print_rows([run for run in runs if run.design.rule is not rules.four], today)
    print("\nFitted on all questions:\n")
    for design in _designs():
        if design.grid:
            fitted = _fit(design, whole, without)
            print(f"- {design.name}: " + ", ".join(f"{key} {fitted[key]}" for key in design.grid))
    few = [run.only(lambda case: bool(case.record["four"])) for run in runs]
    print(f"\nOn the {len(few[0].whole)} questions that were also answered from four passages:\n")
    _print_rows(few, today)
    _best_possible(whole)


def _print_rows(runs: Sequence["_Run"], today: "_Run") -> None:
    print(HEAD)
    print("|" + " --- |" * HEAD.count(" |"))
    for run in runs:
        print(_row(run, today))


def _row(run: _Run, today: _Run) -> str:
    answerable = [(c.record, o) for c, o in run.whole if c.record["answerable"]]
    scores = {r["id"]: score(r, o) for r, o in answerable}
    reference = {c.record["id"]: score(c.record, o) for c, o in today.whole}
    differences = [value - reference[id_] for id_, value in scores.items()]
    prose = [(r, o) for r, o in answerable if not r["key_facts"] and r["set"] != "or_sharc"]
    spoken = [(r, o) for r, o in prose if _answered(o)]
    answered = [(c.record, o) for c, o in run.whole if _answered(o)]
    found = [(r, o) for r, o in answerable if any(right(r, p) for p in range(len(r["judged"])))]
    unanswerable = [o for c, o in run.whole if not c.record["answerable"]]
    every = [o for _, o in run.whole]
    cells = [
        run.design.name,
        f"{_by_set(answerable):.3f}",
        f"{_error(list(scores.values())):.3f}",
        f"{fmean(differences):+.3f} ± {_error(differences):.3f}",
        _share(score(r, o) for r, o in answerable if r["key_facts"]),
        f"{fmean(score(r, o) for r, o in prose):.3f}",
        f"{fmean(scoring.token_precision(o.text, r['gold']) for r, o in spoken):.2f}",
        _share(score(r, o) for r, o in answerable if r["set"] == "or_sharc"),
        _share(any(right(r, p) for p in o.used) for r, o in found),
        _share(not _answered(o) for _, o in answerable),
        _share(_answered(o) for o in unanswerable),
        _share(_answered(o) for _, o in run.without),
        _share(_unsupported(r, o) for r, o in answered),
        _share(bool(o.judged) for o in every),
        f"{fmean(o.judged for o in every):.2f}",
        f"{fmean(sum(o.calls) for o in every):.0f}",
        f"{median(_first_word_s(o) for o in every):.2f}",
        f"{fmean(_work_s(o) for o in every):.2f}",
    ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _by_set(answerable: Sequence[tuple[Record, Choice]]) -> float:
    """The mean over sets, so that none counts for its size."""
    names = {record["set"] for record, _ in answerable}
    return fmean(fmean(score(r, o) for r, o in answerable if r["set"] == name) for name in names)


def _unsupported(record: Record, choice: Choice) -> bool:
    sources = [record["hits"][place]["text"] for place in choice.used]
    return bool(grounding.unsupported_figures(choice.text, [*sources, record["question"]]))


def _first_word_s(choice: Choice) -> float:
    return TOKEN_S * sum(choice.calls)


def _work_s(choice: Choice) -> float:
    decoded = choice.answer["tokens"] if choice.answer else 0
    return _first_word_s(choice) + DECODED_S * decoded


def _best_possible(whole: Sequence[Case]) -> None:
    """What the best of the three passages would give, chosen by who knows the gold."""
    answerable = [case for case in whole if case.record["answerable"]]
    best = fmean(
        max(score(case.record, case.alone(place, ())) for place in case.places)
        for case in answerable
    )
    rights = fmean(any(right(case.record, place) for place in case.places) for case in answerable)
    print(f"\nBest of the three answers: {best:.3f}; a right passage among three: {rights:.3f}")


def _error(values: Sequence[float]) -> float:
    """The standard error of the mean by bootstrap."""
    choose = random.Random(0)
    return stdev(fmean(choose.choices(values, k=len(values))) for _ in range(300))


def _share(values: Iterable[float]) -> str:
    known = [float(value) for value in values]
    return f"{fmean(known) * 100:.0f} %" if known else "-"


if __name__ == "__main__":
    sys.exit(main())
