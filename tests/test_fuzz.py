"""Every answered operation under bad requests: each constraint of the model broken on its own, bodies that are none,
and HTTP that no client would send. Nobody may crash the server, hang it, or leave anything behind."""

import json
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))

import fuzz_wire as wire
from breakage import Broken, chosen
from fuzz_wire import Answer, Raw, Wire
from shapes import least

from selfmaker import settings
from selfmaker.app import Server
from selfmaker.aws.dispatch import collect
from selfmaker.aws.model import Plan
from selfmaker.wiring import SERVICE_PACKAGES

MOST = 40
"""Breakages for one operation; those with more constraints get a fixed sample with something of every kind."""

REGISTRY = collect(SERVICE_PACKAGES)
PLANS = [answer.plan for _, answer in sorted(REGISTRY.answers.items())]
BODIED = ("json", "query", "smithy-rpc-v2-cbor")
IN_BODY = [plan for plan in PLANS if wire.spoken(plan) in BODIED]
TAKING = [plan for plan in IN_BODY if plan.input is not None and plan.input.members]
OPEN = [plan for plan in TAKING if wire.spoken(plan) != "query"]
IN_HTTP = [plan for plan in PLANS if wire.spoken(plan) not in BODIED]


def name(plan: Plan) -> str:
    return f"{plan.service.name}.{plan.name}"


@dataclass
class Subject:
    """The server under test."""

    home: Path
    wire: Wire
    database: sqlite3.Connection

    def rows(self) -> dict[str, int]:
        """How many each table has."""
        tables = [row[0] for row in self.database.execute("select name from sqlite_master where type = 'table'")]
        return {table: self.database.execute(f'select count(*) from "{table}"').fetchone()[0] for table in tables}

    def state(self) -> dict[str, int]:
        """How much there is: rows of each table, files of each kind (objects' come and go in stock)."""
        folders = {name: self.home / name for name in ("logs", "jobs", "endpoints")}
        files = {name: sum(path.is_file() for path in folder.rglob("*")) for name, folder in folders.items()}
        return {**self.rows(), **files}

    def send(self, plan: Plan, raw: Raw) -> Answer:
        try:
            return self.wire.send(plan, raw)
        except OSError as error:
            self.wire.close()
            return Answer(599, type(error).__name__, str(error), b"")


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    home = tmp_path_factory.mktemp("fuzz") / "home"
    server = Server(settings.load({"home": str(home), "port": "0"}, {}))
    server.start()
    credentials = json.loads((home / "run" / "credentials.json").read_text())
    sender = Wire(server.endpoint, credentials["access_key_id"], credentials["secret_access_key"])
    bucket = next(plan for plan in PLANS if plan.name == "CreateBucket")
    assert sender.send(bucket, wire.request(bucket, {"Bucket": "fuzz-bucket"})).status == 200
    database = sqlite3.connect(home / "selfmaker.sqlite3", isolation_level=None)
    yield Subject(home, sender, database)
    database.close()
    sender.close()
    server.stop()


def refused(answer: Answer) -> bool:
    """Whether this is an error of AWS's form that says it is the client's fault."""
    return 400 <= answer.status < 500 and bool(answer.code) and bool(answer.message)


def sensible(answer: Answer) -> bool:
    """Whether this is an answer at all: no defect of the server's, and an error only in AWS's form."""
    return answer.status < 400 or refused(answer)


@pytest.mark.parametrize("plan", TAKING, ids=name)
def test_each_broken_constraint_is_refused_by_name(subject: Subject, plan: Plan):
    before, wrong = subject.state(), []
    for broken in breakages_of(plan):
        answer = subject.send(plan, wire.request(plan, broken.request))
        if not refused(answer) or broken.field.lower() not in answer.message.lower():
            wrong.append(f"{broken.kind} of {broken.field}: {answer}")
    assert wrong == []
    assert subject.state() == before


def breakages_of(plan: Plan) -> list[Broken]:
    found = chosen(plan.input, MOST)
    if wire.spoken(plan) != "query":
        return found
    # In a form, text in the place of a list or structure is a list or structure without members.
    kinds = {"structure", "list", "map"}
    return [b for b in found if b.kind != "type" or _kinds(plan.input, b.field).isdisjoint(kinds)]


