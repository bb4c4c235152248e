"""Rule record."""

from codetune.jobs import job

with job(snakemake):
    from codetune.records import write_run_record

    files = dict(snakemake.input.items())
    training = files.pop("training", None) or None
    write_run_record(dict(snakemake.wildcards.items()), snakemake.params.config, files, training, snakemake.output[0])
