"""Rule table."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.manifests import checked_folder
    from codetune.base.project import PROJECT
    from codetune.report.table import write_table

    inputs, params, outputs = (dict(part.items()) for part in (snakemake.input, snakemake.params, snakemake.output))
    inputs["paper"] = PROJECT / "config/papers/slm-qlora.yaml"
    inputs["configs"] = [checked_folder(manifest) for manifest in inputs.get("configs", [])]
    write_table(snakemake.wildcards.table, inputs, params, outputs)
