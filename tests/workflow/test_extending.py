"""Every row of docs/extending.md: a finished study, something added as the page says, and what is then planned."""

import importlib.util
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml
from codetune.data.samples import Sample
from codetune.study.config import load_study
from codetune.study.peft_keys import read_types
from codetune.study.peft_types import NEEDED_KEYS, REFUSED_TYPES
from codetune.study.runs import Run
from conftest import ROOT
from small_study import plan, snakemake

PAGE = (ROOT / "docs" / "extending.md").read_text()
LOCAL = ("--workflow-profile", "profiles/local")
EVALUATION = "workflow/scripts/codetune/evaluation"
# What shows results: planned whenever a run is added or a score changes, and done in seconds.
SHOWING = {"records", "size", "significance", "table", "figure", "browser", "page", "provenance", "summary", "paper"}
SHOWING |= {"macros", "all"}
# Stands in for every script: makes the files and folders of a job without computing anything.
STAND_IN = """\
for output in "$@"; do
    mkdir -p "$output" 2>/dev/null && rmdir "$output"
    echo made > "$output"
done
"""


def snippet(name):
    """The YAML of the page that begins with a comment of that name."""
    return re.search(rf"```yaml\n(# {re.escape(name)}\n.*?)```", PAGE, re.DOTALL)[1]


def promised(title):
    """What the page's table says is planned, as numbers of jobs."""
    row = re.search(rf"^\| \[{re.escape(title)}\].*$", PAGE, re.MULTILINE)[0]
    return Counter({rule: int(count) for rule, count in re.findall(r"`(\w+)` (\d+)", row.split("|")[4])})


def computed(jobs):
    """The planned jobs without those that only show results."""
    return Counter({rule: count for rule, count in jobs.items() if rule not in SHOWING})


def without_more_tests(config):
    """The study's config on its data's own test part, as the page counts jobs."""
    return re.sub(r"^    tests: .*\n", "", config, flags=re.MULTILINE)


def merged(*overlays):
    """The study's configuration with overlays laid over it, as Snakemake merges them."""
    from snakemake.utils import update_config

    config = yaml.safe_load(without_more_tests((ROOT / "config" / "config.yaml").read_text()))
    for overlay in overlays:
        update_config(config, yaml.safe_load(overlay))
    return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The paper's study, to Snakemake's eyes finished: its plans hold only what is new."""
    folder = tmp_path_factory.mktemp("finished")
    for name in ("Snakefile", "CITATION.cff", "workflow", "config", "profiles", "envs"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    config = folder / "config" / "config.yaml"
    config.write_text(without_more_tests(config.read_text()))
    for path in (folder / "workflow" / "rules").glob("*.smk"):
        script = r'script:\s+(?:"[^"]+"|script_of\("\w+"\))'
        text = re.sub(script, 'shell:\n        "sh stand_in.sh {output}"', path.read_text())
        assert "script:" not in text, path.name
        path.write_text(text)
    (folder / "stand_in.sh").write_text(STAND_IN)
    done = snakemake(*LOCAL, "--cores", "2", "--resources", "gpu=4", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not plan(*LOCAL, cwd=folder)
    return folder


def planned(folder, name):
    """The plan of a finished study with one of the page's snippets laid over it."""
    (folder / name).write_text(snippet(name))
    return plan(*LOCAL, "--configfile", name, cwd=folder)


def test_a_model_of_the_hub_is_trained_and_the_others_are_not(finished):
    assert computed(planned(finished, "model.yaml")) == promised("a model of the hub")


def test_a_model_in_a_folder_is_evaluated_untuned(finished):
    (finished / "checkpoints" / "my-model").mkdir(parents=True, exist_ok=True)
    assert computed(planned(finished, "folder.yaml")) == promised("a model in a folder")


def test_an_encoder_decoder_is_trained_by_methods_of_its_own(finished):
    assert computed(planned(finished, "codet5p.yaml")) == promised("an encoder-decoder")


def test_a_method_is_trained_beside_those_that_are_there(finished):
    assert computed(planned(finished, "method.yaml")) == promised("a method")


def test_a_search_is_a_training_per_value_and_one_choice(finished):
    assert computed(planned(finished, "search.yaml")) == promised("a search")