def _kinds(shape: Any, field: str, seen: tuple[str, ...] = ()) -> set[str]:
    """The kinds of all members called ``field``, however deep."""
    kinds: set[str] = set()
    if shape.name in seen:
        return kinds
    if shape.type_name == "structure":
        for member, of in shape.members.items():
            kinds |= ({of.type_name} if member == field else set()) | _kinds(of, field, (*seen, shape.name))
    elif shape.type_name == "list":
        kinds |= _kinds(shape.member, field, (*seen, shape.name))
    return kinds


@pytest.mark.parametrize("plan", TAKING, ids=name)
def test_bodies_that_are_none_are_refused(subject: Subject, plan: Plan):
    before, wrong = subject.state(), []
    for what, body in malformed(plan):
        answer = subject.send(plan, wire.with_body(plan, body))
        if not refused(answer):
            wrong.append(f"{what}: {answer}")
    assert wrong == []
    assert subject.state() == before


def malformed(plan: Plan) -> list[tuple[str, bytes]]:
    """Bodies that say nothing in the protocol at hand."""
    first = next(iter(plan.input.members))
    protocol = wire.spoken(plan)
    if protocol == "json":
        bodies = {
            "cut short": b'{"' + first.encode(), "a list": b"[]", "a string": b'"x"', "a number": b"5",
            "deep": b'{"a":' * 50_000, "deep and whole": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
            "deep list": b"[" * 50_000, "NUL": b"\0" * 10, "not UTF-8": b'{"a": "\xff\xfe"}', "two": b"{}{}",
            "not a number": b'{"a": NaN}', "half a surrogate": f'{{"{first}": "\\ud800"}}'.encode(),
            "UTF-16": '{"a": 1}'.encode("utf-16"),
        }  # fmt: skip
    elif protocol == "query":
        action = f"Action={plan.name}&Version={plan.service.version}".encode()
        bodies = {
            "not UTF-8": action + b"&" + first.encode() + b"=%ff%fe", "not ASCII": action + b"&x=\xff",
            "deep": action + b"&" + b".".join([b"a"] * 5000) + b"=1",
            "a list's member without a number": action + b"&" + _listed(plan) + b".member.x=1",
            "a huge number": action + b"&" + _listed(plan) + b".member.99999999999999999999=1",
        }  # fmt: skip
        if not _listed(plan):
            bodies = {what: body for what, body in bodies.items() if ".member." not in body.decode("latin-1")}
    else:
        bodies = {
            "cut short": b"\xbf\x61", "a list": b"\x80", "a string": b"\x61x", "deep": b"\x81" * 50_000, "NUL": b"\0\0",
            "long beyond its end": b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", "a break": b"\xff", "two": b"\xa0\xa0",
            "a key that is no string": b"\xa1\x01\x01", "not UTF-8": b"\xa1\x61\xff\x01", "reserved": b"\x1c",
        }  # fmt: skip
    return list(bodies.items())


def _listed(plan: Plan) -> bytes:
    members = plan.input.members.items()
    return next((member.encode() for member, shape in members if shape.type_name == "list"), b"")


@pytest.mark.parametrize("plan", TAKING, ids=name)
def test_odd_values_are_no_defect(subject: Subject, plan: Plan):
    wrong = []
    for member, shape in plan.input.members.items():
        for value in odd(shape, wire.spoken(plan)):
            answer = subject.send(plan, wire.request(plan, {**least(plan.input), member: value}))
            if not sensible(answer):
                wrong.append(f"{member}={str(value)[:40]!r}: {answer}")
    assert wrong == []


def odd(shape: Any, protocol: str) -> list[Any]:
    """Values of the right type that programs stumble over."""
    if shape.type_name == "string":
        return ["a\0b", "\u202e\U0001f600", "../../etc/passwd", "x" * 70_000, "%00", "{", "'; drop table jobs; --"]
    if shape.type_name in ("integer", "long"):
        return [0, -1, 2**31 - 1, 2**63 - 1, 2**64 - 1] + ([] if protocol == "smithy-rpc-v2-cbor" else [10**40])
    if shape.type_name in ("float", "double"):
        return [0.0, -0.0, 1e308, -1e308, 5e-324]
    if shape.type_name == "timestamp":
        return [0.0, -1.0, 1e11, 253402300799.0]
    return []


