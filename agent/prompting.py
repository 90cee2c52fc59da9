"""Renders prompts: strict, sandboxed, each template replaceable by the operator, and what the agent
says by itself by an admin.

Knows no model and no conversation. Invariant: a template that names a value it was not given is
an error when it is rendered, never an empty place in a prompt.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent.errors import SetupError

LANGUAGES: Final = ("en", "de", "fr", "es", "zh")
# What an admin may put in other words: all that is said without a value that only code knows.
SAID: Final = (
    "greeting", "about_me", "thanks", "acknowledged", "goodbye", "complaint", "abuse",
    "off_limits", "refusal", "missing_knowledge", "low_confidence", "handoff", "returned",
)  # fmt: skip


class Prompts:
    """`company` is known to every template. Raises SetupError for a template that is broken."""

    def __init__(self, *, company: str, overrides: Path | None = None) -> None:
        self.company = company
        built_in = FileSystemLoader(str(files("prompts")))
        loaders = [FileSystemLoader(str(overrides)), built_in] if overrides else [built_in]
        self._environment = ImmutableSandboxedEnvironment(
            loader=ChoiceLoader(loaders),
            undefined=StrictUndefined,
            autoescape=False,  # prompts are plain text, never HTML
            keep_trailing_newline=True,
            auto_reload=False,  # what is in force is what was read at the start
        )
        self._environment.globals["company"] = company
        self.use({}, "")

    def use(self, words: Mapping[tuple[str, str], str], style: str) -> None:
        """From now on say these, by name and language, in place of the product's own, and tell the
        model the house style."""
        self._words = dict(words)
        self._environment.globals["style"] = style
        said = json.dumps([sorted(self._words.items()), style], ensure_ascii=False)
        self._chosen = said if words or style else ""

    def render(self, name: str, **values: object) -> str:
        """The text of `name` (a path below prompts/ without `.j2`)."""
        try:
            return self._environment.get_template(f"{name}.j2").render(**values)
        except TemplateError as error:
            raise SetupError(f"The prompt '{name}.j2' cannot be used: {error}. Mend it.") from error

    def say(self, name: str, locale: str | None, **values: object) -> str:
        """What the agent says by itself, in the customer's language where it is known."""
        language = (locale or "en").replace("_", "-").split("-")[0].lower()
        language = language if language in LANGUAGES else "en"
        return self._words.get((name, language)) or self.standard(name, language, **values)

    def standard(self, name: str, language: str, **values: object) -> str:
        """What it would say if no admin had said otherwise."""
        return self.render(f"say/{name}", language=language, **values).strip()

    def revision(self) -> str:
        """A short hash of every template and word in force: stored with answers."""
        if not self._chosen:
            return self._templates()
        return hashlib.sha256(f"{self._templates()}\0{self._chosen}".encode()).hexdigest()[:16]

    @cache  # noqa: B019  # one instance lives as long as the process
    def _templates(self) -> str:
        digest = hashlib.sha256()
        for name in sorted(self._environment.list_templates(extensions=["j2"])):
            source, _, _ = self._environment.loader.get_source(  # type: ignore[union-attr]
                self._environment, name
            )
            digest.update(f"{name}\0{source}\0".encode())
        return digest.hexdigest()[:16]
