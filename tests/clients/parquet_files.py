"""Writes rows of JSON lines as Parquet, as the stores' bulk exports have them.

    parquet_files.py store IN.jsonl OUT.parquet OPTIONS
    parquet_files.py all DIRECTORY [ROWS]

`store`: the columns have the types that Langfuse and LangSmith give them. `all`: every type and encoding, each in a
file of observations, and `rows.jsonl` with the same rows.
"""

import datetime
import decimal
import json
import random
import sys
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

UTC = datetime.timezone.utc
TEXTS = pa.map_(pa.string(), pa.string())
MONEY = pa.decimal128(38, 12)
TYPES = {
    "metadata": TEXTS,
    "usage_details": pa.map_(pa.string(), pa.uint64()),
    "cost_details": pa.map_(pa.string(), MONEY),
    "tool_definitions": TEXTS,
    "total_cost": MONEY,
    "tags": pa.list_(pa.string()),
    "tool_calls": pa.list_(pa.string()),
    "tool_call_names": pa.list_(pa.string()),
    "child_run_ids": pa.list_(pa.string()),
    "parent_run_ids": pa.list_(pa.string()),
}


def moment(text):
    return None if text is None else datetime.datetime.fromisoformat(text.replace("Z", ""))


def column(name, values, unit):
    if name.endswith(("_time", "_at")):
        return pa.array([moment(value) for value in values], pa.timestamp(unit, None if unit == "us" else "UTC"))
    if name not in TYPES:
        return pa.array(values)
    kind = TYPES[name]
    if pa.types.is_map(kind):
        value = (lambda it: decimal.Decimal(str(it))) if kind.item_type == MONEY else lambda it: it
        values = [None if it is None else [(key, value(of)) for key, of in it.items()] for it in values]
    elif kind == MONEY:
        values = [None if it is None else decimal.Decimal(str(it)) for it in values]
    return pa.array(values, kind)


def store(source, target, options):
    options = json.loads(options)
    rows = [json.loads(line) for line in Path(source).read_text().splitlines()]
    names = list(dict.fromkeys(name for row in rows for name in row))
    unit = options.pop("unit", "us")
    table = pa.table({name: column(name, [row.get(name) for row in rows], unit) for name in names})
    pq.write_table(table, target, **options)


INNER = pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))])
EVERYTHING = pa.struct(
    [
        ("truth", pa.bool_()),
        *((f"i{bits}", getattr(pa, f"int{bits}")()) for bits in (8, 16, 32, 64)),
        *((f"u{bits}", getattr(pa, f"uint{bits}")()) for bits in (8, 16, 32, 64)),
        ("half", pa.float16()),
        ("single", pa.float32()),
        ("double", pa.float64()),
        ("text", pa.string()),
        ("same", pa.string()),
        ("sorted", pa.string()),
        ("nothing", pa.string()),
        ("day", pa.date32()),
        ("ms", pa.timestamp("ms")),
        ("us", pa.timestamp("us", "UTC")),
        ("ns", pa.timestamp("ns")),
        ("money", pa.decimal128(20, 6)),
        ("much", pa.decimal256(50, 3)),
        ("little", pa.decimal128(7, 2)),
        ("list", pa.list_(pa.int64())),
        ("lists", pa.list_(pa.list_(pa.string()))),
        ("structs", pa.list_(INNER)),
        ("map", pa.map_(pa.string(), pa.list_(pa.int32()))),
        ("numbers", pa.map_(pa.int32(), INNER)),
        ("within", pa.struct([("deep", pa.struct([("er", pa.list_(pa.float64()))]))])),
    ]
)


def value(dice, kind, n):
    if dice.random() < 0.25:
        return None
    some = lambda of: [value(dice, of, n) for _ in range(dice.choice([0, 1, 1, 2, 5]))]
    if pa.types.is_struct(kind):
        return {field.name: value(dice, field.type, n) for field in kind}
    if pa.types.is_list(kind):
        return some(kind.value_type)
    if pa.types.is_map(kind):
        keys = range(dice.choice([0, 1, 3]))
        key = (lambda at: at * 7) if pa.types.is_integer(kind.key_type) else lambda at: f'k"{at}'
        return [(key(at), value(dice, kind.item_type, n)) for at in keys]
    if pa.types.is_boolean(kind):
        return dice.random() < 0.5
    if pa.types.is_integer(kind):
        signed = pa.types.is_signed_integer(kind)
        low, high = (-(1 << kind.bit_width - 1), (1 << kind.bit_width - 1) - 1) if signed else (0, (1 << kind.bit_width) - 1)
        return dice.choice([low, high, min(high, n * 3), max(low, -n), dice.randint(low, high)])
    if pa.types.is_floating(kind):
        return dice.choice([0.0, 1.5, -0.25, 1024.0, dice.randint(-1000, 1000) / 8])
    if pa.types.is_date(kind):
        return datetime.date(2026, 10, 5) + datetime.timedelta(dice.randint(-30000, 30000))
    if pa.types.is_timestamp(kind):
        steps = {"ms": 1000, "us": 1, "ns": 1}[kind.unit]
        at = datetime.datetime(2026, 10, 5, tzinfo=UTC if kind.tz else None)
        return at + datetime.timedelta(microseconds=dice.randint(-(10**12), 10**12) * steps)
    if pa.types.is_decimal(kind):
        most = 10 ** dice.randint(1, min(kind.precision, 35)) - 1
        return decimal.Decimal(dice.randint(-most, most)).scaleb(-kind.scale)
    return dice.choice(["", "ä\u2028€😀", 'a "quote"\n\\', f"sorted-{n:06}", "x" * dice.choice([1, 40, 700])])


