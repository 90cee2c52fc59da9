"""Text files go out compressed where the browser takes it.

Owns the choice and the packing. Refuses everything that is no file: an answer of the API may hold
what a stranger wrote beside a secret, and its compressed length would tell of both. Invariant: the
same bytes are packed once.
"""

import gzip
from functools import lru_cache
from typing import Final

from starlette.datastructures import Headers

_FILES: Final = 128  # more than all pages are made of
_LEVEL: Final = 9


def accepts_gzip(headers: Headers) -> bool:
    codings = headers.get("accept-encoding", "").replace(" ", "").lower().split(",")
    return "gzip" in codings


@lru_cache(maxsize=_FILES)
def gzipped(body: bytes) -> bytes:
    return gzip.compress(body, _LEVEL, mtime=0)
