"""Rule significance."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.evaluation.significance import measure_significance
    from codetune.study.records import read_records

    records, params = read_records(snakemake.input.records), snakemake.params
    measured_by = (params.metric, params.resamples, params.seed)
    measure_significance(records, snakemake.wildcards.test, snakemake.input.leaks, *measured_by, snakemake.output[0])
