"""Rule score."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.evaluation.score import score_predictions

    score_predictions(**dict(snakemake.input.items()), **dict(snakemake.output.items()))
