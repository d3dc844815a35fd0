"""A submission's way through SageMaker: training, preprocessing, prediction, scoring. SDK v2, on AWS as it is.

Every job that runs the entrant's code is isolated: it has no network, so it reaches nothing of S3 but what it is given.
The private targets are given to the last job alone, which runs the organiser's code.
"""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from botocore.exceptions import ClientError
from rules import Limits, Rejected
from sagemaker.network import NetworkConfig
from sagemaker.processing import ProcessingInput, ProcessingOutput
from sagemaker.session import Session
from sagemaker.sklearn import SKLearn, SKLearnModel, SKLearnProcessor
from sagemaker.transformer import Transformer

FRAMEWORK = "1.4-2"
SIDES = ("public", "private")
IN_JOB = "/opt/ml/processing"
OUTPUT = "preprocessed.csv.out"  # a batch transform's name for what it makes of preprocessed.csv
HINT_PRIVATE = (
    " In the private pipeline preprocess.py gets the inputs only: it must work without the target columns, as "
    "`challenge.py preprocess` tries it."
)


@dataclass(frozen=True)
class Challenge:
    """Where the challenge's files are: URIs in S3, and the organiser's scoring program."""

    public: str
    inputs: dict[str, str]
    targets: dict[str, str]
    results: str
    score: Path


