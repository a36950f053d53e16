"""A program on a pseudo-terminal of its own: what it writes, keys for it, sizes, its memory, its end.

Python's standard library only.
"""
import fcntl
import os
import re
import select
import signal
import struct
import termios
import threading
import time

from draw_hands import wait_until

ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-B]|[=>78DEHMc])")

TIOCGPTN = 0x80045430  # which /dev/pts it is (Linux)


class Pty:
    KEEP = 200_000  # bytes of output that are remembered

    def __init__(self, command, folder, environment, columns=160, rows=50):
        self.output, self.lock, self.written, self.status = bytearray(), threading.Lock(), 0, None
        self.pid, self.master = os.forkpty()
        if self.pid == 0:
            try:
                os.chdir(folder)
                os.execvpe(command[0], command, environment)
            finally:
                os._exit(127)
        self.resize(columns, rows)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while True:
            try:
                got = os.read(self.master, 65536)
            except OSError:
                return
            if not got:
                return
            with self.lock:
                self.output += got
                self.written += len(got)
                if len(self.output) > 2 * self.KEEP:
                    del self.output[:-self.KEEP]

    def resize(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def send(self, data, patience=20):
        """Writes all of it; False when the program did not take it in time or is gone."""
        data = data.encode() if isinstance(data, str) else data
        end, pieces = time.monotonic() + patience, [b""]
        for piece in re.split(rb"(?=\x1b)", data):  # no sequence is torn: its parts could come too long after each other
            if len(pieces[-1]) + len(piece) > 512:
                pieces.append(b"")
            pieces[-1] += piece
        for piece in pieces:
            while piece:
                if not select.select([], [self.master], [], 0.2)[1]:
                    if time.monotonic() > end or not self.alive():
                        return False
                    continue
                try:
                    piece = piece[os.write(self.master, piece):]
                except OSError:
                    return False
        return True

    def drained(self, seconds=10):
        """Waits until the program has taken all that was sent to it; has it?"""
        number = struct.unpack("i", fcntl.ioctl(self.master, TIOCGPTN, b"\0\0\0\0"))[0]
        slave = os.open(f"/dev/pts/{number}", os.O_RDWR | os.O_NOCTTY)
        try:
            def nothing():
                return struct.unpack("i", fcntl.ioctl(slave, termios.FIONREAD, b"\0\0\0\0"))[0] == 0 or not self.alive()
            return wait_until(nothing, seconds)
        finally:
            os.close(slave)

    def text(self):
        """What it wrote lately, without the sequences that move and colour."""
        with self.lock:
            raw = bytes(self.output)
        return ESCAPES.sub("", raw.decode("utf-8", "replace")).replace("\r", "")

    def forget(self):
        with self.lock:
            self.output.clear()

    def alive(self):
        """Is it running? Notes its status when it has ended: as exit's, or minus the signal."""
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is None

    def wait(self, seconds=10):
        """Its status; None when it is still running."""
        end = time.monotonic() + seconds
        while self.alive() and time.monotonic() < end:
            time.sleep(0.03)
        return self.status

    def resident(self):
        """Resident memory in MB; None when it is gone."""
        try:
            with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
                return int(re.search(r"VmRSS:\s*(\d+)", file.read()).group(1)) / 1024
        except (OSError, AttributeError):
            return None

    def close(self):
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        os.close(self.master)


class Prompt:
    """A Lua prompt on a pseudo-terminal that can be asked for values."""

    def __init__(self, pty, seconds=20):
        self.pty, self.asked = pty, 0
        self.ready = wait_until(lambda: re.search(r"> *$", pty.text()), seconds)

    def run(self, line):
        self.pty.send(line + "\r")

    def ask(self, expression, seconds=15):
        """The value of a Lua expression as tostring writes it; None when no answer comes (which is told)."""
        self.asked += 1
        # The echo of the line holds %d and %s, the answer the values.
        self.run(f'print(("<%d:%s:%d>"):format({self.asked}, tostring({expression}), {self.asked}))')
        answer = re.compile(rf"<{self.asked}:(.*?):{self.asked}>", re.S)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = answer.search(self.pty.text())
            if found:
                return found.group(1)
            if not self.pty.alive():
                break
            time.sleep(0.02)
        print(f"no answer to {expression}: {self.pty.text()[-1500:]!r}", flush=True)
        return None
