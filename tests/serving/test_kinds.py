"""Endpoints of other kinds across a restart: what their rows say is enough to bring them back."""

import asyncio
import json
from dataclasses import replace

import pytest
from tests.serving.conftest import executor, loop, plain_environment  # noqa: F401 - fixtures
from tests.serving.world import IMAGE, REGION, World, archive

from selfmaker.errors import Invalid
from selfmaker.serving.delivery import Delivery
from selfmaker.serving.spec import CaptureSpec, DataSource, DeploymentSpec, ModelSpec, ServerlessSpec, VariantSpec
from selfmaker.serving.worker.transport import Message


@pytest.fixture
def world(tmp_path, loop, executor, plain_environment):  # noqa: F811
    made = World(tmp_path, loop, executor, plain_environment)
    yield made
    made.close()


def changed(spec, **members):
    """``spec`` with its one variant changed."""
    return replace(spec, variants=(replace(spec.variants[0], **members),))


def ask(world, **delivery):
    asked = world.endpoints.invoke(REGION, "e", Message(0, "x/y", "", "", b"{}"), "", Delivery(**delivery))
    _, answer = asyncio.run_coroutine_threadsafe(asked, world.loop).result(60)
    return json.loads(answer.body)


def back(world):
    world.restart()
    assert world.settled().status == "InService"


def test_a_pipeline(world):
    first, second = world.model("one"), replace(world.model("two"), hostname="last")
    first = replace(first, hostname="first")
    assert world.create(changed(world.spec(first), following=(second,))).status == "InService"
    assert ask(world)["name"] == "two"
    for model in (first, second):
        world.objects.delete("box", model.uri.removeprefix("s3://box/"))
    back(world)
    assert ask(world)["name"] == "two"
    streams = world.logs.all_streams(REGION, "/aws/sagemaker/Endpoints/e")
    assert {stream.name.rsplit("/", 1)[1] for stream in streams} == {"first", "last"}


def test_many_models_whose_common_code_was_deleted_since(world):
    script = """
import json, os
def model_fn(model_dir):
    return open(model_dir + "/name").read()
def transform_fn(model, body, content_type, accept):
    return json.dumps({"name": model + os.environ["SAGEMAKER_MULTI_MODEL"]})
"""
    world.objects.put("box", "code.tar.gz", archive(**{"inference.py": script}))
    for name in ("a", "b"):
        world.objects.put("box", f"many/{name}.tar.gz", archive(name=name))
    environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "s3://box/code.tar.gz"}
    model = ModelSpec("m", IMAGE, "s3://box/many/", "prefix", environment, many=True)
    assert world.create(world.spec(model)).status == "InService"
    assert ask(world, model="a.tar.gz") == {"name": "atrue"}
    world.objects.delete("box", "code.tar.gz")
    back(world)
    assert ask(world, model="b.tar.gz") == {"name": "btrue"}
    with pytest.raises(Invalid, match=r"Failed to download model data\(bucket: box, key: many/c.tar.gz\)"):
        ask(world, model="c.tar.gz")


def test_a_serverless_variant(world):
    spec = changed(world.spec(world.model("quiet")), serverless=ServerlessSpec(1024, 2), instance_type="")
    assert world.create(spec).status == "InService"
    back(world)
    assert ask(world)["name"] == "quiet"


def test_a_captured_endpoint_with_a_shadow(world):
    plain = world.spec(world.model("seen"))
    shadow = replace(plain.variants[0], name="shadow", model=world.model("unseen"))
    capture = CaptureSpec("s3://box/captured", 100, inputs=True, outputs=True)
    assert world.create(replace(plain, shadows=(shadow,), capture=capture)).status == "InService"
    back(world)
    assert ask(world, inference_id="mine")["name"] == "seen"
    world.endpoints.delete(REGION, "e")
    assert world.gone()
    keys = [info.key for info in world.objects.list("box", "captured/e/")]
    assert "v1" in {key.split("/")[2] for key in keys}
    (mine,) = list(world.objects.list("box", "captured/e/v1/"))
    assert json.loads(mine.path.read_text())["eventMetadata"]["inferenceId"] == "mine"


def test_a_spec_is_what_its_json_says():
    model = ModelSpec(
        "m", IMAGE, "s3://b/k", many=True, cached=False, additional=(DataSource("c", "s3://b/x/", "prefix"),)
    )
    variant = VariantSpec("v", model, 1.0, 1, "ml.m5.large", 60.0, (model,), True, ServerlessSpec(1024, 3, 1))
    capture = CaptureSpec("s3://b/c", 50, True, False, ("text/csv",), ())
    spec = DeploymentSpec("id", "config", (variant,), 1.5, (variant,), capture)
    assert DeploymentSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    old = {"id": "i", "config": "c", "created": 1, "variants": [{"name": "v", "model": {"name": "m", "image": IMAGE}}]}
    old["variants"][0] |= {"weight": 1.0, "instances": 1, "instance_type": "ml.m5.large", "patience": 60}
    assert DeploymentSpec.from_json(old).variants[0].containers[0].image == IMAGE
