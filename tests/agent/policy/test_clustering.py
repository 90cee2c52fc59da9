"""Questions are put together the same way every time, and a group keeps its id."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.policy.clustering import by_centrality, clustered, kept_ids


def unit(rows: list[list[float]]) -> np.ndarray:
    made = np.array(rows, np.float32)
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


def average_link(vectors: np.ndarray, threshold: float) -> list[list[int]]:
    """As it is defined, without any cleverness."""
    groups = [[row] for row in range(len(vectors))]
    cosines = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    while len(groups) > 1:
        pairs = [(a, b) for a in range(len(groups)) for b in range(a)]
        best = max(pairs, key=lambda p: cosines[np.ix_(groups[p[0]], groups[p[1]])].mean())
        if cosines[np.ix_(groups[best[0]], groups[best[1]])].mean() < threshold:
            break
        groups[best[1]] += groups.pop(best[0])
    return sorted(sorted(group) for group in groups)


def test_what_is_near_comes_together_and_what_is_far_stays_apart() -> None:
    vectors = unit([[1, 0, 0], [0.95, 0.1, 0], [0, 1, 0], [0.02, 0.98, 0.1], [0, 0, 1]])
    assert clustered(vectors, 0.8) == [[0, 1], [2, 3], [4]]
    assert clustered(vectors[:0], 0.8) == []
    assert clustered(unit([[1, 0]] * 5), 0.8) == [[0, 1, 2, 3, 4]]


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 40),
    threshold=st.sampled_from([0.2, 0.5, 0.8]),
)
def test_chains_of_neighbours_find_what_the_definition_finds(
    seed: int, count: int, threshold: float
) -> None:
    vectors = np.asarray(np.random.default_rng(seed).normal(size=(count, 4)), np.float32)
    vectors = unit(vectors.tolist())
    found = clustered(vectors, threshold)
    assert found == average_link(vectors, threshold)
    assert found == clustered(vectors, threshold)
    assert sorted(row for group in found for row in group) == list(range(count))


def test_the_most_central_question_comes_first() -> None:
    vectors = unit([[1, 0.6], [1, 0], [1, -0.6], [1, 0.1]])
    assert by_centrality(vectors, [0, 1, 2, 3])[0] in (1, 3)


def ids(*names: str) -> frozenset[str]:
    return frozenset(names)


def test_a_group_keeps_its_id_while_most_of_it_stays() -> None:
    before = {"dogs": ids("a", "b", "c"), "parking": ids("x", "y")}
    now = [ids("a", "b", "new"), ids("x", "y", "c")]
    assert kept_ids(before, now) == {0: "dogs", 1: "parking"}


def test_of_two_that_come_together_the_larger_stays_and_of_a_split_one_the_larger_part() -> None:
    assert kept_ids({"one": ids("a"), "two": ids("b", "c")}, [ids("a", "b", "c")]) == {0: "two"}
    split = kept_ids({"one": ids("a", "b", "c", "d", "e")}, [ids("a", "b"), ids("c", "d", "e")])
    assert split == {1: "one"}


def test_erased_questions_do_not_count_against_a_group() -> None:
    assert kept_ids({"one": ids("a", "b", "c", "gone", "gone too")}, [ids("a", "b", "c")]) == {
        0: "one"
    }
