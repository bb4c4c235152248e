"""Rule curve: predictions of the untuned model and of each kept checkpoint for some of the validation samples."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune.base.identity import checkpoint_identity, file_hashes
from codetune.base.machine import environment
from codetune.base.plain import to_plain
from codetune.base.progress import counted, doing
from codetune.base.unfinished import unfinished_work
from codetune.data.predictions import Prediction, write_curve_predictions
from codetune.data.samples import choose_subset
from codetune.generation.batches import generate
from codetune.generation.loading import load_for_decoding, prompt_limit
from codetune.generation.trial import try_decoding
from codetune.methods.tuning import make_tuning
from codetune.models.device import set_determinism
from codetune.models.loading import Checkpoint
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.completions import read_ending
from codetune.prompts.tokensets import TokenSample, check_tokens, check_vocabulary, read_tokens, with_virtual_tokens
from codetune.study.decoding import Decoding
from codetune.study.method import TuningSettings
from codetune.study.tunings import implementation_of


@dataclass(frozen=True)
class CurveInputs:
    """What the curve is generated from, beside the checkpoint.

    Attributes:
        tokens: Token set of the validation samples.
        stats: The statistics that came with it.
        checkpoints: Folder with the training's checkpoints, named `step-<n>`.
        tuning: What was trained.
    """

    tokens: str
    stats: str
    checkpoints: Path
    tuning: TuningSettings

    def folders(self) -> dict[int, Path]:
        """The checkpoints by their steps, in ascending order."""
        found = {int(path.name.removeprefix("step-")): path for path in self.checkpoints.glob("step-*")}
        return dict(sorted(found.items()))


@dataclass(frozen=True)
class CurveOutputs:
    """What is written.

    Attributes:
        predictions: One row per checkpoint and sample, in the order of steps and samples, JSON lines.
        work: Folder of unfinished work, removed in the end.
    """

    predictions: str
    work: str


@dataclass(frozen=True)
class CurveSettings:
    """How the curve is generated.

    Attributes:
        decoding: The settings of the decoding.
        subset_size: Number of validation samples to use.
    """

    decoding: Decoding
    subset_size: int


def generate_curve(
    inputs: CurveInputs, outputs: CurveOutputs, checkpoint: Checkpoint, settings: CurveSettings, code: str
) -> None:
    """Generates predictions of the untuned model, step 0, and of each kept checkpoint (the paper's Figure 2).

    If an earlier attempt at the same curve was killed, the batches that it finished are used.

    Args:
        inputs: Paths to read.
        outputs: Paths to write.
        checkpoint: The base model.
        settings: How to generate.
        code: Hash of the code; what other code left unfinished is not used.

    Raises:
        StudyError: The checkpoint cannot be loaded, or one prompt does not fit into memory.
    """
    set_determinism(0)
    weights = implementation_of(inputs.tuning).weights
    trained = {path.name: path / weights for path in inputs.folders().values()}
    identity = {
        "settings": to_plain(settings),
        "ending": to_plain(read_ending(inputs.stats)),
        "quantization": to_plain(checkpoint.quantization),
        "checkpoint": to_plain(checkpoint_identity(checkpoint.folder)),
        "inputs": check_tokens(inputs.stats, validation=inputs.tokens) | file_hashes(**trained),
        "code": code,
        "packages": environment().packages,
    }
    samples = read_tokens(inputs.tokens)
    ids = choose_subset([sample.id for sample in samples], settings.subset_size)
    with unfinished_work(outputs.work, identity) as work:
        prompts = [sample for sample in samples if sample.id in ids]
        found = _predictions(inputs, checkpoint, settings.decoding, prompts, work)
        write_curve_predictions(outputs.predictions, found)


def _predictions(
    inputs: CurveInputs, checkpoint: Checkpoint, decoding: Decoding, prompts: list[TokenSample], work: Path
) -> dict[int, list[Prediction]]:
    """The predictions of each checkpoint. The base is loaded once; what was trained takes turns in it."""
    base, tokenizer, limit = (
        load_for_decoding(checkpoint, decoding),
        load_tokenizer(checkpoint.folder),
        prompt_limit(decoding),
    )

    check_vocabulary(prompts, base, inputs.tokens)
    ending = read_ending(inputs.stats)
    with doing("trial of decoding"):
        try_decoding(base, prompts, decoding.max_new_tokens)

    def predict(step: int, model: Any, prompts: list[TokenSample]) -> list[Prediction]:
        print(f"step {step}", flush=True)
        return generate(model, tokenizer, prompts, decoding, ending, limit, work / f"step-{step:06d}.jsonl")

    found = {0: predict(0, base, prompts)}
    model, tuning = None, make_tuning(inputs.tuning)
    prompts = with_virtual_tokens(prompts, tuning.virtual_tokens(base))
    for step, folder in counted(inputs.folders().items(), "curve", "checkpoints"):
        model = tuning.load(base, folder) if model is None else tuning.swap(model, folder)
        found[step] = predict(step, model, prompts)
    return found
