"""The turns of a conversation, as a model writes them out when it does not stop after its answer."""

import re

# A control token of a chat template, written as text.
_CONTROL_SIGN = r"""
    (?: <\|/?\w+\|>                             # <|end|>, <|user|>, <|im_start|>, <|start_header_id|>
    |   <\uff5c [^\uff5c<>\n]{1,40} \uff5c>     # DeepSeek's, with wide bars
    |   <(?:start_of_turn|end_of_turn|eos)>     # Gemma's
    |   (?:<s>\s*)? \[/?INST\] | <</?SYS>>      # Llama 2's and Mistral's
    |   </s>
    )
"""
# In quotes it belongs to a program, but not after the string that ends a program.
_CONTROL = rf"""
    (?: (?: (?<! ["'`] ) | (?<= [\w.!?)\]}}>][\w.!?)\]}}>]["'`] ) ) {_CONTROL_SIGN}
    |   (?<= ["'] ) (?<! \"\"\" ) (?<! \'\'\' ) {_CONTROL_SIGN} (?= [ \t\r]*(?:\n|\Z) )
    )
"""
# What stands after the colon of a role: words on its line, or on the next one, unless that is indented as in YAML. At
# the end of a text a role is no turn: all that it would cut off is that line.
_SPEAKS = r": (?= [ \t]+\S | [ \t\r]*\n(?![ \t]) )"
_ENDS = r"(?: : | [ \t\r]*$ )"  # of a heading in Markdown
_ANSWER = rf"(?: Assistant {_SPEAKS} | \#{{2,4}} [ \t]* (?:Response|Assistant) {_ENDS} )"
_ROLE = rf"""
    ^ (?: {_ANSWER}
      |   (?:User|Human|System|Question|Instruct|Instruction|Exercise[ ]\d+) {_SPEAKS}
      |   \#{{2,4}} [ \t]* (?:Instruction|Input|Human|User|Question)s? {_ENDS}
      |   (?:user|assistant) [ \t\r]* $
      |   Below[ ]is[ ]an[ ]instruction[ ]that[ ]describes[ ]a[ ]task     # begins Alpaca's prompt
      )
"""
_TURN = re.compile(f"{_CONTROL} | {_ROLE}", re.MULTILINE | re.VERBOSE)
# The head of the text's own turn.
_HEAD = re.compile(
    rf"""
    \s* (?: {_CONTROL} (?:[ \t]*(?:assistant|model|system|user)\b)? | {_ANSWER} )
    """,
    _TURN.flags,
)
_STRUCK = re.compile(r"<s[\s>]")  # in HTML the tag that `</s>` ends


def first_turn(text: str) -> str:
    """The text up to the next turn, without the head of its own turn, such as `<|assistant|>`."""
    start = 0
    while head := _HEAD.match(text, start):
        start = head.end()
    tag = _STRUCK.search(text, start)
    for turn in _TURN.finditer(text, start):
        is_html = turn.group() == "</s>" and tag is not None and tag.start() < turn.start()
        if not is_html and text[start : turn.start()].strip():
            return text[start : turn.start()].strip()
    return text[start:].strip()
