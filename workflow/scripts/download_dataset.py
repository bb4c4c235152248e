"""Rule download_dataset."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.data.reading import import_dataset
    from codetune.data.sources import dataset_file

    entry = snakemake.params.dataset
    with dataset_file(entry, snakemake.output[0]) as source:
        import_dataset(source, snakemake.output[0], entry.get("records"), entry.get("sha256"))
