"""Rule finetune."""

from codetune.base.jobs import importing, job

with job(snakemake):
    with importing():
        from codetune.base.plain import from_plain
        from codetune.study import layout
        from codetune.study.training import TrainingPlan
        from codetune.training.finetune import FinetuneInputs, FinetuneOutputs, finetune
        from codetune.training.tracking import Tracking

    params, config, wildcards = snakemake.params, snakemake.config, snakemake.wildcards
    # By the config, not by params: what a training reports to does not change what it is, and reruns nothing.
    folder = f"{config['results']}/{layout.TRACKING.format(**wildcards)}"
    tracking = Tracking(config["tracking"], folder, layout.RUN.format(**wildcards))
    finetune(
        FinetuneInputs(**dict(snakemake.input.items())),
        FinetuneOutputs(
            **dict(snakemake.output.items()),
            work=params.work,
            checkpoints_gb=snakemake.resources.checkpoints_mb / 1000,
            tracking=tracking,
        ),
        from_plain(params.plan, TrainingPlan, "rule finetune: params.plan"),
        params.code,
        params.is_trial,
    )
