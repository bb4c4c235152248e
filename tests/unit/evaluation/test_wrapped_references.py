"""What format alone does to a score: references as if a model had written them, wrapped as models wrap code."""

import json
import random
import re
from statistics import fmean

import pytest
from codetune.evaluation.extraction import extract_code
from codetune.evaluation.rouge import rouge_l

SHORT = (
    "Sure! Here is a solution that does what you asked for:",
    "It takes the values one after the other and then gives back the result, which you can use further.",
)
LONG = (
    "Certainly! Below is one way to do this. It is kept simple so that it is easy to read, and it can be changed to "
    "fit other needs:",
    "Explanation: the code first takes the values that were given and looks at each of them in turn. Whatever is found "
    "on the way is kept until the end, where it is put together and given back. If nothing was given, the result is "
    "empty, and no error is raised. You can try it with values of your own to see how it behaves, and add more checks "
    "where they are needed. Let me know if there is anything else.",
)
TOKEN = re.compile(r"\w+|[^\w\s]")
# Ranges of the mean ROUGE-L on real references, whatever the words of a wrap are.
EXPECTED = {
    "as it is": (0.999, 1.0),
    "fence": (0.95, 0.97),
    "lead-in": (0.83, 0.87),
    "30 words": (0.48, 0.55),
    "108 words": (0.26, 0.33),
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
        "30 words": [f"{SHORT[0]}\n\n```\n{code}\n```\n\n{SHORT[1]}" for code in codes],
        "108 words": [f"{LONG[0]}\n\n```\n{code}\n```\n\n{LONG[1]}" for code in codes],
        **{
            f"{count} tokens": [run_on(code, more, count) for code, more in zip(codes, others, strict=True)]
            for count in (128, 256, 512)
        },
    }


def mean(samples, texts):
    return fmean(rouge_l(sample["output"], text).f1 for sample, text in zip(samples, texts, strict=True))


@pytest.fixture(scope="module")
def real_samples(real):
    """A tenth of the real data, as many as the test part has."""
    records = json.loads((real / "codealpaca" / "code_alpaca_20k.json").read_text())
    return [record for record in records if record["output"]][::10]


def test_format_alone_makes_the_score_of_real_references(real_samples):
    """What the text scores falls to a sixth, what its code scores stays."""
    found = {name: mean(real_samples, texts) for name, texts in wraps(real_samples).items()}
    for name, (low, high) in EXPECTED.items():
        assert low <= found[name] <= high, (name, found[name])


def test_the_code_in_a_wrapped_real_reference_is_the_reference(real_samples):
    """All but those that hold a fence themselves, or a sentence that leads in."""
    for name, texts in wraps(real_samples).items():
        assert mean(real_samples, [extract_code(text).text for text in texts]) >= 0.999, name


def test_few_real_references_change(real):
    """Those in a fence lose it; of the others 6 of 20,016 lose what a reader takes for an announcement, or a turn."""
    records = json.loads((real / "codealpaca" / "code_alpaca_20k.json").read_text())
    outputs = [record["output"] for record in records if record["output"]]
    found = {output: code for output in outputs if (code := extract_code(output)).how}
    assert len(found) <= 17
    assert sum(not output.startswith("```") for output in found) <= 6
    whole = fmean(rouge_l(one, one).f1 for one in outputs)
    assert fmean(rouge_l(one, found[one].text if one in found else one).f1 for one in outputs) > whole - 0.0002


@pytest.fixture(scope="module")
def samples(records):
    return [record for record in records if record["output"].strip()][:200]


def test_format_alone_makes_the_score_of_generated_references(samples):
    found = {name: mean(samples, texts) for name, texts in wraps(samples).items()}
    assert 1 == found["as it is"] > found["fence"] > found["lead-in"] > found["30 words"] > found["108 words"]
    assert found["lead-in"] > found["128 tokens"] > found["256 tokens"] > found["512 tokens"]
    assert found["108 words"] < 0.4
    assert found["512 tokens"] < 0.15


def test_the_code_in_a_wrapped_generated_reference_is_the_reference(samples):
    for name, texts in wraps(samples).items():
        codes = [extract_code(text).text for text in texts]
        assert codes == [sample["output"].strip() for sample in samples], name
