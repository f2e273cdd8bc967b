"""What goes wrong on purpose: by rate, or scripted at one request, always from one seed.

`FAULTS` names every fault and what it does. A scripted fault happens once, at the nth request of an operation; a rate
is asked at every request it can happen to. Durations (`slow`, `cancelling`, `lateness`) hold for all.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from handoff.errors import ConfigurationError

#: Faults by name. Those of one request, then those of one answer of the model, then one of a cancellation.
FAULTS: Final[dict[str, str]] = {
    "429": "refused with Retry-After, nothing done",
    "500": "refused as a server error, nothing done",
    "503": "refused as overloaded, nothing done",
    "drop_before": "the connection drops, nothing done",
    "drop_after": "the connection drops, all done",
    "late": "the connection drops; what was to be written is written a while later",
    "stall": "the stream goes silent after its first events and stays open",
    "stuck": "the run or response stays in progress until it expires",
    "expire": "the run expires instead of waiting for outputs or completing",
    "failed": "the run or response fails with a server error",
    "bad_arguments": "the arguments of the first call are cut off in the middle",
    "two_handoffs": "a second call of another offered tool comes with the first",
    "cancel_race": "the run completes while it is being cancelled",
}
#: What is refused before anything is done, and by which refusal.
REFUSALS: Final = {"429": "rate_limited", "500": "server_error", "503": "overloaded"}
#: Faults with a length in seconds.
DURATIONS: Final = {
    "slow": "seconds every answer takes",
    "cancelling": "seconds a run stays in `cancelling`",
    "lateness": "seconds until what is late is done",
}


@dataclass(frozen=True, slots=True)
class Scripted:
    """A fault that happens once."""

    #: Its name, of `FAULTS`.
    fault: str
    #: The operation, as the SDK calls it (`responses.create`); `*` stands for anything.
    operation: str = "*"
    #: At which request of that operation, from 1.
    nth: int = 1


@dataclass(slots=True)
class _Planned:
    """A scripted fault and how many requests it still lets pass, its own included; 0 once it happened."""

    scripted: Scripted
    left: int


class Faults:
    """Which faults happen, and when.

    Attributes:
        slow: seconds every answer takes.
        cancelling: seconds a cancelled run takes to end.
        lateness: seconds until what is late is done.
        happened: how often each fault happened.
    """

    def __init__(
        self,
        script: Iterable[Scripted] = (),
        rates: Mapping[str, float] | None = None,
        *,
        slow: float = 0.0,
        cancelling: float = 0.0,
        lateness: float = 1.0,
        seed: int = 0,
    ) -> None:
        """Plan faults.

        Args:
            script: faults that happen once each.
            rates: how likely a fault is, from 0 to 1, at each request it can happen to.
            slow: seconds every answer takes.
            cancelling: seconds a cancelled run stays in `cancelling`.
            lateness: seconds until what is late is done.
            seed: of the rates' dice.

        Raises:
            ConfigurationError: a fault is unknown, a rate is no probability, a length is negative.
        """
        self._script = [_Planned(one, one.nth) for one in script]
        self._rates = dict(rates or {})
        self.slow = slow
        self.cancelling = cancelling
        self.lateness = lateness
        self.happened: Counter[str] = Counter()
        self._dice = random.Random(seed)  # noqa: S311 - dice, no secret
        for name in [*(planned.scripted.fault for planned in self._script), *self._rates]:
            if name not in FAULTS:
                known = f"{', '.join(FAULTS)}, or seconds of slow, cancelling or lateness"
                raise ConfigurationError(f"there is no fault {name!r}: write one of {known}")
        for name, rate in self._rates.items():
            if not 0 <= rate <= 1:
                raise ConfigurationError(f"the rate of {name} is {rate}: write a number from 0 to 1")
        if any(planned.left < 1 for planned in self._script):
            raise ConfigurationError("a scripted fault happens at the nth request: count from 1")
        if slow < 0 or cancelling < 0 or lateness < 0:
            raise ConfigurationError("slow, cancelling and lateness are seconds: write a number that is not negative")

    @classmethod
    def read(cls, text: str) -> Faults:
        """Read faults as they stand on the command line.

        Args:
            text: entries with commas between them: `429=0.1` is a rate, `drop_after@responses.create#2` happens once at
                the second such request, `slow=0.5`, `cancelling=0.2`, `lateness=2` are seconds, `seed=7` is the dice's.

        Raises:
            ConfigurationError: an entry is none of these.
        """
        script: list[Scripted] = []
        rates: dict[str, float] = {}
        lengths: dict[str, float] = {}
        seed = 0
        for entry in filter(None, (part.strip() for part in text.split(","))):
            name, equals, number = entry.partition("=")
            try:
                if not equals:
                    fault, _, place = entry.partition("@")
                    operation, _, nth = place.partition("#")
                    script.append(Scripted(fault, operation or "*", int(nth or 1)))
                elif name == "seed":
                    seed = int(number)
                elif name in DURATIONS:
                    lengths[name] = float(number)
                else:
                    rates[name] = float(number)
            except ValueError as error:
                raise ConfigurationError(
                    f"{entry!r} is no fault: write NAME=RATE, NAME@OPERATION#NTH, slow=SECONDS or seed=NUMBER"
                ) from error
        return cls(script, rates, seed=seed, **lengths)

    @property
    def operations(self) -> frozenset[str]:
        """The operations faults are scripted for, as they were written."""
        return frozenset(planned.scripted.operation for planned in self._script)

    def take(self, operation: str, *names: str) -> str | None:
        """Return which of these faults happens now; None if none does.

        Args:
            operation: what was asked for.
            names: the faults that can happen here.
        """
        happens: str | None = None
        for planned in self._script:
            one = planned.scripted
            if planned.left and one.fault in names and fnmatchcase(operation, one.operation):
                if planned.left > 1:
                    planned.left -= 1
                elif happens is None:  # one fault a request: another one due now waits for the next
                    planned.left = 0
                    happens = one.fault
        for name in names if happens is None else ():
            if name in self._rates and self._dice.random() < self._rates[name]:
                happens = name
                break
        if happens is not None:
            self.happened[happens] += 1
        return happens
