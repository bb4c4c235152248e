"""Examples in prompts: which training samples they are, that none gives an answer away, and that they fit."""

import json
import random
import shutil
from dataclasses import asdict

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json, write_json, write_jsonl
from codetune.base.plain import to_plain
from codetune.data.samples import Sample, sha256_of_samples
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.examples import ExampleInputs, choose_examples
from codetune.prompts.prompt import ChosenExamples, PromptInputs, encode_that_fit, tokenize_prompts
from codetune.prompts.serialising import serialisation_of
from codetune.prompts.tokenizing import encode
from codetune.prompts.tokensets import check_tokens, read_tokens
from codetune.study.examples import CountFacts
from codetune.study.prompt import Examples
from codetune.study.template import BUILT_IN
from fake_records import write_split

WORDS = "sort list reverse string sum table page count merge tree graph queue stack parse print read".split()
TEXT = "a long text about what a function has to do with its arguments before it gives anything back"


def sample_of(number):
    chance = random.Random(number)
    request = f"{' '.join(chance.sample(WORDS, 5))} number{number}"
    return Sample(number, request, "", " ".join(chance.choices(WORDS, k=12)))


TRAIN = [sample_of(number) for number in range(40)]
TEST = [
    *(Sample(100 + number, f"{sample_of(number).request} again", "", f"other{number}") for number in range(5)),
    Sample(105, TRAIN[7].request.upper(), "", "asks the same"),
    Sample(106, f"{TEXT} {TEXT} one", "", "x = 1"),
]
NEAR = Sample(40, f"{TEXT} {TEXT} one", "", "x = 2")
TWINS = [Sample(41 + number, "twins of quite some words and more of them to come", "", "y = 1") for number in range(2)]


@pytest.fixture
def choose(tmp_path):
    def choose(settings, seed=0, train=(*TRAIN, NEAR, *TWINS), test=TEST, name="examples"):
        paths = {"train": tmp_path / "train.jsonl", "test": tmp_path / "test.jsonl"}
        for path, samples in zip(paths.values(), (train, test), strict=True):
            write_jsonl(path, map(asdict, samples))
        split = write_split(tmp_path / "split.json", **paths)
        inputs = ExampleInputs(str(paths["train"]), str(paths["test"]), split, split)
        choose_examples(inputs, settings, seed, str(tmp_path / f"{name}.json"))
        return read_json(tmp_path / f"{name}.json")

    return choose


def test_random_examples_are_the_same_for_all_samples_of_a_seed_and_more_hold_fewer(choose):
    found = {seed: choose(Examples(3, "random"), seed) for seed in (0, 1)}
    for facts in found.values():
        assert facts["tests"] == [sample.id for sample in TEST]
        assert len({tuple(ids) for ids in facts["examples"]}) == 1
    assert found[0]["examples"] != found[1]["examples"]
    assert choose(Examples(1, "random"), 0)["examples"][0] == found[0]["examples"][0][:1]
    assert choose(Examples(3, "random"), 0) == found[0]


def test_similar_examples_are_those_of_the_search_the_most_similar_first(choose):
    facts = choose(Examples(3, "similar"))
    assert [ids[0] for ids in facts["examples"][:5]] == [0, 1, 2, 3, 4]
    assert all(len(set(ids)) == 3 for ids in facts["examples"])
    assert facts["signature"].startswith("BM25|")
    assert facts["inputs_sha256"]["test_samples"] == sha256_of_samples(TEST)


@pytest.mark.parametrize("how", ["random", "similar"])
def test_no_example_is_the_sample_itself_or_a_near_duplicate_nor_do_two_of_them_say_the_same(choose, how):
    facts = choose(Examples({"random": 40, "similar": 41}[how], how), test=TEST[5:])
    assert facts["left_out"] == 2
    by_test = dict(zip(facts["tests"], facts["examples"], strict=True))
    assert 7 not in by_test[105]
    assert NEAR.id not in by_test[106]
    assert all(len({41, 42} & set(ids)) == 1 for ids in by_test.values())
    if how == "random":
        assert not {7, NEAR.id} & set(by_test[105])


def test_more_examples_than_there_are_samples_is_one_line(choose):
    with pytest.raises(StudyError, match="50 examples per prompt are asked for, but only 40 training samples differ"):
        choose(Examples(50, "random"))


