"""Records of runs that never ran, for tests of what reads records."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from codetune.base.files import read_json, sha256_of_file, write_json
from codetune.base.identity import CheckpointIdentity
from codetune.base.machine import Environment, PeakMemory
from codetune.base.plain import to_plain
from codetune.data.samples import read_samples, sha256_of_samples
from codetune.prompts.completions import Ending
from codetune.prompts.described import Described, PromptFrame
from codetune.study.data_facts import DuplicateRequests, NearDuplicates, SplitFacts
from codetune.study.dataset import PARTS
from codetune.study.decoding import Decoding
from codetune.study.facts import (
    GenerationFacts,
    PackedData,
    ScoredPart,
    Summary,
    TrainingCost,
    TrainingFacts,
    TrainingResult,
)
from codetune.study.layout import PREDICTIONS, RECORD, SCORES, TRAINING_LOG, fill
from codetune.study.method import Method, Quantization
from codetune.study.model import NO_MODEL, Model, Source
from codetune.study.prompt import Examples, Prompt
from codetune.study.publications import Publication, Publications
from codetune.study.record import VERSION, HashedFile, Record, Tested, read_record, to_document
from codetune.study.retrieval import RetrievalFacts
from codetune.study.runs import NONE, Evaluation, Run
from codetune.study.sizes import Size, SizeFacts
from codetune.study.training import TrainingPlan, resolve_settings
from tunings import lora

DATA = "alpaca"
FRAME = PromptFrame([1], "<|user|> ", " <|end|> <|assistant|>")
DESCRIBED = Described("paper", FRAME, Ending("", 2, [2, 7], ["<|end|>"]), "</s>")
SHA256 = "0" * 64
QUANTIZATION = Quantization(type="nf4", double=True, compute_dtype="bfloat16")
CHECKPOINT = CheckpointIdentity(SHA256, repo="someone/something", revision="0" * 40)
ENVIRONMENT = Environment(
    python="3.11.0", packages={"torch": "2.0"}, platform="Linux", processor="a CPU", cores=2, gpus=["a GPU"]
)


def fake_model(name: str, **changes: Any) -> Model:
    """A model of the family that its name begins with, labelled by its name."""
    model = Model(
        name=name,
        label=name.capitalize(),
        family=name.partition("-")[0],
        source=Source(repo=CHECKPOINT.repo, revision=CHECKPOINT.revision),
        parameters=1.0,
        template=None,
        training={"batch_size": 8, "epochs": 2, "micro_batch": 4},
    )
    return replace(model, **changes)


def fake_method(name: str, **changes: Any) -> Method:
    """An untuned method if its name is `base` or `base-chat`, or a retrieval by that name; else LoRA over `base`."""
    if name == "retrieval":
        return replace(Method(name, "retrieval"), **changes)
    if name in ("base", "base-chat"):
        return replace(Method(name, "untuned", QUANTIZATION), **changes)
    tuning = lora(r=8, lora_alpha=16, lora_dropout=0.05)
    return replace(Method(name, "peft", QUANTIZATION, tuning, baselines=["base"]), **changes)


def few_shot(how: str = "random", counts: Sequence[int] = (), **changes: Any) -> Method:
    """An untuned method with three examples, or with as many as were chosen of some numbers."""
    prompt = Prompt("shown", "paper", Examples(max(counts, default=3), how, counts=list(counts)))
    given = {"kind": "untuned", "tuning": None, "prompt": prompt, "baselines": ["base"]} | changes
    return fake_method("few", **given)


def fake_plan(model: Model, method: Method, seed: int = 0, **settings: Any) -> TrainingPlan:
    """The plan of a training."""
    values = {
        "learning_rate": 2e-4,
        "schedule": "cosine",
        "warmup_steps": 10,
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "evaluations_per_epoch": 1,
        "patience": 3,
        "max_length": 512,
        "micro_batch": 4,
    }
    found, memory = resolve_settings(values, model.training, method.training, settings)
    return TrainingPlan(model.source, memory, method.tuning, method.quantization, found, seed)


def fake_training(plan: TrainingPlan, best_step: int = 100, problem: str | None = None, **cost: Any) -> TrainingFacts:
    """What a training was; `cost` changes what it used."""
    used = {
        "seconds": 3600.0,
        "evaluation_seconds": 60.0,
        "tokens_per_second": 3000.0,
        "micro_batch": 4,
        "peak_memory": PeakMemory("GPU", 10 * 2**30, 9 * 2**30),
    }
    return TrainingFacts(
        plan=plan,
        checkpoint=CHECKPOINT,
        inputs_sha256=dict.fromkeys(("train", "validation", "train_samples", "validation_samples"), SHA256),
        tuned_sha256=SHA256,
        trainable_parameters=1000,
        attention="flash",
        deterministic=True,
        data=PackedData(packed_sequences=400, tokens=200_000, packing_fill=0.98),
        result=TrainingResult(
            steps=best_step + 50,
            planned_steps=500,
            best_step=best_step,
            best_validation_loss=0.9,
            stopped_early=True,
            checkpoints=[50, best_step],
            untrained_validation_loss=2.5,
            problem=problem,
            best_learning_rate=1.8e-4,
        ),
        cost=TrainingCost(**used | cost),
        environment=ENVIRONMENT,
        adapted=dict.fromkeys(plan.tuning.peft.get("target_modules", ()), 16),
    )


def fake_generation(**changes: Any) -> GenerationFacts:
    """What predictions were computed from and with."""
    facts = GenerationFacts(
        decoding=Decoding(max_new_tokens=256, batch_size=32, cache_gb=4.0),
        quantization=QUANTIZATION,
        checkpoint=CHECKPOINT,
        inputs_sha256=dict.fromkeys(("prompts", "prompts_samples", "tuned"), SHA256),
        predictions_sha256=SHA256,
        prompts=10,
        tokens=900,
        attention="flash",
        weights="bfloat16",
        truncated=1,
        most_prompts_at_once=32,
        seconds=60.0,
        peak_memory=PeakMemory("GPU", 5 * 2**30, 4 * 2**30),
        environment=ENVIRONMENT,
        context=8192,
        ignored_settings={"temperature": 0.6},
    )
    return replace(facts, **changes)


def fake_retrieval(**changes: Any) -> RetrievalFacts:
    """What predictions that no model made were found in."""
    hashes = dict.fromkeys(("train_samples", "test_samples"), SHA256)
    facts = RetrievalFacts(
        hashes, SHA256, training_samples=80, predictions=10, signature="a search", found=list(range(10))
    )
    return replace(facts, **changes)


def fake_summary(scores: Mapping[str, float | None], **changes: Any) -> Summary:
    """Scores of ten test samples, the same in each language and length."""
    parts = {"Python": ScoredPart(6, dict(scores)), "SQL": ScoredPart(4, dict(scores))}
    summary = Summary(
        samples=10,
        scores_sha256=SHA256,
        scores=dict(scores),
        signatures=dict.fromkeys(scores, "a signature"),
        truncated=0.1,
        empty=0.0,
        length_ratio=1.0,
        extracted=0.1,
        extracted_by={"fence": 1},
        length_ratio_on_code=0.9,
        by_language=parts,
        by_length={"up to 50": ScoredPart(10, dict(scores))},
    )
    return replace(summary, **changes)


def fake_record(
    model: str | Model,
    method: str | Method,
    data: str = DATA,
    seed: int = 0,
    test: str = DATA,
    scores: Mapping[str, float | None] | None = None,
    **changes: Any,
) -> Record:
    """The record of a run on one test set.

    Args:
        model: The model, or the name of a fake one.
        method: The method, or the name of a fake one: `base` is untuned, `retrieval` has no model.
        data: Training data of a method that uses any; the others have none.
        seed: Of the run.
        test: Name of the test set; `with_test` adds more.
        scores: By each metric; ROUGE-L of 0.5 unless told otherwise.
        changes: Fields of the record to replace.
    """
    method = fake_method(method) if isinstance(method, str) else method
    model = NO_MODEL if method.kind == "retrieval" else fake_model(model) if isinstance(model, str) else model
    run = Run(data if method.uses_data else NONE, model.name, method.name, seed)
    files = {"training_log": _file(TRAINING_LOG, run)} if method.trains else {}
    record = Record(
        version=VERSION,
        run=run,
        model=model,
        method=method,
        data_sha256=dict.fromkeys(PARTS[:2] if method.trains else PARTS[:1] if method.uses_data else (), SHA256),
        training=fake_training(fake_plan(model, method, seed)) if method.trains else None,
        files=files,
        tests={},
        template=None if run.retrieves else "chat" if method.name == "base-chat" else "paper",
        folder=str(Path("results", fill(RECORD, run)).parent),
    )
    return replace(with_test(record, test, scores or {"rouge_l": 0.5}), **changes)


def with_test(record: Record, test: str, scores: Mapping[str, float | None], **changes: Any) -> Record:
    """The same run on one test set more; `changes` are those of its summary."""
    evaluation = Evaluation(record.run, test)
    tested = Tested(
        generation=None if record.run.retrieves else fake_generation(),
        retrieval=fake_retrieval() if record.run.retrieves else None,
        summary=fake_summary(scores, **changes),
        samples_sha256=SHA256,
        files={"predictions": _file(PREDICTIONS, evaluation), "scores": _file(SCORES, evaluation)},
    )
    return replace(record, tests={**record.tests, test: tested})


def fake_publications(*datasets: str) -> Publications:
    """A base without a licence, and data sets that are not on the hub."""
    return Publications(Publication(), {name: Publication() for name in (DATA, "d", *datasets)}, [DATA])


def _file(pattern: str, what: Run | Evaluation) -> HashedFile:
    run = what.run if isinstance(what, Evaluation) else what
    path = Path(fill(pattern, what)).relative_to(Path(fill(RECORD, run)).parent)
    return HashedFile(path.as_posix(), SHA256)


def write_split(path: str | Path, name: str = DATA, **parts: str | Path) -> str:
    """Writes split.json, for samples that lie at these paths, by part; the other parts have made-up hashes."""
    hashes = {part: f"{part} of {name}" for part in PARTS}
    hashes |= {part: sha256_of_samples(read_samples(path)) for part, path in parts.items()}
    near = NearDuplicates(0.8, 0, [], "together", [])
    facts = SplitFacts(name, 10, "9" * 64, {}, DuplicateRequests(0, 0, "kept"), near, {}, 0, hashes)
    write_json(path, to_plain(facts))
    return str(path)


def write_stats(folder: str | Path, described: Described = DESCRIBED) -> str:
    """Writes stats.json of a token set, as far as it says how samples were serialised, and returns its path."""
    path = Path(folder) / "stats.json"
    write_json(path, to_plain(described))
    return str(path)


def fake_sizes(model: str, *methods: Method, trainable: int = 1000, total: int = 1_000_000) -> SizeFacts:
    """How much methods train of a model."""
    return SizeFacts(model, {method.name: Size(method.tuning, trainable, total) for method in methods})


def seal(path: str | Path) -> Record:
    """Writes the hashes of a run's files, as far as they exist, into its record.json, and reads the record."""
    document = read_json(path)
    for files in (document["files"], *(tested["files"] for tested in document["tests"].values())):
        for file in files.values():
            there = Path(path).parent / file["path"]
            if there.exists():
                file["sha256"] = sha256_of_file(there)
    write_json(path, document)
    return read_record(path)


def write_fake(record: Record, folder: str | Path) -> str:
    """Writes record.json where it lies in a folder of results, without the run's other files, and returns its path."""
    path = Path(folder, fill(RECORD, record.run))
    write_json(path, to_document(record))
    return str(path)
