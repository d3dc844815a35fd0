"""Functions through SDK v2's helper, as pipelines' Lambda steps use it."""

import json
import uuid
import zipfile

import pytest
from sagemaker.lambda_helper import Lambda

HANDLER = "def handler(event, context):\n    return {'statusCode': 200, 'told': WORD, 'event': event}\nWORD = 'one'\n"


@pytest.fixture
def helper(session, role, folder):
    """``helper(text)``: a Lambda with that script, of one name in a test."""
    name = f"function-{uuid.uuid4().hex[:8]}"

    def make(text=HANDLER, **arguments):
        script = {} if "zipped_code_dir" in arguments else {"script": folder({"code.py": text}) + "/code.py"}
        return Lambda(
            function_name=name, execution_role_arn=role, handler="code.handler", runtime="python3.11",
            session=session, timeout=60, **script, **arguments,
        )  # fmt: skip

    yield make
    make().delete()


def answer(response):
    assert "FunctionError" not in response
    return json.loads(response["Payload"].read())


def test_a_function_is_created_called_and_updated(helper):
    created = helper(environment={"Variables": {"COLOUR": "red"}}).create()
    assert created["FunctionArn"].endswith(created["FunctionName"])
    assert answer(helper().invoke()) == {"statusCode": 200, "told": "one", "event": {}}
    helper(HANDLER.replace("one", "two")).update()
    assert answer(helper().invoke())["told"] == "two"
    helper(HANDLER.replace("one", "three")).upsert()
    assert answer(helper().invoke())["told"] == "three"
    with pytest.raises(ValueError, match="already exist"):
        helper().create()


def test_a_zipped_folder_goes_through_s3(helper, session, tmp_path):
    archive = tmp_path / "code.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("code.py", "from lib import words\ndef handler(event, context):\n    return words.word()\n")
        file.writestr("lib/words.py", "def word():\n    return 'from a folder'\n")
        file.writestr("lib/__init__.py", "")
    helper(zipped_code_dir=str(archive), s3_bucket=session.default_bucket()).create()
    assert answer(helper().invoke()) == "from a folder"
