"""Why an image of AWS's has no runtime here, where there is more to say than that."""

import re

_REASONS = (
    (
        r"sagemaker-spark-processing|sagemaker-sparkml-serving",
        "Spark is not run here; a script on pandas or PyArrow can do such work in the scikit-learn image",
    ),
    (
        r"(sagemaker-)?mxnet.*|sagemaker-chainer",
        "The framework is no longer maintained and has no builds for Pythons of today",
    ),
    (r"huggingface-tensorflow-.*", "Use the images of Hugging Face on PyTorch"),
    (r".*-eia", "Elastic Inference is gone from AWS, too: use the framework's plain image for inference"),
    (r".*neuron.*|.*neo.*", "AWS's own accelerators and compilers are nowhere else"),
    (r"sagemaker-rl-.*", "Reinforcement learning's toolkits are not there"),
    (r"smdistributed-.*|pytorch-trcomp-training", "SageMaker's own parallel and compiling libraries are not there"),
    (r"sagemaker-tensorflow", "TensorFlow before script mode is not there: use tensorflow-training"),
    (
        r".*-tgi-inference|djl-inference|tei(-cpu)?|sagemaker-tritonserver|.*vllm.*",
        "Servers of large models are not there",
    ),
    (
        r"linear-learner|kmeans|pca|knn|factorization-machines|lda|ntm|randomcutforest|ipinsights|blazingtext|object2vec"
        r"|seq2seq|forecasting-deepar|image-classification|object-detection|semantic-segmentation",
        "AWS's built-in algorithms are closed programs, XGBoost's being the only one that is here; a script in a "
        "framework's image can do the same (scikit-learn has most of the classic ones)",
    ),
    (r"sagemaker-debugger-rules|detailed-profiler-processing", "Debugger's rules are not evaluated here"),
)


def reason(repository: str) -> str:
    """A sentence without its full stop, or nothing."""
    for pattern, text in _REASONS:
        if re.fullmatch(pattern, repository):
            return text
    return ""
