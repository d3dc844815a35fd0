"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "buckets",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("documents", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_buckets")),
    )
    op.create_table(
        "credentials",
        sa.Column("access_key", sa.String(length=128), nullable=False),
        sa.Column("secret", sa.String(length=128), nullable=False),
        sa.Column("owner", sa.String(length=512), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("access_key", name=op.f("pk_credentials")),
    )
    op.create_index(op.f("ix_credentials_owner"), "credentials", ["owner"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("arn", sa.String(length=2048), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("stop_requested", sa.Boolean(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("modified", sa.Float(), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_jobs")),
        sa.UniqueConstraint("id", name=op.f("uq_jobs_id")),
        sa.UniqueConstraint("kind", "region", "name", name=op.f("uq_jobs_kind_region_name")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_jobs_arn"), "jobs", ["arn"], unique=False)
    op.create_index(op.f("ix_jobs_state_sequence"), "jobs", ["state", "sequence"], unique=False)
    op.create_table(
        "log_groups",
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("region", "name", name=op.f("pk_log_groups")),
    )
    op.create_table(
        "log_streams",
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("group", sa.String(length=512), nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("path", sa.String(length=4096), nullable=False),
        sa.Column("owned", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("insertions", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("region", "group", "name", name=op.f("pk_log_streams")),
    )
    op.create_table(
        "metrics",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("namespace", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("dimensions", sa.String(), nullable=False),
        sa.Column("latest", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metrics")),
        sa.UniqueConstraint(
            "region", "namespace", "name", "dimensions", name=op.f("uq_metrics_region_namespace_name_dimensions")
        ),
    )
    op.create_table(
        "held_bytes",
        sa.Column("number", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("file", sa.String(length=32), nullable=False),
        sa.Column("bytes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_held_bytes")),
    )
    op.create_table(
        "objects",
        sa.Column("bucket", sa.String(length=63), nullable=False),
        sa.Column("key", sa.LargeBinary(length=1024), nullable=False),
        sa.Column("file", sa.String(length=32), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(length=48), nullable=False),
        sa.Column("modified", sa.Float(), nullable=False),
        sa.Column("storage_class", sa.String(length=32), nullable=False),
        sa.Column("checksum", sa.String(length=160), nullable=True),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "key", name=op.f("pk_objects")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "parts",
        sa.Column("upload", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String(length=32), nullable=False),
        sa.Column("modified", sa.Float(), nullable=False),
        sa.Column("checksum", sa.String(length=160), nullable=True),
        sa.Column("file", sa.String(length=32), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("upload", "number", name=op.f("pk_parts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "resources",
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("region", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("arn", sa.String(length=2048), nullable=False),
        sa.Column("status", sa.String(length=64), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("modified", sa.Float(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "region", "name", name=op.f("pk_resources")),
    )
    op.create_index(op.f("ix_resources_arn"), "resources", ["arn"], unique=True)
    op.create_index(op.f("ix_resources_kind_region_created"), "resources", ["kind", "region", "created"], unique=False)
    op.create_index(op.f("ix_resources_kind_status"), "resources", ["kind", "status"], unique=False)
    op.create_table(
        "tags",
        sa.Column("arn", sa.String(length=2048), nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("value", sa.String(length=512), nullable=False),
        sa.PrimaryKeyConstraint("arn", "key", name=op.f("pk_tags")),
    )
    op.create_table(
        "trial_metrics",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("component", sa.String(length=256), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=True),
        sa.Column("value", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trial_metrics")),
    )
    op.create_index(op.f("ix_trial_metrics_component_name"), "trial_metrics", ["component", "name"], unique=False)
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("bucket", sa.String(length=63), nullable=False),
        sa.Column("key", sa.LargeBinary(length=1024), nullable=False),
        sa.Column("initiated", sa.Float(), nullable=False),
        sa.Column("completed", sa.Float(), nullable=True),
        sa.Column("algorithm", sa.String(length=16), nullable=True),
        sa.Column("composite", sa.Boolean(), nullable=False),
        sa.Column("storage_class", sa.String(length=32), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("file", sa.String(length=32), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uploads")),
    )
    op.create_index(op.f("ix_uploads_bucket_key_id"), "uploads", ["bucket", "key", "id"], unique=False)
    op.create_table(
        "metric_samples",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("metric", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("unit", sa.String(length=32), nullable=False),
        sa.Column("count", sa.Float(), nullable=False),
        sa.Column("sum", sa.Float(), nullable=False),
        sa.Column("minimum", sa.Float(), nullable=False),
        sa.Column("maximum", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["metric"], ["metrics.id"], name=op.f("fk_metric_samples_metric")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_metric_samples")),
    )
    op.create_index(op.f("ix_metric_samples_metric_at"), "metric_samples", ["metric", "at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_metric_samples_metric_at"), table_name="metric_samples")
    op.drop_table("metric_samples")
    op.drop_index(op.f("ix_uploads_bucket_key_id"), table_name="uploads")
    op.drop_table("uploads")
    op.drop_index(op.f("ix_trial_metrics_component_name"), table_name="trial_metrics")
    op.drop_table("trial_metrics")
    op.drop_table("tags")
    op.drop_index(op.f("ix_resources_kind_status"), table_name="resources")
    op.drop_index(op.f("ix_resources_kind_region_created"), table_name="resources")
    op.drop_index(op.f("ix_resources_arn"), table_name="resources")
    op.drop_table("resources")
    op.drop_table("parts")
    op.drop_table("objects")
    op.drop_table("held_bytes")
    op.drop_table("metrics")
    op.drop_table("log_streams")
    op.drop_table("log_groups")
    op.drop_index(op.f("ix_jobs_state_sequence"), table_name="jobs")
    op.drop_index(op.f("ix_jobs_arn"), table_name="jobs")
    op.drop_table("jobs")
    op.drop_index(op.f("ix_credentials_owner"), table_name="credentials")
    op.drop_table("credentials")
    op.drop_table("buckets")
