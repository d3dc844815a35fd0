"""SQS's errors, with the codes that its query protocol had for them, which clients still show."""

from selfmaker.aws.errors import AwsError

_QUERY_CODES = {
    "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
    "QueueNameExists": "QueueAlreadyExists",
    "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
    "TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
    "BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
    "BatchRequestTooLong": "AWS.SimpleQueueService.BatchRequestTooLong",
    "InvalidBatchEntryId": "AWS.SimpleQueueService.InvalidBatchEntryId",
    "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
    "PurgeQueueInProgress": "AWS.SimpleQueueService.PurgeQueueInProgress",
    "UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation",
}


def fault(code: str, message: str) -> AwsError:
    error = AwsError(code, message)
    error.query_code = _QUERY_CODES.get(code, code)
    return error


def no_queue() -> AwsError:
    return fault("QueueDoesNotExist", "The specified queue does not exist.")


def invalid(parameter: str, reason: str) -> AwsError:
    """``reason`` completes the sentence and names the parameter's rule."""
    return fault("InvalidParameterValue", f"Value for parameter {parameter} is invalid. Reason: {reason}")


def missing(parameter: str) -> AwsError:
    return fault("MissingParameter", f"The request must contain the parameter {parameter}.")
