"""Rule join."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.data.join import JoinInputs, join_datasets

    inputs = JoinInputs(**dict(snakemake.input.items()))
    join_datasets(snakemake.wildcards.dataset, inputs, snakemake.params.seed, dict(snakemake.output.items()))
