"""Rule download_dataset."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.files import write_json
    from codetune.base.hub_access import ask_for_access
    from codetune.base.plain import from_plain, to_plain
    from codetune.data.reading import import_dataset
    from codetune.data.sources import dataset_files
    from codetune.study.dataset import Published

    published = from_plain(snakemake.params.published, Published, "params.published")
    ask_for_access(snakemake.params.asked_first)
    with dataset_files(published, snakemake.output[0]) as files:
        facts = import_dataset(files, published, snakemake.output.records)
        write_json(snakemake.output.facts, to_plain(facts))
