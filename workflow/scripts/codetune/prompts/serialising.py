"""Which kind of serialisation a template asks for."""

from codetune.prompts.chat import ChatSerialisation
from codetune.prompts.templates import Serialisation, TextSerialisation, Tokenizer
from codetune.study.template import Template


def serialisation_of(template: Template, tokenizer: Tokenizer, apart: bool = False) -> Serialisation:
    """Returns how samples are serialised by a template for the model of a tokenizer.

    Args:
        template: The template.
        tokenizer: The tokenizer.
        apart: Whether the model is an encoder-decoder, so that prompt and completion are two texts.
    """
    kind = ChatSerialisation if template.chat else TextSerialisation
    return kind(template, tokenizer, apart)
