"""What the owner can do from the command line, the same whether or not a server runs.

Each command is a function of what it needs and yields JSON-able lines: `{"progress": …}`,
`{"text": …}` and at last `{"result": …}`. The CLI calls it directly when nobody holds the data
directory, and through the server's Unix socket when somebody does. Invariant: a command behaves
alike through both doors.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, Literal

from agent.conversation import trying
from agent.conversation.gaps import UNSURE_BELOW, summary
from agent.conversation.gate import Gate
from agent.conversation.replaying import Replayer
from agent.conversation.trying import Over
from agent.conversation.turn import Answerer, Question, ReplyDone
from agent.errors import InvalidRequest, NotFound
from agent.evaluation import runner
from agent.evaluation.dataset import Item
from agent.generation import tuned
from agent.generation.llama import Tuning
from agent.generation.llama.quantize import FORMAT
from agent.generation.optimize import optimize
from agent.outcomes.report import Reporter, as_csv
from agent.settings import Settings
from agent.storage.audit import OWNER, Entry
from agent.storage.gates import OPEN
from agent.storage.people import UserRole
from agent.storage.records import PROGRAM, Records
from agent.weights.store import Weights, resolve, set_active
from knowledge_base.differences import difference
from knowledge_base.library import Library

Line = dict[str, Any]
Show = Callable[[int, int], None]
Need = Literal["library", "answerer", "records", "replayer", "reporter", "gate"]


@dataclass(frozen=True, slots=True)
class Opened:
    """What there is to work with; a command says which of these it needs."""

    library: Library | None = None
    answerer: Answerer | None = None
    records: Records | None = None
    replayer: Replayer | None = None
    reporter: Reporter | None = None
    gate: Gate | None = None


@dataclass(frozen=True, slots=True)
class Command:
    need: Need
    run: Callable[..., AsyncIterator[Line]]


async def dispatch(name: str, arguments: dict[str, Any], opened: Opened) -> AsyncIterator[Line]:
    """Raises NotFound for an unknown command, InvalidRequest for arguments that do not fit."""
    command = COMMANDS.get(name)
    if command is None:
        raise NotFound(f"There is no command '{name}'.")
    try:
        lines = command.run(getattr(opened, command.need), **arguments)
    except TypeError as error:
        raise InvalidRequest(f"The arguments do not fit '{name}': {error}.") from error
    async for line in lines:
        yield line


async def followed(work: Callable[[Show], Awaitable[object]]) -> AsyncIterator[Line]:
    """The progress of long work, then its result; leaving the iteration cancels it."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[Line | None] = asyncio.Queue()

    def show(done: int, total: int) -> None:
        line = {"progress": {"done": done, "total": total}}
        loop.call_soon_threadsafe(lines.put_nowait, line)

    task = asyncio.ensure_future(work(show))
    task.add_done_callback(lambda _: lines.put_nowait(None))
    try:
        while (line := await lines.get()) is not None:
            yield line
        yield {"result": await task}
    finally:
        task.cancel()


async def ask(
    answerer: Answerer, question: str, drafts: bool = False, at: str | None = None
) -> AsyncIterator[Line]:
    over = _over(drafts, at)
    asked = Question(question, asked_at=over.at or datetime.now(UTC))
    async for part in trying.preview(answerer, asked, over):
        if isinstance(part, ReplyDone):
            yield {"result": part.message.wire() | ({"replaced": True} if part.replaced else {})}
        else:
            yield {"text": part.text}


async def kb_add(
    library: Library, paths: list[str], source: str | None = None, publish: bool = False
) -> AsyncIterator[Line]:
    async def add(show: Show) -> list[Line]:
        added = await asyncio.to_thread(
            library.add_paths,
            [Path(path) for path in paths],
            source=source,
            publish=publish,
            progress=lambda at: show(at.done, at.total),
        )
        return [_plain(document) for document in added]

    async for line in followed(add):
        yield line


async def kb_sync(
    library: Library, folder: str, source: str, publish: bool = False
) -> AsyncIterator[Line]:
    async def sync(show: Show) -> list[Line]:
        done = await asyncio.to_thread(
            library.sync,
            Path(folder),
            source=source,
            publish=publish,
            progress=lambda at: show(at.done, at.total),
        )
        return [_plain(document) for document in done]

    async for line in followed(sync):
        yield line


