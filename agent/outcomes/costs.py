"""What the period cost, and what its outcomes would cost where each one is paid for. Pure.

Invariant: a price that nobody set is None and so is all that hangs on it; nothing is made up.
"""

from dataclasses import dataclass
from typing import Any, Final

HOURS_OF_A_YEAR: Final = 365.25 * 24


@dataclass(frozen=True, slots=True)
class Prices:
    """In `currency`. `machine` is per hour, `electricity` per kWh, `resolution` what a provider who
    is paid by resolution would take for one; `watts` is what the machine draws while it answers."""

    currency: str
    machine: float | None = None
    watts: float | None = None
    electricity: float | None = None
    resolution: float | None = None

    @staticmethod
    def per_hour(price: float | None, bought_for: float | None, years: float) -> float | None:
        """Of a machine that is rented, or was bought and serves so many years."""
        if price is not None:
            return price
        return None if bought_for is None else bought_for / (years * HOURS_OF_A_YEAR)


def costs(
    prices: Prices, *, hours: float, machine_s: float, conversations: int, resolved: int
) -> dict[str, Any]:
    """`hours` that the machine stood there, `machine_s` in which it made replies."""
    machine = None if prices.machine is None else prices.machine * hours
    power = None
    if prices.watts is not None and prices.electricity is not None:
        power = prices.watts / 1000 * machine_s / 3600 * prices.electricity
    known = [one for one in (machine, power) if one is not None]
    total = sum(known) if known else None
    return {
        "currency": prices.currency,
        "prices": {
            "machine_per_hour": prices.machine,
            "machine_watts": prices.watts,
            "electricity_per_kwh": prices.electricity,
            "per_resolution": prices.resolution,
        },
        "hours": round(hours, 1),
        "machine_s": machine_s,
        "machine": machine,
        "electricity": power,
        "total": total,
        "per_conversation": _each(total, conversations),
        "per_resolved": _each(total, resolved),
        "resolved": resolved,
        "elsewhere": None if prices.resolution is None else prices.resolution * resolved,
    }


def _each(total: float | None, number: int) -> float | None:
    return None if total is None or not number else total / number
