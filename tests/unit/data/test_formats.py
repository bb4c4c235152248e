"""Data files of every format, whole and broken: records or one line, never a traceback."""

import bz2
import csv
import gzip
import io
import json
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from codetune.base.errors import StudyError
from codetune.data.reading import import_dataset, read_records
from codetune.data.samples import sha256_of_records
from codetune.study.dataset import Published
from codetune.study.model import Source

RECORD = {"instruction": 'Add a, b\nand "c"', "input": "", "output": "a +\r\n b"}
OTHER = {"instruction": "Größe?", "input": "x;y", "output": "print('\U0001f600')"}
RECORDS = [RECORD, OTHER]
GZIP = gzip.compress(json.dumps(RECORDS).encode(), mtime=0)


def as_csv(rows=RECORDS, delimiter=",", ends="\r\n"):
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=delimiter, lineterminator=ends)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue().encode()


def as_parquet(columns=None):
    stream = io.BytesIO()
    table = pa.table(columns) if columns else pa.Table.from_pylist(RECORDS)
    pq.write_table(table, stream)
    return stream.getvalue()


def as_lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


WHOLE = {
    "data.json": json.dumps(RECORDS).encode(),
    "data.jsonl": as_lines(*RECORDS),
    "data.ndjson": as_lines(*RECORDS),
    "data": as_lines(*RECORDS),
    "data.json.gz": GZIP,
    "DATA.JSONL.GZ": gzip.compress(as_lines(*RECORDS)),
    "two-members.jsonl.gz": gzip.compress(as_lines(RECORD)) + gzip.compress(as_lines(OTHER)),
    "named-json.json": GZIP,
    "data.csv": as_csv(),
    "unix.csv": as_csv(ends="\n"),
    "marked.csv": b"\xef\xbb\xbf" + as_csv(),
    "data.csv.gz": gzip.compress(as_csv()),
    "data.tsv": as_csv(delimiter="\t"),
    "numbered.csv": as_csv([{"": str(n), **record} for n, record in enumerate(RECORDS)]),
    "data.parquet": as_parquet(),
    "train-00000-of-00001-0ab": as_parquet(),
    "large.parquet": as_parquet({key: pa.array([r[key] for r in RECORDS], pa.large_string()) for key in RECORD}),
    "dictionary.parquet": as_parquet({key: pa.array([r[key] for r in RECORDS]).dictionary_encode() for key in RECORD}),
    "null-input.parquet": as_parquet(
        {
            "instruction": [r["instruction"] for r in RECORDS],
            "input": [None, OTHER["input"]],
            "output": [r["output"] for r in RECORDS],
        }
    ),
    "more.parquet": as_parquet({**{key: [r[key] for r in RECORDS] for key in RECORD}, "score": [0.5, float("nan")]}),
}


@pytest.mark.parametrize("name", WHOLE)
def test_the_format_of_a_file_does_not_change_its_records(tmp_path, name):
    (tmp_path / name).write_bytes(WHOLE[name])
    assert read_records(tmp_path / name) == RECORDS


def test_a_cell_of_a_megabyte_is_read(tmp_path):
    long = {**RECORD, "output": "x" * 1_000_000}
    (tmp_path / "data.csv").write_bytes(as_csv([long]))
    assert read_records(tmp_path / "data.csv") == [long]


