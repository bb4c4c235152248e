"""What the hub gets: the files of a training, and a card that says what they are and how they score."""

from dataclasses import replace

import pytest
import yaml
from codetune.base.errors import StudyError
from codetune.base.manifests import write_manifest
from codetune.evaluation.registry import metrics
from codetune.report.publish import publish
from codetune.study.method import TuningSettings
from codetune.study.model import Source
from fake_records import fake_publications, fake_record, with_test, write_stats


@pytest.fixture
def tuned(tmp_path):
    """What a training leaves."""
    folder = tmp_path / "tuned"
    folder.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / name).write_text(name)
    write_manifest(folder)
    return folder


def a_record(**sources):
    """The record of a run that was tested on `d`."""
    record = fake_record("a", "qlora", "d", test="d", scores={"rouge_l": 0.41234, "bleu": 12.344})
    source = Source(**sources) if sources else record.training.plan.source
    return replace(record, training=replace(record.training, plan=replace(record.training.plan, source=source)))


def card_of(tmp_path, tuned, record, metric="rouge_l", known=None):
    known = known or fake_publications("e")
    publish(record, metric, known, write_stats(tmp_path), tuned, str(tmp_path / "published/README.md"))
    return (tmp_path / "published/README.md").read_text()


def test_the_files_of_a_training_are_published_as_they_are(tmp_path, tuned):
    (tuned / "README.md").write_text("PEFT's own")
    card_of(tmp_path, tuned, a_record())
    published = tmp_path / "published"
    names = ["README.md", "adapter_config.json", "adapter_model.safetensors"]
    assert sorted(path.name for path in published.iterdir()) == names
    for name in names[1:]:
        assert (published / name).read_bytes() == (tuned / name).read_bytes()
    assert (tuned / "README.md").read_text() == "PEFT's own"


def test_the_card_s_metadata_name_the_base_on_the_hub_and_no_local_one(tmp_path, tuned):
    card = card_of(tmp_path, tuned, a_record(repo="x/base", revision="f00"))
    metadata = yaml.safe_load(card.split("---")[1])
    assert metadata["base_model"] == "x/base"
    assert metadata["library_name"] == "peft"
    assert "# base: QLoRA adapter" in card
    assert "Adapter for `x/base` at revision `f00`," in card
    card = card_of(tmp_path, tuned, a_record(path="some/folder/mine"))
    assert "base_model" not in yaml.safe_load(card.split("---")[1])
    assert "# mine: QLoRA adapter" in card


def test_the_card_states_the_training(tmp_path, tuned):
    card = card_of(tmp_path, tuned, a_record())
    for line in (
        "| method | LORA, r = 8, lora_alpha = 16, lora_dropout = 0.05 |",
        "| optimizer | adamw, trained parameters in float32 |",
        "| trainable parameters | 1,000 |",
        "| effective batch | 8 sequences of 512 tokens, 4 at once |",
        "| template | paper |",
        "| end token | `</s>` (id 2) |",
        "| schedule | cosine over 2 epochs planned, 500 steps, patience 3; highest rate 0.0002; 0.900 of that at the "
        "best step |",
        "| steps | 100 (best of 150) |",
        "| validation loss | 0.9000 nats per token (2.5000 without training) |",
        "| seed | 0 |",
    ):
        assert line in card.splitlines()