def test_samples_that_the_split_did_not_write_are_refused(choose, tmp_path, checkpoints):
    choose(Examples(1, "random"))
    (tmp_path / "test.jsonl").write_text((tmp_path / "test.jsonl").read_text().replace("again", "once more"))
    with pytest.raises(StudyError, match="is not the file that"):
        prompts_of(tmp_path, checkpoints / "llama-3.2-1b", Examples(1, "random"))


def prompts_of(folder, checkpoint, settings, template="paper", room=0, count=None):
    train, test, split = (str(folder / name) for name in ("train.jsonl", "test.jsonl", "split.json"))
    targets = {"prompts": str(folder / "prompts.arrow"), "stats": str(folder / "stats.json")}
    chosen = ChosenExamples(str(folder / "examples.json"), train, split, settings, room, count)
    tokenize_prompts(PromptInputs(test, split, checkpoint, chosen), BUILT_IN[template], targets)
    return read_tokens(targets["prompts"]), read_json(targets["stats"])


def test_examples_stand_before_the_request_with_their_outputs(choose, tmp_path, checkpoints):
    checkpoint = checkpoints / "llama-3.2-1b"
    tokenizer = load_tokenizer(checkpoint)
    ids = choose(Examples(2, "similar"))["examples"][0]
    texts = {}
    for order in ("most-similar-last", "most-similar-first"):
        tokens, stats = prompts_of(tmp_path, checkpoint, Examples(2, "similar", order))
        texts[order] = tokenizer.decode(tokens[0].prompt, skip_special_tokens=True)
        assert stats["examples"]["prompts_by_count"] == {"2": len(TEST)}
    first, second = (
        f"<|user|> {TRAIN[one].request} <|end|> <|assistant|> {TRAIN[one].output} <|end|>\n" for one in ids
    )
    asked = f"<|user|> {TEST[0].request} <|end|> <|assistant|>"
    assert texts == {"most-similar-first": first + second + asked, "most-similar-last": second + first + asked}


def test_examples_of_a_chat_are_earlier_turns(choose, tmp_path, checkpoints):
    checkpoint = checkpoints / "qwen2.5-1.5b"
    tokenizer = load_tokenizer(checkpoint)
    drawn = choose(Examples(2, "random"), 5)["examples"][0]
    tokens, _ = prompts_of(tmp_path, checkpoint, Examples(2, "random"), "chat")
    by_id = {sample.id: sample for sample in (*TRAIN, NEAR, *TWINS)}
    turns = [
        {"role": role, "content": text}
        for one in drawn
        for role, text in (("user", by_id[one].request), ("assistant", by_id[one].output))
    ]
    turns.append({"role": "user", "content": TEST[0].request})
    expected = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert tokens[0].prompt == tokenizer(expected, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("how", ["random", "similar"])
def test_prompts_of_a_chosen_number_are_those_of_that_number(choose, tmp_path, checkpoints, how):
    checkpoint, several = checkpoints / "llama-3.2-1b", Examples(5, how, counts=[1, 3, 5])
    choose(Examples(3, how))
    expected, stats = prompts_of(tmp_path, checkpoint, Examples(3, how))
    choose(several)
    write_json(tmp_path / "count.json", to_plain(CountFacts("rouge_l", "a signature", 10, [], 3)))
    found, chosen = prompts_of(tmp_path, checkpoint, several, count=str(tmp_path / "count.json"))
    assert found == expected
    assert chosen["examples"] == stats["examples"]


def test_the_turns_before_a_sample_stand_before_it_and_those_of_an_example_before_that(checkpoints):
    tokenizer = load_tokenizer(checkpoints / "llama-3.2-1b")
    template = serialisation_of(BUILT_IN["chat"], tokenizer)
    example = Sample(0, "third", "", "3", [["first", "1"], ["second", "2"]])
    asked = Sample(1, "fifth", "x", "5", [["fourth", "4"]])
    said = ["first", "1", "second", "2", "third", "3", "fourth", "4", "fifth\nx"]
    turns = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]
    expected = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert template.prompt(asked, [example]) == expected
    [tokens] = encode([asked], tokenizer, template)
    alone = tokenizer.apply_chat_template(turns[6:], tokenize=False, add_generation_prompt=True)
    assert tokens.prompt == tokenizer(alone, add_special_tokens=False)["input_ids"]


