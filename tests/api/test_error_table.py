"""Every error has a status, a code and a shape, and says nothing that it should not."""

import importlib
import pkgutil
from collections.abc import Iterator

import httpx
import pytest
from fastapi import FastAPI

import agent
import knowledge_base
from agent.doorway import CommandFailed
from agent.errors import EngineBusy, FrontdeskError, InvalidRequest, SetupError, StoreUnavailable
from agent.http import errors
from agent.http.middleware import RequestLog
from knowledge_base.errors import KnowledgeError


def _subclasses(root: type[Exception]) -> Iterator[type[Exception]]:
    for child in root.__subclasses__():
        yield child
        yield from _subclasses(child)


def _all_errors() -> list[type[Exception]]:
    for package in (agent, knowledge_base):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    # CommandFailed is what the command line makes of an answer: no server ever raises it.
    found = {*_subclasses(FrontdeskError), *_subclasses(KnowledgeError)} - {CommandFailed}
    return sorted(found, key=lambda error: error.__name__)


@pytest.mark.parametrize("error", _all_errors(), ids=lambda error: error.__name__)
def test_every_error_has_a_status_and_a_code_of_its_own(error: type[Exception]) -> None:
    assert errors.nearest(error, errors.STATUS) is not None
    if issubclass(error, FrontdeskError):
        assert error.code != FrontdeskError.code
    else:
        assert errors.nearest(error, errors.KNOWLEDGE_CODE) is not None


def test_a_problem_has_the_members_of_rfc_9457_and_names_the_field() -> None:
    problem = errors.problem_of(InvalidRequest("Too long.", field="content"))
    assert (
        problem.as_rfc9457()
        == {
            "type": "urn:frontdesk:problem:invalid_request",
            "title": "Unprocessable Content",
            "status": 422,
            "detail": "Too long.",
            "code": "invalid_request",
            "field": "content",
        }
        or problem.as_rfc9457()["title"] == "Unprocessable Entity"
    )  # its name before Python 3.13


def test_busy_says_when_to_come_back_in_whole_seconds() -> None:
    problem = errors.problem_of(EngineBusy("Full.", retry_after=2.1))
    assert (problem.status, problem.headers["Retry-After"]) == (503, "3")


def test_a_part_that_is_down_asks_to_come_back_too() -> None:
    assert errors.problem_of(StoreUnavailable("Redis is down.")).headers["Retry-After"] == "5"


def test_a_setup_error_does_not_show_the_machines_files() -> None:
    problem = errors.problem_of(SetupError("No file /srv/secret/model.gguf."))
    assert problem.status == 500
    assert "/srv" not in str(problem.as_rfc9457())


async def test_an_unexpected_exception_shows_nothing_but_an_id_that_the_log_has_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI()
    errors.install(app)
    app.add_middleware(RequestLog)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the secret cause")

    transport = httpx.ASGITransport(app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
        response = await client.get("/broken")
    assert response.status_code == 500
    assert response.json()["code"] == "internal_error"
    assert "secret cause" not in response.text
    request_id = response.headers["x-request-id"]
    assert request_id in response.json()["detail"]
    assert any(request_id in record.getMessage() and record.exc_info for record in caplog.records)
