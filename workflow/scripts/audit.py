"""Rule audit."""

from codetune.jobs import job

with job(snakemake):
    from codetune.audit import audit, read_study, write_audit
    from codetune.tables import read_paper

    params, inputs = snakemake.params, snakemake.input
    kinds = ("configs", "stats", "cards", "summaries", "generations", "trainings")
    files = {kind: list(inputs[kind]) for kind in kinds}
    study = read_study(params.runs, params.models, params.datasets, files, read_paper(inputs.paper))
    write_audit(audit(study), study, dict(snakemake.output.items()))
