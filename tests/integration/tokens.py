"""Keys and tokens made without any of Latchkey's code: PyJWT and python3-cryptography."""
import base64
import json
import time
import uuid

import jwt as pyjwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

TENANT = "3f40cd7a-16d1-414a-b15d-b97158d31de9"
TENANT_CLAIM = "https://agglestone.com/tenantId"
BASE_URL = "https://auth.example.com"
ISSUER = f"{BASE_URL}/tenant/{TENANT}/v2.0/Auth"
ALICE = "f3e89bb2-5827-4e4b-8b33-823b48327ec7"
BOB = "8c1d5a0e-6a54-4a63-9b1c-0a6f5f0a7d11"
BACKUP = "0d6c6f2b-93bb-4f0e-a0cb-6f5a54f6a001"
ADMIN = "c0ffee00-1111-4222-8333-444455556666"
OPS = "501b38ea-16af-4cd2-9f20-35675d2c001e"
SVC = "7b1f4f0a-8f0e-4b53-8f0d-6b7c1f0a0002"  # the one group of svc-backup

OIDC_ISSUER = "https://id.example.org"
HMAC_ISSUER = "https://hmac.example.org"
HMAC_SECRET = b"0123456789abcdef0123456789abcdef-hmac"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def payload(token):
    """The claims of a token, nothing of it verified."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def number(value, length=None):
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


class Key:
    """A private key of one algorithm."""

    def __init__(self, alg, kid, bits=2048):
        self.alg, self.kid = alg, kid
        if alg[:2] in ("RS", "PS"):
            self.private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        elif alg == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
        elif alg == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            self.private = HMAC_SECRET

    def jwk(self):
        public = self.private.public_key()
        base = {"kid": self.kid, "use": "sig", "alg": self.alg}
        if self.alg[:2] in ("RS", "PS"):
            numbers = public.public_numbers()
            return base | {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        if self.alg == "ES256":
            numbers = public.public_numbers()
            return base | {"kty": "EC", "crv": "P-256", "x": number(numbers.x, 32), "y": number(numbers.y, 32)}
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return base | {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}

    def sign(self, claims, header=None):
        headers = ({"kid": self.kid} if self.alg != "HS256" else {}) | (header or {})
        return pyjwt.encode(claims, self.private, algorithm=self.alg, headers=headers)

    def sign_to_length(self, claims, length):
        """A token of exactly so many bytes. One length in four does not exist in base64url, so the header may grow."""
        for header in ({}, {"x": "1"}, {"x": "12"}, {"x": "123"}):
            bare = len(self.sign(claims | {"filler": ""}, header))
            for filler in range(max(0, (length - bare) * 3 // 4 - 3), (length - bare) * 3 // 4 + 4):
                token = self.sign(claims | {"filler": "x" * filler}, header)
                if len(token) == length:
                    return token
        raise AssertionError(f"no {self.alg} token of {length} bytes")


def claims(sub=ALICE, lifetime=600, **changes):
    """Those of a good token of the tenant; a change to None leaves a claim out. URLs cannot be keywords: `tenant`."""
    now = int(time.time())
    all_claims = {"iss": ISSUER, "aud": TENANT, "sub": sub, TENANT_CLAIM: TENANT, "groups": [OPS],
                  "iat": now - 5, "exp": now + lifetime, "jti": str(uuid.uuid4())}
    all_claims.update(changes)
    if "tenant" in all_claims:
        all_claims[TENANT_CLAIM] = all_claims.pop("tenant")
    return {name: value for name, value in all_claims.items() if value is not None}


def short_claims(issuer, sub=ALICE, audience="host"):
    """The least that a plain OIDC issuer's tenant takes."""
    return {"iss": issuer, "aud": audience, "sub": sub, "exp": int(time.time()) + 600}


def key_set(*keys):
    return json.dumps({"keys": [key.jwk() for key in keys]})
