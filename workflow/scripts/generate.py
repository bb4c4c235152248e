"""Rule generate."""

from codetune.base.jobs import importing, job

with job(snakemake):
    with importing():
        from codetune.base.manifests import checked_folder
        from codetune.base.plain import from_plain
        from codetune.generation.generate import GenerateInputs, GenerateOutputs, generate_predictions
        from codetune.models.loading import Checkpoint
        from codetune.study.decoding import Decoding
        from codetune.study.method import Quantization, TuningSettings

    inputs, params = snakemake.input, snakemake.params
    quantization = from_plain(params.quantization, Quantization, "rule generate: params.quantization")
    tuning = from_plain(params.tuning, TuningSettings, "rule generate: params.tuning") if params.tuning else None
    generate_predictions(
        GenerateInputs(inputs.prompts, inputs.stats, inputs.tuned or None, tuning),
        GenerateOutputs(**dict(snakemake.output.items()), work=params.work),
        Checkpoint(checked_folder(inputs.checkpoint), quantization),
        from_plain(params.decoding, Decoding, "rule generate: params.decoding"),
        params.code,
    )
