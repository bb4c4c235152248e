"""What format alone does to a score: references as if a model had written them, wrapped as models wrap code."""

import json
import random
import re
from statistics import fmean

import pytest
from codetune.data.samples import Sample
from codetune.evaluation.extraction import extract_code
from codetune.evaluation.metric import ON_CODE
from codetune.evaluation.registry import metrics, on_code
from codetune.evaluation.rouge import rouge_l
from codetune.evaluation.score import score_each, scores_of

SHORT = ("Sure! Here is a solution that does what you asked for:", "It takes the values one after the other and gives")
SHORT = (SHORT[0], SHORT[1] + " back the result, which you can then use further.")
LONG = (
    "Certainly! Below is one way to do this. It is kept simple so that it is easy to read, and it can be changed to fit "
    "other needs:",
    "Explanation: the code first takes the values that were given and looks at each of them in turn. Whatever is found "
    "on the way is kept until the end, where it is put together and given back. If nothing was given, the result is "
    "empty, and no error is raised. You can try it with values of your own to see how it behaves, and add more checks "
    "where they are needed. Let me know if there is anything else.",
)
TOKEN = re.compile(r"\w+|[^\w\s]")
# The numbers for 2,003 real test references, within which wraps of other words stay.
EXPECTED = {
    "as it is": (0.999, 1.0),
    "fence": (0.95, 0.97),
    "lead-in": (0.83, 0.87),
    "31 words": (0.48, 0.55),
    "104 words": (0.26, 0.33),
    "128 tokens": (0.44, 0.53),
    "256 tokens": (0.28, 0.34),
    "512 tokens": (0.15, 0.20),
}


def run_on(code, others, tokens):
    """A text that goes on with new turns, in the paper's template, until it is cut off at a number of tokens."""
    text = code
    for sample in others:
        if len(TOKEN.findall(text)) >= tokens:
            break
        text += f" <|end|> <|user|> {sample['instruction']} <|end|> <|assistant|> {sample['output']}"
    ends = [found.end() for found in TOKEN.finditer(text)]
    return text[: max(ends[tokens - 1], len(code))] if len(ends) > tokens else text


def wraps(samples):
    """The references as predictions, by the name of the wrap."""
    rng = random.Random(0)
    codes = [sample["output"] for sample in samples]
    others = [rng.sample(samples, min(60, len(samples))) for _ in samples]
    return {
        "as it is": codes,
        "fence": [f"```python\n{code}\n```" for code in codes],
        "lead-in": [f"Here is the code:\n{code}" for code in codes],
        "31 words": [f"{SHORT[0]}\n\n```\n{code}\n```\n\n{SHORT[1]}" for code in codes],
        "104 words": [f"{LONG[0]}\n\n```\n{code}\n```\n\n{LONG[1]}" for code in codes],
        **{
            f"{count} tokens": [run_on(code, more, count) for code, more in zip(codes, others, strict=True)]
            for count in (128, 256, 512)
        },
    }


def mean(samples, texts):
    return fmean(rouge_l(sample["output"], text).f1 for sample, text in zip(samples, texts, strict=True))


if __name__ == "__main__":
    import sys
    rows = json.load(open("/work/shared/data/codealpaca/code_alpaca_20k.json"))
    for samples in ([r for r in rows if r["output"]][::10],):
        for name, texts in wraps(samples).items():
            codes = [extract_code(t).text for t in texts]
            print(name, round(mean(samples, texts), 4), round(mean(samples, codes), 4), len(texts))
            bad = [(s["output"], c) for s, c in zip(samples, codes) if rouge_l(s["output"], c).f1 < 0.9 and re.search("[A-Za-z0-9]", s["output"])]
            if "-v" in sys.argv:
                for s, c in bad[:8]: print("     ", repr(s[:150]), "->", repr(c[:150]))
            print("   ", len(bad))
