"""What a checkpoint's generation_config.json asks for."""

import json

import pytest
from codetune.base.errors import StudyError
from codetune.models.settings import ignored_settings


def folder_with(folder, text):
    (folder / "generation_config.json").write_text(text)
    return folder


def test_what_greedy_decoding_does_not_do_is_named(tmp_path):
    """All of it, sampling and penalties as well as bans and lengths; what is followed or asks for nothing is not."""
    ignored = {
        "do_sample": True,
        "temperature": 0.7,
        "top_p": 0.8,
        "top_k": 20,
        "repetition_penalty": 1.05,
        "no_repeat_ngram_size": 3,
        "suppress_tokens": [1, 2],
        "begin_suppress_tokens": [3],
        "bad_words_ids": [[4, 5]],
        "forced_bos_token_id": 6,
        "forced_eos_token_id": [7],
        "sequence_bias": [[[8], -5.0]],
        "stop_strings": ["###"],
        "min_new_tokens": 4,
        "max_new_tokens": 2048,
        "num_beams": 4,
        "length_penalty": 1.2,
        "a_setting_of_tomorrow": {"x": 1},
    }
    followed = {"eos_token_id": [1, 2], "pad_token_id": 0, "bos_token_id": 1, "transformers_version": "4.1"}
    nothing = {"_from_model_config": True, "use_cache": True, "forced_decoder_ids": None, "output_scores": False}
    assert ignored_settings(folder_with(tmp_path, json.dumps(ignored | followed | nothing))) == ignored
    greedy = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0}
    assert ignored_settings(folder_with(tmp_path, json.dumps(greedy))) == {}


def test_a_checkpoint_need_not_ask_for_anything(tmp_path):
    assert ignored_settings(tmp_path) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not JSON",
        "[]",
        "5",
        "null",
        '{"eos_token_id": "</s>"}',
        '{"eos_token_id": [[1]]}',
        '{"eos_token_id": 1.5}',
        '{"eos_token_id": true}',
        '{"pad_token_id": "x"}',
        '{"temperature": NaN}',
        '{"temperature": 1e999}',
    ],
)
def test_settings_that_are_none_are_one_line(tmp_path, text):
    with pytest.raises(
        StudyError, match=r"^[^\n]*generation_config\.json[^\n]*name another checkpoint in the config\.$"
    ):
        ignored_settings(folder_with(tmp_path, text))
