"""Hostile tokens, judged by `latchkey verify` and by an independent verifier (PyJWT).

A token that PyJWT refuses must never be accepted here. A token that PyJWT accepts and Latchkey refuses must come from a
change that stands in LAXITIES, which names what PyJWT is lax about; any other disagreement fails the test.
"""
import base64
import json
import os
import random
import subprocess
from datetime import datetime, timezone

import jwt as pyjwt
import jwt.api_jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives import hashes

NOW = 1_800_000_000
LEEWAY = 30
TENANT = "3f40cd7a-16d1-414a-b15d-b97158d31de9"
TENANT_CLAIM = "https://agglestone.com/tenantId"
ISSUER = f"https://auth.example.com/tenant/{TENANT}/v2.0/Auth"
SUBJECT = "f3e89bb2-5827-4e4b-8b33-823b48327ec7"
ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]
ROUNDS = int(os.environ.get("DIFFERENTIAL_ROUNDS", "1500"))

BUILD = os.environ.get("BUILDDIR", os.path.join(os.path.dirname(__file__), "..", "..", "build"))
LATCHKEY = os.path.join(BUILD, "latchkey")


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64_int(number, length=None):
    return b64(number.to_bytes(length or (number.bit_length() + 7) // 8, "big"))


class Signer:
    """A private key of one algorithm; signs any bytes, whatever the header says."""

    def __init__(self, alg, kid):
        self.alg, self.kid = alg, kid
        if alg in ("RS256", "PS256"):
            self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        elif alg == "ES256":
            self.key = ec.generate_private_key(ec.SECP256R1())
        else:
            self.key = ed25519.Ed25519PrivateKey.generate()

    def jwk(self):
        base = {"kid": self.kid, "alg": self.alg, "use": "sig"}
        if self.alg in ("RS256", "PS256"):
            numbers = self.key.public_key().public_numbers()
            return base | {"kty": "RSA", "n": b64_int(numbers.n), "e": b64_int(numbers.e)}
        if self.alg == "ES256":
            numbers = self.key.public_key().public_numbers()
            return base | {"kty": "EC", "crv": "P-256", "x": b64_int(numbers.x, 32), "y": b64_int(numbers.y, 32)}
        raw = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return base | {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}

    def sign(self, data):
        if self.alg == "RS256":
            return self.key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        if self.alg == "PS256":
            return self.key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        if self.alg == "ES256":
            r, s = decode_dss_signature(self.key.sign(data, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.key.sign(data)


class Draft:
    """A token under construction: every stage can be bent before the next one is made from it."""

    def __init__(self, signer):
        self.signer = signer
        self.header = {"alg": signer.alg, "typ": "JWT", "kid": signer.kid}
        self.claims = {
            "iss": ISSUER, "aud": TENANT, "sub": SUBJECT, TENANT_CLAIM: TENANT, "groups": ["a", "b"],
            "iat": NOW - 60, "nbf": NOW - 60, "exp": NOW + 600, "email": "alice@example.com",
        }
        self.header_text = lambda text: text
        self.claims_text = lambda text: text
        self.signature = lambda raw: raw
        self.part = [lambda text: text] * 3
        self.whole = lambda text: text

    def token(self):
        header = self.header_text(json.dumps(self.header, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        claims = self.claims_text(json.dumps(self.claims, ensure_ascii=False).encode("utf-8", "surrogatepass"))
        signing_input = self.part[0](b64(header)) + "." + self.part[1](b64(claims))
        signature = self.signature(self.signer.sign(signing_input.encode()))
        return self.whole(signing_input + "." + self.part[2](b64(signature)))


def claim(name, value):
    def change(draft):
        draft.claims[name] = value
    return change


def no_claim(name):
    def change(draft):
        draft.claims.pop(name, None)
    return change


def head(name, value):
    def change(draft):
        draft.header[name] = value
    return change


def no_head(name):
    def change(draft):
        draft.header.pop(name, None)
    return change


def setting(attribute, function):
    return lambda draft: setattr(draft, attribute, function)


def part(index, function):
    def change(draft):
        draft.part = draft.part[:index] + [function] + draft.part[index + 1:]
    return change


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


def bend_last_bits(text):
    """Set an unused trailing bit of the last character, where the encoding has any."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    if len(text) % 4 == 0:
        return text
    return text[:-1] + alphabet[alphabet.index(text[-1]) | 1]


def plain_base64(text):
    """Every text gets a character that base64url does not have."""
    return text.replace("-", "+").replace("_", "/") if set("-_") & set(text) else text[:-2] + "+" + text[-1]


def insert_raw(raw):
    return lambda text: text[:-1] + b"," + raw + b"}"


# Changes that leave a token good: both must accept.
GOOD = {
    "unchanged": lambda draft: None,
    "typ at+jwt": head("typ", "at+jwt"),
    "typ jwt in lower case": head("typ", "jwt"),
    "typ absent": no_head("typ"),
    "unknown header parameter": head("https://example.com/p", [1, {"a": None}]),
    "aud array": claim("aud", ["other", TENANT]),
    "exp with a fraction": claim("exp", NOW + 10.5),
    "exp at the inner edge of the leeway": claim("exp", NOW - LEEWAY + 1),
    "nbf at the inner edge": claim("nbf", NOW + LEEWAY),
    "nbf absent": no_claim("nbf"),
    "iat absent": no_claim("iat"),
    "groups absent": no_claim("groups"),
    "groups one string": claim("groups", "a"),
    "unicode claim": claim("name", "Ünïcödé 🔑"),
    "escaped member name": setting("claims_text", lambda t: t.replace(b'"sub"', b'"\\u0073ub"')),
    "escaped surrogate pair": setting("claims_text", insert_raw(b'"x":"\\ud83d\\udd11"')),
    "white space": setting("claims_text", lambda t: b" \t\r\n" + t.replace(b",", b" ,\n") + b"\n"),
    "nested to the limit": claim("x", nested(14)),
    "large number elsewhere": setting("claims_text", insert_raw(b'"x":123456789012345678901234567890')),
    "jku is ignored": head("jku", "https://attacker.example/keys"),
    "x5u is ignored": head("x5u", "https://attacker.example/cert"),
    "embedded jwk is ignored": head("jwk", {"kty": "oct", "k": "AAAA"}),
}

# Changes that make a token bad. LAXITIES says which of them PyJWT lets pass, and why that is its laxity.
BAD = {
    "alg none": lambda d: (head("alg", "none")(d), part(2, lambda t: "")(d)),
    "alg none with the signature kept": head("alg", "none"),
    "alg in lower case": lambda d: d.header.__setitem__("alg", d.header["alg"].lower()),
    "alg of another type": lambda d: d.header.__setitem__("alg", "ES256" if d.signer.alg != "ES256" else "RS256"),
    "alg RS512": head("alg", "RS512"),
    "alg HS256": head("alg", "HS256"),
    "alg null": head("alg", None),
    "alg a number": head("alg", 256),
    "alg absent": no_head("alg"),
    "kid unknown": head("kid", "nobody"),
    "kid of another key": lambda d: d.header.__setitem__("kid", "k-RS256" if d.signer.alg != "RS256" else "k-PS256"),
    "kid a number": head("kid", 1),
    "kid with NUL": head("kid", "k-RS256\0"),
    "crit": lambda d: (head("crit", ["exp"])(d), head("exp", 1)(d)),
    "crit empty": head("crit", []),
    "b64 false": head("b64", False),
    "cty JWT": head("cty", "JWT"),
    "typ of a logout token": head("typ", "logout+jwt"),
    "typ a number": head("typ", 5),
    "iss absent": no_claim("iss"),
    "iss other": claim("iss", ISSUER + "/"),
    "iss in upper case": claim("iss", ISSUER.upper()),
    "iss an array": claim("iss", [ISSUER]),
    "aud absent": no_claim("aud"),
    "aud other": claim("aud", "other"),
    "aud empty array": claim("aud", []),
    "aud with a number": claim("aud", [TENANT, 5]),
    "aud an object": claim("aud", {TENANT: 1}),
    "tenant absent": no_claim(TENANT_CLAIM),
    "tenant other": claim(TENANT_CLAIM, TENANT[:-1] + "0"),
    "tenant with NUL": claim(TENANT_CLAIM, TENANT + "\0"),
    "tenant an array": claim(TENANT_CLAIM, [TENANT]),
    "sub absent": no_claim("sub"),
    "sub other": claim("sub", "somebody-else"),
    "sub with NUL": claim("sub", SUBJECT + "\0x"),
    "sub empty": claim("sub", ""),
    "sub a number": claim("sub", 7),
    "sub an array": claim("sub", [SUBJECT]),
    "exp absent": no_claim("exp"),
    "exp past": claim("exp", NOW - 3600),
    "exp at the outer edge of the leeway": claim("exp", NOW - LEEWAY),
    "exp zero": claim("exp", 0),
    "exp a string": claim("exp", str(NOW + 600)),
    "exp null": claim("exp", None),
    "exp true": claim("exp", True),
    "exp negative": claim("exp", -1),
    "exp huge": claim("exp", 2**53 + 2),
    "exp beyond 64 bits": claim("exp", 2**70),
    "exp infinite": setting("claims_text", lambda t: t.replace(b'"exp": %d' % (NOW + 600), b'"exp": 1e400')),
    "exp Infinity": setting("claims_text", lambda t: t.replace(b'"exp": %d' % (NOW + 600), b'"exp": Infinity')),
    "exp NaN": setting("claims_text", lambda t: t.replace(b'"exp": %d' % (NOW + 600), b'"exp": NaN')),
    "nbf future": claim("nbf", NOW + LEEWAY + 1),
    "nbf a string": claim("nbf", "0"),
    "nbf null": claim("nbf", None),
    "iat future": claim("iat", NOW + LEEWAY + 1),
    "iat a string": claim("iat", "0"),
    "groups a number": claim("groups", 5),
    "groups with a number": claim("groups", ["a", 5]),
    "groups an object": claim("groups", {"a": 1}),
    "groups with NUL": claim("groups", ["a\0b"]),
    "groups too many": claim("groups", ["g"] * 1001),
    "payload an array": setting("claims_text", lambda t: b"[" + t + b"]"),
    "payload a string": setting("claims_text", lambda t: b'"x"'),
    "payload empty": setting("claims_text", lambda t: b""),
    "payload trailing bytes": setting("claims_text", lambda t: t + b"{}"),
    "payload trailing NUL": setting("claims_text", lambda t: t + b"\0"),
    "payload with a BOM": setting("claims_text", lambda t: b"\xef\xbb\xbf" + t),
    "payload duplicate sub": setting("claims_text", insert_raw(b'"sub":"' + SUBJECT.encode() + b'"')),
    "payload duplicate by escape": setting("claims_text", insert_raw(b'"\\u0073ub":"' + SUBJECT.encode() + b'"')),
    "payload nested duplicate": setting("claims_text", insert_raw(b'"x":[{"a":1,"a":2}]')),
    "payload too deep": claim("x", nested(16)),
    "payload lone surrogate escape": setting("claims_text", insert_raw(b'"x":"\\ud800"')),
    "payload overlong UTF-8": setting("claims_text", insert_raw(b'"x":"\xc0\x80"')),
    "payload surrogate in UTF-8": setting("claims_text", insert_raw(b'"x":"\xed\xa0\x80"')),
    "payload raw newline in a string": setting("claims_text", insert_raw(b'"x":"a\nb"')),
    "payload single quotes": setting("claims_text", insert_raw(b"'x':1")),
    "payload comment": setting("claims_text", lambda t: t[:-1] + b"/* */}"),
    "payload trailing comma": setting("claims_text", lambda t: t[:-1] + b",}"),
    "payload leading zero": setting("claims_text", insert_raw(b'"x":01')),
    "payload number with a bare dot": setting("claims_text", insert_raw(b'"x":1.')),
    "payload NaN elsewhere": setting("claims_text", insert_raw(b'"x":NaN')),
    "payload NUL in a member name": setting("claims_text", insert_raw(b'"a\\u0000b":1')),
    "payload UTF-16": setting("claims_text", lambda t: t.decode("utf-8", "replace").encode("utf-16-le")),
    "header duplicate alg": setting("header_text", lambda t: t[:-1] + b',"alg":"none"}'),
    "header duplicate same alg": setting("header_text", lambda t: t[:-1] + b',' + t[1:]),
    "header an array": setting("header_text", lambda t: b"[" + t + b"]"),
    "header trailing bytes": setting("header_text", lambda t: t + b" x"),
    "header with a BOM": setting("header_text", lambda t: b"\xef\xbb\xbf" + t),
    "signature empty": part(2, lambda t: ""),
    "signature zero": setting("signature", lambda s: bytes(len(s))),
    "signature cut": setting("signature", lambda s: s[:-1]),
    "signature longer": setting("signature", lambda s: s + b"\0"),
    "signature with a leading zero": setting("signature", lambda s: b"\0" + s),
    "signature bit flipped": setting("signature", lambda s: s[:9] + bytes([s[9] ^ 4]) + s[10:]),
    "signature padded": part(2, lambda t: t + "=" * (-len(t) % 4)),
    "signature in plain base64": part(2, plain_base64),
    "signature trailing bits": part(2, bend_last_bits),
    "signature with white space": part(2, lambda t: t[:20] + "\n" + t[20:]),
    "signature of another key": lambda d: setattr(d, "signature", Signer(d.signer.alg, "x").sign),
    "header padded": part(0, lambda t: t + "="),
    "payload part empty": part(1, lambda t: ""),
    "payload part with a foreign character": part(1, lambda t: t + "!"),
    "four parts": setting("whole", lambda t: t + ".AAAA"),
    "five parts": setting("whole", lambda t: t + ".AAAA.AAAA"),
    "two parts": setting("whole", lambda t: t.rsplit(".", 1)[0]),
    "leading space": setting("whole", lambda t: " " + t),
    "trailing space": setting("whole", lambda t: t + " "),
    "Bearer before it": setting("whole", lambda t: "Bearer " + t),
    "JSON serialization": setting("whole", lambda t: json.dumps(
        dict(zip(("protected", "payload", "signature"), t.split("."))))),
    "claims changed after signing": setting("whole", lambda t: t.replace(
        t.split(".")[1], b64(b'{"sub":"root"}'))),
    "longer than 16 KiB": claim("filler", "x" * 13000),
}

LAXITIES = {
    "kid with NUL": "the oracle finds its key by the part before the NUL, as a C program would",
    "crit": "PyJWT 2.6 ignores crit (RFC 7515 §4.1.11 refuses what is not understood)",
    "crit empty": "PyJWT 2.6 ignores crit (RFC 7515 §4.1.11 forbids the empty list)",
    "b64 false": "PyJWT honours b64 only for detached payloads; RFC 7797 §6 demands crit with it",
    "cty JWT": "PyJWT ignores cty; a nested token is not one of ours",
    "typ of a logout token": "PyJWT ignores typ (RFC 8725 §3.11)",
    "typ a number": "PyJWT ignores typ",
    "aud with a number": "PyJWT wants only that one member fits",
    "exp a string": "PyJWT converts with int()",
    "exp huge": "PyJWT has no upper limit",
    "exp beyond 64 bits": "PyJWT has no upper limit",
    "nbf a string": "PyJWT converts with int()",
    "iat a string": "PyJWT converts with int()",
    "groups a number": "PyJWT does not know groups",
    "groups with a number": "PyJWT does not know groups",
    "groups an object": "PyJWT does not know groups",
    "groups with NUL": "PyJWT does not know groups",
    "groups too many": "PyJWT does not know groups",
    "payload duplicate sub": "Python's json takes the last of duplicate members",
    "payload duplicate by escape": "Python's json takes the last of duplicate members",
    "payload nested duplicate": "Python's json takes the last of duplicate members",
    "payload too deep": "Python's json has a far higher limit",
    "payload lone surrogate escape": "Python's json accepts lone surrogates",
    "payload surrogate in UTF-8": "Python's json decodes with surrogatepass",
    "payload NaN elsewhere": "Python's json knows NaN",
    "payload NUL in a member name": "harmless in Python, a truncated name in C",
    "payload UTF-16": "Python's json guesses the encoding",
    "payload with a BOM": "Python's json skips it",
    "header with a BOM": "Python's json skips it",
    "header duplicate same alg": "Python's json takes the last of duplicate members",
    "signature padded": "Python's base64 accepts padding",
    "signature in plain base64": "Python's base64 takes '+' and '/' beside '-' and '_', or skips them",
    "signature trailing bits": "Python's base64 ignores the trailing bits",
    "signature with white space": "Python's base64 skips foreign characters",
    "header padded": "Python's base64 accepts padding",
    "payload part with a foreign character": "Python's base64 skips foreign characters",
    "trailing space": "Python's base64 skips foreign characters",
    "leading space": "Python's base64 skips foreign characters",
    "longer than 16 KiB": "PyJWT has no limit",
}


@pytest.fixture(scope="module")
def signers():
    return {alg: Signer(alg, f"k-{alg}") for alg in ALGORITHMS}


@pytest.fixture(scope="module")
def config(tmp_path_factory, signers):
    directory = tmp_path_factory.mktemp("differential")
    keys = directory / "keys.json"
    keys.write_text(json.dumps({"keys": [signer.jwk() for signer in signers.values()]}))
    conf = directory / "latchkey.conf"
    conf.write_text(f'''
tenant "{TENANT}" {{
    url = "https://auth.example.com"
    keys = "{keys}"
    algorithms = {{"RS256", "PS256", "ES256", "EdDSA"}}
    leeway = {LEEWAY}
}}
user "root" {{ sub = {{"{SUBJECT}"}} }}
''')
    for path in (keys, conf):
        path.chmod(0o644)
    return conf


class FrozenClock(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.fromtimestamp(NOW, timezone.utc)


def oracle_accepts(token, signers, monkeypatch):
    """PyJWT with the same demands: key by kid, algorithms, issuer, audience, exp, the tenant claim and the subject."""
    monkeypatch.setattr(jwt.api_jwt, "datetime", FrozenClock)
    try:
        kid = pyjwt.get_unverified_header(token).get("kid")
        signer = next(s for s in signers.values() if s.kid == kid.split("\0")[0])
        claims = pyjwt.decode(token, signer.key.public_key(), algorithms=[signer.alg], audience=TENANT, issuer=ISSUER,
                              leeway=LEEWAY, options={"require": ["exp", "sub", "iss", "aud"]})
        return claims.get(TENANT_CLAIM) == TENANT and claims.get("sub") == SUBJECT
    except Exception:  # whatever it stumbles over, it did not accept
        return False


def latchkey_accepts(token, config):
    result = subprocess.run([LATCHKEY, "verify", "--config", str(config), "--at", str(NOW), "--user", "root", "--json"],
                            input=token.encode("utf-8", "surrogatepass"), capture_output=True, timeout=20)
    assert result.returncode in (0, 1), result.stderr
    answer = json.loads(result.stdout)
    assert (answer["verdict"] == "accept") == (result.returncode == 0)
    assert answer["reason"] not in ("undecided", "system_error")
    return answer["verdict"] == "accept", answer["reason"]


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize("name", GOOD)
def test_both_accept_a_good_token(name, alg, signers, config, monkeypatch):
    draft = Draft(signers[alg])
    GOOD[name](draft)
    token = draft.token()
    assert oracle_accepts(token, signers, monkeypatch)
    assert latchkey_accepts(token, config) == (True, "ok")


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused_and_each_disagreement_is_a_named_laxity(name, signers, config, monkeypatch):
    for alg in ALGORITHMS:
        draft = Draft(signers[alg])
        BAD[name](draft)
        token = draft.token()
        if token == Draft(signers[alg]).token():
            continue  # the change found nothing to change in this algorithm's token
        accepted, _ = latchkey_accepts(token, config)
        assert not accepted, f"{name} with {alg}: {token}"
        if oracle_accepts(token, signers, monkeypatch):
            assert name in LAXITIES, f"{name} with {alg}: PyJWT accepts"


def test_no_laxity_is_named_for_nothing():
    assert set(LAXITIES) <= set(BAD)


def test_random_mixtures_of_changes(signers, config, monkeypatch):
    """Several changes at once, then random damage to single characters."""
    seed = int(os.environ.get("DIFFERENTIAL_SEED", "20260101"))
    chance = random.Random(seed)
    names = list(GOOD) + list(BAD)
    for number in range(ROUNDS):
        draft = Draft(signers[chance.choice(ALGORITHMS)])
        chosen = chance.sample(names, chance.choice((1, 2, 2, 3)))
        if any(name in BAD for name in chosen) and chance.random() < 0.3:
            chosen = [name for name in chosen if name in GOOD]
        for name in chosen:
            (GOOD.get(name) or BAD[name])(draft)
        try:
            token = draft.token()
        except (UnicodeError, ValueError, TypeError):
            continue
        damaged = chance.random() < 0.4
        if damaged and token:
            at = chance.randrange(len(token))
            token = token[:at] + chance.choice("AQgw.-_=+/ \n\0é") + token[at + chance.choice((0, 1)):]
        accepted, reason = latchkey_accepts(token, config)
        oracle = oracle_accepts(token, signers, monkeypatch)
        case = f"seed {seed} round {number}: {chosen} damaged={damaged} reason={reason}: {token!r}"
        if accepted:
            assert oracle, f"only Latchkey accepts: {case}"
        elif oracle and not damaged:
            assert any(name in LAXITIES for name in chosen), f"only PyJWT accepts: {case}"
