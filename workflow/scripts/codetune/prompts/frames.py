"""What a template writes around its fields, found once, so that no program runs per sample."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from codetune.base.errors import StudyError
from codetune.data.samples import Sample
from codetune.prompts.endings import marker_of
from codetune.study.template import Template

# Each field of a template with the text that it is filled with to find out what stands around it.
PROBES = {"instruction": "\ue000instruction\ue001", "input": "\ue000input\ue001", "output": "\ue000output\ue001"}
OF_REQUEST = ("instruction", "input", "request")
# What a template may consist of: text, fields, and the question whether a field is empty. So every one comes to an end,
# and writes what it inserts as it is.
TAKEN = frozenset("Template Output TemplateData Name Const If Not And Or CondExpr".split())
FENCE = re.compile(r"(?:^|\n)(`{3,}|~{3,})[^\n`]*\n$")  # that a prefix opens
Pieces = tuple[str, ...]  # a text, the name of the field after it, the text after that, and so on; a text is the last


@dataclass(frozen=True)
class Frames:
    """The texts of a template.

    Attributes:
        request: A request without an input.
        request_with_input: A request with one.
        prefix: What stands before an answer, and is part of the prompt.
        lead: Spaces before an output, which are part of the completion.
        end: What stands after an output.
        markers: Texts at which a completion is cut; those of a chat template come on top.
        closing: The end of a completion where no marker finds it.
    """

    request: Pieces
    request_with_input: Pieces
    prefix: str
    lead: str
    end: str
    markers: tuple[str, ...]
    closing: str

    def request_of(self, sample: Sample) -> str:
        """Returns what is written of a sample's request."""
        pieces = self.request_with_input if sample.input else self.request
        return "".join(getattr(sample, piece) if place % 2 else piece for place, piece in enumerate(pieces))

    @property
    def around_request(self) -> tuple[str, str]:
        """The text before and after a request without an input."""
        return self.request[0], self.request[-1]

    @property
    def separate_input(self) -> Pieces | None:
        """How a request with an input is written, if not with the input below the instruction in the same place."""
        before, after = self.around_request
        as_one = (before, "instruction", "\n", "input", after)
        return None if self.request_with_input == as_one else self.request_with_input


def check_templates(templates: Iterable[Template]) -> None:
    """Checks that templates can be used, as far as no tokenizer decides that.

    Raises:
        StudyError: One cannot; the message names its place in the config.
    """
    for template in templates:
        frames_of(template)


def frames_of(template: Template) -> Frames:
    """Finds what a template writes around its fields.

    Raises:
        StudyError: It does not show a field, does more than insert one, or nothing tells where a completion ends.
    """
    where = f"config: templates.{template.name}"
    request = _pieces(f"{where}.user", template.user, ("instruction",), OF_REQUEST)
    with_input = _pieces(f"{where}.user", template.user, ("instruction", "input"), OF_REQUEST)
    answer = _pieces(f"{where}.assistant", template.assistant, ("output",), ("output",))
    if len(request) != 3:
        raise StudyError(f"{where}.user: the instruction stands there {len(request) // 2} times; write it once")
    if len(answer) != 3 or answer[-1]:
        raise StudyError(f"{where}.assistant: it has to end in '{{{{ output }}}}'; write what comes after it as 'end'")
    prefix = answer[0].rstrip(" ")
    fence = FENCE.search(prefix)
    if fence and not template.end.startswith(f"\n{fence[1]}"):
        raise StudyError(
            f"{where}: 'assistant' opens a code fence that 'end' does not close; add 'end: \"\\n{fence[1]}\"'"
        )
    markers = (f"\n{fence[1]}",) if fence else _markers(template, request)
    if not template.chat and not markers:
        raise StudyError(
            f"{where}: nothing tells where an answer ends: neither 'end' nor the beginning of 'user' is a text that "
            "can be told from code, such as '<|end|>' or '### Instruction:'. Change one of them."
        )
    closing = "" if fence or (marker_of(template.end) in markers) else template.end
    return Frames(request, with_input, prefix, answer[0][len(prefix) :], template.end, markers, closing)


def _markers(template: Template, request: Pieces) -> tuple[str, ...]:
    """The text at which a completion is cut: its end, or else, where turns stand one after the other, the next one."""
    following = None if template.chat else marker_of(template.between + request[0])
    found = marker_of(template.end) or following
    return (found,) if found else ()


def _pieces(where: str, source: str, filled: tuple[str, ...], known: tuple[str, ...]) -> Pieces:
    """Renders a template once, and cuts the text at the fields.

    Args:
        where: Its place in the config.
        source: The template.
        filled: The fields that are not empty.
        known: Names of the fields that it may have.
    """
    from jinja2 import TemplateSyntaxError, nodes
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    try:
        parsed = environment.parse(source)
    except (TemplateSyntaxError, RecursionError) as error:
        raise StudyError(f"{where}: not a Jinja template: {' '.join(str(error).split())[:200]}. Correct it.") from None
    for node in parsed.find_all(nodes.Node):
        if type(node).__name__ not in TAKEN:
            raise StudyError(
                f"{where}: '{type(node).__name__.lower()}' is not taken: a template inserts fields as they are, and "
                "may ask with 'if' whether one is empty. Remove it."
            )
        if isinstance(node, nodes.Name) and node.name not in known:
            raise StudyError(f"{where}: '{node.name}' is no field; known: {', '.join(known)}")
    values = {name: PROBES[name] if name in filled else "" for name in PROBES}
    values["request"] = "\n".join(filter(None, (values["instruction"], values["input"])))
    text = environment.from_string(source).render(values)
    pieces = _cut(text, {PROBES[name]: name for name in filled})
    for name in filled:
        if name not in pieces[1::2]:
            raise StudyError(f"{where}: it does not show the field '{name}'; add '{{{{ {name} }}}}'")
    return pieces


def _cut(text: str, names: Mapping[str, str]) -> Pieces:
    """A text cut at the probes, which become the names of the fields."""
    parts = re.split(f"({'|'.join(map(re.escape, names))})", text)
    return tuple(names.get(part, part) for part in parts)
