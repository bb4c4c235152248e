"""A row of Table 2."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Table2Row:
    """A row of the CSV. Without a test set it is one that the paper quotes.

    Attributes:
        data: Name of the training data; `none` where there are none.
        test: Name of the test set.
        model: Label of the model.
        method: Name of the method.
        source: Where the score comes from.
        not_run: Why a row that the paper quotes cannot be run.
        paper_params: The model's parameters, as the paper has them.
        trainable: Trainable parameters.
        steps: Optimizer steps of the kept checkpoint, mean over seeds.
        seeds: How many.
        flagged: How many of its trainings diverged, or did not lower the validation loss.
        samples: Number of test samples.
        metric: Name of the metric.
        template: Name of the template of its prompts.
        score: Mean over seeds.
        score_low: Lower end of its interval.
        score_high: Upper end of its interval.
        deviation: Standard deviation over seeds.
        score_on_code: The same metric on the code of each prediction, mean over seeds.
        score_on_code_low: Lower end of its interval.
        score_on_code_high: Upper end of its interval.
        paper_score: The paper's score.
        gain: Difference to the better of the method's baselines.
        gain_over: Name of that baseline.
        gain_low: Lower end of its interval.
        gain_high: Upper end of its interval.
        gain_percent: The gain relative to the baseline.
        p_holm: Corrected p-value of the gain.
        verdict: What it says.
        p_holm_on_code: Corrected p-value of the gain on code over the better baseline by that metric.
        verdict_on_code: What it says.
        paper_gain: The paper's own gain.
        paper_gain_over: Name of the baseline that the paper's gain is over.
        truncated: Share of predictions that the limit on new tokens or the context cut off.
        empty: Share of predictions without text.
        extracted: Share of predictions that are more than their code.
        length_ratio: Characters of all predictions over those of all references.
        leaked: Test samples that leak from the training data of any of the systems.
        score_without_leaked: Score of all other test samples.
        predictions: Where the score comes from: a path per seed.
    """

    data: str | None = None
    test: str | None = None
    model: str
    method: str | None = None
    source: str
    not_run: str | None = None
    paper_params: str | None
    trainable: int | None = None
    steps: int | None = None
    seeds: int | None = None
    flagged: int | None = None
    samples: int | None = None
    metric: str | None = None
    template: str | None = None
    score: float | None = None
    score_low: float | None = None
    score_high: float | None = None
    deviation: float | None = None
    score_on_code: float | None = None
    score_on_code_low: float | None = None
    score_on_code_high: float | None = None
    paper_score: float | None
    gain: float | None = None
    gain_over: str | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    gain_percent: float | None = None
    p_holm: float | None = None
    verdict: str | None = None
    p_holm_on_code: float | None = None
    verdict_on_code: str | None = None
    paper_gain: float | None = None
    paper_gain_over: str | None = None
    truncated: float | None = None
    empty: float | None = None
    extracted: float | None = None
    length_ratio: float | None = None
    leaked: int | None = None
    score_without_leaked: float | None = None
    predictions: str | None = None
