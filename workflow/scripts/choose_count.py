"""Rule choose_count."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.prompts.choose_count import choose_count

    choose_count(snakemake.params.trials, snakemake.input, snakemake.params.metric, snakemake.output[0])
