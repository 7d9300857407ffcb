"""gRPC's own services, asked by grpcio's clients: grpc_standard.py ADDRESS check|watch|linger|reflect [NAME ...]

check    prints the health of each name
watch    prints the health of the name, and each change, until the stream ends
linger   opens a reflection stream and leaves it open until the server ends it
reflect  lists the services, then makes the calls that come as lines of JSON, by what reflection alone tells of them
"""

import json
import sys
import threading

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase


def word(answer):
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def check(channel, names):
    stub = health_pb2_grpc.HealthStub(channel)
    told = {}
    for name in names:
        try:
            told[name] = word(stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=20))
        except grpc.RpcError as error:
            told[name] = error.code().name
    print(json.dumps(told))


def until_it_ends(answers, show):
    try:
        for answer in answers:
            print(show(answer), flush=True)
        print("ended", flush=True)
    except grpc.RpcError as error:
        print("failed", error.code().name, flush=True)


def watch(channel, names):
    request = health_pb2.HealthCheckRequest(service=names[0] if names else "")
    until_it_ends(health_pb2_grpc.HealthStub(channel).Watch(request), word)


def linger(channel, _):
    def asks():
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        threading.Event().wait(120)

    answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(asks())
    until_it_ends(answers, lambda answer: len(answer.list_services_response.service))


def reflect(channel, _):
    database = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(database)
    answers = []
    for line in sys.stdin:
        call = json.loads(line)
        method = pool.FindServiceByName(call["service"]).FindMethodByName(call["method"])
        request = message_factory.GetMessageClass(method.input_type)()
        json_format.ParseDict(call["request"], request)
        reply = message_factory.GetMessageClass(method.output_type)
        unary = channel.unary_unary(
            f"/{call['service']}/{call['method']}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=reply.FromString,
        )
        answers.append(json_format.MessageToDict(unary(request, timeout=20)))
    print(json.dumps({"services": sorted(database.get_services()), "answers": answers}))


with grpc.insecure_channel(sys.argv[1]) as channel:
    {"check": check, "watch": watch, "linger": linger, "reflect": reflect}[sys.argv[2]](channel, sys.argv[3:])
