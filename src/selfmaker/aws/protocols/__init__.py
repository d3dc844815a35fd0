"""The protocols by botocore's names for them."""

from selfmaker.aws.protocols.base import WireProtocol
from selfmaker.aws.protocols.json import Json
from selfmaker.aws.protocols.query import Query
from selfmaker.aws.protocols.rest_json import RestJson
from selfmaker.aws.protocols.rest_xml import RestXml
from selfmaker.aws.protocols.rpc_cbor import RpcCbor

BY_NAME: dict[str, WireProtocol] = {p.name: p for p in (Json(), RestJson(), RestXml(), Query(), RpcCbor())}
