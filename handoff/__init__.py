"""Conversations as state machines: one thread, many assistants, and a declared way from one to the next.

Importing this imports neither openai nor a web server nor a database.
"""

import importlib
from typing import TYPE_CHECKING

from handoff.backends.base import Backend
from handoff.clock import Clock, SystemClock
from handoff.core.answers import Citation, HostedCall
from handoff.core.parts import File, Image, Text
from handoff.core.state import Ticket
from handoff.core.usage import Usage
from handoff.declaration.assistants import Assistant, Destination, Transition
from handoff.declaration.consulting import Consultation, RoomReply
from handoff.declaration.flow import Flow
from handoff.declaration.hosted import MCP, CodeInterpreter, FileSearch, WebSearch
from handoff.declaration.metadata import Deps, FromMetadata, Go, Metadata, Pending, ToolCall
from handoff.errors import (
    CallRefused,
    ConfigurationError,
    ContentRefused,
    DefinitionError,
    FlowChanged,
    FlowError,
    HandoffError,
    InstructionsError,
    KeyReused,
    NotDeleted,
    NotTaken,
    ReplyUnfit,
    RunFailed,
    StoreBehind,
    StoreError,
    StoreVersion,
    ThreadBusy,
    ThreadClosed,
    ThreadsClosed,
    ThreadUnknown,
    TicketClosed,
    ToolError,
)
from handoff.events import (
    HostedToolFinished,
    LimitReached,
    MessageAdded,
    RoomChanged,
    RunChanged,
    TextDelta,
    ThreadEvent,
    TicketChanged,
    ToolFinished,
    ToolProgress,
    ToolStarted,
    TransitionTaken,
)
from handoff.limits import Limits
from handoff.models import Answer, Model, RuleModel, Said, ScriptedModel, call

if TYPE_CHECKING:
    from handoff.connection import Connection, connect
    from handoff.driving.decisions import Decision
    from handoff.driving.leaving import LeftCall
    from handoff.driving.replies import Reply
    from handoff.store import MemoryStore, SqlStore, Store
    from handoff.thread import EditReceipt, Thread
    from handoff.threads import Threads

__version__ = "0.1.0"

__all__ = [
    "MCP",
    "Answer",
    "Assistant",
    "Backend",
    "CallRefused",
    "Citation",
    "Clock",
    "CodeInterpreter",
    "ConfigurationError",
    "Connection",
    "Consultation",
    "ContentRefused",
    "Decision",
    "DefinitionError",
    "Deps",
    "Destination",
    "EditReceipt",
    "File",
    "FileSearch",
    "Flow",
    "FlowChanged",
    "FlowError",
    "FromMetadata",
    "Go",
    "HandoffError",
    "HostedCall",
    "HostedToolFinished",
    "Image",
    "InstructionsError",
    "KeyReused",
    "LeftCall",
    "LimitReached",
    "Limits",
    "MemoryStore",
    "MessageAdded",
    "Metadata",
    "Model",
    "NotDeleted",
    "NotTaken",
    "Pending",
    "Reply",
    "ReplyUnfit",
    "RoomChanged",
    "RoomReply",
    "RuleModel",
    "RunChanged",
    "RunFailed",
    "Said",
    "ScriptedModel",
    "SqlStore",
    "Store",
    "StoreBehind",
    "StoreError",
    "StoreVersion",
    "SystemClock",
    "Text",
    "TextDelta",
    "Thread",
    "ThreadBusy",
    "ThreadClosed",
    "ThreadEvent",
    "ThreadUnknown",
    "Threads",
    "ThreadsClosed",
    "Ticket",
    "TicketChanged",
    "TicketClosed",
    "ToolCall",
    "ToolError",
    "ToolFinished",
    "ToolProgress",
    "ToolStarted",
    "Transition",
    "TransitionTaken",
    "Usage",
    "WebSearch",
    "call",
    "connect",
]


#: Where the names are that are imported when they are first used: a flow is declared, checked and drawn without what
#: drives threads, and SQLAlchemy and pydantic-settings are slow to import.
_LATER = {
    "Connection": "handoff.connection",
    "Decision": "handoff.driving.decisions",
    "EditReceipt": "handoff.thread",
    "LeftCall": "handoff.driving.leaving",
    "MemoryStore": "handoff.store",
    "Reply": "handoff.driving.replies",
    "SqlStore": "handoff.store",
    "Store": "handoff.store",
    "Thread": "handoff.thread",
    "Threads": "handoff.threads",
    "connect": "handoff.connection",
}


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(_LATER[name]), name)
    globals()[name] = found
    return found
