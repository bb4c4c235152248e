"""Which kind of serialisation a template asks for."""

from codetune.prompts.chat import ChatSerialisation
from codetune.prompts.templates import Serialisation, TextSerialisation, Tokenizer
from codetune.study.template import Template


def serialisation_of(template: Template, tokenizer: Tokenizer) -> Serialisation:
    """Returns how samples are serialised by a template for the model of a tokenizer."""
    return ChatSerialisation(template, tokenizer) if template.chat else TextSerialisation(template, tokenizer)
