"""Outputs of notebooks: their stored form, and when two of them are the same.

A cell says by its tags (notebook metadata that every editor shows) how its outputs are compared:

    (none)             identical. Neighbouring stream outputs of one name are one; SVG is compared by text, without
                       gnuplot's version, and like "numeric" where two versions of gnuplot drew it; PNG by pixels, but
                       by size alone where it stands beside an SVG of the same, since its letters are the machine's.
    numeric            numbers within a tolerance: |expected - got| <= absolute + relative * |expected|, 1e-5 and 1e-3
                       unless the tags absolute=... and relative=... say otherwise (each makes a cell numeric). Words,
                       count of outputs and their MIME types are the same; runs of blanks, dots and lines, which
                       follow the width of numbers, count as one; a dot that stands alone is a zero (as confusion
                       matrices write it). PNG: the same size, and a mean difference of at most 10 % of the range. SVG:
                       the same size and the same words; where marks and numbers stand is free.
    structure          count of outputs, their kinds and MIME types; pictures have the same size. Nothing else.
    raises-exception   the cell ends in an error (nbclient lets it): name and message are compared, no traceback's frames.
"""
import base64
import difflib
import json
import re
import struct
import xml.etree.ElementTree
import zlib

KERNEL = {"display_name": "Perilune (Lua 5.4)", "language": "lua", "name": "perilune"}
LANGUAGE = {"codemirror_mode": "lua", "file_extension": ".lua", "mimetype": "text/x-lua", "name": "lua",
            "pygments_lexer": "lua"}
RELATIVE, ABSOLUTE, PICTURE = 1e-3, 1e-5, 0.10


# --- the stored form ---------------------------------------------------------------------------------------------

def is_json(kind):
    return kind == "application/json" or kind.endswith("+json")


def joined(text):
    return "".join(text) if isinstance(text, list) else text


def split(text):
    """A text as notebooks store it: a list of lines, or the text itself where it is one line."""
    lines = joined(text).splitlines(True)
    return lines if len(lines) != 1 else lines[0]


def merged_streams(outputs):
    """Neighbouring stream outputs of one name as one: how they are cut depends on time."""
    result = []
    for output in outputs:
        last = result[-1] if result else {}
        if output["output_type"] == last.get("output_type") == "stream" and output["name"] == last["name"]:
            last["text"] = joined(last["text"]) + joined(output["text"])
        else:
            result.append(dict(output))
    return result


def normal_output(output, count):
    kind = output["output_type"]
    if kind == "stream":
        return {"output_type": kind, "name": output["name"], "text": split(output["text"])}
    if kind == "error":
        return {"output_type": kind, "ename": output["ename"], "evalue": output["evalue"],
                "traceback": list(output["traceback"])}
    data = {name: value if is_json(name) else split(value) for name, value in output["data"].items()}
    result = {"output_type": kind, "data": data, "metadata": output.get("metadata", {})}
    if kind == "execute_result":
        result["execution_count"] = count
    return result


def normal_cell(cell, count):
    tags = sorted(cell.get("metadata", {}).get("tags", []))
    result = {"cell_type": cell["cell_type"], "id": cell["id"], "metadata": {"tags": tags} if tags else {},
              "source": joined(cell["source"]).splitlines(True)}
    if cell["cell_type"] == "code":
        result["execution_count"] = count
        result["outputs"] = [normal_output(o, count) for o in merged_streams(cell["outputs"])]
    return result


def normal(notebook):
    """A notebook with nothing in it that differs from run to run by nature: no timings, counts from 1."""
    cells, count = [], 0
    for cell in notebook["cells"]:
        runs = cell["cell_type"] == "code" and joined(cell["source"]).strip() != ""
        count += runs
        cells.append(normal_cell(cell, count if runs else None))
    return {"cells": cells, "metadata": {"kernelspec": KERNEL, "language_info": LANGUAGE}, "nbformat": 4,
            "nbformat_minor": 5}


