"""The rules that a definition must keep before it is stored. One function for each; all are asked.

A rule yields problems as (step, path, what is wrong): ``step`` is "" where no step is concerned, ``path`` is where in
the definition.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError
from typing import Any, Protocol

from selfmaker.errors import Invalid
from selfmaker.workflow import durations, expressions, grammar, parameters, paths
from selfmaker.workflow.definition import CONDITION, TRIGGERS, VERSION, Definition, Step
from selfmaker.workflow.steps import cleanup
from selfmaker.workflow.steps.catalog import CHECKS, REFUSED, TYPES

Problem = tuple[str, str, str]

_STEP_NAME = re.compile(r"[A-Za-z0-9\-_]{1,64}")
_MOST_PARAMETERS = 200
_MOST_SHOWN = 10


class Shapes(Protocol):
    """AWS's models, as far as rules need them."""

    def property_problem(self, step_type: str, path: paths.Path) -> str | None:
        """What is wrong with a path as a property of a step of that type; None for nothing."""

    def argument_problems(self, step_type: str, arguments: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """(path below Arguments, what is wrong) for each argument that can never be right."""


def check(definition: Definition, shapes: Shapes) -> None:
    """Raises Invalid that names the step and the path of each problem, the first ten at most."""
    problems = [problem for rule in FORM for problem in rule(definition)]
    if not problems:  # the others trust in the form
        problems = [problem for rule in RULES for problem in rule(definition)]
        problems += _property_paths(definition, shapes)
        problems += _argument_types(definition, shapes)
    if problems:
        told = [f"{f'step {step}: ' if step else ''}{path}: {wrong}" for step, path, wrong in problems[:_MOST_SHOWN]]
        more = f"; and {len(problems) - _MOST_SHOWN} more" if len(problems) > _MOST_SHOWN else ""
        raise Invalid(f"Unable to parse pipeline definition. {'; '.join(told)}{more}")


# -- the form


def version(definition: Definition) -> Iterator[Problem]:
    found = definition.raw.get("Version")
    if found != VERSION:
        yield "", "Version", f"must be {VERSION!r}, is {found!r}"


def has_steps(definition: Definition) -> Iterator[Problem]:
    if not definition.steps:
        yield "", "Steps", "a pipeline needs at least one step"


def step_names(definition: Definition) -> Iterator[Problem]:
    for step in definition.steps:
        if not _STEP_NAME.fullmatch(step.name):
            yield step.name, f"{step.place}.Name", "must be 1 to 64 letters, digits, hyphens or underscores"
    for name, count in Counter(step.name for step in definition.steps).items():
        if count > 1:
            places = ", ".join(step.place for step in definition.steps if step.name == name)
            yield name, places, "names of steps must be unique, those in branches of conditions included"


def step_types(definition: Definition) -> Iterator[Problem]:
    for step in definition.steps:
        if step.type in REFUSED:
            yield step.name, f"{step.place}.Type", f"{step.type} is not supported: {REFUSED[step.type]}"
        elif step.type not in TYPES:
            yield step.name, f"{step.place}.Type", f"{step.type!r} is not one of {', '.join(sorted(TYPES))}"


def well_formed_expressions(definition: Definition) -> Iterator[Problem]:
    for step in definition.steps:
        if step.type in REFUSED:  # some have a language of their own
            continue
        problems = grammar.expression_problems(step.own, step.place)
        yield from ((step.name, path, wrong) for path, wrong in problems)
    problems = grammar.expression_problems(definition.experiment, "PipelineExperimentConfig")
    yield from (("", path, wrong) for path, wrong in problems)


def parameter_declarations(definition: Definition) -> Iterator[Problem]:
    if len(definition.parameters) > _MOST_PARAMETERS:
        yield "", "Parameters", f"there are more than {_MOST_PARAMETERS}"
    for index, declared in enumerate(definition.parameters):
        yield from (("", f"Parameters[{index}]{path}", wrong) for path, wrong in grammar.parameter_problems(declared))
    names = Counter(str(p.get("Name")) for p in definition.parameters if isinstance(p, dict))
    for name, count in names.items():
        if count > 1:
            yield "", "Parameters", f"the name {name!r} is there {count} times"


def experiment_members(definition: Definition) -> Iterator[Problem]:
    for member in definition.experiment:
        if member not in ("ExperimentName", "TrialName"):
            yield "", f"PipelineExperimentConfig.{member}", "only ExperimentName and TrialName are known"


def no_mlflow(definition: Definition) -> Iterator[Problem]:
    if any(definition.raw.get(member) for member in ("MlflowConfig", "MLflowConfig")):
        yield "", "MlflowConfig", "there is no MLflow here; use experiments"


def step_members(definition: Definition) -> Iterator[Problem]:
    """What each type of step must have beside its arguments."""
    for step in definition.steps:
        for member, kind in _MEMBERS.get(step.type, {}).items():
            value = step.raw.get(member)
            if not isinstance(value, kind) and expressions.function_of(value) is None:
                yield step.name, f"{step.place}.{member}", f"is required for a step of type {step.type}"
        if step.type in CHECKS and step.raw.get("CheckType") not in CHECKS[step.type]:
            yield step.name, f"{step.place}.CheckType", f"must be one of {', '.join(CHECKS[step.type])}"
        yield from _outputs(step)


def condition_grammar(definition: Definition) -> Iterator[Problem]:
    for step in definition.steps:
        if step.type != CONDITION:
            continue
        place = f"{step.place}.Arguments.Conditions"
        found = step.arguments.get("Conditions")
        if not isinstance(found, list) or not found:
            yield step.name, place, "must be a list of at least one condition"
            continue
        for index, condition in enumerate(found):
            problems = grammar.condition_problems(condition, f"{place}[{index}]")
            yield from ((step.name, path, wrong) for path, wrong in problems)


def cache_configs(definition: Definition) -> Iterator[Problem]:
    for step in definition.steps:
        config, place = step.raw.get("CacheConfig"), f"{step.place}.CacheConfig"
        if config is None:
            continue
        if not isinstance(config, dict) or not isinstance(config.get("Enabled", False), bool):
            yield step.name, place, "must be an object with Enabled (true or false) and ExpireAfter"
            continue
        if TYPES[step.type].cache_members is None if step.type in TYPES else False:
            yield step.name, place, f"steps of type {step.type} cannot be cached"
        expiry = config.get("ExpireAfter")
        if expiry is not None:
            try:
                durations.seconds(expiry if isinstance(expiry, str) else "")
            except Invalid as error:
                yield step.name, f"{place}.ExpireAfter", error.message


def retry_policies(definition: Definition) -> Iterator[Problem]:
    for step in definition.steps:
        policies, place = step.raw.get("RetryPolicies"), f"{step.place}.RetryPolicies"
        if policies is None:
            continue
        if not isinstance(policies, list):
            yield step.name, place, "must be a list"
            continue
        if step.type in ("Condition", "Fail", "Endpoint") and policies:
            yield step.name, place, f"steps of type {step.type} cannot be retried"
        for index, policy in enumerate(policies):
            problems = grammar.policy_problems(policy)
            yield from ((step.name, f"{place}[{index}]{path}", wrong) for path, wrong in problems)


def property_file_declarations(definition: Definition) -> Iterator[Problem]:
    for step in definition.steps:
        files, place = step.raw.get("PropertyFiles"), f"{step.place}.PropertyFiles"
        if files is None:
            continue
        if step.type != "Processing":
            yield step.name, place, "only Processing steps have property files"
            continue
        if not isinstance(files, list):
            yield step.name, place, "must be a list"
            continue
        outputs = _output_names(step)
        for index, file in enumerate(files):
            members = ("PropertyFileName", "OutputName", "FilePath")
            if not isinstance(file, dict) or not all(isinstance(file.get(member), str) for member in members):
                yield step.name, f"{place}[{index}]", f"must have {', '.join(members)}"
            elif file["OutputName"] not in outputs:
                wrong = f"the step has no output {file['OutputName']!r}; it has {outputs}"
                yield step.name, f"{place}[{index}].OutputName", wrong


# -- the sense


def depends_on(definition: Definition) -> Iterator[Problem]:
    for step in definition.steps:
        for index, (name, trigger) in enumerate(step.dependencies):
            place = f"{step.place}.DependsOn[{index}]"
            if trigger not in TRIGGERS:
                yield step.name, f"{place}.Trigger", f"{trigger!r} is not one of {', '.join(TRIGGERS)}"
            elif trigger != step.triggers[name]:
                yield step.name, f"{place}.Trigger", f"{name} is there with another trigger, {step.triggers[name]}"
            if name not in definition.by_name:
                yield step.name, place, f"there is no step {name!r}"
            elif definition.by_name[name].type == "Fail":
                yield step.name, place, f"{step.name} can not depends on {name}, a Fail step"


def known_references(definition: Definition) -> Iterator[Problem]:
    declared = {parameter["Name"] for parameter in definition.parameters}
    for step in definition.steps:
        for reference in step.references:
            wrong = _unknown(reference, definition, declared)
            if wrong:
                yield step.name, reference.place, f"{reference}: {wrong}"
    for reference in expressions.references(definition.experiment, "PipelineExperimentConfig"):
        wrong = _unknown(reference, definition, declared)
        if wrong is None and reference.root == "Steps":
            wrong = "experiments are made before the first step"
        if wrong:
            yield "", reference.place, f"{reference}: {wrong}"


def no_cycles(definition: Definition) -> Iterator[Problem]:
    try:
        _ = definition.sorted_steps
    except CycleError as error:
        circle = list(error.args[1])
        places = definition.by_name[circle[0]].place
        yield circle[0], places, f"the steps depend on each other in a cycle: {' -> '.join(reversed(circle))}"


def cleanup_sources(definition: Definition) -> Iterator[Problem]:
    for step in definition.steps:
        if step.type == "Cleanup":
            yield from cleanup.problems(step, definition)


def _property_paths(definition: Definition, shapes: Shapes) -> Iterator[Problem]:
    for step in definition.steps:
        for reference in step.references:
            if reference.root != "Steps" or reference.name not in definition.by_name:
                continue
            wrong = _property_problem(definition.by_name[reference.name], reference.path, shapes)
            if wrong:
                yield step.name, reference.place, f"{reference}: {wrong}"


def _argument_types(definition: Definition, shapes: Shapes) -> Iterator[Problem]:
    for step in definition.steps:
        for path, wrong in shapes.argument_problems(step.type, step.arguments):
            yield step.name, f"{step.place}.Arguments.{path}", wrong


FORM = (
    version,
    has_steps,
    step_names,
    step_types,
    well_formed_expressions,
    parameter_declarations,
    experiment_members,
    no_mlflow,
    step_members,
    condition_grammar,
    cache_configs,
    retry_policies,
    property_file_declarations,
)
RULES = (depends_on, known_references, no_cycles, cleanup_sources)

_MEMBERS: Mapping[str, Mapping[str, type]] = {
    "Lambda": {"FunctionArn": str},
    "Callback": {"SqsQueueUrl": str, "OutputParameters": list},
    "QualityCheck": {"CheckType": str},
    "ClarifyCheck": {"CheckType": str},
}


# -- parts of rules


def _outputs(step: Step) -> Iterator[Problem]:
    declared = step.raw.get("OutputParameters") if step.type in ("Lambda", "Callback") else None
    if declared is None:
        return
    place = f"{step.place}.OutputParameters"
    if not isinstance(declared, list):
        yield step.name, place, "must be a list"
        return
    for index, output in enumerate(declared):
        if not isinstance(output, dict) or not isinstance(output.get("OutputName"), str):
            yield step.name, f"{place}[{index}]", "must have an OutputName"
        elif str(output.get("OutputType", "String")) not in parameters.READERS:
            wrong = f"{output['OutputType']!r} is not one of {', '.join(parameters.READERS)}"
            yield step.name, f"{place}[{index}].OutputType", wrong


def _output_names(step: Step) -> list[Any]:
    config = step.arguments.get("ProcessingOutputConfig")
    outputs = config.get("Outputs") if isinstance(config, dict) else None
    return [o.get("OutputName") for o in outputs if isinstance(o, dict)] if isinstance(outputs, list) else []


def _unknown(reference: expressions.Reference, definition: Definition, declared: set[str]) -> str | None:
    if reference.root == "Parameters" and reference.name not in declared:
        return f"there is no parameter {reference.name!r}"
    if reference.root == "Execution" and reference.name not in expressions.EXECUTION_VARIABLES:
        return f"there is no such variable; there are {', '.join(expressions.EXECUTION_VARIABLES)}"
    if reference.root == "PipelineExperimentConfig" and reference.name not in definition.experiment:
        return "the definition has no such member"
    if reference.root == "Steps":
        if reference.name not in definition.by_name:
            return f"there is no step {reference.name!r}"
        if definition.by_name[reference.name].type == "Fail":
            return "a Fail step has no properties"
    return None


def _property_problem(step: Step, path: str, shapes: Shapes) -> str | None:
    if path.startswith("PropertyFiles."):
        files = [file["PropertyFileName"] for file in step.raw.get("PropertyFiles") or []]
        name = path.removeprefix("PropertyFiles.")
        return None if name in files else f"the step has no property file {name!r}; it has {files}"
    try:
        parsed = paths.parse(path)
    except Invalid as error:
        return error.message
    if parsed[:1] == ("OutputParameters",):
        outputs = [output["OutputName"] for output in step.raw.get("OutputParameters") or []]
        known = len(parsed) == 2 and parsed[1] in outputs
        return None if known else f"the outputs of the step are {outputs}"
    return shapes.property_problem(step.type, parsed)
