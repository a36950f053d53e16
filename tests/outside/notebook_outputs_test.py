"""Tests of notebook_outputs.py: what the comparator has to see, and what it has to let pass."""
import base64
import copy
import json
import struct
import unittest
import zlib

import notebook_outputs as outputs


def png(width, height, pixel):
    """A grey PNG whose pixels pixel(x, y) gives; rows take turns at the five filters."""
    rows, before = b"", bytes(width)
    for y in range(height):
        row, how = bytes(pixel(x, y) for x in range(width)), y % 5
        filtered = bytearray(row)
        for i in range(width):
            left, up, corner = (row[i - 1], before[i], before[i - 1]) if i else (0, before[i], 0)
            near = min((left, up, corner), key=lambda c: abs(left + up - corner - c))
            filtered[i] = row[i] - (0, left, up, (left + up) // 2, near)[how] & 255
        rows += bytes([how]) + bytes(filtered)
        before = row

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return base64.b64encode(data).decode()


def svg(word, version="5.4 patchlevel 4", y=3, size=10):
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="10"><title>Gnuplot</title><desc>Produced by '
            'GNUPLOT %s</desc><path d="M0,0 L1,%s"/><text>%s</text><text>0.%s</text></svg>' % (
                size, version, y, word, y))


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def shown(**forms):
    names = {"text": "text/plain", "html": "text/html", "svg": "image/svg+xml", "png": "image/png",
             "json": "application/json"}
    return {"output_type": "display_data", "metadata": {}, "data": {names[k]: v for k, v in forms.items()}}


def notebook(given, tags=()):
    cell = {"cell_type": "code", "id": "the-cell", "metadata": {"tags": list(tags), "execution": {"iopub": "12:00"}},
            "execution_count": 7, "source": "print(1)", "outputs": given}
    return {"cells": [cell], "metadata": {"kernelspec": {"name": "perilune"}}, "nbformat": 4, "nbformat_minor": 5}


