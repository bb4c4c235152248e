"""Rule provenance."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.provenance import write_provenance
    from codetune.study.records import read_records

    write_provenance(read_records([snakemake.input.records]), snakemake.params.config, snakemake.output[0])
