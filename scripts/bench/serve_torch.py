"""A rival of bench.sh serve: the digit net in PyTorch behind Starlette on uvicorn, with uvloop, httptools and orjson.

    python serve_torch.py '{"processes": 1, "threads": 1, "batch": 64, "mode": "script"}'

POST /v1/predict takes 784 raw bytes or {"pixels": [784 numbers from 0 to 255]} and answers {"predictions": [{"label": 7,
"probabilities": [...]}]}. What has arrived when the net is free is run as one batch, at most `batch` images. mode says
how PyTorch runs the net: "eager", "script" (traced, frozen and optimised for inference), both channels-last. Several
processes share the socket. Prints "listening on URL" when it serves, ends with its standard input.
"""
import asyncio
import json
import multiprocessing
import socket
import sys
import warnings

import numpy
import orjson
import torch
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

import serve_net

PIXELS = 784


def open_net(work):
    """A function from uint8 (N, 784) to float32 probabilities (N, 10)."""
    torch.set_num_threads(work["threads"])
    net = serve_net.torch_net().to(memory_format=torch.channels_last)
    if work["mode"] == "script":
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore", DeprecationWarning)
            example = torch.zeros(2, 1, 28, 28).to(memory_format=torch.channels_last)
            net = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(net, example)))

    def run(images):
        with torch.inference_mode():
            x = torch.from_numpy(images).to(torch.float32).div_(255).view(-1, 1, 28, 28)
            return net(x.contiguous(memory_format=torch.channels_last)).numpy()

    for count in (1, 1, 2, work["batch"]):
        run(numpy.zeros((count, PIXELS), numpy.uint8))
    return run


class Batcher:
    """Gathers images; the loop runs them as a batch when it has read what was there to read."""

    def __init__(self, run, most):
        self.run, self.most, self.waiting = run, most, []

    def add(self, image):
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        if not self.waiting:
            loop.call_soon(self.drain)
        self.waiting.append((image, future))
        return future

    def drain(self):
        batch, self.waiting = self.waiting[:self.most], self.waiting[self.most:]
        if self.waiting:
            asyncio.get_running_loop().call_soon(self.drain)
        rows = self.run(numpy.stack([image for image, _ in batch]))
        for row, label, (_, future) in zip(rows, rows.argmax(1).tolist(), batch):
            if not future.cancelled():
                future.set_result((label, row))


def refuse(reason):
    return Response(orjson.dumps({"error": {"status": 400, "reason": reason}}), 400, media_type="application/json")


def application(work):
    batcher = Batcher(open_net(work), work["batch"])

    async def predict(request):
        body = await request.body()
        if request.headers.get("content-type") == "application/json":
            try:
                image = numpy.array(orjson.loads(body)["pixels"], numpy.uint8)
            except (ValueError, KeyError, TypeError, OverflowError) as reason:
                return refuse(str(reason))
        else:
            image = numpy.frombuffer(body, numpy.uint8)
        if image.shape != (PIXELS,):
            return refuse(f"wants {PIXELS} pixels")
        label, row = await batcher.add(image)
        text = orjson.dumps({"predictions": [{"label": label, "probabilities": row}]}, option=orjson.OPT_SERIALIZE_NUMPY)
        return Response(text, media_type="application/json")

    return Starlette(routes=[Route("/v1/predict", predict, methods=["POST"])])


def serve(work, listener, ready):
    config = uvicorn.Config(application(work), loop="uvloop", http="httptools", log_level="error", access_log=False,
                            server_header=False, date_header=False, backlog=1024, lifespan="off")
    ready.release()  # who connects now waits in the backlog
    uvicorn.Server(config).run(sockets=[listener])


def main():
    work = json.loads(sys.argv[1])
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    context = multiprocessing.get_context("spawn")
    ready = context.Semaphore(0)
    servers = [context.Process(target=serve, args=(work, listener, ready), daemon=True)
               for _ in range(work["processes"])]
    for server in servers:
        server.start()
    for _ in servers:
        ready.acquire()
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    sys.stdin.read()
    for server in servers:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
