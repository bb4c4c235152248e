"""A damaged file, or one of another shape, costs one line that names it, whoever reads it."""

import json
from dataclasses import asdict, replace
from functools import partial

import pyarrow as pa
import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json, read_jsonl, recover_jsonl
from codetune.base.plain import read_as, read_number, to_plain
from codetune.base.unfinished import unfinished_work
from codetune.data.predictions import Candidate, Prediction, read_curve_predictions, read_predictions
from codetune.data.reading import read_records as read_published
from codetune.data.samples import Sample, read_samples
from codetune.data.split import split_dataset
from codetune.evaluation.comparisons import Comparison, Comparisons, MetricFacts, SampleClass, Score, read_comparisons
from codetune.evaluation.registry import metrics
from codetune.evaluation.scored import read_scores, read_statistics
from codetune.models.shapes import read_config
from codetune.prompts.completions import Ending, read_ending
from codetune.prompts.described import read_described
from codetune.prompts.tokensets import SCHEMA, TokenSample, read_tokens, write_tokens
from codetune.report.page import write_page
from codetune.study.curve import Curve, CurvePoint, CurveScore
from codetune.study.dataset import Split
from codetune.study.declared import read_paper
from codetune.study.record import read_record
from codetune.study.runs import System
from codetune.study.training_log import read_training_log
from damages import BROKEN, OTHER_SHAPES, VALUES, damage, keys_of, with_value, without
from fake_records import DESCRIBED

