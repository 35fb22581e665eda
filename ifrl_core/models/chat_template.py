"""A model's chat template, rendered as transformers does (its render_jinja_template) without loading it."""

import json
from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

TEMPLATE, TOKENIZER_CONFIG = "chat_template.jinja", "tokenizer_config.json"
_QUESTION = [{"role": "user", "content": "Name a river."}]
Read = Callable[[str], bytes | None]  # a file of a model by its name, None where it has none


def chat_template(read: Read) -> str:
    """The template's source; empty when there is none."""
    if (text := read(TEMPLATE)) is not None:
        return text.decode("utf-8", "replace")
    found = _tokenizer_config(read).get("chat_template") or ""
    if isinstance(found, list):
        found = {item["name"]: item["template"] for item in found}.get("default", "")
    return str(found)


def response_template(read: Read) -> str:
    """How transformers reads the model's responses, tool calls among them, as JSON; empty where the tokenizer is silent."""
    found = _tokenizer_config(read).get("response_template")
    return json.dumps(found, sort_keys=True) if isinstance(found, dict) else ""


def generation_prompt(read: Read) -> str:
    """What the template puts before an answer; empty when it cannot render a plain question, which loading it will tell."""
    template = chat_template(read)
    asked, told = (_rendered(template, _special_texts(read), add_generation_prompt=answer) for answer in (True, False))
    return asked.removeprefix(told)


def _rendered(template: str, tokens: dict[str, str], *, add_generation_prompt: bool) -> str:
    options: dict[str, Any] = {"tools": None, "documents": None, "add_generation_prompt": add_generation_prompt}
    try:
        return _environment().from_string(template).render(messages=_QUESTION, **options, **tokens)
    except Exception:  # whatever a stranger's template does
        return ""


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    extensions = [_Generation, jinja2.ext.loopcontrols]
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=extensions)
    environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment


class _Generation(jinja2.ext.Extension):
    """{% generation %} marks what the assistant says; what it holds is rendered as it stands."""

    tags = {"generation"}  # noqa: RUF012  (jinja's own way)

    def parse(self, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _raise(message: str) -> str:
    raise jinja2.TemplateError(message)


def _tokenizer_config(read: Read) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(read(TOKENIZER_CONFIG) or b"{}")
    return document


def _special_texts(read: Read) -> dict[str, str]:
    """bos_token and its kin, as templates name them."""
    named = {name: value for name, value in _tokenizer_config(read).items() if name.endswith("_token")}
    texts = {name: value.get("content") if isinstance(value, dict) else value for name, value in named.items()}
    return {name: text for name, text in texts.items() if isinstance(text, str)}
