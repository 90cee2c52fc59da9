"""Chains of llama.cpp's samplers, grammars, and JSON schemas made into grammars.

Knows no context: what is sampled from is given by `contexts`. Any thread may make a sampler.
"""

import json
import math
import re
import weakref
from collections.abc import Mapping
from typing import Any

import llama_cpp as native
from llama_cpp.llama_grammar import json_schema_to_gbnf

from agent.errors import BadConstraint, InvalidRequest
from agent.generation.llama.model import LlamaModel
from agent.generation.requests import Sampling

# Nested deeper or longer, a grammar can overflow a thread's stack in llama.cpp's recursive parser.
MAX_GRAMMAR_BYTES = 64_000
MAX_GRAMMAR_DEPTH = 100
_LITERALS = re.compile(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#[^\n]*')
_SEED_MASK = 0x7FFF_FFFF  # llama.cpp reads 0xFFFFFFFF as "choose one"


class LlamaSampler:
    """A chain of llama.cpp's samplers, and the grammar beside it where there is one."""

    def __init__(self, chain: int, grammar: int | None) -> None:
        self.chain = chain
        self.grammar = grammar
        self._closers = [
            weakref.finalize(self, native.llama_sampler_free, handle)
            for handle in (chain, grammar)
            if handle
        ]

    def close(self) -> None:
        for closer in self._closers:
            closer()


def open_sampler(
    model: LlamaModel, sampling: Sampling, grammar: str | None, max_tokens: int
) -> LlamaSampler:
    """Raise BadConstraint if the grammar does not compile."""
    rules = None
    if any(not 0 <= token < model.size for token in sampling.logit_bias):
        raise InvalidRequest("logit_bias names a token that the model lacks.", field="logit_bias")
    if grammar is not None:
        _check_grammar(grammar)
        with model.in_use():
            rules = native.llama_sampler_init_grammar(model.vocab, grammar.encode(), b"root")
        if not rules:
            raise BadConstraint("The grammar does not compile: check its GBNF and `root` rule.")
    return LlamaSampler(_chain(model, sampling, max_tokens), rules)


def _chain(model: LlamaModel, sampling: Sampling, max_tokens: int) -> int:
    parameters = native.llama_sampler_chain_default_params()
    parameters.no_perf = True
    chain: int = native.llama_sampler_chain_init(parameters)
    add = native.llama_sampler_chain_add
    wanted = dict(sampling.logit_bias)
    if sampling.ignore_eos:
        wanted |= dict.fromkeys(model.endings, -math.inf)
    if wanted:
        biases = (native.llama_logit_bias * len(wanted))()
        for entry, (token, bias) in zip(biases, wanted.items(), strict=True):
            entry.token, entry.bias = token, bias
        add(chain, native.llama_sampler_init_logit_bias(model.size, len(biases), biases))
    penalties = (
        sampling.repeat_penalty,
        sampling.frequency_penalty,
        sampling.presence_penalty,
    )
    if penalties != (1.0, 0.0, 0.0):
        add(chain, native.llama_sampler_init_penalties(model.size, max_tokens, *penalties))
    if sampling.temperature <= 0:
        add(chain, native.llama_sampler_init_greedy())
        return chain
    if sampling.top_k > 0:
        add(chain, native.llama_sampler_init_top_k(sampling.top_k))
    if sampling.top_p < 1:
        add(chain, native.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0:
        add(chain, native.llama_sampler_init_min_p(sampling.min_p, 1))
    add(chain, native.llama_sampler_init_temp(sampling.temperature))
    add(chain, native.llama_sampler_init_dist(sampling.seed & _SEED_MASK))
    return chain


def _check_grammar(grammar: str) -> None:
    if len(grammar.encode("utf-8", "replace")) > MAX_GRAMMAR_BYTES:
        raise BadConstraint(f"The grammar is longer than {MAX_GRAMMAR_BYTES} bytes; shorten it.")
    if "\0" in grammar:
        raise BadConstraint("The grammar has a NUL character; remove it.")
    depth = 0
    for character in _LITERALS.sub("", grammar):
        depth += (character == "(") - (character == ")")
        if depth > MAX_GRAMMAR_DEPTH:
            raise BadConstraint("The grammar is nested too deeply; split it into rules.")


def schema_to_gbnf(schema: Mapping[str, Any]) -> str:
    """Raise BadConstraint for a JSON schema that has no grammar."""
    try:
        return str(json_schema_to_gbnf(json.dumps(schema)))
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadConstraint(f"The JSON schema cannot be used as a constraint: {error}") from error
    except RecursionError as error:
        raise BadConstraint("The JSON schema is nested too deeply or refers to itself.") from error
