"""Renders prompts: strict, sandboxed, each template replaceable by the operator.

Knows no model and no conversation. Invariant: a template that names a value it was not given is
an error when it is rendered, never an empty place in a prompt.
"""

import hashlib
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from jinja2 import ChoiceLoader, FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent.errors import SetupError

LANGUAGES: Final = ("en", "de", "fr", "es", "zh")


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

    def render(self, name: str, **values: object) -> str:
        """The text of `name` (a path below prompts/ without `.j2`)."""
        try:
            return self._environment.get_template(f"{name}.j2").render(**values)
        except TemplateError as error:
            raise SetupError(f"The prompt '{name}.j2' cannot be used: {error}. Mend it.") from error

    def say(self, name: str, locale: str | None, **values: object) -> str:
        """What the agent says by itself, in the customer's language where it is known."""
        language = (locale or "en").replace("_", "-").split("-")[0].lower()
        return self.render(
            f"say/{name}", language=language if language in LANGUAGES else "en", **values
        ).strip()

    @cache  # noqa: B019  # one instance lives as long as the process
    def revision(self) -> str:
        """A short hash of every template in force: stored with answers, part of cache keys."""
        digest = hashlib.sha256()
        for name in sorted(self._environment.list_templates(extensions=["j2"])):
            source, _, _ = self._environment.loader.get_source(  # type: ignore[union-attr]
                self._environment, name
            )
            digest.update(f"{name}\0{source}\0".encode())
        return digest.hexdigest()[:16]
