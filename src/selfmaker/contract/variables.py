"""The environment variables that a training container gives to the user's program.

``SM_*`` are documented by the SageMaker training toolkit ("Environment Variables" in its README), the rest by
AWS's developer guide. Values that are no text are JSON with sorted keys and no spaces, as the toolkit writes them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from selfmaker.contract.layout import ROOT
from selfmaker.contract.script_mode import CODE_DIRECTORY, ScriptSettings, arguments

_DISTRIBUTIONS = tuple(  # hyperparameters by which the SDK asks for a distributed start
    f"sagemaker_{name}_enabled"
    for name in (
        "mpi",
        "parameter_server",
        "distributed_dataparallel",
        "pytorch_ddp",
        "pytorch_xla_multi_worker",
        "multi_worker_mirrored_strategy",
        "torch_distributed",
    )
)
_ONLY_IN_DOCUMENT = (  # of SM_TRAINING_ENV, and no variable of their own
    "additional_framework_parameters",
    "channel_input_dirs",
    "distribution_hosts",
    "hyperparameters",
    "is_master",
    "is_modelparallel_enabled",
    "is_smddpmprun_installed",
    "is_smddprun_installed",
    "job_name",
    "master_hostname",
    "topology",
)


@dataclass(frozen=True)
class Facts:
    """What the variables are made of. ``resources`` and ``inputs`` are the documents of the configuration files;
    ``script`` is None for a container that runs its own program."""

    job_name: str
    job_arn: str
    region: str
    resources: Mapping[str, Any]
    inputs: Mapping[str, Any]
    hyperparameters: Mapping[str, Any]
    cpus: int
    gpus: int
    script: ScriptSettings | None = None
    framework_module: str = ""


def training_variables(facts: Facts) -> dict[str, str]:
    """The variables of one host."""
    return {**platform_variables(facts), **toolkit_variables(facts)}


def platform_variables(facts: Facts) -> dict[str, str]:
    """What SageMaker itself sets, whatever the image."""
    return {
        "TRAINING_JOB_NAME": facts.job_name,
        "TRAINING_JOB_ARN": facts.job_arn,
        "SAGEMAKER_JOB_NAME": facts.job_name,
        "SAGEMAKER_REGION": facts.region,
        "CURRENT_HOST": facts.resources["current_host"],
        "AWS_REGION": facts.region,
    }


def toolkit_variables(facts: Facts) -> dict[str, str]:
    """``SM_*``."""
    document = training_environment(facts)
    values = {name: value for name, value in document.items() if name not in _ONLY_IN_DOCUMENT}
    values |= {
        "hps": facts.hyperparameters,
        "framework_params": document["additional_framework_parameters"],
        "channels": sorted(facts.inputs),
        "training_env": document,
        "user_args": arguments(facts.hyperparameters),
    }
    values |= {f"channel_{name}": path for name, path in document["channel_input_dirs"].items()}
    values |= {f"hp_{name}": value for name, value in facts.hyperparameters.items()}
    return {f"SM_{name.upper()}": _text(value) for name, value in values.items()}


def training_environment(facts: Facts) -> dict[str, Any]:
    """What SM_TRAINING_ENV holds: the toolkit's whole view of the job."""
    script = facts.script
    return {
        **_places(facts),
        **_cluster(facts),
        "additional_framework_parameters": script.framework if script else {},
        "framework_module": facts.framework_module or None,
        "hyperparameters": facts.hyperparameters,
        "input_data_config": facts.inputs,
        "is_modelparallel_enabled": None,
        "is_smddpmprun_installed": False,
        "is_smddprun_installed": False,
        "job_name": facts.job_name,
        "log_level": script.log_level if script else 20,
        "module_dir": script.submit_directory if script else CODE_DIRECTORY,
        "module_name": script.program.removesuffix(".py") if script else None,
        "num_cpus": facts.cpus,
        "num_gpus": facts.gpus,
        "num_neurons": 0,
        "topology": [],
        "user_entry_point": script.program if script else None,
    }


def _places(facts: Facts) -> dict[str, Any]:
    return {
        "channel_input_dirs": {name: f"{ROOT}/input/data/{name}" for name in facts.inputs},
        "input_config_dir": f"{ROOT}/input/config",
        "input_dir": f"{ROOT}/input",
        "model_dir": f"{ROOT}/model",
        "output_data_dir": f"{ROOT}/output/data",
        "output_dir": f"{ROOT}/output",
        "output_intermediate_dir": f"{ROOT}/output/intermediate",
    }


def _cluster(facts: Facts) -> dict[str, Any]:
    resources, group = facts.resources, facts.resources["current_group_name"]
    groups = {entry["instance_group_name"]: entry for entry in resources["instance_groups"]}
    framework = facts.script.framework if facts.script else {}
    distributed = [group] if any(framework.get(name) for name in _DISTRIBUTIONS) else []
    distributed = framework.get("sagemaker_distribution_instance_groups", distributed)
    hosts = [host for name, entry in groups.items() if name in distributed for host in entry["hosts"]]
    master = (hosts or resources["hosts"])[0]
    return {
        "current_host": resources["current_host"],
        "current_instance_group": group,
        "current_instance_group_hosts": groups[group]["hosts"],
        "current_instance_type": resources["current_instance_type"],
        "distribution_hosts": hosts,
        "distribution_instance_groups": distributed,
        "hosts": resources["hosts"],
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "is_hetero": len(groups) > 1,
        "is_master": resources["current_host"] == master,
        "master_hostname": master,
        "network_interface_name": resources["network_interface_name"],
        "resource_config": resources,
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
