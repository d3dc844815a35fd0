"""What selfmaker changes inside a process that uses AWS clients. Depends on nothing but Python 3.8.

Nothing here imports an AWS client: each change is made when, and if, the process imports the module it concerns.
"""

import os

from _selfmaker import hooks  # type: ignore[import-not-found]

ENDPOINT_VARIABLE = "SELFMAKER_ENDPOINT_URL"
"""Where the server is. Without it nothing is changed."""

CHANGES = {
    "botocore.session": "aws_clients:redirect_sessions",
    "aiobotocore.session": "aws_clients:redirect_async_sessions",
    "botocore.waiter": "waits:hasten_waiters",
    "sagemaker.telemetry.telemetry_logging": "telemetry:silence",
    "sagemaker.core.telemetry.telemetry_logging": "telemetry:silence",
    "sagemaker.serve.utils.telemetry_logger": "telemetry:silence",
    "sagemaker.serve.deployment_progress": "waits:hasten_failed_deployments",
    # SDK v2. The job logs' loops describe the job only when 30 s have passed, which is part of the waiting.
    "sagemaker.session": "waits:hasten_throttled_loops",
    "sagemaker.experiments._metrics": "waits:hasten_loops",
    "sagemaker.experiments.experiment": "waits:hasten_loops",
    "sagemaker.experiments.trial_component": "waits:hasten_loops",
    "sagemaker.local.image": "local_mode:without_docker",
    "sagemaker.train.local.local_container": "local_mode:model_trainer_without_docker",
    "sagemaker.predictor_async": "waits:hasten_async_predictors",
    "sagemaker.remote_function.client": "waits:hasten_loops",
    "sagemaker.remote_function.job": "remote_functions:any_python",
    "sagemaker.serve.detector.dependency_manager": "model_builders:keep_environment",
    "sagemaker.serve.utils.lineage_utils": "waits:hasten_loops",
    "sagemaker.utils": "waits:remember_endpoints",
    "sagemaker_core.main.resources": "waits:hasten_loops",
    # SDK v3.
    "sagemaker.core.common_utils": "waits:hasten_common_utils",
    "sagemaker.core.experiments._metrics": "waits:hasten_loops",
    "sagemaker.core.experiments.experiment": "waits:hasten_loops",
    "sagemaker.core.experiments.trial_component": "waits:hasten_loops",
    "sagemaker.core.helper.iam_role_resolver": "waits:hasten_loops",
    "sagemaker.core.helper.session_helper": "waits:hasten_throttled_loops",
    "sagemaker.core.local.image": "local_mode:without_docker",
    "sagemaker.core.processing": "waits:hasten_throttled_loops",
    "sagemaker.core.remote_function.client": "waits:hasten_loops",
    "sagemaker.core.remote_function.job": "remote_functions:any_python_and_short_waits",
    "sagemaker.core.resources": "waits:hasten_loops",
    "sagemaker.core.transformer": "waits:hasten_throttled_loops",
    "sagemaker.mlops.feature_store.feature_utils": "waits:hasten_loops",
    "sagemaker.train.model_trainer": "names:unique",
    "sagemaker.train.utils": "names:unique",
    "sagemaker.serve.predictor_async": "waits:hasten_async_predictors",
}
"""Module -> the function, in this package, that is given the module each time it has been executed."""


def start() -> bool:
    """Make the changes from now on, to modules that are imported already too. Whether they were not made before."""
    return bool(os.environ.get(ENDPOINT_VARIABLE)) and bool(hooks.install(CHANGES))


def stop() -> None:
    """Undo every change."""
    hooks.uninstall()
