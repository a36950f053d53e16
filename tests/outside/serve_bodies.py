"""What the tests of the service send: pictures as raw bytes, pixels, PNG, JPEG and strokes; well-made ones, and hostile ones.

Pictures are rows of bytes, ink bright on dark as MNIST has it. Python's standard library only.
"""
import functools
import json
import struct
import zlib

from draw_hands import drawings

SIDE = 28


def bar(left=13, right=15):
    """A 1: a bright bar, 28 x 28, as raw bytes."""
    return b"".join(bytes(255 if 4 <= y < 24 and left <= x < right else 0 for x in range(SIDE)) for y in range(SIDE))


def strokes(label=7, hand=1, size=280):
    """A drawing of tests/support/hands.json as the service's strokes, in canvas units."""
    one = next(d for d in drawings() if d["label"] == label and d["hand"] == hand)
    lines = [[[round(x * size, 2), round(y * size, 2)] for x, y, _ in stroke["points"]] for stroke in one["strokes"]]
    return {"strokes": lines, "pen": 24 * size / 280, "width": size, "height": size}


def enlarged(raw, times):
    """A 28 x 28 picture with each pixel as times x times, as a list of rows."""
    rows = [raw[y * SIDE:(y + 1) * SIDE] for y in range(SIDE)]
    return [bytes(value for value in row for _ in range(times)) for row in rows for _ in range(times)]


def chunk(kind, data, length=None, crc=None):
    """A chunk of PNG; its length and checksum may lie."""
    right = zlib.crc32(kind + data)
    return struct.pack(">I", len(data) if length is None else length) + kind + data + struct.pack(">I",
        right if crc is None else crc)