def test_a_method_with_a_prompt_of_its_own_is_trained_on_token_sets_in_its_template(finished):
    jobs = planned(finished, "prompt.yaml")
    assert computed(jobs) == promised("a prompt")
    assert not jobs.keys() & {"download_model", "download_tokenizer", "prompt"}  # base-chat has these prompts


def test_examples_are_chosen_once_and_random_ones_asked_with_per_seed(finished):
    assert computed(planned(finished, "examples.yaml")) == promised("examples in the prompt")


def test_an_encoder_is_fetched_and_embeds_both_parts_once(finished):
    assert computed(planned(finished, "encoder.yaml")) == promised("examples by an encoder")


def test_numbers_of_examples_are_a_trial_each_and_one_choice(finished):
    assert computed(planned(finished, "number.yaml")) == promised("a number of examples by validation")


def test_a_template_is_tokenised_once_and_asked_in(finished):
    assert computed(planned(finished, "template.yaml")) == promised("a template")


@pytest.mark.parametrize(
    "overlay",
    [
        "prompts: {own: {template: chat}}",
        "methods: {base-chat: {prompt: paper}}",
        "methods: {qlora: {baselines: [base]}}",
    ],
)
def test_prompts_and_untuned_methods_rerun_neither_the_untuned_nor_the_tuned_models(finished, overlay):
    (finished / "overlay.yaml").write_text(overlay)
    done = snakemake("-n", *LOCAL, "--cores", "1", "--configfile", "overlay.yaml", cwd=finished)
    text = done.stdout + done.stderr
    made = re.findall(r"^rule (?:finetune|generate|curve):\n.*?wildcards: ([^\n]*)", text, re.MULTILINE | re.DOTALL)
    assert all("method=base-chat" in wildcards for wildcards in made)
    assert len(made) == (6 if "base-chat" in overlay else 0)
    assert not re.findall(r"^rule (?:tokenize|prompt|split|retrieve):", text, re.MULTILINE)


@pytest.mark.parametrize("value", ["tensorboard", "[tensorboard, wandb]"])
def test_what_trainings_report_to_plans_no_training_again(finished, value):
    (finished / "overlay.yaml").write_text(f"tracking: {value}")
    assert set(plan(*LOCAL, "--configfile", "overlay.yaml", cwd=finished)) == {"provenance", "page", "paper", "all"}


def test_a_test_set_is_answered_by_the_models_that_are_there(finished):
    (finished / "my-code.jsonl").write_text('{"instruction": "Add 1 and 2.", "input": "", "output": "1 + 2"}\n')
    jobs = planned(finished, "tests.yaml")
    assert computed(jobs) == promised("a test set")
    assert not jobs.keys() & {"finetune", "curve", "tokenize"}


def test_joint_data_are_trained_on_beside_their_parts_and_tested_on_each(finished):
    (finished / "my-code.jsonl").write_text('{"instruction": "Add 1 and 2.", "input": "", "output": "1 + 2"}\n')
    jobs = planned(finished, "joint.yaml")
    assert computed(jobs) == promised("joint training data")
    assert "download_model" not in jobs


def test_generation_waits_for_what_leaks_but_is_not_repeated_when_that_is_made_anew(finished):
    jobs = plan(*LOCAL, "--forcerun", "leaks", cwd=finished)
    assert computed(jobs) == {"leaks": 1}
    assert jobs["significance"] == 1


def test_a_method_s_settings_go_before_the_model_s_and_the_study_s(monkeypatch):
    monkeypatch.chdir(ROOT)
    study = load_study(merged(snippet("method.yaml")))
    settings = study.for_training(Run("codealpaca-20k", "gemma-2-2b", "qlora-r16", 0)).settings
    assert (settings.learning_rate, settings.epochs) == (1.0e-4, 10)  # the method's
    assert settings.batch_size == 128  # the model's
    assert settings.patience == 5  # the study's
    others = study.for_training(Run("codealpaca-20k", "gemma-2-2b", "qlora", 0)).settings
    assert (others.learning_rate, others.epochs) == (2.0e-4, 50)
    assert study.methods["qlora-r16"].baselines == ["base", "qlora"]
    assert study.methods["qlora"].baselines == ["base", "base-chat"]