@pytest.mark.parametrize("plan", OPEN, ids=name)
def test_unknown_members_are_passed_over(subject: Subject, plan: Plan):
    extra = {"NotInTheModel": {"a": [1, None]}, "nor_this": "x"}
    answer = subject.send(plan, wire.request(plan, {**least(plan.input), **extra}))
    assert sensible(answer), answer
    assert answer.code != "SerializationException", answer
    assert "NotInTheModel" not in answer.message


@pytest.mark.parametrize("plan", IN_HTTP, ids=name)
def test_operations_in_http_s_own_terms(subject: Subject, plan: Plan):
    """Where members are headers, paths and XML, each value that breaks a constraint gets an answer, and a refused
    request changes nothing."""
    wrong = []
    before = subject.rows()
    for what, raw in http_requests(plan):
        answer = subject.send(plan, raw)
        if answer.status >= 500 and answer.code != "NotImplemented":
            wrong.append(f"{what}: {answer}")
        if answer.status >= 400 and not answer.code and plan.method != "HEAD":
            wrong.append(f"{what}: no error of AWS's form: {answer}")
        after = subject.rows()
        if answer.status >= 400 and after != before:
            changed = {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key)}
            wrong.append(f"{what}: refused, but something was left: {changed}, {answer}")
        before = after
    assert wrong == []


def http_requests(plan: Plan) -> Iterator[tuple[str, Raw]]:
    given = {"Bucket": "fuzz-bucket", "Key": "k"}
    for broken in chosen(plan.input, MOST) if plan.input is not None else ():
        if broken.kind == "type":
            continue
        members = {**{k: v for k, v in given.items() if k in plan.input.members}, **broken.request}
        try:
            raw = wire.request(plan, members)
        except Exception:  # noqa: BLE001 - there is no such request: botocore cannot even write it
            continue
        if all(ord(c) >= 32 and ord(c) < 256 for value in raw.headers.values() for c in str(value)):
            yield f"{broken.kind} of {broken.field}", raw
    sound = wire.request(plan, {**least(plan.input), **{k: v for k, v in given.items() if k in plan.input.members}})
    for body in (b"<", b"<a>", b"<?xml version='1.0'?><a/>", b"\0", b"\xff\xfe", b"<a>" * 20_000, b"{", ENTITIES):
        if plan.method in ("PUT", "POST"):
            yield f"body {body[:20]!r}", Raw(sound.method, sound.path, sound.headers, body)


ENTITIES = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;">]><x>&d;</x>"""

PLAIN = [
    b"\r\n\r\n", b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzz\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: AWS4-HMAC-SHA256\r\nAuthorization: Basic x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: AWS4-HMAC-SHA256 Credential=/////,SignedHeaders=,Signature=\r\n\r\n",
    b"GET /?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%00&X-Amz-Date=x&X-Amz-Expires=-1 HTTP/1.1\r\n"
    b"Host: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: SageMaker.\r\nX-Amz-Target: Logs_20140328.DescribeLogGroups\r\n"
    b"Content-Length: 2\r\n\r\n{}",
]  # fmt: skip


@pytest.mark.parametrize("data", PLAIN, ids=lambda data: repr(data[:40]))
def test_http_that_is_none_gets_an_answer_or_a_closed_door(subject: Subject, data: bytes):
    try:
        got = subject.wire.plainly(data)
    except (ConnectionResetError, BrokenPipeError):
        got = b""
    assert got == b"" or got.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4", b"HTTP/1.1 505", b"HTTP/1.1 501")), got[:200]
    assert subject.send(IN_BODY[0], wire.with_body(IN_BODY[0], b"\0")).status < 500, "the server answers no more"


KINDS = ["text/plain", "application/json", "", "application/cbor", "multipart/form-data; x", "é"]
READING = ("ListRoles", "DescribeLogGroups", "ListMetrics", "GetCallerIdentity")


@pytest.mark.parametrize("kind", KINDS)
def test_other_content_types_are_no_defect(subject: Subject, kind: str):
    for plan in (plan for plan in IN_BODY if plan.name in READING):
        raw = wire.request(plan, {})
        answer = subject.send(plan, Raw(raw.method, raw.path, {**raw.headers, "Content-Type": kind}, raw.body))
        assert sensible(answer), f"{name(plan)}: {answer}"
