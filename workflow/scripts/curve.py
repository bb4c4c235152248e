"""Rule curve."""

from codetune.base.jobs import importing, job

with job(snakemake):
    with importing():
        from codetune.base.manifests import checked_folder
        from codetune.base.plain import from_plain
        from codetune.generation.checkpoints import kept_checkpoints
        from codetune.generation.curve import CurveInputs, CurveOutputs, CurveSettings, generate_curve
        from codetune.models.loading import Checkpoint
        from codetune.study.decoding import Decoding
        from codetune.study.method import Quantization, TuningSettings

    inputs, params = snakemake.input, snakemake.params
    quantization = from_plain(params.quantization, Quantization, "rule curve: params.quantization")
    decoding = from_plain(params.decoding, Decoding, "rule curve: params.decoding")
    tuning = from_plain(params.tuning, TuningSettings, "rule curve: params.tuning")
    generate_curve(
        CurveInputs(inputs.tokens, inputs.stats, kept_checkpoints(inputs.checkpoints), tuning),
        CurveOutputs(**dict(snakemake.output.items()), work=params.work),
        Checkpoint(checked_folder(inputs.checkpoint), quantization),
        CurveSettings(decoding, params.samples),
        params.code,
    )
