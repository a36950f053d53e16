"""The notebook kernel's contract where Jupyter's own tests look away: requests and their order, comms, history, restart,
signatures, transports, parents; and with kernel_contract_cells.py what a cell can count on.

    python tests/outside/kernel_contract.py BUILD_FOLDER [NAME...]

NAMEs are test classes or tests (Interrupts, Comms.test_target). Ends with 0 when all passed, 77 without jupyter_client.
"""
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import unittest

import kernel_front as front

if len(sys.argv) < 2:
    sys.exit(__doc__)
try:
    home = front.Home(sys.argv[1])
    import nbclient
    import nbformat
    import zmq
    from jupyter_client.session import Session
except ImportError as problem:
    front.skip("Jupyter is not installed: %s" % problem)

import kernel_contract_cells as cells
from kernel_contract_cells import Case


class Requests(Case):
    def test_busy_and_idle_around_every_request(self):
        book = self.book
        requests = {
            "kernel_info_request": {}, "complete_request": {"code": "pri", "cursor_pos": 3},
            "inspect_request": {"code": "print", "cursor_pos": 3, "detail_level": 0},
            "is_complete_request": {"code": "1"}, "comm_info_request": {},
            "history_request": {"hist_access_type": "tail", "n": 1, "raw": True, "output": False},
            "connect_request": {},
        }
        for kind, content in requests.items():
            reply, messages = book.ask(kind, content)
            self.assertEqual(front.states(messages), "busy idle", kind)
            self.assertEqual(reply["status"], "complete" if kind == "is_complete_request" else "ok")
        for kind, content in {"nonsense_request": {}, "comm_msg": {"comm_id": "x", "data": {}}, "debug_request": {}}.items():
            self.assertEqual(front.states(book.until_idle(book.send(kind, content))), "busy idle", kind)

    def test_control(self):
        for kind in ("kernel_info_request", "interrupt_request"):
            reply, messages = self.book.ask(kind, {}, channel="control")
            self.assertEqual(front.states(messages), "busy idle", kind)
            self.assertEqual(reply["status"], "ok")
        first, _ = self.book.ask("kernel_info_request", {})
        second, _ = self.book.ask("kernel_info_request", {}, channel="control")
        self.assertEqual(first, second)
        self.assertEqual(front.states(self.book.until_idle(self.book.send("nonsense", {}, "control"))), "busy idle")

    def test_control_answers_while_a_cell_runs(self):
        msg_id = self.book.start("local stop = os.clock() + 1 while os.clock() < stop do end")
        time.sleep(0.2)
        began = time.monotonic()
        control_id = self.book.send("kernel_info_request", {}, "control")
        self.book.reply_to(control_id, channel="control")
        self.assertLess(time.monotonic() - began, 0.5)
        self.book.until_idle(msg_id)
        self.book.reply_to(msg_id)

    def test_kernel_info(self):
        info, _ = self.book.ask("kernel_info_request", {})
        self.assertEqual(info["protocol_version"], "5.5")
        self.assertEqual(info["implementation"], "perilune")
        language = info["language_info"]
        self.assertEqual([language[k] for k in ("name", "mimetype", "file_extension", "pygments_lexer", "codemirror_mode")],
                         ["lua", "text/x-lua", ".lua", "lua", "lua"])
        self.assertRegex(language["version"], r"^5\.4\.\d+$")
        self.assertIsInstance(info["help_links"], list)

    def test_malformed_content(self):
        for kind in ("execute_request", "complete_request", "inspect_request", "is_complete_request"):
            for content in ({}, {"code": 5}, {"code": None}):
                reply, messages = self.book.ask(kind, content)
                self.assertEqual(reply["status"], "error", kind)
                self.assertEqual(front.states(messages[-1:]), "idle")

    def test_order_of_a_cell(self):
        _, messages = self.book.run("print 'out'\n42")
        self.assertEqual(front.states(messages), "busy execute_input stream execute_result idle")
        reply, messages = self.book.run("")
        self.assertEqual((reply["status"], front.states(messages)), ("ok", "busy execute_input idle"))

    def test_silent_and_store_history(self):
        count = self.book.run("1")[0]["execution_count"]
        reply, messages = self.book.run("print 'x' peri.display(1) secret = 5\n5", silent=True)
        self.assertEqual(front.states(messages), "busy idle")
        self.assertEqual(reply["execution_count"], count)
        reply, messages = self.book.run("error 'x'", silent=True)
        self.assertEqual((reply["status"], front.states(messages)), ("error", "busy idle"))
        reply, messages = self.book.run("secret", store_history=False)
        self.assertEqual(reply["execution_count"], count)
        self.assertEqual(front.of_type(messages, "execute_result")[0]["data"]["text/plain"], "5")
        self.assertEqual(self.book.run("print 'heard'")[0]["execution_count"], count + 1)
        self.assertEqual(front.text_of(self.book.run("print 'heard'")[1]), "heard\n")
        history, _ = self.book.ask("history_request", dict(hist_access_type="tail", n=50, raw=True, output=False))
        self.assertFalse([row for row in history["history"] if "secret" in row[2]])

    def test_user_expressions(self):
        reply, _ = self.book.run("local a = 6", user_expressions={"good": "a * 7", "bad": "nil + 1", "wrong": "1 +",
                                                                   "table": "{ a }", "two": "1, 2"})
        results = reply["user_expressions"]
        self.assertEqual(results["good"], {"status": "ok", "data": {"text/plain": "42"}, "metadata": {}})
        self.assertEqual(results["table"]["data"]["text/plain"], "{ 6 }")
        self.assertEqual([results[k]["status"] for k in ("bad", "wrong")], ["error", "error"])
        reply, _ = self.book.run("1", user_expressions={"good": "6", "bad": "setmetatable({}, { __mime = function() "
                                                        "return { ['application/json'] = { f = print } } end })"})
        self.assertEqual(reply["status"], "ok")
        self.assertEqual([reply["user_expressions"][k]["status"] for k in ("good", "bad")], ["ok", "error"])
        self.assertEqual(self.book.run("error 'x'", user_expressions={"x": "1"})[0]["user_expressions"], {})

    def queue(self, stop):
        ids = [self.book.start("error 'first'", stop_on_error=stop), self.book.start("after = 1"),
               self.book.send("kernel_info_request", {}), self.book.start("after = 2")]
        statuses = []
        for msg_id in ids:
            self.book.until_idle(msg_id)
            statuses.append(self.book.reply_to(msg_id)["content"]["status"])
        return statuses

    def test_queue_is_aborted(self):
        self.book.run("after = 0")
        self.assertEqual(self.queue(True), ["error", "aborted", "ok", "aborted"])
        self.assertEqual(self.book.value("after"), "0")
        self.assertEqual(self.queue(False), ["error", "ok", "ok", "ok"])
        self.assertEqual(self.book.value("after"), "2")

    def test_what_comes_after_the_error_is_run(self):
        for _ in range(5):
            msg_id = self.book.start("error 'x'")
            while self.book.iopub()["msg_type"] != "error":
                pass
            follower = self.book.start("'ran'")
            self.assertEqual(self.book.reply_to(msg_id)["content"]["status"], "error")
            self.assertEqual(self.book.reply_to(follower)["content"]["status"], "ok")
            self.book.until_idle(follower)

    def test_locals_live_on(self):
        self.book.run("local n = 1\nlocal function bump() n = n + 1 return n end")
        self.assertEqual(self.book.value("bump()"), "2")
        self.book.run("n = 10")
        self.assertEqual(self.book.value("bump()"), "11")

    def test_complete_places_and_types(self):
        reply, _ = self.book.ask("complete_request", {"code": "s = '\U0001f319é' .. string.form .. 1", "cursor_pos": 23})
        self.assertEqual((reply["matches"], reply["cursor_start"], reply["cursor_end"]), (["format"], 19, 23))
        types = reply["metadata"]["_jupyter_types_experimental"]
        self.assertEqual([(t["text"], t["type"], t["start"], t["end"]) for t in types], [("format", "function", 19, 23)])
        reply, _ = self.book.ask("complete_request", {"code": "peri.ze", "cursor_pos": 7})
        self.assertIn("zeros", reply["matches"])
        self.assertTrue(reply["metadata"]["_jupyter_types_experimental"][0]["signature"])
        self.book.run("net = peri.nn.Dense { 3 }")
        reply, _ = self.book.ask("complete_request", {"code": "net:para", "cursor_pos": 8})
        self.assertIn("parameters", reply["matches"])
        reply, _ = self.book.ask("complete_request", {"code": "zzz.", "cursor_pos": 4})
        self.assertEqual(reply["matches"], [])

    def test_inspect(self):
        for detail in (0, 1):
            reply, _ = self.book.ask("inspect_request", {"code": "y = peri.conv2d(x)", "cursor_pos": 12, "detail_level": detail})
            self.assertTrue(reply["found"])
            self.assertIn("conv2d", reply["data"]["text/plain"])
        self.book.run("--- Doubles x.\nfunction double(x)\n  return x * 2\nend")
        text = [self.book.ask("inspect_request", {"code": "double", "cursor_pos": 6, "detail_level": d})[0]["data"]["text/plain"]
                for d in (0, 1)]
        self.assertIn("Doubles x.", text[0])
        self.assertNotIn("return x * 2", text[0])
        self.assertIn("return x * 2", text[1])
        reply, _ = self.book.ask("inspect_request", {"code": "no_such_thing", "cursor_pos": 3, "detail_level": 0})
        self.assertEqual((reply["status"], reply["found"], reply["data"], reply["metadata"]), ("ok", False, {}, {}))

    def test_pages(self):
        for code in ("peri.zeros?", "?peri.zeros", "peri.zeros??", "??peri.zeros", "print?"):
            reply, messages = self.book.run(code)
            self.assertEqual([p["source"] for p in reply["payload"]], ["page"], code)
            self.assertIn(code.strip("?").split(".")[-1], reply["payload"][0]["data"]["text/plain"])
            self.assertEqual(front.states(messages), "busy execute_input idle")

    def test_is_complete(self):
        for code, wanted in {"for i = 1, 2 do": ("incomplete", "  "), "x = 1": ("complete", None),
                             "f {\n  g(function()": ("incomplete", "    "), "end": ("invalid", None)}.items():
            reply, _ = self.book.ask("is_complete_request", {"code": code})
            self.assertEqual((reply["status"], reply.get("indent")), wanted, code)

    def test_raw_json(self):
        """Lists and objects that are empty are told apart: Python's json does, so do other readers."""
        reply, _ = self.book.run("x = 1")
        self.assertEqual((reply["payload"], reply["user_expressions"]), ([], {}))
        self.assertEqual(self.book.ask("comm_info_request", {})[0]["comms"], {})
        self.assertEqual(self.book.ask("history_request", dict(hist_access_type="range", session=99, start=1, stop=2,
                                                               raw=True, output=False))[0]["history"], [])

    def test_the_kernel_in_a_cell(self):
        self.assertRegex(self.book.value("peri.kernel.running().id").strip('"'), r"^[-0-9a-f]+$|^[\w.-]+$")
        self.assertEqual(self.book.value("require('perilune.kernel') == peri.kernel"), "true")
        self.assertEqual(self.book.value("arg[0]").strip('"'), "perilune")


