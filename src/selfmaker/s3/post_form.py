"""Upload by an HTML form ("POST Object"), which AWS's service model does not describe."""

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from selfmaker.aws.dispatch import raw_route
from selfmaker.aws.errors import AwsError
from selfmaker.aws.http import HttpRequest, HttpResponse
from selfmaker.aws.operation import Call
from selfmaker.aws.protocols import xml_shapes
from selfmaker.aws.protocols.scalars import MalformedError
from selfmaker.aws.protocols.xml_shapes import escape
from selfmaker.errors import SelfmakerError
from selfmaker.objects.digest import ALGORITHMS
from selfmaker.objects.protocol import MAX_PUT_BYTES, ObjectInfo, Received, Terms
from selfmaker.s3 import integrity, tags
from selfmaker.s3.attributes import attributes_of
from selfmaker.s3.form_data import Form
from selfmaker.s3.post_policy import Sizes, check_policy, check_signature
from selfmaker.s3.wording import objects_of, quoted, worded
from selfmaker.store.credentials import Credentials

_MEMBERS = {
    "acl": "ACL",
    "cache-control": "CacheControl",
    "content-type": "ContentType",
    "content-disposition": "ContentDisposition",
    "content-encoding": "ContentEncoding",
    "content-language": "ContentLanguage",
    "x-amz-storage-class": "StorageClass",
    "x-amz-website-redirect-location": "WebsiteRedirectLocation",
    "x-amz-server-side-encryption": "ServerSideEncryption",
    "x-amz-server-side-encryption-aws-kms-key-id": "SSEKMSKeyId",
    "x-amz-server-side-encryption-customer-algorithm": "SSECustomerAlgorithm",
    "x-amz-server-side-encryption-customer-key": "SSECustomerKey",
    "x-amz-server-side-encryption-customer-key-md5": "SSECustomerKeyMD5",
    "content-md5": "ContentMD5",
    **{f"x-amz-checksum-{name.lower()}": integrity.member(name) for name in ALGORITHMS},
}
_META = "x-amz-meta-"


def is_form(http: HttpRequest) -> bool:
    """A POST of multipart/form-data to a bucket."""
    return (
        http.method == "POST"
        and http.headers.get("content-type", "").lower().startswith("multipart/form-data")
        and len(_path(http)) == 1
    )


@raw_route("s3", "PostObject", is_form)
def post_object(call: Call, http: HttpRequest) -> HttpResponse:
    """Store the file of a form whose policy lets it."""
    (bucket,) = _path(http)
    form = Form(http.body, http.headers.get("content-type", ""))
    fields = {name: value.replace("${filename}", form.file_name) for name, value in form.fields.items()}
    fields["policy"] = form.fields.get("policy", "")
    if "key" not in fields:
        message = (
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields."
        )
        raise AwsError("InvalidArgument", message, 400, ArgumentName="key", ArgumentValue="")
    check_signature({k: v for k, v in fields.items() if v or k != "policy"}, call.use(Credentials).secret)
    sizes = check_policy(fields, bucket)
    try:
        info = _store(call, (bucket, fields), form, sizes)
    except SelfmakerError as error:
        raise worded(error, bucket, fields["key"]) from error
    return _answer(call, fields, info)


def _store(call: Call, target: tuple[str, dict[str, str]], form: Form, sizes: Sizes) -> ObjectInfo:
    bucket, fields = target
    request: dict[str, Any] = {member: fields[name] for name, member in _MEMBERS.items() if fields.get(name)}
    request["Metadata"] = {name[len(_META) :]: value for name, value in fields.items() if name.startswith(_META)}
    attributes = attributes_of(call, request)
    if fields.get("tagging"):
        attributes = replace(attributes, tags=_tags(fields["tagging"]))
    claim = integrity.claim(replace(call, headers={}), request)
    verify = claim.verifier()

    def check(received: Received) -> None:
        sizes.check(received.size)
        verify(received)

    most = MAX_PUT_BYTES if sizes.highest is None else min(sizes.highest, MAX_PUT_BYTES)
    terms = Terms(algorithm=claim.algorithm or "CRC64NVME", verify=check, limit=most, reason="POST Object")
    return objects_of(call).put(bucket, fields["key"], form, attributes, terms)


def _path(http: HttpRequest) -> list[str]:
    return [unquote(part) for part in http.resource.split("/") if part]


def _tags(document: str) -> dict[str, str]:
    """The tags of a Tagging document, which a form carries as XML. Raises AwsError."""
    try:
        sets = xml_shapes.parse(document.encode()).all("TagSet")
        found = (
            [{child.tag: "".join(child.text) for child in tag.children} for tag in sets[0].all("Tag")] if sets else None
        )
    except MalformedError:
        found = None
    return tags.from_document({"TagSet": found} if found is not None else None, tags.OBJECT_LIMIT)


def _answer(call: Call, fields: dict[str, str], info: ObjectInfo) -> HttpResponse:
    location = f"{call.endpoint}/{info.bucket}/{quote(info.key)}"
    headers = {"ETag": quoted(info.etag), "Location": location, "x-amz-request-id": call.request_id}
    redirect = fields.get("success_action_redirect") or fields.get("redirect")
    if redirect and urlsplit(redirect).scheme in ("http", "https") and "\n" not in redirect and "\r" not in redirect:
        parts = urlsplit(redirect)
        told = [("bucket", info.bucket), ("key", info.key), ("etag", quoted(info.etag))]
        query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), *told])
        return HttpResponse(303, {**headers, "Location": parts._replace(query=query).geturl()})
    status = fields.get("success_action_status")
    if status != "201":
        return HttpResponse(200 if status == "200" else 204, headers)
    members = {"Location": location, "Bucket": info.bucket, "Key": info.key, "ETag": quoted(info.etag)}
    content = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in members.items())
    document = f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{content}</PostResponse>'
    return HttpResponse(201, {**headers, "Content-Type": "application/xml"}, document.encode())
