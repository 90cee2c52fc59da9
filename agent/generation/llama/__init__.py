"""The only door to llama.cpp, through its C functions: `model`, `sampling` and `contexts`.

Knows no request, no thread and no scheduling; who calls keeps to the rules of `backend`. Invariant:
no call is made with lengths that llama.cpp answers by ending the process.
"""

import os

# Threads of OpenMP spin when they wait for each other, at the end of every step of a graph.
# Spinning long, they spin away their own partner's time whenever anything else wants a core;
# sleeping at once, they are woken a thousand times a token (agent/README.md has the table). libgomp
# spins shorter still, 100 rounds, while it counts more threads than cores, which it does for any
# but a program's first thread; with the policy `active` these are 1,000: a token of the 1.5B takes
# 61 ms instead of 83 in the engine's thread. libgomp reads this when it is loaded, so it stands
# before the import.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "active"
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")

from agent.generation.llama.contexts import LlamaBackend, LlamaEmbedder, Tuning, build
from agent.generation.llama.model import LlamaModel, usable_threads
from agent.generation.llama.sampling import schema_to_gbnf

__all__ = [
    "LlamaBackend",
    "LlamaEmbedder",
    "LlamaModel",
    "Tuning",
    "build",
    "schema_to_gbnf",
    "usable_threads",
]
