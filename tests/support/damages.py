"""Ways in which files are damaged, or of another shape than they should be."""

import json
import random
import struct

BROKEN = {
    "empty": b"",
    "bytes": random.Random(0).randbytes(400),
    "zeros": bytes(400),
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "half": b'{"a": [1, ',
    "a page": b"<html>log in</html>",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "5,000 digits": b"9" * 5000,
}
OTHER_SHAPES = {
    "null": b"null",
    "true": b"true",
    "a number": b"5",
    "NaN": b"NaN",
    "a text": b'"x"',
    "a list": b"[]",
    "lists": b"[[]]",
    "a list of null": b"[null]",
}
VALUES = (None, "x", -1, 1.5, float("nan"), [], {}, 10**30, True)


def damage(path, content):
    """Puts something else in a file's place: bytes, or a folder, or nothing."""
    path.unlink()
    if content == "a folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)


def without(value, *keys):
    """A copy of a JSON value that lacks one key."""
    return changed(value, keys[:-1], lambda inner: inner.pop(keys[-1]))


def with_value(value, *keys, put):
    """A copy of a JSON value with another value at one key."""
    return changed(value, keys[:-1], lambda inner: inner.update({keys[-1]: put}))


def changed(value, keys, change):
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in keys:
        inner = inner[key]
    change(inner)
    return copy


def keys_of(value, depth):
    """The ways to the keys of an object, and of the objects in it."""
    for key, inner in value.items():
        yield (key,)
        if depth > 1 and isinstance(inner, dict):
            yield from ((key, *more) for more in keys_of(inner, depth - 1))


def safetensors_damages(raw):
    """A file of weights, damaged in its head and body."""
    length = struct.unpack("<Q", raw[:8])[0]
    head, body = json.loads(raw[8 : 8 + length]), raw[8 + length :]
    name = next(key for key in head if key != "__metadata__")

    def with_entry(**fields):
        text = json.dumps({**head, name: {**head[name], **fields}}).encode()
        return struct.pack("<Q", len(text)) + text + body

    return {
        "empty": b"",
        "only a length": raw[:8],
        "half a head": raw[: 8 + length // 2],
        "no body": raw[: 8 + length],
        "half": raw[: len(raw) // 2],
        "a byte less": raw[:-1],
        "zeros": bytes(len(raw)),
        "bytes": random.Random(0).randbytes(2000),
        "a pickle": b"\x80\x04\x95" + raw[:500],
        "a page": b"<html>log in</html>" * 20,
        "a head of 2^60 bytes": struct.pack("<Q", 2**60) + raw[8:],
        "a head that is a list": struct.pack("<Q", 2) + b"[]" + body,
        "a head without tensors": struct.pack("<Q", 2) + b"{}",
        "a head of null": struct.pack("<Q", 4) + b"null" + body,
        "another type": with_entry(dtype="Q9"),
        "another shape than bytes": with_entry(shape=[3, 3]),
        "a place outside": with_entry(data_offsets=[0, 10**12]),
        "a negative place": with_entry(data_offsets=[-4, 0]),
        "an entry that is null": with_entry(shape=None),
    }
