"""Rule finetune."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.training.finetune import FinetuneInputs, FinetuneOutputs, finetune

    params = snakemake.params
    finetune(
        FinetuneInputs(**dict(snakemake.input.items())),
        FinetuneOutputs(**dict(snakemake.output.items()), work=params.work),
        params.model,
        {key: params[key] for key in ("lora", "quantization", "training", "max_length")},
        int(snakemake.wildcards.seed),
        params.code,
    )
