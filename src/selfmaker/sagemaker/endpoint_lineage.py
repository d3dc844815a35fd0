"""The lineage of endpoints: a deployment of models, in the context of the endpoint."""

from sqlalchemy import Connection

from selfmaker.aws.operation import Call
from selfmaker.sagemaker import lineage
from selfmaker.store import resources
from selfmaker.store.database import Database
from selfmaker.store.resources import Resource


def record(call: Call, endpoint: Resource, config: Resource) -> None:
    """``endpoint`` was created, or updated, with ``config``: written before the answer is."""
    variants = [*config.document.get("ProductionVariants", []), *config.document.get("ShadowProductionVariants", [])]
    wanted = {variant["ModelName"] for variant in variants if "ModelName" in variant}

    def work(connection: Connection) -> None:
        models = [row for row in resources.of_kind(connection, "Model", call.region) if row.name in wanted]
        lineage.deployed(connection, endpoint, config.name, models)

    call.use(Database).write(work)
