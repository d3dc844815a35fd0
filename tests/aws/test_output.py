"""Documents cut to their shape."""

from selfmaker.aws.output import cut, describe

DOCUMENT = {
    "TrainingJobName": "j",
    "Tags": [{"Key": "not", "Value": "here"}],
    "VpcConfig": {},
    "RetryStrategy": {"Unknown": 1},
    "OutputDataConfig": {"S3OutputPath": "s3://b", "KmsKeyId": "", "Extra": 1, "CompressionType": None},
    "InputDataConfig": [
        {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://x", "AttributeNames": []}}}
    ],
    "HyperParameters": {"a": "1", "b": None},
    "TrainingJobStatus": "InProgress",
}


def test_describe_is_the_document_cut_to_the_output():
    output = describe(
        "sagemaker", "DescribeTrainingJob", DOCUMENT, {"TrainingJobStatus": "Completed", "BillableTimeInSeconds": 2}
    )
    assert output == {
        "TrainingJobName": "j",
        "TrainingJobStatus": "Completed",
        "BillableTimeInSeconds": 2,
        "OutputDataConfig": {"S3OutputPath": "s3://b", "KmsKeyId": ""},
        "InputDataConfig": [
            {"ChannelName": "train", "DataSource": {"S3DataSource": {"S3Uri": "s3://x", "AttributeNames": []}}}
        ],
        "HyperParameters": {"a": "1"},
    }


def test_cut_to_a_shape_by_name():
    assert cut("sagemaker", "TrainingJob", DOCUMENT)["Tags"] == DOCUMENT["Tags"]


def test_an_operation_without_output():
    assert describe("sagemaker", "DeleteModel", DOCUMENT) == {}
