"""Rule split."""

from codetune.jobs import job

with job(snakemake):
    from codetune.samples import split_dataset

    shares = dict(snakemake.params.split)
    seed = shares.pop("seed")
    split_dataset(snakemake.input[0], shares, seed, dict(snakemake.output.items()), snakemake.wildcards.dataset)
