"""A snapshot and what follows it are worth a fresh snapshot, through the store and its trimming."""

import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.domain import EventDraft, Snapshot
from agent.events.events import fold, fold_onto, seen_by
from agent.events.log import LogTrimmed
from agent.storage.redis import ConversationStore
from tests.agent.events.happenings import DRAFTS
from tests.agent.storage.conversations import conversation, following

COMMITS = st.lists(st.lists(DRAFTS, min_size=1, max_size=5), max_size=6)


@pytest.mark.parametrize("log_limit", [1000, 6])
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(commits=COMMITS)
async def test_every_earlier_snapshot_catches_up(
    redis_url: str, log_limit: int, commits: list[list[EventDraft]]
) -> None:
    prefix = f"t{uuid.uuid4().hex}"
    store = await ConversationStore.open(redis_url, prefix=prefix, log_limit=log_limit)
    header = conversation()
    await store.create(header)
    everything = []
    earlier: list[tuple[str, Snapshot]] = []
    for drafts in commits:
        header = following(header)
        everything += await store.commit(header, drafts)
        earlier += [(who, await store.snapshot(header.id, who)) for who in ("customer", "staff")]
    for audience, snapshot in earlier:
        fresh = await store.snapshot(header.id, audience)
        assert fresh == fold(header.id, seen_by(audience, everything))
        try:
            later = await store.events(header.id, snapshot.last_event_id)
        except LogTrimmed:
            assert log_limit == 6
            continue
        assert fold_onto(snapshot, seen_by(audience, later)) == fresh
    await store.close()
