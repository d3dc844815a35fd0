import base64
import hashlib
import zlib

import pytest

from selfmaker.errors import Invalid
from selfmaker.objects.digest import ALGORITHMS, SIZES, Digest, combined, combines, composite, multipart_etag

# The check values of the CRC catalogue (reveng) and xxHash's and hashlib's own answers for b"123456789".
KNOWN = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": hashlib.sha1(b"123456789").hexdigest(),
    "SHA256": hashlib.sha256(b"123456789").hexdigest(),
    "SHA512": hashlib.sha512(b"123456789").hexdigest(),
    "MD5": hashlib.md5(b"123456789").hexdigest(),
}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_in_one_piece_and_in_many(algorithm: str) -> None:
    one, many = Digest([algorithm]), Digest([algorithm])
    one.update(b"123456789")
    for byte in b"123456789":
        many.update(bytes([byte]))
    assert (one.size, one.md5) == (many.size, many.md5) == (9, KNOWN["MD5"])
    (value,) = one.checksums().values()
    assert many.checksums() == {algorithm: value}
    assert len(base64.b64decode(value)) == SIZES[algorithm]
    if algorithm in KNOWN:
        assert base64.b64decode(value).hex() == KNOWN[algorithm]


def test_an_algorithm_that_does_not_exist() -> None:
    with pytest.raises(Invalid, match="CRC16"):
        Digest(["CRC16"])


@pytest.mark.parametrize("algorithm", [name for name in ALGORITHMS if combines(name)])
def test_joining_checksums(algorithm: str) -> None:
    pieces = (b"one", b"", b"three" * 1000, b"4")
    values = []
    whole = Digest([algorithm])
    for piece in pieces:
        digest = Digest([algorithm])
        digest.update(piece)
        whole.update(piece)
        values.append((digest.checksums()[algorithm], len(piece)))
    assert combined(algorithm, values) == whole.checksums()[algorithm]


def test_a_checksum_of_checksums() -> None:
    parts = [zlib.crc32(data).to_bytes(4, "big") for data in (b"a", b"b")]
    expected = base64.b64encode(zlib.crc32(b"".join(parts)).to_bytes(4, "big")).decode()
    assert composite("CRC32", (base64.b64encode(part).decode() for part in parts)) == f"{expected}-2"


def test_the_etag_of_parts() -> None:
    etags = [hashlib.md5(data).hexdigest() for data in (b"a", b"b")]
    assert multipart_etag(etags) == hashlib.md5(bytes.fromhex("".join(etags))).hexdigest() + "-2"
