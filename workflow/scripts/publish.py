"""Rule publish."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.manifests import checked_folder
    from codetune.report.publish import publish
    from codetune.study.record import read_record

    inputs = snakemake.input
    tuned = checked_folder(inputs.tuned)
    publish(read_record(inputs.record), snakemake.params.metric, inputs.stats, tuned, snakemake.output[0])
