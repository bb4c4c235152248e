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
    config["runs"] = [
        {"datasets": ["codealpaca-20k"], "models": ["gemma-2-2b"], "methods": ["base", "soft"], "seeds": [0]}
    ]
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


TEXT = {"prompt_tuning_init": "TEXT"}
SOURCE = {"prompt_tuning_init": "EXACT_SOURCE_TASK"}
MULTITASK = {"type": "MULTITASK_PROMPT_TUNING", "num_virtual_tokens": 4}


@pytest.mark.parametrize(
    ("peft", "line"),
    [
        ({"type": "PROMPT_TUNING"}, "num_virtual_tokens"),
        ({"type": "MULTITASK_PROMPT_TUNING"}, "num_virtual_tokens"),
        ({**PROMPT, "num_virtual_tokens": 0}, "num_virtual_tokens: 0 is below 1"),
        ({**PROMPT, "num_virtual_tokens": True}, "num_virtual_tokens: true is not an integer"),
        ({**PREFIX, "num_virtual_tokens": 1024}, "1024 leave no room for a sample in the 1024 tokens"),
        ({**PROMPT, **TEXT}, "TEXT needs prompt_tuning_init_text"),
        ({**MULTITASK, **TEXT}, "TEXT needs prompt_tuning_init_text"),
        ({**MULTITASK, **SOURCE}, "starts from the file of another training"),
        ({"type": "CPT", "cpt_token_ids": [1, 2]}, "CPT cannot be trained here: its loss also counts"),
        ({**PREFIX, "token_dim": 64}, "token_dim: leave it out; PEFT takes it from each model"),
        ({**PROMPT, "num_transformer_submodules": 2}, "num_transformer_submodules: leave it out; PEFT takes it"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(peft, line):
    with pytest.raises(StudyError) as refused:
        load(peft)
    assert str(refused.value).startswith("config: methods.soft.peft")
    assert line in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["PREFIX_TUNING", "CARTRIDGE"])
def test_a_prefix_is_not_trained_with_gradient_checkpointing(kind):
    """transformers would compute each layer again without the prefix, and say nothing."""
    with pytest.raises(StudyError, match=r"methods\.soft: .* gradient checkpointing.*gemma-2-2b.*not comparable"):
        load({"type": kind, "num_virtual_tokens": 5}, gradient_checkpointing=True)
    assert load(PROMPT, gradient_checkpointing=True).memory.gradient_checkpointing
