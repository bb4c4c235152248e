"""Rules finetune, curve and generate of a rehearsal."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.plain import from_plain
    from codetune.rehearsal.completions import PromptInputs, Writer, rehearse_curve, rehearse_generation
    from codetune.rehearsal.trainings import TrainingInputs, TrainingOutputs, rehearse_training
    from codetune.study.decoding import Decoding
    from codetune.study.method import Method
    from codetune.study.model import Model
    from codetune.study.runs import Evaluation, Run
    from codetune.study.training import TrainingPlan

    inputs, outputs, params = dict(snakemake.input.items()), dict(snakemake.output.items()), snakemake.params
    part = params.rehearsed
    run, model = from_plain(part["run"], Run, "params.run"), from_plain(part["model"], Model, "params.model")
    if snakemake.rule == "finetune":
        plan = from_plain(params.plan, TrainingPlan, "params.plan")
        budget = 1e6 * snakemake.resources.checkpoints_mb
        rehearse_training(run, model, plan, TrainingInputs(**inputs), TrainingOutputs(**outputs), budget)
    else:
        method = from_plain(part["method"], Method, "params.method")
        decoding = from_plain(params.decoding, Decoding, "params.decoding")
        writer = Writer(run, model, method, part["template"], decoding)
        if snakemake.rule == "generate":
            del inputs["leaks"]  # which is only waited for
            files = PromptInputs(**inputs | {"tuned": inputs["tuned"] or None})
            rehearse_generation(writer, Evaluation(run, snakemake.wildcards.test), files, **outputs)
        else:
            read = (inputs["tokens"], inputs["samples"], inputs["checkpoints"])
            rehearse_curve(writer, *read, params.samples, outputs["predictions"])
