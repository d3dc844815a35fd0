"""Rules as a user of boto3 knows them: what happens here reaches queues, functions, pipelines and logs."""

import io
import json
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::123456789012:role/EventRole"
GROUPS = {"source": ["aws.sagemaker"], "detail-type": ["SageMaker Training Job State Change"]}


class Listener:
    """A user with a queue, to which the rules send what they see."""

    def __init__(self, server: Any, name: str) -> None:
        self.connect(server)
        self.name = name
        self.url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.arn = f"arn:aws:sqs:us-east-1:123456789012:{name}"

    def connect(self, server: Any) -> None:
        self.events, self.sqs = server.client("events"), server.client("sqs")

    def rule(self, pattern: dict[str, Any] | None = None, name: str = "", target: Any = None, **members: Any) -> str:
        name = name or self.name
        given = {"EventPattern": json.dumps(pattern)} if pattern else {}
        self.events.put_rule(Name=name, **given, **members)
        whole = {"Id": "t", "Arn": self.arn, **(target or {})}
        bus = {"EventBusName": members["EventBusName"]} if "EventBusName" in members else {}
        assert self.events.put_targets(Rule=name, Targets=[whole], **bus)["FailedEntryCount"] == 0
        return name

    def put(self, detail: dict[str, Any], source: str = "my.app", kind: str = "Happened", **members: Any) -> None:
        entry = {"Source": source, "DetailType": kind, "Detail": json.dumps(detail), **members}
        assert self.events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    def heard(self, count: int = 1, wait: int = 20, last: Callable[[Any], bool] = lambda _: False) -> list[Any]:
        """The next ``count`` events, or all until the ``last`` is there, or what came of them in ``wait`` seconds."""
        found: list[Any] = []
        deadline = time.monotonic() + wait
        while len(found) < count and (left := deadline - time.monotonic()) > 0:
            if any(map(last, found)):
                break
            answer = self.sqs.receive_message(
                QueueUrl=self.url, WaitTimeSeconds=min(20, int(left) + 1), MaxNumberOfMessages=10
            )
            for message in answer.get("Messages", []):
                found.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return found


@pytest.fixture
def listener(server: Any, account: Any) -> Any:
    listening = Listener(server, account.unique("rule"))
    yield listening
    for rule in listening.events.list_rules(NamePrefix=listening.name)["Rules"]:
        ids = [target["Id"] for target in listening.events.list_targets_by_rule(Rule=rule["Name"])["Targets"]]
        if ids:
            listening.events.remove_targets(Rule=rule["Name"], Ids=ids)
        listening.events.delete_rule(Name=rule["Name"])


def refused(call: Callable[..., Any], **request: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**request)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    return str(caught.value.response["Error"]["Code"])


def test_a_users_event_reaches_a_queue_once_its_pattern_fits(listener) -> None:
    listener.rule({"source": ["my.app"], "detail": {"n": [{"numeric": [">", 1]}]}})
    listener.put({"n": 1})
    listener.put({"n": 2}, Resources=["arn:aws:s3:::b"])
    (event,) = listener.heard()
    assert event["detail"] == {"n": 2} and event["source"] == "my.app" and event["detail-type"] == "Happened"
    assert event["resources"] == ["arn:aws:s3:::b"] and event["account"] == "123456789012" and event["version"] == "0"


def test_an_input_transformer_writes_what_the_target_gets(listener) -> None:
    transformer = {
        "InputPathsMap": {"n": "$.detail.n", "who": "$.detail.who"},
        "InputTemplate": '{"text": "it is <n> for <who>", "n": <n>, "rule": <aws.events.rule-name>}',
    }
    listener.rule({"source": ["my.app"]}, target={"InputTransformer": transformer})
    listener.put({"n": 2, "who": 'me "too"'})
    assert listener.heard() == [{"text": 'it is 2 for me "too"', "n": 2, "rule": listener.name}]


def test_input_and_input_path(listener) -> None:
    listener.rule({"source": ["my.app"]}, target={"InputPath": "$.detail.a[1]"})
    listener.put({"a": [1, {"b": 2}]})
    assert listener.heard() == [{"b": 2}]
    listener.rule({"source": ["my.app"]}, target={"Input": '{"fixed": true}'})
    listener.put({})
    assert listener.heard() == [{"fixed": True}]


def test_a_disabled_rule_sees_nothing(listener) -> None:
    listener.rule({"source": ["my.app"]}, State="DISABLED")
    listener.put({"n": 1})
    listener.events.enable_rule(Name=listener.name)
    listener.put({"n": 2})
    assert [event["detail"]["n"] for event in listener.heard()] == [2]
    listener.events.disable_rule(Name=listener.name)
    assert listener.events.describe_rule(Name=listener.name)["State"] == "DISABLED"


