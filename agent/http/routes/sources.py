"""The folders that the server keeps in step with, as admins see them.

Owns the HTTP shape. Refuses to change a source: folders are the operator's.
"""

from typing import Any

from fastapi import APIRouter

from agent.http.dependencies import AdminDep, ServicesDep
from agent.http.documents import moment
from agent.integrations.sources import SourceState

router = APIRouter(prefix="/api/v1/admin", tags=["admin"])


@router.get("/sources")
async def read_sources(services: ServicesDep, _admin: AdminDep) -> dict[str, Any]:
    """Each folder with what the last look at it found; `changed` is of the last look that found a
    change, and `error` says why the folder could not be read."""
    return {"items": [_item(one) for one in services.sources.states.values()], "next": None}


def _item(one: SourceState) -> dict[str, Any]:
    return {
        "name": one.name,
        "folder": one.folder,
        "looked_at": moment(one.looked_at),
        "documents": one.documents,
        "changed": one.changed,
        "changed_at": moment(one.changed_at),
        "error": one.error,
        "refused": [{"file": file, "reason": reason} for file, reason in one.refused],
    }
