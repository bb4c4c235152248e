"""Rule split."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.plain import from_plain
    from codetune.data.samples import check_imported
    from codetune.data.split import split_dataset
    from codetune.study.dataset import Split

    inputs = snakemake.input
    published = check_imported(inputs.records, inputs.facts).parts
    settings = from_plain(snakemake.params.split, Split, "params.split")
    split_dataset(inputs.records, snakemake.wildcards.dataset, settings, dict(snakemake.output.items()), published)
