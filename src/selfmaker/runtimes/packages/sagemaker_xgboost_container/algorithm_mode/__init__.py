"""XGBoost as SageMaker's built-in algorithm: ``python -m sagemaker_xgboost_container.algorithm_mode``."""
