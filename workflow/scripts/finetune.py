"""Rule finetune."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.plain import from_plain
    from codetune.study.training import TrainingPlan
    from codetune.training.finetune import FinetuneInputs, FinetuneOutputs, finetune

    params = snakemake.params
    finetune(
        FinetuneInputs(**dict(snakemake.input.items())),
        FinetuneOutputs(
            **dict(snakemake.output.items()), work=params.work, checkpoints_gb=snakemake.resources.checkpoints_mb / 1000
        ),
        from_plain(params.plan, TrainingPlan, "rule finetune: params.plan"),
        params.code,
        params.is_trial,
    )
