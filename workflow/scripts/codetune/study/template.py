"""The noun Template: what is written around a request and around its answer, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codetune.base.errors import StudyError
from codetune.study.mistakes import unknown_name


@dataclass(frozen=True)
class Template:
    """An entry of the config's `templates`, or one of those that need no entry.

    Attributes:
        name: Its name in the config and in paths.
        chat: Whether requests and answers become turns of the model's own chat template, or else stand one after the
            other as they are.
        system: Text before the first request; of a chat its system turn.
        user: A request, in Jinja, with the fields `instruction`, `input`, and `request`, which is both.
        assistant: An answer, in Jinja, with the field `output` at its end. What stands before that is part of the
            prompt, all but spaces right before it: a model's words begin with their space.
        end: Text after the output. A model learns to write it, and it is no part of a prediction.
        between: Text between an answer's end and the next request, where a prompt has examples; not of a chat.
    """

    name: str
    chat: bool = False
    system: str = ""
    user: str = "{{ request }}"
    assistant: str = "{{ output }}"
    end: str = ""
    between: str = "\n\n"


# The paper's section 3.2; the model's own chat template; and the two headings that most instruction data come with.
BUILT_IN = {
    "paper": Template(
        "paper",
        user="<|user|> {{ request }} <|end|> ",
        assistant="<|assistant|> {{ output }}",
        end=" <|end|>",
        between="\n",
    ),
    "chat": Template("chat", chat=True),
    "instruction": Template(
        "instruction", user="### Instruction:\n{{ request }}\n", assistant="### Response:\n{{ output }}"
    ),
}


def read_templates(config: Mapping[str, Any]) -> dict[str, Template]:
    """Reads the templates of a configuration, by name: those of its own, and those that need no entry.

    Args:
        config: The configuration.

    Raises:
        StudyError: An entry has the name of one that needs none, or has keys that say nothing.
    """
    found = dict(BUILT_IN)
    for name, entry in config.get("templates", {}).items():
        where = f"config: templates.{name}"
        if name in BUILT_IN:
            raise StudyError(f"{where}: '{name}' needs no entry and takes none; give this template another name")
        if entry.get("chat") and "between" in entry:
            raise StudyError(f"{where}: 'between' says nothing with 'chat: true', which has its own; leave it out")
        if not entry.get("chat") and "user" not in entry:
            raise StudyError(
                f"{where}: the key 'user' is missing; add it, or 'chat: true' for the model's own template"
            )
        found[name] = Template(name, **entry)
    return found


def check_template_names(config: Mapping[str, Any]) -> None:
    """Checks that every template that a configuration names exists.

    Args:
        config: The configuration.

    Raises:
        StudyError: One does not.
    """
    known = [*BUILT_IN, *config.get("templates", {})]
    named = {"tokenization.template": config["tokenization"]["template"]}
    for kind in ("models", "prompts"):
        entries = config.get(kind, {}).items()
        named |= {f"{kind}.{name}.template": entry["template"] for name, entry in entries if "template" in entry}
    for where, name in named.items():
        if name not in known:
            raise unknown_name(where, name, known)
