"""Rule download_dataset."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.plain import from_plain
    from codetune.data.reading import import_dataset
    from codetune.data.sources import dataset_file
    from codetune.study.dataset import Dataset

    dataset = from_plain(snakemake.params.dataset, Dataset, "params.dataset")
    with dataset_file(dataset, snakemake.output[0]) as source:
        import_dataset(source, dataset, snakemake.output[0])
