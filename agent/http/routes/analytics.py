"""The numbers of a period, for supervisors and admins.

Owns the HTTP shape. Refuses to know how anything is counted. Invariant: whatever period is asked
for, the answer is bounded and the event loop is free while it is counted.
"""

import asyncio
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from agent.http.dependencies import ServicesDep
from agent.http.routes.backstage import supervising
from agent.outcomes.report import as_csv

router = APIRouter(prefix="/api/v1/admin", tags=["admin"], dependencies=[Depends(supervising)])


@router.get("/analytics", response_model=None)
async def analytics(
    services: ServicesDep,
    first: Annotated[date | None, Query(alias="from")] = None,
    end: Annotated[date | None, Query(alias="to")] = None,
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> dict[str, Any] | Response:
    """What became of the conversations that began in a period: its days are of FRONTDESK_TIME_ZONE,
    `to` is exclusive, the last 30 days if nothing is said, 366 at most. `format=csv`: a line a day.

    Each conversation counts in exactly one of `outcomes`: `confirmed` (the AI answered, no person
    was called, and the customer said that it helped: a thumb up, four or five stars, thanks),
    `assumed` (they left after an answer and were not back within seven days), `recontacted` (they
    were, whatever about), `too_early` (the seven days are not over), `handed_off` (a person was
    called or came in), `unresolved` (the last reply was no answer, or it did not help),
    `nothing_asked`. One that is resolved or silent for a day and goes on later counts anew."""
    numbers = await asyncio.to_thread(services.outcomes.reporter.report, first, end)
    if form == "json":
        return numbers
    name = f"frontdesk-{numbers['from']}-{numbers['to']}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(as_csv(numbers), media_type="text/csv; charset=utf-8", headers=headers)