async def kb_list(library: Library) -> AsyncIterator[Line]:
    documents = await asyncio.to_thread(library.documents)
    yield {"result": [_plain(document) for document in documents]}


async def kb_search(
    library: Library, query: str, k: int = 5, drafts: bool = False, at: str | None = None
) -> AsyncIterator[Line]:
    found = await trying.search(library, query, k, _over(drafts, at))
    wanted = ("document_id", "revision", "title", "section", "text", "score")
    yield {"result": [{name: one[name] for name in wanted} for one in found]}


async def kb_conflicts(library: Library, document_id: str | None = None) -> AsyncIterator[Line]:
    found = await asyncio.to_thread(library.conflicts, document_id)
    yield {"result": [trying.told_conflict(one) for one in found]}


async def kb_publish(
    library: Library, document_id: str, revision: int | None = None
) -> AsyncIterator[Line]:
    await asyncio.to_thread(library.publish, document_id, revision)
    yield {"result": await _summary(library, document_id)}


async def kb_rollback(library: Library, document_id: str, revision: int) -> AsyncIterator[Line]:
    await asyncio.to_thread(library.rollback, document_id, revision)
    yield {"result": await _summary(library, document_id)}


async def kb_retire(library: Library, document_id: str) -> AsyncIterator[Line]:
    await asyncio.to_thread(library.retire, document_id)
    yield {"result": await _summary(library, document_id)}


async def kb_revisions(library: Library, document_id: str) -> AsyncIterator[Line]:
    """Newest first, without their texts."""
    revisions = await asyncio.to_thread(library.revisions, document_id)
    lines = [_plain(one) for one in reversed(revisions)]
    yield {"result": [{k: v for k, v in line.items() if k != "text"} for line in lines]}


async def kb_diff(library: Library, document_id: str, old: int, new: int) -> AsyncIterator[Line]:
    def compare() -> str:
        before, after = (library.revision(document_id, number) for number in (old, new))
        names = f"revision {old}: {before.title}", f"revision {new}: {after.title}"
        return difference(before.text, after.text, names).unified

    yield {"result": await asyncio.to_thread(compare)}


async def kb_rebuild(library: Library) -> AsyncIterator[Line]:
    await asyncio.to_thread(library.rebuild)
    yield {"result": {"documents": len(await asyncio.to_thread(library.documents))}}


async def kb_try(gate: Gate, document_id: str, revision: int | None = None) -> AsyncIterator[Line]:
    """Past questions answered with and without the revision (the latest one if None)."""
    latest = (await asyncio.to_thread(gate.library.document, document_id)).latest
    run = await gate.start({document_id: revision or latest}, OWNER.name)
    try:
        async for seen, items in gate.follow(run.id):
            yield {"progress": {"done": seen.done, "total": seen.total}}
            if seen.run.state not in OPEN:
                asked = [one.model_dump(mode="json") for one in items]
                run_ = seen.run.model_dump(mode="json")
                yield {"result": {**run_, "counts": dict(seen.counts), "items": asked}}
    finally:
        await gate.cancel(run.id)


async def evaluate(answerer: Answerer, items: list[Line], at_once: int) -> AsyncIterator[Line]:
    parsed = [Item.model_validate(item) for item in items]
    async for line in runner.answers(answerer, parsed, at_once):
        yield line


async def replay(replayer: Replayer, message_id: str) -> AsyncIterator[Line]:
    yield {"result": asdict(await replayer.replay(message_id))}


async def analytics(
    reporter: Reporter, first: str | None, end: str | None, *, table: bool
) -> AsyncIterator[Line]:
    """`first` and `end` are dates, `end` exclusive; with `table` the result is CSV."""
    days = [None if day is None else date.fromisoformat(day) for day in (first, end)]
    numbers = await asyncio.to_thread(reporter.report, *days)
    yield {"result": as_csv(numbers) if table else numbers}


