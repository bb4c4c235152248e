"""Rule download_dataset."""

from codetune.jobs import job

with job(snakemake):
    from codetune.hub import fetch_dataset_file
    from codetune.samples import import_dataset

    entry = snakemake.params.dataset
    source = fetch_dataset_file(entry, snakemake.output[0])
    import_dataset(source, snakemake.output[0], entry.get("records"), entry.get("sha256"))
