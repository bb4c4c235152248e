"""Rule audit."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.papers.claims import audit
    from codetune.papers.declared import read_paper
    from codetune.papers.evidence import read_study
    from codetune.report.audit import write_audit

    params, inputs = snakemake.params, snakemake.input
    kinds = ("configs", "stats", "cards", "summaries", "generations", "trainings")
    files = {kind: list(inputs[kind]) for kind in kinds}
    study = read_study(params.runs, params.models, params.datasets, files, read_paper(inputs.paper))
    write_audit(audit(study), study, dict(snakemake.output.items()))
