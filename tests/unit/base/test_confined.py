"""Calls in a process of their own: what they return and raise, and how they end when they would not end."""

import ctypes
import os
import signal
import time

import pytest
from codetune.base import confined
from codetune.base.confined import Confined, ExceededError
from codetune.base.errors import StudyError


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(confined, "SECONDS", 0.2)
    monkeypatch.setattr(confined, "MEMORY", 100 << 20)


def spin():
    while True:
        pass


def deep():
    return ctypes.string_at(0)  # what a stack that is too deep does in C


def recurse():
    return recurse()


def do(what, *arguments):
    return what(*arguments)


def test_a_call_returns_and_raises_as_the_function_does(short):
    call = Confined(do)
    assert [call(max, 3, number) for number in range(6)] == [3, 3, 3, 3, 4, 5]
    with pytest.raises(StudyError, match="no such thing"):
        call(fail)
    with pytest.raises(RecursionError):
        call(recurse)
    assert call(max, 1, 2) == 2


def fail():
    raise StudyError("no such thing")


def test_calls_share_one_process_and_it_is_not_this_one(short):
    call = Confined(do)
    first = call(os.getpid)
    assert first == call(os.getpid) != os.getpid()


@pytest.mark.parametrize(
    ("what", "arguments", "reason"),
    [
        (spin, (), "takes more than"),
        (bytes, (10**10,), "memory"),
        (sorted, (range(10**8),), "takes more than|memory"),  # C code that no handler of signals interrupts
        (deep, (), "crashes"),
        (os.abort, (), "crashes"),
    ],
)
def test_a_call_without_an_end_is_ended_and_the_next_one_is_answered(short, what, arguments, reason):
    call = Confined(do)
    assert call(max, 1, 2) == 2
    with pytest.raises(ExceededError, match=reason):
        call(do, what, *arguments)
    assert call(max, 1, 2) == 2


def test_a_process_that_somebody_else_ended_is_no_answer(short):
    call = Confined(do)
    for number in (signal.SIGKILL, signal.SIGTERM):
        with pytest.raises(StudyError, match=f"ended from outside .{number.name}."):
            call(kill_self, number)
    assert call(max, 1, 2) == 2


def kill_self(number):
    os.kill(os.getpid(), number)
    time.sleep(5)


def test_ctrl_c_is_left_to_the_other_process(short):
    call = Confined(do)
    assert call(os.kill, call(os.getpid), signal.SIGINT) is None
    assert call(max, 1, 2) == 2


def test_the_process_ends_with_what_it_serves(short):
    call = Confined(do)
    process = call(os.getpid)
    del call
    for _ in range(100):
        if os.waitpid(process, os.WNOHANG)[0]:
            return
        time.sleep(0.05)
    pytest.fail("the process goes on")
