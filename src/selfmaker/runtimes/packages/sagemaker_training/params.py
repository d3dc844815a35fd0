"""Names of hyperparameters and variables, with the toolkit's own constants for them."""

SAGEMAKER_PREFIX = "sagemaker_"
USER_PROGRAM_PARAM = "sagemaker_program"
USER_PROGRAM_ENV = "SAGEMAKER_PROGRAM"
SUBMIT_DIR_PARAM = "sagemaker_submit_directory"
SUBMIT_DIR_ENV = "SAGEMAKER_SUBMIT_DIRECTORY"
LOG_LEVEL_PARAM = "sagemaker_container_log_level"
LOG_LEVEL_ENV = "SAGEMAKER_CONTAINER_LOG_LEVEL"
JOB_NAME_PARAM = "sagemaker_job_name"
JOB_NAME_ENV = "SAGEMAKER_JOB_NAME"
DEFAULT_MODULE_NAME_PARAM = "default_user_module_name"
METRICS_PARAM = "sagemaker_enable_cloudwatch_metrics"
METRICS_ENV = "SAGEMAKER_ENABLE_CLOUDWATCH_METRICS"
REGION_NAME_PARAM = "sagemaker_region"
REGION_NAME_ENV = "SAGEMAKER_REGION"
FRAMEWORK_TRAINING_MODULE_ENV = "SAGEMAKER_TRAINING_MODULE"
FRAMEWORK_SERVING_MODULE_ENV = "SAGEMAKER_SERVING_MODULE"
TRAINING_JOB_ENV = "TRAINING_JOB_NAME"
S3_OUTPUT_LOCATION_PARAM = "sagemaker_s3_output"
S3_OUTPUT_LOCATION_ENV = "SAGEMAKER_S3_OUTPUT"
BASE_PATH_ENV = "SAGEMAKER_BASE_DIR"
SM_EVAL_ENV = "SM_EVAL"
TRAINING_ENV = "SM_TRAINING_ENV"

DISTRIBUTIONS = (
    "mpi",
    "parameter_server",
    "distributed_dataparallel",
    "pytorch_ddp",
    "pytorch_xla_multi_worker",
    "multi_worker_mirrored_strategy",
    "torch_distributed",
)
"""The ways to start hosts together, as sagemaker_*_enabled ask for them."""
