"""Rule generate: predictions of one run, and the facts of how they were made."""

from dataclasses import dataclass
from typing import Any

from codetune.base.files import recover_jsonl, write_json
from codetune.base.identity import checkpoint_identity, file_hashes
from codetune.base.machine import environment, peak_memory
from codetune.base.plain import to_plain
from codetune.base.unfinished import unfinished_work
from codetune.data.predictions import write_predictions
from codetune.generation.batches import generate
from codetune.generation.loading import load_for_decoding, prompt_limit
from codetune.methods.adapters import ADAPTER, load_adapter
from codetune.models.device import set_determinism
from codetune.models.loading import Checkpoint
from codetune.models.quantization import linear_4bit
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.tokensets import TokenSample, check_vocabulary, read_tokens
from codetune.study.decoding import Decoding
from codetune.study.facts import GenerationFacts


@dataclass(frozen=True)
class GenerateInputs:
    """What a generation reads, beside the checkpoint.

    Attributes:
        prompts: Token set with the prompts.
        tuned: Folder of the adapter; None for the untuned model.
    """

    prompts: str
    tuned: str | None


@dataclass(frozen=True)
class GenerateOutputs:
    """What a generation writes.

    Attributes:
        predictions: The predictions in the order of the prompts, JSON lines.
        facts: What the predictions were computed from and with, JSON.
        work: Folder of unfinished work, removed in the end.
    """

    predictions: str
    facts: str
    work: str


def generate_predictions(
    inputs: GenerateInputs, outputs: GenerateOutputs, checkpoint: Checkpoint, decoding: Decoding, code: str
) -> None:
    """Generates a completion for each prompt of a token set and writes the predictions and the facts.

    If an earlier attempt at the same generation was killed, the batches that it finished are used.

    Args:
        inputs: Paths to read.
        outputs: Paths to write.
        checkpoint: The base model.
        decoding: The settings.
        code: Hash of the code; what other code left unfinished is not used.

    Raises:
        StudyError: The checkpoint cannot be loaded, or one prompt does not fit into memory.
    """
    set_determinism(0)
    adapter = {"adapter": f"{inputs.tuned}/{ADAPTER}"} if inputs.tuned else {}
    hashes = file_hashes(prompts=inputs.prompts, **adapter)
    origin = checkpoint_identity(checkpoint.folder)
    identity = {
        "decoding": to_plain(decoding),
        "quantization": to_plain(checkpoint.quantization),
        "checkpoint": to_plain(origin),
        "inputs": hashes,
        "code": code,
        "packages": environment().packages,
    }
    with unfinished_work(outputs.work, identity) as folder:
        prompts, model = _load(inputs, checkpoint, decoding)
        tokenizer, limit, kept = load_tokenizer(checkpoint.folder), prompt_limit(decoding), folder / "batches.jsonl"
        predictions = generate(model, tokenizer, prompts, decoding, limit, kept)
        written = [candidate for prediction in predictions for candidate in prediction.candidates]
        facts = GenerationFacts(
            decoding=decoding,
            quantization=checkpoint.quantization,
            checkpoint=origin,
            inputs_sha256=hashes,
            prompts=len(predictions),
            tokens=sum(candidate.tokens for candidate in written),
            truncated=sum(candidate.truncated for candidate in written),
            most_prompts_at_once=limit.rows,
            seconds=round(sum(batch["seconds"] for batch in recover_jsonl(kept)), 1),
            **_state_of(model),
        )
        write_predictions(outputs.predictions, predictions)
        write_json(outputs.facts, to_plain(facts))


def _load(inputs: GenerateInputs, checkpoint: Checkpoint, decoding: Decoding) -> tuple[list[TokenSample], Any]:
    """The prompts, and the model with its adapter."""
    prompts, model = read_tokens(inputs.prompts), load_for_decoding(checkpoint, decoding)
    check_vocabulary(prompts, model, inputs.prompts)
    return prompts, load_adapter(model, inputs.tuned) if inputs.tuned else model


def _state_of(model: Any) -> dict[str, Any]:
    """What the facts say of the model and the machine that it is on."""
    return {
        "attention": model.config._attn_implementation,
        "weights": "4 bits" if linear_4bit(model) else str(model.dtype).removeprefix("torch."),
        "peak_memory": peak_memory(),
        "environment": environment(),
    }
