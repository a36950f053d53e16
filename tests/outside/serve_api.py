#!/usr/bin/env python3
"""/openapi.json is true to what `perilune serve` serves, /metrics to what was sent, and the access log to both.

    serve_api.py BUILD_FOLDER [--examples 25]

schemathesis makes requests from /openapi.json, right ones and wrong ones, and holds every answer to it: statuses, types,
headers, shapes; a wrong request must be refused, a right one not. prometheus_client's parser reads /metrics before and after
a known number of requests. Wants the Python of requirements-serve.txt (with_python.sh --serve).
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

from prometheus_client.parser import text_string_to_metric_families

import serve_bodies as bodies
from draw_hands import Checks, wait_until
from serve_service import Service

HERE = os.path.dirname(os.path.abspath(__file__))
SECURITY = {"x-content-type-options": "nosniff"}


def schemathesis(checks, name, service, options, *arguments):
    """Runs it with the same requests each time, and a bounded number of them."""
    done = subprocess.run(
        [os.path.join(os.path.dirname(sys.executable), "schemathesis"), "run",
         f"http://127.0.0.1:{service.port}/openapi.json",
         "--checks", "all", "--phases", "examples,coverage,fuzzing", "--max-examples", str(options.examples),
         "--generation-deterministic",
         "--request-timeout", str(10 * service.slow), "--max-response-time", str(5.0 * service.slow),
         "--suppress-health-check", "all", "--continue-on-failure", "--no-color", "--output-sanitize", "false",
         *arguments],
        cwd=service.folder, capture_output=True, text=True, check=False,
        env=dict(os.environ, SCHEMATHESIS_HOOKS="serve_media", PYTHONPATH=HERE))
    print("\n".join(done.stdout.splitlines()[-25:]), flush=True)
    checks.check(f"schemathesis {name}: every answer is as /openapi.json says", done.returncode == 0,
                 done.stdout[-12000:] + done.stderr[-2000:])
    checks.check(f"schemathesis {name}: the service lives", service.alive(), service.text()[-2000:])


def metrics(service):
    """/metrics by prometheus_client: {(sample, sorted labels): value}, and the families' types."""
    got = service.ask("GET", "/metrics")
    families = list(text_string_to_metric_families(got.body.decode()))
    samples = {}
    for family in families:
        for one in family.samples:
            key = one.name, tuple(sorted(one.labels.items()))
            assert key not in samples, f"{key} twice"
            samples[key] = one.value
    return got, {family.name: family for family in families}, samples


def total(samples, name, **labels):
    return sum(value for (sample, pairs), value in samples.items() if sample == name
               and labels.items() <= dict(pairs).items())


def test_metrics(checks, service):
    raw = bodies.bar()
    got, families, before = metrics(service)
    checks.check("/metrics is Prometheus' text", got.headers.get("content-type",
                                                                 "").startswith("text/plain; version=0.0.4"), got.headers)
    checks.check("every family has a type and says what it is", all(f.type != "unknown" and f.documentation
                                                                    for f in families.values()),
                 [f.name for f in families.values() if f.type == "unknown"])
    sent = {("POST", "/v1/predict", 200): 0, ("POST", "/v1/predict", 422): 0, ("GET", "/v1/models", 200): 0,
            ("other", "other", 404): 0}
    bytes_sent = 0
    for i in range(20):
        body = raw * (1 + i % 3)
        service.ask("POST", "/v1/predict", body)
        sent["POST", "/v1/predict", 200] += 1
        bytes_sent += len(body)
    for _ in range(5):
        service.ask("POST", "/v1/predict", b"abc")
        sent["POST", "/v1/predict", 422] += 1
        bytes_sent += 3
        service.ask("GET", "/v1/models")
        sent["GET", "/v1/models", 200] += 1
    _, _, after = metrics(service)
    for (method, path, status), count in sent.items():
        if count:
            grown = [total(s, "perilune_requests_total", method=method, path=path, status=str(status)) for s in (before,
                after)]
            checks.check(f"{method} {path} {status} is counted {count} times", grown[1] - grown[0] == count, grown)
    grown = lambda name, **labels: total(after, name, **labels) - total(before, name, **labels)  # noqa: E731
    images = sum(1 + i % 3 for i in range(20))
    checks.check("images are counted", grown("perilune_images_total") == images, grown("perilune_images_total"))
    checks.check("so they are in the batches", grown("perilune_batch_images_sum") == images,
                 grown("perilune_batch_images_sum"))
    checks.check("bytes are counted", grown("perilune_received_bytes_total") == bytes_sent,
                 (grown("perilune_received_bytes_total"), bytes_sent))
    answered = sum(sent.values()) + 1  # and /metrics itself
    checks.check("latencies are of all requests", grown("perilune_request_seconds_count") in (answered, answered + 1,
        answered - 1),
                 (grown("perilune_request_seconds_count"), answered))
    checks.check("nothing waits", total(after, "perilune_queue_images") == 0)
    for (name, labels), value in after.items():
        if name.endswith(("_total", "_count", "_sum", "_bucket")):
            checks.check(f"{name} {labels} never falls", value >= before.get((name, labels), 0), value)
    for family in families.values():
        if family.type == "histogram":
            rows = sorted((float(dict(pairs)["le"]), value) for (sample, pairs), value in after.items()
                          if sample == family.name + "_bucket")
            checks.check(f"{family.name}: buckets grow to the count", rows and rows[-1][0] == float("inf")
                         and [v for _, v in rows] == sorted(v for _, v in rows) and rows[-1][1] == total(after,
                             family.name + "_count"), rows)


