"""What the paper claims, held against its own tables, the models' architectures and this study's results."""

from dataclasses import asdict

import pandas as pd

from codetune.papers.choices import check_data, list_unstated
from codetune.papers.equations import check_quantisation, check_scaling
from codetune.papers.evidence import Evidence
from codetune.papers.lengths import check_lengths
from codetune.papers.scores import check_scores_within
from codetune.papers.scores_here import check_scores_here
from codetune.papers.sizes import check_contexts, check_sizes, check_trainable
from codetune.papers.steps import check_schedule, check_sequences, check_steps, check_steps_trained


def audit(evidence: Evidence) -> pd.DataFrame:
    """Every claim that can be checked, with its verdict.

    Returns:
        One row per claim: `subject`, and the attributes of Verdict.
    """
    paper = evidence.paper
    subjects = {
        "Models": check_sizes(evidence) + check_contexts(evidence),
        "Trainable parameters": check_trainable(evidence),
        "Training steps": [
            *check_steps(evidence),
            *check_steps_trained(evidence),
            *check_schedule(evidence),
            *check_sequences(evidence),
            *check_lengths(evidence),
        ],
        "Equations": [check_scaling(paper), check_quantisation(paper)],
        "Scores, within the paper": check_scores_within(paper),
        "Scores, here": check_scores_here(evidence),
        "Data, and what a rerun has to know": [*check_data(evidence), *list_unstated(evidence)],
    }
    return pd.DataFrame([{"subject": name, **asdict(row)} for name, rows in subjects.items() for row in rows])