KINDS = {
    "LoRA beside 4 bits": ("nf4", {"type": "LORA", "r": 8}, "QLoRA adapter", "qlora", "Keep the adapter beside"),
    "LoRA": ("none", {"type": "LORA", "r": 8}, "LoRA adapter", "lora", "the base in bfloat16. Merging it into"),
    "DoRA": ("fp4", {"type": "LORA", "use_dora": True}, "QDoRA adapter", "qdora", "quantised to 4 bits (fp4)"),
    "8 bits": ("int8", {"type": "IA3"}, "IA3 adapter", "ia3", "the 8-bit weights it was trained on"),
    "a soft prompt": (
        "none",
        {"type": "PROMPT_TUNING", "num_virtual_tokens": 20},
        "PROMPT_TUNING soft prompt",
        "prompt-tuning",
        "Trained tokens that stand before each prompt",
    ),
    "a prefix": (
        "none",
        {"type": "PREFIX_TUNING", "num_virtual_tokens": 20},
        "PREFIX_TUNING soft prompt",
        "prefix-tuning",
        "cannot be trained with gradient checkpointing, so its memory in training is that without",
    ),
    "all": ("none", {}, "fine-tuned as a whole", "full", "A whole checkpoint in bfloat16"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_says_what_was_trained_and_beside_what(tmp_path, tuned, kind):
    quantization, peft, title, tag, said = KINDS[kind]
    record = a_record(repo="x/base", revision="f00")
    plan = replace(
        record.training.plan,
        tuning=TuningSettings("peft" if peft else "full", peft),
        quantization=replace(record.training.plan.quantization, type=quantization),
    )
    tested = record.tests["d"]
    weights = "8 bits" if quantization == "int8" else "bfloat16"
    generation = replace(tested.generation, quantization=plan.quantization, weights=weights)
    training = replace(record.training, plan=plan, adapted={})
    record = replace(record, training=training, tests={"d": replace(tested, generation=generation)})
    card = card_of(tmp_path, tuned, record)
    metadata = yaml.safe_load(card.split("---")[1])
    assert f"# base: {title} for code generation" in card
    assert said in " ".join(card.split())
    assert metadata["tags"] == [tag, "code-generation"]
    assert metadata["base_model"] == "x/base"
    whole = {"library_name": "transformers", "base_model_relation": "finetune"}
    assert (
        metadata.items()
        >= (whole if kind == "all" else {"library_name": "peft", "base_model_relation": "adapter"}).items()
    )
    assert ("4 bits" in card) == (quantization in ("nf4", "fp4"))
    assert "| on |" not in card


def test_the_card_states_the_study_s_metric_on_every_test_set(tmp_path, tuned):
    record = with_test(a_record(), "e", {"rouge_l": None, "bleu": 7.0}, samples=1234)
    lines = card_of(tmp_path, tuned, record).splitlines()
    label = metrics()["rouge_l"].label
    assert f"| Test set | samples | {label} |" in lines
    assert "| d | 10 | 0.4123 |" in lines
    assert "| e | 1,234 | - |" in lines
    assert f"{label} [a signature]." in lines
    lines = card_of(tmp_path, tuned, record, "bleu").splitlines()
    assert "| Test set | samples | BLEU |" in lines
    assert "| d | 10 | 12.34 |" in lines


def test_an_untuned_model_is_not_published(tmp_path, tuned):
    with pytest.raises(StudyError, match="none, a, base is not trained; there is nothing to publish"):
        untuned, target = fake_record("a", "base"), str(tmp_path / "published")
        publish(untuned, "rouge_l", fake_publications(), write_stats(tmp_path), tuned, target)
    assert not (tmp_path / "published").exists()


def test_the_card_names_the_samples_that_could_not_be_measured(tmp_path, tuned):
    record = with_test(a_record(), "e", {"rouge_l": 0.4, "bleu": 12.0}, unmeasured={"bleu": 2})
    assert "2 of e could not be measured and are left out." in card_of(tmp_path, tuned, record, "bleu")
    assert "could not be measured" not in card_of(tmp_path, tuned, record)


def test_the_card_names_what_was_adapted_and_in_how_many_layers(tmp_path, tuned):
    record = a_record()
    training = replace(record.training, adapted={"qkv_proj": 28, "o_proj": 7})
    card = card_of(tmp_path, tuned, replace(record, training=training))
    assert "| on | qkv_proj (28 layers), o_proj (7 layers) |" in card


def test_the_card_says_what_else_the_training_depended_on(tmp_path, tuned):
    record = a_record()
    training = record.training
    settings = replace(training.plan.settings, patience=None, schedule="linear")
    training = replace(
        training, plan=replace(training.plan, settings=settings), cost=replace(training.cost, micro_batch=1)
    )
    training = replace(training, result=replace(training.result, best_learning_rate=None))  # of an earlier version
    lines = card_of(tmp_path, tuned, replace(record, training=training)).splitlines()
    assert "| schedule | linear over 2 epochs planned, 500 steps, patience none; highest rate 0.0002 |" in lines
    at_once = "4 at once, 1 in the end for lack of memory"
    assert f"| effective batch | 8 sequences of 512 tokens, {at_once} |" in lines


@pytest.mark.parametrize("metric", ["rouge_l", "bleu"])
def test_the_card_has_the_metric_on_the_code_beside_that_on_the_text(tmp_path, tuned, monkeypatch, metric):
    """Each with its signature, which says how the code was found."""
    written = metrics()
    on_code = {f"{name}_on_code": replace(one, label=f"{one.label} on code") for name, one in written.items()}
    monkeypatch.setattr("codetune.report.publish.metrics", lambda: on_code | written)
    scores = {"rouge_l": 0.41234, "bleu": 12.344, "rouge_l_on_code": 0.51234, "bleu_on_code": None}
    record = with_test(a_record(), "e", scores, signatures=dict.fromkeys(scores, "s") | {f"{metric}_on_code": "fence"})
    lines = card_of(tmp_path, tuned, record, metric).splitlines()
    label = written[metric].label
    assert f"| Test set | samples | {label} | {label} on code |" in lines
    both = {"rouge_l": "0.4123 | 0.5123", "bleu": "12.34 | -"}[metric]
    assert f"| e | 10 | {both} |" in lines
    assert f"| d | 10 | {both.partition(' |')[0]} | - |" in lines  # scored by an earlier version
    assert f"{label} on code [fence]." in lines
