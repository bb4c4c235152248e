"""Rule score."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.data.predictions import check_generated
    from codetune.evaluation.score import score_predictions

    inputs = dict(snakemake.input.items())
    check_generated(inputs["predictions"], inputs.pop("generation"))
    score_predictions(**inputs, **dict(snakemake.output.items()))