class Comms(Case):
    def opened(self, target, data=None):
        msg_id = self.book.send("comm_open", {"comm_id": "c-" + target, "target_name": target, "data": data or {}})
        return self.book.until_idle(msg_id)

    def test_target(self):
        self.ok("""peri.kernel.comm.register("echo", function(comm, data, message)
              opened = data.hello
              comm.on_message = function(self, data) self:send({ back = data }, { "\\1\\0\\255" }) print "served" end
              comm.on_close = function(_, data) closed = data.bye end
            end)""")
        self.assertEqual(front.states(self.opened("echo", {"hello": 7})), "busy idle")
        self.assertEqual(self.book.value("opened"), "7")
        messages = self.book.until_idle(self.book.send("comm_msg", {"comm_id": "c-echo", "data": {"x": [1, 2.5, "ä"]}}))
        sent = [m for m in messages if m["msg_type"] == "comm_msg"][0]
        self.assertEqual(sent["content"], {"comm_id": "c-echo", "data": {"back": {"x": [1, 2.5, "ä"]}}})
        self.assertEqual([bytes(b) for b in sent["buffers"]], [b"\x01\x00\xff"])
        self.assertEqual(front.text_of(messages), "served\n")
        self.assertEqual(self.book.ask("comm_info_request", {"target_name": "echo"})[0]["comms"],
                         {"c-echo": {"target_name": "echo"}})
        self.book.until_idle(self.book.send("comm_close", {"comm_id": "c-echo", "data": {"bye": "x"}}))
        self.assertEqual(self.book.value("closed").strip('"'), "x")
        self.assertNotIn("c-echo", self.book.ask("comm_info_request", {})[0]["comms"])

    def test_unknown_target(self):
        messages = self.opened("nobody")
        self.assertEqual(front.states(messages), "busy comm_close idle")
        self.assertEqual(messages[1]["content"], {"comm_id": "c-nobody", "data": {}})

    def test_opened_by_a_cell(self):
        messages = self.ok("line = peri.kernel.comm.open('plot', { title = 't' })\n"
                           "line.on_message = function(_, data, message) got = { data.v, #message.buffers } end")
        opened = front.of_type(messages, "comm_open")[0]
        self.assertEqual((opened["target_name"], opened["data"]), ("plot", {"title": "t"}))
        message = self.book.message("comm_msg", {"comm_id": opened["comm_id"], "data": {"v": 3}})
        self.book.client.session.send(self.book.client.shell_channel.socket, message, buffers=[b"a", b"bb"])
        self.book.until_idle(message["header"]["msg_id"])
        self.assertEqual(self.book.value("got"), "{ 3, 2 }")
        messages = self.ok("line:send() line:close { done = true }")
        self.assertEqual(front.of_type(messages, "comm_msg")[0]["data"], {})
        self.assertEqual(front.of_type(messages, "comm_close")[0]["data"], {"done": True})

    def test_handlers_that_fail(self):
        self.ok("peri.kernel.comm.register('bad', function(comm) comm.on_message = function() error 'in handler' end end)")
        self.opened("bad")
        messages = self.book.until_idle(self.book.send("comm_msg", {"comm_id": "c-bad", "data": {}}))
        self.assertIn("in handler", front.text_of(messages, "stderr"))
        self.assertEqual(self.book.value("1"), "1")


