"""A screen of one's own for a program with a window: Xvfb, a person's mouse and keys by xdotool, pictures of what shows.

    with Screen(1280, 960) as screen:
        ... start a program with screen.environment() ...
        window = screen.window("perilune")
        screen.stroke([(x, y, seconds), ...])
        picture = screen.picture()

The pictures are read from Xvfb's own frame buffer (an XWD file), so that no program has a say in what they show.
Python's standard library only; xdotool is told whole strokes at once and keeps their time.
"""
import ctypes
import mmap
import os
import re
import struct
import subprocess
import tempfile
import time
import zlib

from draw_hands import wait_until


class Picture:
    """Pixels: rows of bytes, blue green red and one unused each."""

    def __init__(self, width, height, stride, data):
        self.width, self.height, self.stride, self.data = width, height, stride, data

    def at(self, x, y):
        i = y * self.stride + 4 * x
        return self.data[i + 2] << 16 | self.data[i + 1] << 8 | self.data[i]

    def cut(self, left, top, width, height):
        """A part of it: the bytes row by row, to compare."""
        return b"".join(bytes(self.data[y * self.stride + 4 * left:y * self.stride + 4 * (left + width)])
                        for y in range(top, min(top + height, self.height)))

    def save(self, path, left, top, width, height):
        """A part of it as a PNG."""
        width, height = min(width, self.width - left), min(height, self.height - top)
        raw = bytearray()
        for y in range(top, top + height):
            row = self.data[y * self.stride + 4 * left:y * self.stride + 4 * (left + width)]
            pixels = bytearray(3 * width)
            pixels[0::3], pixels[1::3], pixels[2::3] = row[2::4], row[1::4], row[0::4]
            raw += b"\0" + pixels

        def chunk(kind, data):
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
                       + chunk(b"IDAT", zlib.compress(bytes(raw), 6)) + chunk(b"IEND", b""))


