"""multipart/form-data as a browser posts it to S3 (RFC 7578): fields, and then the file, which is not held in
memory."""

import re
from email.message import Message

from selfmaker.aws.errors import AwsError
from selfmaker.objects.protocol import KIB, ByteSource

_CHUNK = 256 * KIB
_FIELDS_LIMIT = 20 * KIB
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)


class Form:
    """``fields`` have lower-case names; ``file_name`` is the name that the browser gave. ``read`` then gives the
    bytes of the file and ends where it ends. Raises AwsError."""

    def __init__(self, body: ByteSource, content_type: str) -> None:
        found = _BOUNDARY.search(content_type)
        if found is None:
            raise malformed("The body of your POST request is not well-formed multipart/form-data.")
        self._mark = b"\r\n--" + (found[1] or found[2]).encode("latin-1", "replace")
        self._body = body
        self._held = b"\r\n"  # so that the first boundary is found like the others
        self._ended = False
        self.fields: dict[str, str] = {}
        self.file_name = ""
        self.file_type: str | None = None
        self._read_fields()

    def read(self, n: int = -1, /) -> bytes:
        while not self._ended:
            at = self._held.find(self._mark)
            ready = at if at >= 0 else len(self._held) - len(self._mark)
            if at >= 0 and ((n >= 0 and at <= n) or n < 0):
                self._ended = True
                return self._give(at)
            if n >= 0 and ready >= min(n, _CHUNK) > 0:
                return self._give(min(n, ready))
            self._more()
        return b""

    def _read_fields(self) -> None:
        self._until(self._mark)
        while True:
            head = self._until(b"\r\n\r\n", _FIELDS_LIMIT)
            name, file_name, content_type = _described(head)
            if name == "file":
                self.file_name, self.file_type = file_name or "", content_type
                return
            value = self._until(self._mark, _FIELDS_LIMIT).decode("utf-8", "replace")
            self.fields.setdefault(name, value)
            if sum(map(len, self.fields.values())) > _FIELDS_LIMIT:
                raise AwsError(
                    "MaxPostPreDataLengthExceededError",
                    "Your POST request fields preceding the upload file were too large.",
                    400,
                )
            while len(self._held) < 2:
                self._more()
            if self._held.startswith(b"--"):
                raise AwsError(
                    "InvalidArgument",
                    "POST requires exactly one file upload per request.",
                    400,
                    ArgumentName="file",
                    ArgumentValue=0,
                )

    def _until(self, mark: bytes, limit: int = _FIELDS_LIMIT) -> bytes:
        while (at := self._held.find(mark)) < 0:
            if len(self._held) > limit + len(mark):
                raise AwsError(
                    "MaxPostPreDataLengthExceededError",
                    "Your POST request fields preceding the upload file were too large.",
                    400,
                )
            self._more()
        data = self._held[:at]
        self._held = self._held[at + len(mark) :]
        return data

    def _give(self, size: int) -> bytes:
        data, self._held = self._held[:size], self._held[size:]
        return data

    def _more(self) -> None:
        data = self._body.read(_CHUNK)
        if not data:
            raise malformed("The body of your POST request is not well-formed multipart/form-data.")
        self._held += data


def malformed(message: str) -> AwsError:
    return AwsError("MalformedPOSTRequest", message, 400)


def _described(head: bytes) -> tuple[str, str | None, str | None]:
    """Name, file name and type of a part."""
    lines = head.decode("utf-8", "replace").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    disposition = Message()
    disposition["Content-Disposition"] = headers.get("content-disposition", "")
    name = disposition.get_param("name", header="Content-Disposition")
    if not isinstance(name, str):
        raise malformed("The body of your POST request is not well-formed multipart/form-data.")
    file_name = disposition.get_param("filename", header="Content-Disposition")
    return name.lower(), file_name if isinstance(file_name, str) else None, headers.get("content-type")