async def keys_add(
    records: Records, label: str, role: UserRole | None = None
) -> AsyncIterator[Line]:
    scopes = PROGRAM if role is None else (*PROGRAM, role)
    made, key = await asyncio.to_thread(records.make_api_key, label, scopes)
    entry = Entry(actor=OWNER, action="admin.add_key", subject=made.id, detail=", ".join(scopes))
    await asyncio.to_thread(records.audit.append, entry)
    yield {"result": {"label": label, "key": key}}


async def users_add(
    records: Records, email: str, password: str, role: UserRole
) -> AsyncIterator[Line]:
    user = await asyncio.to_thread(records.people.add, email, password, role)
    entry = Entry(actor=OWNER, action="admin.add_user", subject=user.id, detail=f"{email}, {role}")
    await asyncio.to_thread(records.audit.append, entry)
    yield {"result": user.model_dump()}


async def gaps_list(records: Records) -> AsyncIterator[Line]:
    """What most customers asked first, as it was put together last."""
    found = await asyncio.to_thread(records.gaps.everything, UNSURE_BELOW)
    yield {"result": [summary(gap) for gap in found]}


@dataclass(frozen=True, slots=True)
class Optimized:
    """`lines` are what was measured: its name, of the original, of the new file."""

    weights: Weights
    lines: tuple[tuple[str, str, str], ...]


def optimize_model(settings: Settings, tell: Callable[[str], None], *, use: bool) -> Optimized:
    """Store the chat model in the format that this machine computes fastest, and say what it costs
    on the sample company's policies; with `use` it answers from the next start on."""
    source = resolve(settings.model, settings.weights_dir)
    target = settings.weights_dir / f"{source.path.stem}.{FORMAT.lower()}.gguf"
    if source.path.stem.endswith(f".{FORMAT.lower()}"):
        raise InvalidRequest(f"{source.path.name} is what this command makes already.")
    known = tuned.recall(settings.weights_dir, source.sha256)
    texts = [file.read_text(encoding="utf-8") for file in _sample()]
    tuning = known.tuning if known else Tuning()
    before, after = optimize(source.path, target, texts, tuning, tell)
    made = resolve(str(target), settings.weights_dir)
    if use:
        set_active(settings.weights_dir, made)
    pairs = [
        ("size, GB", before.bytes / 1e9, after.bytes / 1e9),
        ("prompt read, tokens a second", before.speed.read, after.speed.read),
        ("one answer written, tokens a second", before.speed.written, after.speed.written),
        ("four answers together, tokens a second", before.speed.together, after.speed.together),
        ("perplexity of the sample policies", before.perplexity, after.perplexity),
    ]
    shown = [(name, f"{old:.2f}", f"{new:.2f}") for name, old, new in pairs]
    same = ("same likeliest next token", "", f"{after.agreement(before):.1%}")
    return Optimized(made, (*shown, same))


def _sample() -> list[Path]:
    with as_file(files("knowledge_base") / "content") as content:
        return sorted(Path(content).rglob("*.md"))


COMMANDS: Final[dict[str, Command]] = {
    "ask": Command("answerer", ask),
    "kb_add": Command("library", kb_add),
    "kb_sync": Command("library", kb_sync),
    "kb_list": Command("library", kb_list),
    "kb_search": Command("library", kb_search),
    "kb_conflicts": Command("library", kb_conflicts),
    "kb_publish": Command("library", kb_publish),
    "kb_rollback": Command("library", kb_rollback),
    "kb_retire": Command("library", kb_retire),
    "kb_revisions": Command("library", kb_revisions),
    "kb_diff": Command("library", kb_diff),
    "kb_rebuild": Command("library", kb_rebuild),
    "kb_try": Command("gate", kb_try),
    "gaps_list": Command("records", gaps_list),
    "evaluate": Command("answerer", evaluate),
    "replay": Command("replayer", replay),
    "analytics": Command("reporter", analytics),
    "keys_add": Command("records", keys_add),
    "users_add": Command("records", users_add),
}


async def _summary(library: Library, document_id: str) -> Line:
    return _plain(await asyncio.to_thread(library.document, document_id))


def _over(drafts: bool, at: str | None) -> Over:
    return Over(drafts, None if at is None else datetime.fromisoformat(at))


def _plain(value: Any) -> Line:
    return {
        name: str(item) if not isinstance(item, str | int | float | bool | type(None)) else item
        for name, item in asdict(value).items()
    }
