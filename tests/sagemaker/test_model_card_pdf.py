"""A model card as a PDF that readers can open."""

import re

from selfmaker.sagemaker.model_card_pdf import pdf

CONTENT = {
    "model_overview": {
        "model_name": "churn (\N{GREEK SMALL LETTER ALPHA}) \\ é",
        "problem_type": None,
        "model_artifact": ["s3://a", "s3://b"],
    },
    "evaluation_details": [
        {"name": "test", "metric_groups": [{"name": "quality", "metric_data": [{"name": "accuracy", "value": 0.94}]}]}
    ],
    "additional_information": {"caveats": "line one\nline two", "long": "word " * 400},
}


def texts(document: bytes) -> list[str]:
    found = re.findall(rb"\((.*)\) Tj", document)
    return [text.decode("cp1252").replace("\\(", "(").replace("\\)", ")").replace("\\\\", "\\") for text in found]


def test_every_part_of_the_content_is_there() -> None:
    lines = texts(pdf("churn", [("Version", "2")], CONTENT))
    assert lines[:3] == ["churn", "Version: 2", "Model overview"]
    assert "Model name: churn (?) \\ é" in lines
    assert {"Problem type: -", "- s3://a", "Name: accuracy", "Value: 0.94"} <= set(lines)
    assert lines[lines.index("Caveats: line one") + 1] == "line two"
    assert " ".join(lines).count("word") == 400


def test_the_table_of_objects_leads_to_each() -> None:
    document = pdf("many pages", [], {"section": {f"member_{n}": "x" * 50 for n in range(200)}})
    start = int(re.findall(rb"startxref\n(\d+)\n%%EOF\n$", document)[0])
    assert document[start:].startswith(b"xref\n0 ")
    places = [int(place) for place in re.findall(rb"(\d{10}) 00000 n ", document[start:])]
    assert [document[place:].startswith(b"%d 0 obj\n" % number) for number, place in enumerate(places, 1)] == [
        True
    ] * len(places)
    pages = int(re.findall(rb"/Count (\d+)", document)[0])
    assert pages > 3 and len(places) == 4 + 2 * pages
    for length, stream in re.findall(rb"<< /Length (\d+) >>\nstream\n(.*?)\nendstream", document, re.DOTALL):
        assert int(length) == len(stream)
