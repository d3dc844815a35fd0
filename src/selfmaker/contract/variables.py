"""The environment variables that a training container gives to the user's program.

``SM_*`` are documented by the SageMaker training toolkit ("Environment Variables" in its README), the rest by
AWS's developer guide. Values that are no text are JSON with sorted keys and no spaces, as the toolkit writes them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfmaker.contract.layout import ROOT
from selfmaker.contract.script_mode import CODE_DIRECTORY, ScriptSettings, arguments


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
    script, resources = facts.script, facts.resources
    groups = {group["instance_group_name"]: group for group in resources["instance_groups"]}
    module = script.program.removesuffix(".py") if script else None
    values: dict[str, Any] = {
        "hosts": resources["hosts"],
        "network_interface_name": resources["network_interface_name"],
        "hps": facts.hyperparameters,
        "user_entry_point": script.program if script else None,
        "framework_params": script.framework if script else {},
        "resource_config": resources,
        "input_data_config": facts.inputs,
        "output_data_dir": f"{ROOT}/output/data",
        "channels": sorted(facts.inputs),
        "current_host": resources["current_host"],
        "current_instance_type": resources["current_instance_type"],
        "current_instance_group": resources["current_group_name"],
        "current_instance_group_hosts": groups[resources["current_group_name"]]["hosts"],
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "distribution_instance_groups": [],
        "is_hetero": len(groups) > 1,
        "module_name": module,
        "log_level": script.log_level if script else 20,
        "framework_module": facts.framework_module or None,
        "input_dir": f"{ROOT}/input",
        "input_config_dir": f"{ROOT}/input/config",
        "output_dir": f"{ROOT}/output",
        "num_cpus": facts.cpus,
        "num_gpus": facts.gpus,
        "num_neurons": 0,
        "model_dir": f"{ROOT}/model",
        "module_dir": script.submit_directory if script else CODE_DIRECTORY,
        "training_env": _training_env(facts, module),
        "user_args": arguments(facts.hyperparameters),
        "output_intermediate_dir": f"{ROOT}/output/intermediate",
    }
    values |= {f"channel_{name}": f"{ROOT}/input/data/{name}" for name in facts.inputs}
    values |= {f"hp_{name}": value for name, value in facts.hyperparameters.items()}
    return {f"SM_{name.upper()}": _text(value) for name, value in values.items()}


def _training_env(facts: Facts, module: str | None) -> dict[str, Any]:
    """All of it once more, in one JSON document, under the names of the toolkit's Environment."""
    script, resources = facts.script, facts.resources
    hosts: Sequence[str] = resources["hosts"]
    return {
        "additional_framework_parameters": script.framework if script else {},
        "channel_input_dirs": {name: f"{ROOT}/input/data/{name}" for name in facts.inputs},
        "current_host": resources["current_host"],
        "current_instance_group": resources["current_group_name"],
        "current_instance_type": resources["current_instance_type"],
        "framework_module": facts.framework_module or None,
        "hosts": hosts,
        "hyperparameters": facts.hyperparameters,
        "input_config_dir": f"{ROOT}/input/config",
        "input_data_config": facts.inputs,
        "input_dir": f"{ROOT}/input",
        "is_hetero": len(resources["instance_groups"]) > 1,
        "is_master": resources["current_host"] == hosts[0],
        "job_name": facts.job_name,
        "log_level": script.log_level if script else 20,
        "master_hostname": hosts[0],
        "model_dir": f"{ROOT}/model",
        "module_dir": script.submit_directory if script else CODE_DIRECTORY,
        "module_name": module,
        "network_interface_name": resources["network_interface_name"],
        "num_cpus": facts.cpus,
        "num_gpus": facts.gpus,
        "num_neurons": 0,
        "output_data_dir": f"{ROOT}/output/data",
        "output_dir": f"{ROOT}/output",
        "output_intermediate_dir": f"{ROOT}/output/intermediate",
        "resource_config": resources,
        "user_entry_point": script.program if script else None,
    }


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
