"""Rule significance."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.evaluation.significance import measure_significance
    from codetune.study.record import read_records

    records, params = read_records(snakemake.input.records), snakemake.params
    measure_significance(records, snakemake.wildcards.test, params.resamples, params.seed, snakemake.output[0])
