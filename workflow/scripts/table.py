"""Rule table."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.manifests import checked_folder
    from codetune.report.table import write_table
    from codetune.study.declared import path_of_params

    inputs, params, outputs = (dict(part.items()) for part in (snakemake.input, snakemake.params, snakemake.output))
    inputs["paper"] = path_of_params(params)
    inputs["configs"] = [checked_folder(manifest) for manifest in inputs.get("configs", [])]
    write_table(snakemake.wildcards.table, inputs, params, outputs)
