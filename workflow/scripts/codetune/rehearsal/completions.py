"""What rules generate and curve leave, made up: completions of the real samples, and the facts of their generation."""

from dataclasses import dataclass
from pathlib import Path

from codetune.base.files import read_json, sha256_of_file, write_json
from codetune.base.identity import checkpoint_identity
from codetune.base.machine import PeakMemory
from codetune.base.manifests import checked_folder, read_manifest
from codetune.data.predictions import Candidate, Prediction, write_curve_predictions, write_predictions
from codetune.data.samples import choose_subset, read_samples
from codetune.prompts.tokensets import check_tokens, read_tokens
from codetune.rehearsal.machines import GB, decoding_speed_of, made_up_environment, weights_of
from codetune.rehearsal.skills import skill_of
from codetune.rehearsal.texts import made_up
from codetune.study.decoding import Decoding
from codetune.study.facts import EIGHT_BITS, FOUR_BITS, GenerationFacts
from codetune.study.method import UNQUANTISED, Method, Quantization
from codetune.study.model import CONFIG, Model
from codetune.study.runs import Evaluation, Run
from codetune.study.tunings import implementation_of

TO_THE_BEST = 0.6  # share of a training's evaluations after which the best one comes
CHATTER = {"chat": 0.9}  # how often an untuned model talks about its code, in its own template
CHATTER_ELSEWHERE = 0.5
LEFT = 0.06  # what a training leaves of that


@dataclass(frozen=True)
class Writer:
    """Who writes made-up completions.

    Attributes:
        run: The run.
        model: Its model.
        method: Its method.
        template: Name of the template of its prompts.
        decoding: Settings of the decoding.
    """

    run: Run
    model: Model
    method: Method
    template: str
    decoding: Decoding

    def complete(self, samples: str, ids: list[int], done: float, *of: object) -> list[Prediction]:
        """Completions of some samples, in the order of their ids.

        Args:
            samples: Path of the samples.
            ids: Which of them.
            done: Share of the training after which they are written; 0 for the untuned model.
            of: What else tells these texts from others of the same run.
        """
        found = {sample.id: sample for sample in read_samples(samples)}
        skill = skill_of(self.run, self.model, done if self.method.trains else 0.0)
        chatter = CHATTER.get(self.template, CHATTER_ELSEWHERE)
        if self.method.trains and done > 0:
            chatter = max(LEFT, chatter * (1 - 3 * done))
        who = [*vars(self.run).values(), *of]

        def candidate(one: int, number: int) -> Candidate:
            others = [f"candidate {number}"] if number else []
            return made_up(found[one], skill, chatter, self.decoding.max_new_tokens, *who, *others).first

        return [Prediction(one, [candidate(one, number) for number in range(self.decoding.count)]) for one in ids]


@dataclass(frozen=True)
class PromptInputs:
    """What made-up completions of a test set are made from.

    Attributes:
        prompts: Token set with the prompts.
        stats: The statistics that came with it.
        checkpoint: Manifest of the folder with the base model's configuration.
        samples: The samples of the test set.
        tuned: Manifest of the folder with what was trained; None for the untuned model.
    """

    prompts: str
    stats: str
    checkpoint: str
    samples: str
    tuned: str | None = None


def rehearse_generation(writer: Writer, one: Evaluation, inputs: PromptInputs, predictions: str, facts: str) -> None:
    """Writes what a generation would leave.

    Args:
        writer: Who writes.
        one: The run and its test set.
        inputs: Paths to read.
        predictions: Path of the predictions to write.
        facts: Path of the facts to write.

    Raises:
        StudyError: An input is not what its name says.
    """
    hashes, folder = check_tokens(inputs.stats, prompts=inputs.prompts), checked_folder(inputs.checkpoint)
    if inputs.tuned and writer.method.tuning:
        weights = implementation_of(writer.method.tuning).weights
        hashes |= {"tuned": read_manifest(inputs.tuned).files[weights].sha256}
    completed = writer.complete(inputs.samples, [row.id for row in read_tokens(inputs.prompts)], 1.0, one.test)
    write_predictions(predictions, completed)
    quantization, tokens = writer.method.quantization, sum(one.tokens for row in completed for one in row.candidates)
    assert quantization is not None  # as of all methods with a model
    context = read_json(folder / CONFIG).get("max_position_embeddings")
    peak = int(weights_of(writer.model, quantization) + writer.decoding.cache_gb * GB)
    written = GenerationFacts(
        decoding=writer.decoding,
        quantization=quantization,
        checkpoint=checkpoint_identity(folder),
        inputs_sha256=hashes,
        predictions_sha256=sha256_of_file(predictions),
        prompts=len(completed),
        tokens=tokens,
        attention="none",
        weights=_held_as(quantization),
        truncated=sum(one.truncated for row in completed for one in row.candidates),
        most_prompts_at_once=writer.decoding.prompts_at_once,
        seconds=round(tokens / decoding_speed_of(writer.model), 1),
        peak_memory=PeakMemory("GPU", peak, int(0.9 * peak)),
        environment=made_up_environment(),
        context=context if isinstance(context, int) else None,
        synthetic=True,
    )
    write_json(facts, written.to_document())


def rehearse_curve(writer: Writer, tokens: str, samples: str, checkpoints: str, count: int, target: str) -> None:
    """Writes what a curve would be scored from: completions of each kept checkpoint, and of the untuned model.

    Args:
        writer: Who writes.
        tokens: Token set of the validation samples.
        samples: Path of the validation samples.
        checkpoints: Manifest of the folder with the training's checkpoints.
        count: Most samples of the curve.
        target: The file to write.

    Raises:
        StudyError: An input is not what its name says.
    """
    ids = [sample.id for sample in read_tokens(tokens)]
    chosen = choose_subset(ids, count)
    steps = sorted({int(Path(name).parts[0].removeprefix("step-")) for name in read_manifest(checkpoints).files})
    shown = [one for one in ids if one in chosen]
    found = {
        step: writer.complete(samples, shown, step / (TO_THE_BEST * steps[-1]), f"step {step}") for step in [0, *steps]
    }
    write_curve_predictions(target, found)


def _held_as(quantization: Quantization) -> str:
    if quantization.type == UNQUANTISED:
        return quantization.compute_dtype
    return EIGHT_BITS if quantization.type == "int8" else FOUR_BITS
