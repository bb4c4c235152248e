"""Rule score."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.evaluation.passes import are_drawn
    from codetune.evaluation.score import score_predictions
    from codetune.study.custody import check_inputs

    inputs = dict(snakemake.input.items())
    origin, verdicts = inputs.pop("origin"), inputs.pop("verdicts") or None
    check_inputs([inputs["predictions"]])
    score_predictions(
        **inputs,
        **dict(snakemake.output.items()),
        candidates=snakemake.params.get("candidates", 1),
        verdicts=verdicts,
        drawn=are_drawn(origin),
    )