SYSTEM = {"data": "none", "model": "m", "method": "base"}
SCORE = Score(**SYSTEM, metric="rouge_l", score=0.5, interval=[0.4, 0.6], seeds=[0.5], deviation=None)
GAIN = Comparison("gain", System("d", "m", "b"), System(**SYSTEM), "rouge_l", 0.1, [0.0, 0.2], p=0.1, p_holm=0.1)
FACTS = {"rouge_l": MetricFacts("ROUGE-L", "F1", 1.0)}
CLASS = SampleClass("language", "C, R", {"C": 3, "R": 2}, 5, {"rouge_l": 5}, [SCORE], [replace(GAIN, p=None)])
SCORED = {"id": 1, "language": "C", "length": 9}
SIZES = {"hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 9}
PREDICTION = to_plain(Prediction(1, [Candidate("x", 3, False)]))
SAMPLE = asdict(Sample(1, "do", "", "done"))
RECORD = {"instruction": "a", "input": "", "output": "b"}


def split_it(path):
    split_dataset(
        path, "d", Split(0.5, 0.25, 0.25, 0, "together"), dict.fromkeys(("train", "validation", "test", "facts"))
    )


def config_of(path):
    return read_config(path.parent, "vocab_size")


# Name of the file, who reads it, and what it should hold.
OBJECTS = {
    "comparisons.json": (
        read_comparisons,
        to_plain(Comparisons("t", 10, 0, 0.95, FACTS, [SCORE], [GAIN], [CLASS])),
    ),
    "curve.json": (
        partial(read_as, kind=Curve),
        to_plain(Curve([1], [CurvePoint(0, 0.0, {"rouge_l": CurveScore(0.5, [0.4, 0.6])})])),
    ),
    "config.json": (config_of, SIZES),
    "stats.json": (lambda path: read_number(path, "parts", "train", "samples"), {"parts": {"train": {"samples": 3}}}),
    "described.json": (read_described, to_plain(DESCRIBED)),
    "ending.json": (read_ending, {"ending": to_plain(Ending("\n", 2, [2], ["[INST]"]))}),
}
LINES = {
    "samples.jsonl": (read_samples, SAMPLE),
    "published.jsonl": (split_it, RECORD),
    "predictions.jsonl": (read_predictions, PREDICTION),
    "curve.jsonl": (read_curve_predictions, {"step": 0, **PREDICTION}),
    "scores.jsonl": (lambda path: read_scores(path, ["rouge_l"]), SCORED | {"rouge_l": 0.5}),
    "statistics.jsonl": (read_statistics, SCORED | {"statistics": {name: one.none for name, one in metrics().items()}}),
    "training_log.jsonl": (read_training_log, {"step": 3, "eval_loss": 0.5}),
}
# Values that a field may have after all, beside those of the same type.
ALLOWED = {("comparisons.json", name): [[]] for name in ("comparisons", "scores", "classes")}


def one_line(read, path):
    """What is said of a file; None where it is read after all."""
    try:
        read(path)
    except StudyError as error:
        assert str(path) in str(error)
        assert "\n" not in str(error)
        assert len(str(error)) < 700
        return str(error)
    except OSError as error:  # the job's own handler names the file
        assert error.filename == str(path)
    return None


@pytest.mark.parametrize("content", BROKEN | OTHER_SHAPES)
@pytest.mark.parametrize("name", OBJECTS | LINES)
def test_what_is_no_such_file_is_said_on_one_line(tmp_path, name, content):
    read, right = (OBJECTS | LINES)[name]
    path = tmp_path / name
    path.write_text(json.dumps(right) + "\n")
    if name != "published.jsonl":
        read(path)
    damage(path, (BROKEN | OTHER_SHAPES)[content])
    if content == "empty" and name in ("samples.jsonl", "predictions.jsonl", "curve.jsonl"):
        assert read(path) in ([], {})  # whoever needs samples compares their ids
        return
    said = one_line(read, path)
    assert said is not None
    assert "again" in said or (name == "published.jsonl" and content == "empty")


@pytest.mark.parametrize("name", OBJECTS | LINES)
def test_a_folder_in_a_file_s_place_is_named(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        (OBJECTS | LINES)[name][0](tmp_path / name)


@pytest.mark.parametrize("name", OBJECTS | LINES)
def test_no_change_of_a_field_is_more_than_one_line(tmp_path, name):
    """A field that is missing, or holds another kind of value, is refused; no error but that one reaches the user."""
    read, right = (OBJECTS | LINES)[name]
    path = tmp_path / name
    refused = 0
    for keys in keys_of(right, 3):
        for value in [without(right, *keys), *(with_value(right, *keys, put=put) for put in VALUES)]:
            path.write_text(json.dumps(value) + "\n")
            refused += one_line(read, path) is not None
    assert refused >= len(VALUES) // 2


def test_half_a_surrogate_pair_is_no_text(tmp_path):
    for name, row in (("samples.jsonl", {**SAMPLE, "output": "\ud800"}), ("p.jsonl", PREDICTION)):
        path = tmp_path / name
        text = json.dumps(row).replace('"text": "x"', '"text": "\\ud800"')
        path.write_text(text + "\n")
        assert one_line(read_samples if name == "samples.jsonl" else read_predictions, path)


def arrow(table, name="x"):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue().to_pybytes()


def tokens(ids=(1,), prompt=((5,),), completion=((6,),), schema=SCHEMA):
    return pa.table({"id": list(ids), "prompt": list(prompt), "completion": list(completion)}, schema=schema)


OTHER_TABLES = {
    "a column less": tokens().drop_columns(["prompt"]),
    "a column more": tokens().append_column("x", pa.array([1])),
    "columns in another order": tokens().select(["prompt", "id", "completion"]),
    "ids of text": pa.table({"id": ["a"], "prompt": [[5]], "completion": [[6]]}),
    "tokens of text": pa.table({"id": [1], "prompt": [["a"]], "completion": [["b"]]}),
    "tokens of 64 bits": pa.table({"id": [1], "prompt": [[5]], "completion": [[6]]}),
    "no id": tokens(ids=[None]),
    "no prompt": tokens(prompt=[None]),
    "no token": tokens(prompt=[[None]]),
    "no completion": tokens(completion=[None]),
    "an empty prompt": tokens(prompt=[[]]),
    "a negative token": tokens(completion=[[-1]]),
}


@pytest.mark.parametrize("table", OTHER_TABLES)
def test_a_table_that_is_no_token_set_is_said(tmp_path, table):
    (tmp_path / "x.arrow").write_bytes(arrow(OTHER_TABLES[table]))
    assert "not a token set" in one_line(read_tokens, tmp_path / "x.arrow")


def test_no_damage_to_a_token_set_is_more_than_one_line(tmp_path):
    path = tmp_path / "x.arrow"
    write_tokens(path, [TokenSample(number, [1, 2, 3], [4, 5]) for number in range(50)])
    whole = path.read_bytes()
    contents = [*BROKEN.values(), *(whole[:length] for length in range(0, len(whole), 40))]
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 0xFF
        contents.append(bytes(flipped))
    refused = 0
    for content in contents:
        path.write_bytes(content)
        refused += one_line(read_tokens, path) is not None
    assert refused > len(contents) // 3


@pytest.mark.parametrize("content", [*BROKEN.values(), *OTHER_SHAPES.values()])
def test_damaged_rests_of_unfinished_work_are_begun_anew(tmp_path, content):
    with pytest.raises(RuntimeError), unfinished_work(tmp_path / "work", {"a": 1}) as folder:
        (folder / "kept").touch()
        raise RuntimeError
    damage(tmp_path / "work" / "identity.json", content)
    with unfinished_work(tmp_path / "work", {"a": 1}) as folder:
        assert not (folder / "kept").exists()
        (folder / "rows").write_bytes(b'{"a": 1}\n' + content)
        assert recover_jsonl(folder / "rows") == [{"a": 1}]


@pytest.mark.parametrize("content", BROKEN)
def test_documents_and_data_of_the_user_are_read_with_the_same_care(tmp_path, content):
    path = tmp_path / "x"
    path.write_bytes(BROKEN[content])
    one_line(read_json, path)
    one_line(read_jsonl, path)
    one_line(read_paper, path)
    one_line(read_record, path)
    one_line(lambda path: write_page(str(path), str(path), str(tmp_path / "page")), path)
    assert one_line(read_published, path)
