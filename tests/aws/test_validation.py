"""Requests against the model, in AWS's words."""

import json

import pytest
from botocore.exceptions import ClientError
from wire import call_json, send

from selfmaker.aws import model, patterns, validation
from selfmaker.aws.patterns import compiled

GOOD = {
    "TrainingJobName": "job",
    "RoleArn": "arn:aws:iam::123456789012:role/SageMakerRole",
    "AlgorithmSpecification": {"TrainingImage": "i", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://b/o"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}
MODE = "[Pipe, File, FastFile]"


def changed(**changes):
    return {k: v for k, v in {**GOOD, **changes}.items() if v is not None}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (changed(RoleArn=None), "Value null at 'roleArn' failed to satisfy constraint: Member must not be null"),
        (
            changed(TrainingJobName="bad_name"),
            "Value 'bad_name' at 'trainingJobName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}",
        ),
        (changed(TrainingJobName="ok\n"), "Value 'ok\n' at 'trainingJobName'"),
        (
            changed(ResourceConfig={"InstanceType": "ml.huge", "InstanceCount": 1, "VolumeSizeInGB": 30}),
            "Value 'ml.huge' at 'resourceConfig.instanceType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [",
        ),
        (
            changed(ResourceConfig={"InstanceCount": -1, "VolumeSizeInGB": 30}),
            "Value '-1' at 'resourceConfig.instanceCount' failed to satisfy "
            "constraint: Member must have value greater than or equal to 0",
        ),
        (
            changed(AlgorithmSpecification={"TrainingInputMode": "Files"}),
            "Value 'Files' at 'algorithmSpecification.trainingInputMode' failed to "
            "satisfy constraint: Member must satisfy enum value set: [Pipe, File, FastFile]",
        ),
        (
            changed(
                InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix"}}}]
            ),
            "Value null at 'inputDataConfig.1.member.dataSource.s3DataSource.s3Uri' failed to satisfy constraint: "
            "Member must not be null",
        ),
        (
            changed(HyperParameters={"k": "v" * 2501}),
            "at 'hyperParameters' failed to satisfy constraint: Map value must satisfy constraint: "
            "[Member must have length less than or equal to 2500, Member must have length greater than or equal to 0, "
            "Member must satisfy regular expression pattern: .*]",
        ),
        (
            changed(VpcConfig={"SecurityGroupIds": ["sg 1"], "Subnets": ["s"]}),
            "Value '[sg 1]' at 'vpcConfig.securityGroupIds' failed to satisfy "
            "constraint: Member must satisfy constraint: [",
        ),
        (
            changed(VpcConfig={"SecurityGroupIds": [], "Subnets": ["s"]}),
            "Value '[]' at 'vpcConfig.securityGroupIds' failed to satisfy "
            "constraint: Member must have length greater than or equal to 1",
        ),
    ],
)
def test_one_violation(edge, request_, expected):
    status, answer = call_json(edge, "CreateTrainingJob", request_)
    assert (status, answer["__type"]) == (400, "ValidationException")
    assert answer["message"].startswith("1 validation error detected: ")
    assert expected in answer["message"]


def test_all_violations_at_once(edge):
    _, answer = call_json(edge, "CreateTrainingJob", changed(TrainingJobName="x" * 64))
    assert answer["message"] == (
        f"2 validation errors detected: Value '{'x' * 64}' at 'trainingJobName' failed to satisfy constraint: "
        f"Member must have length less than or equal to 63; Value '{'x' * 64}' at 'trainingJobName' failed to satisfy "
        "constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
    )
    status, answer = call_json(
        edge, "CreateTrainingJob", changed(RoleArn=None, TrainingJobName="-", Tags=[{"Key": "a"}])
    )
    assert status == 400
    assert answer["message"].startswith("3 validation errors detected: Value null at 'roleArn' failed")
    assert "; Value '-' at 'trainingJobName' failed" in answer["message"]
    assert "; Value null at 'tags.1.member.value' failed" in answer["message"]


