"""What can go wrong with model files; every message says what to do about it.

WeightsError
├── UnknownModel      no such name, and no such file
├── WeightsMissing    known, but not on this machine yet
├── HashMismatch      not the content that was asked for: refused and deleted
├── NotEnoughRoom     disk or memory, said before anything is downloaded
└── FetchFailed       the source did not give the file; running it again goes on
"""

from agent.errors import SetupError


class WeightsError(SetupError):
    code = "weights_error"


class UnknownModel(WeightsError):
    code = "weights_unknown"


class WeightsMissing(WeightsError):
    code = "weights_missing"


class HashMismatch(WeightsError):
    code = "weights_corrupt"

    def __init__(self, name: str, *, expected: str, found: str, remedy: str) -> None:
        super().__init__(
            f"{name} is not the file it should be: expected SHA-256 {expected}, "
            f"found {found}. {remedy}"
        )
        self.expected = expected
        self.found = found


class NotEnoughRoom(WeightsError):
    code = "weights_no_room"


class FetchFailed(WeightsError):
    code = "weights_fetch_failed"
