"""aimock as a server under the chat and responses backends: `python -m tests.interop.aimock`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from handoff.backends.chat import Chat
from handoff.backends.responses import Responses
from tests.interop.processes import INSTALL_NODE, NODE
from tests.interop.trattoria import free_port, hand_over, serving

FIXTURES = {
    "fixtures": [
        {"match": {"userMessage": "Thanks"}, "response": {"content": "You are welcome."}},
        {"match": {"systemMessage": "You make"}, "response": {"content": "It is ready."}},
        {
            "match": {"userMessage": "Pizza"},
            "response": {"toolCalls": [{"name": "take_order", "arguments": {"dish": "pizza"}}]},
        },
    ]
}


def main() -> int:
    """Play the flow on each backend, streamed and whole."""
    if not (NODE / "llmock").exists():
        print(f"no aimock: {INSTALL_NODE}")
        return 2
    worked: list[bool] = []
    with tempfile.TemporaryDirectory() as directory:
        fixtures = Path(directory, "fixtures.json")
        fixtures.write_text(json.dumps(FIXTURES), "utf-8")
        port = free_port()
        url = f"http://127.0.0.1:{port}/v1"
        with serving([str(NODE / "llmock"), "--port", str(port), "--fixtures", str(fixtures), "--strict"], port):
            for stream in (True, False):
                how = "streamed" if stream else "whole"
                worked.append(hand_over(f"chat, {how}", Chat("gpt-4o", base_url=url, stream=stream)))
                for history in ("chain", "own"):
                    backend = Responses("gpt-4o", history=history, base_url=url, stream=stream)
                    worked.append(hand_over(f"responses, {history}, {how}", backend))
    print(f"{sum(worked)} of {len(worked)} worked")
    return 0 if all(worked) else 1


if __name__ == "__main__":
    raise SystemExit(main())
