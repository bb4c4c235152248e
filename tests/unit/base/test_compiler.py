"""The C compiler that kernels for GPUs need: missing, broken, or without its headers."""

import sysconfig

import pytest
from codetune.base.compiler import check_c_compiler
from codetune.base.errors import StudyError


@pytest.fixture(autouse=True)
def programs(tmp_path, monkeypatch):
    """A folder that is all of PATH, and no CC."""
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def add(programs, name, script):
    (programs / name).write_text(f"#!/bin/sh\n{script}\n")
    (programs / name).chmod(0o755)


def test_no_compiler_is_an_error_that_says_what_to_install():
    with pytest.raises(StudyError, match=r"there is no gcc and no clang\. Install .*python3-dev.*c-compiler.* CC"):
        check_c_compiler()


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_gcc_and_clang_will_do(programs, compiler):
    add(programs, compiler, f'printf "%s " "$@" > {programs}/asked')
    check_c_compiler()
    assert f"-I{sysconfig.get_paths()['include']} " in (programs / "asked").read_text()


@pytest.mark.parametrize("named", ["", "gcc-99", "ccache gcc", "/nowhere/cc"])
def test_what_cc_names_has_to_be_there_though_gcc_is(programs, monkeypatch, named):
    add(programs, "gcc", "exit 0")
    monkeypatch.setenv("CC", named)
    with pytest.raises(StudyError, match=f"CC names '{named}', which is no program"):
        check_c_compiler()


def test_cc_comes_before_gcc(programs, monkeypatch):
    add(programs, "gcc", "exit 1")
    add(programs, "x86_64-conda-linux-gnu-cc", "exit 0")
    monkeypatch.setenv("CC", "x86_64-conda-linux-gnu-cc")
    check_c_compiler()


def test_a_compiler_without_headers_is_named_with_what_it_says(programs):
    message = "kernel.c:3:10: fatal error: Python.h: No such file or directory"
    add(programs, "gcc", f"echo In file included from x: >&2; echo '{message}' >&2; exit 1")
    with pytest.raises(StudyError, match=rf"{programs}/gcc fails \({message}\)\. Install one with Python's headers"):
        check_c_compiler()


def test_a_compiler_that_cannot_be_started_is_named(programs):
    (programs / "gcc").write_text("")
    (programs / "gcc").chmod(0o755)
    add(programs, "gcc", "")
    (programs / "gcc").write_text("#!/nowhere/sh\n")
    with pytest.raises(StudyError, match="gcc cannot be started"):
        check_c_compiler()
