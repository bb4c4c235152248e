"""Rule record."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.study.record import write_run_record

    files = dict(snakemake.input.items())
    training = files.pop("training", None) or None
    write_run_record(dict(snakemake.wildcards.items()), snakemake.params.config, files, training, snakemake.output[0])
