"""Tokens to text, however characters and stop strings fall on them."""

from hypothesis import given
from hypothesis import strategies as st

from agent.generation.transcript import Transcript


def told(transcript: Transcript, raw: bytes, sizes: list[int]) -> str:
    shown = ""
    while raw and not transcript.stopped:
        size = sizes.pop() if sizes else 1
        shown += transcript.feed(raw[:size])
        raw = raw[size:]
    return shown + transcript.close()


@given(st.text(), st.lists(st.integers(1, 7)))
def test_any_text_survives_any_cut_into_tokens(text: str, sizes: list[int]) -> None:
    transcript = Transcript(())
    assert told(transcript, text.encode(), sizes) == text == transcript.text


@given(
    st.text(alphabet="abc", max_size=30),
    st.lists(st.text(alphabet="abc", min_size=1, max_size=4), min_size=1, max_size=3),
    st.lists(st.integers(1, 7)),
)
def test_the_first_stop_string_ends_the_text_and_is_not_in_it(
    text: str, stops: list[str], sizes: list[int]
) -> None:
    transcript = Transcript(tuple(stops))
    shown = told(transcript, text.encode(), sizes)
    assert not any(stop in shown for stop in stops)
    assert text.startswith(shown)
    assert transcript.stopped == any(stop in text for stop in stops)
    if not transcript.stopped:
        assert shown == text


def test_a_character_that_was_never_finished_is_left_out() -> None:
    transcript = Transcript(())
    assert transcript.feed(b"ok " + "🙂".encode()[:3]) == "ok "
    assert transcript.close() == ""
