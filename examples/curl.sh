#!/bin/sh
# Sends one model call as OTLP/JSON, with nothing but curl.
#
#   examples/curl.sh [http://127.0.0.1:4318]
#
# The span lands in acme-corp.jsonl. Running it again sends another span; sending the same span
# again would seal nothing.
set -eu

endpoint=${1:-http://127.0.0.1:4318}
trace=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
span=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
now=$(date +%s)

curl --silent --show-error --fail-with-body "$endpoint/v1/traces" \
  --header 'content-type: application/json' --data @- <<EOF
{"resourceSpans": [{
  "resource": {"attributes": [{"key": "tenant.id", "value": {"stringValue": "acme-corp"}}]},
  "scopeSpans": [{"spans": [{
    "traceId": "$trace", "spanId": "$span", "name": "chat gpt-4o-mini", "kind": 3,
    "startTimeUnixNano": "${now}000000000", "endTimeUnixNano": "${now}250000000",
    "attributes": [
      {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
      {"key": "gen_ai.provider.name", "value": {"stringValue": "openai"}},
      {"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o-mini"}},
      {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "117"}}
    ]
  }]}]
}]}
EOF
echo
echo "sealed: trace $trace, span $span"
