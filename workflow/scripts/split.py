"""Rule split."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.plain import from_plain
    from codetune.data.split import split_dataset
    from codetune.study.dataset import Split

    settings = from_plain(snakemake.params.split, Split, "params.split")
    split_dataset(snakemake.input[0], snakemake.wildcards.dataset, settings, dict(snakemake.output.items()))
