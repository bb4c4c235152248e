"""ROUGE-L of 2,002 pairs against the package `rouge-score` as it is.

Usage: python benchmarks/scoring.py --out FILE.json [--data FOLDER]

With FOLDER/codealpaca/code_alpaca_20k.json the texts are real outputs. Else each text consists of several of the demo's
outputs, since one of these is a quarter as long as a real one. Each text is compared with that of another record. The
benchmark ends with an error if one float differs.
"""

import argparse
import random
from pathlib import Path

from common import Row, in_turn, ratio, records_of, write_result

PAIRS, ROUNDS = 2002, 15
JOINED = 4  # outputs of the demo per text


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    from codetune.evaluation.rouge import rouge_l
    from rouge_score.rouge_scorer import RougeScorer

    records, origin = records_of(options.data)
    texts = [record["output"] for record in records]
    if options.data is None:
        texts = ["\n".join(texts[i : i + JOINED]) for i in range(0, len(texts), JOINED)]
    rng = random.Random(0)
    pairs = list(zip(rng.choices(texts, k=PAIRS), rng.choices(texts, k=PAIRS), strict=True))
    scorer = RougeScorer(["rougeL"])
    theirs = [scorer.score(*pair)["rougeL"] for pair in pairs]
    assert [tuple(rouge_l(*pair)) for pair in pairs] == [tuple(score) for score in theirs], "other floats"
    ours, peer = in_turn(
        ROUNDS,
        lambda: [rouge_l(*pair) for pair in pairs],
        lambda: [scorer.score(*pair) for pair in pairs],
    )
    detail = f"{min(ours):.4f} s and {min(peer):.3f} s for {PAIRS:,} pairs, {origin}; identical floats"
    row = Row("scoring", "rouge-score as it is", ">= 20 x", ratio(ours, peer), detail)
    write_result(options.out, [row], seconds={"ours": ours, "theirs": peer})


if __name__ == "__main__":
    main()
