"""Makes tests/golden/*.json, or with --check holds the committed files against a fresh making.

    python tests/golden/make.py [--check] [layers|losses|optimisers|ops ...]

Making stops when PyTorch and Keras, asked the same question, answer differently: a file holds only what
is agreed, or what one of them alone can say. --check allows numbers to differ in the last digits, for the
frameworks add in an order that depends on the machine.
"""
import argparse
import importlib
import json
import math
import pathlib
import sys

TOPICS = ("augment", "explain", "layers", "linalg", "losses", "optimisers", "ops", "training")
HERE = pathlib.Path(__file__).resolve().parent
LARGEST = 700_000  # bytes: these files are read by people and by git


def same(a, b, where):
    """Raises at the first place where two JSON values differ by more than rounding."""
    if isinstance(a, bool) or isinstance(b, bool) or not isinstance(a, (int, float, list, dict)):
        equal = a == b
    elif isinstance(a, (int, float)):
        equal = isinstance(b, (int, float)) and math.isclose(a, b, rel_tol=1e-10, abs_tol=1e-12)
    elif isinstance(a, list):
        equal = isinstance(b, list) and len(a) == len(b)
        if equal:
            for number, (x, y) in enumerate(zip(a, b)):
                same(x, y, f"{where}[{number}]")
    else:
        equal = isinstance(b, dict) and a.keys() == b.keys()
        if equal:
            for key in a:
                same(a[key], b[key], f"{where}.{key}")
    if not equal:
        raise AssertionError(f"{where}: the file has {str(a)[:60]}, a fresh making {str(b)[:60]}")


def unique(cases, topic):
    names = [case["name"] for case in cases]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise AssertionError(f"{topic}: two cases are called {doubled[0]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed files, write nothing")
    parser.add_argument("topics", nargs="*", metavar="TOPIC", help=f"some of: {', '.join(TOPICS)} (all)")
    options = parser.parse_args()
    unknown = set(options.topics) - set(TOPICS)
    if unknown:
        parser.error(f"no topic {sorted(unknown)[0]!r}: choose from {', '.join(TOPICS)}")
    sys.path.insert(0, str(HERE))
    from common import text_of

    for topic in options.topics or TOPICS:
        cases = list(importlib.import_module(topic).cases())
        unique(cases, topic)
        text, path = text_of(cases), HERE / f"{topic}.json"
        if options.check:
            committed = {case["name"]: case for case in json.loads(path.read_text())}
            same(committed, {case["name"]: case for case in json.loads(text)}, path.name)
        elif len(text) > LARGEST:
            raise AssertionError(f"{path.name} would have {len(text)} bytes: make its shapes smaller")
        else:
            path.write_text(text)
        print(f"{path.name}: {len(cases)} cases, {len(text)} bytes{', as committed' if options.check else ''}")


if __name__ == "__main__":
    main()
