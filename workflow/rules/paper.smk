# Needs: the results of the study.
# Gives: <results>/paper.pdf     the study as an article of two to four pages
#        <results>/numbers.json  its numbers by name, in full precision and as they are printed
#        <results>/numbers.tex   the same as macros of LaTeX

from codetune.study.paper import macro_inputs, paper_inputs

QUOTED = [in_results(name) for name in (layout.PAPER, layout.NUMBERS, layout.MACROS)]


rule macros:
    """Writes the numbers of the study by name, for people who write about it. Needs no torch."""
    input:
        **macro_inputs(STUDY, in_results),
    output:
        json=in_results(layout.NUMBERS),
        tex=in_results(layout.MACROS),
    log:
        "<logs>/macros.log",
    benchmark:
        "<benchmarks>/macros.tsv"
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        metric=lookup(within=config, dpath="evaluation/metric"),
        code=code("macros.py", "analysis"),
    script:
        "../scripts/macros.py"


rule paper:
    """Sets the study as an article, from the sentences of its report. Needs neither torch nor TeX."""
    input:
        **paper_inputs(STUDY, in_results),
    output:
        report(
            in_results(layout.PAPER),
            category="Answers",
            labels={"page": "The study as a paper"},
            caption="../report/paper.rst",
        ),
    log:
        "<logs>/paper.log",
    benchmark:
        "<benchmarks>/paper.tsv"
    localrule: True  # takes seconds, less than waiting in a queue
    conda:
        "../../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
        gpu=0,
    params:
        metric=lookup(within=config, dpath="evaluation/metric"),
        made_with=[project_file(name) for name in ("workflow/report/paper.typ", file_of(STUDY.paper), "CITATION.cff")],
        code=code("paper.py", "analysis"),
    script:
        "../scripts/paper.py"
