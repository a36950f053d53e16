"""Jupyter's own conformance tests for kernels (jupyter_kernel_test), every one of them: none may be skipped.

    python tests/outside/kernel_conformance.py BUILD_FOLDER

Ends with 0 when all passed, 77 where jupyter_kernel_test is not installed.
"""
import sys
import unittest

import kernel_front as front

if len(sys.argv) != 2:
    sys.exit(__doc__)
try:
    home = front.Home(sys.argv[1])
    import jupyter_kernel_test
except ImportError as problem:
    front.skip("jupyter_kernel_test is not installed: %s" % problem)


class PeriluneTests(jupyter_kernel_test.KernelTests):
    kernel_name = "perilune"
    language_name = "lua"
    file_extension = ".lua"

    code_hello_world = "print 'hello, world'"
    code_stderr = "io.stderr:write 'beware'"
    completion_samples = [
        {"text": "string.forma", "matches": {"format"}},
        {"text": "('x'):re", "matches": {"rep", "reverse"}},
        {"text": "coroutine.is", "matches": {"isyieldable"}},
        {"text": "whil", "matches": {"while"}},
        {"text": "no_such_thing.", "matches": set()},
        {"text": "utf8.char", "matches": {"char", "charpattern"}},
    ]
    complete_code_samples = ["1", "x = 1", "for i = 1, 3 do print(i) end", "print?", "f = function() return 1 end", "-- x"]
    incomplete_code_samples = ["for i = 1, 3 do", "f(", "x = ", "s = [[", "if x then\n  y()", "--[["]
    invalid_code_samples = ["x = = 1", "end", "1 2", "'open", "goto nowhere", "f(]"]
    code_page_something = "print?"
    code_generate_error = "error 'on purpose'"
    code_execute_result = [
        {"code": "6 * 7", "result": "42"},
        {"code": "local a = 1\nlocal b = 2\na + b", "result": "3"},
        {"code": "1 + 2 + 3", "result": "6"},
        {"code": "{ 1, 2 }", "mime": "text/plain"},
        {"code": "require('perilune').zeros(2, 2)", "mime": "text/html"},
    ]
    code_display_data = [
        {"code": "require('perilune').display({ 1, 2 });", "mime": "text/plain"},
        {"code": "require('perilune').display(require('perilune').html('<b>x</b>'));", "mime": "text/html"},
    ]
    code_history_pattern = "1?+*3"
    supported_history_operations = ("tail", "range", "search")
    code_inspect_sample = "print"
    code_clear_output = "require('perilune').clear_output()"


welcomes = hasattr(jupyter_kernel_test, "IopubWelcomeTests")
if welcomes:

    class PeriluneWelcomeTests(jupyter_kernel_test.IopubWelcomeTests):
        kernel_name = "perilune"
        support_iopub_welcome = True


def main():
    loader = unittest.TestLoader()
    suite = unittest.TestSuite([loader.loadTestsFromTestCase(PeriluneTests)])
    if welcomes:
        suite.addTests(loader.loadTestsFromTestCase(PeriluneWelcomeTests))
    try:
        result = unittest.TextTestRunner(verbosity=2, stream=sys.stdout).run(suite)
    finally:
        home.close()
    skipped = len(result.skipped)
    print("jupyter_kernel_test %s: %d tests, %d failed, %d skipped" % (
        jupyter_kernel_test.__version__, result.testsRun, len(result.failures) + len(result.errors), skipped))
    return 0 if result.wasSuccessful() and skipped == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
