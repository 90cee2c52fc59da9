"""The tree of everything that can go wrong and that somebody can do something about.

    FrontdeskError
    ├── InvalidRequest          what was sent cannot be accepted as it is
    ├── NotAuthorized           no credential, or one that does not hold
    ├── Forbidden               a credential that holds, but not for this
    ├── NotFound                no such thing for this caller
    ├── Conflict                the state of the thing forbids the call
    ├── Busy                    full right now: come back after `retry_after` seconds
    │   ├── EngineBusy
    │   ├── TooManyTries        wrong passwords
    │   └── TooManyRuns         of the publish gate
    ├── Unavailable             a part that is needed is down: its remedy is in the message
    │   ├── StoreUnavailable    Redis or SQL
    │   ├── EngineDead          the model's thread or process ended
    │   └── EngineUnreachable   the remote engine does not answer
    ├── GenerationFailed        this one generation failed; the next may work
    │   ├── PromptTooLong
    │   └── BadConstraint       a grammar or JSON schema that cannot be compiled
    └── SetupError              a command cannot start: exit code 1 and one line
        ├── DataDirectoryLocked
        ├── PortTaken
        └── WeightsError        (see agent.weights)

A message is one sentence or two for people, names the remedy, and holds no secret, no path of a
customer's data and no prompt. `code` is stable and machine-readable; each door (HTTP, CLI) maps
classes, never texts.
"""

from typing import ClassVar


class FrontdeskError(Exception):
    """Root of all errors that Frontdesk raises on purpose."""

    code: ClassVar[str] = "internal_error"


class InvalidRequest(FrontdeskError):
    """`field` names the part of the input that is wrong, where there is one."""

    code = "invalid_request"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class NotAuthorized(FrontdeskError):
    code = "unauthorized"


class Forbidden(FrontdeskError):
    code = "forbidden"


class NotFound(FrontdeskError):
    code = "not_found"


class Conflict(FrontdeskError):
    code = "conflict"


class Busy(FrontdeskError):
    code = "busy"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class EngineBusy(Busy):
    code = "engine_busy"


class TooManyTries(Busy):
    code = "too_many_tries"


class TooManyRuns(Busy):
    code = "too_many_runs"


class Unavailable(FrontdeskError):
    code = "unavailable"


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class EngineDead(Unavailable):
    code = "engine_dead"


class EngineUnreachable(Unavailable):
    code = "engine_unreachable"


class GenerationFailed(FrontdeskError):
    code = "generation_failed"


class PromptTooLong(GenerationFailed):
    code = "prompt_too_long"


class BadConstraint(GenerationFailed):
    code = "bad_constraint"


class SetupError(FrontdeskError):
    code = "setup_error"


class DataDirectoryLocked(SetupError):
    code = "data_directory_locked"


class PortTaken(SetupError):
    code = "port_taken"
