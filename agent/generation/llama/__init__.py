"""The only door to llama.cpp, through its C functions: `model`, `sampling` and `contexts`.

Knows no request, no thread and no scheduling; who calls keeps to the rules of `backend`. Invariant:
no call is made with lengths that llama.cpp answers by ending the process.
"""

import os

# Threads of OpenMP spin at the end of every step of a graph. When anything else wants a core they
# spin away their own partner's time: 70 tokens took 68 s beside four busy processes on two cores,
# 10 s when they sleep instead. libgomp reads this as it is loaded: it stands before the import.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

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