def test_a_good_request_and_members_nobody_knows(edge):
    assert call_json(edge, "CreateTrainingJob", {**GOOD, "Unknown": {"x": 1}, "VpcConfig": None})[0] == 200


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"TrainingJobName": 1}, "NUMBER_VALUE can not be converted to a String (at 'trainingJobName')"),
        ({"TrainingJobName": True}, "TRUE_VALUE can not be converted to a String"),
        ({"TrainingJobName": []}, "START_ARRAY can not be converted to a String"),
        ({"Tags": {}}, "START_OBJECT found where a list was expected (at 'tags')"),
        ({"Tags": [1]}, "(at 'tags.1.member')"),
        ({"HyperParameters": []}, "found where a map was expected"),
        ({"HyperParameters": {"a": 1}}, "(at 'hyperParameters.a.member')"),
        ({"ResourceConfig": "x"}, "STRING_VALUE found where a structure was expected (at 'resourceConfig')"),
        (
            {"ResourceConfig": {"InstanceCount": "1"}},
            "STRING_VALUE can not be converted to an Integer (at 'resourceConfig.instanceCount')",
        ),
        ({"ResourceConfig": {"InstanceCount": 1.5}}, "Integer"),
        ({"ResourceConfig": {"InstanceCount": 1 << 40}}, "out of range"),
        ({"EnableNetworkIsolation": "true"}, "STRING_VALUE can not be converted to a Boolean"),
        ({"TrainingJobName": "\ud800"}, "surrogate"),
        ([], "START_ARRAY"),
        ("x", "STRING_VALUE"),
        (b"{", "not valid JSON"),
        (b"\xff", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"a":' * 3000 + b"1" + b"}" * 3000, ""),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested too deeply"),
        (b'{"Tags":' * 400 + b"1" + b"}" * 400, "nested too deeply"),
        (b'{"VolumeSizeInGB":' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"TrainingJobName": NaN}', "not valid JSON"),
    ],
)
def test_wrong_types(edge, value, words):
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    status, answer = call_json(edge, "CreateTrainingJob", body)
    assert status == 400
    assert answer["__type"] in ("SerializationException", "ValidationException")
    assert words in answer["message"]


@pytest.mark.parametrize(
    "target", ["SageMaker.NoSuch", "SageMaker.", "NoSuch", "", "Other.ListModels", "SageMaker.ListModels.x"]
)
def test_unknown_operations(edge, target):
    prefix, _, name = target.rpartition(".")
    status, answer = call_json(edge, name, {}, prefix)
    assert status == 400 and answer["__type"] == "UnknownOperationException"


def test_query_validation(edge):
    with pytest.raises(ClientError) as caught:
        edge.client("iam").create_role(RoleName="bad name!", AssumeRolePolicyDocument="{}")
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert "Value 'bad name!' at 'roleName' failed to satisfy constraint" in caught.value.response["Error"]["Message"]


@pytest.mark.parametrize(
    ("form", "code"),
    [
        (
            b"Action=CreateRole&Version=2010-05-08&RoleName=r&AssumeRolePolicyDocument=x&Tags.member.x.Key=1",
            b"MalformedInput",
        ),
        (b"Action=CreateRole&Version=2010-05-08&RoleName.a=r", b"MalformedInput"),
        (b"Action=CreateRole&Version=2010-05-08&MaxSessionDuration=abc", b"MalformedInput"),
        (b"Action=CreateRole&Version=2010-05-08&" + b".".join([b"a"] * 100) + b"=1", b"MalformedInput"),
        (b"Action=NoSuch&Version=2010-05-08", b"InvalidAction"),
        (b"Action=CreateRole&Version=1999", b"ValidationError"),
        (b"Version=2010-05-08", b""),
        (b"", b""),
        (b"%ff=%ff&Action=CreateRole", b""),
        (b"\xff\xfe", b""),
    ],
)
def test_malformed_forms(edge, form, code):
    status, _, body = send(edge, "POST", "/", form, {"Content-Type": "application/x-www-form-urlencoded"}, "iam")
    assert 400 <= status < 500 and code in body, body


@pytest.mark.parametrize(
    ("method", "target", "body", "code"),
    [
        ("PUT", "/b", b"<x", b"MalformedXML"),
        ("PUT", "/b", b"<a>" * 1000 + b"</a>" * 1000, b"MalformedXML"),
        ("PUT", "/b", b"\xff\xfe", b"MalformedXML"),
        (
            "PUT",
            "/b",
            b'<!DOCTYPE a [<!ENTITY x "y">]><CreateBucketConfiguration>&x;</CreateBucketConfiguration>',
            b"MalformedXML",
        ),
        ("POST", "/b?delete", b"<Delete><Object></Object></Delete>", b"MalformedXML"),
        ("POST", "/b?delete", b"<Delete></Delete>", b"MalformedXML"),
        ("POST", "/b?delete", b"<Delete><Object><Key>a</Key></Object><Quiet>perhaps</Quiet></Delete>", b"MalformedXML"),
        ("POST", "/b?delete", b"", b"MissingRequestBodyError"),
        ("GET", "/b?list-type=2&max-keys=many", b"", b"InvalidArgument"),
        ("GET", "/b?list-type=2&max-keys=99999999999", b"", b"InvalidArgument"),
        ("GET", "/b/%ff", b"", b"InvalidURI"),
        ("GET", "/b?list-type=2&prefix=%ff", b"", b"InvalidURI"),
        ("PATCH", "/b/k", b"", b"MethodNotAllowed"),
        ("PUT", "/b/k?partNumber=x&uploadId=u", b"", b"InvalidArgument"),
        ("DELETE", "/", b"", b"MethodNotAllowed"),
    ],
)
def test_malformed_s3_requests(edge, method, target, body, code):
    status, _, answer = send(edge, method, target, body, service="s3")
    assert 400 <= status < 500 and code in answer, answer


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/endpoints/e/invocations"),
        ("POST", "/endpoints//invocations"),
        ("POST", "/endpoints/e"),
        ("POST", "/x"),
        ("POST", "/endpoints/%ff/invocations"),
        ("POST", "/"),
    ],
)
def test_paths_of_no_operation(edge, method, target):
    status, headers, body = send(edge, method, target, b"", service="sagemaker")
    assert 400 <= status < 500, body
    assert headers["x-amzn-errortype"] in ("UnknownOperationException", "SerializationException")


