"""How long a text may be in a model: what config.json declares, in all its spellings."""

import json
import subprocess
import sys

import pytest
from codetune.base.errors import StudyError
from codetune.models.context import context_of, read_context
from conftest import ROOT
from tiny_models import CONTEXT, CONTEXTS, tiny_config

FACTORS = {"short_factor": [1.0] * 8, "long_factor": [4.0] * 8}
HEADS = {"hidden_size": 64, "num_attention_heads": 4}  # with so many frequencies


def checkpoint(folder, **declared):
    """A folder with a config.json alone."""
    (folder / "config.json").write_text(json.dumps(declared))
    return folder


@pytest.mark.parametrize("name", CONTEXTS)
def test_a_context_is_read_under_each_name(tmp_path, name):
    config = tiny_config(*CONTEXTS[name])
    assert context_of(config) == CONTEXT
    config.save_pretrained(tmp_path)
    assert read_context(tmp_path) == CONTEXT


@pytest.mark.parametrize(
    ("declared", "context"),
    [
        ({"model_type": "llama", "max_position_embeddings": 131072}, 131072),
        ({"model_type": "llama"}, 2048),  # the default of the architecture
        ({"model_type": "gemma3", "text_config": {"max_position_embeddings": 123}}, 123),
        ({"model_type": "gemma2", "max_position_embeddings": 8192, "sliding_window": 64}, 8192),
        ({"model_type": "qwen2", "max_position_embeddings": 512, "rope_scaling": {"type": "yarn", "factor": 4.0}}, 512),
        (
            {
                "model_type": "llama",
                "max_position_embeddings": 131072,
                "rope_scaling": {
                    "rope_type": "llama3",
                    "factor": 32.0,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 8192,
                },
            },
            131072,
        ),
        (
            {
                "model_type": "phi3",
                **HEADS,
                "max_position_embeddings": 131072,
                "original_max_position_embeddings": 4096,
                "rope_scaling": {"type": "longrope", **FACTORS},
            },
            4096,
        ),
        (
            {
                "model_type": "phimoe",
                **HEADS,
                "max_position_embeddings": 131072,
                "rope_scaling": {
                    "type": "longrope",
                    "original_max_position_embeddings": 2048,
                    "short_mscale": 1.0,
                    "long_mscale": 1.0,
                    **FACTORS,
                },
            },
            2048,
        ),
        ({"model_type": "bloom"}, None),
    ],
)
def test_a_context_is_what_is_declared_and_what_a_rope_leaves_of_it(tmp_path, declared, context):
    assert read_context(checkpoint(tmp_path, **declared)) == context


@pytest.mark.parametrize(
    "declared",
    [
        *({"model_type": "llama", "max_position_embeddings": value} for value in (0, -3, "64", True, 64.5, None, [64])),
        {"model_type": "llama", "rope_scaling": "dynamic"},
        {"model_type": "phi3", "original_max_position_embeddings": "4096", "rope_scaling": {"type": "longrope"}},
        {"model_type": "nonsense"},
        {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}},
        {},
    ],
)
def test_what_is_no_context_is_one_line(tmp_path, declared):
    with pytest.raises(StudyError, match=r"^[^\n]*config\.json[^\n]*name another checkpoint in the config\.$"):
        read_context(checkpoint(tmp_path, **declared))


def test_reading_a_context_loads_no_torch(tmp_path):
    checkpoint(tmp_path, model_type="llama", max_position_embeddings=64)
    program = (
        "import sys; from codetune.models.context import read_context;"
        f"print(read_context({str(tmp_path)!r}), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT / "workflow" / "scripts", capture_output=True, text=True, check=True
    )
    assert done.stdout == "64 False\n"
