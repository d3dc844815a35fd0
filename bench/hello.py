"""The limits of an endpoint: a constant answer by our HTTP server alone, and predictions without any server.

``python hello.py serve PORT`` answers every request with the same bytes. ``predict`` (in an image's environment) prints
how many requests a second one process reads, predicts and writes, for one row and for a thousand.
"""

import asyncio
import json
import sys
import time


def serve(port: int) -> None:
    import uvloop

    from selfmaker.aws.http import HttpRequest, HttpResponse
    from selfmaker.aws.server import HttpServer

    class Hello:
        def admit(self, request: HttpRequest) -> HttpResponse | None:
            return None

        async def handle(self, request: HttpRequest) -> HttpResponse:
            return HttpResponse(200, {"Content-Type": "text/csv"}, b"0.5")

    async def run() -> None:
        await HttpServer(Hello()).start("127.0.0.1", port)
        await asyncio.Event().wait()

    uvloop.run(run())


def predict(worker: str, rows: str) -> None:
    """``worker`` is the folder above the worker's package; ``rows`` a JSON list of bodies."""
    sys.path.insert(0, worker)
    from worker.transport import Message
    from worker.xgboost_handlers import XgboostAlgorithm

    handlers = XgboostAlgorithm(None, ".")
    handlers.load()
    rates = []
    for body in json.loads(rows):
        request, count, end = Message(0, "text/csv", "text/csv", "", body.encode()), 0, time.perf_counter() + 1.0
        while time.perf_counter() < end:
            handlers.respond(request)
            count += 1
        rates.append(count)
    print(json.dumps(rates))


if __name__ == "__main__":
    serve(int(sys.argv[2])) if sys.argv[1] == "serve" else predict(sys.argv[2], sys.stdin.read())
