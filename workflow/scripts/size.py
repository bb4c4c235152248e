"""Rule size."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.manifests import checked_folder
    from codetune.base.plain import from_plain
    from codetune.methods.size import write_sizes
    from codetune.study.method import TuningSettings

    model = snakemake.wildcards.model
    tunings = {
        name: from_plain(tuning, TuningSettings, f"rule size: params.tunings.{name}")
        for name, tuning in snakemake.params.tunings.items()
    }
    write_sizes(checked_folder(snakemake.input[0]), model, tunings, snakemake.output[0])
