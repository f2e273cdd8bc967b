"""A small flow with a handoff by tool, and a conversation in it, against any server; what came of it is printed."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from handoff import Flow, Metadata, RunFailed
from handoff.backends.base import Backend
from handoff.sync import Threads


class Order(Metadata):
    """What is wanted."""

    dish: str | None = None


flow = Flow("trattoria", metadata=Order)
waiter = flow.assistant("waiter", instructions="Find out what the guest wants.")
cook = flow.assistant("cook", instructions="You make {{ dish }}. Say when it is ready.")


@waiter.tool(to=cook, sets="dish")
def take_order(dish: str) -> str:
    """Take the guest's order."""
    return f"One {dish}, coming up."


def hand_over(title: str, backend: Backend, said: Sequence[str] = ("Pizza, please", "Thanks")) -> bool:
    """Play the conversation and print it; return whether the thread was handed over, with its metadata, and answered.

    Args:
        title: printed before it.
        backend: who runs the model.
        said: what the guest says.
    """
    replies, place = converse(title, backend, said)
    worked = place == ("cook", "pizza") and all(replies)
    print(f"  {'handed over to' if worked else 'FAILED at'} {place[0]}, who knows: {place[1]}")
    return worked


def converse(
    title: str, backend: Backend, said: Sequence[str], *, cut: bool = False
) -> tuple[list[str | None], tuple[str, str | None]]:
    """Play a conversation and print it; return the replies, None where a run failed, and assistant and dish at its end.

    Args:
        title: printed before it.
        backend: who runs the model.
        said: what the guest says.
        cut: whether an answer that was cut off at its length is a reply, as far as it came.
    """
    print(title)
    replies: list[str | None] = []
    with Threads(flow, backend=backend) as threads:
        thread = threads.open()
        for text in said:
            try:
                reply = str(thread.send(text))
            except RunFailed as failure:
                reply = failure.text if cut and failure.status == "incomplete" else None
                print(f"  guest: {text}\n  run ended {failure.status}, {failure.reason}: {failure.text}")
            else:
                print(f"  guest: {text}\n  {thread.assistant.name}: {reply}")
            replies.append(reply)
        return replies, (thread.assistant.name, thread.metadata.dish)


@contextmanager
def serving(command: Sequence[str], port: int) -> Iterator[None]:
    """Run a server until the block ends; it is entered once its port takes connections.

    Args:
        command: that starts it.
        port: where it listens.
    """
    with subprocess.Popen(list(command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                except OSError:
                    if process.poll() is not None or time.monotonic() > until:
                        raise SystemExit(f"{command[0]} does not serve") from None
                    time.sleep(0.1)
                else:
                    break
            yield
        finally:
            process.terminate()
            process.wait()


def free_port() -> int:
    """Return a port nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
