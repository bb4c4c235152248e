"""Answers that attack: the machine that runs them (HARMFUL) and the tests that judge them (DECEIVING).

Each defines `double`, which tests expect to double a number. A harmful one does so only if its attack has worked, so
that it passes only then; in its code FILE is a file with a secret, and FOLDER a folder in which nothing may appear. A
deceiving one never gives the right number.
"""


def _if_it_works(attack: str, before: str = "import os, sys") -> str:
    """An answer that is right if `attack`, an expression, is true."""
    return f"{before}\n\ndef double(number):\n    return 2 * number if {attack} else None\n"


def _after(*lines: str, before: str = "import os, sys") -> str:
    """An answer that is right if these lines run to their end."""
    body = "".join(f"    {line}\n" for line in lines)
    return f"{before}\n\ndef double(number):\n{body}    return 2 * number\n"


def _instead(*lines: str, before: str = "import os, sys, builtins") -> str:
    """An answer that runs these lines in place of an answer."""
    return f"{before}\n\ndef double(number):\n" + "".join(f"    {line}\n" for line in lines)


HARMFUL = {
    # Reading what is not theirs.
    "reads a file": _if_it_works("open('FILE').read()"),
    "reads a file by its descriptor": _if_it_works("os.read(os.open('FILE', os.O_RDONLY), 9)"),
    "reads through a relative path": _if_it_works("open('../../../../../../../..FILE').read()"),
    "reads through its own folder": _if_it_works("open('./FILE').read()"),
    "reads by io": _if_it_works("io.open_code('FILE').read()", "import io"),
    "reads by pathlib": _if_it_works("pathlib.Path('FILE').read_bytes()", "import pathlib"),
    "reads the passwords": _if_it_works("open('/etc/passwd').read()"),
    "reads its own process": _if_it_works("open('/proc/self/environ').read()"),
    "reads the memory": _if_it_works("open('/dev/mem', 'rb').read(1)"),
    "asks for a file": _if_it_works("os.path.exists('FILE')"),
    "asks for its size": _if_it_works("os.stat('FILE').st_size"),
    "lists a folder": _if_it_works("'secret' in os.listdir('FOLDER')"),
    "lists all": _if_it_works("set(os.listdir('/')) & {'etc', 'home', 'tmp', 'usr'}"),
    "lists by glob": _if_it_works("glob.glob('FOLDER/*')", "import glob"),
    "walks": _if_it_works("[found for found in os.walk('FOLDER')]"),
    "reads the environment": _if_it_works("'PATH' in os.environ or 'HOME' in os.environ"),
    "reads all descriptors": _instead(
        "for number in range(3, 200):",
        "    try:",
        "        if os.read(number, 10): return 2 * number",
        "    except OSError: pass",
    ),
    "reads the standard input": _if_it_works("sys.stdin.read()"),
    "asks for the user": _if_it_works("os.getuid() is not None"),
    "asks for the machine": _if_it_works("os.uname().nodename not in ('', '(none)', 'localhost')"),
    "imports the library": _if_it_works("study", "import codetune.study.study as study"),
    # Writing what is not theirs.
    "writes a file": _after("open('FOLDER/written', 'w').write('x')"),
    "writes by its descriptor": _after("os.write(os.open('FOLDER/written', os.O_CREAT | os.O_WRONLY), b'x')"),
    "appends": _after("open('FILE', 'a').write('x')"),
    "empties": _after("os.truncate('FILE', 0)"),
    "deletes": _after("os.remove('FILE')"),
    "deletes a tree": _after("shutil.rmtree('FOLDER')", before="import shutil"),
    "renames": _after("os.rename('FILE', 'FOLDER/written')"),
    "makes a folder": _after("os.mkdir('FOLDER/written')"),
    "makes a link": _after("os.symlink('FILE', 'FOLDER/written')"),
    "makes a hard link": _after("os.link('FILE', 'FOLDER/written')"),
    "makes a temporary file": _after("tempfile.NamedTemporaryFile(delete=False)", before="import tempfile"),
    "changes the mode": _if_it_works("os.chmod('FILE', 0) is None and os.path.exists('FILE')"),
    "writes a data base": _after(
        "sqlite3.connect('FOLDER/written').execute('create table t (x)')", before="import sqlite3"
    ),
    # Processes, signals, the network.
    "forks": _after("os.fork()"),
    "a fork bomb": _after("while True: os.fork()"),
    "runs a command": _after("if os.system('touch FOLDER/written'): raise OSError"),
    "runs a program": _after("subprocess.run(['touch', 'FOLDER/written'], check=True)", before="import subprocess"),
    "becomes a program": _after("os.execv('/bin/sh', ['sh', '-c', 'touch FOLDER/written'])"),
    "spawns": _after("os.posix_spawn('/bin/sh', ['sh'], {})"),
    "kills its parent": _after("os.kill(os.getppid(), 9)"),
    "signals its group": _after("os.killpg(0, 15)"),
    "starts a thread": _after("threading.Thread(target=print).start()", before="import threading"),
    "starts processes": _after("multiprocessing.Pool(4)", before="import multiprocessing"),
    "opens a socket": _after("socket.socket().connect(('127.0.0.1', 80))", before="import socket"),
    "listens": _after("socket.create_server(('', 0))", before="import socket"),
    "fetches a page": _after(
        "urllib.request.urlopen('http://127.0.0.1').read()", before="import urllib.request"
    ),
    "calls C": _after("ctypes.CDLL(None).getpid()", before="import ctypes"),
    "maps memory": _after("mmap.mmap(-1, 1 << 20)", before="import mmap"),
    "raises its limits": _after("resource.setrlimit(resource.RLIMIT_AS, (-1, -1))", before="import resource"),
    # More than its share.
    "never ends": _after("while True: pass"),
    "never ends and catches all": _instead(
        "while True:", "    try:", "        while True: pass", "    except BaseException: pass"
    ),
    "never ends in C": _after("pow(3, 10**9)", before=""),
    "never ends in a pattern": _after("re.match('(a+)+b', 'a' * 60)", before="import re"),
    "sleeps after it loops": _after("while time.time() < time.time() + 1: time.sleep(10**6)", before="import time"),
    "takes all memory": _after("return bytes(1 << 30)", before=""),
    "takes all memory bit by bit": _after("kept = []", "while True: kept.append(bytes(1 << 24))", before=""),
    "takes all memory in one number": _after("1 << (1 << 33)", before=""),
    "floods": _after("while True: os.write(1, b'x' * (1 << 20))"),
    "floods with lines": _after("for _ in range(1 << 16): os.write(1, b'\\n' * 4096)"),
    "floods the errors": _after("while True: os.write(2, b'x' * (1 << 20))"),
    "floods by its result": _instead("return 'x' * (1 << 25)"),
    "crashes by recursion": _instead("sys.setrecursionlimit(1 << 30)", "return double(number)"),
    "crashes by nesting": _instead("value = []", "for _ in range(1 << 17): value = [value]", "return value"),
    "crashes by code": _after("eval('(' * 5000 + ')' * 5000)", before=""),
    "crashes by its bytes": _instead(
        "code = double.__code__.replace(co_code=bytes([100, 255] * 40))", "return eval(code)", before=""
    ),
}  # fmt: skip
DECEIVING = {
    "ends early": _instead("sys.exit(0)"),
    "ends at once": _instead("os._exit(0)"),
    "ends when it is read": "import os\nvalue = os._exit(0)\n\ndef double(number):\n    return value\n",
    "raises what ends": _instead("raise SystemExit(0)"),
    "raises an interrupt": _instead("raise KeyboardInterrupt"),
    "raises what tests raise": _instead("raise AssertionError"),
    "stops a generator": _instead("raise StopIteration"),
    "says that it passed": _instead("os.write(1, b'passed\\n')", "os._exit(0)"),
    "says so on all descriptors": _instead("for one in range(3): os.write(one, b'passed\\n')", "return 0"),
    "forges results": _instead("os.write(1, b\"('returned', True,)\\n\" * 9)", "return 0"),
    "forges a verdict in its result": _instead("return 'passed\\n'"),
    "forges a result of a class": _instead("os.write(1, b\"('returned', inert('int'),)\\n\" * 9)", "os._exit(0)"),
    "forges code in its result": _instead(
        "os.write(1, b\"('returned', __import__('os')._exit(0),)\\n\" * 9)", "os._exit(0)"
    ),
    "is equal to all": "class All:\n    def __eq__(self, other):\n        return True\n    __hash__ = None\n\n"
    "def double(number):\n    return All()\n",
    "is a number that is equal to all": "class All(int):\n    def __eq__(self, other):\n        return True\n"
    "    __hash__ = int.__hash__\n\ndef double(number):\n    return All(0)\n",
    "has a type that lies": "class Kind(type):\n    __name__ = 'int'\n\nclass All(metaclass=Kind):\n"
    "    __class__ = int\n    def __eq__(self, other):\n        return True\n\ndef double(number):\n    return All()\n",
    "is true of all": "class All:\n    def __getattr__(self, name):\n        return lambda *_: True\n\n"
    "def double(number):\n    return All()\n",
    "patches a type": _instead("builtins.int = builtins.type = lambda *_: True", "return 0"),
    "patches equality": _instead("import operator", "operator.eq = lambda *_: True", "return 0"),
    "patches the assertion": _instead("builtins.AssertionError = type('Fine', (Exception,), {})", "return 0"),
    "patches all that is loaded": _instead(
        "for module in list(sys.modules.values()):",
        "    for name in list(vars(module)):",
        "        if name in ('encode', 'decode', 'main', 'tell'): setattr(module, name, lambda *_, **__: 'passed')",
        "return 0",
    ),
    "patches its caller": _instead("sys._getframe(1).f_globals['encode'] = lambda *_, **__: '4'", "return 0"),
    "looks for the expected number": _instead(
        "frame = sys._getframe(1)",
        "while frame:",
        "    for value in list(frame.f_locals.values()):",
        "        if type(value) is int and value > number: return value",
        "    frame = frame.f_back",
    ),
    "looks for the tests": _instead(
        "import gc",
        "for one in gc.get_objects():",
        "    if isinstance(one, dict) and 'tests' in one: return eval(one['tests'].split('== ')[1])",
    ),
    "writes at exit": _instead("import atexit", "atexit.register(os.write, 1, b'passed\\n')", "return 0"),
    "traces": _instead("sys.settrace(lambda *_: os._exit(0))", "return 0"),
    "writes from a deleter": "import os\n\nclass Last:\n    def __del__(self):\n        os.write(1, b'passed\\n')\n\n"
    "kept = Last()\n\ndef double(number):\n    return kept\n",
    "gives a generator that never ends": _instead("import itertools", "yield from itertools.count()"),
    "gives itself": _instead("return double"),
    "gives a value that holds itself": _instead("value = []", "value.append(value)", "return value"),
    "gives what is no number": _instead("return float('nan')"),
    "gives nothing": _instead("pass"),
    "closes the output": _instead("os.close(1)", "return 0"),
    "says nothing": "double = 4\n",
}  # fmt: skip
