"""A `perilune serve` of its own for a test, clients that speak to it, and one that watches that it answers meanwhile.

    with Service(build, "--queue", "64") as service:
        answer = service.ask("POST", "/v1/predict", picture, {"Content-Type": "image/png"})
        answer.status, answer.headers["content-type"], answer.json()

The service listens on loopback at a port that the system chooses and that is read from what it prints. Leaving the block
ends it by SIGTERM; how it ended is in service.status, what its sanitizers wrote in service.reports().
A client here is a plain socket, so that it can send what no library would. Python's standard library only.
"""
import ctypes
import glob
import json
import multiprocessing
import os
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time

from draw_hands import ROOT, need_modules, skip, wait_until

RAW = "application/octet-stream"
PATIENCE = 10  # seconds that a client waits for what comes at once when all is well; more under sanitizers
forked = multiprocessing.get_context("fork")


def sanitized(build):
    """Is this a build with sanitizers?"""
    with open(os.path.join(build, "CMakeCache.txt"), encoding="utf-8") as cache:
        return bool(re.search(r"^PERILUNE_SANITIZE:\w+=(ON|1|TRUE|YES)$", cache.read(), re.M | re.I))


def allow_descriptors(count):
    """Room for so many open files, here and in what is started from here; skips with the reason where that may not be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        skip(f"the hard limit of open files is {hard}, and {count} are needed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        """Strictly: NaN and Infinity are no JSON."""
        def refuse(name):
            raise ValueError(f"{name} in an answer")
        return json.loads(self.body, parse_constant=refuse)

    def reason(self):
        """Why it was refused: of our own answers, or the text of the library's."""
        try:
            return self.json()["error"]["reason"]
        except (ValueError, KeyError, TypeError):
            return self.body.decode("latin-1")

    def labels(self):
        return [one["label"] for one in self.json()["predictions"]]

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Connection:
    """One TCP connection: bytes out, answers in. An end by the other side is None, or ConnectionError within an answer."""

    def __init__(self, port, timeout=PATIENCE, source=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout, (source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.kept = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, method, path, body=None, headers=None):
        self.send(message(method, path, body, headers))
        return self.answer(method == "HEAD")

    def _more(self):
        got = self.socket.recv(262144)
        self.kept += got
        return bool(got)

    def _until(self, mark):
        while mark not in self.kept:
            if not self._more():
                if self.kept:
                    raise ConnectionError(f"closed within an answer: {self.kept[:200]!r}")
                return None
        part, self.kept = self.kept.split(mark, 1)
        return part

    def _exactly(self, count):
        while len(self.kept) < count:
            if not self._more():
                raise ConnectionError(f"closed after {len(self.kept)} of {count} bytes of an answer")
        part, self.kept = self.kept[:count], self.kept[count:]
        return part

    def answer(self, head=False):
        """The next answer; None when the connection was closed before one began."""
        top = self._until(b"\r\n\r\n")
        if top is None:
            return None
        first, *lines = top.decode("latin-1").split("\r\n")
        found = re.fullmatch(r"HTTP/1\.[01] (\d{3})( .*)?", first)
        if not found:
            raise ConnectionError(f"not an answer of HTTP: {first[:200]!r}")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(found[1])
        if head or status in (204, 304) or status < 200:
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return Answer(status, headers, self._chunks())
        if "content-length" in headers:
            return Answer(status, headers, self._exactly(int(headers["content-length"])))
        while self._more():
            pass
        body, self.kept = self.kept, b""
        return Answer(status, headers, body)

    def _chunks(self):
        body = b""
        while True:
            size = int(self._until(b"\r\n").split(b";")[0], 16)
            body += self._exactly(size)
            self._exactly(2)
            if size == 0:
                return body

    def closed(self, seconds):
        """Does the other side close within these seconds?"""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        return True

    def reset(self):
        """Leaves at once and rudely: what is on its way is lost, and no port waits."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def close(self):
        self.socket.close()


def message(method, path, body=None, headers=None):
    """A request as bytes. A body brings Content-Length; headers replace what is made here, None leaves a header out."""
    lines = {"Host": "localhost"}
    if body is not None:
        body = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        lines["Content-Type"] = "application/json" if body[:1] in (b"{", b"[") else RAW
        lines["Content-Length"] = str(len(body))
    lines.update(headers or {})
    text = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items() if v is not None) + "\r\n"
    return text.encode("latin-1") + (body or b"")


def with_parent():
    """In a new process: dies when the test does, however that ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Service:
    """A running service; its folder (a temporary one when none is given) holds what it prints and its sanitizers' reports."""

    def __init__(self, build, *arguments, folder=None, port=0, environment=None, prepare=None, wait=True):
        need_modules(build, "http")
        self.build, self.status = build, None
        self.slow = 4 if sanitized(build) else 1
        self.temporary = None if folder else tempfile.TemporaryDirectory(prefix="perilune-serve-")
        self.folder = folder or self.temporary.name
        self.printed = os.path.join(self.folder, f"printed-{time.monotonic_ns()}")
        self.began = time.monotonic()
        output = open(self.printed, "wb")
        with output:
            self.process = subprocess.Popen(
                [os.path.join(build, "perilune"), "serve", "--port", str(port), *map(str, arguments)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=self.folder,
                env=self._environment(environment or {}), preexec_fn=lambda: (with_parent(), prepare and prepare()))
        self.pid, self.port = self.process.pid, port
        if wait and not wait_until(self._listens, 30 * self.slow):
            raise RuntimeError(f"the service does not start: {self.end()}: {self.text()}")

    def _environment(self, more):
        options = "detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=16:thread_local_quarantine_size_kb=16"
        kept = {name: value for name, value in os.environ.items() if name not in ("PERILUNE_TOKEN", "LD_PRELOAD")}
        return dict(kept, LC_ALL="C.UTF-8", ASAN_OPTIONS=f"{options}:log_path={self.folder}/sanitizer",
                    UBSAN_OPTIONS=f"print_stacktrace=1:log_path={self.folder}/sanitizer", **more)

    def _listens(self):
        found = re.search(r"http://\S*?:(\d+)", self.text())
        if self.process.poll() is not None:
            raise RuntimeError(f"the service ended with {self.process.returncode}: {self.text()}")
        if not found:
            return False
        self.port = int(found[1])
        try:
            return self.ask("GET", "/readyz").status == 200
        except (OSError, AttributeError):
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()
        if self.temporary:
            self.temporary.cleanup()

    def text(self):
        """What it has printed."""
        with open(self.printed, encoding="utf-8", errors="replace") as file:
            return file.read()

    def connect(self, timeout=None, source=None):
        return Connection(self.port, timeout or PATIENCE * self.slow, source)

    def ask(self, method, path, body=None, headers=None, timeout=None):
        with self.connect(timeout) as connection:
            return connection.ask(method, path, body, headers)

    def alive(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def resident(self):
        """Resident memory, in MB."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) / 1024

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def processor(self):
        """Seconds of processor time used so far."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self, seconds=20):
        """SIGTERM, and SIGKILL after these seconds; returns its exit status (negative: the signal)."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds * self.slow)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.status = self.process.returncode
        return self.status

    def reports(self):
        """What the sanitizers wrote."""
        return "\n".join(open(path, encoding="utf-8", errors="replace").read()
                         for path in glob.glob(os.path.join(self.folder, "sanitizer*")))


class Companion:
    """A well-behaved client in a process of its own, which asks the whole time: on a kept connection, and on new ones.

    None of its answers may be wrong, missing, or slower than `bound` seconds."""

    def __init__(self, service, body, bound=2.0, headers=None):
        self.bound, self.stop = bound * service.slow, forked.Event()
        self.receiving, sending = forked.Pipe(False)
        self.process = forked.Process(target=self._work, args=(service.port, body, headers, sending), daemon=True)
        self.process.start()
        sending.close()

    def _work(self, port, body, headers, sending):
        with_parent()
        count, slowest, errors, expected, kept = 0, 0.0, [], None, None
        while not self.stop.is_set() and len(errors) < 10:
            fresh = count % 4 == 3
            began = time.monotonic()
            try:
                connection = Connection(port) if fresh or not kept else kept
                answer = connection.ask("POST", "/v1/predict", body, headers)
                if answer is None or answer.status != 200:
                    errors.append(f"answer {count}: {answer}")
                elif expected not in (None, answer.labels()):
                    errors.append(f"answer {count}: {answer.labels()} in place of {expected}")
                else:
                    expected = answer.labels()
                over = answer is None or answer.headers.get("connection", "").lower() == "close"
                if fresh or over:
                    connection.close()
                if not fresh or not kept:
                    kept = None if over or fresh else connection
            except (OSError, ValueError, KeyError) as problem:
                errors.append(f"answer {count}: {type(problem).__name__}: {problem}")
                kept = None
            slowest = max(slowest, time.monotonic() - began)
            count += 1
            time.sleep(0.01)
        sending.send((count, slowest, errors))

    def end(self, checks, where):
        """Stops it, and judges what it saw."""
        self.stop.set()
        count, slowest, errors = self.receiving.recv() if self.receiving.poll(60) else (0, 0, ["it is gone"])
        self.process.join(5)
        print(f"{where}: meanwhile a good client asked {count} times, slowest answer {slowest * 1000:.0f} ms", flush=True)
        checks.check(f"{where}: a good client sees no error", not errors and count > 0, errors[:5])
        checks.check(f"{where}: and is answered within {self.bound:.1f} s", slowest <= self.bound, slowest)


def bundled():
    """The file of the net that comes with Perilune."""
    return os.path.join(ROOT, "lua", "perilune", "draw", "digits.safetensors")