class Comparator(unittest.TestCase):
    def same(self, old, new, *tags):
        self.assertEqual(outputs.compare(notebook(old, tags), notebook(new, tags)), [])

    def differ(self, old, new, *tags):
        found = outputs.compare(notebook(old, tags), notebook(new, tags))
        self.assertTrue(found, "the difference was not seen")
        self.assertEqual(found[0][0], "the-cell")
        return found[0][1]

    def test_a_changed_digit(self):
        self.same([stream("loss 0.12345\n")], [stream("loss 0.12345\n")])
        message = self.differ([stream("loss 0.12345\n")], [stream("loss 0.12346\n")])
        self.assertIn("-loss 0.12345", message)
        self.assertIn("+loss 0.12346", message)

    def test_rounding_in_numeric_cells(self):
        self.same([stream("loss 0.12345, 1e-9\n")], [stream("loss 0.12346, -2e-9\n")], "numeric")
        self.assertIn("0.13 is not near 0.12345", self.differ([stream("loss 0.12345")], [stream("loss 0.13")], "numeric"))
        self.differ([stream("loss 0.12345")], [stream("cost 0.12345")], "numeric")
        self.differ([stream("1.0 2.0")], [stream("1.0")], "numeric")
        self.differ([stream("1.0")], [stream("nan")], "numeric")

    def test_tolerances_of_a_cell(self):
        self.same([stream("99.10 %")], [stream("98.90 %")], "absolute=0.3")
        self.differ([stream("99.10 %")], [stream("98.70 %")], "absolute=0.3", "relative=0")
        self.same([stream("1000")], [stream("1040")], "numeric", "relative=0.05")
        self.differ([stream("1000")], [stream("1060")], "numeric", "relative=0.05")

    def test_widths_follow_numbers(self):
        self.same([stream("a   10.0 |----|\n")], [stream("a  9.999 |---|\n")], "numeric")
        self.same([stream("980   .   1")], [stream("979   1   .")], "numeric", "absolute=1")
        self.differ([stream("float32")], [stream("float64")], "numeric", "absolute=99")

    def test_missing_and_other_outputs(self):
        self.assertIn("are now []", self.differ([stream("a")], [], "numeric"))
        self.differ([], [stream("a")])
        self.differ([stream("a")], [stream("a", "stderr")], "structure")
        self.differ([shown(text="a", svg=svg("a"))], [shown(text="a")], "structure")
        self.differ([stream("a"), shown(text="b")], [shown(text="b"), stream("a")])

    def test_streams_are_merged(self):
        self.same([stream("a\nb\n")], [stream("a\n"), stream("b\n")])
        self.same([stream(["a\n", "b\n"])], [stream("a\nb\n")])
        self.differ([stream("a\n"), stream("e\n", "stderr"), stream("b\n")], [stream("a\nb\n"), stream("e\n", "stderr")])

    def test_structure(self):
        self.same([stream("a 1"), shown(png=png(4, 6, lambda x, y: 0))],
                  [stream("b 2 3"), shown(png=png(4, 6, lambda x, y: 255))], "structure")
        self.differ([shown(png=png(4, 6, lambda x, y: 0))], [shown(png=png(6, 4, lambda x, y: 0))], "structure")
        self.differ([shown(svg=svg("a"))], [shown(svg=svg("a", size=20))], "structure")

    def test_png(self):
        slope = png(40, 30, lambda x, y: 3 * x + 2 * y)
        rows = outputs.png_rows(base64.b64decode(slope))
        self.assertEqual([list(row) for row in rows], [[3 * x + 2 * y for x in range(40)] for y in range(30)])
        self.same([shown(png=slope)], [shown(png=slope + "\n")])
        close = png(40, 30, lambda x, y: 3 * x + 2 * y + (x == 5))
        self.assertIn("pixels differ", self.differ([shown(png=slope)], [shown(png=close)]))
        self.same([shown(png=slope)], [shown(png=close)], "numeric")
        self.differ([shown(png=slope)], [shown(png=png(40, 30, lambda x, y: 255 - x))], "numeric")

    def test_png_beside_svg(self):
        one, other = png(4, 6, lambda x, y: 0), png(4, 6, lambda x, y: 255)
        self.same([shown(svg=svg("a"), png=one)], [shown(svg=svg("a"), png=other)])
        self.differ([shown(svg=svg("a"), png=one)], [shown(svg=svg("b"), png=one)])
        self.differ([shown(svg=svg("a"), png=one)], [shown(svg=svg("a"), png=png(5, 6, lambda x, y: 0))])

    def test_svg(self):
        self.differ([shown(svg=svg("a", y=3))], [shown(svg=svg("a", y=4))])
        self.same([shown(svg=svg("a", y=3))], [shown(svg=svg("a", y=4))], "numeric")
        self.differ([shown(svg=svg("a"))], [shown(svg=svg("b"))], "numeric")
        self.differ([shown(svg=svg("a"))], [shown(svg=svg("a", size=20))], "numeric")
        self.same([shown(svg=svg("a"))], [shown(svg=svg("a", version="6.0 patchlevel 0", y=4))])
        self.differ([shown(svg=svg("a"))], [shown(svg=svg("b", version="6.0 patchlevel 0"))])
        self.same([shown(svg=svg("best 0.98"))], [shown(svg=svg("best 0.97"))], "numeric")

    def test_json_and_html(self):
        self.same([shown(json={"a": 1, "b": [2]})], [shown(json={"b": [2], "a": 1})])
        self.differ([shown(json={"a": 1})], [shown(json={"a": 2})])
        self.same([shown(html="<td>1.00001</td>")], [shown(html="<td>1.00002</td>")], "numeric")
        self.differ([shown(html="<td>1</td>")], [shown(html="<th>1</th>")], "numeric")

    def test_errors(self):
        def failed(message, frame):
            return {"output_type": "error", "ename": "error", "evalue": message, "traceback": [frame]}

        self.same([failed("a", "In[1]:1")], [failed("a", "In[1]:2")], "raises-exception")
        self.differ([failed("a", "In[1]:1")], [failed("b", "In[1]:1")], "raises-exception")


class StoredForm(unittest.TestCase):
    def test_nothing_of_the_run_is_stored(self):
        first = notebook([stream("a\n"), stream("b\n"), shown(text="x")], ["numeric"])
        second = copy.deepcopy(first)
        second["cells"][0].update(execution_count=9, metadata={"tags": ["numeric"], "collapsed": True},
                                  outputs=[stream("a\nb\n"), shown(text=["x"])])
        self.assertEqual(outputs.text_of(first), outputs.text_of(second))
        stored = json.loads(outputs.text_of(first))
        self.assertEqual(stored["cells"][0]["execution_count"], 1)
        self.assertEqual(stored["cells"][0]["metadata"], {"tags": ["numeric"]})
        self.assertEqual(stored["cells"][0]["outputs"][0]["text"], ["a\n", "b\n"])
        self.assertTrue(outputs.text_of(first).endswith("}\n"))

    def test_stored_twice_is_the_same(self):
        text = outputs.text_of(notebook([stream("a\u2028b\n"), shown(json={"k": "v"}, png=png(2, 2, lambda x, y: x))]))
        self.assertEqual(outputs.text_of(json.loads(text)), text)
