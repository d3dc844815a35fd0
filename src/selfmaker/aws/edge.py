"""The wire edge: one listener in front of all operations.

A request is routed, its signature checked, its body made ready, parsed and validated by AWS's model; then the
operation runs, on a worker thread or, when it is an ``async def``, on the event loop.
"""

import asyncio
import inspect
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Any, TypeVar

from selfmaker import ids
from selfmaker.aws import payload, sigv4, structure, validation
from selfmaker.aws.body import BytesBody
from selfmaker.aws.denials import denial
from selfmaker.aws.dispatch import Answer, RawRoute, collect
from selfmaker.aws.errors import AwsError
from selfmaker.aws.http import HttpRequest, HttpResponse, Limits, Quick, opened
from selfmaker.aws.operation import Call, FileRange, Reply
from selfmaker.aws.protocols.base import Circumstances, Inbound
from selfmaker.aws.protocols.translation import internal_failure, translated
from selfmaker.aws.routing import Router, Target, not_answered
from selfmaker.aws.server import HttpServer
from selfmaker.aws.signature import RejectionError, Signature
from selfmaker.services import Services

T = TypeVar("T")
log = logging.getLogger(__name__)

Pages = Callable[[HttpRequest], "HttpResponse | Awaitable[HttpResponse | None] | None"]


@dataclass(frozen=True)
class EdgeSettings:
    """``region`` is for requests that name none; ``verify`` False takes any signature as good."""

    account: str
    region: str
    verify: bool = True
    threads: int = 64


@dataclass(slots=True)
class Session:
    """One request on its way through. ``answer`` or ``raw`` is set once it is known to be answered."""

    http: HttpRequest
    request_id: str
    target: Target
    signature: Signature | None = None
    secret: str | None = None
    verified: bool = False
    answer: Answer | None = None
    raw: RawRoute | None = None

    def circumstances(self) -> Circumstances:
        return Circumstances(self.target.service, self.request_id, self.http.resource, self.http.method)


