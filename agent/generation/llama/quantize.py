"""Stores a model's weights in another format: llama.cpp's own quantization.

Knows no names and no folders but the two files it is given.
"""

import ctypes
import os
from pathlib import Path
from typing import Final

import llama_cpp as native

from agent.errors import GenerationFailed
from agent.generation.llama.model import LlamaModel, usable_threads

# Its blocks are what llama.cpp repacks for every processor and multiplies four rows at a time; of
# Q4_K_M the Q6_K third is not. 1.5B on two cores with AVX-512, four answers together: 56 ms a step
# against 83 (Q4_K_S: 79, IQ4_NL: 57, but two minutes to make).
FORMAT: Final = "Q4_0"


def requantize(source: Path, target: Path) -> None:
    """Some seconds for a 1.5B model. Raise SetupError if `source` is no model, GenerationFailed if
    it cannot be stored so; `target` is whole or absent."""
    LlamaModel(source).close()  # a file that is none would end the process below
    parameters = native.llama_model_quantize_default_params()
    parameters.ftype = native.LLAMA_FTYPE_MOSTLY_Q4_0
    parameters.allow_requantize = True
    parameters.nthread = usable_threads()
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        code = native.llama_model_quantize(
            os.fsencode(source), os.fsencode(partial), ctypes.byref(parameters)
        )
        if code != 0:
            raise GenerationFailed(f"{source.name} cannot be stored as {FORMAT}.")
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