def text_of(notebook):
    """The bytes of a notebook's file, as text."""
    return json.dumps(normal(notebook), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


# --- how a cell is compared --------------------------------------------------------------------------------------

class Rule:
    """What a cell's tags ask for: kind ("exact", "numeric" or "structure") and tolerances."""

    def __init__(self, tags):
        self.relative, self.absolute, self.kind = RELATIVE, ABSOLUTE, "exact"
        for tag in tags:
            name, _, value = tag.partition("=")
            if name in ("relative", "absolute"):
                setattr(self, name, float(value))
            if name in ("numeric", "relative", "absolute") and self.kind == "exact":
                self.kind = "numeric"
            if name == "structure":
                self.kind = "structure"

    def near(self, expected, got):
        return abs(expected - got) <= self.absolute + self.relative * abs(expected)


ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
NUMBER = re.compile(r"(?<![A-Za-z_0-9.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|(?<!\S)\.(?!\S)")


def parts(text):
    """The words around the numbers of a text, and the numbers."""
    text = ANSI.sub("", text)
    numbers = [0.0 if number == "." else float(number) for number in NUMBER.findall(text)]
    words = []
    for word in NUMBER.split(text):
        word = re.sub(r"([.\-_=─━▁▂▃▄▅▆▇█░▒▓])\1+", r"\1", word)
        words.append(" ".join(word.split()))
    return words, numbers


def differing_lines(expected, got):
    lines = difflib.unified_diff(expected.splitlines(), got.splitlines(), "expected", "got", lineterm="", n=1)
    shown = [line if len(line) <= 200 else line[:200] + " ..." for line in lines]
    return "\n".join(shown[:40] + (["... %d lines more" % (len(shown) - 40)] if len(shown) > 40 else []))


def compare_text(expected, got, rule):
    """None where two texts are the same by the rule, else what is not."""
    if rule.kind == "structure" or expected == got:
        return None
    if rule.kind == "exact":
        return differing_lines(expected, got)
    (words, numbers), (new_words, new_numbers) = parts(expected), parts(got)
    if words != new_words:
        return "other words, or more or fewer numbers\n" + differing_lines(expected, got)
    for old, new in zip(numbers, new_numbers):
        if not rule.near(old, new):
            return "%g is not near %g (relative %g, absolute %g)\n%s" % (new, old, rule.relative, rule.absolute,
                                                                         differing_lines(expected, got))
    return None


# --- pictures ----------------------------------------------------------------------------------------------------

def png_head(data):
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        raise ValueError("this is no PNG")
    return struct.unpack(">IIBBBBB", data[16:29])


def png_rows(data):
    """The bytes of a PNG's pixels, row by row; None for 16 bits and interlaced ones."""
    width, height, depth, color, _, _, interlaced = png_head(data)
    if depth == 16 or interlaced:
        return None
    body, at = b"", 8
    while at < len(data):
        length, = struct.unpack(">I", data[at:at + 4])
        if data[at + 4:at + 8] == b"IDAT":
            body += data[at + 8:at + 8 + length]
        at += length + 12
    raw = zlib.decompress(body)
    bits = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color] * depth
    stride, step, rows = (width * bits + 7) // 8, max(bits // 8, 1), []
    before = bytearray(stride)
    for y in range(height):
        start = y * (stride + 1)
        row = bytearray(raw[start + 1:start + 1 + stride])
        unfilter(raw[start], row, before, step)
        rows.append(row)
        before = row
    return rows


def unfilter(how, row, above, step):
    """Undoes one row's filter in place (PNG specification, 9.2)."""
    for i in range(len(row) if how else 0):
        left, up = row[i - step] if i >= step else 0, above[i]
        if how == 1:
            guess = left
        elif how == 2:
            guess = up
        elif how == 3:
            guess = (left + up) // 2
        else:
            corner = above[i - step] if i >= step else 0
            base = left + up - corner
            by_left, by_up, by_corner = abs(base - left), abs(base - up), abs(base - corner)
            guess = left if by_left <= by_up and by_left <= by_corner else up if by_up <= by_corner else corner
        row[i] = (row[i] + guess) & 255


def compare_png(expected, got, rule):
    old, new = base64.b64decode(expected), base64.b64decode(got)
    if old == new:
        return None
    if png_head(old) != png_head(new):
        return "a PNG of %d x %d (depth %d, colour type %d) is now %d x %d (%d, %d)" % (
            png_head(old)[:4] + png_head(new)[:4])
    if rule.kind == "structure":
        return None
    old, new = png_rows(old), png_rows(new)
    if old is None:
        return "the bytes of the PNG differ" if rule.kind == "exact" else None
    total = sum(abs(a - b) for old_row, new_row in zip(old, new) if old_row != new_row
                for a, b in zip(old_row, new_row))
    mean = total / (255 * max(1, sum(len(row) for row in old)))
    if mean > (0 if rule.kind == "exact" else PICTURE):
        return "the PNG's pixels differ by %.3g %% of the range in the mean" % (100 * mean)
    return None


