"""Conversations: a list of items that grows when a response on it completes, and is locked while one is made (R3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from handoff.sandbox import items
from handoff.sandbox.calls import Call, page
from handoff.sandbox.rules import refused
from handoff.sandbox.world import Wire, World

MOST_ITEMS = 20  #: at a time (R9)


@dataclass(slots=True, eq=False)
class Conversation:
    """A conversation."""

    id: str
    created_at: int
    metadata: dict[str, str]
    items: list[Wire] = field(default_factory=list[Wire])
    #: The response that is being made on it, which locks it.
    busy: str | None = None

    def wire(self) -> Wire:
        """Return it as it goes over the wire."""
        return {"id": self.id, "object": "conversation", "created_at": self.created_at, "metadata": self.metadata}

    def require_unlocked(self) -> None:
        """Refuse to touch it while a response is made on it.

        Raises:
            Refused: it is locked.
        """
        if self.busy is not None:
            raise refused("conversation_locked")


def find(world: World, id: str) -> Conversation:  # noqa: A002 - as the wire calls it
    """Return a conversation.

    Args:
        world: the sandbox.
        id: its id.

    Raises:
        Refused: there is none.
    """
    found = world.conversations.get(id)
    if found is None:
        raise refused("no_conversation", id=id)
    return found


async def create(call: Call) -> Wire:
    """Create a conversation, with items if there are any.

    Args:
        call: the request.
    """
    given: list[Wire] = call.body.get("items") or []
    _check_count(given)
    conversation = Conversation(call.world.new_id("conv"), call.world.now(), call.body.get("metadata") or {})
    new = items.admit(call.world, given)
    items.check((), new, complete=False)
    conversation.items = new
    call.world.conversations[conversation.id] = conversation
    return conversation.wire()


async def retrieve(call: Call) -> Wire:
    """Return a conversation.

    Args:
        call: the request.
    """
    return _found(call).wire()


async def update(call: Call) -> Wire:
    """Change its metadata.

    Args:
        call: the request.
    """
    conversation = _found(call)
    conversation.metadata = call.body["metadata"] or {}
    return conversation.wire()


async def delete(call: Call) -> Wire:
    """Forget it; its items stay where responses hold them.

    Args:
        call: the request.
    """
    conversation = _found(call)
    conversation.require_unlocked()
    del call.world.conversations[conversation.id]
    return {"id": conversation.id, "object": "conversation.deleted", "deleted": True}


async def add_items(call: Call) -> Wire:
    """Add items: an output, say, that a poisoned conversation lacks.

    Args:
        call: the request.
    """
    conversation = _found(call)
    conversation.require_unlocked()
    _check_count(call.body["items"])
    new = items.admit(call.world, call.body["items"], conversation.items)
    items.check(conversation.items, new, complete=False)
    conversation.items += new
    return {
        "object": "list",
        "data": new,
        "first_id": new[0]["id"] if new else "",
        "last_id": new[-1]["id"] if new else "",
        "has_more": False,
    }


async def list_items(call: Call) -> Wire:
    """Return its items.

    Args:
        call: the request.
    """
    return page(call, _found(call).items)


async def retrieve_item(call: Call) -> Wire:
    """Return one item.

    Args:
        call: the request.
    """
    return _item(_found(call), call.path["item_id"])


async def delete_item(call: Call) -> Wire:
    """Remove one item.

    Args:
        call: the request.
    """
    conversation = _found(call)
    conversation.require_unlocked()
    conversation.items.remove(_item(conversation, call.path["item_id"]))
    return conversation.wire()


def _found(call: Call) -> Conversation:
    return find(call.world, call.path["conversation_id"])


def _item(conversation: Conversation, id: str) -> Wire:  # noqa: A002 - as the wire calls it
    item = next((one for one in conversation.items if one["id"] == id), None)
    if item is None:
        raise refused("no_item", id=id)
    return item


def _check_count(given: list[Wire]) -> None:
    if len(given) > MOST_ITEMS:
        raise refused("field_value", param="items", problem=f"at most {MOST_ITEMS} items at a time")
