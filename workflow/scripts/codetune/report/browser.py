"""A page to read a test set's samples in: prompt, reference, and the outputs of all runs beside each other."""

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codetune.base.errors import StudyError
from codetune.base.files import Row, write_text
from codetune.data.languages import language_of
from codetune.data.predictions import Prediction, read_predictions
from codetune.data.samples import Sample, read_samples
from codetune.evaluation.matches import FIRST_MATCH
from codetune.evaluation.metric import Metric
from codetune.evaluation.passes import EXECUTION
from codetune.evaluation.registry import metrics, on_code
from codetune.evaluation.scored import read_scores
from codetune.report.flags import MEANING, flagged
from codetune.report.format import digits_of
from codetune.report.packed import packed
from codetune.report.page import with_policy
from codetune.study.record import Record
from codetune.study.records import by_system, read_records
from codetune.study.runs import NONE, System

ALWAYS_SHOWN = ("rouge_l", "code_rouge_l")  # beside the study's own metric
# What is marked in an output where one of these metrics is shown: the pieces that it compares. Others have no marks.
MARKS = {"rouge_l": "words", "rouge_l_precision": "words", "rouge_l_recall": "words", "code_rouge_l": "tokens"}
BLOCK = 8  # samples whose texts are unpacked together
MISSING = 2**32 - 1  # stands for a score that there is not
TRUNCATED, EMPTY = 1, 2  # bits of an output's flags
PASSES, FAILS = 16, 32  # of its first candidate, where the sample has unit tests
EXTRACTED = {None: 0, "fence": 4, "turn": 8, "lead-in": 12}  # two bits more: what its code was found by


@dataclass(frozen=True)
class BrowserInputs:
    """The files of a page.

    Attributes:
        samples: The samples of the test set, JSON lines.
        records: Records of the runs that are evaluated on it.
        template: The page without its data.
    """

    samples: str
    records: Sequence[str]
    template: str


@dataclass(frozen=True)
class _Outputs:
    """What the runs wrote, run by run in the order of the page, each in the order of the samples.

    Attributes:
        texts: The outputs.
        flags: A byte per output.
        scores: By metric, as written of all runs and then on code of all runs: the score in units of its last digit.
        others: The other candidates of each output; none of a run whose prompts have one.
        matches: The rank of each output's first candidate that is the reference, by each form of EM@k, 0 for none.
        tests: What unit tests say of each output, in words; empty texts where there are none.
    """

    texts: list[list[str]]
    flags: bytearray
    scores: dict[str, tuple["array[int]", "array[int]"]]
    others: list[list[list[str]]]
    matches: list[list[list[int]]]
    tests: list[list[str]]


def write_browser(inputs: BrowserInputs, test: str, metric: str, target: str) -> None:
    """Writes one page that holds all samples and outputs and loads nothing.

    Args:
        inputs: What it is made of.
        test: Name of the test set.
        metric: The study's metric, by which samples are sorted unless another is chosen.
        target: The page to write.

    Raises:
        StudyError: Predictions or scores are not of the samples.
    """
    samples = read_samples(inputs.samples)
    shown = {name: metrics()[name] for name in dict.fromkeys([metric, *ALWAYS_SHOWN])}
    systems = _systems(read_records(inputs.records))
    outputs = _read_outputs([one for group in systems.values() for one in group], test, shown, samples)
    languages = [language_of(sample) for sample in samples]
    data = {
        "test": test,
        "block": BLOCK,
        "metrics": {name: _described(name, one) for name, one in shown.items()},
        "samples": [[sample.id, language] for sample, language in zip(samples, languages, strict=True)],
        "models": _models(systems),
    }
    parts = [packed(name, content) for name, content in _parts(samples, outputs)]
    write_text(target, fill_page(Path(inputs.template).read_text(encoding="utf-8"), data, parts))


def _described(name: str, metric: Metric) -> dict[str, Any]:
    return {"label": metric.label, "highest": metric.highest, "marks": MARKS.get(name), "unit": _unit(metric)}


def _unit(metric: Metric) -> int:
    """Into how many parts the page divides a score of 1."""
    return int(10 ** digits_of(metric.highest))


def _systems(records: list[Record]) -> dict[System, list[Record]]:
    """The runs by system, all systems of a model together, in the order in which models and systems come."""
    systems = by_system(records)
    models = list(dict.fromkeys(system.model for system in systems))
    return dict(sorted(systems.items(), key=lambda pair: models.index(pair[0].model)))


def _models(systems: Mapping[System, list[Record]]) -> list[dict[str, Any]]:
    """Each model with its runs, as the page names them."""
    several = len({system.data for system in systems if NONE not in (system.data, system.model)}) > 1
    models: dict[str, dict[str, Any]] = {}
    for group in systems.values():
        for place, record in enumerate(group):
            run = record.run
            entry = models.setdefault(run.model, {"name": run.model, "label": record.model.label, "runs": []})
            used = "trained on" if record.trains else "examples from" if not run.retrieves else "from"
            data = f", {used} {run.data}" if several and NONE not in (run.data, run.model) else ""
            seed = f", seed {run.seed}" if len(group) > 1 else ""
            warning = f", whose {MEANING}" if flagged([record]) else ""
            entry["runs"].append(
                {
                    "name": "/".join([run.model, run.method, *([run.data] if data else []), str(run.seed)]),
                    "method": run.method + data + seed + warning,
                    "first": place == 0,
                    "tuned": record.trains,
                    "made": "Tuned" if record.trains else "Retrieved" if run.retrieves else "Untuned",
                }
            )
    return list(models.values())


