"""Pipelines as boto3 users write them: definitions in JSON, real jobs, a server that is killed."""

import json
import signal
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

BASE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-base-python-311:1.0"
ROLE = "arn:aws:iam::123456789012:role/SageMakerRole"
ENDED = ("Succeeded", "Failed", "Stopped")


class Pipelines:
    """A user of pipelines on one server."""

    def __init__(self, account: Any) -> None:
        self.account = account
        self.role = ROLE

    @property
    def client(self) -> Any:
        return self.account.sagemaker

    def create(self, *steps: dict[str, Any], **members: Any) -> str:
        name = f"p-{uuid.uuid4().hex[:8]}"
        definition = {"Version": "2020-12-01", "Steps": list(steps), **members}
        self.client.create_pipeline(PipelineName=name, RoleArn=self.role, PipelineDefinition=json.dumps(definition))
        return name

    def start(self, name: str, **members: Any) -> str:
        arn: str = self.client.start_pipeline_execution(PipelineName=name, **members)["PipelineExecutionArn"]
        return arn

    def ended(self, arn: str, seconds: float = 240) -> dict[str, Any]:
        return self.until(arn, lambda described: described["PipelineExecutionStatus"] in ENDED, seconds)

    def until(self, arn: str, holds: Callable[[dict[str, Any]], bool], seconds: float = 240) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while True:
            described: dict[str, Any] = self.client.describe_pipeline_execution(PipelineExecutionArn=arn)
            if holds(described):
                return described
            assert time.monotonic() < deadline, f"still not: {described} {self.steps(arn)}"
            time.sleep(0.02)

    def steps(self, arn: str) -> dict[str, dict[str, Any]]:
        listed = self.client.list_pipeline_execution_steps(PipelineExecutionArn=arn, SortOrder="Ascending")
        return {step["StepName"]: step for step in listed["PipelineExecutionSteps"]}

    def statuses(self, arn: str) -> dict[str, str]:
        return {name: step["StepStatus"] for name, step in self.steps(arn).items()}

    def processing(self, name: str, code: str, *arguments: Any, **members: Any) -> dict[str, Any]:
        """A Processing step that runs ``code``, with an output ``out`` for what it leaves in /opt/ml/processing/out."""
        values = ["s3:/", self.account.bucket, "pipelines", {"Get": "Execution.PipelineExecutionId"}, name]
        output = {
            "S3Uri": {"Std:Join": {"On": "/", "Values": values}},
            "LocalPath": "/opt/ml/processing/out",
            "S3UploadMode": "EndOfJob",
        }
        application: dict[str, Any] = {"ImageUri": BASE, "ContainerEntrypoint": ["python3", "-c", code]}
        if arguments:
            application["ContainerArguments"] = list(arguments)
        request = {
            "AppSpecification": application,
            "ProcessingResources": {
                "ClusterConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1}
            },
            "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": output}]},
            "RoleArn": self.role,
            **members.pop("more", {}),
        }
        return {"Name": name, "Type": "Processing", "Arguments": request, **members}


@pytest.fixture(scope="session")
def pipelines(account: Any) -> Pipelines:
    return Pipelines(account)


