"""Text that people, models and hubs wrote: messages and Markdown show it."""

import unicodedata

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json, write_json
from codetune.base.text import markdown, markdown_code, markdown_heading, markdown_paragraph, printable
from hostile import hostile
from markdown_it import MarkdownIt


@hostile
def test_messages_are_one_line_that_a_terminal_only_shows(label):
    message = str(StudyError(f"config: models.m.label: {label}"))
    assert len(message.splitlines()) == 1
    assert not [sign for sign in message if unicodedata.category(sign) in ("Cc", "Cs") or sign in "\u202e\u2066"]


def test_half_a_surrogate_pair_is_written_as_json_writes_it(tmp_path):
    write_json(tmp_path / "a.json", {"half": "\ud800"})
    assert read_json(tmp_path / "a.json") == {"half": "\ud800"}
    assert str(StudyError("half \ud800")) == "half \\ud800"


@pytest.mark.parametrize("text", ["a", "`", "``a`b```", " a ", "", "a\nb"])
def test_code_spans_show_their_text(text):
    (paragraph,) = [one for one in MarkdownIt("commonmark").parse(f"x {markdown_code(text)} y") if one.type == "inline"]
    assert [part.type for part in paragraph.children] == ["text", "code_inline", "text"]
    assert paragraph.children[1].content.strip() == printable(text).strip()


@pytest.mark.parametrize(
    "text", ["Llama-3.2-1B, miniature", "Phi-3 Mini 4K", "a_b (qlora)", "p < 0.001 [F1|x:y]", "R&D"]
)
def test_plain_text_is_its_own_markdown(text):
    assert markdown(text) == text


BLOCKS = [
    "+ and - mark",
    "- x",
    "+",
    "* x",
    "# x",
    "#x",
    "## ",
    "1. x",
    "12) x",
    "> x",
    ">x",
    "    code",
    "---",
    "- - -",
]
BLOCKS += ["* * *", "___", "===", "~~~", "```", "C #", "C ##", "<div>", "[a]: b", "| a |", "\\", "1986. A year", "-- x"]
PLAIN = ["+5 %", "-0.5", "1.5 x", "1) x is (1)", "C# and F#", "a > b", "(1) x", "p < 0.001", "-"]


@pytest.mark.parametrize("text", BLOCKS + PLAIN)
def test_a_paragraph_and_a_heading_stay_one_whatever_they_begin_or_end_with(text):
    for made, kind in ((markdown_paragraph(text), "paragraph"), (f"# {markdown_heading(text)}", "heading")):
        tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(f"x\n\n{made}\n")[3:]
        assert [token.type for token in tokens] == [f"{kind}_open", "inline", f"{kind}_close"]
        assert "".join(part.content for part in tokens[1].children) == text.strip()


@pytest.mark.parametrize("text", ["+5 %", "-0.5", "1.5 x", "C# and F#", "a > b", "ROUGE-L [F1|x:y] over 3"])
def test_a_plain_paragraph_is_its_own_markdown(text):
    assert markdown_paragraph(text) == text
