"""Chat templates give the same prompts on every day, in every zone and in every process, or are refused."""

import os
import random
import subprocess
import sys
import time

import pytest
from codetune.base.errors import StudyError
from codetune.base.files import read_json, write_json
from codetune.data.samples import Sample
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts import rendering
from codetune.prompts.serialising import serialisation_of
from codetune.prompts.tokenizing import describe_template
from codetune.study.template import BUILT_IN
from conftest import ROOT
from small_tokenizers import make_tokenizer, turns

SAMPLE = Sample(7, "Sort", "", "x")
TURNS = turns("<|user|>X<eos>", "<|assistant|>X<eos>", "<|assistant|>")

DATES = {
    "as Granite's": "{{ strftime_now('%B %d, %Y') }}",
    "the time": "{{ strftime_now('%Y-%m-%d %H:%M:%S.%f') }}",
    "seconds since 1970, which depend on the zone": "{{ strftime_now('%s') }}",
    "the zone": "{{ strftime_now('%Z%z%c%x%X') }}",
    "as Llama's": "{% if not date_string is defined %}{{ strftime_now('%d') }}{% else %}{{ date_string }}{% endif %}",
    "in a macro": "{% macro day() %}{{ strftime_now('%A') }}{% endmacro %}{{ day() }}",
    "names that nothing gives": "{{ today | default('never') }}{{ current_date }}{{ date }}{{ now }}{{ time }}",
    "the day's parity": "{% if strftime_now('%d') | int is odd %}odd{% else %}even{% endif %}",
}


def describe(folder, date, zone):
    """Describes a template in a process whose clock shows a date in a zone."""
    code = f"""
import datetime, sys, time
class Another(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromisoformat({date!r}).replace(tzinfo=tz)
datetime.datetime = Another
time.time = lambda: Another.now().timestamp()
from codetune.models.tokenizers import load_tokenizer
from codetune.prompts.serialising import serialisation_of
from codetune.study.template import BUILT_IN
for folder in sys.argv[1:]:
    template = serialisation_of(BUILT_IN["chat"], load_tokenizer(folder))
    print(template.sha256)
"""
    environment = {**os.environ, "TZ": zone, "PYTHONHASHSEED": "random", "LC_ALL": "C.UTF-8"}
    folders = [str(path) for path in sorted(folder.iterdir())]
    done = subprocess.run(
        [sys.executable, "-c", code, *folders],
        env=environment,
        cwd=ROOT / "workflow/scripts",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_no_day_and_no_zone_shows_in_a_prompt(tmp_path):
    for kind, source in DATES.items():
        make_tokenizer(tmp_path / kind, source + TURNS)
    first = describe(tmp_path, "2026-11-26T23:59:58", "Pacific/Kiritimati")
    assert describe(tmp_path, "2031-02-03T04:05:06", "Pacific/Pago_Pago") == first
    assert len(first) == len(DATES)


def test_a_template_sees_the_fixed_day(tmp_path):
    tokenizer = make_tokenizer(tmp_path, "{{ strftime_now('%d %b %Y') }}" + TURNS)
    assert serialisation_of(BUILT_IN["chat"], tokenizer).prompt(SAMPLE).startswith(rendering.FIXED_DATE)
    assert tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False)[:11] == time.strftime(
        "%d %b %Y"
    )  # this process keeps its clock


@pytest.mark.parametrize("drawn", ["['a', 'b'] | random", "lipsum(n=1)", "range(9) | list | random", "'abc' | random"])
def test_a_template_that_draws_at_random_is_one_line(tmp_path, drawn):
    template = serialisation_of(BUILT_IN["chat"], make_tokenizer(tmp_path, f"{{{{ {drawn} }}}}" + TURNS))
    with pytest.raises(StudyError, match=r"cannot be rendered \(line 1\): ValueError: it draws at random\. In"):
        template.prompt(SAMPLE)
    assert random.choice([1]) == 1  # this process keeps its chances


ADDRESSES = {
    "a generator": "{{ messages | map(attribute='role') }}",
    "a method": "{{ messages[0].items }}",
    "the last digits of one": "{{ (messages[0].items | string)[-5:] }}",
}


@pytest.mark.parametrize("kind", ADDRESSES)
def test_a_template_that_shows_addresses_is_one_line(tmp_path, kind):
    tokenizer = make_tokenizer(tmp_path, ADDRESSES[kind] + TURNS)
    with pytest.raises(StudyError, match="does not give the same text twice: it depends on chance or on addresses in"):
        describe_template(serialisation_of(BUILT_IN["chat"], tokenizer), tokenizer)


@pytest.mark.parametrize(
    "source",
    ["messages[0].keys() | list", "cycler ~ undefined ~ 1.0 / 3"],
)
def test_what_is_the_same_everywhere_is_taken(tmp_path, source):
    tokenizer = make_tokenizer(tmp_path, f"{{{{ {source} }}}}" + TURNS)
    assert describe_template(serialisation_of(BUILT_IN["chat"], tokenizer), tokenizer)["template"] == "chat"


def test_of_named_templates_the_default_is_rendered_again(tmp_path):
    make_tokenizer(tmp_path, TURNS)
    (tmp_path / "chat_template.jinja").unlink(missing_ok=True)
    settings = read_json(tmp_path / "tokenizer_config.json")
    named = [{"name": "default", "template": TURNS}, {"name": "tool_use", "template": "{{ [1, 2] | random }}"}]
    write_json(tmp_path / "tokenizer_config.json", {**settings, "chat_template": named})
    tokenizer = load_tokenizer(tmp_path)
    assert describe_template(serialisation_of(BUILT_IN["chat"], tokenizer), tokenizer)["template"] == "chat"


def test_a_second_process_that_fails_is_one_line(tmp_path, monkeypatch):
    tokenizer = make_tokenizer(tmp_path, TURNS)
    monkeypatch.setattr(rendering, "ANOTHER_PROCESS", "raise OSError('no memory')")
    with pytest.raises(
        StudyError, match="renders chat templates again failed: OSError: no memory. Run the same command"
    ):
        serialisation_of(BUILT_IN["chat"], tokenizer).check_repeatable()