def test_methods_of_any_kind_are_planned_from_their_entries_alone(finished):
    """Each is trained and evaluated once; the frozen weights that are not quantised need no other download."""
    jobs = planned(finished, "methods.yaml")
    names = ("lora-bf16", "dora", "ia3", "prefix", "full")
    assert (jobs["finetune"], jobs["curve"]) == (len(names),) * 2
    assert (jobs["generate"], jobs["record"]) == (1 + len(names),) * 2  # with the untuned model in bf16
    assert not jobs.keys() & {"download_model", "download_tokenizer", "tokenize", "split", "prompt"}


def test_each_type_of_peft_that_can_be_trained_is_a_method_by_its_entry_alone(monkeypatch):
    monkeypatch.chdir(ROOT)
    trained = [kind for kind in read_types() if kind not in REFUSED_TYPES]
    stated = {
        "num_virtual_tokens": 4,
        "adapter_len": 4,
        "adapter_layers": 2,
        "token_indices": [3],
    }
    methods = {"base-bf16": {"quantization": "none"}} | {
        kind.lower(): {
            "quantization": "none",
            "peft": {"type": kind, **{key: stated[key] for key in NEEDED_KEYS.get(kind, ())}},
        }
        for kind in trained
    }
    runs = [{"datasets": ["codealpaca-20k"], "models": ["llama-3.2-1b"], "methods": list(methods), "seeds": [0]}]
    study = load_study(merged(yaml.safe_dump({"methods": methods, "runs": runs})))
    assert [study.for_training(run).tuning.type for run in study.training_runs] == trained


def test_a_data_set_is_split_trained_on_and_tested_on(finished):
    (finished / "my-code.jsonl").write_text('{"instruction": "Add 1 and 2.", "input": "", "output": "1 + 2"}\n')
    assert computed(planned(finished, "data.yaml")) == promised("a data set")


def test_a_seed_is_one_more_training_and_no_more_of_the_untuned_model(finished):
    assert computed(planned(finished, "seed.yaml")) == promised("a seed")


def test_another_metric_at_the_head_only_shows_results_anew(finished):
    jobs = planned(finished, "head.yaml")
    assert computed(jobs) == promised("another metric at the head")
    assert (jobs["table"], jobs["figure"]) == (7, 9)
    assert jobs["browser"] == 1
    assert jobs["significance"] == 1  # for the scores by class


def python_blocks():
    """The page's module of a metric, and the two lines of the registry."""
    return re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_a_metric_scores_what_is_there_and_trains_nothing(finished):
    module, lines = python_blocks()
    added, entry = lines.splitlines(keepends=True)
    registry = finished / EVALUATION / "registry.py"
    before = registry.read_text()
    assert "    return {\n" in before
    (finished / EVALUATION / "first_line.py").write_text(module)
    registry.write_text(before.replace("\nfrom codetune.", f"\n{added}from codetune.", 1) + "\n")
    registry.write_text(registry.read_text().replace("    return {\n", f"    return {{\n{entry}", 1))
    try:
        jobs = plan(*LOCAL, cwd=finished)
    finally:
        registry.write_text(before)
    assert computed(jobs) == promised("a metric")


def test_the_metric_of_the_page_measures_what_it_says(tmp_path):
    path = tmp_path / "first_line.py"
    path.write_text(python_blocks()[0])
    spec = importlib.util.spec_from_file_location("first_line", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    metric = module.first_line()
    sample = Sample(0, "Add.", "", "x = 1 \ny = 2\n")
    assert metric.measure(sample, "\nx = 1\nz = 3", "Python") == [1.0, 1.0]
    assert metric.measure(sample, "y = 2", "Python") == [0.0, 1.0]


def test_every_row_of_the_page_has_its_section_and_its_numbers():
    titles = re.findall(r"^\| \[([^\]]+)\]\(#([\w-]+)\)", PAGE, re.MULTILINE)
    assert len(titles) == 16
    sections = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", PAGE, re.MULTILINE)}
    for title, anchor in titles:
        assert anchor in sections
        assert promised(title), title


def test_the_snippets_are_whole_files_that_the_page_names():
    names = re.findall(r"```yaml\n# (\S+)\n", PAGE)
    assert len(names) == len(set(names)) == 16
    assert all(Path(name).suffix == ".yaml" for name in names)
