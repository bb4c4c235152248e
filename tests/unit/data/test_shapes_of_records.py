"""Where request and answer stand in records: by the config's mapping, or by what the records look like."""

import json

import pytest
from codetune.base.errors import StudyError
from codetune.data.reading import import_dataset, read_records
from codetune.data.samples import sha256_of_records
from codetune.data.shapes import find_records
from codetune.study.dataset import Published
from codetune.study.model import Source

ADD = {"instruction": "Add a and b", "input": "", "output": "a + b"}
USER, ANSWER = {"role": "user", "content": "Add a and b"}, {"role": "assistant", "content": "a + b"}
HUMAN, GPT = {"from": "human", "value": "Add a and b"}, {"from": "gpt", "value": "a + b"}
SYSTEM = {"role": "system", "content": " Write Python.\n"}
WITH_SYSTEM = {**ADD, "instruction": "Write Python.\n\nAdd a and b"}


def write(folder, *rows):
    path = folder / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def told(folder, *rows, fields=None):
    """The one line in which records are refused."""
    path = write(folder, *rows)
    with pytest.raises(StudyError) as error:
        import_dataset([path], Published(Source(str(path)), fields=fields), folder / "out.jsonl")
    assert "\n" not in str(error.value)
    return str(error.value).replace(str(path), "data.jsonl")


KNOWN = {
    "alpaca": ADD,
    "alpaca without input": {"instruction": "Add a and b", "output": "a + b"},
    "alpaca with null": {**ADD, "input": None},
    "alpaca with its prompt": {**ADD, "prompt": "Below is an instruction ...", "text": "Below ... a + b"},
    "messages": {"messages": [USER, ANSWER]},
    "messages with null system": {"messages": [{"role": "system", "content": ""}, USER, ANSWER]},
    "messages of parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Add a and b"}]}, ANSWER]},
    "messages beside a prompt": {"prompt": "Add a and b", "prompt_id": "1", "messages": [USER, ANSWER]},
    "conversations": {"id": "x", "conversations": [HUMAN, GPT]},
    "conversations by role": {"conversations": [USER, ANSWER]},
    "prompt and completion": {"prompt": "Add a and b", "completion": "a + b"},
    "prompt and completion as turns": {"prompt": [USER], "completion": [ANSWER]},
    "nl and cmd": {"nl": "Add a and b", "cmd": "a + b", "question_id": 1},
    "question and answer": {"question": "Add a and b", "answer": "a + b"},
}


@pytest.mark.parametrize("record", KNOWN.values(), ids=KNOWN)
def test_known_shapes_need_no_mapping(tmp_path, record):
    assert read_records(write(tmp_path, record, record)) == [ADD, ADD]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_a_system_turn_stands_before_the_request(tmp_path, role):
    assert read_records(write(tmp_path, {"messages": [{**SYSTEM, "role": role}, USER, ANSWER]})) == [WITH_SYSTEM]


MAPPED = {
    "fallback": (
        {"instruction": ["rewritten", "intent"], "output": ["snippet"]},
        [
            {"rewritten": None, "intent": "Add a and b", "snippet": "a + b"},
            {"rewritten": "Add a and b", "snippet": "a + b"},
        ],
    ),
    "fallback of an empty one": (
        {"instruction": ["rewritten", "intent"], "output": ["snippet"]},
        [{"rewritten": " ", "intent": "Add a and b", "snippet": "a + b"}],
    ),
    "input": (
        {"instruction": ["task"], "input": ["context"], "output": ["code"]},
        [
            {"task": "Add a and b", "context": None, "code": "a + b"},
            {"task": "Add a and b", "context": "", "code": "a + b"},
        ],
    ),
    "chosen": (
        {"instruction": ["prompt"], "output": ["chosen"]},
        [{"prompt": "Add a and b", "chosen": "a + b", "rejected": ""}],
    ),
    "turns": ({"messages": ["chosen"]}, [{"chosen": [USER, ANSWER], "rejected": [USER]}]),
    "texts beside images": (
        {"instruction": ["question"], "output": ["answer"]},
        [{"question": "Add a and b", "answer": "a + b", "image": {"bytes": "iVBOR"}}],
    ),
    "one of two shapes": (
        {"instruction": ["question"], "output": ["answer"]},
        [{"prompt": "x", "completion": "y", "question": "Add a and b", "answer": "a + b"}],
    ),
}


@pytest.mark.parametrize(("fields", "rows"), MAPPED.values(), ids=MAPPED)
def test_a_mapping_says_where_they_stand(tmp_path, fields, rows):
    assert read_records(write(tmp_path, *rows), fields) == [ADD] * len(rows)


