"""Rule size."""

from codetune.base.jobs import importing, job

with job(snakemake):
    with importing():
        from codetune.base.manifests import checked_folder
        from codetune.base.plain import from_plain
        from codetune.methods.size import write_sizes
        from codetune.study.method import TuningSettings

    models = snakemake.params.tunings.items()
    for (model, tunings), manifest, target in zip(models, snakemake.input, snakemake.output, strict=True):
        settings = {
            method: from_plain(tuning, TuningSettings, f"rule size: params.tunings.{model}.{method}")
            for method, tuning in tunings.items()
        }
        write_sizes(checked_folder(manifest), model, settings, target)
