"""What AWS's models say of steps: which arguments a type takes, and which properties it has afterwards."""

from collections.abc import Iterator, Mapping
from typing import Any

from selfmaker.aws import model
from selfmaker.workflow import paths
from selfmaker.workflow.expressions import function_of

# Step type -> the operation whose request the Arguments are, the one whose answer the properties are, and the members
# of the request that the walk fills in.
_OPERATIONS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "Training": ("CreateTrainingJob", "DescribeTrainingJob", ("TrainingJobName", "RoleArn")),
    "Processing": ("CreateProcessingJob", "DescribeProcessingJob", ("ProcessingJobName", "RoleArn")),
    "Transform": ("CreateTransformJob", "DescribeTransformJob", ("TransformJobName",)),
    "Tuning": (
        "CreateHyperParameterTuningJob",
        "DescribeHyperParameterTuningJob",
        ("HyperParameterTuningJobName",),
    ),
    "Model": ("CreateModel", "DescribeModel", ("ModelName", "ExecutionRoleArn")),
    "RegisterModel": ("CreateModelPackage", "DescribeModelPackage", ()),
    "EndpointConfig": ("CreateEndpointConfig", "DescribeEndpointConfig", ("EndpointConfigName",)),
    "Endpoint": ("CreateEndpoint", "DescribeEndpoint", ("EndpointName",)),
    "InferenceComponent": (
        "CreateInferenceComponent",
        "DescribeInferenceComponent",
        ("InferenceComponentName",),
    ),
    "QualityCheck": ("CreateProcessingJob", "", ("ProcessingJobName", "RoleArn")),
    "ClarifyCheck": ("CreateProcessingJob", "", ("ProcessingJobName", "RoleArn")),
}
# Answers beside those of Describe whose members are properties, too.
_MORE: Mapping[str, str] = {"Tuning": "ListTrainingJobsForHyperParameterTuningJob"}
_BASELINES = ("CalculatedBaselineConstraints", "BaselineUsedForDriftCheckConstraints")
_STATISTICS = ("CalculatedBaselineStatistics", "BaselineUsedForDriftCheckStatistics")
_PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "Condition": ("Outcome",),
    "Lambda": ("OutputParameters",),
    "Callback": ("OutputParameters",),
    "QualityCheck": (*_BASELINES, *_STATISTICS),
    "ClarifyCheck": _BASELINES,
    "Lineage": ("ActionArns", "ArtifactArns", "ContextArns", "Associations"),
    "Cleanup": (),
    "Fail": (),
}
_FORMS: Mapping[str, tuple[Any, str]] = {
    "structure": (dict, "an object"),
    "map": (dict, "an object"),
    "list": (list, "a list"),
    "string": ((str, int, float), "a text"),
    "boolean": (bool, "true or false"),
    "timestamp": ((str, int, float), "a time"),
    "blob": (str, "a text"),
}
_NUMBERS = ("integer", "long", "float", "double")


class ModelShapes:
    """See workflow.lint.Shapes."""

    def property_problem(self, step_type: str, path: paths.Path) -> str | None:
        if step_type in _PROPERTIES:
            known = _PROPERTIES[step_type]
            return None if path and path[0] in known else f"a {step_type} step has only {', '.join(known) or 'none'}"
        shape: model.Shape = model.service("sagemaker").plan(_OPERATIONS[step_type][1]).output
        if step_type in _MORE and path and path[0] not in shape.members:
            more: model.Shape = model.service("sagemaker").plan(_MORE[step_type]).output
            shape = more if path[0] in more.members else shape
        for number, part in enumerate(path):
            kind = shape.type_name
            if kind == "structure":
                if part not in shape.members:
                    whole = paths.written(path[: number + 1])
                    return f"a {step_type} step has no property {whole}; {shape.name} has {_some(shape)}"
                shape = shape.members[part]
            elif kind in ("list", "map"):
                shape = shape.member if kind == "list" else shape.value
            else:
                return f"{paths.written(path[:number])} is a {kind}, which has no members"
        return None

    def argument_problems(self, step_type: str, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if step_type == "Lineage":
            yield from _lineage_problems(arguments)
        if step_type not in _OPERATIONS:
            return
        operation, _, filled_in = _OPERATIONS[step_type]
        shape = model.service("sagemaker").plan(operation).input
        given = {**dict.fromkeys(filled_in, ""), **{k: v for k, v in arguments.items() if v is not None}}
        for name in filled_in:
            if given[name] == "":
                given[name] = {"Get": "Execution.PipelineName"}
        yield from _problems(shape, given, "")


def _lineage_problems(arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for noun in ("Action", "Artifact", "Context"):
        entities = arguments.get(f"{noun}s")
        shape = model.service("sagemaker").plan(f"Create{noun}").input
        for index, request in enumerate(entities if isinstance(entities, list) else ()):
            yield from _problems(shape, request, f"{noun}s[{index}]")
        if entities is not None and not isinstance(entities, list):
            yield f"{noun}s", f"{entities!r} is not a list"
    associations = arguments.get("Associations") or []
    if not isinstance(associations, list):
        yield "Associations", f"{associations!r} is not a list"
        return
    for index, given in enumerate(associations):
        for end in ("Source", "Destination"):
            named = given.get(end) if isinstance(given, dict) else None
            if not isinstance(named, dict) or not ("Arn" in named or {"Name", "Type"} <= set(named)):
                yield f"Associations[{index}].{end}", "must have an Arn, or a Name and a Type"


def _problems(shape: model.Shape, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if value is None or function_of(value) is not None:
        return
    kind = shape.type_name
    if kind in _NUMBERS:
        yield from _number_problems(shape, value, path)
        return
    form, words = _FORMS[kind]
    if not isinstance(value, form) or (isinstance(value, bool) and kind == "timestamp"):
        yield path, f"{value!r} is not {words}"
    elif kind == "structure" and not shape.is_document_type:
        for name in shape.required_members:
            if value.get(name) is None:
                yield _below(path, name), "is required"
        for name, item in value.items():
            if name in shape.members:
                yield from _problems(shape.members[name], item, _below(path, name))
            elif item is not None:  # AWS's words
                yield _below(path, name), f"Unknown Argument member {name!r}"
    elif kind == "list":
        for index, item in enumerate(value):
            yield from _problems(shape.member, item, f"{path}[{index}]")
    elif kind == "map":
        for name, item in value.items():
            yield from _problems(shape.value, item, _below(path, name))
    elif kind == "string" and getattr(shape, "enum", None) and value not in shape.enum:
        allowed = ", ".join(shape.enum[:12]) + (", ..." if len(shape.enum) > 12 else "")
        yield path, f"{value!r} is not one of {allowed}"


def _number_problems(shape: model.Shape, value: Any, path: str) -> Iterator[tuple[str, str]]:
    whole = shape.type_name in ("integer", "long")
    try:
        number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None or (whole and not number.is_integer()):
        yield path, f"{value!r} is not {'an integer' if whole else 'a number'}"
        return
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if (least is not None and number < least) or (most is not None and number > most):
        yield path, f"{value!r} must be from {least} to {'any number' if most is None else most}"


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _some(shape: model.Shape) -> str:
    names = list(shape.members)
    return ", ".join(names[:30]) + (", ..." if len(names) > 30 else "")
