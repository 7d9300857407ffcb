"""Calls a gRPC service that has no room, from many threads over one connection, and counts the codes.

    python grpc_overload.py HOST:PORT MESSAGE SECONDS
"""

import collections
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def main():
    target, message, seconds = sys.argv[1], open(sys.argv[2], "rb").read(), float(sys.argv[3])
    until = time.monotonic() + seconds
    with grpc.insecure_channel(target) as channel:
        export = channel.unary_unary(EXPORT)

        def calls(_):
            codes = collections.Counter()
            while time.monotonic() < until:
                try:
                    export(message, timeout=30)
                    codes["OK"] += 1
                except grpc.RpcError as error:
                    codes[error.code().name] += 1
            return codes

        with ThreadPoolExecutor(32) as pool:
            codes = sum(pool.map(calls, range(32)), collections.Counter())
    print(json.dumps(codes))


main()