def _read_outputs(records: list[Record], test: str, shown: Mapping[str, Metric], samples: list[Sample]) -> _Outputs:
    """The outputs of all runs, with flags and scores."""
    ids = [sample.id for sample in samples]
    outputs = _Outputs([], bytearray(), {name: (array("I"), array("I")) for name in shown}, [], [], [])
    names = [each for name in shown for each in (name, on_code(name))]
    for record in records:
        predictions = read_predictions(record.read_path("predictions", test))
        _check_samples(record.path_of("predictions", test), [one.id for one in predictions], ids)
        rows = read_scores(record.read_path("scores", test), names)
        _check_samples(record.path_of("scores", test), [row["id"] for row in rows], ids)
        outputs.texts.append([one.first.text for one in predictions])
        outputs.others.append([[candidate.text for candidate in one.candidates[1:]] for one in predictions])
        outputs.matches.append([[rank or 0 for rank in row.get(FIRST_MATCH, {}).values()] for row in rows])
        outputs.tests.append([_describe_tests(row.get(EXECUTION)) for row in rows])
        outputs.flags.extend(_flags(one, row) for one, row in zip(predictions, rows, strict=True))
        for name, (written, found) in outputs.scores.items():
            unit = _unit(shown[name])
            written.extend(_in_units(row[name], unit) for row in rows)
            found.extend(_in_units(row[on_code(name)], unit) for row in rows)
    return outputs


def _flags(prediction: Prediction, row: Row) -> int:
    first, passed = prediction.first, row.get(EXECUTION, {}).get("passed") or ()
    tested = (PASSES if passed[0] else FAILS) if passed else 0
    return TRUNCATED * first.truncated + EMPTY * (not first.text) + EXTRACTED[row.get("extracted")] + tested


def _describe_tests(executed: Row | None) -> str:
    """What unit tests say of an output: of the first candidate, and how many pass where there are several."""
    if executed is None:
        return ""
    passed = executed["passed"]
    if not passed:
        return "not judged by unit tests"
    at = f" at {executed['call']}" if executed["call"] else ""
    right, of = executed.get("cases") or (0, 0)
    cases = f"; {right} of {of} test cases pass" if of else ""
    first = "passes all unit tests" if passed[0] else f"fails unit tests: {executed['error']}{at}{cases}"
    return f"{first}; {sum(passed)} of {len(passed)} candidates pass" if len(passed) > 1 else first


def _in_units(score: float | None, unit: int) -> int:
    return MISSING if score is None else round(score * unit)


def _check_samples(path: Path, found: list[int], ids: list[int]) -> None:
    if found != ids:
        raise StudyError(f"{path}: not the samples of the test set. Delete it and run again.")


def _parts(samples: list[Sample], outputs: _Outputs) -> Iterator[tuple[str, bytes]]:
    """What the page unpacks when it needs it: flags, the scores of each metric, and the texts of some samples each."""
    yield "flags", bytes(outputs.flags)
    for name, (written, found) in outputs.scores.items():
        yield f"scores-{name}", _little_endian(written + found)
    for start in range(0, len(samples), BLOCK):
        block = _block(samples[start : start + BLOCK], outputs, start)
        yield f"texts-{start // BLOCK}", _as_json(block).encode()


def _little_endian(numbers: "array[int]") -> bytes:
    """Four bytes each, the lowest first, on every machine."""
    return b"".join(number.to_bytes(4, "little") for number in numbers)


def _block(samples: list[Sample], outputs: _Outputs, start: int) -> dict[str, Any]:
    """The texts of some samples, each distinct one once; a sample's are instruction, input, reference, outputs.

    Where prompts have several candidates, the others of each output are there, too, and the ranks of the first matches;
    where samples have unit tests, what these say of each output.
    """
    texts: dict[str, int] = {}
    rows = [
        [
            texts.setdefault(text, len(texts))
            for text in (sample.task, sample.input, sample.output, *(of_run[place] for of_run in outputs.texts))
        ]
        for place, sample in enumerate(samples, start)
    ]
    places = range(start, start + len(samples))
    others = [
        [[texts.setdefault(text, len(texts)) for text in of_run[place]] for of_run in outputs.others]
        for place in places
    ]
    block: dict[str, Any] = {"samples": rows}
    if any(of_run[place] for of_run in outputs.tests for place in places):
        block["tests"] = [[texts.setdefault(of_run[place], len(texts)) for of_run in outputs.tests] for place in places]
    block["texts"] = list(texts)
    if not any(some for of_sample in others for some in of_sample):
        return block
    return block | {"others": others, "matches": [[of_run[place] for of_run in outputs.matches] for place in places]}


def _as_json(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def fill_page(template: str, data: dict[str, Any], parts: Sequence[str] = ()) -> str:
    """Puts data into a page. No `<` is left in them, so that no text can end the element that holds it."""
    text = _as_json(data).replace("<", "\\u003c")
    page = with_policy(template).replace(">DATA<", f">{text}<", 1)
    return page.replace("\nPARTS\n", "\n" + "\n".join(parts) + "\n", 1)
