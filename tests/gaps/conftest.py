"""Products whose model says what it is told, as for the ways to a person."""

from tests.handoff.conftest import staged

__all__ = ["staged"]
