"""Rule generate: predictions of one run, and the facts of how they were made."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune.base.files import recover_jsonl, sha256_of_file, write_json
from codetune.base.identity import checkpoint_identity, file_hashes
from codetune.base.machine import environment, peak_memory
from codetune.base.manifests import checked_folder
from codetune.base.plain import to_plain
from codetune.base.progress import doing
from codetune.base.unfinished import unfinished_work
from codetune.data.predictions import Prediction, write_predictions
from codetune.generation.batches import cut_by_context, generate
from codetune.generation.loading import load_for_decoding, prompt_limit
from codetune.generation.trial import try_decoding
from codetune.methods.tuning import make_tuning
from codetune.models.architecture import check_decoder_is_trained
from codetune.models.context import context_of
from codetune.models.device import set_determinism
from codetune.models.loading import Checkpoint
from codetune.models.quantization import held_as
from codetune.models.settings import ignored_settings
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.completions import read_ending
from codetune.prompts.tokensets import TokenSample, check_tokens, check_vocabulary, read_tokens, with_virtual_tokens
from codetune.study.decoding import Decoding
from codetune.study.facts import GenerationFacts
from codetune.study.method import TuningSettings
from codetune.study.tunings import implementation_of


@dataclass(frozen=True)
class GenerateInputs:
    """What a generation reads, beside the checkpoint.

    Attributes:
        prompts: Token set with the prompts.
        stats: The statistics that came with it.
        tuned: Manifest of the folder with what was trained; None for the untuned model.
        tuning: How that was trained; None for the untuned model.
    """

    prompts: str
    stats: str
    tuned: str | None = None
    tuning: TuningSettings | None = None

    def file_hashes(self) -> dict[str, str]:
        """SHA-256 of the prompts, of the samples that they were made from, and of the trained weights."""
        hashes = check_tokens(self.stats, prompts=self.prompts)
        if self.tuned is None or self.tuning is None:
            return hashes
        return hashes | file_hashes(tuned=checked_folder(self.tuned) / implementation_of(self.tuning).weights)


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
    hashes = inputs.file_hashes()
    ending, origin = read_ending(inputs.stats), checkpoint_identity(checkpoint.folder)
    identity = {
        "decoding": to_plain(decoding),
        "ending": to_plain(ending),
        "quantization": to_plain(checkpoint.quantization),
        "checkpoint": to_plain(origin),
        "inputs": hashes,
        "code": code,
        "packages": environment().packages,
    }
    with unfinished_work(outputs.work, identity) as folder:
        prompts, model = _load(inputs, checkpoint, decoding)
        tokenizer, limit, kept = load_tokenizer(checkpoint.folder), prompt_limit(decoding), folder / "batches.jsonl"
        predictions = generate(model, tokenizer, prompts, decoding, ending, limit, kept)
        write_predictions(outputs.predictions, predictions)
        facts = GenerationFacts(
            decoding=decoding,
            quantization=checkpoint.quantization,
            checkpoint=origin,
            inputs_sha256=hashes,
            predictions_sha256=sha256_of_file(outputs.predictions),
            most_prompts_at_once=limit.rows,
            seconds=round(sum(batch["seconds"] for batch in recover_jsonl(kept)), 1),
            **_counts_of(predictions, decoding),
            ignored_settings=ignored_settings(checkpoint.folder),
            **_state_of(model),
        )
        write_json(outputs.facts, facts.to_document())


def _load(inputs: GenerateInputs, checkpoint: Checkpoint, decoding: Decoding) -> tuple[list[TokenSample], Any]:
    """The prompts, and the model with what was trained."""
    check_decoder_is_trained(checkpoint.folder, inputs.tuning)
    samples, model = read_tokens(inputs.prompts), load_for_decoding(checkpoint, decoding)
    check_vocabulary(samples, model, inputs.prompts)
    with doing("trial of decoding"):
        try_decoding(model, samples, decoding.max_new_tokens)
    if inputs.tuned is None or inputs.tuning is None:
        return samples, model
    tuning = make_tuning(inputs.tuning)
    return with_virtual_tokens(samples, tuning.virtual_tokens(model)), tuning.load(model, Path(inputs.tuned).parent)


def _counts_of(predictions: list[Prediction], decoding: Decoding) -> dict[str, Any]:
    """What the facts count of the predictions."""
    written = [candidate for prediction in predictions for candidate in prediction.candidates]
    return {
        "prompts": len(predictions),
        "tokens": sum(candidate.tokens for candidate in written),
        "truncated": sum(candidate.truncated for candidate in written),
        "cut_by_context": cut_by_context(predictions, decoding),
        "prompts_without_room": sum(prediction.first.tokens == 0 for prediction in predictions),
    }


def _state_of(model: Any) -> dict[str, Any]:
    """What the facts say of the model and the machine that it is on."""
    return {
        "context": context_of(model.config),
        "attention": model.config._attn_implementation,
        "weights": held_as(model),
        "peak_memory": peak_memory(),
        "environment": environment(),
    }
