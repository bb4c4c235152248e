"""Records of runs that nobody computed, for tests of what reads records."""

from dataclasses import replace
from pathlib import Path

from codetune.base.files import write_json
from codetune.base.identity import CheckpointIdentity
from codetune.base.machine import Environment, PeakMemory
from codetune.base.plain import to_plain
from codetune.study.decoding import Decoding
from codetune.study.facts import GenerationFacts, PackedData, Summary, TrainingCost, TrainingFacts, TrainingResult
from codetune.study.layout import PREDICTIONS, RECORD, SCORES, fill
from codetune.study.method import Lora, Method, Quantization
from codetune.study.model import Memory, Model, Source
from codetune.study.record import VERSION, HashedFile, Record, Tested
from codetune.study.runs import NONE, Evaluation, Run
from codetune.study.training import TrainingPlan, TrainingSettings

HUB = Source(repo="x/y", revision="f" * 40)
CHECKPOINT = CheckpointIdentity("1" * 64, repo=HUB.repo, revision=HUB.revision)
MACHINE = Environment("3.11.1", {"torch": "2.0"}, "Linux", "CPU", 2, [])
QUANTIZATION = Quantization("nf4", True, "bfloat16")
LORA = Lora(8, 16, 0.05, ["q_proj", "v_proj"])
PEAK = PeakMemory("process", 1 << 30)


def fake_record(model="a", method="qlora", data="d", seed=0, test=None, scores=None, **changes):
    """The record of a run, evaluated on one test set; `base` is the untuned method. Changes are of its fields."""
    run = Run(NONE if method == "base" else data, model, method, seed)
    test = test or data
    record = Record(
        version=VERSION,
        run=run,
        model=Model(model, f"Model {model}", "Family", HUB, 1.0, None, Memory(4)),
        method=Method(method, "peft", LORA, {}, ["base"]) if run.trains else Method(method, "untuned", None),
        data_sha256={"train": "2" * 64, "validation": "3" * 64} if run.trains else {},
        training=fake_training(seed) if run.trains else None,
        files={},
        tests={test: fake_tested(Evaluation(run, test), scores or {"rouge_l": 0.4})},
    )
    return replace(record, **changes)


def fake_training(seed=0):
    """A training that stopped at step 12, its best being step 9."""
    settings = TrainingSettings(2e-4, "cosine", 0, 0.0, 1.0, 1, 5, 16, 4, 1024)
    return TrainingFacts(
        plan=TrainingPlan(HUB, Memory(4), LORA, QUANTIZATION, settings, seed),
        checkpoint=CHECKPOINT,
        inputs_sha256={"train": "4" * 64, "validation": "5" * 64},
        trainable_parameters=1000,
        attention="packed_varlen",
        deterministic=True,
        data=PackedData(48, 40000, 0.9),
        result=TrainingResult(12, 12, 9, 1.25, False, [3, 6, 9, 12]),
        cost=TrainingCost(600.0, 60.0, 1000.0, 4, PEAK),
        environment=MACHINE,
    )


def fake_tested(evaluation, scores):
    """An evaluation with these scores, on ten samples."""
    generation = GenerationFacts(
        decoding=Decoding(512, 256, 8.0),
        quantization=QUANTIZATION,
        checkpoint=CHECKPOINT,
        inputs_sha256={"prompts": "6" * 64},
        prompts=10,
        tokens=500,
        attention="sdpa",
        weights="4 bits",
        truncated=1,
        most_prompts_at_once=10,
        seconds=90.0,
        peak_memory=PEAK,
        environment=MACHINE,
    )
    signatures = dict.fromkeys(scores, "signature")
    summary = Summary(10, scores, signatures, 0.1, 0.0, 1.0, 2, scores, {}, {})
    folder = Path(fill(RECORD, evaluation)).parent
    files = {
        name: HashedFile(Path(fill(pattern, evaluation)).relative_to(folder).as_posix(), "0" * 64)
        for name, pattern in (("predictions", PREDICTIONS), ("scores", SCORES))
    }
    return Tested(generation, summary, "7" * 64, files)


def write_fake(record, results):
    """Writes a record where it lies in a folder of results; gives its path."""
    path = Path(results) / fill(RECORD, record.run)
    document = to_plain(record)
    del document["folder"]
    write_json(path, document)
    return str(path)
