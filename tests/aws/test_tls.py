"""The edge behind TLS, where boto3 speaks differently: aws-chunked with a trailer, no sendfile."""

import datetime
import ipaddress
import os
import ssl
import zlib
from base64 import b64encode

import pytest
import urllib3
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from edge_packages import s3
from edge_runner import run_edge


@pytest.fixture(scope="module")
def secure(tmp_path_factory, edge):
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "edge")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "both.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    yield from run_edge("https", context)


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
@pytest.mark.parametrize("size", [0, 1000, 12 << 20])
def test_upload_with_a_trailer_and_download(secure, size):
    client = secure.client("s3")
    data = os.urandom(size)
    client.put_object(Bucket="tls", Key="k", Body=data, ChecksumAlgorithm="CRC32")
    stored = s3.OBJECTS["tls", "k"]
    assert stored["Trailers"] == {"x-amz-checksum-crc32": b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()}
    assert "ContentEncoding" not in stored and stored["Length"] == size
    assert client.get_object(Bucket="tls", Key="k")["Body"].read() == data


def test_the_endpoint_of_a_call_names_the_scheme(secure):
    assert secure.url.startswith("https://")
    with urllib3.PoolManager(cert_reqs="CERT_NONE") as pool, pytest.warns(urllib3.exceptions.InsecureRequestWarning):
        assert pool.request("GET", f"{secure.url}/health").data == b"well"
