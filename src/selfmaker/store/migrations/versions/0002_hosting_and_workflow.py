"""Tables of hosting, feature store, pipelines and events. One function for each table group."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _hosting()
    _events()
    _queues()
    _features()
    _pipelines()


def _events() -> None:
    op.create_table(
        "outbox",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("arn", sa.String(length=2048), nullable=False),
        sa.Column("status", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=True),
        sa.Column("time", sa.Float(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_outbox")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "deliveries",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("rule", sa.String(length=2048), nullable=False),
        sa.Column("target", sa.JSON(), nullable=False),
        sa.Column("event", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("due", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_deliveries")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_deliveries_due"), "deliveries", ["due"], unique=False)


def _queues() -> None:
    op.create_table(
        "queue_messages",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("queue", sa.String(length=512), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("system", sa.JSON(), nullable=False),
        sa.Column("group", sa.String(length=128), nullable=True),
        sa.Column("sent", sa.Float(), nullable=False),
        sa.Column("visible", sa.Float(), nullable=False),
        sa.Column("received", sa.Integer(), nullable=False),
        sa.Column("first_received", sa.Float(), nullable=True),
        sa.Column("receipt", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_queue_messages")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_queue_messages_queue_visible"), "queue_messages", ["queue", "visible"], unique=False)
    op.create_table(
        "queue_duplicates",
        sa.Column("queue", sa.String(length=512), nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("queue", "key", name=op.f("pk_queue_duplicates")),
    )


def _pipelines() -> None:
    op.create_table(
        "pipeline_versions",
        sa.Column("pipeline", sa.String(length=2048), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("definition", sa.Text(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("pipeline", "number", name=op.f("pk_pipeline_versions")),
    )
    op.create_table(
        "executions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("pipeline", sa.String(length=2048), nullable=False),
        sa.Column("arn", sa.String(length=2048), nullable=False),
        sa.Column("token", sa.String(length=128), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("modified", sa.Float(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_executions")),
        sa.UniqueConstraint("pipeline", "token", name=op.f("uq_executions_pipeline_token")),
    )
    op.create_index(op.f("ix_executions_arn"), "executions", ["arn"], unique=True)
    op.create_index(op.f("ix_executions_pipeline_created"), "executions", ["pipeline", "created"], unique=False)
    op.create_index(op.f("ix_executions_status"), "executions", ["status"], unique=False)
    op.create_table(
        "execution_steps",
        sa.Column("execution", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("pipeline", sa.String(length=2048), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("started", sa.Float(), nullable=False),
        sa.Column("ended", sa.Float(), nullable=True),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.Column("token", sa.String(length=16), nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("execution", "name", name=op.f("pk_execution_steps")),
    )
    op.create_index(
        op.f("ix_execution_steps_pipeline_name_key"), "execution_steps", ["pipeline", "name", "key"], unique=False
    )
    op.create_index(op.f("ix_execution_steps_token"), "execution_steps", ["token"], unique=False)


def _hosting() -> None:
    op.create_table(
        "async_invocations",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_async_invocations")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_async_invocations_region_endpoint_sequence"),
        "async_invocations",
        ["region", "endpoint", "sequence"],
        unique=False,
    )


def _features() -> None:
    op.create_table(
        "feature_records",
        sa.Column("group", sa.String(length=32), nullable=False),
        sa.Column("identifier", sa.String(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=True),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("group", "identifier", name=op.f("pk_feature_records")),
    )
    op.create_table(
        "feature_arrivals",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("group", sa.String(length=32), nullable=False),
        sa.Column("batch", sa.String(length=32), nullable=True),
        sa.Column("written", sa.Float(), nullable=False),
        sa.Column("time", sa.Float(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("values", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_feature_arrivals")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_feature_arrivals_group_batch"), "feature_arrivals", ["group", "batch"], unique=False)