REFUSED = {
    "preferences": (
        {"prompt": "x", "chosen": "y", "rejected": "z"},
        "look like preferences, with a chosen and a rejected answer each. To train on the chosen ones, add "
        "`fields: {instruction: prompt, output: chosen}`.",
    ),
    "preferences as turns": (
        {"prompt": "x", "chosen": [USER, ANSWER], "rejected": [USER, ANSWER], "messages": [USER, ANSWER]},
        "add `fields: {messages: chosen}`.",
    ),
    "preferences without requests": (
        {"chosen": "Human: x", "rejected": "Human: y"},
        "Its requests stand in no field of their own",
    ),
    "images": (
        {"question": "x", "answer": "y", "image": {"bytes": "iVBOR", "path": None}},
        "the field 'image' holds images or the like, but only text can be trained on. To train on the texts alone, add "
        "`fields: {instruction: question, output: answer}`.",
    ),
    "images beside turns": (
        {"images": ["a.png"], "messages": [USER, ANSWER]},
        "the field 'images' holds images",
    ),
    "images in turns": (
        {"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "x"}]}, ANSWER]},
        "record 0: 'messages', turn 0: holds something else than text, as of an image",
    ),
    "plain text": (
        {"text": "def f(): ..."},
        "look like plain text (field 'text'), without a request that is answered. Write the requests into a field of "
        "their own, and add `fields: {instruction: request, output: text}`.",
    ),
    "plain text with facts": ({"text": "def f(): ...", "meta": {"url": "x"}, "n": 1}, "look like plain text"),
    "mbpp": (
        {"text": "x", "code": "y", "task_id": 1},
        "record 0: has the fields 'text', 'code', 'task_id'; which is the request and which the answer? Say so in the "
        "data set's entry, for example by `fields: {instruction: text, output: code}`",
    ),
    "humaneval": (
        {"task_id": "a", "prompt": "def", "canonical_solution": "x", "test": "t"},
        "`fields: {instruction: prompt, output: canonical_solution}`",
    ),
    "nothing known": ({"a": "x", "b": "y"}, "`fields: {instruction: <request>, output: <answer>}`"),
    "many fields": ({f"field{n}": "x" for n in range(40)}, "'field11' and 28 more; which"),
    "odd names": ({"a\nb": "x", "code": "y"}, "has the fields 'a\\nb', 'code'"),
    "no fields": ({}, "record 0: has no fields"),
    "two shapes": (
        {"prompt": "a", "completion": "b", "question": "c", "answer": "d"},
        "can be read in several ways; add to the data set's entry `fields: {instruction: prompt, output: completion}` "
        "or `fields: {instruction: question, output: answer}`.",
    ),
    "records within": (
        {"version": 1, "data": [ADD]},
        "an object whose field 'data' holds a list. If these are the records",
    ),
    "role": ({"messages": [{"role": "narrator", "content": "x"}, ANSWER]}, "turn 0: the role 'narrator' is unknown"),
    "no role": (
        {"messages": [{"content": "x"}, ANSWER]},
        "turn 0: neither 'role' and 'content' nor 'from' and 'value'",
    ),
    "role of another kind": ({"messages": [{"role": 1, "content": "x"}]}, "turn 0: the role '1' is unknown"),
    "number for text": ({"messages": [{"role": "user", "content": 1}, ANSWER]}, "turn 0: 'content' holds no text"),
    "null for a request": (
        {"messages": [{"role": "user", "content": None}, ANSWER]},
        "turn 0: 'content' holds no text",
    ),
    "text for turns": ({"messages": "Add"}, "record 0: 'messages' has to hold a list of turns"),
    "text in turns": ({"messages": ["Add", "a + b"]}, "turn 0: neither 'role' and 'content'"),
    "null for turns": ({"messages": None}, "record 0: 'messages' has to hold a list of turns"),
    "turns for a prompt alone": (
        {"prompt": [USER], "completion": "x"},
        "the field 'prompt' holds a list; text is needed",
    ),
    "number": ({"prompt": "x", "completion": 12}, "record 0: the field 'completion' holds a number; text is needed"),
}


@pytest.mark.parametrize(("record", "message"), REFUSED.values(), ids=REFUSED)
def test_other_data_are_refused_with_what_they_look_like_and_what_would_map_them(tmp_path, record, message):
    assert message in told(tmp_path, record)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"instruction": ["intents"], "output": ["snippet"]},
            "no record has the field 'intents', which the config's 'fields' names for instruction; did you mean "
            "'intent'? The fields that are there: 'intent', 'snippet'.",
        ),
        ({"instruction": ["intent"], "input": ["context"], "output": ["snippet"]}, "no record has the field 'context'"),
        ({"messages": ["turns"]}, "no record has the field 'turns'"),
        ({"messages": ["intent"]}, "record 0: 'intent' has to hold a list of turns"),
        ({"instruction": ["snippet"], "output": ["number", "intent"]}, "no record has the field 'number'"),
    ],
    ids=str,
)
def test_a_mapping_that_does_not_fit_is_told(tmp_path, fields, message):
    assert message in told(tmp_path, {"intent": "x", "snippet": "y"}, fields=fields)


def test_a_record_in_which_all_of_several_fields_are_null_is_named(tmp_path):
    fields = {"instruction": ["rewritten", "intent"], "output": ["snippet"]}
    rows = [{"rewritten": "x", "intent": "y", "snippet": "z"}, {"rewritten": None, "snippet": "z"}]
    assert "record 1: of the fields 'rewritten' and 'intent' none holds text" in told(tmp_path, *rows, fields=fields)


