"""What DescribeTrainingJob says of a warm pool, and of what AWS lets watch a job: Debugger's and the profiler's rules.

No instances are kept here, since there is nothing to boot, and no rules are evaluated. Both are said in AWS's words, so
that clients which look for them find an answer.
"""

from collections.abc import Mapping
from typing import Any

NOT_EVALUATED = "Rules are not evaluated here: the job ran without them."

_CONFIGURATIONS = ("DebugRuleConfigurations", "ProfilerRuleConfigurations")


def warm_pool(document: Mapping[str, Any], final: bool) -> dict[str, Any] | None:
    """WarmPoolStatus of a job that asked for one."""
    if not document.get("ResourceConfig", {}).get("KeepAlivePeriodInSeconds"):
        return None
    if not final:
        return {"Status": "InUse"}
    return {"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": 0}


def rules(document: Mapping[str, Any], modified: float) -> dict[str, Any]:
    """The members that tell what became of the rules. ``modified``: when the job was last."""
    profiled = "ProfilerConfig" in document
    return {
        **{member: _with_defaults(document[member]) for member in _CONFIGURATIONS if member in document},
        "DebugRuleEvaluationStatuses": _statuses(document.get("DebugRuleConfigurations", ()), modified),
        "ProfilerRuleEvaluationStatuses": _statuses(document.get("ProfilerRuleConfigurations", ()), modified),
        "ProfilerConfig": _profiler(document["ProfilerConfig"]) if profiled else None,
        "ProfilingStatus": "Disabled" if profiled else None,
    }


def _profiler(configuration: Mapping[str, Any]) -> dict[str, Any]:
    interval = {} if configuration.get("DisableProfiler") else {"ProfilingIntervalInMilliseconds": 500}
    return {**interval, **configuration}


def _with_defaults(configurations: Any) -> list[dict[str, Any]]:
    return [{"VolumeSizeInGB": 0, **configuration} for configuration in configurations]


def _statuses(configurations: Any, modified: float) -> list[dict[str, Any]] | None:
    return [
        {
            "RuleConfigurationName": configuration["RuleConfigurationName"],
            "RuleEvaluationStatus": "Stopped",
            "StatusDetails": NOT_EVALUATED,
            "LastModifiedTime": modified,
        }
        for configuration in configurations
    ] or None