# --- every pattern and every shape of the models

SERVICES = ["sagemaker", "sagemaker-runtime", "s3", "sts", "iam", "logs", "cloudwatch", "ecr"]


def shapes():
    for name in SERVICES:
        service = model.service(name)
        for shape_name in service._model.shape_names:
            yield name, service.shape(shape_name)


def test_nearly_all_patterns_can_be_checked():
    found = {shape.metadata["pattern"] for _, shape in shapes() if "pattern" in shape.metadata}
    lost = sorted(pattern for pattern in found if compiled(pattern) is None)
    assert len(found) > 300
    assert lost == []


def test_a_thread_that_had_to_wait_is_not_taken_for_a_text_that_does_not_fit():
    class Starved:
        """The engine of expressions on a busy machine: its time was over before it had its turn."""

        turns = 0

        def fullmatch(self, value, timeout):
            self.turns += 1
            if self.turns < 4:
                raise TimeoutError
            return value

    assert patterns.Pattern("a+", Starved()).fits("aaa")


def test_patterns_take_no_exponential_time(monkeypatch):
    monkeypatch.setattr(patterns, "_PATIENCE", 0.005)
    strings = [
        "a" * 200,
        "a-" * 100,
        "-" * 200,
        "a/" * 100,
        "arn:aws:sagemaker:" * 10,
        "1." * 100,
        "a" * 200 + "!",
        "/" * 200,
        "s3://" * 40,
        " " * 200 + "\n",
    ]
    for _, shape in shapes():
        if "pattern" in shape.metadata:
            for text in strings:
                validation._broken(shape, text)


UNICODE_TAG = r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$"


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        (UNICODE_TAG, "größe x=1/@", True),
        (UNICODE_TAG, "a#b", False),
        (r"[\p{Print}]+", "a b~", True),
        (r"[\p{Print}]+", "a\x07", False),
        (r"\p{Alnum}+", "aZ9", True),
        (r"\p{Alnum}+", "a_", False),
        (r"[a-z]+", "abc\n", False),
        (r"^[a-z]+$", "abc\n", False),
        (r"\d+", "٣", False),
        (r"[\u0009\u000A\u000D\u0020-\u007E]+", "a\tb", True),
        (r"[\u0009\u000A\u000D\u0020-\u007E]+", "é", False),
        (r"[\w+=,.@-]+", "a[b", False),
        (r"[^]]+", "a", True),
        (r"[[]+", "[", True),
        (r"\p{Nonsense}", None, None),
        ("(", None, None),
        ("[a&&[b]]", None, None),
    ],
)
def test_patterns(pattern, text, fits):
    found = compiled(pattern)
    assert (found is None) if fits is None else found.fits(text) is fits


# --- every operation: requests made to their shapes from the model's own numbers

SAMPLES = [
    "a",
    "abc",
    "A1b2",
    "1",
    "12",
    "123456789012",
    "s3://bucket/key",
    "https://host.example/path",
    "ml.m5.large",
    "a@b.example",
    "1.2.3",
    "a/b",
    "arn:aws:iam::123456789012:role/r",
    "arn:aws:sagemaker:us-east-1:123456789012:kind/name",
    "arn:aws:kms:us-east-1:123456789012:key/k",
    "arn:aws:lambda:us-east-1:123456789012:function:f",
    "sha256:" + "a" * 64,
    "10.0.0.0/16",
    "/a",
    "0.5",
    "{}",
    "2024-01-01T00:00:00Z",
    "cron(0 * * * ? *)",
    "vpc-12345678",
    "subnet-1",
    "fs-12345678",
    "us-east-1a",
    "true",
    "a" * 32,
    "0" * 20,
]