class Edge:
    """Belongs to the event loop that starts it. ``secret_of`` gives an access key's secret, None when it is unknown;
    it is called on the loop and must be quick. ``pages`` may answer unsigned requests before anybody else.
    ``registry``: what is answered."""

    def __init__(
        self,
        services: Services,
        packages: Iterable[ModuleType | str],
        settings: EdgeSettings,
        *,
        secret_of: sigv4.SecretOf,
        pages: Pages | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._services = services
        self._settings = settings
        self._secret_of = secret_of
        self._pages = pages
        self.registry = collect(packages)
        self._router = Router(self.registry)
        self._workers = ThreadPoolExecutor(settings.threads, "selfmaker-worker")
        self._uploads = ThreadPoolExecutor(settings.threads, "selfmaker-upload")
        self._server = HttpServer(self, limits=limits)

    def ask_first(self, quick: Quick) -> None:
        """Have ``quick`` take what it can, before anything else is done with a request. Before ``start``."""
        self._server.take_quickly(quick)

    def operations(self) -> list[tuple[str, str]]:
        """(service, operation) of everything that is answered, sorted."""
        raw = [(route.service, route.name) for route in self.registry.raw_routes]
        return sorted([*self.registry.answers, *raw])

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen; returns the port."""
        return await self._server.start(host, port, tls)

    async def stop(self) -> None:
        """Let requests in flight end, then close everything."""
        await self._server.stop()
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._uploads.shutdown(wait=False, cancel_futures=True)

    # --- http.Handler

    def admit(self, request: HttpRequest) -> HttpResponse | None:
        session = self._open(request)
        request.state = session
        try:
            self._let_in(session, whole=False)
        except AwsError as error:
            return self._fail(session, error)
        return None

    async def handle(self, request: HttpRequest) -> HttpResponse:
        if self._pages is not None and not sigv4.claimed(request):
            page = self._pages(request)
            if inspect.isawaitable(page):
                page = await page
            if page is not None:
                return page
        session: Session = request.state or self._open(request)
        try:
            return await self._answer(session)
        except Exception as error:  # noqa: BLE001 - the outermost loop of a request
            return self._fail(session, error)

    # --- the way in

    def _open(self, http: HttpRequest) -> Session:
        """Who asks for what; what is wrong with that is kept in the target's problem."""
        request_id = ids.request_id()
        signature: Signature | None = None
        rejection: RejectionError | None = None
        try:
            signature = sigv4.read(http)
        except RejectionError as rejected:
            rejection = rejected
        target = self._router.route(http, signature.service if signature is not None else None)
        if rejection is not None:
            problem = denial(rejection, target.protocol.name, None)
            target = Target(target.protocol, target.service, problem=problem)
        session = Session(http, request_id, target, signature)
        if rejection is None:
            self._find_answer(session)
        return session

    def _find_answer(self, session: Session) -> None:
        target = session.target
        name = target.service.name if target.service is not None else ""
        for route in self.registry.raw_routes:
            if route.service == name and route.matches(session.http):
                session.raw = route
                return
        if target.plan is not None:
            session.answer = self.registry.answers.get((name, target.plan.name))

    def _let_in(self, session: Session, *, whole: bool) -> None:
        """All that can be said of a request at once, before its body is read; ``whole`` when that isn't still to come.
        Raises AwsError."""
        signature = session.signature
        if session.raw is None and session.target.problem is not None and session.signature is None:
            raise session.target.problem
        if self._settings.verify:
            if signature is None:
                if session.raw is None and not (session.target.plan is not None and session.target.plan.unsigned):
                    raise denial(
                        RejectionError("missing", "Missing Authentication Token"),
                        session.target.protocol.name,
                        None,
                    )
            else:
                session.secret = self._secret_of(signature.access_key)
                body = session.http.body
                if signature.payload_hash is not None or session.secret is None:
                    self._verify(session, signature.payload_hash or "")
                elif whole and isinstance(body, BytesBody):
                    self._verify(session, sigv4.digest_of(body.data))
        if session.raw is not None:
            return
        if session.target.problem is not None:
            raise session.target.problem
        if session.answer is None:
            assert session.target.plan is not None
            raise not_answered(session.target.plan.service.name, session.target.plan.name)

    def _verify(self, session: Session, payload_hash: str) -> None:
        signature = session.signature
        assert signature is not None
        if session.verified:
            return
        try:
            sigv4.verify(signature, session.http, session.secret, payload_hash)
        except RejectionError as rejection:
            raise denial(rejection, session.target.protocol.name, signature) from None
        session.verified = True

    # --- the answer

    async def _answer(self, session: Session) -> HttpResponse:
        if session.http.state is None:
            self._let_in(session, whole=True)
        if session.raw is not None:
            return await self._in(self._uploads, self._run_raw, session, session.raw)
        answer = session.answer
        assert answer is not None
        streamed = payload.is_stream(session.http)
        if answer.plan.sends.streaming:
            return await self._in(self._uploads if streamed else self._workers, self._run_streaming, session, answer)
        if streamed:
            data = await self._in(self._uploads, self._whole_body, session)
        else:
            data = self._whole_body(session)
        if answer.on_loop:
            request = self._parse(session, answer, data)
            output = await answer.function(self._call(session), request)
            return self._respond(session, answer, output)
        return await self._in(self._workers, self._run, session, answer, data)

    async def _in(self, executor: Executor, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, function, *arguments)

    def _whole_body(self, session: Session) -> bytes:
        """The body of an operation that takes it as a value; blocks while it comes in. Raises AwsError."""
        body = payload.ready(session.http, session.signature, self._chunk_signer(session))
        data = payload.collect(body, session.target.protocol.name)
        if self._settings.verify and session.signature is not None and not session.verified:
            self._verify(session, sigv4.digest_of(data))
        return data if session.target.protocol.name.startswith("rest-") else payload.inflated(data, session.http)

    def _chunk_signer(self, session: Session) -> sigv4.ChunkSigner | None:
        if session.secret is None or session.signature is None or session.signature.version != 4:
            return None
        return sigv4.chunk_signer(session.signature, session.secret)

    # --- on a worker thread

    def _run(self, session: Session, answer: Answer, data: bytes) -> HttpResponse:
        return self._perform(session, answer, self._parse(session, answer, data))

    def _run_streaming(self, session: Session, answer: Answer) -> HttpResponse:
        body = payload.ready(session.http, session.signature, self._chunk_signer(session))
        if self._settings.verify and session.signature is not None and not session.verified:
            raise AwsError("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
        inbound = Inbound(answer.plan, session.http, session.target.labels, b"", body)
        return self._perform(session, answer, self._checked(session, answer, inbound))

    def _run_raw(self, session: Session, route: RawRoute) -> HttpResponse:
        return _with_open_file(route.function(self._call(session), session.http))

    def _perform(self, session: Session, answer: Answer, request: dict[str, Any]) -> HttpResponse:
        for attempt in (1, 2, 3):
            response = self._respond(session, answer, answer.function(self._call(session), request))
            try:
                return _with_open_file(response)
            except FileNotFoundError:
                # The object was replaced between the look-up and the opening: look it up again.
                if answer.plan.method != "GET" or attempt == 3:
                    raise
        raise AssertionError

    def _parse(self, session: Session, answer: Answer, data: bytes) -> dict[str, Any]:
        inbound = Inbound(answer.plan, session.http, session.target.labels, data, session.http.body)
        return self._checked(session, answer, inbound)

    def _checked(self, session: Session, answer: Answer, inbound: Inbound) -> dict[str, Any]:
        protocol = session.target.protocol
        request = protocol.parse(inbound)
        if protocol.name == "rest-xml":
            structure.check(answer.plan, request)
        elif violations := validation.check(answer.plan.input, request):
            raise validation.failure(
                violations, "ValidationError" if protocol.name == "query" else "ValidationException"
            )
        return request

    def _respond(self, session: Session, answer: Answer, output: Any) -> HttpResponse:
        reply = output if isinstance(output, Reply) else Reply(output or {})
        return session.target.protocol.respond(answer.plan, reply, session.circumstances())

    def _call(self, session: Session) -> Call:
        signature, http, target = session.signature, session.http, session.target
        return Call(
            service=target.service.name if target.service is not None else "",
            operation=session.raw.name
            if session.raw is not None
            else target.plan.name
            if target.plan is not None
            else "",
            region=(signature.region if signature is not None else "") or self._settings.region,
            account=self._settings.account,
            access_key=signature.access_key if signature is not None else "",
            request_id=session.request_id,
            endpoint=f"{http.scheme}://{http.headers.get('host', '')}",
            headers=http.headers,
            services=self._services,
        )

    def _fail(self, session: Session, error: BaseException) -> HttpResponse:
        protocol = session.target.protocol
        told = translated(error, protocol.name)
        if told is None:
            log.error(
                "%s %s (request %s) failed",
                session.http.method,
                session.http.target,
                session.request_id,
                exc_info=error,
            )
            told = internal_failure(protocol.name, session.request_id)
        return protocol.fail(told, session.circumstances())


def _with_open_file(response: HttpResponse) -> HttpResponse:
    body: Any = response.body
    if isinstance(body, FileRange):
        response.body = opened(body)
    return response
