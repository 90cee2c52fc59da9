"""The only door to llama.cpp, through its C functions: `model`, `sampling` and `contexts`.

Knows no request, no thread and no scheduling; who calls keeps to the rules of `backend`. Invariant:
no call is made with lengths that llama.cpp answers by ending the process.
"""

from agent.generation.llama.contexts import LlamaBackend, LlamaEmbedder
from agent.generation.llama.model import LlamaModel, usable_threads
from agent.generation.llama.sampling import schema_to_gbnf

__all__ = ["LlamaBackend", "LlamaEmbedder", "LlamaModel", "schema_to_gbnf", "usable_threads"]
