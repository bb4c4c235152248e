"""What is asked of a soft prompt when the study is planned."""

import pytest
from codetune.base.errors import StudyError
from codetune.study.config import load_study
from codetune.study.tunings import virtual_tokens_of
from paper_config import paper_config

PREFIX = {"type": "PREFIX_TUNING", "num_virtual_tokens": 20}
PROMPT = {"type": "PROMPT_TUNING", "num_virtual_tokens": 20}


def load(peft, **training):
    config = paper_config()
    config["methods"]["soft"] = {"peft": peft, "training": training}
    config["runs"] = [{"datasets": ["codealpaca-20k"], "models": ["gemma-2-2b"], "methods": ["soft"], "seeds": [0]}]
    study = load_study(config)
    return study.for_training(study.training_runs[0])


@pytest.mark.parametrize(
    "peft",
    [
        PREFIX,
        {**PREFIX, "init_weights": "zero"},
        PROMPT,
        {**PROMPT, "prompt_tuning_init": "TEXT", "prompt_tuning_init_text": "Write code."},
        {**PROMPT, "prompt_tuning_init": "SAMPLE_VOCAB"},
        {"type": "P_TUNING", "num_virtual_tokens": 1, "encoder_hidden_size": 128},
        {"type": "CARTRIDGE", "num_virtual_tokens": 1023},
        {"type": "MULTITASK_PROMPT_TUNING", "num_virtual_tokens": 4},
    ],
)
def test_a_soft_prompt_is_planned_with_its_tokens(peft):
    plan = load(peft, gradient_checkpointing=False)
    assert virtual_tokens_of(plan.tuning) == peft["num_virtual_tokens"]
    assert not plan.memory.gradient_checkpointing


@pytest.mark.parametrize(
    ("peft", "line"),
    [
        ({"type": "PROMPT_TUNING"}, "methods.soft.peft.num_virtual_tokens: must be an integer from 1 to 1023"),
        ({**PROMPT, "num_virtual_tokens": 0}, "num_virtual_tokens: must be an integer from 1"),
        ({**PROMPT, "num_virtual_tokens": True}, "num_virtual_tokens: must be an integer from 1"),
        (
            {**PREFIX, "num_virtual_tokens": 1024},
            "an integer from 1 to 1023, one less than",
        ),
        ({**PROMPT, "prompt_tuning_init": "TEXT"}, "'prompt_tuning_init: TEXT' needs a 'prompt_tuning_init_text'"),
        ({"type": "CPT", "cpt_token_ids": [1, 2]}, "methods.soft.peft: CPT cannot be trained here: its loss"),
        ({**PREFIX, "token_dim": 64}, "methods.soft.peft.token_dim: PEFT takes this from each model; leave it out"),
        ({**PROMPT, "num_transformer_submodules": 2}, "num_transformer_submodules: PEFT takes this from each model"),
        (
            {"type": "MULTITASK_PROMPT_TUNING", "num_virtual_tokens": 4, "prompt_tuning_init": "EXACT_SOURCE_TASK"},
            "EXACT_SOURCE_TASK starts from a file of another training; take RANDOM",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(peft, line):
    with pytest.raises(StudyError) as refused:
        load(peft)
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["PREFIX_TUNING", "CARTRIDGE"])
def test_a_prefix_is_not_trained_with_gradient_checkpointing(kind):
    """transformers would compute each layer again without the prefix, and say nothing."""
    with pytest.raises(StudyError, match=r"methods\.soft: .* gradient checkpointing.*gemma-2-2b.*not comparable"):
        load({"type": kind, "num_virtual_tokens": 5}, gradient_checkpointing=True)
    assert load(PROMPT, gradient_checkpointing=True).memory.gradient_checkpointing