@dataclass
class Submission:
    """``run`` does it all; raises Rejected with a message for the entrant."""

    name: str
    code: Path
    challenge: Challenge
    session: Session
    role: str
    instance: str = "ml.m5.xlarge"
    limits: Limits = field(default_factory=Limits)
    jobs: list[tuple[str, str]] = field(default_factory=list)

    def run(self) -> dict[str, dict]:
        """The scores of both sides. In the end no job of it runs, whatever became of it."""
        try:
            estimator = self.train()
            preprocessed = self.preprocess()
            predictions = self.predict(estimator, preprocessed)
            return self.score(predictions)
        finally:
            self._stop()

    # -- step 1

    def train(self) -> SKLearn:
        estimator = SKLearn(
            entry_point="train.py",
            source_dir=str(self.code),
            framework_version=FRAMEWORK,
            role=self.role,
            instance_count=1,
            instance_type=self.instance,
            max_run=self.limits.training,
            base_job_name=f"{self.name}-train",
            output_path=f"{self.base}/model",
            enable_network_isolation=True,
            disable_profiler=True,
            sagemaker_session=self.session,
        )
        say("training")
        estimator.fit({"training": self.challenge.public}, wait=False)
        [(_, job)] = self._each("Training", {"": estimator.latest_training_job.name})
        if job["TrainingJobStatus"] == "Failed":
            raise Rejected(f"train.py failed: {job['FailureReason']}")
        if job["TrainingJobStatus"] == "Stopped":
            raise Rejected(
                f"train.py took longer than the {self.limits.training} seconds that it may: train less, or search for "
                "hyperparameters at home and keep what you found"
            )
        size = self.size(job["ModelArtifacts"]["S3ModelArtifacts"])
        if size is None:
            raise Rejected("train.py has saved no model: write it into the folder that SM_MODEL_DIR names")
        if size > self.limits.model:
            raise Rejected(
                f"the model has {size} bytes packed, at most {self.limits.model} are allowed: make it smaller"
            )
        return estimator

    # -- step 2

    def preprocess(self) -> dict[str, str]:
        """The URIs of the preprocessed files, by side. Only preprocess.py is given to these jobs."""
        say("preprocessing, public and private")
        started = {}
        for side in SIDES:
            processor = self._processor(f"{self.name}-preprocess-{side}", self.limits.preprocessing)
            processor.run(
                code=str(self.code / "preprocess.py"),
                inputs=[ProcessingInput(self.challenge.inputs[side], f"{IN_JOB}/input")],
                outputs=[ProcessingOutput(f"{IN_JOB}/output", f"{self.base}/preprocessed/{side}", "preprocessed")],
                arguments=["--input", f"{IN_JOB}/input/data.csv", "--output", f"{IN_JOB}/output/preprocessed.csv"],
                wait=False,
            )
            started[side] = processor.latest_job.job_name
        found = {}
        for side, job in self._each("Processing", started):
            if job["ProcessingJobStatus"] == "Stopped":
                raise Rejected(f"preprocess.py took longer than {self.limits.preprocessing} seconds ({side} data)")
            if job["ProcessingJobStatus"] == "Failed":
                reason = job["FailureReason"].rstrip(".")
                raise Rejected(f"preprocess.py failed on the {side} data: {reason}.{_hint(side, reason)}")
            uri = f"{self.base}/preprocessed/{side}/preprocessed.csv"
            size = self.size(uri)
            if size is None:
                raise Rejected(
                    "preprocess.py has written no file to --output: its main must write the preprocessed CSV"
                )
            if size > self.limits.preprocessed:
                raise Rejected(
                    f"preprocess.py made {size} bytes of the {side} data, at most {self.limits.preprocessed} are "
                    "allowed: write fewer columns, or fewer digits"
                )
            found[side] = uri
        return found

    # -- step 3

    def predict(self, estimator: SKLearn, preprocessed: dict[str, str]) -> dict[str, str]:
        """The URIs of the predictions, by side, through the entrant's model_fn and input_fn."""
        say("predicting, public and private")
        model = SKLearnModel(
            model_data=estimator.model_data,
            role=self.role,
            entry_point="train.py",
            source_dir=str(self.code),
            framework_version=FRAMEWORK,
            enable_network_isolation=True,
            sagemaker_session=self.session,
        )
        model.create(instance_type=self.instance)
        started, paths = {}, {}
        for side in SIDES:
            paths[side] = f"{self.base}/predictions/{side}"
            transformer = Transformer(
                model_name=model.name,
                instance_count=1,
                instance_type=self.instance,
                strategy="MultiRecord",
                assemble_with="Line",
                accept="text/csv",
                output_path=paths[side],
                base_transform_job_name=f"{self.name}-predict-{side}",
                sagemaker_session=self.session,
            )
            transformer.transform(
                preprocessed[side],
                content_type="text/csv",
                split_type="Line",
                model_client_config={"InvocationsTimeoutInSeconds": 600, "InvocationsMaxRetries": 0},
                wait=False,
            )
            started[side] = transformer.latest_transform_job.job_name
        try:
            for side, job in self._each("Transform", started, self.limits.prediction):
                self._check_predictions(side, job, f"{paths[side]}/{OUTPUT}")
        finally:
            self.session.sagemaker_client.delete_model(ModelName=model.name)
        return {side: f"{paths[side]}/{OUTPUT}" for side in SIDES}

    def _check_predictions(self, side: str, job: dict, uri: str) -> None:
        if job["TransformJobStatus"] == "InProgress":
            raise Rejected(
                f"predicting the {side} data took longer than {self.limits.prediction} seconds: use a faster model"
            )
        if job["TransformJobStatus"] == "Failed":
            raise Rejected(_why_not_predicted(side, job["FailureReason"]))
        size = self.size(uri)
        if size is None or size > self.limits.predictions:
            raise Rejected(
                f"predict made {size} bytes for the {side} data, at most {self.limits.predictions} are allowed: "
                "predict yes or no for each target, and nothing else"
            )

    # -- step 4

    def score(self, predictions: dict[str, str]) -> dict[str, dict]:
        """The organiser's score.py on both sides; what it says is the result."""
        say("scoring")
        started = {}
        for side in SIDES:
            processor = self._processor(f"{self.name}-score-{side}", 1800)
            processor.run(
                code=str(self.challenge.score),
                inputs=[
                    ProcessingInput(predictions[side], f"{IN_JOB}/predictions", "predictions"),
                    ProcessingInput(self.challenge.targets[side], f"{IN_JOB}/targets", "targets"),
                ],
                outputs=[ProcessingOutput(f"{IN_JOB}/output", f"{self.base}/scores/{side}", "score")],
                wait=False,
            )
            started[side] = processor.latest_job.job_name
        scores = {}
        for side, job in self._each("Processing", started):
            if job["ProcessingJobStatus"] != "Completed":
                raise Rejected(
                    f"the {side} predictions cannot be scored: {job.get('ExitMessage') or job['FailureReason']}"
                )
            text = self.session.read_s3_file(*_split(f"{self.base}/scores/{side}/score.json"))
            scores[side] = json.loads(text)
        return scores

    # -- all steps

    @property
    def base(self) -> str:
        return f"{self.challenge.results}/{self.name}"

    def size(self, uri: str) -> int | None:
        """An object's size; None when there is none."""
        bucket, key = _split(uri)
        found = self.session.boto_session.client("s3").list_objects_v2(Bucket=bucket, Prefix=key).get("Contents", [])
        return next((item["Size"] for item in found if item["Key"] == key), None)

    def _processor(self, name: str, seconds: int) -> SKLearnProcessor:
        return SKLearnProcessor(
            framework_version=FRAMEWORK,
            role=self.role,
            instance_count=1,
            instance_type=self.instance,
            base_job_name=name,
            max_runtime_in_seconds=seconds,
            network_config=NetworkConfig(enable_network_isolation=True),
            sagemaker_session=self.session,
        )

    def _each(self, kind: str, started: dict[str, str], seconds: float | None = None) -> Iterator[tuple[str, dict]]:
        """Side and description of each job, as they end; of one that runs for longer than ``seconds``, then."""
        self.jobs += [(kind, name) for name in started.values()]
        left = dict(started)
        while left:
            for side, name in tuple(left.items()):
                job = self._described(kind, name)
                begun = job.get(f"{kind}StartTime")
                late = seconds is not None and begun and (datetime.now(timezone.utc) - begun).total_seconds() > seconds
                if late or job[f"{kind}JobStatus"] in ("Completed", "Failed", "Stopped"):
                    del left[side]
                    yield side, job
            if left:
                time.sleep(0.5)

    def _stop(self) -> None:
        """Stop the jobs that still run: those of a submission that is rejected already."""
        for kind, name in self.jobs:
            if self._described(kind, name)[f"{kind}JobStatus"] == "InProgress":
                with suppress(ClientError):  # it has ended meanwhile
                    self._call(f"stop_{kind.lower()}_job", kind, name)

    def _described(self, kind: str, name: str) -> dict:
        return self._call(f"describe_{kind.lower()}_job", kind, name)

    def _call(self, operation: str, kind: str, name: str) -> dict:
        return getattr(self.session.sagemaker_client, operation)(**{f"{kind}JobName": name})


def _hint(side: str, reason: str) -> str:
    if "No module named" in reason:
        return " The job gets preprocess.py alone: it can import what the scikit-learn image has, and no file of yours."
    return HINT_PRIVATE if side == "private" else ""


def _why_not_predicted(side: str, reason: str) -> str:
    if "The model could not be loaded" in reason:
        return (
            f"model_fn cannot load the model that train.py has saved: {reason} Whatever the model is made of must be "
            "importable when train.py is imported: no class of the main program, no package that the image has not."
        )
    if "process ended" in reason:
        return f"the model's process ended at the {side} data: {reason} It took too much memory, or ended itself."
    if "Unable to get response from algorithm" in reason:
        return (
            f"the model did not answer for the {side} data: {reason} It must predict 6 MB of lines within ten minutes."
        )
    return f"predicting the {side} data failed, in input_fn or predict: {reason}"


def _split(uri: str) -> tuple[str, str]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def say(text: str) -> None:
    print(f"-- {text}", flush=True)
