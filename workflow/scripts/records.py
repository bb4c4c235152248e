"""Rule records."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.study.records import gather_records

    gather_records(snakemake.input, snakemake.output[0])
