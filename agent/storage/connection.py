"""The door to Redis or Valkey: a pool of connections, and its errors as ours.

The only module that knows `redis`; knows no key and no conversation. Invariant: every call has a
time limit, and whatever keeps Redis from answering comes out as StoreUnavailable with its remedy.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import (
    AuthenticationError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from agent.errors import SetupError, StoreUnavailable

Command = tuple[Any, ...]
_CONNECT_S: Final = 3.0
_ANSWER_S: Final = 5.0
_CONNECTIONS: Final = 64


@contextmanager
def _our_errors() -> Iterator[None]:
    """Maps what redis raises, and raises what it swallows: a cancellation that arrives while a
    connection is fetched from the pool is lost in redis 8.1 and the call goes on."""
    task = asyncio.current_task()
    cancellations = task.cancelling() if task else 0
    try:
        yield
        if task and task.cancelling() > cancellations:
            raise asyncio.CancelledError
    except OutOfMemoryError as error:
        raise StoreUnavailable(
            "Redis is full and took nothing: raise its maxmemory or give it more memory."
        ) from error
    except (AuthenticationError, NoPermissionError) as error:
        raise StoreUnavailable(
            "Redis refuses the credentials: correct the user and password in FRONTDESK_REDIS_URL."
        ) from error
    except ReadOnlyError as error:
        raise StoreUnavailable(
            "This Redis is a read-only replica: let FRONTDESK_REDIS_URL name the primary."
        ) from error
    except (RedisConnectionError, RedisTimeoutError, OSError) as error:
        raise StoreUnavailable(
            "Redis does not answer: see that it runs and that FRONTDESK_REDIS_URL is right."
        ) from error
    except ResponseError as error:
        if str(error).startswith("MISCONF"):
            raise StoreUnavailable(
                "Redis cannot write to its disk and took nothing: free some space there."
            ) from error
        raise


class RedisCalls:
    """A pool of connections whose every call has a time limit and raises our errors.

    A call whose connection broke is sent once more: what we send may be sent twice.
    """

    def __init__(self, url: str) -> None:
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                decode_responses=True,
                protocol=2,
                socket_timeout=_ANSWER_S,
                socket_connect_timeout=_CONNECT_S,
                max_connections=_CONNECTIONS,
                timeout=_ANSWER_S,
                retry=Retry(ConstantBackoff(0.05), 1),
            )
        except ValueError as error:
            raise SetupError(
                "FRONTDESK_REDIS_URL is no Redis URL: use redis://, rediss:// or unix://."
            ) from error
        self._redis = Redis.from_pool(pool)
        self._scripts: dict[str, AsyncScript] = {}

    async def close(self) -> None:
        await self._redis.aclose()

    async def one(self, *command: Any) -> Any:
        with _our_errors():
            return await self._redis.execute_command(*command)  # type: ignore[no-untyped-call]

    async def together(self, *commands: Command) -> list[Any]:
        """Sent at once; not one step for others (that is what scripts are for)."""
        if not commands:
            return []
        with _our_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return await pipeline.execute()

    async def script(self, text: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        if text not in self._scripts:
            self._scripts[text] = self._redis.register_script(text)
        with _our_errors():
            return await self._scripts[text](keys=keys, args=arguments)