def plain(kind, value):
    """What halod is to make of a value."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: plain(field.type, value[field.name]) for field in kind}
    if pa.types.is_list(kind):
        return [plain(kind.value_type, item) for item in value]
    if pa.types.is_map(kind):
        return {str(key): plain(kind.item_type, item) for key, item in value}
    if pa.types.is_timestamp(kind):
        text = value.replace(tzinfo=None).isoformat()
        return (text.rstrip("0") if "." in text else text) + "Z"
    if pa.types.is_date(kind):
        return value.isoformat()
    if pa.types.is_decimal(kind):
        whole = value == value.to_integral_value()
        return int(value) if whole else float(value)
    if pa.types.is_floating(kind):
        return int(value) if value == int(value) else value
    return value


def everything(directory, count=700):
    dice = random.Random(14)
    rows = []
    for n in range(count):
        content = value(dice, EVERYTHING, n) or {}
        content = {field.name: content.get(field.name) for field in EVERYTHING}
        content.update(same=dice.choice(["one", "two"]), sorted=f"sorted-{n // 3:06}", nothing=None)
        rows.append(content)
    head = [
        ("id", lambda n: f"o{n:04}", pa.string()),
        ("trace_id", lambda n: str(uuid.UUID(int=n // 7)), pa.string()),
        ("type", lambda n: "TOOL", pa.string()),
        ("name", lambda n: "find", pa.string()),
        ("start_time", lambda n: datetime.datetime(2026, 10, 5) + datetime.timedelta(milliseconds=n), pa.timestamp("ms")),
    ]
    columns = {name: pa.array([make(n) for n in range(len(rows))], kind) for name, make, kind in head}
    table = pa.table({**columns, "input": pa.array(rows, EVERYTHING)})
    with open(directory / "rows.jsonl", "w") as lines:
        for n, row in enumerate(rows):
            line = {name: plain(kind, make(n)) for name, make, kind in head}
            line["input"] = plain(EVERYTHING, row)
            lines.write(json.dumps(line) + "\n")

    def write(name, **options):
        options.setdefault("compression", "snappy")
        pq.write_table(table, directory / f"{name}.parquet", **options)

    for codec in ["none", "snappy", "gzip", "zstd", "lz4"]:
        for version in ["1.0", "2.0"]:
            write(f"{codec}-{version}", compression=codec, data_page_version=version)
    small = {"row_group_size": 64, "data_page_size": 512, "dictionary_pagesize_limit": 256, "write_batch_size": 16}
    write("small", **small)
    write("small-2", data_page_version="2.0", **small)
    write("plain", use_dictionary=False, version="1.0", store_decimal_as_integer=True)
    write("int96", use_deprecated_int96_timestamps=True)
    write("old-lists", use_compliant_nested_type=False)
    schema = pq.ParquetFile(directory / "plain.parquet").schema
    leaves = [schema.column(at) for at in range(len(schema))]
    numbers = {leaf.path: "DELTA_BINARY_PACKED" for leaf in leaves if leaf.physical_type in ("INT32", "INT64")}
    texts = [leaf.path for leaf in leaves if leaf.physical_type == "BYTE_ARRAY"]
    fixed = ("FLOAT", "DOUBLE", "INT32", "INT64", "FIXED_LEN_BYTE_ARRAY")
    split = {leaf.path: "BYTE_STREAM_SPLIT" for leaf in leaves if leaf.physical_type in fixed}
    truths = {leaf.path: "RLE" for leaf in leaves if leaf.physical_type == "BOOLEAN"}
    for name, encodings in {
        "delta": {**numbers, **truths, **{path: "DELTA_BYTE_ARRAY" for path in texts}},
        "lengths": {path: "DELTA_LENGTH_BYTE_ARRAY" for path in texts},
        "split": split,
    }.items():
        options = {"use_dictionary": False, "store_decimal_as_integer": True, "column_encoding": encodings}
        write(name, **options)
        write(f"{name}-small", data_page_version="2.0", data_page_size=600, write_batch_size=16, **options)


if sys.argv[1] == "store":
    store(*sys.argv[2:5])
else:
    everything(Path(sys.argv[2]), *map(int, sys.argv[3:]))
