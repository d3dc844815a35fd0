"""The composition root: the only module that knows every layer."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from selfmaker import (
    application_autoscaling,
    athena,
    cloudwatch,
    ecr,
    events,
    glue,
    iam,
    lambda_,
    logs,
    s3,
    sagemaker,
    sagemaker_featurestore_runtime,
    sagemaker_metrics,
    sagemaker_runtime,
    scheduler,
    sqs,
    sts,
)
from selfmaker.analytics.queries import Queries
from selfmaker.analytics.sandbox import AnalyticsSandbox
from selfmaker.application_autoscaling.scaler import Scaler
from selfmaker.aws.edge import Edge, EdgeSettings
from selfmaker.aws.port import Port
from selfmaker.client.environment import SITE, Connection, job_environment
from selfmaker.cloudwatch.alarm import in_alarm
from selfmaker.events.dispatcher import Dispatcher
from selfmaker.events.sagemaker_event import SagemakerEvents
from selfmaker.executors.process import ProcessExecutor
from selfmaker.executors.protocol import Mount
from selfmaker.features.offline import OfflineStore
from selfmaker.features.records import Records
from selfmaker.functions import process as functions_process
from selfmaker.functions.functions import Functions
from selfmaker.iam.role import ensure_default_role
from selfmaker.jobs import states
from selfmaker.jobs.course import JobKind
from selfmaker.jobs.engine import Jobs
from selfmaker.jobs.processing import ProcessingKind
from selfmaker.jobs.surroundings import COMMON_MOUNTS, INHERITED, SITE_IN_JOB, Surroundings
from selfmaker.jobs.training import TrainingKind
from selfmaker.lambda_.asynchronous import AsynchronousCalls
from selfmaker.lambda_.queue_listener import QueueListener
from selfmaker.objects.protocol import BucketExists
from selfmaker.objects.store import ObjectStore
from selfmaker.runtimes.catalog import use_images
from selfmaker.runtimes.environments import Environments
from selfmaker.sagemaker import job_lineage
from selfmaker.sagemaker.pipeline_port import PipelinePort
from selfmaker.sagemaker_runtime.quick_invocation import QuickInvocation
from selfmaker.services import Services
from selfmaker.serving.building import Keep
from selfmaker.serving.endpoints import Endpoints
from selfmaker.serving.inference_components import InferenceComponents
from selfmaker.serving.neighbours import Neighbours
from selfmaker.settings import Settings, inherited_environment
from selfmaker.sqs.message_mover import MessageMover
from selfmaker.store.async_invocations import AsyncInvocations
from selfmaker.store.credentials import Credentials
from selfmaker.store.database import Database
from selfmaker.store.executions import ExecutionTable
from selfmaker.store.jobs import Job, JobTable
from selfmaker.store.log_streams import LogStreams
from selfmaker.store.metrics import Metrics
from selfmaker.store.migrate import bring_up_to_date
from selfmaker.store.queues import QueueMessages
from selfmaker.store.resources import Resources
from selfmaker.store.tags import Tags
from selfmaker.store.trial_metrics import TrialMetrics
from selfmaker.sts.sessions import secret_while_good
from selfmaker.transform.kind import TransformKind
from selfmaker.workflow.engine import Executions

SERVICE_PACKAGES = (
    sagemaker,
    sagemaker_metrics,
    sagemaker_runtime,
    s3,
    sts,
    iam,
    logs,
    cloudwatch,
    ecr,
    sqs,
    lambda_,
    events,
    application_autoscaling,
    sagemaker_featurestore_runtime,
    athena,
    glue,
    scheduler,
)

OWNER = "selfmaker"  # whose credentials ``run/credentials.json`` holds
SERVING_OWNER = "selfmaker-endpoints"


@dataclass
class Store:
    """The parts that keep things."""

    database: Database
    objects: ObjectStore
    resources: Resources
    jobs: JobTable
    credentials: Credentials
    logs: LogStreams
    metrics: Metrics
    tags: Tags
    trial_metrics: TrialMetrics
    executions: ExecutionTable
    queues: QueueMessages


class Parts:
    """The parts of one server, put together. ``edge`` is started by the app; then ``begin``; at last ``end``."""

    def __init__(self, settings: Settings, loop: asyncio.AbstractEventLoop) -> None:
        self._settings = settings
        self._endpoint = ""
        use_images(settings.home / "images")
        self._loop = loop
        self._store = store = open_store(settings)
        store.jobs.record(job_lineage.record)
        surroundings = Surroundings(
            settings, store.objects, store.logs, store.metrics, store.credentials, lambda: self._endpoint
        )
        surroundings.revoke_at_the_end(store.jobs)
        kinds: dict[str, JobKind] = {
            "TrainingJob": TrainingKind(surroundings),
            "ProcessingJob": ProcessingKind(surroundings),
            "TransformJob": TransformKind(surroundings),
        }
        self._jobs = Jobs(store.jobs, settings.home / "jobs", kinds, settings.slots, settings.spot_interruption_seconds)
        neighbours = self._new_neighbours()
        self._endpoints = Endpoints(neighbours, loop)
        self._inference_components = InferenceComponents(neighbours, loop)
        self._scaler = Scaler(
            store.resources,
            store.metrics,
            self._endpoints,
            self._inference_components,
            settings.autoscaling_period_seconds,
        )
        self._executions = Executions(store.executions)
        store.jobs.watch(self._tell_pipelines)
        self._functions = self._new_functions()
        self._function_calls = AsynchronousCalls(store.queues, self._functions)
        self._queue_listener = QueueListener(store.resources, store.queues)
        self._mover = MessageMover(store.database, store.resources, store.queues)
        told = SagemakerEvents(settings.account, store.tags, store.executions)
        self._dispatcher = Dispatcher(store.database, store.resources, told)
        self._sandbox = self._new_sandbox()
        self._offline = OfflineStore(store.database, store.resources, store.objects, self._sandbox)
        self._queries = Queries(store.resources, store.objects, self._sandbox, self._offline.freshen)
        self.credentials = self._credentials_of(OWNER)
        self._services = Services(
            *vars(store).values(),
            settings,
            self._jobs,
            self._endpoints,
            self._executions,
            self._functions,
            self._dispatcher,
            self._offline,
            self._queries,
            Records(store.database, self._offline.arrived),
        )
        self._services.add(self._inference_components)
        self._services.add(self._mover)
        secret_of = secret_while_good(store.credentials)
        self.edge = Edge(
            self._services,
            SERVICE_PACKAGES,
            EdgeSettings(settings.account, settings.region, verify=settings.verify_signatures),
            secret_of=secret_of,
        )
        if settings.verify_signatures:
            self.edge.ask_first(QuickInvocation(self._services, settings.account, secret_of))

    def _new_neighbours(self) -> Neighbours:
        """What hosting needs of the others."""
        settings, store = self._settings, self._store
        return Neighbours(
            resources=store.resources,
            objects=store.objects,
            environments=Environments(settings.environments),
            executor=ProcessExecutor(settings.sandbox),
            log_streams=store.logs,
            async_invocations=AsyncInvocations(store.database),
            metrics=store.metrics,
            surroundings=self._worker_variables,
            home=settings.home,
            cores=settings.slots,
            mounts=(Mount(SITE, SITE_IN_JOB),),
            keep=Keep(
                settings.serverless_idle_seconds,
                max(1, settings.multi_model_loaded),
                settings.multi_model_memory_mb << 20,
                settings.capture_flush_seconds,
                settings.endpoint_log_mb << 20,
                settings.warm_workers,
            ),
            alarmed=partial(in_alarm, store.resources, store.metrics),
            wait_scale=settings.deployment_wait_scale,
        )

    def begin(self, endpoint: str) -> None:
        """Bring jobs and endpoints back to life. ``endpoint`` is where the server listens."""
        self._endpoint = endpoint
        port = Port(
            self.edge.registry, self._services, self._loop, self._settings.account, self.credentials[0], endpoint
        )
        self._services.add(port)
        self._jobs.start()
        self._endpoints.start()
        self._scaler.start()
        self._inference_components.start()
        self._functions.start()
        self._function_calls.start(port)
        self._queue_listener.start(port)
        self._mover.start()
        self._dispatcher.start(port)
        self._sandbox.clear()
        self._offline.start()
        self._queries.start()
        self._executions.start(PipelinePort(port, self._store.objects))

    def end(self) -> None:
        """Close everything in the opposite order. Running jobs go on."""
        for part in (
            self._queries,
            self._offline,
            self._dispatcher,
            self._mover,
            self._queue_listener,
            self._function_calls,
            self._functions,
            self._executions,
            self._inference_components,
            self._scaler,
            self._endpoints,
            self._jobs,
            self._store.objects,
            self._store.database,
        ):
            part.close()

    def _tell_pipelines(self, job: Job) -> None:
        if job.state in states.FINAL:
            self._executions.job_ended(job.region, job.kind, job.name)

    def _credentials_of(self, owner: str) -> tuple[str, str]:
        """An owner's access key and secret; the same after a restart."""
        owned = self._store.credentials.owned(owner)
        return owned[0] if owned else self._store.credentials.create(owner)

    def _new_sandbox(self) -> AnalyticsSandbox:
        settings = self._settings
        executor = ProcessExecutor(settings.sandbox)
        return AnalyticsSandbox(
            Environments(settings.environments), executor, settings.home / "analytics", (settings.home,)
        )

    def _new_functions(self) -> Functions:
        settings = self._settings
        mounts = tuple(Mount(source, target, access) for source, target, access in COMMON_MOUNTS)
        around = functions_process.Surroundings(ProcessExecutor(settings.sandbox), mounts, (settings.home,))
        environments = Environments(settings.environments)
        return Functions(environments, around, self._store.logs, settings.home / "functions", self._function_variables)

    def _function_variables(self, owner: str, region: str, own: Mapping[str, str]) -> Mapping[str, str]:
        access_key, secret = self._credentials_of(owner)
        connection = Connection(self._endpoint, access_key, secret, region, self._settings.account)
        return job_environment(connection, SITE_IN_JOB, {**inherited_environment(INHERITED), **own})

    def _worker_variables(self, region: str) -> Mapping[str, str]:
        access_key, secret = self._credentials_of(SERVING_OWNER)
        connection = Connection(self._endpoint, access_key, secret, region, self._settings.account)
        return job_environment(connection, SITE_IN_JOB, {})


def open_store(settings: Settings) -> Store:
    """Open or create all that is kept in the home folder, with what must be there from the start."""
    database = Database(f"sqlite:///{settings.home / 'selfmaker.sqlite3'}")
    bring_up_to_date(database)
    store = Store(
        database=database,
        objects=ObjectStore(database, settings.home / "objects"),
        resources=Resources(database),
        jobs=JobTable(database),
        credentials=Credentials(database),
        logs=LogStreams(database, settings.home / "logs"),
        metrics=Metrics(database),
        tags=Tags(database),
        trial_metrics=TrialMetrics(database),
        executions=ExecutionTable(database),
        queues=QueueMessages(database),
    )
    ensure_default_role(store.resources, settings.account)
    with contextlib.suppress(BucketExists):
        store.objects.create_bucket(f"sagemaker-{settings.region}-{settings.account}", settings.region)
    return store