def test_an_instruction_of_all_records_stands_before_their_inputs(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_text(json.dumps({"prompt": "def f():", "solution": "    return 1"}))
    fields = {"input": ["prompt"], "output": ["solution"]}
    [record] = find_records(path, [json.loads(path.read_text())], fields, "Complete it.").records
    assert record == {"instruction": "Complete it.", "input": "def f():", "output": "    return 1"}


def test_an_input_may_be_a_list_of_lines_and_an_output_not():
    row = {"text": "Add.", "tests": ["assert 1", "assert 2"], "code": "x"}
    fields = {"instruction": ["text"], "input": ["tests"], "output": ["code"]}
    assert find_records("f", [row], fields).records[0]["input"] == "assert 1\nassert 2"
    with pytest.raises(StudyError, match="the field 'code' holds a list; text is needed"):
        find_records("f", [row | {"code": ["x"]}], fields)
    with pytest.raises(StudyError, match="the field 'tests' holds a list; text is needed"):
        find_records("f", [row | {"tests": ["x", 1]}], fields)


OTHERS = {
    "two requests at once": [USER, USER, ANSWER],
    "no answer": [USER],
    "no request": [ANSWER],
    "answer first": [ANSWER, USER],
    "system last": [USER, ANSWER, SYSTEM],
    "a tool": [
        USER,
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "3"},
        ANSWER,
    ],
    "nothing": [],
}


@pytest.mark.parametrize("turns", OTHERS.values(), ids=OTHERS)
def test_other_conversations_are_refused_and_counted_and_left_out_where_the_config_says_so(tmp_path, turns):
    rows = [{"messages": [USER, ANSWER]}, {"messages": turns}, {"messages": [SYSTEM, USER, ANSWER]}]
    assert (
        "1 of 3 records, the first of them record 1, are conversations of something else than requests and their "
        "answers. Add `keep: [one-turn]`"
    ) in told(tmp_path, *rows)
    path = write(tmp_path, *rows)
    facts = import_dataset([path], Published(Source(str(path)), keep=["one-turn"]), tmp_path / "out.jsonl")
    assert read_records(tmp_path / "out.jsonl") == [ADD, WITH_SYSTEM]
    assert (facts.records, facts.left_out) == (2, 1)


LAST = {"role": "assistant", "content": "the last answer"}


def test_of_several_turns_the_last_answer_is_the_output_and_what_stands_before_is_kept(tmp_path):
    path = write(tmp_path, {"messages": [USER, ANSWER]}, {"messages": [SYSTEM, USER, ANSWER, USER, LAST]})
    facts = import_dataset([path], Published(Source(str(path))), tmp_path / "out.jsonl")
    plain, several = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert "earlier" not in plain
    assert several["earlier"] == [[WITH_SYSTEM["instruction"], ANSWER["content"]]]
    assert (several["instruction"], several["output"]) == (USER["content"], LAST["content"])
    assert (facts.records, facts.left_out) == (2, None)
    facts = import_dataset([path], Published(Source(str(path)), keep=["one-turn"]), tmp_path / "out.jsonl")
    assert read_records(tmp_path / "out.jsonl") == [plain]
    assert (facts.records, facts.left_out) == (1, 1)


def test_earlier_turns_are_part_of_what_a_hash_is_of():
    record = {"instruction": "a", "input": "", "output": "b"}
    hashes = [sha256_of_records([record | more]) for more in ({}, {"earlier": [["c", "d"]]}, {"earlier": [["c", "e"]]})]
    assert len(set(hashes)) == 3
    assert sha256_of_records([record | {"earlier": None}]) == hashes[0]


def test_a_file_without_any_conversation_of_one_turn_is_refused(tmp_path):
    path = write(tmp_path, {"messages": [USER]})
    with pytest.raises(StudyError, match="none of its 1 records is one request with its answer"):
        import_dataset([path], Published(Source(str(path)), keep=["one-turn"]), tmp_path / "out.jsonl")


def test_files_of_the_public_sets_that_hold_no_pairs_are_refused_in_one_line(real):
    for name in (
        "mbpp/mbpp.jsonl",
        "mbpp/sanitized-mbpp.json",
        "humaneval/HumanEval.jsonl.gz",
        "mbpp-plus/MbppPlus.jsonl.gz",
    ):
        with pytest.raises(StudyError, match="record 0: has the fields .*`fields: {instruction: ") as error:
            read_records(real / name)
        assert "\n" not in str(error.value)
    with pytest.raises(StudyError, match="record 0"):
        read_records(real / "apps-sample" / "selected150.jsonl")
    with pytest.raises(StudyError, match="record 0: has the fields 'derived_from', "):
        read_records(real / "codealpacapy" / "candidates.json")


def test_mbpp_and_humaneval_are_read_with_the_mapping_that_is_proposed(real):
    assert len(read_records(real / "mbpp/mbpp.jsonl", {"instruction": ["text"], "output": ["code"]})) == 974
    human = read_records(
        real / "humaneval/HumanEval.jsonl.gz", {"instruction": ["prompt"], "output": ["canonical_solution"]}
    )
    assert len(human) == 164
