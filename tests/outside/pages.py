"""Jupyter servers on this machine, and notebooks in them as a person sees them: cells that are run, outputs, buttons.

A Server is JupyterLab ("lab") or Notebook 7 ("notebook") of the Python that runs this, or Debian's Notebook 6
("classic"). All its files lie in one folder that the caller removes; it listens on 127.0.0.1 with a token.
"""
import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

PATIENCE = 120  # seconds that a slow machine may take for anything
DEBIAN = "/usr/bin/python3"


def has_classic():
    """Whether Debian's Notebook 6 is here."""
    asked = subprocess.run([DEBIAN, "-c", "import notebook, sys; sys.exit(notebook.version_info[0] != 6)"],
                           stderr=subprocess.DEVNULL, check=False) if Path(DEBIAN).exists() else None
    return asked is not None and asked.returncode == 0


def write_notebook(path, cells):
    """A notebook of Lua cells without outputs."""
    path.write_text(json.dumps({
        "cells": [{"cell_type": "code", "id": f"cell-{i}", "metadata": {}, "source": source, "outputs": [],
                   "execution_count": None} for i, source in enumerate(cells)],
        "metadata": {"kernelspec": {"name": "perilune", "display_name": "Lua (Perilune)", "language": "lua"}},
        "nbformat": 4, "nbformat_minor": 5}))


def environment(folder):
    """Jupyter's own files and the home folder, below the folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "LUA_", "IPYTHON"))}
    for name in ("home", "runtime", "config", "data", "notebooks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    return kept | {"HOME": str(folder / "home"), "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
                   "JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTER_DATA_DIR": str(folder / "data"),
                   "JUPYTER_PATH": str(folder / "share" / "jupyter")}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def end_with_parent():
    """In a child: a server must not outlive the test, however that ends (Linux: PR_SET_PDEATHSIG is 1)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class Server:
    def __init__(self, kind, folder, theme=None, variables=None):
        self.kind, self.folder, self.token = kind, Path(folder), secrets.token_hex(12)
        self.environment = environment(self.folder) | (variables or {})
        self.settings("apputils-extension/notification", {"fetchNews": "false", "checkForUpdates": False})
        self.settings("notebook-extension/tracker", {"windowingMode": "none"})  # all cells are in the page, in order
        if theme:
            self.settings("apputils-extension/themes", {"theme": theme})
        python, module = (DEBIAN, "notebook") if kind == "classic" else \
            (sys.executable, "jupyterlab" if kind == "lab" else "notebook")
        trait = "NotebookApp" if kind == "classic" else "ServerApp"
        notebooks = "notebook_dir" if kind == "classic" else "root_dir"
        tokens = "NotebookApp" if kind == "classic" else "IdentityProvider"
        self.log = open(self.folder / "server.log", "w", encoding="utf-8")
        self.process = subprocess.Popen(
            [python, "-m", module, "--no-browser", "--ip=127.0.0.1", f"--port={free_port()}", "--allow-root",
             f"--{tokens}.token={self.token}", f"--{trait}.{notebooks}={self.folder / 'notebooks'}"],
            env=self.environment, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=end_with_parent)

    def settings(self, plugin, values):
        path = self.folder / "config" / "lab" / "user-settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))

    def url(self):
        """Where it listens; waits until it does."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for path in (self.folder / "runtime").glob("*server-*.json"):
                try:
                    return json.loads(path.read_text())["url"]
                except (ValueError, KeyError):
                    pass  # half written
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start: {self.tail()}")

    def tail(self):
        return (self.folder / "server.log").read_text(encoding="utf-8")[-3000:]

    def close(self):
        """Ends the server, and with it its kernels."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.log.close()


class Notebook:
    """A notebook in a page of a server. Cells are counted from 0."""
    LAB = {
        "cell": ".jp-Notebook .jp-CodeCell", "editor": ".cm-content", "prompt": ".jp-InputPrompt",
        "output": ".jp-OutputArea", "stop": "[data-command='notebook:interrupt-kernel'], [data-jp-item-name='interrupt']",
        "restart": "[data-command='notebook:restart-kernel'], [data-jp-item-name='restart']",
        "sure": ".jp-Dialog button.jp-mod-accept", "idle": ".jp-Notebook-ExecutionIndicator[data-status='idle']",
    }
    CLASSIC = {
        "cell": ".code_cell", "editor": ".CodeMirror", "prompt": ".input_prompt", "output": ".output_wrapper",
        "stop": "button[data-jupyter-action='jupyter-notebook:interrupt-kernel']",
        "restart": "button[data-jupyter-action='jupyter-notebook:confirm-restart-kernel']",
        "sure": ".modal-dialog .btn-danger", "idle": ".kernel_idle_icon",
    }

    def __init__(self, page, server, name):
        self.page, self.server, self.name = page, server, name
        self.css = self.CLASSIC if server.kind == "classic" else self.LAB
        self.errors, self.connected = [], False
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("websocket", self.watch)
        page.set_default_timeout(PATIENCE * 1000)
        view = "lab/tree" if server.kind == "lab" else "notebooks"
        page.goto(f"{server.url()}{view}/{name}?token={server.token}")
        self.wait_ready()

    def watch(self, socket):
        """A kernel is there for the page when it has told the page about itself."""
        def look(frame):
            if b"kernel_info_reply" in (frame if isinstance(frame, bytes) else frame.encode()):
                self.connected = True
        if "/channels" in socket.url:
            socket.on("framereceived", look)

    def wait_ready(self):
        self.page.locator(self.css["cell"]).first.wait_for()
        self.wait(lambda: self.connected, "a kernel")
        self.page.locator(self.css["idle"]).first.wait_for(state="attached")

    def cell(self, index):
        return self.page.locator(self.css["cell"]).nth(index)

    def output(self, index):
        return self.cell(index).locator(self.css["output"])

    def prompt(self, index):
        return self.cell(index).locator(self.css["prompt"]).inner_text().replace("\xa0", " ")

    def start(self, index):
        """Begins to run a cell, as Shift-Enter in it does."""
        before = self.prompt(index)
        self.cell(index).locator(self.css["editor"]).click()
        self.page.keyboard.press("Shift+Enter")
        self.wait(lambda: self.prompt(index) != before, f"cell {index} to start")

    def wait(self, condition, what):
        until = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > until:
                raise AssertionError(f"{self.server.kind}: waited in vain for {what}")
            self.page.wait_for_timeout(50)

    def is_done(self, index):
        return any(digit.isdigit() for digit in self.prompt(index))

    def run(self, index):
        """Runs a cell to its end; returns what its output says."""
        self.start(index)
        self.wait(lambda: self.is_done(index), f"the end of cell {index}")
        return self.text(index)

    def text(self, index):
        output = self.output(index)
        return output.inner_text() if output.count() else ""

    def stop(self):
        """The button that interrupts the kernel."""
        self.page.locator(self.css["stop"]).first.click()

    def restart(self):
        self.connected = False
        self.page.locator(self.css["restart"]).first.click()
        self.page.locator(self.css["sure"]).click()

    def save(self):
        """Saves; returns the notebook that is on the disk."""
        path = self.server.folder / "notebooks" / self.name
        before = path.stat().st_mtime_ns
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("Control+s")
        self.wait(lambda: path.stat().st_mtime_ns != before, "the notebook to be saved")
        until = time.monotonic() + 10
        while True:  # it may be half written
            try:
                return json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
