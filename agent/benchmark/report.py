"""From samples to what a reader wants to know: medians, ratios, a table, a picture.

Pure but for the plot. A ratio above 1 always means that Frontdesk is that many times better.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from agent.errors import SetupError

Report = dict[str, Any]

HEAD: Final = (
    "| side | customers | first words p50 s | p95 s | slowest / median | whole answer p50 s |"
    " answers a minute | tokens a second | failed | peak MB |\n|---|---|---|---|---|---|---|---|"
    "---|---|"
)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed, by the nearest rank."""
    ranked = sorted(values)
    return ranked[max(0, min(len(ranked) - 1, math.ceil(share * len(ranked)) - 1))]


def summary(level: Report, tokens: int) -> Report:
    """Numbers of one side at one number of customers, of answers of so many tokens; None where
    every answer failed."""
    whole = [sample for sample in level["samples"] if sample["error"] is None]
    firsts = [sample["first_s"] for sample in whole]
    return {
        "customers": level["customers"],
        "answers": len(whole),
        "failed": len(level["samples"]) - len(whole),
        "first_p50_s": median(firsts) if firsts else None,
        "first_p95_s": percentile(firsts, 0.95) if firsts else None,
        "slowest_to_median": max(firsts) / median(firsts) if firsts else None,
        "total_p50_s": median(sample["total_s"] for sample in whole) if whole else None,
        "answers_a_minute": 60 * len(whole) / level["seconds"],
        "tokens_a_second": tokens * len(whole) / level["seconds"],
    }


def ratios(sides: Sequence[Report]) -> list[Report]:
    """Frontdesk against each peer, at each number of customers that both were measured at."""
    ours = {level["customers"]: level for level in sides[0]["summary"]}
    found = []
    for side in sides[1:]:
        for theirs in side["summary"]:
            mine = ours.get(theirs["customers"])
            if mine and mine["first_p50_s"] and theirs["first_p50_s"]:
                found.append(
                    {
                        "against": side["side"],
                        "customers": theirs["customers"],
                        "first_words_sooner": theirs["first_p50_s"] / mine["first_p50_s"],
                        "answers_a_minute": mine["answers_a_minute"] / theirs["answers_a_minute"],
                    }
                )
    return found


def table(report: Report) -> str:
    lines = [HEAD]
    for side in report["sides"]:
        for one in side["summary"]:
            numbers = (
                *(one["first_p50_s"], one["first_p95_s"], one["slowest_to_median"]),
                *(one["total_p50_s"], one["answers_a_minute"], one["tokens_a_second"]),
            )
            cells = " | ".join("-" if n is None else f"{n:.2f}" for n in numbers)
            lines.append(
                f"| {side['side']} | {one['customers']} | {cells} | {one['failed']} |"
                f" {side['peak_mb']:.0f} |"
            )
    judged = report["sides"][0]["judged"]
    lines.append(f"\nA judge ran before {judged:.0%} of Frontdesk's answers.")
    lines.extend(
        f"\nAgainst {one['against']}, {one['customers']} at once: first words"
        f" {one['first_words_sooner']:.1f} times sooner,"
        f" {one['answers_a_minute']:.1f} times the answers a minute."
        for one in report["ratios"]
    )
    if alone := report.get("overhead"):
        lines.append(
            f"\nOne answer, tokens a second: a bare loop of decodes {alone['bare_loop']:.1f},"
            f" the engine without guesses {alone['engine_without_guesses']:.1f},"
            f" the engine {alone['engine']:.1f}."
        )
    lines.extend(
        f"\nFirst words p50 by {one['what']}: "
        + ", ".join(f"{at}: {seconds:.2f} s" for at, seconds in one["first_p50_s"].items())
        for one in report.get("growth", ())
    )
    return "\n".join(lines)


def plot(report: Report, path: Path) -> None:
    """Raise SetupError if matplotlib is not installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise SetupError("matplotlib is not installed: pip install 'frontdesk[bench]'.") from error
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    panels = figure.subplots(1, 2)
    wanted = (("first_p50_s", "first words, median (s)"), ("answers_a_minute", "answers a minute"))
    for axes, (key, title) in zip(panels, wanted, strict=True):
        for place, side in enumerate(report["sides"]):
            values = [one[key] or 0.0 for one in side["summary"]]
            width = 0.8 / len(report["sides"])
            spots = [at + place * width for at in range(len(values))]
            bars = axes.bar(spots, values, width, label=side["side"])
            axes.bar_label(bars, fmt="%.1f", fontsize=7)
        levels = [str(one["customers"]) for one in report["sides"][0]["summary"]]
        axes.set_xticks([at + 0.3 for at in range(len(levels))], levels)
        axes.set_xlabel("customers at once")
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].legend(fontsize=8, frameon=False)
    figure.savefig(path)