def text_for(shape):
    metadata = shape.metadata
    if getattr(shape, "enum", None):
        return shape.enum[0]
    pattern = compiled(metadata["pattern"]) if "pattern" in metadata else None
    least, most = metadata.get("min", 0), metadata.get("max", 1 << 20)
    for text in [*SAMPLES, *(text * least for text in ("a", "1", "A"))]:
        if least <= len(text) <= most and (pattern is None or pattern.fits(text)):
            return text
    return None


def value_for(shape, depth):
    """A value that satisfies ``shape``, None where that would need more wit."""
    kind, metadata = shape.type_name, shape.metadata
    if kind == "structure":
        if shape.is_tagged_union:
            return next(({n: v} for n, m in shape.members.items() if (v := value_for(m, depth + 1)) is not None), None)
        required = shape.required_members
        found = {n: value_for(m, depth + 1) for n, m in shape.members.items() if n in required or depth < 4}
        return None if any(found[n] is None for n in required) else {n: v for n, v in found.items() if v is not None}
    if kind == "list":
        item = value_for(shape.member, depth + 1)
        return None if item is None else [item] * max(1, metadata.get("min", 0))
    if kind == "map":
        key, item = value_for(shape.key, depth + 1), value_for(shape.value, depth + 1)
        return None if key is None or item is None or metadata.get("min", 0) > 1 else {key: item}
    if kind in ("integer", "long", "float", "double"):
        return metadata.get("min", metadata.get("max", 1))
    if kind in ("boolean", "timestamp", "blob"):
        return {"boolean": True, "timestamp": 1.5, "blob": b"a" * max(1, metadata.get("min", 1))}[kind]
    return text_for(shape)


def requests_of(service):
    for plan in model.service(service).plans():
        if plan.input is not None:
            value = value_for(plan.input, 0)
            if value is not None:
                yield plan, value


@pytest.mark.parametrize("service", ["sagemaker", "iam", "logs"])
def test_a_request_made_to_its_shape_is_never_refused(service):
    made = list(requests_of(service))
    assert len(made) > 0.8 * len(model.service(service).operation_names)
    for plan, value in made:
        assert [str(v) for v in validation.check(plan.input, value)] == [], plan


def places(shape, value, path=""):
    """(holder, key, shape, path in AWS's spelling) of everything inside a request."""
    if shape.type_name == "structure":
        for name, item in value.items():
            here = f"{path}.{name[0].lower()}{name[1:]}".lstrip(".")
            yield value, name, shape.members[name], here
            yield from places(shape.members[name], item, here)
    elif shape.type_name == "list":
        for index, item in enumerate(value):
            yield value, index, shape.member, f"{path}.{index + 1}.member"
            yield from places(shape.member, item, f"{path}.{index + 1}.member")


def broken_values(shape):
    """(a value that breaks a constraint of ``shape``, words of the constraint)."""
    kind, metadata = shape.type_name, shape.metadata
    if kind in ("integer", "long", "float", "double"):
        if "min" in metadata:
            yield metadata["min"] - 1, "greater than or equal to"
        if "max" in metadata:
            yield metadata["max"] + 1, "less than or equal to"
    elif kind == "string":
        if getattr(shape, "enum", None):
            yield "no such value", "enum value set"
        elif "pattern" in metadata and not compiled(metadata["pattern"]).fits("\x00\ud7ff"):
            yield "\x00\ud7ff", "Member must"
        if metadata.get("max", 1 << 30) < 1 << 12:
            yield "x" * (metadata["max"] + 1), f"length less than or equal to {metadata['max']}"
        if metadata.get("min", 0) > 0:
            yield "", f"length greater than or equal to {metadata['min']}"


@pytest.mark.parametrize("service", ["sagemaker", "iam", "logs"])
def test_each_broken_constraint_is_named_at_its_place(service):
    count = 0
    for plan, value in requests_of(service):
        for holder, key, shape, path in places(plan.input, value):
            good = holder[key]
            for bad, words in broken_values(shape):
                holder[key] = bad
                found = validation.check(plan.input, value)
                named = path if isinstance(holder, dict) else path.rpartition(".")[0].rpartition(".")[0]
                assert any(v.path == named and words in v.constraint for v in found), (plan, path, bad, found)
                count += 1
            holder[key] = good
        for name in plan.input.required_members:
            holder = {k: v for k, v in value.items() if k != name}
            found = validation.check(plan.input, holder)
            assert [(v.path, v.value) for v in found] == [(name[0].lower() + name[1:], "null")]
    assert count > 300
