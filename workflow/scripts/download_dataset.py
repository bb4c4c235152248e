"""Rule download_dataset."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.plain import from_plain
    from codetune.data.reading import import_dataset
    from codetune.data.sources import dataset_file
    from codetune.study.dataset import Published

    published = from_plain(snakemake.params.published, Published, "params.published")
    with dataset_file(published, snakemake.output[0]) as source:
        import_dataset(source, published, snakemake.output[0])
