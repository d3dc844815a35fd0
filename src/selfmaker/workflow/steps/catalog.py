"""All types of steps, by the name that definitions give them."""

from collections.abc import Mapping

from selfmaker.workflow.steps import check, components, flow, jobs, resources
from selfmaker.workflow.steps.base import StepType
from selfmaker.workflow.steps.callback import CallbackStep
from selfmaker.workflow.steps.cleanup import CleanupStep
from selfmaker.workflow.steps.function import LambdaStep
from selfmaker.workflow.steps.lineage import LineageStep

TYPES: Mapping[str, StepType] = {
    "Training": jobs.TRAINING,
    "Processing": jobs.PROCESSING,
    "Transform": jobs.TRANSFORM,
    "Tuning": jobs.TUNING,
    "Condition": flow.ConditionStep(),
    "Fail": flow.FailStep(),
    "Callback": CallbackStep(),
    "Lambda": LambdaStep(),
    "QualityCheck": check.QUALITY,
    "ClarifyCheck": check.CLARIFY,
    "Lineage": LineageStep(),
    "Cleanup": CleanupStep(),
    "Model": resources.MODEL,
    "RegisterModel": resources.REGISTRATION,
    "EndpointConfig": resources.ENDPOINT_CONFIG,
    "Endpoint": resources.ENDPOINT,
    "InferenceComponent": components.INFERENCE_COMPONENT,
}

# Types of AWS's language that have nothing to stand for them here, and why.
REFUSED: Mapping[str, str] = {
    "AutoML": "there are no AutoML jobs here; use Training or Tuning steps",
    "EMR": "there are no EMR clusters here; use a Processing step",
    "EMRServerless": "there is no EMR Serverless here; use a Processing step",
    "Job": "steps of type Job are not supported here; use Training or Processing steps",
    "ForEach": "steps of type ForEach are not supported here yet; write one step for each item",
}

# Types of checks, by type of step.
CHECKS: Mapping[str, tuple[str, ...]] = {
    "QualityCheck": ("DATA_QUALITY", "MODEL_QUALITY"),
    "ClarifyCheck": ("DATA_BIAS", "MODEL_BIAS", "MODEL_EXPLAINABILITY"),
}
