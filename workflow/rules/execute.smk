# Needs: a run's predictions on a test set with unit tests, and pip, which fetches the sandbox's interpreter.
# Gives: <resources>/sandbox/sandbox.json            whether generated code can be run; the interpreter lies beside it
#        <results>/tests/{test}/problems.jsonl       the unit tests, with the calls that they make
#                               problems.json        how many there are, and which are refused
#        <results>/runs/{data}/{model}/{method}/seed{seed}/tests/{test}/verdicts.jsonl  a verdict per candidate
#                                                                       execution.json  what was executed


rule sandbox:
    """Fetches the interpreter that runs generated code, compiles it, and tries whether anything gets out of it."""
    output:
        in_resources(layout.SANDBOX),
    log:
        "<logs>/sandbox/interpreter.log",
    benchmark:
        "<benchmarks>/sandbox/interpreter.tsv"
    localrule: True
    conda:
        "../../envs/execute.yaml"
    threads: 1
    resources:
        mem_mb=2500,  # compiling takes most of it
        runtime=30,
        gpu=0,
    params:
        network=True,
    script:
        "../scripts/sandbox.py"


rule record_tests:
    """Runs the unit tests of a test set on its references, and records the calls that they make."""
    input:
        samples=in_results(layout.TEST),
        split=lambda wildcards: in_results(layout.SPLIT, dataset=wildcards.test),
        sandbox=in_resources(layout.SANDBOX),
    output:
        problems=in_results(layout.PROBLEMS),
        facts=in_results(layout.PROBLEM_FACTS),
    log:
        "<logs>/record_tests/{test}.log",
    benchmark:
        "<benchmarks>/record_tests/{test}.tsv"
    conda:
        "../../envs/execute.yaml"
    threads: 4
    resources:
        mem_mb=memory_of_guests,
        runtime=60,
        gpu=0,
    params:
        code=code("record_tests.py", "execute"),
    script:
        "../scripts/record_tests.py"


rule execute:
    """Runs the code in a run's predictions in a sandbox, and has the unit tests judge its results. Needs no GPU."""
    input:
        predictions=in_results(layout.PREDICTIONS),
        problems=in_results(layout.PROBLEMS),
        sandbox=in_resources(layout.SANDBOX),
    output:
        verdicts=in_results(layout.VERDICTS),
        facts=in_results(layout.EXECUTION),
    log:
        f"<logs>/execute/{layout.EVALUATION}.log",
    benchmark:
        f"<benchmarks>/execute/{layout.EVALUATION}.tsv"
    wildcard_constraints:
        model=one_of([*STUDY.models, NONE]),
    conda:
        "../../envs/execute.yaml"
    threads: 4
    resources:
        mem_mb=memory_of_guests,
        runtime=240,
        gpu=0,
    params:
        work=unfinished("execute-{test}"),
        code=code("execute.py", "execute"),
    script:
        "../scripts/execute.py"
