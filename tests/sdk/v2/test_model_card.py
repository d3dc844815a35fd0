"""``sagemaker.model_card`` of SDK v2."""

import time

from sagemaker.model_card import IntendedUses, ModelCard, ModelCardStatusEnum, ModelOverview, RiskRatingEnum


def test_a_card_is_made_updated_and_loaded(session):
    name = f"card-{time.time_ns()}"
    card = ModelCard(
        name=name,
        status=ModelCardStatusEnum.DRAFT,
        model_overview=ModelOverview(model_name="churn", problem_type="Binary Classification"),
        intended_uses=IntendedUses(purpose_of_model="who will leave?", risk_rating=RiskRatingEnum.LOW),
        sagemaker_session=session,
    )
    assert card.create().endswith(f":model-card/{name}") and card.version == 1
    card.update(intended_uses=IntendedUses(purpose_of_model="who may leave?", risk_rating=RiskRatingEnum.MEDIUM))
    card.update(status=ModelCardStatusEnum.PENDING_REVIEW)
    loaded = ModelCard.load(name=name, sagemaker_session=session)
    assert (loaded.version, loaded.status) == (2, ModelCardStatusEnum.PENDING_REVIEW)
    assert loaded.intended_uses.risk_rating == RiskRatingEnum.MEDIUM
    first = ModelCard.load(name=name, version=1, sagemaker_session=session)
    assert first.intended_uses.purpose_of_model == "who will leave?"
    versions = loaded.get_version_history()
    assert [version["ModelCardVersion"] for version in versions] == [2, 1]
    assert loaded.delete()


def test_a_card_is_exported(session):
    card = ModelCard(
        name=f"card-{time.time_ns()}",
        model_overview=ModelOverview(model_name="churn", model_description="who will leave?"),
        sagemaker_session=session,
    )
    card.create()
    uri = card.export_pdf(s3_output_path=f"s3://{session.default_bucket()}/cards")
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    document = session.boto_session.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    assert document.startswith(b"%PDF-") and b"(Model description: who will leave?)" in document
    [job] = card.list_export_jobs()["ModelCardExportJobSummaries"]
    assert job["Status"] == "Completed"
