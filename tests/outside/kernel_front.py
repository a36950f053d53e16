"""What the tests of the notebook kernel share: the kernelspec in temporary folders, and a front end that looks closely.

    import kernel_front as front
    home = front.Home(sys.argv[1])        # the build folder, or the perilune command itself
    with front.Notebook() as book:
        reply, outputs = book.run("1 + 1")

A Home sets Jupyter's folders for this process and all it starts, so import jupyter_client after making one: nothing is
read from or left behind in the home folder.
"""
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
import uuid

SKIP = 77


def skip(reason):
    print(reason)
    sys.exit(SKIP)


class Home:
    """A temporary world with a perilune kernel in it."""

    def __init__(self, build):
        build = os.path.abspath(build)
        self.program = os.path.join(build, "perilune") if os.path.isdir(build) else build
        if not os.access(self.program, os.X_OK):
            sys.exit("there is no command %s" % self.program)
        self.folder = tempfile.mkdtemp(prefix="perilune-kernel-")
        for variable, name in {
            "HOME": "home", "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data",
            "IPYTHONDIR": "ipython", "XDG_STATE_HOME": "state", "XDG_DATA_HOME": "share", "XDG_CACHE_HOME": "cache",
        }.items():
            os.environ[variable] = os.path.join(self.folder, name)
            os.makedirs(os.environ[variable], exist_ok=True)
        for variable in ("JPY_PARENT_PID", "LUA_PATH", "LUA_CPATH", "LUA_INIT", "PERILUNE_HISTORY", "NO_COLOR"):
            os.environ.pop(variable, None)
        os.environ["JUPYTER_PATH"] = os.path.join(self.folder, "prefix", "share", "jupyter")
        os.environ["JUPYTER_PLATFORM_DIRS"] = "0"
        told = self.command("install", "--prefix", os.path.join(self.folder, "prefix"))
        if told.returncode != 0:
            if "libzmq" in told.stderr:
                self.close()
                skip("this build has no notebook: " + told.stderr.strip())
            sys.exit(told.stderr)

    def command(self, *arguments):
        return subprocess.run([self.program, "kernel", *arguments], capture_output=True, text=True, timeout=60)

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def states(messages):
    """Types of messages in a line, of status its state."""
    return " ".join(m["content"]["execution_state"] if m["msg_type"] == "status" else m["msg_type"] for m in messages)


def text_of(outputs, name="stdout"):
    return "".join(m["content"]["text"] for m in outputs if m["msg_type"] == "stream" and m["content"]["name"] == name)


def of_type(outputs, kind):
    return [m["content"] for m in outputs if m["msg_type"] == kind]


class Notebook:
    """A kernel and a client on it."""

    def __init__(self, **options):
        from jupyter_client.manager import KernelManager

        self.options = options
        self.manager = KernelManager(kernel_name="perilune", **options)

    def __enter__(self):
        began = time.monotonic()
        self.manager.start_kernel(stderr=subprocess.PIPE)
        self.process = self.manager.provisioner.process
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=30)
        self.start_seconds = time.monotonic() - began
        self.flush()
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        if self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        if self.process.stderr:
            self.process.stderr.close()

    def flush(self):
        for channel in (self.client.shell_channel, self.client.iopub_channel):
            while True:
                try:
                    self._get(channel, 0.1)
                except queue.Empty:
                    break

    @staticmethod
    def _get(channel, timeout):
        message = channel.get_msg(timeout=timeout)
        if hasattr(message, "__await__"):
            import asyncio

            message = asyncio.get_event_loop().run_until_complete(message)
        return message

    def iopub(self, timeout=10):
        return self._get(self.client.iopub_channel, timeout)

    def shell(self, timeout=10):
        return self._get(self.client.shell_channel, timeout)

    def control(self, timeout=10):
        return self._get(self.client.control_channel, timeout)

    def stdin(self, timeout=10):
        return self._get(self.client.stdin_channel, timeout)

    def message(self, kind, content):
        """A request with an id of its own: the manager's session and the client's count from the same number."""
        message = self.client.session.msg(kind, content)
        message["msg_id"] = message["header"]["msg_id"] = uuid.uuid4().hex
        return message

    def send(self, kind, content, channel="shell"):
        """Sends a request; gives its id."""
        message = self.message(kind, content)
        getattr(self.client, channel + "_channel").send(message)
        return message["header"]["msg_id"]

    def until_idle(self, msg_id, timeout=10):
        """What comes on iopub for a request, up to idle."""
        found = []
        deadline = time.monotonic() + timeout
        while True:
            message = self.iopub(max(0.01, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") == msg_id:
                found.append(message)
                if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                    return found

    def reply_to(self, msg_id, timeout=10, channel="shell"):
        while True:
            message = getattr(self, channel)(timeout)
            if message["parent_header"].get("msg_id") == msg_id:
                return message

    def ask(self, kind, content, timeout=10, channel="shell"):
        """A request: its reply's content, and what came on iopub for it."""
        msg_id = self.send(kind, content, channel)
        reply = self.reply_to(msg_id, timeout, channel)
        return reply["content"], self.until_idle(msg_id, timeout)

    def start(self, code, **fields):
        content = dict(code=code, silent=False, store_history=True, user_expressions={}, allow_stdin=False,
                       stop_on_error=True)
        content.update(fields)
        return self.send("execute_request", content)

    def run(self, code, timeout=20, **fields):
        """Runs a cell: its reply's content, and its messages on iopub from busy to idle."""
        msg_id = self.start(code, **fields)
        messages = self.until_idle(msg_id, timeout)
        return self.reply_to(msg_id, timeout)["content"], messages

    def value(self, code, **fields):
        """The text of a cell's result."""
        reply, messages = self.run(code, **fields)
        if reply["status"] != "ok":
            raise AssertionError("%r failed: %s" % (code, reply))
        results = of_type(messages, "execute_result")
        if len(results) != 1:
            raise AssertionError("%r gave %s" % (code, states(messages)))
        return results[0]["data"]["text/plain"]