class History(unittest.TestCase):
    def test_across_kernels(self):
        code = "x = 'first kernel'\n-- \\n tab\t"
        with front.Notebook() as book:
            book.run(code)
            book.run("1 + 1")
            rows = book.ask("history_request", dict(hist_access_type="tail", n=2, raw=True, output=True))[0]["history"]
            self.assertEqual(rows[1][2], ["1 + 1", "2"])
        with front.Notebook() as book:
            book.run("y = 2")
            ask = dict(hist_access_type="search", pattern="x = 'first*", raw=True, output=False)
            rows = book.ask("history_request", ask)[0]["history"]
            self.assertEqual(rows[-1][2], code)
            rows = book.ask("history_request", dict(hist_access_type="range", session=-1, start=1, stop=2, raw=True,
                                                    output=False))[0]["history"]
            self.assertEqual([row[1:] for row in rows], [[1, code]])
            tail = book.ask("history_request", dict(hist_access_type="tail", n=3, raw=True, output=False))[0]["history"]
            self.assertEqual([row[2] for row in tail], [code, "1 + 1", "y = 2"])
        mode = os.stat(os.path.join(os.environ["XDG_STATE_HOME"], "perilune", "history-notebook")).st_mode
        self.assertEqual(mode & 0o077, 0)


class Lifetime(unittest.TestCase):
    def test_starts_soon(self):
        with front.Notebook() as book:
            print("  started and answered in %.3f s" % book.start_seconds, flush=True)

    def test_restart(self):
        with front.Notebook() as book:
            book.run("x = 5")
            first = book.process
            book.manager.restart_kernel()
            book.process = book.manager.provisioner.process
            self.assertEqual(first.wait(5), 0)
            first.stderr.close()
            book.client.wait_for_ready(timeout=30)
            book.flush()
            self.assertEqual(book.value("x"), "nil")
            self.assertEqual(book.run("x = 1")[0]["execution_count"], 2)

    def test_shutdown(self):
        for busy in (None, "while true do end", "while true do pcall(function() while true do end end) end",
                     "os.execute 'sleep 30'"):
            with front.Notebook() as book:
                if busy:
                    book.start(busy)
                    time.sleep(0.3)
                began = time.monotonic()
                msg_id = book.send("shutdown_request", {"restart": False}, "control")
                reply = book.reply_to(msg_id, channel="control")
                self.assertEqual(reply["content"], {"status": "ok", "restart": False})
                self.assertEqual(book.process.wait(5), 0)
                self.assertLess(time.monotonic() - began, 3, busy)

    def test_ends_with_its_parent(self):
        script = """
            import os, sys, time
            sys.path.insert(0, %r)
            from jupyter_client.manager import KernelManager
            manager = KernelManager(kernel_name="perilune")
            manager.start_kernel()
            client = manager.client()
            client.start_channels()
            client.wait_for_ready(timeout=30)
            client.execute(%r)
            time.sleep(0.5)
            print(manager.provisioner.process.pid, flush=True)
            time.sleep(60)
        """
        for code in ("x = 1", "while true do end", "while true do pcall(function() while true do end end) end"):
            parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script) % (os.path.dirname(__file__), code)],
                                      stdout=subprocess.PIPE, text=True)
            kernel = int(parent.stdout.readline())
            parent.send_signal(signal.SIGKILL)
            parent.wait()
            parent.stdout.close()
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and alive(kernel):
                time.sleep(0.05)
            self.assertFalse(alive(kernel), code)

    def test_ipc(self):
        with front.Notebook(transport="ipc") as book:
            self.assertEqual(book.value("'over ' .. 'ipc'").strip('"'), "over ipc")
            # Answered before the next cell is sent: the manager's does not wait, and could interrupt that.
            reply, _ = book.ask("interrupt_request", {}, channel="control")
            self.assertEqual((reply["status"], book.value("1")), ("ok", "1"))

    def test_nbclient(self):
        sources = ["local x = 20", "print 'hello'\nx + 1", "peri.ones(2)", "error 'shown'"]
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
        nbclient.NotebookClient(notebook, kernel_name="perilune", allow_errors=True, timeout=60).execute()
        outputs = [[o["output_type"] for o in cell["outputs"]] for cell in notebook.cells]
        self.assertEqual(outputs, [[], ["stream", "execute_result"], ["execute_result"], ["error"]])
        nbformat.validate(notebook)


