"""A server's parts around Endpoints, with a stand-in for the sandbox and for the environments."""

import asyncio
import io
import json
import tarfile

from selfmaker import clock, ids
from selfmaker.aws.operation import Call
from selfmaker.errors import NotFound, SelfmakerError
from selfmaker.objects.store import ObjectStore
from selfmaker.services import Services
from selfmaker.serving import endpoint_status as lives
from selfmaker.serving.building import Keep
from selfmaker.serving.endpoints import Endpoints
from selfmaker.serving.inference_components import InferenceComponents
from selfmaker.serving.neighbours import Neighbours
from selfmaker.serving.spec import DeploymentSpec, ModelSpec, VariantSpec
from selfmaker.serving.worker.transport import Message
from selfmaker.store.async_invocations import AsyncInvocations
from selfmaker.store.database import Database
from selfmaker.store.log_streams import LogStreams
from selfmaker.store.metrics import Metrics
from selfmaker.store.resources import Resource, Resources
from selfmaker.store.schema import metadata
from selfmaker.store.tags import Tags

ACCOUNT = "123456789012"
REGION, IMAGE = "us-east-1", "sagemaker-scikit-learn:1.4-2-cpu-py3"
SCRIPT = """
import json, os, pathlib, time
def model_fn(model_dir):
    model = json.loads(pathlib.Path(model_dir, "weights.json").read_text())
    if "fail" in model:
        raise ValueError(model["fail"])
    print("loaded", model["name"], flush=True)
    return model
def transform_fn(model, body, content_type, accept):
    if body == b"exit":
        os._exit(1)
    if body == b"sleep":
        time.sleep(600)
    return json.dumps({"name": model["name"], "pid": os.getpid(), "variable": os.environ.get("AROUND")})
"""


class Environments:
    """Every image is this test's own interpreter."""

    def __init__(self, environment):
        self.environment = environment
        self.requirements = []

    def for_image(self, image, requirements, log):
        if "unknown" in image:
            raise NotFound(f"no runtime stands for the image {image}")
        self.requirements.append(requirements)
        log("using the test's environment")
        return "", self.environment


def archive(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            data = text.encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


class World:
    """A server's parts around Endpoints, on a home folder; ``restart`` is a new server on the same home."""

    def __init__(self, home, loop, executor, environment):
        self.home, self.loop, self.executor, self.environment = home, loop, executor, environment
        self.environments = Environments(environment)
        self.keep = Keep()
        self.open()
        self.objects.create_bucket("box", REGION)

    def open(self, wait_scale=1.0):
        self.database = Database(f"sqlite:///{self.home / 'db'}")
        metadata.create_all(self.database.engine)
        self.objects = ObjectStore(self.database, self.home / "objects")
        self.resources = Resources(self.database)
        self.metrics = Metrics(self.database)
        self.alarms = set()
        self.logs = LogStreams(self.database, self.home / "logs")
        self.neighbours = Neighbours(
            resources=self.resources,
            objects=self.objects,
            environments=self.environments,
            executor=self.executor,
            log_streams=self.logs,
            async_invocations=AsyncInvocations(self.database),
            metrics=self.metrics,
            wait_scale=wait_scale,
            keep=self.keep,
            alarmed=lambda region, names: [name for name in names if name in self.alarms],
            surroundings=lambda region: {"AROUND": region},
            home=self.home,
            cores=2,
        )
        self.endpoints = Endpoints(self.neighbours, self.loop)
        self.endpoints.start()
        self.components = InferenceComponents(self.neighbours, self.loop)
        self.components.start()

    def close(self):
        self.components.close()
        self.endpoints.close()
        self.objects.close()
        self.database.close()

    def restart(self):
        self.close()
        self.open()

    def model(self, name="one", **weights):
        key = f"{ids.unique_id()}/model.tar.gz"
        files = {"weights.json": json.dumps({"name": name, **weights}), "code/inference.py": SCRIPT}
        self.objects.put("box", key, archive(**files))
        return ModelSpec(name=name, image=IMAGE, uri=f"s3://box/{key}")

    def spec(self, *models, **variant):
        given = {"weight": 1.0, "instances": 1, "instance_type": "ml.m5.large", "patience": 60, **variant}
        variants = tuple(VariantSpec(name=f"v{n}", model=model, **given) for n, model in enumerate(models, start=1))
        return DeploymentSpec(id=ids.unique_id(), config=f"config-{ids.unique_id()[:6]}", variants=variants, created=1)

    def call(self, service="sagemaker"):
        """A call as the edge makes it."""
        served = (self.endpoints, self.components)
        parts = (self.database, self.resources, self.objects, self.logs, Tags(self.database), *served)
        return Call(service, "", REGION, ACCOUNT, "AKIATEST", "id", "http://127.0.0.1:1", {}, Services(*parts))

    def create(self, spec, name="e", tags=None):
        arn, now = f"arn:{name}", clock.now()
        document = {"EndpointName": name, "EndpointConfigName": spec.config}
        state = {"pending": spec.to_json()}
        resource = Resource("Endpoint", REGION, name, arn, lives.CREATING, now, now, document, state)
        self.endpoints.create(resource, tags or {})
        return self.settled(name)

    def settled(self, name="e"):
        while True:
            row = self.endpoints.get(REGION, name)
            if row.status not in lives.IN_PROGRESS:
                return row
            self.endpoints.wait_for_change(row, 60)

    def ask(self, name="e", body=b"{}", target=""):
        asked = self.endpoints.invoke(REGION, name, Message(0, "x/y", "", "", body), target)
        variant, answer = asyncio.run_coroutine_threadsafe(asked, self.loop).result(60)
        return variant, answer

    def problem_of(self, body, name="e"):
        """The error that the answer to ``body`` is."""
        try:
            self.ask(name, body)
        except SelfmakerError as error:
            return error

    def outstanding(self, name="e"):
        """How many requests wait for their answers."""
        return sum(v.outstanding for v in self.endpoints._in_service.get((REGION, name)).fleet.variants.values())

    def name_served(self, **options):
        return json.loads(self.ask(**options)[1].body)["name"]

    def gone(self, name="e"):
        while True:
            try:
                self.endpoints.wait_for_change(self.endpoints.get(REGION, name), 60)
            except NotFound:
                return True
