"""Writes records over gRPC with grpcio, by messages made at run time from halod's .proto file.

    python native_grpc.py HOST:PORT PROTO [TOKEN] < requests

Each line of standard input is a WriteRequest in protobuf's JSON; each line of the output is the WriteResponse,
or {"code": ..., "details": ...}.
"""

import json
import re
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

Field = descriptor_pb2.FieldDescriptorProto
SCALARS = {"string": Field.TYPE_STRING, "bool": Field.TYPE_BOOL, "uint64": Field.TYPE_UINT64}
PACKAGE = "halo.ingest.v1"


def read_proto(path):
    """As much of the language as the file uses: messages of fields, one enum inside a message."""
    text = re.sub(r"//[^\n]*", "", open(path).read())
    file = descriptor_pb2.FileDescriptorProto(name="record.proto", package=PACKAGE, syntax="proto3")
    for name, body in re.findall(r"^message (\w+) \{\n(.*?)^\}", text, re.M | re.S):
        message = file.message_type.add(name=name)
        for enum, values in re.findall(r"enum (\w+) \{(.*?)\}", body, re.S):
            added = message.enum_type.add(name=enum)
            for value, number in re.findall(r"(\w+) = (\d+);", values):
                added.value.add(name=value, number=int(number))
        for label, kind, field, number in re.findall(
            r"^  (optional |repeated )?(\w+) (\w+) = (\d+);", re.sub(r"enum \w+ \{.*?\}", "", body, flags=re.S), re.M
        ):
            added = message.field.add(name=field, number=int(number))
            added.label = Field.LABEL_REPEATED if label == "repeated " else Field.LABEL_OPTIONAL
            if kind in SCALARS:
                added.type = SCALARS[kind]
            elif kind in [enum.name for enum in message.enum_type]:
                added.type, added.type_name = Field.TYPE_ENUM, ".%s.%s.%s" % (PACKAGE, name, kind)
            else:
                added.type, added.type_name = Field.TYPE_MESSAGE, ".%s.%s" % (PACKAGE, kind)
            if label == "optional ":
                added.proto3_optional = True
                added.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name="_" + field)
    return file


def main():
    target, proto = sys.argv[1:3]
    metadata = [("authorization", "Bearer " + sys.argv[3])] if len(sys.argv) > 3 else []
    pool = descriptor_pool.DescriptorPool()
    pool.Add(read_proto(proto))
    request, response = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(PACKAGE + name))
        for name in (".WriteRequest", ".WriteResponse")
    )
    with grpc.insecure_channel(target) as channel:
        write = channel.unary_unary(
            "/halo.ingest.v1.RecordService/Write", request.SerializeToString, response.FromString
        )
        for line in sys.stdin:
            message = json_format.Parse(line, request())
            try:
                said = write(message, timeout=60, metadata=metadata, compression=grpc.Compression.Gzip)
                print(json_format.MessageToJson(said, preserving_proto_field_name=True, indent=None))
            except grpc.RpcError as error:
                print(json.dumps({"code": error.code().name, "details": error.details()}))


main()
