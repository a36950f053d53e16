"""Executes the notebooks from nothing and holds their outputs against the stored ones.

    build/venv-jupyter/bin/python tests/outside/notebooks.py BUILD_FOLDER [NOTEBOOK...] [--write]
    /usr/bin/python3 tests/outside/notebooks.py --self-test

Every notebook (all of notebooks/ when none is named) runs in a kernel of its own, BUILD_FOLDER/perilune, that is
installed into a temporary folder; it works in another one, so nothing is left behind. notebook_outputs.py says which
outputs are the same. --write stores what came out instead, so that two runs give the same bytes. --self-test only
tests the comparator, which otherwise comes first. PERILUNE_ISA=avx2 in the environment tells whether the tolerances
are wide enough for other processors. Ends with 1 when something differs, 77 when it cannot run here.
"""
import argparse
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

import notebook_outputs as outputs

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOST_BYTES, MOST_SECONDS, SKIPPED = 1_500_000, 600, 77


def self_test():
    """Whether the comparator's own tests pass."""
    import notebook_outputs_test
    suite = unittest.defaultTestLoader.loadTestsFromModule(notebook_outputs_test)
    report = io.StringIO()
    result = unittest.TextTestRunner(stream=report).run(suite)
    print("comparator: %s" % ("%d tests passed" % result.testsRun if result.wasSuccessful() else report.getvalue()))
    return result.wasSuccessful()


def surroundings(folder):
    """The environment of kernels that leave nothing in the home folder; MNIST is found where it was."""
    environment = dict(os.environ)
    cache = environment.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    for name in "HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", \
            "JUPYTER_RUNTIME_DIR", "IPYTHONDIR":
        environment[name] = str(folder / name.lower())
        os.makedirs(environment[name], mode=0o700, exist_ok=True)
    for name in "PERILUNE_STARTUP", "NO_COLOR":
        environment.pop(name, None)
    environment["XDG_CACHE_HOME"] = cache
    environment["PERILUNE_FIGURES"] = "both"  # stored notebooks are read on pages that show no SVG as well
    environment["JUPYTER_PATH"] = str(folder / "kernel" / "share" / "jupyter")
    return environment


def install(build, folder):
    """Installs the kernel into a folder."""
    done = subprocess.run([str(build / "perilune"), "kernel", "install", "--prefix", str(folder / "kernel")],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit("perilune kernel install failed:\n" + done.stdout)


def missing(build, paths):
    """Why these notebooks cannot run here, or None."""
    if not any("mnist" in path.read_text() for path in paths):
        return None
    done = subprocess.run([str(build / "perilune"), "-e", "require('perilune').data.mnist()"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return done.stdout.partition("stack traceback")[0].strip() if done.returncode else None


def execute(text, folder):
    """The notebook that a text holds as it is after a run of all its cells in `folder`."""
    import nbclient
    import nbformat
    fresh = nbformat.reads(text, as_version=4)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    client = nbclient.NotebookClient(fresh, timeout=MOST_SECONDS, record_timing=False, store_widget_state=False,
                                     kernel_name="perilune", resources={"metadata": {"path": str(folder)}})
    client.execute()
    return json.loads(nbformat.writes(fresh))


def stored_badly(path, text, fresh):
    """What is wrong with a notebook's file beside its outputs: a list of texts."""
    import nbformat
    notebook, found = json.loads(text), []
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as wrong:
        found.append("is not valid: %s" % wrong)
    ids = [cell.get("id") for cell in notebook["cells"]]
    found += ["cell id '%s' is there twice" % name for name in sorted(set(ids)) if ids.count(name) > 1]
    if outputs.text_of(notebook) != text:
        found.append("is not in the stored form: run this script with --write")
    if len(text.encode()) > MOST_BYTES:
        found.append("has %d bytes, more than %d" % (len(text.encode()), MOST_BYTES))
    for place in str(ROOT), os.path.expanduser("~"), tempfile.gettempdir():
        if len(place) > 1 and place + os.sep in outputs.text_of(fresh):
            found.append("shows a path of this machine in its outputs: " + place)
    return found


def indented(text):
    return "\n".join("    " + line for line in text.splitlines())


def run(path, folder, write):
    """Executes a notebook and compares or stores it; returns whether all is well."""
    import nbclient
    text, start = path.read_text(), time.monotonic()
    notebook = json.loads(text)
    print("%s ..." % path.name, end=" ", flush=True)
    try:
        fresh = execute(text, folder)
    except (nbclient.exceptions.CellExecutionError, nbclient.exceptions.CellTimeoutError,
            nbclient.exceptions.DeadKernelError) as failure:
        print("FAILED\n" + indented(str(failure)))
        return False
    print("%.1f s," % (time.monotonic() - start), end=" ", flush=True)
    if write:
        text = outputs.text_of(fresh)
        path.write_text(text)
    found = [("", problem) for problem in stored_badly(path, text, fresh)] + outputs.compare(notebook, fresh) * (not write)
    print("%d cells%s" % (len(fresh["cells"]), ", DIFFERENT" if found else ", stored" if write else ", the same"))
    for cell, problem in found:
        print(indented(("cell '%s': " % cell if cell else "the file ") + problem))
    return not found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("build", nargs="?", type=pathlib.Path, help="the build folder, in which perilune lies")
    parser.add_argument("notebooks", nargs="*", type=pathlib.Path, help="all of notebooks/ when left out")
    parser.add_argument("--write", action="store_true", help="store the outputs")
    parser.add_argument("--self-test", action="store_true", help="only test the comparator")
    given = parser.parse_args()
    if not self_test():
        return 1
    if given.self_test:
        return 0
    if given.build is None:
        parser.error("wants the build folder")
    build = given.build.resolve()
    paths = [path.resolve() for path in given.notebooks] or sorted((ROOT / "notebooks").glob("*.ipynb"))
    why = missing(build, paths) if paths else "there are no notebooks"
    if why:
        print(why.replace("\n", " "))
        return SKIPPED
    with tempfile.TemporaryDirectory(prefix="perilune-notebooks-") as place:
        folder = pathlib.Path(place)
        os.environ.update(surroundings(folder))
        install(build, folder)
        well = True
        for path in paths:
            work = folder / "work" / path.stem
            work.mkdir(parents=True)
            well = run(path, work, given.write) and well
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
