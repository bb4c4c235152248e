"""Rule record."""

from codetune.base.jobs import job

with job(snakemake):
    from codetune.base.plain import from_plain
    from codetune.study.method import Method
    from codetune.study.model import Model
    from codetune.study.record import write_record
    from codetune.study.record_inputs import RecordInputs
    from codetune.study.runs import Run

    inputs, params = dict(snakemake.input.items()), snakemake.params
    kinds = ("origin", "summary", "predictions", "scores")
    tests = {test: {kind: inputs[kind][place] for kind in kinds} for place, test in enumerate(params.tests)}
    executed = [test for test in params.tests if test in params.get("executed", ())]
    for test, facts in zip(executed, inputs.get("executions", ()), strict=True):
        tests[test]["execution"] = facts
    write_record(
        from_plain(params.run, Run, "params.run"),
        from_plain(params.model, Model, "params.model"),
        from_plain(params.method, Method, "params.method"),
        params.template,
        RecordInputs(
            splits=dict(zip(params.splits, inputs["splits"], strict=True)),
            training=inputs.get("training") or None,
            files={"training_log": inputs["training_log"]} if inputs.get("training_log") else {},
            tests=tests,
            search=inputs.get("search") or None,
            count=inputs.get("number") or None,
        ),
        snakemake.output[0],
    )