def png(rows, width=None, height=None, depth=8, colour=0, method=0, data=None, before=b"", interlace=0):
    """A PNG of grey rows; everything that its head says, and its compressed data, may be replaced by something else."""
    width, height = len(rows[0]) if width is None else width, len(rows) if height is None else height
    packed = zlib.compress(b"".join(b"\0" + row for row in rows)) if data is None else data
    head = struct.pack(">IIBBBBB", width, height, depth, colour, method, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def zeros(count):
    """Compressed: so many zero bytes."""
    packer, made, block = zlib.compressobj(9), [], bytes(1 << 20)
    while count > 0:
        made.append(packer.compress(block[:min(count, len(block))]))
        count -= len(block)
    return b"".join(made) + packer.flush()


def segment(kind, data):
    return struct.pack(">BBH", 0xFF, kind, len(data) + 2) + data


def jpeg(cells, width=None, height=None, components=1, head=0xC0, tail=b"\xff\xd9"):
    """A baseline JPEG whose blocks of 8 x 8 have one grey each: cells is rows of bytes. The head may claim another size.

    All differences of brightness are written with codes of four bits for their length, and the end of a block with one bit.
    """
    bits, last = [], 0
    for row in cells:
        for value in row:
            difference, last = 8 * (value - 128) - last, 8 * (value - 128)
            length = abs(difference).bit_length()
            code = difference if difference >= 0 else difference + (1 << length) - 1
            bits.append(f"{length:04b}" + (f"{code:0{length}b}" if length else "") + "0")
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    packed = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
    width, height = 8 * len(cells[0]) if width is None else width, 8 * len(cells) if height is None else height
    parts = b"".join(bytes((i + 1, 0x11, 0)) for i in range(components))
    return (b"\xff\xd8" + segment(0xDB, b"\0" + b"\1" * 64) + segment(head, struct.pack(">BHHB", 8, height, width,
        components) + parts)
            + segment(0xC4, b"\0" + bytes((0, 0, 0, 12)) + bytes(12) + bytes(range(12)))
            + segment(0xC4, b"\x10" + b"\1" + bytes(15) + b"\0")
            + segment(0xDA, bytes((components,)) + b"".join(bytes((i + 1, 0)) for i in range(components)) + b"\0\x3f\0")
            + packed + tail)


def grid(raw):
    """Rows of a 28 x 28 picture, for jpeg()."""
    return [raw[y * SIDE:(y + 1) * SIDE] for y in range(SIDE)]


def good_bodies():
    """A list of (name, content type, body) that are all answered with 200."""
    raw = bar()
    return [
        ("raw", "application/octet-stream", raw), ("many raw", "application/octet-stream", raw * 20),
        ("pixels", "application/json", json.dumps({"pixels": list(raw)}).encode()),
        ("many pixels", "application/json", json.dumps({"pixels": [list(raw)] * 3}).encode()),
        ("pixels from 0 to 1", "application/json", json.dumps({"pixels": [v / 255 for v in raw], "range": 1}).encode()),
        ("strokes", "application/json", json.dumps(strokes()).encode()), ("PNG", "image/png", png(enlarged(raw, 4))),
        ("JPEG", "image/jpeg", jpeg(grid(raw))),
    ]


# Values of every type and of every outrageous size, for every field of a document, as JSON text.
VALUES = [
    "null", "true", "false", '""', '"text"', '"7"', "{}", "[]", "[[]]", "[[[]]]", "[[[[]]]]", "[null]", "[[null]]",
          "[[[null]]]", '["1"]',
    "-1", "256", "1e999", "-1e999", "1e308", "1e-308", "99999999999999999999999999", "0.1e", "NaN", "Infinity", "-0", "0",
    "[[[1]]]", "[[[1,2,3,4]]]", '[[["a","b"]]]', "[[[1e308,1e308],[-1e308,-1e308]]]", "[[1,2],[3]]", '{"a":1}', "[{}]",
    "[" * 2000 + "]" * 2000, "1" * 5000, '"' + "a" * 100000 + '"', '"\\ud800"', '"\\u0000"', '"\\x"', '"\t"',
]
FIELDS = ("pixels", "strokes", "pen", "width", "height", "range", "label", "class", "input")


def documents():
    """A list of (name, JSON as bytes, pattern of the reason) that are all refused with 400 or 422 (413 where size alone does it)."""
    raw = json.dumps(list(bar()))
    line = "[[[100,40],[100,240]]]"
    deep = 100000
    made = [
        ("an empty body", b"", "."), ("blanks", b"  \n ", "."), ("an open brace", b"{", "."),
        ("an open list", b"[", "."), ("a list alone", b"[1,2]", "."), ("a text alone", b'"pixels"', "."),
        ("null", b"null", "."), ("a number alone", b"7", "."), ("single quotes", b"{'pixels':[1]}", "byte|offset|char"),
        ("nothing in it", b"{}", "pixels|strokes"), ("an unknown field alone", b'{"pixel":[1]}', "pixel"),
        ("a cut list", b'{"pixels":[1,2,', "."), ("a cut number", b'{"pixels":[1e', "."),
        ("a cut word", b'{"pixels":[tru', "."), ("a comment", b'{/* */"pixels":[]}', "."),
        ("a comma too many", b'{"pixels":[1,2,]}', "."),
        ("two documents", f'{{"pixels":{raw}}}{{"pixels":{raw}}}'.encode(), "."),
        ("text after it", f'{{"pixels":{raw}}} and more'.encode(), "."),
        ("a NUL after it", f'{{"pixels":{raw}}}'.encode() + b"\0", "."),
        ("a NUL before it", b"\0" + f'{{"pixels":{raw}}}'.encode(), "."),
        ("both kinds", f'{{"pixels":{raw},"strokes":{line}}}'.encode(), "."),
        ("one pixel short", json.dumps({"pixels": [0] * 783}).encode(), "783|784"),
        ("one pixel too many", json.dumps({"pixels": [0] * 785}).encode(), "78[45]"),
        ("the second short", json.dumps({"pixels": [[0] * 784, [0] * 783]}).encode(), r"pixels\[2\]|pixels\[1\]|783"),
        ("no pixels", b'{"pixels":[]}', "pixels"),
        ("256", json.dumps({"pixels": [256] + [0] * 783}).encode(), r"pixels\[\d\]"),
        ("-1", json.dumps({"pixels": [0] * 783 + [-1]}).encode(), r"pixels\[78\d\]"),
        ("a text for a pixel", json.dumps({"pixels": [0] * 700 + ["0"] + [0] * 83}).encode(), r"pixels\[70\d\]"),
        ("NaN", b'{"pixels":[' + b"NaN," * 783 + b"0]}", "byte|offset|char"),
        ("a huge pixel", b'{"pixels":[1e400' + b",0" * 783 + b"]}", "."),
        ("above 1 of 1", json.dumps({"pixels": [2] * 784, "range": 1}).encode(), "pixels|range"),
        ("deep lists", b"[" * deep, "."), ("deep lists, closed", b"[" * deep + b"]" * deep, "."),
        ("deep pixels", b'{"pixels":' + b"[" * deep, "."), ("deep objects", b'{"a":' * deep, "."),
        ("deep strokes", b'{"strokes":' + b"[" * deep + b"]" * deep + b"}", "."),
        ("deep under a strange name", b'{"b":' + b"[" * deep, "."),
        ("UTF-16", f'{{"pixels":{raw}}}'.encode("utf-16"), "."),
        ("UTF-32", f'{{"pixels":{raw}}}'.encode("utf-32"), "."),
        ("broken UTF-8 in a label", b'{"label":"\xff\xfe","pixels":' + raw.encode() + b"}", "."),
        ("an overlong NUL", b'{"label":"\xc0\x80","pixels":' + raw.encode() + b"}", "."),
        ("broken UTF-8 in a name", b'{"\xe2\x28\xa1":1}', "."),
        ("a million names", b"{" + b'"a":1,' * 100000 + b'"b":2}', "."),
        ("strokes without points", b'{"strokes":[[]]}', "strokes"), ("no strokes", b'{"strokes":[]}', "strokes"),
        ("a pen of nothing", f'{{"strokes":{line},"pen":0}}'.encode(), "pen"),
        ("a pen below nothing", f'{{"strokes":{line},"pen":-3}}'.encode(), "pen"),
        ("no width", f'{{"strokes":{line},"width":0}}'.encode(), "width"),
        ("a height below 0", f'{{"strokes":{line},"height":-1}}'.encode(), "height"),
        ("a picture said to be JSON", png(enlarged(bar(), 1)), "."),
    ]
    return made


def field_documents():
    """(name, JSON) with each field of every wrong type and size; what is refused and what is not is the service's to know."""
    raw = json.dumps(list(bar()))
    good = {"strokes": "[[[140,40],[140,240]]]", "pixels": raw}
    for field in FIELDS:
        for value in VALUES:
            for base in ("pixels", "strokes"):
                pairs = {base: good[base], field: value}
                yield f"{field} = {value[:30]} beside {base}", ("{" + ",".join(f'"{k}":{v}' for k,
                                                                               v in pairs.items()) + "}").encode()
        yield f"{field} twice", f'{{"pixels":{raw},"{field}":1,"{field}":2}}'.encode()


@functools.cache
def pictures():
    """A list of (name, content type, body) of pictures that are all refused."""
    raw, rows = bar(), enlarged(bar(), 4)
    good, photo = png(rows), jpeg(grid(raw))
    side = 30000
    return [
        ("a cut PNG", "image/png", good[:len(good) // 2]), ("a PNG's first bytes", "image/png", good[:8]),
        ("a PNG without data", "image/png", png(rows, data=b"")), ("wrong data", "image/png", png(rows, data=b"hello")),
        ("a PNG of no width", "image/png", png(rows, width=0)),
        ("a PNG of no height", "image/png", png(rows, height=0)),
        ("a PNG too wide", "image/png", png(rows, width=0x7FFFFFFF, height=0x7FFFFFFF)),
        ("a PNG wider than can be", "image/png", png(rows, width=0xFFFFFFFF, height=1)),
        ("a depth that is none", "image/png", png(rows, depth=7)),
        ("a colour that is none", "image/png", png(rows, colour=5)),
        ("a bomb", "image/png", png(rows, width=side, height=side, data=zeros(side * (side + 1)))),
        ("a bomb in a text", "image/png", png(rows, width=0, before=chunk(b"zTXt", b"Comment\0\0" + zeros(1 << 28)))),
        ("a chunk said to be huge", "image/png", good[:33] + chunk(b"IDAT", b"abc", length=0x7FFFFFFF)),
        ("text said to be a PNG", "image/png", b"GIF89a or what you will"),
        ("nothing said to be a PNG", "image/png", b""), ("a cut JPEG", "image/jpeg", photo[:len(photo) // 3]),
        ("a JPEG's first bytes", "image/jpeg", photo[:3]),
        ("a JPEG without table", "image/jpeg", photo.replace(b"\xff\xc4", b"\xff\xe4")),
        ("a JPEG bomb", "image/jpeg", jpeg(grid(raw), width=65500, height=65500)),
        ("a progressive JPEG bomb", "image/jpeg", jpeg(grid(raw), width=65500, height=65500, head=0xC2)),
        ("a JPEG of no width", "image/jpeg", jpeg(grid(raw), width=0)),
        ("a JPEG of ten parts", "image/jpeg", jpeg(grid(raw), components=10)),
        ("an arithmetic JPEG", "image/jpeg", jpeg(grid(raw), head=0xC9)),
        ("nothing said to be a JPEG", "image/jpeg", b""),
        ("noise said to be a JPEG", "image/jpeg", b"\xff\xd8\xff" + bytes(range(256)) * 4),
    ]


def mutated(rng, data):
    """Bytes changed, cut out, doubled, swapped or added, at random places."""
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        if not data:
            break
        at, length = rng.randrange(len(data)), min(rng.choice([1, 1, 2, 4, 16, 64]), len(data))
        kind = rng.randrange(6)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice([0, 1, 0x20, 0x22, 0x5B, 0x7F, 0x80, 0xFF, 0x0A, 0x0D])
        elif kind == 2:
            del data[at:at + length]
        elif kind == 3:
            data[at:at] = data[at:at + length] * rng.choice([1, 1, 2, 50])
        elif kind == 4:
            data[at:at] = rng.randbytes(length)
        else:
            del data[at + rng.randrange(length):]
    return bytes(data)