def test_headers(checks, service):
    """What browsers are told, on every answer, and that nothing is told too much."""
    raw = bodies.bar()
    answers = {
        "a prediction": service.ask("POST", "/v1/predict", raw), "a refusal": service.ask("POST", "/v1/predict", b"abc"),
        "the models": service.ask("GET", "/v1/models"), "the page": service.ask("GET", "/"),
               "nothing": service.ask("GET", "/nothing"),
        "a method": service.ask("DELETE", "/v1/predict"), "health": service.ask("GET", "/healthz"),
               "the description": service.ask("GET", "/openapi.json"),
        "a heat": service.ask("POST", "/v1/explain", raw, {"Accept": "image/png"}), "a bomb": service.ask("POST",
            "/v1/predict", b"", {"Content-Length": str(1 << 30)}),
    }
    for name, got in answers.items():
        for header, value in SECURITY.items():
            checks.check(f"{name}: {header}", got.headers.get(header) == value, got.headers)
        for header in ("x-frame-options", "referrer-policy", "content-security-policy"):
            checks.check(f"{name}: {header}", got.headers.get(header), got.headers)
        checks.check(f"{name}: no versions are told", "server" not in got.headers, got.headers)
        if got.status >= 400:
            checks.check(f"{name}: the error is JSON", got.headers.get("content-type", "").startswith("application/json")
                         and got.json()["error"]["status"] == got.status, got)
    policy = answers["the page"].headers.get("content-security-policy", "")
    checks.check("the page may load nothing from elsewhere", "default-src" in policy and "unsafe" not in policy
                 and "*" not in policy and "http" not in policy, policy)
    checks.check("a PNG of heat is one", answers["a heat"].status == 200
                 and answers["a heat"].body.startswith(b"\x89PNG"), answers["a heat"])
    page = answers["the page"]
    tag = page.headers.get("etag")
    again = service.ask("GET", "/", None, {"If-None-Match": tag})
    checks.check("the page's ETag spares sending it again", tag and again.status == 304 and not again.body, again)
    head = service.ask("HEAD", "/")
    checks.check("HEAD says what GET would", head.status == 200
                 and head.headers.get("content-length") == str(len(page.body)), head.headers)
    checks.check("405 says what is allowed", "POST" in answers["a method"].headers.get("allow", ""),
                 answers["a method"].headers)


def test_log(checks, service, path):
    """Every request has its line, with all there is to say."""
    count = lambda: sum(1 for _ in open(path, "rb"))  # noqa: E731
    time.sleep(1)  # the lines of what was asked before are written within a moment
    before, raw = count(), bodies.bar()
    asked = [
        ("POST", "/v1/predict", raw, 200), ("POST", "/v1/predict?model=digits", raw * 2, 200),
        ("POST", "/v1/predict", b"abc", 422), ("GET", "/nothing", None, 404), ("GET", "/healthz", None, 200),
        ("DELETE", "/v1/models", None, 405),
    ]
    for method, target, body, status in asked:
        got = service.ask(method, target, body, {"User-Agent": 'strange "agent" \\ \x01 \xe9'})
        checks.check(f"{method} {target}: {status}", got.status == status, got)
    wait_until(lambda: count() >= before + len(asked), 5)
    with open(path, "rb") as file:
        lines = file.read().splitlines()[before:]
    checks.check("a line for each request", len(lines) == len(asked), (len(lines), lines[:3]))
    for line, (method, target, _, status) in zip(lines, asked):
        one = json.loads(line)
        checks.check(f"the line of {method} {target}", one["method"] == method
                     and one["path"].split("?")[0] == target.split("?")[0] and one["status"] == status, one)
        checks.check("it has time, client, duration, sizes", len(one) >= 6 and any(isinstance(v, float)
            for v in one.values()), one)


def main():
    parser = argparse.ArgumentParser(description="Holds perilune serve to its own description.")
    parser.add_argument("build")
    parser.add_argument("--examples", type=int, default=25)
    options = parser.parse_args()
    build, checks = os.path.abspath(options.build), Checks()
    with tempfile.TemporaryDirectory(prefix="perilune-serve-") as folder:
        log, kept = os.path.join(folder, "access.log"), os.path.join(folder, "corrections")
        with Service(build, "--access-log", log, "--corrections", kept, folder=folder) as service:
            test_headers(checks, service)
            test_log(checks, service, log)
            test_metrics(checks, service)
            schemathesis(checks, "with corrections", service, options)
            checks.check("it ends with 0", service.end() == 0, (service.status, service.text()[-2000:]))
            checks.check("the sanitizers are silent", not service.reports(), service.reports()[:6000])
        token = "a-token-for-tests"
        with Service(build, folder=folder, environment={"PERILUNE_TOKEN": token}) as service:
            schemathesis(checks, "with a token", service, options, "-H", f"Authorization: Bearer {token}",
                         "--exclude-path-regex", "correct")
            checks.check("it ends with 0", service.end() == 0, (service.status, service.text()[-2000:]))
    checks.end()


if __name__ == "__main__":
    main()
