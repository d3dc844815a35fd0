"""InvokeEndpoint without the edge's general machinery: what nearly all invocations are, in some fifty microseconds.

A request that is anything but a small, signed, plain one to a variant of ordinary workers is left to the edge, which
also finds the words for what is wrong with it. What is answered here has the bytes that the edge would have sent.
"""

from collections.abc import Callable
from functools import lru_cache
from time import perf_counter

from selfmaker import ids
from selfmaker.aws import model, sigv4
from selfmaker.aws.body import BytesBody
from selfmaker.aws.http import HttpRequest
from selfmaker.aws.operation import Call, Reply
from selfmaker.aws.protocols import BY_NAME
from selfmaker.aws.protocols.base import Circumstances
from selfmaker.aws.protocols.translation import internal_failure, translated
from selfmaker.aws.sending import head_of, opening
from selfmaker.aws.signature import RejectionError, Signature
from selfmaker.errors import SelfmakerError
from selfmaker.sagemaker_runtime.answer import checked, output_of, refusal
from selfmaker.services import Services
from selfmaker.serving.endpoints import Endpoints
from selfmaker.serving.meter import Meter
from selfmaker.serving.variant import Variant
from selfmaker.serving.worker.transport import Message

_BEFORE, _AFTER = "/endpoints/", "/invocations"
_USUAL = frozenset(("content-type", "accept"))
_LONGEST_FIELD = 1024  # of ContentType and Accept; the edge refuses longer ones

Tell = Callable[[bytes, bytes], None]


class QuickInvocation:
    """For the edge's HTTP server; see ``Quick`` there. On the event loop only."""

    def __init__(self, services: Services, account: str, secret_of: sigv4.SecretOf) -> None:
        self._services = services
        self._endpoints = services.use(Endpoints)
        self._account = account
        self._secret_of = secret_of
        self._plan = model.service("sagemaker-runtime").plan("InvokeEndpoint")
        bound = {member.wire.lower() for member in self._plan.sends.headers}
        self._unusual = frozenset((bound - _USUAL) | {"content-encoding", "expect", "x-amz-content-sha256"})
        self._protocol = BY_NAME["rest-json"]

    def __call__(self, http: HttpRequest, tell: Tell) -> bool:
        """Whether the request is taken; ``tell`` then gets its answer."""
        came = perf_counter()
        path, headers, body = http.path, http.headers, http.body
        if (
            http.method != "POST"
            or not (path.startswith(_BEFORE) and path.endswith(_AFTER))
            or http.query
            or not headers.keys().isdisjoint(self._unusual)
            or type(body) is not BytesBody
        ):
            return False
        try:
            signature = sigv4.read(http)
            if signature is None or signature.version != 4 or signature.presigned:
                return False
            secret = self._secret_of(signature.access_key)
            sigv4.verify(signature, http, secret, sigv4.digest_of(body.data))
            chosen = self._endpoints.variant(signature.region, path[len(_BEFORE) : -len(_AFTER)])
        except (RejectionError, SelfmakerError):
            return False
        content_type, accept = headers.get("content-type", ""), headers.get("accept", "")
        if chosen is None or signature.service != "sagemaker" or len(content_type) + len(accept) > _LONGEST_FIELD:
            return False
        invocation = _Invocation(self, http, signature, chosen, tell)
        invocation.overhead = invocation.began - came
        chosen[0].ask(Message(0, content_type, accept, "", body.data), invocation)
        return True

    def answer(self, invocation: "_Invocation", answer: Message | None, problem: BaseException | None) -> None:
        request_id = ids.request_id()
        if answer is not None and answer.status == 200 and not answer.attributes:
            start = _start(invocation.variant.name, answer.content_type)
            size = len(answer.body)
            head = b"%bx-amzn-RequestId: %b%b%d\r\n" % (opening(200), request_id.encode(), start, size)
            invocation.tell(head, answer.body)
        else:
            self._answer_slowly(invocation, answer, problem, request_id)

    def _answer_slowly(
        self, invocation: "_Invocation", answer: Message | None, problem: BaseException | None, request_id: str
    ) -> None:
        http, signature = invocation.http, invocation.signature
        circumstances = Circumstances(self._plan.service, request_id, http.resource, http.method)
        call = Call(
            service="sagemaker-runtime",
            operation="InvokeEndpoint",
            region=signature.region,
            account=self._account,
            access_key=signature.access_key,
            request_id=request_id,
            endpoint=f"{http.scheme}://{http.headers.get('host', '')}",
            headers=http.headers,
            services=self._services,
        )
        try:
            name = http.path[len(_BEFORE) : -len(_AFTER)]
            if answer is None:
                raise refusal(call, name, problem) if isinstance(problem, SelfmakerError) else problem or Exception()
            output = output_of(invocation.variant.name, checked(call, name, answer))
            response = self._protocol.respond(self._plan, Reply(output), circumstances)
        except Exception as error:  # noqa: BLE001 - the outermost level of a request
            told = translated(error, "rest-json") or internal_failure("rest-json", request_id)
            response = self._protocol.fail(told, circumstances)
        assert isinstance(response.body, bytes)
        invocation.tell(head_of(response, len(response.body)), response.body)


class _Invocation:
    """One on its way: what the worker's answer is told to, in place of a future."""

    __slots__ = ("_done", "began", "http", "meter", "overhead", "quick", "signature", "tell", "variant")

    def __init__(
        self,
        quick: QuickInvocation,
        http: HttpRequest,
        signature: Signature,
        chosen: tuple[Variant, Meter],
        tell: Tell,
    ) -> None:
        self.quick, self.http, self.signature, self.tell = quick, http, signature, tell
        self.variant, self.meter = chosen
        self.began = perf_counter()
        self.overhead = 0.0
        self._done = False

    def done(self) -> bool:
        return self._done

    def cancelled(self) -> bool:
        return False

    def set_result(self, answer: Message) -> None:
        self._done = True
        came = perf_counter()
        self.quick.answer(self, answer, None)
        self.meter.count(answer.status, came - self.began, self.overhead + perf_counter() - came)

    def set_exception(self, problem: BaseException) -> None:
        self._done = True
        self.meter.count(getattr(problem, "status", 500), perf_counter() - self.began, self.overhead)
        self.quick.answer(self, None, problem)


@lru_cache(maxsize=256)
def _start(variant: str, content_type: str) -> bytes:
    """What follows the request's id in the head of an answer, up to the length."""
    text = f"\r\nContent-Type: {content_type}" if content_type else "\r\nContent-Type: application/octet-stream"
    return f"{text}\r\nx-Amzn-Invoked-Production-Variant: {variant}\r\nContent-Length: ".encode("latin-1", "replace")
