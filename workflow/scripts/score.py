"""Rule score."""

from codetune.jobs import job

with job(snakemake):
    from codetune.metrics import score_predictions

    score_predictions(**dict(snakemake.input.items()), **dict(snakemake.output.items()))
