"""What tests share of models whose prompt and completion are two texts: encoder-decoders, encoders with a decoder."""

import copy
import json

import pytest
import torch
import yaml
from codetune.data.samples import Sample
from codetune.generation.decoding import greedy_config
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.serialising import serialisation_of
from codetune.prompts.tokenizing import encode
from codetune.study.template import BUILT_IN
from make_samples import make_records
from small_study import LOCAL, copy_workflow, small_config, snakemake


def as_two_texts(checkpoint, count=20):
    """Samples as such a checkpoint reads and writes them."""
    tokenizer = load_tokenizer(checkpoint)
    samples = [Sample(number, **record) for number, record in enumerate(make_records(count, seed=5))]
    return encode(samples, tokenizer, serialisation_of(BUILT_IN["instruction"], tokenizer, apart=True))


def by_the_library(model, prompt, stops, most, count=1):
    """What `generate` gives for a single prompt: ids up to the end token, and scores of beams."""
    options = copy.deepcopy(greedy_config(model, most, stops))
    settings = {"num_beams": count, "num_return_sequences": count, "decoder_start_token_id": 0}
    options.update(**settings, output_scores=True, return_dict_in_generate=True)
    ids = torch.tensor([prompt])
    found = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=options)
    scores = [0.0] if count == 1 else found.sequences_scores.tolist()
    written = []
    for row, score in zip(found.sequences[:, 1:].tolist(), scores, strict=True):
        end = next((place for place, token in enumerate(row) if token in stops), len(row))
        written.append((row[: end + 1], pytest.approx(score, abs=1e-4)))
    return written


def stops_of(texts):
    """End tokens: one that about half of the texts hold behind their start, and that of the tokenizer."""
    seen = sorted({token for text in texts for token in text[2:]})
    return [2, min(seen, key=lambda token: abs(sum(token in text[2:] for text in texts) - len(texts) / 2))]


def run_small_study(folder, records, name, build, kind, overlay):
    """Runs the study of one such model to its end, in a copy of the workflow below a folder that is there.

    Args:
        folder: Where the copy is made.
        records: The data set; 120 of them are taken.
        name: Of the model.
        build: Makes its checkpoint in a folder.
        kind: `encoder` or `encoder-decoder`.
        overlay: What the config has in place of that of a small study.
    """
    copy_workflow(folder)
    (folder / "records.json").write_text(json.dumps(records[:120]))
    config = small_config(folder, folder / "records.json", 120) | overlay
    model = {"path": str(build(folder / name)), "kind": kind, "template": "instruction", "epochs": 2}
    config["models"] = {name: model | {"batch_size": 8, "micro_batch": 4, "training": {"packing": False}}}
    (folder / "small.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(*LOCAL, "--cores", "2", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def read_result(study, path):
    """What a JSON file of a study's results holds."""
    return json.loads((study / "results" / path).read_text())
