"""What the paper claims, held against its own tables, the models' architectures and this study's results."""

from dataclasses import asdict

import pandas as pd

from codetune.papers.choices import check_data, list_unstated
from codetune.papers.equations import check_quantisation, check_scaling
from codetune.papers.evidence import Study
from codetune.papers.scores import check_scores_here, check_scores_within
from codetune.papers.sizes import check_contexts, check_sizes, check_trainable
from codetune.papers.steps import check_sequences, check_steps, check_steps_trained


def audit(study: Study) -> pd.DataFrame:
    """Every claim that can be checked, with its verdict.

    Returns:
        One row a claim: `subject`, and the attributes of Finding.
    """
    subjects = {
        "Models": check_sizes(study) + check_contexts(study),
        "Trainable parameters": check_trainable(study),
        "Training steps": check_steps(study) + check_steps_trained(study) + check_sequences(study),
        "Equations": [check_scaling(study.paper), check_quantisation(study.paper)],
        "Scores, within the paper": check_scores_within(study.paper),
        "Scores, here": check_scores_here(study),
        "Data, and what a rerun has to know": [*check_data(study), *list_unstated(study)],
    }
    return pd.DataFrame([{"subject": name, **asdict(row)} for name, rows in subjects.items() for row in rows])
