"""Rule download_dataset."""

from codetune.jobs import job

with job(snakemake):
    from codetune.hub import dataset_file
    from codetune.samples import import_dataset

    entry = snakemake.params.dataset
    with dataset_file(entry, snakemake.output[0]) as source:
        import_dataset(source, snakemake.output[0], entry.get("records"), entry.get("sha256"))
