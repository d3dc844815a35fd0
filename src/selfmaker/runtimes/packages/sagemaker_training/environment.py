"""What a job's program can ask about its job: the contract's files and variables as an object."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Mapping
from typing import Any

from sagemaker_training import files, mapping, params

BASE = "/opt/ml"
CONFIG = f"{BASE}/input/config"

base_dir = BASE
code_dir = f"{BASE}/code"
model_dir = f"{BASE}/model"
input_dir = f"{BASE}/input"
output_dir = f"{BASE}/output"
input_data_dir = f"{BASE}/input/data"
output_data_dir = f"{BASE}/output/data"
output_intermediate_dir = f"{BASE}/output/intermediate"
input_config_dir = CONFIG


def read_hyperparameters() -> dict[str, Any]:
    """Values that are JSON come as what they are; others as text."""
    return {name: _decoded(value) for name, value in _config("hyperparameters.json").items()}


def read_resource_config() -> dict[str, Any]:
    return _config("resourceconfig.json")


def read_input_data_config() -> dict[str, Any]:
    return _config("inputdataconfig.json")


def num_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else multiprocessing.cpu_count()


def num_gpus() -> int:
    return int(os.environ.get("SM_NUM_GPUS") or 0)


class Environment(mapping.MappingMixin):
    """The job, by the toolkit's names. Also a mapping of the same names."""

    def __init__(
        self,
        resource_config: Mapping[str, Any] | None = None,
        input_data_config: Mapping[str, Any] | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
    ) -> None:
        self._resources = dict(resource_config or read_resource_config())
        self._inputs = dict(input_data_config or read_input_data_config())
        given = dict(hyperparameters or read_hyperparameters())
        own = params.SAGEMAKER_PREFIX
        self._framework = {name: value for name, value in given.items() if name.startswith(own)}
        self._hyperparameters = {name: value for name, value in given.items() if not name.startswith(own)}

    @property
    def hyperparameters(self) -> dict[str, Any]:
        return self._hyperparameters

    @property
    def additional_framework_parameters(self) -> dict[str, Any]:
        return self._framework

    @property
    def resource_config(self) -> dict[str, Any]:
        return self._resources

    @property
    def input_data_config(self) -> dict[str, Any]:
        return self._inputs

    @property
    def channel_input_dirs(self) -> dict[str, str]:
        return {name: f"{input_data_dir}/{name}" for name in self._inputs}

    @property
    def hosts(self) -> list[str]:
        return list(self._resources.get("hosts", ["algo-1"]))

    @property
    def current_host(self) -> str:
        return str(self._resources.get("current_host", "algo-1"))

    @property
    def network_interface_name(self) -> str:
        return str(self._resources.get("network_interface_name", "eth0"))

    @property
    def current_instance_type(self) -> str:
        return str(self._resources.get("current_instance_type", "local"))

    @property
    def current_instance_group(self) -> str:
        return str(self._resources.get("current_group_name", "homogeneousCluster"))

    @property
    def current_instance_group_hosts(self) -> list[str]:
        return list(self.instance_groups_dict.get(self.current_instance_group, {}).get("hosts", []))

    @property
    def instance_groups(self) -> list[str]:
        """Their names."""
        return list(self.instance_groups_dict)

    @property
    def instance_groups_dict(self) -> dict[str, Any]:
        return {group["instance_group_name"]: group for group in self._resources.get("instance_groups", [])}

    @property
    def is_hetero(self) -> bool:
        return len(self.instance_groups) > 1

    @property
    def distribution_instance_groups(self) -> list[str]:
        """The groups that are started together: those that the job names, or its only one."""
        distributed = any(self._framework.get(f"sagemaker_{name}_enabled") for name in params.DISTRIBUTIONS)
        named = self._framework.get("sagemaker_distribution_instance_groups")
        return list(named if named is not None else [self.current_instance_group] if distributed else [])

    @property
    def distribution_hosts(self) -> list[str]:
        """All hosts where the job has no groups, as in local mode."""
        groups = self.instance_groups_dict
        if not groups:
            return self.hosts
        chosen = self.distribution_instance_groups
        return [host for name, group in groups.items() if name in chosen for host in group["hosts"]]

    @property
    def master_hostname(self) -> str:
        return (self.distribution_hosts or self.hosts)[0]

    @property
    def is_master(self) -> bool:
        return self.current_host == self.master_hostname

    is_main = is_master

    @property
    def num_cpus(self) -> int:
        return num_cpus()

    @property
    def num_gpus(self) -> int:
        return num_gpus()

    @property
    def num_neurons(self) -> int:
        return int(os.environ.get("SM_NUM_NEURONS") or 0)

    @property
    def job_name(self) -> str:
        named = self._framework.get(params.JOB_NAME_PARAM)
        return str(named or os.environ.get(params.TRAINING_JOB_ENV) or "")

    @property
    def user_entry_point(self) -> str | None:
        return self._framework.get(params.USER_PROGRAM_PARAM) or os.environ.get(params.USER_PROGRAM_ENV) or None

    @property
    def module_name(self) -> str:
        name = self.user_entry_point or ""
        return name[: -len(".py")] if name.endswith(".py") else name

    @property
    def module_dir(self) -> str:
        return str(self._framework.get(params.SUBMIT_DIR_PARAM) or os.environ.get("SM_MODULE_DIR") or code_dir)

    @property
    def log_level(self) -> int:
        return int(self._framework.get(params.LOG_LEVEL_PARAM) or os.environ.get("SM_LOG_LEVEL") or 20)

    @property
    def framework_module(self) -> str | None:
        return os.environ.get(params.FRAMEWORK_TRAINING_MODULE_ENV)

    @property
    def model_dir(self) -> str:
        return model_dir

    @property
    def input_dir(self) -> str:
        return input_dir

    @property
    def input_config_dir(self) -> str:
        return input_config_dir

    @property
    def output_dir(self) -> str:
        return output_dir

    @property
    def output_data_dir(self) -> str:
        return os.environ.get("SM_OUTPUT_DATA_DIR") or output_data_dir

    @property
    def output_intermediate_dir(self) -> str:
        return output_intermediate_dir

    def sagemaker_s3_output(self) -> str | None:
        return self._framework.get(params.S3_OUTPUT_LOCATION_PARAM)

    def to_cmd_args(self) -> list[str]:
        return mapping.to_cmd_args(self._hyperparameters)

    def to_env_vars(self) -> dict[str, str]:
        """``SM_MODEL_DIR`` and its like, ``SM_CHANNEL_*``, ``SM_HP_*``."""
        variables = mapping.to_env_vars({name: self[name] for name in self})
        variables.update({f"SM_CHANNEL_{name.upper()}": path for name, path in self.channel_input_dirs.items()})
        variables["SM_CHANNELS"] = json.dumps(sorted(self.channel_input_dirs))
        variables.update(mapping.to_env_vars({f"hp_{name}": value for name, value in self._hyperparameters.items()}))
        variables["SM_USER_ARGS"] = json.dumps(self.to_cmd_args())
        variables["SM_HPS"] = json.dumps(self._hyperparameters, sort_keys=True, separators=(",", ":"))
        return variables


def _config(name: str) -> dict[str, Any]:
    path = os.path.join(CONFIG, name)
    return dict(files.read_json(path)) if os.path.exists(path) else {}


def _decoded(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
