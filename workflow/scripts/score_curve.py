"""Rule score_curve."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.evaluation.score_curve import score_curve

    score_curve(**dict(snakemake.input.items()), target=snakemake.output[0])