def alive(pid):
    """Is there such a process, and no zombie?"""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Signatures(Case):
    def connect(self):
        info = self.book.client.get_connection_info()
        socket = zmq.Context.instance().socket(zmq.DEALER)
        socket.linger = 0
        socket.connect("tcp://127.0.0.1:%d" % info["shell_port"])
        key = info["key"]
        return socket, key if isinstance(key, bytes) else key.encode()

    def answered(self, socket, wait=0.4):
        if not socket.poll(int(wait * 1000)):
            return None
        frames = socket.recv_multipart()
        return json.loads(frames[frames.index(b"<IDS|MSG>") + 2])["msg_type"]

    def test_forged(self):
        socket, key = self.connect()
        good = Session(key=key)
        frames = good.serialize(good.msg("kernel_info_request", {}))
        start = frames.index(b"<IDS|MSG>")
        Session(key=b"wrong").send(socket, "kernel_info_request", {})
        Session(key=b"").send(socket, "kernel_info_request", {})
        for change in (
            lambda f: f[:start + 1] + [b"0" * 64] + f[start + 2:],          # no signature of ours
            lambda f: f[:start + 5] + [b'{"code": "x"}'] + f[start + 6:],   # other content
            lambda f: f[:start + 1], lambda f: f[:start + 3], lambda f: [b""], lambda f: [b"\xff" * 100],
            lambda f: f[:start + 1] + [f[start + 1].upper()] + f[start + 2:] if f[start + 1].upper() != f[start + 1] else [b""],
        ):
            socket.send_multipart(change(list(frames)))
        self.assertIsNone(self.answered(socket))
        socket.send_multipart(frames)
        self.assertEqual(self.answered(socket, 5), "kernel_info_reply")
        socket.send_multipart(frames)  # the same once more: replayed
        self.assertIsNone(self.answered(socket))
        self.assertEqual(self.book.value("1 + 1"), "2")
        socket.close()

    def test_malformed_but_signed(self):
        socket, key = self.connect()
        session = Session(key=key)
        for parts in ([b"{}", b"{}", b"{}", b"{}"], [b"[]", b"{}", b"{}", b"{}"], [b"x", b"y", b"z", b"w"],
                      [b'{"msg_type": 5}', b"{}", b"{}", b"{}"], [b"", b"", b"", b""],
                      [b'{"msg_id": "1", "msg_type": "execute_request", "session": "s"}', b"{}", b"{}", b"[[[["],
                      [b'{"msg_id": "2", "msg_type": "execute_request"}', b"{}", b"{}", b"[" * 100000]):
            socket.send_multipart([b"<IDS|MSG>", session.sign(parts), *parts])
        time.sleep(0.3)
        self.book.flush()
        self.assertEqual(self.book.value("1 + 1"), "2")
        socket.close()


