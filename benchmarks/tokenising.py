"""Tokenising a data set for one model against a Python loop of `apply_chat_template`.

Usage: python benchmarks/tokenising.py --out FILE.json [--data FOLDER]

With FOLDER/codealpaca/code_alpaca_20k.json and FOLDER/tokenizers these are the real ones, else the demo's. The peer
makes two calls per sample, one for the prompt and one for the whole conversation, as TRL's SFTTrainer does: a single
call does not tell where the completion begins. The benchmark ends with an error if one id differs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch  # noqa: F401  # before any tokenizer: a process that first loads one without torch stays without it
from common import ROOT, Row, in_turn, ratio, records_of, write_result

# isort: split

from codetune.base.files import write_jsonl

THREADS = "2"
REAL = ("llama-3.2", "gemma-2", "qwen2.5", "phi-3-mini-4k-instruct")
COMPARED, ROUNDS = 4000, 3
# What rules tokenize and prompt do, each in a process of its own.
JOBS = {
    "tokenize": "from codetune.prompts.tokenizing import tokenize_training_data as do",
    "prompt": "from codetune.prompts.prompt import tokenize_prompts as do",
}
RUN = "; import json, sys; do(*json.loads(sys.argv[1]))"
MAX_LENGTH = 1024


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    # Before the first tokenizer, which reads these once.
    os.environ |= {"RAYON_NUM_THREADS": THREADS, "TOKENIZERS_PARALLELISM": "true", "HF_HUB_OFFLINE": "1"}
    from codetune.data.cleaning import clean

    records, origin = records_of(options.data)
    samples = clean(dict(enumerate(records)))[0]
    with tempfile.TemporaryDirectory() as folder:
        tokenizers = tokenizers_of(options.data, Path(folder), records)
        rows = [against_a_loop(path, samples, origin) for path in tokenizers]
        rows.append(whole_jobs(tokenizers, samples, origin, Path(folder)))
    write_result(options.out, rows)


def tokenizers_of(data: Path | None, folder: Path, records: list[dict[str, str]]) -> list[Path]:
    """The real tokenizers, or one as the demo's models have it."""
    if data is not None:
        return [data / "tokenizers" / name for name in REAL]
    from make_models import as_documents, make_tokenizer

    make_tokenizer(as_documents(records[:2000]), 1024, adds_begin=True).save_pretrained(folder / "demo")
    return [folder / "demo"]


def against_a_loop(path: Path, samples: list[Any], origin: str) -> Row:
    """The ratio for one tokenizer, on some of the samples."""
    from codetune.models.tokenizers import load_tokenizer
    from codetune.prompts.rendering import FIXED_DATE
    from codetune.prompts.serialising import serialisation_of
    from codetune.prompts.tokenizing import encode
    from codetune.study.template import BUILT_IN

    tokenizer = load_tokenizer(path)
    some = samples[:: max(1, len(samples) // COMPARED)]

    def ids(conversation: list[dict[str, str]], **how: Any) -> list[int]:
        found: list[int] = tokenizer.apply_chat_template(
            conversation, tokenize=True, return_dict=True, date_string=FIXED_DATE, **how
        )["input_ids"]
        return found

    def whole(sample: Any) -> list[int]:
        asked = {"role": "user", "content": sample.request}
        return ids([asked, {"role": "assistant", "content": sample.output}])

    def both(sample: Any) -> tuple[list[int], list[int]]:
        return ids([{"role": "user", "content": sample.request}], add_generation_prompt=True), whole(sample)

    def encoded() -> list[Any]:
        return encode(some, tokenizer, serialisation_of(BUILT_IN["chat"], tokenizer))

    for tokens, (prompt, conversation) in zip(encoded(), map(both, some), strict=True):
        assert tokens.prompt == prompt, f"{path.name}: other ids of a prompt"
        assert tokens.prompt + tokens.completion == conversation[: len(tokens)], f"{path.name}: other ids"
    ours, one, two = in_turn(ROUNDS, encoded, lambda: list(map(whole, some)), lambda: list(map(both, some)))
    detail = (
        f"{min(ours):.2f} s and {min(two):.2f} s for {len(some):,} samples, {origin}, {path.name}, {THREADS} threads; "
        f"identical ids; {ratio(ours, one):.1f} x one call per sample, which does not tell where the completion begins"
    )
    peer = "a Python loop of apply_chat_template, two calls per sample as in TRL's SFTTrainer"
    return Row(f"tokenising, {path.name}", peer, ">= 5.0 x", ratio(ours, two), detail)


def whole_jobs(tokenizers: list[Path], samples: list[Any], origin: str, folder: Path) -> Row:
    """Seconds of both jobs of the slowest tokenizer: imports, reading, encoding, statistics, writing."""
    count = len(samples) // 20
    shares = {"test": samples[: 2 * count], "validation": samples[2 * count : 3 * count], "train": samples[3 * count :]}
    parts = {part: str(folder / f"{part}.jsonl") for part in shares}
    for part, own in shares.items():
        write_jsonl(parts[part], map(vars, own))
    targets = {name: str(folder / f"{name}.arrow") for name in ("train", "validation", "prompts")}
    targets["stats"] = str(folder / "stats.json")
    seconds: dict[str, float] = {}
    for path in tokenizers:
        for template in ("paper", "chat"):
            tokenize = timed("tokenize", parts, str(path), template, MAX_LENGTH, targets)
            prompt = timed("prompt", parts["test"], str(path), template, targets)
            seconds[f"{path.name} {template}"] = tokenize + prompt
    detail = f"the slowest of {', '.join(f'{name} {value:.1f} s' for name, value in seconds.items())}; {origin}"
    part = f"tokenising {len(samples):,} samples for one model, jobs tokenize and prompt"
    return Row(part, "-", "< 10 s", max(seconds.values()), detail)


def timed(rule: str, *arguments: Any) -> float:
    """Seconds of a rule's job."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", JOBS[rule] + RUN, json.dumps(arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "scripts")},
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
