"""Rule provenance."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.report.provenance import write_provenance

    params, inputs = snakemake.params, snakemake.input
    write_provenance(params.runs, inputs.generations, inputs.trainings, params.config, snakemake.output[0])
