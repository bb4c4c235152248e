"""Rule score_curve."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.evaluation.curve import score_curve

    score_curve(**dict(snakemake.input.items()), target=snakemake.output[0])
