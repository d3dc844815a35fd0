"""What is read of an nginx configuration."""

import pytest

from selfmaker.serving.worker.reverse_proxy import read


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("daemon off; listen 8080 deferred; proxy_pass http://127.0.0.1:8000;", (8080, ("127.0.0.1:8000",), False)),
        ("listen 0.0.0.0:9000; location / { proxy_pass http://up/; }", (9000, ("up",), True)),
        (
            "upstream up { server unix:/tmp/a.sock fail_timeout=0; server b:1; } # listen 1;\nlisten 80; proxy_pass http://up;",
            (80, ("unix:/tmp/a.sock", "b:1"), True),
        ),
        ("proxy_pass https://other:1/x;", (80, ("other:1",), True)),
    ],
)
def test_a_configuration(text: str, expected: tuple[int, tuple[str, ...], bool]):
    assert read(text) == expected


def test_the_port_that_is_told_goes_before_sagemaker_s(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "5000")
    assert read("listen 8080; proxy_pass http://x;").port == 5000
    assert read("listen 8081; proxy_pass http://x;").port == 8081


def test_what_is_not_understood_is_said():
    with pytest.raises(ValueError, match="proxy_pass"):
        read("listen 8080; root /var/www;")