class Screen:
    def __init__(self, width=1280, height=960):
        self.folder = tempfile.TemporaryDirectory()
        reader, writer = os.pipe()
        self.log = open(os.path.join(self.folder.name, "xvfb.log"), "wb")
        self.server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{width}x{height}x24", "-nolisten", "tcp", "-noreset",
             "-fbdir", self.folder.name], pass_fds=[writer], stdout=self.log, stderr=self.log)
        os.close(writer)
        number = b""
        while not number.endswith(b"\n"):
            got = os.read(reader, 16)
            if not got:
                raise RuntimeError("Xvfb did not start")
            number += got
        os.close(reader)
        self.display = ":" + number.decode().strip()
        self.frame = open(os.path.join(self.folder.name, "Xvfb_screen0"), "rb")
        self.memory = mmap.mmap(self.frame.fileno(), 0, access=mmap.ACCESS_READ)
        self.library = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.memory.close()
        self.frame.close()
        self.server.terminate()
        self.server.wait()
        self.log.close()
        self.folder.cleanup()

    def environment(self, **more):
        """For a program that is to show itself here."""
        made = dict(os.environ, DISPLAY=self.display, SDL_VIDEODRIVER="x11", **more)
        made.pop("WAYLAND_DISPLAY", None)
        return made

    def xdotool(self, script, wait=True):
        """Runs lines of xdotool; returns what it printed, or without waiting the process."""
        process = subprocess.Popen(["xdotool", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment(), text=True)
        if not wait:
            process.stdin.write(script)
            process.stdin.close()
            return process
        output, errors = process.communicate(script)
        if process.returncode != 0 and errors:
            raise RuntimeError(f"xdotool: {errors.strip()}")
        return output

    def windows(self, name):
        """The windows whose title holds a name."""
        done = subprocess.run(["xdotool", "search", "--onlyvisible", "--name", name], env=self.environment(),
                              capture_output=True, text=True)
        return [int(line) for line in done.stdout.split()]

    def window(self, name, seconds=20):
        """Waits for a window, gives it the keyboard; None when none came."""
        found = wait_until(lambda: self.windows(name), seconds)
        if not found:
            return None
        self.xdotool(f"windowfocus --sync {found[-1]}\n")
        return found[-1]

    def geometry(self, window):
        """left, top, width, height"""
        text = self.xdotool(f"getwindowgeometry --shell {window}\n")
        values = dict(re.findall(r"(\w+)=(-?\d+)", text))
        return int(values["X"]), int(values["Y"]), int(values["WIDTH"]), int(values["HEIGHT"])

    def resize(self, window, width, height):
        self.xdotool(f"windowsize {window} {width} {height}\n")
        return wait_until(lambda: self.geometry(window)[2:] == (width, height), 5)

    def stroke(self, points, button=1):
        """Presses, moves through points of pixels and seconds, releases."""
        lines, before = [], None
        for x, y, t in points:
            lines.append(f"mousemove {round(x)} {round(y)}")
            if before is None:
                lines.append(f"mousedown {button}")
            elif t > before:
                lines.insert(-1, f"sleep {t - before:.4f}")
            before = t
        lines.append(f"mouseup {button}\n")
        self.xdotool("\n".join(lines))

    def click(self, x, y, button=1):
        self.xdotool(f"mousemove {round(x)} {round(y)}\nsleep 0.03\nmousedown {button}\nsleep 0.05\nmouseup {button}\n")

    def keys(self, *names):
        """Presses keys as xdotool names them: c, plus, ctrl+z."""
        self.xdotool("".join(f"key --delay 10 {name}\n" for name in names))

    def picture(self):
        """What shows now."""
        data = bytes(self.memory)
        header = struct.unpack(">25I", data[:100])
        start = header[0] + header[19] * 12
        return Picture(header[4], header[5], header[12], memoryview(data)[start:])

    def ask_to_close(self, window):
        """What a window manager's close button sends: WM_DELETE_WINDOW."""
        x = self.library = self.library or ctypes.CDLL("libX11.so.6")
        x.XOpenDisplay.restype = ctypes.c_void_p
        x.XInternAtom.restype = ctypes.c_ulong
        x.XInternAtom.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int]
        x.XSendEvent.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_int, ctypes.c_long, ctypes.c_void_p]
        x.XCloseDisplay.argtypes = [ctypes.c_void_p]
        display = x.XOpenDisplay(self.display.encode())
        protocols, delete = (x.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW"))

        class Message(ctypes.Structure):
            _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("sent", ctypes.c_int),
                        ("display", ctypes.c_void_p), ("window", ctypes.c_ulong), ("kind", ctypes.c_ulong),
                        ("format", ctypes.c_int), ("data", ctypes.c_long * 5), ("rest", ctypes.c_long * 24)]
        message = Message(33, 0, 1, display, window, protocols, 32, (ctypes.c_long * 5)(delete, 0, 0, 0, 0))
        x.XSendEvent(display, window, 0, 0, ctypes.byref(message))
        x.XCloseDisplay(display)


def find_canvas(picture, left, top, width, height, step=4):
    """The empty canvas in a window: left, top, width, height in pixels (step pixels off at most). It is where the
    lightest of the colours is that cover most of the window, whatever is written on it."""
    seen = {}
    for y in range(top, top + height, step):
        for x in range(left, left + width, step):
            seen.setdefault(picture.at(x, y), []).append((x, y))
    most = sorted(seen, key=lambda colour: -len(seen[colour]))[:4]
    xs, ys = zip(*seen[max(most, key=lambda colour: sum(colour.to_bytes(3, "big")))])
    return min(xs), min(ys), max(xs) - min(xs) + step, max(ys) - min(ys) + step


def wait_for_calm(screen, seconds=5, interval=0.1):
    """Waits until the picture stands still."""
    before = screen.picture().data
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(interval)
        now = screen.picture().data
        if now == before:
            return True
        before = now
    return False
