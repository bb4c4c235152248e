"""Rule split."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.data.split import split_dataset

    targets = dict(snakemake.output.items())
    split_dataset(snakemake.input[0], snakemake.params.split, targets, snakemake.wildcards.dataset)
