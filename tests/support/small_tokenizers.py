"""Small tokenizers in the manner of others' checkpoints: their control tokens, their ends and their chat templates."""

from codetune.base.files import write_json
from codetune.models.tokenizers import load_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AddedToken, PreTrainedTokenizerFast

CONTROLS = ("<pad>", "<s>", "<eos>", "<|im_start|>", "<|im_end|>", "<|user|>", "<|assistant|>")


def turns(user, assistant, start=""):
    """A chat template: the text of a user's turn and of an assistant's, `X` for the content, and an answer's start."""
    user, assistant, start = (text.replace("\n", "\\n") for text in (user, assistant, start))
    content = "' + m['content'] + '"
    return (
        f"{{% for m in messages %}}{{% if m['role'] == 'user' %}}{{{{ '{user.replace('X', content)}' }}}}"
        f"{{% else %}}{{{{ '{assistant.replace('X', content)}' }}}}{{% endif %}}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{{{{ '{start}' }}}}{{% endif %}}"
    )


def make_tokenizer(folder, template=None, eos="<eos>", controls=CONTROLS, others=(), adds="$A", **files):
    """Makes a tokenizer of bytes and control tokens.

    Args:
        folder: Where it lies.
        template: Its chat template.
        eos: Text of its EOS token.
        controls: Its special tokens.
        others: Added tokens without the flag.
        adds: What it makes of each text, as a template of its post-processor.
        files: `generation` and `config`: the content of generation_config.json and config.json.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({byte: number for number, byte in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([token if isinstance(token, AddedToken) else AddedToken(token) for token in controls])
    backend.add_tokens([AddedToken(text, special=False, normalized=False) for text in others])
    names = [name for name in adds.split() if name != "$A"]
    special = [(name, backend.token_to_id(name)) for name in names]
    backend.post_processor = processors.TemplateProcessing(single=adds, special_tokens=special)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token=eos, pad_token="<pad>", chat_template=template
    )
    tokenizer.save_pretrained(folder)
    for name, content in files.items():
        write_json(folder / {"generation": "generation_config.json", "config": "config.json"}[name], content)
    return load_tokenizer(folder)