def test_a_template_without_turns_refuses_conversations_of_several(checkpoints):
    tokenizer = load_tokenizer(checkpoints / "llama-3.2-1b")
    template = serialisation_of(BUILT_IN["paper"], tokenizer)
    samples = [Sample(3, "a", "", "b"), Sample(4, "a", "", "b", [["c", "d"]])]
    with pytest.raises(StudyError, match="1 samples, the first of them sample 4, are .* template 'paper' does not"):
        encode(samples, tokenizer, template)
    with pytest.raises(StudyError, match="1 samples, the first of them sample 4"):
        encode(samples[:1], tokenizer, template, [samples[1:]])


def test_a_chat_template_that_changes_earlier_turns_is_refused(checkpoints):
    tokenizer = load_tokenizer(checkpoints / "qwen2.5-1.5b")
    tokenizer.chat_template = (
        "{% for m in messages[-2:] %}<{{ m['role'] }}>{{ m['content'] }}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    with pytest.raises(StudyError, match="changes earlier turns, or leaves some out"):
        serialisation_of(BUILT_IN["chat"], tokenizer).prompt(TEST[0], TRAIN[:2])


def test_the_tokens_with_which_all_prompts_begin_are_counted(choose, tmp_path, checkpoints):
    choose(Examples(3, "random"))
    tokens, stats = prompts_of(tmp_path, checkpoints / "llama-3.2-1b", Examples(3, "random"))
    common = stats["examples"]["common_tokens"]
    assert len({tuple(sample.prompt[:common]) for sample in tokens}) == 1
    assert len({tuple(sample.prompt[: common + 1]) for sample in tokens}) > 1
    total = sum(len(sample.prompt) for sample in tokens)
    assert stats["examples"]["common_share"] == round(common * len(tokens) / total, 4)
    assert stats["examples"]["common_share"] > 0.5


@pytest.mark.parametrize("context", [1, 60, 120, 200, 400])
@pytest.mark.parametrize("how", ["random", "similar"])
def test_a_prompt_has_as_many_examples_as_fit_the_first_ones(checkpoints, context, how):
    template = serialisation_of(BUILT_IN["paper"], load_tokenizer(checkpoints / "llama-3.2-1b"))
    settings, asked = Examples(6, how), TEST[:4]
    examples = [[TRAIN[10 + place + number] for number in range(6)] for place in range(4)]
    tokens, counts = encode_that_fit(asked, examples, settings, template, context)
    for place, count in enumerate(counts):
        for number in (count, count + 1):
            (alone,), _ = encode_that_fit([asked[place]], [examples[place][:number]], settings, template, None)
            if number == count:
                assert alone == tokens[place]
                assert count == 0 or len(alone.prompt) <= context
            elif number <= 6:
                assert len(alone.prompt) > context
    assert encode_that_fit(asked, examples, settings, template, None)[1] == [6] * 4


def test_prompts_with_fewer_examples_are_counted_and_told(choose, tmp_path, checkpoints, capsys):
    short = shutil.copytree(checkpoints / "llama-3.2-1b", tmp_path / "short")
    config = read_json(short / "config.json")
    (short / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 160}))
    choose(Examples(6, "random"))
    tokens, stats = prompts_of(tmp_path, short, Examples(6, "random"), room=40)
    counted = {int(count): number for count, number in stats["examples"]["prompts_by_count"].items()}
    assert sum(counted.values()) == len(TEST)
    fewer = sum(number for count, number in counted.items() if count < 6)
    assert fewer > 0
    assert f"prompts with fewer than 6 examples, for want of room in the context: {fewer}" in capsys.readouterr().out
    assert all(len(sample.prompt) <= 120 for sample in tokens)


def test_a_generation_knows_the_samples_that_examples_are_of(choose, tmp_path, checkpoints):
    choose(Examples(1, "random"))
    _, stats = prompts_of(tmp_path, checkpoints / "llama-3.2-1b", Examples(1, "random"))
    found = check_tokens(str(tmp_path / "stats.json"), prompts=str(tmp_path / "prompts.arrow"))
    assert found["examples_samples"] == sha256_of_samples([*TRAIN, NEAR, *TWINS])
    assert found["prompts_samples"] == stats["samples_sha256"]["prompts"] == sha256_of_samples(TEST)