WRITE = "import json, sys; json.dump({'score': float(sys.argv[1])}, open('/opt/ml/processing/out/e.json', 'w'))"
FILES = [{"PropertyFileName": "evaluation", "OutputName": "out", "FilePath": "e.json"}]
SCORE = {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.evaluate.PropertyFiles.evaluation"}, "Path": "score"}}


def gated(pipelines: Pipelines) -> str:
    """Evaluate; above a threshold a step that is handed the evaluation's place, else a failure."""
    evaluate = pipelines.processing("evaluate", WRITE, {"Get": "Parameters.score"}, PropertyFiles=FILES)
    place = {"Get": "Steps.evaluate.ProcessingOutputConfig.Outputs['out'].S3Output.S3Uri"}
    keep = pipelines.processing("keep", "import sys; print(sys.argv[1])", place)
    low = {"Std:Join": {"On": "\n", "Values": ["only", SCORE]}}
    gate = {
        "Name": "gate",
        "Type": "Condition",
        "Arguments": {
            "Conditions": [{"Type": "GreaterThan", "LeftValue": SCORE, "RightValue": {"Get": "Parameters.least"}}],
            "IfSteps": [keep],
            "ElseSteps": [{"Name": "low", "Type": "Fail", "Arguments": {"ErrorMessage": low}}],
        },
    }
    declared = [
        {"Name": "score", "Type": "Float", "DefaultValue": 0.9},
        {"Name": "least", "Type": "Float", "DefaultValue": 0.5},
    ]
    return pipelines.create(evaluate, gate, Parameters=declared)


@pytest.mark.frameworks
class TestRunning:
    def test_both_branches_of_a_gate(self, pipelines: Pipelines) -> None:
        name = gated(pipelines)
        good = pipelines.start(name)
        assert pipelines.ended(good)["PipelineExecutionStatus"] == "Succeeded"
        steps = pipelines.steps(good)
        assert list(steps) == ["evaluate", "gate", "keep"]
        assert steps["gate"]["Metadata"] == {"Condition": {"Outcome": "True"}}
        execution = good.rpartition("/")[2]
        job = steps["keep"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
        assert job.startswith(f"pipelines-{execution}-keep-")
        log = pipelines.account.log(job, "/aws/sagemaker/ProcessingJobs")
        assert f"s3://{pipelines.account.bucket}/pipelines/{execution}/evaluate" in log
        bad = pipelines.start(name, PipelineParameters=[{"Name": "score", "Value": "0.25"}])
        described = pipelines.ended(bad)
        assert described["PipelineExecutionStatus"] == "Failed"
        assert described["FailureReason"] == "Step failure: One or multiple steps failed."
        steps = pipelines.steps(bad)
        assert (steps["low"]["StepStatus"], steps["low"]["FailureReason"]) == ("Failed", "only\n0.25")
        listed = pipelines.client.list_pipeline_parameters_for_execution(PipelineExecutionArn=bad)
        assert listed["PipelineParameters"] == [{"Name": "score", "Value": "0.25"}, {"Name": "least", "Value": "0.5"}]

    def test_jobs_bear_the_pipelines_tags_and_experiment(self, pipelines: Pipelines) -> None:
        client, name = pipelines.client, f"p-{uuid.uuid4().hex[:8]}"
        config = {
            "ExperimentName": {"Get": "Execution.PipelineName"},
            "TrialName": {"Get": "Execution.PipelineExecutionId"},
        }
        more = {"Tags": [{"Key": "own", "Value": "1"}]}
        definition = {
            "Version": "2020-12-01",
            "PipelineExperimentConfig": config,
            "Steps": [pipelines.processing("a", "1", more=more)],
        }
        tags = [{"Key": "team", "Value": "blue"}]
        text = json.dumps(definition)
        client.create_pipeline(PipelineName=name, RoleArn=ROLE, PipelineDefinition=text, Tags=tags)
        run = pipelines.start(name)
        execution = run.rpartition("/")[2]
        named = {"ExperimentName": name, "TrialName": execution}
        begun = client.describe_pipeline_execution(PipelineExecutionArn=run)
        described = pipelines.ended(run)
        assert described["PipelineExecutionStatus"] == "Succeeded", pipelines.steps(run)
        assert begun["PipelineExperimentConfig"] == described["PipelineExperimentConfig"] == named
        arn = pipelines.steps(run)["a"]["Metadata"]["ProcessingJob"]["Arn"]
        job = client.describe_processing_job(ProcessingJobName=arn.rpartition("/")[2])
        assert job["ExperimentConfig"]["TrialName"] == execution
        found = {tag["Key"]: tag["Value"] for tag in client.list_tags(ResourceArn=arn)["Tags"]}
        assert found == {
            "own": "1",
            "team": "blue",
            "sagemaker:pipeline-name": name,
            "sagemaker:pipeline-step-name": "a",
            "sagemaker:pipeline-execution-arn": run,
        }
        assert client.describe_trial(TrialName=execution)["ExperimentName"] == name

    def test_stopping_and_retrying(self, pipelines: Pipelines) -> None:
        name = pipelines.create(
            pipelines.processing("first", "1"),
            pipelines.processing("slow", "import time; time.sleep(60)", DependsOn=["first"]),
        )
        run = pipelines.start(name)
        pipelines.until(run, lambda _: pipelines.statuses(run).get("slow") == "Executing")
        assert pipelines.client.stop_pipeline_execution(PipelineExecutionArn=run)["PipelineExecutionArn"] == run
        assert pipelines.ended(run)["PipelineExecutionStatus"] == "Stopped"
        assert pipelines.statuses(run) == {"first": "Succeeded", "slow": "Stopped"}
        with pytest.raises(ClientError, match="cannot be stopped: it is in status Stopped"):
            pipelines.client.stop_pipeline_execution(PipelineExecutionArn=run)
        began = pipelines.steps(run)["first"]["StartTime"]
        pipelines.client.retry_pipeline_execution(PipelineExecutionArn=run)
        pipelines.until(run, lambda _: pipelines.statuses(run).get("slow") == "Executing")
        assert pipelines.steps(run)["first"]["StartTime"] == began
        stopped = pipelines.account.server.selfmaker("stop", run.rpartition("/")[2])
        assert stopped.stdout.startswith("stopping ")
        assert pipelines.ended(run)["PipelineExecutionStatus"] == "Stopped"
        assert "has ended already: Stopped" in pipelines.account.server.selfmaker("stop", run).stderr

    def test_a_failed_job_is_told_with_its_reason(self, pipelines: Pipelines) -> None:
        run = pipelines.start(pipelines.create(pipelines.processing("a", "raise SystemExit('no luck')")))
        assert pipelines.ended(run)["PipelineExecutionStatus"] == "Failed"
        assert pipelines.steps(run)["a"]["FailureReason"].startswith("ClientError: AlgorithmError")

    def test_caching(self, pipelines: Pipelines) -> None:
        cached = {"CacheConfig": {"Enabled": True, "ExpireAfter": "PT1H"}}
        name = pipelines.create(
            pipelines.processing("a", "1", **cached),
            pipelines.processing("b", "2", {"Get": "Parameters.x"}, DependsOn=["a"], **cached),
            Parameters=[{"Name": "x", "Type": "String", "DefaultValue": "1"}],
        )
        first = pipelines.start(name)
        assert pipelines.ended(first)["PipelineExecutionStatus"] == "Succeeded"
        second = pipelines.start(name, PipelineParameters=[{"Name": "x", "Value": "2"}])
        assert pipelines.ended(second)["PipelineExecutionStatus"] == "Succeeded"
        before, after = pipelines.steps(first), pipelines.steps(second)
        assert after["a"]["CacheHitResult"] == {"SourcePipelineExecutionArn": first}
        assert after["a"]["Metadata"] == before["a"]["Metadata"]
        assert "CacheHitResult" not in after["b"]

    def test_a_server_that_is_killed_again_and_again_does_each_step_once(
        self, new_server: Any, account_on: Any
    ) -> None:
        server = new_server(slots="4")
        account = account_on(server)
        mine = Pipelines(account)
        code = (
            "import os, sys, time, uuid; time.sleep(0.3); "
            "open('/opt/ml/processing/out/' + uuid.uuid4().hex, 'w').write(sys.argv[1])"
        )
        steps = [mine.processing(f"s{n}", code, str(n), DependsOn=[f"s{n - 1}"] if n else []) for n in range(6)]
        wide = [mine.processing(f"w{n}", code, str(n)) for n in range(4)]
        run = mine.start(mine.create(*steps, *wide))
        for pause in (0.05, 0.3, 0.45, 0.7):
            time.sleep(pause)
            server.kill()
            server.start()
            account.connect()
        ended = mine.ended(run)
        assert not {name: step["FailureReason"] for name, step in mine.steps(run).items() if "FailureReason" in step}
        assert ended["PipelineExecutionStatus"] == "Succeeded"
        assert set(mine.statuses(run).values()) == {"Succeeded"}
        execution = run.rpartition("/")[2]
        for step in (*steps, *wide):
            assert len(account.keys(f"pipelines/{execution}/{step['Name']}/")) == 1
        jobs = account.sagemaker.list_processing_jobs(NameContains=execution, MaxResults=100)
        assert len(jobs["ProcessingJobSummaries"]) == len(steps) + len(wide)

    def test_commands(self, pipelines: Pipelines, server: Any, tmp_path: Any) -> None:
        name = gated(pipelines)
        assert f"{name}  never run" in server.selfmaker("pipelines").stdout
        run = pipelines.start(name, PipelineParameters=[{"Name": "score", "Value": "0.25"}])
        watched = server.selfmaker("watch", run)
        assert watched.returncode == 1
        lines = watched.stdout.splitlines()
        assert any(line.startswith("evaluate: Succeeded after") for line in lines)
        assert "low: Failed after 0.0 s: only 0.25" in lines
        assert lines[-1] == "Failed: Step failure: One or multiple steps failed."
        listed = json.loads(server.selfmaker("executions", name, "--json").stdout)
        assert [(row["arn"], row["status"], row["failed_steps"]) for row in listed] == [(run, "Failed", ["low"])]
        picture = tmp_path / "dag.svg"
        drawn = server.selfmaker("graph", name, "-o", str(picture))
        assert drawn.stdout == f"wrote {picture}\n"
        text = picture.read_text()
        assert text.startswith("<svg ")
        assert all(f">{step}<" in text for step in ("evaluate", "gate", "keep", "low", "True", "False"))
        assert "call it dag.svg" in server.selfmaker("graph", name, "-o", "dag.png").stderr
        assert server.selfmaker("graph", name, "-o", str(tmp_path / "no" / "dag.svg")).stderr == (
            f"selfmaker: cannot write {tmp_path / 'no' / 'dag.svg'}: No such file or directory\n"
        )
        again = json.loads(server.selfmaker("watch", name, "--json").stdout)
        assert (again["PipelineExecutionArn"], again["PipelineExecutionStatus"]) == (run, "Failed")
        assert server.selfmaker("watch", "nobody").stderr.startswith("selfmaker: no execution and no pipeline")


NOWHERE = {"Get": "Steps.y.A"}


def fails(pipelines: Pipelines, **members: Any) -> dict[str, Any]:
    return {"Name": "f", "Type": "Fail", "Arguments": {"ErrorMessage": "x"}, **members}


class TestOperations:
    def error(self, function: Callable[..., Any], **request: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as caught:
            function(**request)
        error = caught.value.response["Error"]
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
        return error["Code"], error["Message"]

    def test_a_name_is_taken_once(self, pipelines: Pipelines) -> None:
        name = pipelines.create(fails(pipelines))
        text = json.dumps({"Version": "2020-12-01", "Steps": [fails(pipelines)]})
        request = {"PipelineName": name, "RoleArn": ROLE, "PipelineDefinition": text}
        code, message = self.error(pipelines.client.create_pipeline, **request)
        assert code == "ValidationException"
        assert "already exists" in message

    def test_the_same_token_makes_the_same_pipeline(self, pipelines: Pipelines) -> None:
        text = json.dumps({"Version": "2020-12-01", "Steps": [fails(pipelines)]})
        request = {"PipelineName": f"p-{uuid.uuid4().hex[:8]}", "RoleArn": ROLE, "PipelineDefinition": text}
        token = uuid.uuid4().hex
        first = pipelines.client.create_pipeline(**request, ClientRequestToken=token)
        again = pipelines.client.create_pipeline(**request, ClientRequestToken=token)
        assert first["PipelineArn"] == again["PipelineArn"]

    def test_the_same_token_starts_the_same_execution(self, pipelines: Pipelines) -> None:
        name, token = pipelines.create(fails(pipelines)), uuid.uuid4().hex
        first = pipelines.start(name, ClientRequestToken=token)
        assert pipelines.start(name, ClientRequestToken=token) == first
        start = pipelines.client.start_pipeline_execution
        code, _ = self.error(start, PipelineName=name, ClientRequestToken=token, PipelineExecutionDisplayName="other")
        assert code == "ConflictException"
        assert len(pipelines.client.list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"]) == 1

    def test_a_definition_in_s3(self, pipelines: Pipelines) -> None:
        text = json.dumps({"Version": "2020-12-01", "Steps": [fails(pipelines)]}, indent=4)
        pipelines.account.put("definitions/d.json", text)
        place = {"Bucket": pipelines.account.bucket, "ObjectKey": "definitions/d.json"}
        name = f"p-{uuid.uuid4().hex[:8]}"
        client = pipelines.client
        client.create_pipeline(PipelineName=name, RoleArn=ROLE, PipelineDefinitionS3Location=place)
        assert client.describe_pipeline(PipelineName=name)["PipelineDefinition"] == text
        gone = {**place, "ObjectKey": "definitions/none.json"}
        code, message = self.error(client.update_pipeline, PipelineName=name, PipelineDefinitionS3Location=gone)
        assert code == "ValidationException"
        assert "there is no object" in message

    @pytest.mark.parametrize(
        ("definition", "told"),
        [
            ("{", "Unable to parse pipeline definition"),
            ({"Version": "2020-12-01", "Steps": []}, "a pipeline needs at least one step"),
            (
                {"Version": "2020-12-01", "Steps": [{"Name": "x", "Type": "EMR", "Arguments": {}}]},
                "step x: Steps[0].Type: EMR is not supported",
            ),
            (
                {"Version": "2020-12-01", "Steps": [{"Name": "x", "Type": "Fail", "Arguments": {"E": NOWHERE}}]},
                "step x: Steps[0].Arguments.E: Steps.y.A: there is no step 'y'",
            ),
        ],
    )  # fmt: skip
    def test_bad_definitions(self, pipelines: Pipelines, definition: Any, told: str) -> None:
        text = definition if isinstance(definition, str) else json.dumps(definition)
        name, client = f"p-{uuid.uuid4().hex[:8]}", pipelines.client
        code, message = self.error(client.create_pipeline, PipelineName=name, RoleArn=ROLE, PipelineDefinition=text)
        assert code == "ValidationException"
        assert told in message
        assert self.error(client.describe_pipeline, PipelineName=name)[0] == "ResourceNotFound"

    def test_versions_and_aliases(self, pipelines: Pipelines) -> None:
        client, name = pipelines.client, pipelines.create(fails(pipelines))
        second = json.dumps({"Version": "2020-12-01", "Steps": [fails(pipelines, Name="g")]})
        answer = client.update_pipeline(PipelineName=name, PipelineDefinition=second, PipelineVersionAliases=["live"])
        arn = answer["PipelineArn"]
        assert answer["PipelineVersionId"] == 2
        assert client.update_pipeline(PipelineName=name, PipelineDescription="d")["PipelineVersionId"] == 2
        client.update_pipeline_version(
            PipelineArn=arn,
            PipelineVersionId=1,
            PipelineVersionDisplayName="old",
            PipelineVersionAliasOperations={"Add": ["live", "first"]},
        )
        listed = client.list_pipeline_versions(PipelineName=name)["PipelineVersionSummaries"]
        assert [(v["PipelineVersionId"], v.get("PipelineVersionAliases")) for v in listed] == [
            (2, None),
            (1, ["live", "first"]),
        ]
        described = client.describe_pipeline(PipelineName=name, PipelineVersionAlias="live")
        assert described["PipelineVersionDisplayName"] == "old"
        assert '"f"' in described["PipelineDefinition"]
        run = pipelines.start(name, PipelineVersionId=1)
        ended = pipelines.ended(run)
        assert (ended["PipelineVersionId"], ended["PipelineVersionAliases"]) == (1, ["live", "first"])
        assert list(pipelines.steps(run)) == ["f"]
        definition = client.describe_pipeline_definition_for_execution(PipelineExecutionArn=run)
        assert definition["PipelineDefinition"] == described["PipelineDefinition"]
        newest = pipelines.start(name)
        pipelines.ended(newest)
        assert list(pipelines.steps(newest)) == ["g"]
        start = client.start_pipeline_execution
        assert self.error(start, PipelineName=name, PipelineVersionId=9)[0] == "ResourceNotFound"
        assert self.error(start, PipelineName=name, PipelineVersionAlias="no")[0] == "ResourceNotFound"
        by_alias = client.list_pipeline_executions(PipelineName=name, PipelineVersionAlias="live")
        assert [row["PipelineExecutionArn"] for row in by_alias["PipelineExecutionSummaries"]] == [run]

    @pytest.mark.parametrize(
        ("parameters", "told"),
        [
            ([], "no value is given for ['n']"),
            ([{"Name": "n", "Value": "x"}], "the value 'x' of parameter n is not of type Integer"),
            ([{"Name": "n", "Value": "1_0"}], "the value '1_0' of parameter n is not of type Integer"),
            ([{"Name": "n", "Value": "1"}, {"Name": "f", "Value": "nan"}], "'nan' of parameter f is not of type Float"),
            ([{"Name": "n", "Value": "1"}, {"Name": "f", "Value": "1e999"}], "f is not of type Float"),
            ([{"Name": "n", "Value": "1"}, {"Name": "m", "Value": "1"}], "the pipeline has no parameters ['m']"),
        ],
    )
    def test_bad_parameters(self, pipelines: Pipelines, parameters: Any, told: str) -> None:
        declared = [
            {"Name": "n", "Type": "Integer"},
            {"Name": "f", "Type": "Float", "DefaultValue": 1},
        ]
        name = pipelines.create(fails(pipelines), Parameters=declared)
        start = pipelines.client.start_pipeline_execution
        code, message = self.error(start, PipelineName=name, PipelineParameters=parameters)
        assert code == "ValidationException"
        assert told in message
        assert pipelines.client.list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"] == []

    def test_listing_filters_and_pages(self, pipelines: Pipelines) -> None:
        client, prefix = pipelines.client, f"list{uuid.uuid4().hex[:6]}"
        text = json.dumps({"Version": "2020-12-01", "Steps": [fails(pipelines)]})
        for number in range(3):
            client.create_pipeline(PipelineName=f"{prefix}-{number}", RoleArn=ROLE, PipelineDefinition=text)
        request = {"PipelineNamePrefix": prefix, "SortBy": "Name", "SortOrder": "Ascending"}
        page = client.list_pipelines(**request, MaxResults=2)
        rest = client.list_pipelines(**request, MaxResults=2, NextToken=page["NextToken"])
        found = page["PipelineSummaries"] + rest["PipelineSummaries"]
        assert [row["PipelineName"] for row in found] == [f"{prefix}-{number}" for number in range(3)]
        assert "NextToken" not in rest

    def test_search(self, pipelines: Pipelines) -> None:
        client, name = pipelines.client, f"p-{uuid.uuid4().hex[:8]}"
        text = json.dumps({"Version": "2020-12-01", "Steps": [fails(pipelines)]})
        tags = [{"Key": "team", "Value": name}]
        client.create_pipeline(PipelineName=name, RoleArn=ROLE, PipelineDefinition=text, Tags=tags)
        run = pipelines.start(name, PipelineExecutionDisplayName="shown")
        pipelines.ended(run)

        def found(resource: str, member: str, value: str) -> list[Any]:
            filters = [{"Name": member, "Operator": "Equals", "Value": value}]
            answer = client.search(Resource=resource, SearchExpression={"Filters": filters})
            return [result[resource] for result in answer["Results"]]

        assert [row["PipelineName"] for row in found("Pipeline", "Tags.team", name)] == [name]
        [row] = found("PipelineExecution", "PipelineExecutionArn", run)
        assert (row["PipelineExecutionStatus"], row["PipelineExecutionDisplayName"]) == ("Failed", "shown")
        assert row["CreatedBy"] == client.describe_pipeline(PipelineName=name)["CreatedBy"]
        arn = client.describe_pipeline(PipelineName=name)["PipelineArn"]
        client.update_pipeline(PipelineName=name, PipelineDefinition=text + " ", PipelineVersionAliases=["new"])
        first, second = sorted(found("PipelineVersion", "PipelineArn", arn), key=lambda one: one["PipelineVersionId"])
        assert (first["PipelineVersionId"], second["PipelineVersionAliases"]) == (1, ["new"])
        assert first["LastExecutedPipelineExecutionArn"] == run and "LastExecutedPipelineExecutionArn" not in second

    def test_deleting_takes_the_executions_along(self, pipelines: Pipelines) -> None:
        client, name = pipelines.client, pipelines.create(fails(pipelines))
        run = pipelines.start(name)
        described = client.describe_pipeline_execution(PipelineExecutionArn=run)
        milliseconds = int(described["CreationTime"].timestamp() * 1000)
        assert described["PipelineExecutionDisplayName"] in {f"execution-{milliseconds + n}" for n in (-1, 0, 1)}
        pipelines.ended(run)
        client.delete_pipeline(PipelineName=name)
        assert self.error(client.describe_pipeline, PipelineName=name)[0] == "ResourceNotFound"
        assert self.error(client.describe_pipeline_execution, PipelineExecutionArn=run)[0] == "ResourceNotFound"
        assert self.error(client.delete_pipeline, PipelineName=name)[0] == "ResourceNotFound"

    def test_a_pipeline_that_is_made_again_runs_what_it_says_now(self, pipelines: Pipelines) -> None:
        client, name = pipelines.client, f"p-{uuid.uuid4().hex[:8]}"
        for word in ("first", "second"):
            text = json.dumps({"Version": "2020-12-01", "Steps": [fails(pipelines, Arguments={"ErrorMessage": word})]})
            client.create_pipeline(PipelineName=name, RoleArn=ROLE, PipelineDefinition=text)
            run = pipelines.start(name)
            pipelines.ended(run)
            assert pipelines.steps(run)["f"]["FailureReason"] == word
            client.delete_pipeline(PipelineName=name)

    def test_a_pipeline_that_runs_is_not_deleted(self, pipelines: Pipelines) -> None:
        client = pipelines.client
        queue = pipelines.account.server.client("sqs").create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        waits = {"Name": "cb", "Type": "Callback", "SqsQueueUrl": queue, "OutputParameters": [], "Arguments": {}}
        name = pipelines.create(waits)
        run = pipelines.start(name)
        pipelines.until(run, lambda _: pipelines.statuses(run).get("cb") == "Executing")
        assert self.error(client.delete_pipeline, PipelineName=name)[0] == "ConflictException"
        token = pipelines.steps(run)["cb"]["Metadata"]["Callback"]["CallbackToken"]
        client.send_pipeline_execution_step_failure(CallbackToken=token, FailureReason="enough")
        assert pipelines.ended(run)["PipelineExecutionStatus"] == "Failed"
        assert pipelines.steps(run)["cb"]["FailureReason"] == "enough"
        send = client.send_pipeline_execution_step_success
        assert self.error(send, CallbackToken=token)[0] == "ConflictException"
        assert self.error(send, CallbackToken="a" * 10)[0] == "ResourceNotFound"

    def test_a_worker_sends_more_outputs_than_the_step_declares(self, pipelines: Pipelines) -> None:
        client = pipelines.client
        queue = pipelines.account.server.client("sqs").create_queue(QueueName=f"q-{uuid.uuid4().hex[:8]}")["QueueUrl"]
        declared = [{"OutputName": "n", "OutputType": "Integer"}]
        waits = {"Name": "cb", "Type": "Callback", "SqsQueueUrl": queue, "OutputParameters": declared, "Arguments": {}}
        run = pipelines.start(pipelines.create(waits))
        pipelines.until(run, lambda _: pipelines.statuses(run).get("cb") == "Executing")
        token = pipelines.steps(run)["cb"]["Metadata"]["Callback"]["CallbackToken"]
        send = client.send_pipeline_execution_step_success
        wrong = [{"Name": "n", "Value": "many"}]
        assert "not of type Integer" in self.error(send, CallbackToken=token, OutputParameters=wrong)[1]
        given = [{"Name": "minutes", "Value": "0.1"}, {"Name": "n", "Value": "3"}]
        send(CallbackToken=token, OutputParameters=given)
        assert pipelines.ended(run)["PipelineExecutionStatus"] == "Succeeded"
        assert pipelines.steps(run)["cb"]["Metadata"]["Callback"]["OutputParameters"] == given

    def test_selections_that_cannot_run(self, pipelines: Pipelines) -> None:
        steps = [
            {"Name": name, "Type": "Lambda", "FunctionArn": "arn", "Arguments": arguments, "OutputParameters": outputs}
            for name, arguments, outputs in (
                ("a", {}, [{"OutputName": "x", "OutputType": "String"}]),
                ("b", {"v": {"Get": "Steps.a.OutputParameters['x']"}}, [{"OutputName": "y", "OutputType": "String"}]),
                ("c", {"v": {"Get": "Steps.b.OutputParameters['y']"}}, []),
            )
        ]
        name, start = pipelines.create(*steps), pipelines.client.start_pipeline_execution

        def told(*selected: str) -> str:
            config = {"SelectedSteps": [{"StepName": step} for step in selected]}
            return self.error(start, PipelineName=name, SelectiveExecutionConfig=config)[1]

        assert "the pipeline has no steps ['nope']" in told("nope")
        assert "['b'] lie between selected steps" in told("a", "c")
        assert "SourcePipelineExecutionArn is required: selected steps need the outputs of ['a']" in told("b")


def test_a_tuning_step_fails_clearly_until_there_are_tuning_jobs(pipelines: Pipelines) -> None:
    limits = {"MaxNumberOfTrainingJobs": 2, "MaxParallelTrainingJobs": 1}
    config = {"Strategy": "Random", "ResourceLimits": limits}
    best = {"Get": "Steps.tune.BestTrainingJob.TrainingJobName"}
    tune = {"Name": "tune", "Type": "Tuning", "Arguments": {"HyperParameterTuningJobConfig": config}}
    after = {"Name": "after", "Type": "Fail", "Arguments": {"ErrorMessage": best}}
    run = pipelines.start(pipelines.create(tune, after))
    assert pipelines.ended(run)["PipelineExecutionStatus"] == "Failed"
    steps = pipelines.steps(run)
    assert list(steps) == ["tune"]
    assert "CreateHyperParameterTuningJob" in steps["tune"]["FailureReason"]


def waiting(pipelines: Pipelines) -> tuple[str, str]:
    """An execution whose callback waits for an answer, and the callback's token."""
    sqs = pipelines.account.server.client("sqs")
    queue = sqs.create_queue(QueueName=f"waiting-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    step = {"Name": "cb", "Type": "Callback", "SqsQueueUrl": queue, "Arguments": {}, "OutputParameters": []}
    run = pipelines.start(pipelines.create(step))
    message = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"][0]
    return run, json.loads(message["Body"])["token"]


def test_a_request_that_is_sent_again_is_answered_again(pipelines: Pipelines) -> None:
    """botocore sends a request again when its answer is lost."""
    same, other = uuid.uuid4().hex, uuid.uuid4().hex
    run, token = waiting(pipelines)
    for _ in range(2):
        pipelines.client.stop_pipeline_execution(PipelineExecutionArn=run, ClientRequestToken=same)
    for _ in range(2):
        answer = pipelines.client.send_pipeline_execution_step_failure(
            CallbackToken=token, FailureReason="told to stop", ClientRequestToken=same
        )
        assert answer["PipelineExecutionArn"] == run
    assert pipelines.ended(run)["PipelineExecutionStatus"] == "Stopped"
    pipelines.client.stop_pipeline_execution(PipelineExecutionArn=run, ClientRequestToken=same)
    with pytest.raises(ClientError, match=r"ConflictException.*Failed"):
        pipelines.client.send_pipeline_execution_step_success(CallbackToken=token, ClientRequestToken=other)
    with pytest.raises(ClientError, match=r"ConflictException.*Stopped"):
        pipelines.client.stop_pipeline_execution(PipelineExecutionArn=run, ClientRequestToken=other)


def test_an_executions_arn_names_its_pipeline_and_region(pipelines: Pipelines) -> None:
    run, token = waiting(pipelines)
    pipelines.client.send_pipeline_execution_step_success(CallbackToken=token)
    assert pipelines.client.describe_pipeline_execution(PipelineExecutionArn=run.lower())["PipelineExecutionArn"] == run
    for wrong in (run.replace("pipeline/p-", "pipeline/q-"), run.replace("us-east-1", "eu-west-1")):
        with pytest.raises(ClientError, match=r"ResourceNotFound.*does not exist"):
            pipelines.client.describe_pipeline_execution(PipelineExecutionArn=wrong)
    arn = run.partition("/execution/")[0]
    assert pipelines.client.describe_pipeline(PipelineName=arn.lower())["PipelineArn"] == arn
    with pytest.raises(ClientError, match=r"ResourceNotFound.*does not exist"):
        pipelines.client.start_pipeline_execution(PipelineName=arn.replace("us-east-1", "eu-west-1"))


def test_a_server_ends_while_steps_are_under_way(new_server: Any, account_on: Any) -> None:
    server = new_server()
    mine = Pipelines(account_on(server))
    queue = server.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    waits = {"Name": "cb", "Type": "Callback", "SqsQueueUrl": queue, "OutputParameters": [], "Arguments": {}}
    run = mine.start(mine.create(waits))
    mine.until(run, lambda _: mine.statuses(run).get("cb") == "Executing")
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(20)
    server.start()
    mine.account.connect()
    token = mine.steps(run)["cb"]["Metadata"]["Callback"]["CallbackToken"]
    mine.client.send_pipeline_execution_step_success(CallbackToken=token)
    assert mine.ended(run)["PipelineExecutionStatus"] == "Succeeded"
