"""What befalls a good file: flipped bits, cut ends, odd values in its JSON, or a pipe in its place."""

import json
import os
import struct

ODD = (
    None, True, 0, -1, -5, 2**31, 2**62, 10**19, 10**400, 0.5, 1e308, "", " ", "x" * 300, "a\0b", "\ud800", "../../etc",
    "/etc/passwd", "nan", "é" * 128, [], [1], [[[[]]]], [None] * 1000, {}, {"a": 1}, {"": {}}, ["evil", "Evil"],
    "AutoModel", {"AutoTokenizer": ["evil.Evil", "evil.Evil"]},
)  # fmt: skip
TEXTS = (
    "", "{", "[]", "null", "NaN", '{"a": Infinity}', "9" * 5000, "[" * 100_000, '{"a":' * 100_000, "\ufeff{}",
    "\0" * 100, '"' + "a" * 10**6 + '"', '{"a": 1, "a": 2}',
)  # fmt: skip
SPECIAL = ("pipe", "zeros", "folder", "loop", "outside", "sparse", "missing", "dangling", "tty")


def mutate(path, generator, outside):
    """Harm the file at `path`; returns a word for what was done. outside: a folder whose files links may lead to."""
    if generator.random() < 0.06 and hasattr(os, "mkfifo"):
        kind = generator.choice(SPECIAL)
        special(path, kind, outside, generator)
        return kind
    data = path.read_bytes()
    text = path.suffix in {".json", ".sjc", ".txt"}
    ways = ["flip", "cut", "zeros", "insert", "number", "double", "text"]
    ways += ["value"] * 12 if path.suffix in {".json", ".sjc"} else []
    ways += ["head"] * 8 if path.suffix == ".safetensors" else []
    way = generator.choice(ways)
    if way == "value":
        data = odd_value(data, generator)
    elif way == "head":
        data = odd_head(data, generator)
    elif way == "text" and text:
        data = generator.choice(TEXTS).encode()
    else:
        data = harmed(data, way, generator)
    path.write_bytes(data)
    return way


def harmed(data, way, generator):
    """Bytes with a few of them changed."""
    data = bytearray(data or b"\0")
    near = min(len(data), generator.choice([40, 400, 4000, len(data)]))  # heads say more than what follows them
    at = generator.randrange(max(1, near))
    if way == "flip":
        for _ in range(generator.choice([1, 1, 2, 8, 64])):
            data[generator.randrange(near or 1)] ^= 1 << generator.randrange(8)
    elif way == "cut":
        del data[generator.randrange(len(data)) :]
    elif way == "zeros":
        data[at : at + 64] = bytes(64)
    elif way == "insert":
        data[at:at] = generator.randbytes(generator.choice([1, 4, 100]))
    elif way == "number":  # a size or an offset
        size = generator.choice([2, 4, 8])
        number = generator.choice([0, 1, 2**7, 2**15, 2**31 - 1, 2**31, 2**63 - 1, 2**64 - 1]) % 2 ** (8 * size)
        data[at : at + size] = number.to_bytes(size, "little")
    elif way == "double":
        data.extend(bytes(data))
    return bytes(data)


def odd_value(data, generator):
    """JSON with one value somewhere in it replaced, removed, renamed or repeated."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):  # harmed before
        return data
    places = [(None, None)]

    def walk(node):
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    if isinstance(value, dict | list):
        walk(value)
    node, key = generator.choice(places)
    new = generator.choice([*ODD, {"evil": json.loads(data)}])
    if node is None:
        value = new
    elif isinstance(node, dict) and generator.random() < 0.25:
        content = node.pop(key)
        if generator.random() < 0.5:
            node[generator.choice(["auto_map", "attn_implementation", "quantization_config", f"{key}s"])] = content
    else:
        node[key] = new
    return json.dumps(value).encode()


def odd_head(data, generator):
    """Safetensors with an odd value in the head, whose length is right again."""
    length = struct.unpack("<Q", data[:8])[0]
    head = odd_value(data[8 : 8 + length], generator)
    return struct.pack("<Q", len(head)) + head + data[8 + length :]


def special(path, kind, outside, generator):
    """Something else in the place of a file."""
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "zeros":
        path.symlink_to("/dev/zero")
    elif kind == "tty":
        path.symlink_to("/dev/tty")
    elif kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path.name)
    elif kind == "dangling":
        path.symlink_to("nowhere")
    elif kind == "outside":
        path.symlink_to(generator.choice(sorted(p for p in outside.rglob("*") if p.is_file())))
    elif kind == "sparse":
        with path.open("wb") as file:
            file.truncate(10**12)