class Command(unittest.TestCase):
    def test_install_list_uninstall(self):
        prefix = os.path.join(home.folder, "elsewhere")
        told = home.command("install", "--prefix", prefix, "--name", "Mine")
        self.assertEqual(told.returncode, 0, told.stderr)
        folder = os.path.join(prefix, "share", "jupyter", "kernels", "mine")
        self.assertIn(folder, told.stdout)
        self.assertIn("jupyter", told.stdout)
        with open(os.path.join(folder, "kernel.json")) as file:
            spec = json.load(file)
        self.assertEqual((spec["interrupt_mode"], spec["language"]), ("message", "lua"))
        self.assertTrue(os.path.isabs(spec["argv"][0]) and os.access(spec["argv"][0], os.X_OK))
        self.assertIn("logo-svg.svg", os.listdir(folder))
        self.assertEqual(home.command("uninstall", "--prefix", prefix, "--name", "mine").returncode, 0)
        self.assertFalse(os.path.exists(folder))
        self.assertEqual(home.command("uninstall", "--prefix", prefix).returncode, 1)
        told = home.command("install", "--user")
        self.assertIn(os.environ["JUPYTER_DATA_DIR"], told.stdout)
        self.assertIn("perilune", home.command("list").stdout)
        self.assertEqual(home.command("uninstall").returncode, 0)

    def test_bad_arguments(self):
        missing = os.path.join(home.folder, "none.json")
        bad = os.path.join(home.folder, "bad.json")
        with open(bad, "w") as file:
            file.write('{"ip": "127.0.0.1"}')
        for arguments, status, words in (
            (["run"], 2, "connection-file"), (["run", "-f", missing], 1, "No such file"),
            (["run", "--connection-file", bad], 1, "port"), ([], 2, "Usage"), (["nonsense"], 2, "Usage"),
            (["install", "--name", "a/b"], 1, "name"), (["install", "--prefix", "/proc/none"], 1, "cannot write"),
        ):
            told = home.command(*arguments)
            self.assertEqual(told.returncode, status, (arguments, told))
            self.assertIn(words, told.stderr)
            self.assertNotIn("traceback", told.stderr)


def main():
    loader = unittest.TestLoader()
    known = [Requests, Comms, History, Lifetime, Signatures, Command, cells.Input, cells.Output, cells.Interrupts,
             cells.Failures, cells.Leaving]
    wanted = sys.argv[2:]
    suite = unittest.TestSuite()
    for case in known:
        for name in loader.getTestCaseNames(case):
            if not wanted or case.__name__ in wanted or "%s.%s" % (case.__name__, name) in wanted:
                suite.addTest(case(name))
    try:
        result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    finally:
        home.close()
    bad = len(result.failures) + len(result.errors)
    print("the kernel's contract: %d tests, %d failed, %d skipped" % (result.testsRun, bad, len(result.skipped)))
    return 0 if result.wasSuccessful() and result.testsRun > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
