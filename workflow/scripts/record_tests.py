"""Rule record_tests."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.execution.record_tests import record_tests

    record_tests(**dict(snakemake.input.items()), **dict(snakemake.output.items()), workers=snakemake.threads)
