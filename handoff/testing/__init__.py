"""What tests of a flow need.

`Talk`, in which the test plays the model; `explore`, which plays such a test under every schedule; and `ManualClock`
for tests of `Threads`.

A talk has no event loop, so `freezegun.freeze_time` works on it as it is. Under asyncio the loop must keep its own
time, or every sleep hangs: `freeze_time(..., real_asyncio=True)`, then `frozen.tick(...)` and `await threads.sweep()`.
A `ManualClock` needs no freezegun: `Threads(..., clock=clock)`, then `await clock.advance(seconds)`.
"""

from handoff.models import Answer, call
from handoff.testing.clock import ManualClock
from handoff.testing.comparing import Comparison, Difference, compare
from handoff.testing.exploring import explore
from handoff.testing.following import Explored, ScheduleFailed
from handoff.testing.paths import Path, PathUnreached, Unreached, paths
from handoff.testing.recorded import RecordedTalk
from handoff.testing.scenario import Edit, Message, Pause, Ruling, Scenario
from handoff.testing.schedule import Ran
from handoff.testing.story import TalkMismatch
from handoff.testing.talk import Talk
from handoff.testing.world import World

__all__ = [
    "Answer",
    "Comparison",
    "Difference",
    "Edit",
    "Explored",
    "ManualClock",
    "Message",
    "Path",
    "PathUnreached",
    "Pause",
    "Ran",
    "RecordedTalk",
    "Ruling",
    "Scenario",
    "ScheduleFailed",
    "Talk",
    "TalkMismatch",
    "Unreached",
    "World",
    "call",
    "compare",
    "explore",
    "paths",
]