def test_a_bus_of_its_own(listener) -> None:
    bus = listener.name + "-bus"
    listener.events.create_event_bus(Name=bus)
    listener.rule({"source": ["my.app"]}, EventBusName=bus)
    listener.put({"n": 1})
    listener.put({"n": 2}, EventBusName=bus)
    assert [event["detail"]["n"] for event in listener.heard()] == [2]
    listener.events.remove_targets(Rule=listener.name, EventBusName=bus, Ids=["t"])
    listener.events.delete_rule(Name=listener.name, EventBusName=bus)
    listener.events.delete_event_bus(Name=bus)
    assert bus not in [found["Name"] for found in listener.events.list_event_buses()["EventBuses"]]


def test_models_and_packages_tell_what_becomes_of_them(listener, account) -> None:
    detail = {"ModelPackageGroupName": [listener.name], "ModelApprovalStatus": ["Approved"]}
    kind = "SageMaker Model Package State Change"
    listener.rule({"source": ["aws.sagemaker"], "detail-type": [kind], "detail": detail})
    account.sagemaker.create_model_package_group(ModelPackageGroupName=listener.name)
    specification = {
        "Containers": [{"Image": account.sklearn, "ModelDataUrl": account.put(f"{listener.name}/m.tar.gz", "x")}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    arn = account.sagemaker.create_model_package(
        ModelPackageGroupName=listener.name,
        InferenceSpecification=specification,
        ModelApprovalStatus="PendingManualApproval",
    )["ModelPackageArn"]
    account.sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
    (event,) = listener.heard()
    assert event["detail-type"] == kind and event["resources"] == [arn]
    assert event["detail"]["ModelPackageVersion"] == 1 and event["detail"]["ModelPackageArn"] == arn
    assert event["detail"]["ModelApprovalStatus"] == "Approved" and event["detail"]["CreationTime"].endswith("Z")
    assert event["detail"]["InferenceSpecification"]["SupportedContentTypes"] == ["text/csv"]


def test_a_package_s_event_says_what_has_changed(listener, account) -> None:
    client = account.sagemaker
    detail = {"ModelPackageGroupName": [listener.name]}
    listener.rule({"source": ["aws.sagemaker"], "detail": detail})
    client.create_model_package_group(ModelPackageGroupName=listener.name)
    specification = {"Containers": [{"Image": account.sklearn}]}
    package = {"ModelPackageGroupName": listener.name, "InferenceSpecification": specification}
    arn = client.create_model_package(**package)["ModelPackageArn"]
    client.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved", ApprovalDescription="good")
    client.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")  # which it is already
    client.update_model_package(ModelPackageArn=arn, CustomerMetadataProperties={"deployed": "yes"})
    client.update_model_package(ModelPackageArn=arn, ModelLifeCycle={"Stage": "Test", "StageStatus": "Ready"})
    client.update_model_package(ModelPackageArn=arn, SourceUri="there")
    told = [event["detail"] for event in listener.heard(5)]  # in any order
    assert sorted(event["UpdatedModelPackageFields"] for event in told) == [
        ["CustomerMetadataProperties"],
        ["ModelApprovalStatus", "ApprovalDescription"],
        ["ModelApprovalStatus", "InferenceSpecification"],
        ["ModelLifeCycle"],
        ["sourceUri"],
    ]
    [moved] = [event for event in told if event["UpdatedModelPackageFields"] == ["ModelLifeCycle"]]
    assert moved["ModelLifeCycle"] == {"Stage": "Test", "StageStatus": "Ready"}


def test_cards_and_endpoint_configurations_tell_what_becomes_of_them(listener, account) -> None:
    client, kinds = account.sagemaker, ["SageMaker Model Card State Change", "SageMaker Endpoint Config State Change"]
    arns = [{"suffix": f"/{listener.name}"}]
    listener.rule({"source": ["aws.sagemaker"], "detail-type": kinds, "resources": arns})
    content = json.dumps({"model_overview": {"model_id": "m"}})
    client.create_model_card(ModelCardName=listener.name, Content=content, ModelCardStatus="Draft")
    client.update_model_card(ModelCardName=listener.name, ModelCardStatus="Approved")
    client.delete_model_card(ModelCardName=listener.name)
    model = {"ModelName": listener.name, "ExecutionRoleArn": account.role}
    client.create_model(**model, PrimaryContainer={"Image": account.sklearn})
    variant = {"VariantName": "a", "ModelName": listener.name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    client.create_endpoint_config(EndpointConfigName=listener.name, ProductionVariants=[variant])
    told = {kind: [] for kind in kinds}
    for event in listener.heard(3):
        told[event["detail-type"]].append(event["detail"])
    cards, [config] = told[kinds[0]], told[kinds[1]]
    assert sorted(card["ModelCardStatus"] for card in cards) == ["Approved", "Draft"]
    assert {(card["ModelId"], card["AccountId"]) for card in cards} == {("m", "123456789012")}
    assert config["EndpointConfigName"] == listener.name


def test_a_rate_rings(listener, monkeypatch) -> None:
    name = listener.rule(None, ScheduleExpression="rate(1 minute)")
    described = listener.events.describe_rule(Name=name)
    assert described["ScheduleExpression"] == "rate(1 minute)"
    assert refused(listener.events.put_rule, Name=name, ScheduleExpression="rate(1 minutes)") == "ValidationException"
    assert refused(listener.events.put_rule, Name=name, ScheduleExpression="cron(0 0 * * * *)") == "ValidationException"


def test_what_cannot_be_delivered_goes_to_the_dead_letters(listener, account) -> None:
    gone = "arn:aws:lambda:us-east-1:123456789012:function:nobody"
    listener.rule({"source": ["my.app"]}, target={"Arn": gone, "DeadLetterConfig": {"Arn": listener.arn}})
    listener.put({"n": 1})
    assert listener.heard()[0]["detail"] == {"n": 1}


def test_a_log_group_gets_events(listener, account) -> None:
    group = f"/aws/events/{listener.name}"
    account.logs.create_log_group(logGroupName=group)
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{group}"
    listener.rule({"source": ["my.app"]}, target={"Arn": arn})
    listener.put({"n": 7})
    deadline = time.monotonic() + 20
    while not (found := account.logs.filter_log_events(logGroupName=group)["events"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert json.loads(found[0]["message"])["detail"] == {"n": 7}


@pytest.mark.frameworks
def test_a_function_is_called(listener, account, server) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("index.py", (
            "import boto3, json\n"
            "def handler(event, context):\n"
            "    text = json.dumps(event['detail'])\n"
            f"    boto3.client('sqs').send_message(QueueUrl={listener.url!r}, MessageBody=text)\n"
        ))  # fmt: skip
    function = server.client("lambda").create_function(
        FunctionName=listener.name, Runtime="python3.11", Role=ROLE, Handler="index.handler", Timeout=60,
        Code={"ZipFile": buffer.getvalue()},
    )  # fmt: skip
    listener.rule({"source": ["my.app"]}, target={"Arn": function["FunctionArn"]})
    listener.put({"n": 3})
    assert listener.heard(wait=60) == [{"n": 3}]


@pytest.mark.frameworks
def test_a_training_job_tells_how_it_goes(listener, account) -> None:
    name = account.unique("told")
    listener.rule({**GROUPS, "detail": {"TrainingJobName": [name]}})
    account.succeed("print('hello')", TrainingJobName=name, Tags=[{"Key": "team", "Value": "x"}])
    events = listener.heard(20, last=lambda event: event["detail"]["TrainingJobStatus"] == "Completed")
    assert {"InProgress", "Completed"} == {event["detail"]["TrainingJobStatus"] for event in events}
    [last] = [event["detail"] for event in events if event["detail"]["TrainingJobStatus"] == "Completed"]
    assert last["Tags"] == {"team": "x"} and last["SecondaryStatus"] == "Completed"
    assert last["TrainingEndTime"] > 1_600_000_000_000
    assert last["SecondaryStatusTransitions"][0]["Status"] == "Starting"


def test_bad_rules_are_refused_in_aws_words(listener) -> None:
    events, name = listener.events, listener.name
    assert refused(events.put_rule, Name=name) == "ValidationException"
    for pattern in ("{", "[]", '{"a": "b"}', '{"a": []}', '{"a": [{"nonsense": 1}]}', '{"a": [{"numeric": ["<"]}]}'):
        assert refused(events.put_rule, Name=name, EventPattern=pattern) == "InvalidEventPatternException"
    assert refused(events.put_targets, Rule=name, Targets=[{"Id": "1", "Arn": listener.arn}]) == (
        "ResourceNotFoundException"
    )
    listener.rule({"source": ["x"]})
    pipeline = "arn:aws:sagemaker:us-east-1:123456789012:pipeline/any"
    given = {"PipelineParameterList": [{"Name": "a", "Value": "$.detail.["}]}
    for target in ({"Arn": listener.arn, "DeadLetterConfig": {"Arn": "arn:x"}},
                   {"Arn": pipeline, "SageMakerPipelineParameters": given},
                   {"Arn": "no arn"}, {"Arn": "arn:aws:sns:us-east-1:123456789012:topic"},
                   {"Arn": listener.arn, "Input": "{"}, {"Arn": listener.arn, "InputPath": "detail"},
                   {"Arn": listener.arn, "InputTransformer": {"InputTemplate": '"<x>"'}}):  # fmt: skip
        assert refused(events.put_targets, Rule=name, Targets=[{"Id": "1", **target}]) == "ValidationException"
    assert refused(events.delete_rule, Name=name) == "ValidationException"
    failed = events.put_events(Entries=[{"Source": "a", "DetailType": "b", "Detail": "no json"}])
    assert failed["FailedEntryCount"] == 1 and failed["Entries"][0]["ErrorCode"] == "MalformedDetail"
    assert events.list_rule_names_by_target(TargetArn=listener.arn)["RuleNames"] == [name]
    events.tag_resource(ResourceARN=events.describe_rule(Name=name)["Arn"], Tags=[{"Key": "a", "Value": "b"}])


def test_what_was_accepted_survives_a_kill(new_server) -> None:
    server = new_server()
    listener = Listener(server, "rule")
    listener.rule({"source": ["my.app"]})
    for number in range(30):
        listener.put({"n": number})
    server.kill()
    server.start()
    listener.connect(server)
    numbers: set[int] = set()
    while len(numbers) < 30:
        heard = listener.heard()
        assert heard, numbers
        numbers |= {event["detail"]["n"] for event in heard}


def test_a_change_that_no_target_has_heard_of_survives_a_kill(new_server, account_on) -> None:
    server = new_server()
    account, listener = account_on(server), Listener(server, "rule")
    listener.rule({"source": ["aws.sagemaker"], "detail-type": ["SageMaker Model State Change"]})
    model = {"Image": account.sklearn, "ModelDataUrl": account.put("m.tar.gz", "x")}
    names = [f"m{number}" for number in range(20)]
    for name in names:
        account.sagemaker.create_model(ModelName=name, PrimaryContainer=model, ExecutionRoleArn=ROLE)
    server.kill()
    server.start()
    listener.connect(server)
    heard: set[str] = set()
    while heard < set(names):
        events = listener.heard()
        assert events, heard
        heard |= {event["detail"]["ModelName"] for event in events}


def test_a_pipeline_is_started_once_with_values_of_the_event(listener, account) -> None:
    definition = {
        "Version": "2020-12-01",
        "Parameters": [{"Name": "Which", "Type": "String"}],
        "Steps": [{"Name": "End", "Type": "Fail", "Arguments": {"ErrorMessage": {"Get": "Parameters.Which"}}}],
    }
    arn = account.sagemaker.create_pipeline(
        PipelineName=listener.name, PipelineDefinition=json.dumps(definition), RoleArn=ROLE, ClientRequestToken="t" * 32
    )["PipelineArn"]
    parameters = {"PipelineParameterList": [{"Name": "Which", "Value": "$.detail.which"}]}
    target = {"Arn": arn, "RoleArn": ROLE, "SageMakerPipelineParameters": parameters}
    listener.rule({"source": ["my.app"]}, target=target)
    kind = "SageMaker Model Building Pipeline Execution Status Change"
    told = {"source": ["aws.sagemaker"], "detail-type": [kind], "detail": {"pipelineArn": [arn]}}
    listener.rule(told, name=listener.name + "-told")
    listener.put({"which": "this one"})
    events = listener.heard(2)
    ended = {
        event["detail"]["currentPipelineExecutionStatus"]: "executionEndTime" in event["detail"] for event in events
    }
    assert ended == {"Executing": False, "Failed": True}
    executions = account.sagemaker.list_pipeline_executions(PipelineName=listener.name)["PipelineExecutionSummaries"]
    assert len(executions) == 1
    execution = executions[0]["PipelineExecutionArn"]
    assert [event["resources"] for event in events] == [[arn, execution]] * 2
    given = account.sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=execution)
    assert given["PipelineParameters"] == [{"Name": "Which", "Value": "this one"}]


def test_targets_put_at_once_are_all_kept(listener, server) -> None:
    listener.rule({"source": ["my.app"]})
    clients = [server.client("events") for _ in range(6)]

    def put(number: int) -> None:
        target = {"Id": str(number), "Arn": listener.arn}
        assert clients[number % 6].put_targets(Rule=listener.name, Targets=[target])["FailedEntryCount"] == 0

    def remove(number: int) -> None:
        assert clients[number % 6].remove_targets(Rule=listener.name, Ids=[str(number)])["FailedEntryCount"] == 0

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(put, range(36)))
        ids = {t["Id"] for t in listener.events.list_targets_by_rule(Rule=listener.name)["Targets"]}
        assert ids == {"t", *map(str, range(36))}
        list(pool.map(remove, range(36)))
    assert [t["Id"] for t in listener.events.list_targets_by_rule(Rule=listener.name)["Targets"]] == ["t"]