HEADER = b"instruction,input,output\n"
BROKEN = {
    "truncated.json.gz": (GZIP[:-12], "not a whole gzip file (Compressed file ended before"),
    "first-half.jsonl.gz": (GZIP[: len(GZIP) // 2], "not a whole gzip file"),
    "flipped.json.gz": (GZIP[:20] + bytes([GZIP[20] ^ 255]) + GZIP[21:], "not a whole gzip file"),
    "wrong-sum.json.gz": (GZIP[:-8] + b"\0" * 8, "not a whole gzip file (CRC check failed"),
    "garbage-after.json.gz": (GZIP + b"more", "not a whole gzip file (Not a gzipped file"),
    "no-body.json.gz": (b"\x1f\x8b", "not a whole gzip file"),
    "plain.json.gz": (json.dumps(RECORDS).encode(), "not packed with gzip, whatever its name says"),
    "twice.json.gz": (gzip.compress(GZIP), "holds a file that is packed itself"),
    "parquet.gz": (gzip.compress(as_parquet()), "holds a file that is packed itself"),
    "empty.json.gz": (gzip.compress(b""), "holds no records"),
    "empty.csv": (b"", "holds no records"),
    "empty.parquet": (b"", "not a Parquet file, whatever its name says"),
    "header.csv": (HEADER, "holds no records"),
    "no-rows.parquet": (as_parquet({"instruction": pa.array([], pa.string())}), "holds no records"),
    "ragged.csv": (HEADER + b"a,,b\na,b\n", "line 3: 2 cells in a row, but the header has 3. Put cells"),
    "unquoted-comma.csv": (HEADER + b"Add a, b,,x\n", "line 2: 4 cells in a row, but the header has 3"),
    "long-row.csv": (HEADER + b"a,,b,c,d\n", "line 2: 5 cells in a row"),
    "open-quote.csv": (HEADER + b'a,,"b\nc,d', "line 3: not CSV (unexpected end of data)"),
    "stray-quote.csv": (HEADER + b'a,,"b"c\n', "line 2: not CSV (',' expected after '\"')"),
    "twice.csv": (b"instruction,output,output\na,b,c\n", "the header names the column 'output' twice"),
    "nameless.csv": (b",,\na,b,c\n", "the first line names no column"),
    "semicolons.csv": (
        b"instruction;input;output\na;;b\n",
        "its columns are separated by ';'; separate them by commas",
    ),
    "tabs.csv": (b"instruction\tinput\toutput\na\t\tb\n", "its columns are separated by '\\t'; save it as .tsv"),
    "commas.tsv": (HEADER + b"a,,b\n", "its columns are separated by ','; separate them by tabs"),
    "no-header.csv": (b"Add,,a + b\nSub,,a - b\n", "record 0: has the fields 'Add', 'a + b'; which is the request"),
    "latin1.csv": (HEADER + "Größe,,x\n".encode("latin-1"), "not UTF-8 text (byte 27). Save it as UTF-8"),
    "utf16.csv": (as_csv().decode().encode("utf-16"), "not UTF-8 text (byte 0; it looks like UTF-16)"),
    "latin1.json.gz": (gzip.compress(b'[{"instruction": "\xe9"}]'), "not UTF-8 text (byte 18)"),
    "cut.parquet": (as_parquet()[:-40], "not a whole Parquet file"),
    "head.parquet": (b"PAR1", "not a whole Parquet file"),
    "middle.parquet": (as_parquet()[:200] + b"\0" * 64 + as_parquet()[264:], "not a whole Parquet file"),
    "json.parquet": (json.dumps(RECORDS).encode(), "not a Parquet file, whatever its name says"),
    "columns.parquet": (as_parquet({"a": ["x"], "b": ["y"]}), "record 0: has the fields 'a', 'b'; which is"),
    "numbers.parquet": (
        as_parquet({"instruction": [1, 2], "output": ["x", "y"]}),
        "record 0: the field 'instruction' holds a number; text is needed",
    ),
    "bytes.parquet": (as_parquet({"instruction": ["x"], "output": [b"y"]}), "the field 'output' holds images"),
    "null.parquet": (
        as_parquet({"instruction": ["x", "y"], "output": ["z", None]}),
        "record 1: the field 'output' holds null; text is needed",
    ),
    "dates.parquet": (
        as_parquet({"instruction": ["x"], "output": pa.array([0], pa.date32())}),
        "the field 'output' holds a value of type date",
    ),
    "nested.parquet": (
        as_parquet({"instruction": ["x"], "output": [{"text": "y"}]}),
        "record 0: the field 'output' holds an object",
    ),
    "data.zip": (b"PK\x03\x04" + b"\0" * 40, "this is a zip archive, or a workbook"),
    "data.xlsx": (b"PK\x03\x04" + b"\0" * 40, "this is a zip archive, or a workbook. Unpack it or save it"),
    "data.jsonl.bz2": (bz2.compress(b"[]"), "this is packed with bzip2. Unpack it"),
    "data.jsonl.xz": (lzma.compress(b"[]"), "this is packed with xz"),
    "data.jsonl.zst": (b"\x28\xb5\x2f\xfd\x00\x00", "this is packed with zstd"),
    "data.arrow": (b"ARROW1\0\0", "this is an Arrow file. Save its records in another format: JSON, JSON lines"),
    "stream.arrow": (b"\xff\xff\xff\xff\x10\0\0\0", "this is an Arrow stream"),
    "data.sqlite": (b"SQLite format 3\x00" + b"\0" * 20, "this is a database"),
    "page.json": (b"\n<!DOCTYPE html><html>", "this is a web page, not the file that it may show"),
    "pointer.json": (b"version https://git-lfs.github.com/spec/v1\noid", "the pointer that Git LFS leaves"),
    "image.png": (b"\x89PNG\r\n\x1a\n", "this is an image"),
    "zeros.json": (b"\0" * 100, "line 1: Expecting value"),
    "escape.json": (b'[{"instruction": "\\x41"}]', "line 1: Invalid \\escape"),
    "comments.json": (b'[// records\n{"instruction": "a"}]', "line 1: Expecting value"),
    "trailing-comma.json": (b'[{"instruction": "a", "output": "b"},]', "line 1: "),
    "single-quotes.json": (b"[{'instruction': 'a'}]", "line 1: Expecting property name"),
    "array-of-arrays.json": (b'[["a", "b"]]', "record 0: not a JSON object"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_told_in_one_line(tmp_path, name):
    content, message = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(StudyError) as error:
        import_dataset([path], Published(Source(str(path))), tmp_path / "out.jsonl")
    assert str(error.value).startswith(str(path))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out.jsonl").exists()


def test_columns_of_a_parquet_file_with_one_name_are_refused(tmp_path):
    table = pa.Table.from_arrays([pa.array(["a"])] * 3, names=["instruction", "output", "output"])
    pq.write_table(table, tmp_path / "d.parquet")
    with pytest.raises(StudyError, match="the column 'output' is there twice"):
        read_records(tmp_path / "d.parquet")


@pytest.mark.parametrize("number", range(0, 400, 7))
def test_a_parquet_file_with_one_wrong_byte_is_read_or_told_in_one_line(tmp_path, number):
    content = bytearray(as_parquet())
    content[number % len(content)] ^= 0xA5
    (tmp_path / "d.parquet").write_bytes(content)
    try:
        read_records(tmp_path / "d.parquet")
    except StudyError as error:
        assert "\n" not in str(error)


def test_the_lines_that_pin_a_data_set_are_printed_until_they_are_there(tmp_path, capsys):
    path = tmp_path / "data.jsonl"
    path.write_bytes(as_lines(*RECORDS))
    facts = import_dataset([path], Published(Source(str(path))), tmp_path / "out.jsonl")
    printed = capsys.readouterr().out
    assert f"    records: 2\n    sha256: {facts.sha256}\n" in printed
    assert facts.sha256 == sha256_of_records(RECORDS)
    pinned = Published(Source(str(path)), records=2, sha256=facts.sha256)
    assert import_dataset([path], pinned, tmp_path / "out.jsonl") == facts
    assert "To pin them" not in capsys.readouterr().out
