"""Rule publish."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.manifests import checked_folder
    from codetune.base.plain import from_plain
    from codetune.report.publish import publish
    from codetune.study.publications import Publications
    from codetune.study.record import read_record

    inputs, params = snakemake.input, snakemake.params
    tuned = checked_folder(inputs.tuned)
    publications = from_plain(params.publications, Publications, "rule publish: params.publications")
    publish(read_record(inputs.record), params.metric, publications, inputs.stats, tuned, snakemake.output[0])