GNUPLOT = re.compile(r"Produced by GNUPLOT [^<\n]*", re.IGNORECASE)


def svg_words(text):
    """Size of an SVG, and the words in it without its numbers, in order."""
    root = xml.etree.ElementTree.fromstring(text)
    size = tuple(root.get(name) for name in ("width", "height", "viewBox"))
    words = []
    for element in root.iter():
        if element.tag.endswith("}text"):
            word = " ".join(NUMBER.sub("", "".join(element.itertext())).split())
            if re.search(r"[^\W\d]", word):
                words.append(word)
    return size, words


def compare_svg(expected, got, rule):
    if expected == got:
        return None
    maker, new_maker = GNUPLOT.findall(expected), GNUPLOT.findall(got)
    if rule.kind == "exact" and maker == new_maker:
        return differing_lines(GNUPLOT.sub("", expected), GNUPLOT.sub("", got))
    (size, words), (new_size, new_words) = svg_words(expected), svg_words(got)
    if size != new_size:
        return "an SVG of size %s is now %s" % (size, new_size)
    if rule.kind != "structure" and words != new_words:
        return "other words in the SVG\n" + differing_lines("\n".join(words), "\n".join(new_words))
    return None


# --- outputs, cells, notebooks -----------------------------------------------------------------------------------

def compare_form(kind, expected, got, rule):
    if is_json(kind):
        return compare_text(*(json.dumps(v, indent=1, sort_keys=True) for v in (expected, got)), rule)
    expected, got = joined(expected), joined(got)
    if kind == "image/png":
        return compare_png(expected, got, rule)
    if kind == "image/svg+xml":
        return compare_svg(expected, got, rule)
    if kind.startswith("image/"):
        return None if expected == got or rule.kind != "exact" else "the bytes of the picture differ"
    return compare_text(expected, got, rule)


def name_of(output):
    kind = output["output_type"]
    if kind == "stream":
        return "stream " + output["name"]
    if kind == "error":
        return "error"
    return "%s (%s)" % (kind, ", ".join(sorted(output["data"])))


def compare_forms(expected, got, rule):
    """What differs between the forms of one display, by MIME type."""
    found = {}
    for kind, form in expected.items():
        drawn_twice = kind == "image/png" and "image/svg+xml" in expected
        found[kind] = compare_form(kind, form, got[kind], Rule(["structure"]) if drawn_twice else rule)
    return found


def compare_output(expected, got, rule):
    """A list of what differs between two outputs of one name."""
    kind = expected["output_type"]
    if kind == "stream":
        found = {"": compare_text(joined(expected["text"]), joined(got["text"]), rule)}
    elif kind == "error":
        found = {name: compare_text(expected[name], got[name], rule) for name in ("ename", "evalue")}
    else:
        found = compare_forms(expected["data"], got["data"], rule)
        if expected.get("metadata", {}) != got.get("metadata", {}) and rule.kind == "exact":
            found["metadata"] = "%s is now %s" % (expected.get("metadata"), got.get("metadata"))
    return ["%s: %s" % (name, text) if name else text for name, text in sorted(found.items()) if text]


def compare_cell(expected, got):
    """A list of what differs between a cell's outputs as stored and as they are now."""
    rule = Rule(expected["metadata"].get("tags", []))
    old, new = merged_streams(expected["outputs"]), merged_streams(got["outputs"])
    names, new_names = [name_of(o) for o in old], [name_of(o) for o in new]
    if names != new_names:
        texts = [joined(o["text"])[:500] for o in new if o["output_type"] == "stream" and o["name"] == "stderr"]
        return ["outputs [%s] are now [%s]" % ("; ".join(names), "; ".join(new_names))] + texts
    found = []
    for number, (a, b) in enumerate(zip(old, new), 1):
        found += ["output %d, %s: %s" % (number, name_of(a), text) for text in compare_output(a, b, rule)]
    return found


def compare(expected, got):
    """What differs between two runs of a notebook: a list of (cell id, text). Both in any form that nbformat reads."""
    found = []
    for old, new in zip(normal(expected)["cells"], normal(got)["cells"]):
        if old["cell_type"] == "code":
            found += [(old["id"], text) for text in compare_cell(old, new)]
    return found
