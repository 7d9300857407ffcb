#!/bin/sh
# Whether the first signature of a note (C2SP signed-note) is that of an Ed25519 verifier key, by OpenSSL 3 alone:
#   openssl_note.sh NOTE VKEY
set -eu
note=$1 vkey=$2
# SubjectPublicKeyInfo of Ed25519 (RFC 8410) is twelve fixed bytes and the last 32 of the key's.
{
    printf '\060\052\060\005\006\003\053\145\160\003\041\000'
    printf '%s' "${vkey##*+}" | openssl base64 -d -A | tail -c 32
} | openssl pkey -pubin -inform DER -out key.pem
sed '/^$/,$d' "$note" >body
sed -n '/^— /{s/.* //p;q}' "$note" | tr -d '\n' | openssl base64 -d -A | tail -c 64 >sig
openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in body -sigfile sig
