"""devel/tenantd, held to the contract of the tenant service by clients that share no code with it."""
import base64
import hashlib
import html.parser
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import jwt as pyjwt
import pytest
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

import tokens
from host import run, wait_until
from tenant import PASSWORDS, PROGRAM, Tenant

READERS = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}
DISCOVERY = "/v2.0/Auth/.well-known/openid-configuration"
JWKS = "/v2.0/Auth/.well-known/jwks.json"
AUTHORIZE = "/v2.0/Auth/authorize"
TOKEN = "/v2.0/Auth/token"
REFRESH = "/api/Auth/token"
ADMIN_GROUP = "5a0c1f0e-2f43-4c37-9d4e-9d0b7c9a0001"
REDIRECT = "http://127.0.0.1:49152/callback"
VERIFIER = "v" * 64
LONG_AGO = "Thu, 01 Jan 1970 00:00:00 GMT"


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Tenant(tmp_path_factory.mktemp("tenant"), "--tenant", tokens.TENANT) as tenant:
        yield tenant


@pytest.fixture
def tenant(running):
    """One for many tests: what a test changes about users and faults ends with it."""
    yield running
    running.clear()
    for sub in running.users.values():
        running.enable(sub)


@pytest.fixture
def own(tmp_path):
    """One for a test that changes more, with smaller keys."""
    with Tenant(tmp_path, "--tenant", tokens.TENANT, "--alg", "ES256") as tenant:
        yield tenant


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def api_key(tenant):
    return {"X-API-Key": tenant.api_key}


def verify(tenant, token, jwks=None, **options):
    """As a relying party does."""
    kid = pyjwt.get_unverified_header(token)["kid"]
    [jwk] = [key for key in (jwks or tenant.jwks())["keys"] if key["kid"] == kid]
    return pyjwt.decode(token, READERS[jwk["kty"]].from_jwk(json.dumps(jwk)), algorithms=[jwk["alg"]],
                        issuer=tenant.issuer, audience=tenant.tenant, **options)


# What a relying party reads


def test_discovery_names_the_issuer_and_endpoints_below_the_base(tenant):
    document = tenant.get(DISCOVERY).json()
    assert document["issuer"] == tenant.issuer == f"{tenant.url}/tenant/{tokens.TENANT}/v2.0/Auth"
    for name in ("jwks_uri", "authorization_endpoint", "token_endpoint"):
        assert document[name].startswith(tenant.base + "/")
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]
    path = urllib.parse.urlsplit(document["jwks_uri"]).path
    assert tenant.get(path).json() == tenant.jwks()


def test_the_key_set_holds_public_members_only(tenant):
    [key] = tenant.jwks()["keys"]
    assert set(key) == {"kty", "n", "e", "use", "kid", "alg"} and key["alg"] == "RS256" and key["use"] == "sig"


@pytest.mark.parametrize("path", [DISCOVERY, JWKS])
def test_an_unchanged_document_is_not_sent_again(tenant, path):
    first = tenant.get(path)
    etag, modified = first.headers["ETag"], first.headers["Last-Modified"]
    assert first.status == 200 and "max-age" in first.headers["Cache-Control"]
    for condition in ({"If-None-Match": etag}, {"If-None-Match": f'"other", W/{etag}'}, {"If-None-Match": "*"},
                      {"If-Modified-Since": modified}, {"If-None-Match": etag, "If-Modified-Since": LONG_AGO}):
        again = tenant.get(path, headers=condition)
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", etag), condition


@pytest.mark.parametrize("condition", [
    {"If-None-Match": '"other"'}, {"If-Modified-Since": LONG_AGO}, {"If-Modified-Since": "soon"},
    {"If-None-Match": '"other"', "If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}])
def test_a_document_that_the_client_does_not_have_is_sent(tenant, condition):
    assert tenant.get(JWKS, headers=condition).status == 200


def test_a_rotation_changes_both_validators_even_within_a_second(own):
    seen = [own.get(JWKS)]
    for _ in range(2):
        own.rotate()
        old = seen[-1].headers
        assert own.get(JWKS, headers={"If-None-Match": old["ETag"]}).status == 200
        assert own.get(JWKS, headers={"If-Modified-Since": old["Last-Modified"]}).status == 200
        seen.append(own.get(JWKS))


def test_the_former_key_is_published_until_the_next_rotation(own):
    first = own.token(tokens.ALICE)
    kid = own.rotate()
    second = own.token(tokens.ALICE)
    assert pyjwt.get_unverified_header(second)["kid"] == kid and len(own.jwks()["keys"]) == 2
    assert verify(own, first)["sub"] == verify(own, second)["sub"] == tokens.ALICE
    own.rotate()
    assert kid in [key["kid"] for key in own.jwks()["keys"]]
    with pytest.raises(ValueError):
        verify(own, first)


def test_a_rotation_may_drop_the_former_key_at_once(own):
    kid = own.rotate(drop=True)
    assert [key["kid"] for key in own.jwks()["keys"]] == [kid]


# The exchange of an API key


def test_an_api_key_becomes_a_token_of_the_user(tenant):
    before = int(time.time())
    reply = tenant.exchange(tokens.ALICE)
    assert reply.status == 200 and reply.headers["Cache-Control"] == "no-store"
    body = reply.json()
    assert set(body) == {"token", "tokenType", "expiresIn"}
    assert (body["tokenType"], body["expiresIn"]) == ("Bearer", 180)
    claims = verify(tenant, body["token"])
    assert claims == {
        "iss": tenant.issuer, "aud": tokens.TENANT, "sub": tokens.ALICE, "email": "alice@example.com", "name": "Alice",
        "groups": [tokens.OPS], tokens.TENANT_CLAIM: tokens.TENANT, "iat": claims["iat"], "exp": claims["iat"] + 180,
        "jti": claims["jti"]}
    assert before <= claims["iat"] <= int(time.time())
    assert tenant.exchange(tokens.ALICE).json()["token"] != body["token"]


def test_the_demo_users_are_those_of_the_other_tests(tenant):
    assert tenant.users == {"alice@example.com": tokens.ALICE, "bob@example.com": tokens.BOB,
                            "svc-backup@example.com": tokens.BACKUP, "admin@example.com": tokens.ADMIN}
    assert verify(tenant, tenant.token(tokens.ADMIN))["groups"] == [ADMIN_GROUP, tokens.OPS]
    assert verify(tenant, tenant.token(tokens.BOB))["groups"] == []


@pytest.mark.parametrize("alg, kty", [("ES256", "EC"), ("EdDSA", "OKP"), ("PS256", "RSA")])
def test_the_tenant_may_sign_with_another_algorithm(tmp_path, alg, kty):
    with Tenant(tmp_path, "--alg", alg) as tenant:
        [key] = tenant.jwks()["keys"]
        assert (key["alg"], key["kty"], tenant.alg) == (alg, kty, alg)
        assert verify(tenant, tenant.token(tokens.ALICE))["sub"] == tokens.ALICE
        assert tenant.get("/api/Users/me", headers=bearer(tenant.token(tokens.ALICE))).status == 200


def test_an_hmac_tenant_publishes_nothing_and_keeps_its_secret_in_a_file(tmp_path):
    with Tenant(tmp_path, "--alg", "HS256") as tenant:
        secrets = set()
        for _ in range(2):
            secret = open(tenant.ready["hmacSecret"], encoding="ascii").read()
            assert secret.startswith("base64url:") and secret.endswith("\n")
            raw = base64.urlsafe_b64decode(secret[len("base64url:"):].strip() + "=")
            token = tenant.token(tokens.ALICE)
            assert pyjwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
            assert pyjwt.decode(token, raw, algorithms=["HS256"], audience=tenant.tenant)["sub"] == tokens.ALICE
            assert tenant.get("/api/Users/me", headers=bearer(token)).status == 200
            assert stat.S_IMODE(os.stat(tenant.ready["hmacSecret"]).st_mode) == 0o600
            assert tenant.jwks() == {"keys": []}
            secrets.add(secret)
            tenant.rotate()
        assert len(secrets) == 2


def test_iss_and_aud_may_be_left_out_as_the_real_service_does(tmp_path):
    with Tenant(tmp_path, "--alg", "ES256", "--omit-issuer", "--omit-audience", "--exchange-lifetime", 5) as tenant:
        claims = pyjwt.decode(tenant.token(tokens.ALICE), options={"verify_signature": False})
        assert not {"iss", "aud"} & set(claims) and claims[tokens.TENANT_CLAIM] == tenant.tenant
        assert claims["exp"] - claims["iat"] == 5


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": ""}, {"X-API-Key": "lk_" + "A" * 43}])
def test_an_unknown_api_key_is_refused(tenant, headers):
    reply = tenant.post("/api/Auth/token-exchange", {"userId": tokens.ALICE}, headers=headers)
    assert reply.status == 401 and "token" not in reply.json()


def test_a_token_does_not_do_for_an_api_key(tenant):
    headers = bearer(tenant.token(tokens.ADMIN))
    assert tenant.post("/api/Auth/token-exchange", {"userId": tokens.ALICE}, headers=headers).status == 401


def test_there_is_no_token_for_who_is_not_there_or_shut_out(tenant):
    assert tenant.exchange("00000000-0000-4000-8000-000000000000").status == 404
    assert tenant.exchange("").status == 404
    tenant.disable(tokens.ALICE)
    assert tenant.exchange(tokens.ALICE).status == 404
    tenant.enable(tokens.ALICE)
    assert tenant.exchange(tokens.ALICE).status == 200


@pytest.mark.parametrize("body, content_type, status", [
    ('{"userId":1}', "application/json", 400), ("{}", "application/json", 400), ("[]", "application/json", 400),
    ('{"userId":"x"', "application/json", 400), ("", "application/json", 400),
    (json.dumps({"userId": tokens.ALICE}), "text/plain", 415),
    (json.dumps({"userId": tokens.ALICE}), "application/json; charset=utf-8", 200),
    (json.dumps({"userId": "x" * 70000}), "application/json", 413)])
def test_an_exchange_wants_a_json_object_with_the_user(tenant, body, content_type, status):
    reply = tenant.post("/api/Auth/token-exchange", body, headers={**api_key(tenant), "Content-Type": content_type})
    assert reply.status == status


# API keys


def test_a_new_key_ends_the_former_one_of_its_type(own):
    primary = own.api_key
    assert own.get("/api/APIKeys", headers=api_key(own)).json() == {
        "primaryApiKey": primary, "secondaryApiKey": None, "tenantId": tokens.TENANT}
    secondary = own.post("/api/APIKeys", {"type": "secondary"}, headers=api_key(own)).json()["apiKey"]
    assert own.exchange(tokens.ALICE, primary).status == own.exchange(tokens.ALICE, secondary).status == 200
    reply = own.post("/api/APIKeys", {"type": "primary"}, headers={"X-API-Key": secondary})
    assert set(reply.json()) == {"apiKey"}
    fresh = reply.json()["apiKey"]
    assert fresh.startswith("lk_") and len(fresh) == 46
    assert own.exchange(tokens.ALICE, primary).status == 401
    assert own.exchange(tokens.ALICE, secondary).status == own.exchange(tokens.ALICE, fresh).status == 200
    assert own.get("/api/APIKeys", headers={"X-API-Key": fresh}).json() == {
        "primaryApiKey": fresh, "secondaryApiKey": secondary, "tenantId": tokens.TENANT}


@pytest.mark.parametrize("body", [{}, {"type": "tertiary"}, {"type": None}])
def test_there_are_two_types_of_keys(tenant, body):
    before = tenant.api_key
    assert tenant.post("/api/APIKeys", body, headers=api_key(tenant)).status == 400
    assert tenant.api_key == before


@pytest.mark.parametrize("path", ["/api/APIKeys", "/api/Users", f"/api/Users/{tokens.ALICE}"])
def test_only_api_keys_and_administrators_manage(tenant, path):
    assert tenant.get(path).status == 401
    assert tenant.get(path, headers={"X-API-Key": "lk_x"}).status == 401
    assert tenant.get(path, headers=bearer("no.token.atall")).status == 401
    assert tenant.get(path, headers={"Authorization": "Basic YTpi"}).status == 401
    assert tenant.get(path, headers=bearer(tenant.token(tokens.ALICE))).status == 403
    assert tenant.get(path, headers=bearer(tenant.token(tokens.ADMIN))).status == 200
    assert tenant.get(path, headers=api_key(tenant)).status == 200
    assert tenant.post("/api/APIKeys", {"type": "primary"}, headers=bearer(tenant.token(tokens.BOB))).status == 403


# Users


def test_users_come_in_pages(tenant):
    def page(query):
        return tenant.get(f"/api/Users{query}", headers=api_key(tenant)).json()

    everyone = page("")
    assert (everyone["pageNumber"], everyone["pageSize"], everyone["totalRecords"]) == (1, 100, 4)
    assert everyone["data"][0] == {
        "userId": tokens.ALICE, "email": "alice@example.com", "displayName": "Alice", "userType": "User",
        "enabled": True, "groups": [tokens.OPS], "tenantId": tokens.TENANT}
    assert page("?pageNumber=1&pageSize=3")["data"] + page("?pageNumber=2&pageSize=3")["data"] == everyone["data"]
    beyond = page("?pageNumber=3&pageSize=3")
    assert (beyond["data"], beyond["pageNumber"], beyond["totalRecords"]) == ([], 3, 4)


@pytest.mark.parametrize("query", ["pageNumber=0", "pageNumber=-1", "pageSize=0", "pageSize=1001", "pageSize=x",
                                   "pageSize="])
def test_a_page_has_a_number_and_a_size(tenant, query):
    assert tenant.get(f"/api/Users?{query}", headers=api_key(tenant)).status == 400


def test_one_user(tenant):
    tenant.disable(tokens.BOB)
    user = tenant.get(f"/api/Users/{tokens.BOB}", headers=api_key(tenant)).json()
    assert (user["userId"], user["enabled"], user["groups"]) == (tokens.BOB, False, [])
    assert tenant.get("/api/Users/nobody", headers=api_key(tenant)).status == 404


def test_a_token_tells_who_one_is(tenant):
    token = tenant.token(tokens.ALICE)
    assert tenant.get("/api/Users/me", headers=bearer(token)).json()["userId"] == tokens.ALICE
    assert tenant.get("/api/Users/me", headers=api_key(tenant)).status == 401
    tenant.disable(tokens.ALICE)
    assert tenant.get("/api/Users/me", headers=bearer(token)).status == 401


@pytest.mark.parametrize("fault", ["other-tenant", "expired", "unsigned", "unpublished-key", "forged"])
def test_a_token_that_is_not_good_does_not_open_the_tenant_itself(tenant, fault):
    tenant.fault("exchange", fault, count=1)
    assert tenant.get("/api/Users/me", headers=bearer(tenant.token(tokens.ADMIN))).status == 401


# Paths and methods


@pytest.mark.parametrize("path", ["/", "/api", "/api/Users/a/b", "/api/Users/", "/v2.0/Auth", "/tenant/",
                                  f"/tenant/{tokens.OIDC_ISSUER}{JWKS}",
                                  f"/tenant/00000000-0000-4000-8000-000000000000{JWKS}"])
def test_other_paths_do_not_exist(tenant, path):
    assert tenant.get(path, headers=api_key(tenant)).status == 404


@pytest.mark.parametrize("method, path, allowed", [
    ("GET", "/api/Auth/token-exchange", "POST"), ("POST", JWKS, "GET"), ("DELETE", "/api/APIKeys", "POST, GET"),
    ("PUT", "/api/Users/me", "GET")])
def test_other_methods_are_not_there(tenant, method, path, allowed):
    reply = tenant.request(method, path)
    assert (reply.status, reply.headers["Allow"]) == (405, allowed)


def test_a_request_with_too_much_in_it_is_refused(tenant):
    headers = {f"X-{number}": "x" for number in range(70)}
    assert tenant.get(JWKS, headers=headers).status == 413
    assert tenant.get(JWKS, headers={"X-Long": "x" * 20000}).status == 200


@pytest.mark.parametrize("garbage", [b"\r\n\r\n", b"GET\r\n\r\n", b"\x00" * 100, b"GET / HTTP/9.9\r\n\r\n", b"x" * 300000,
                                     b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"])
def test_garbage_disturbs_nobody(tenant, garbage):
    with socket.create_connection(("127.0.0.1", tenant.port), 10) as plain:
        plain.sendall(garbage[:1000])  # where TLS should be
    with socket.create_connection(("127.0.0.1", tenant.port), 10) as tcp:
        with tenant.context().wrap_socket(tcp, server_hostname="127.0.0.1") as tls:
            try:
                tls.sendall(garbage)
            except OSError:  # it had enough before the end
                pass
    assert tenant.get(JWKS).status == 200


# Login: authorization code with PKCE


class Form(html.parser.HTMLParser):
    """What a browser would send, without what a person types."""

    def __init__(self, page):
        super().__init__()
        self.fields, self.forms, self.tags = {}, [], []
        self.feed(page.body.decode())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        if tag == "form":
            self.forms.append((attrs["method"], attrs["action"]))
        if tag == "input":
            self.fields[attrs["name"]] = attrs.get("value", "")


def challenge_of(verifier):
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def parameters(tenant, **changes):
    wanted = {"response_type": "code", "client_id": tenant.tenant, "redirect_uri": REDIRECT, "state": "a state & more",
              "scope": "openid", "code_challenge": challenge_of(VERIFIER), "code_challenge_method": "S256"} | changes
    return {name: value for name, value in wanted.items() if value is not None}


def log_in(tenant, user="alice", password=None, **changes):
    """Through the page, to the redirect's query."""
    page = tenant.get(f"{AUTHORIZE}?{urllib.parse.urlencode(parameters(tenant, **changes))}")
    assert page.status == 200, page.body
    form = Form(page)
    assert form.forms == [("post", "authorize")]
    form.fields |= {"email": f"{user}@example.com", "password": PASSWORDS[user] if password is None else password}
    return tenant.post_form(AUTHORIZE, **form.fields)


def query_of(reply):
    assert reply.status == 302 and reply.body == b"", reply.body
    uri, query = reply.headers["Location"].split("?", 1)
    assert uri == REDIRECT
    return dict(urllib.parse.parse_qsl(query, strict_parsing=True))


def redeem(tenant, code, **changes):
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "client_id": tenant.tenant,
              "code_verifier": VERIFIER} | changes
    return tenant.post_form(TOKEN, **{name: value for name, value in fields.items() if value is not None})


def refresh(tenant, token, path=TOKEN, **changes):
    fields = {"grant_type": "refresh_token", "refresh_token": token, "client_id": tenant.tenant} | changes
    return tenant.post_form(path, **{name: value for name, value in fields.items() if value is not None})


def first_tokens(tenant, user="alice"):
    reply = redeem(tenant, query_of(log_in(tenant, user))["code"])
    assert reply.status == 200, reply.body
    return reply.json()


def test_a_person_logs_in_and_gets_tokens(tenant):
    query = query_of(log_in(tenant, nonce="n-0S6"))
    assert set(query) == {"code", "state"} and query["state"] == "a state & more"
    reply = redeem(tenant, query["code"])
    body = reply.json()
    assert reply.headers["Cache-Control"] == "no-store"
    assert set(body) == {"access_token", "token_type", "expires_in", "refresh_token", "id_token"}
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 900)
    claims = verify(tenant, body["access_token"])
    assert claims["sub"] == tokens.ALICE and claims["exp"] - claims["iat"] == 900
    assert verify(tenant, body["id_token"])["nonce"] == "n-0S6"
    assert tenant.get("/api/Users/me", headers=bearer(body["access_token"])).json()["userId"] == tokens.ALICE


def test_a_code_works_once(tenant):
    code = query_of(log_in(tenant))["code"]
    assert redeem(tenant, code).status == 200
    again = redeem(tenant, code)
    assert (again.status, again.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("changes", [
    {"code_verifier": "w" * 64}, {"code_verifier": None}, {"code_verifier": "v" * 42}, {"code_verifier": "v" * 129},
    {"redirect_uri": "http://127.0.0.1:49153/callback"}, {"redirect_uri": None}])
def test_a_code_needs_its_verifier_and_redirect_uri_and_has_one_try(tenant, changes):
    code = query_of(log_in(tenant))["code"]
    reply = redeem(tenant, code, **changes)
    assert (reply.status, reply.json()["error"]) == (400, "invalid_grant")
    assert redeem(tenant, code).status == 400


@pytest.mark.parametrize("length", [43, 128])
def test_verifiers_of_both_lengths_at_the_limit_are_taken(tenant, length):
    code = query_of(log_in(tenant, code_challenge=challenge_of("x" * length)))["code"]
    assert redeem(tenant, code, code_verifier="x" * length).status == 200


def test_a_wrong_password_leads_back_to_the_page(tenant):
    for user, password in (("alice", "wrong"), ("alice", ""), ("alice", PASSWORDS["bob"])):
        reply = log_in(tenant, user, password)
        assert reply.status == 401 and "Location" not in reply.headers
        assert Form(reply).fields["email"] == "alice@example.com" and "wrong" not in reply.body.decode()
    tenant.disable(tokens.ALICE)
    assert log_in(tenant).status == 401


@pytest.mark.parametrize("changes, error", [
    ({"response_type": "token"}, "unsupported_response_type"), ({"response_type": None}, "unsupported_response_type"),
    ({"code_challenge": None}, "invalid_request"), ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"), ({"code_challenge_method": None}, "invalid_request")])
def test_a_request_without_pkce_goes_back_with_an_error(tenant, changes, error):
    reply = tenant.get(f"{AUTHORIZE}?{urllib.parse.urlencode(parameters(tenant, **changes))}")
    assert query_of(reply) == {"error": error, "state": "a state & more"}


@pytest.mark.parametrize("changes", [
    {"client_id": "other"}, {"client_id": None}, {"redirect_uri": None},
    {"redirect_uri": "https://evil.example/callback"}, {"redirect_uri": "http://127.0.0.1.evil.example:1/callback"},
    {"redirect_uri": "http://127.0.0.1:1@evil/callback"},
    {"redirect_uri": "http://127.0.0.1:/callback"}, {"redirect_uri": "http://127.0.0.1:123456/callback"},
    {"redirect_uri": "http://127.0.0.1:1/callback?x"}, {"redirect_uri": "https://127.0.0.1:1/callback"}])
def test_nobody_is_sent_to_an_address_that_is_not_registered(tenant, changes):
    query = urllib.parse.urlencode(parameters(tenant, **changes))
    fields = parameters(tenant, **changes) | {"email": "alice@example.com", "password": PASSWORDS["alice"]}
    for reply in (tenant.get(f"{AUTHORIZE}?{query}"), tenant.post_form(AUTHORIZE, **fields)):
        assert reply.status == 400 and "Location" not in reply.headers


@pytest.mark.parametrize("uri", ["http://[::1]:8400/callback", "http://localhost:1/callback",
                                 "http://127.0.0.1:65535/"])
def test_an_application_on_the_same_machine_takes_any_port(tenant, uri):
    reply = log_in(tenant, redirect_uri=uri)
    assert reply.status == 302 and reply.headers["Location"].startswith(uri + "?code=")


def test_what_comes_in_a_request_makes_no_html(tenant):
    evil = "\"'><script>alert(1)</script>&amp;"
    page = tenant.get(f"{AUTHORIZE}?{urllib.parse.urlencode(parameters(tenant, state=evil, login_hint=evil))}")
    form = Form(page)
    assert "script" not in form.tags and form.fields["state"] == form.fields["email"] == evil


def test_a_parameter_that_comes_twice_counts_for_nothing(tenant):
    code = query_of(log_in(tenant))["code"]
    body = urllib.parse.urlencode([("grant_type", "authorization_code"), ("code", code), ("code", code),
                                   ("redirect_uri", REDIRECT), ("client_id", tenant.tenant),
                                   ("code_verifier", VERIFIER)])
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert tenant.post(TOKEN, body, headers=headers).json()["error"] == "invalid_grant"


# Refreshing


@pytest.mark.parametrize("path", [TOKEN, REFRESH])
def test_a_refresh_token_is_replaced_and_dead(tenant, path):
    first = first_tokens(tenant)
    reply = refresh(tenant, first["refresh_token"], path)
    body = reply.json()
    assert reply.status == 200 and set(body) == set(first) and body["expires_in"] == 900
    assert body["refresh_token"] != first["refresh_token"]
    assert verify(tenant, body["access_token"])["sub"] == tokens.ALICE
    dead = refresh(tenant, first["refresh_token"], path)
    assert (dead.status, dead.json()["error"]) == (400, "invalid_grant")
    assert refresh(tenant, body["refresh_token"], path).status == 200


@pytest.mark.parametrize("path, changes, status, error", [
    (TOKEN, {"refresh_token": "rt_x"}, 400, "invalid_grant"), (TOKEN, {"refresh_token": None}, 400, "invalid_grant"),
    (TOKEN, {"client_id": "other"}, 401, "invalid_client"), (REFRESH, {"client_id": None}, 401, "invalid_client"),
    (TOKEN, {"grant_type": "password"}, 400, "unsupported_grant_type"),
    (REFRESH, {"grant_type": "authorization_code"}, 400, "unsupported_grant_type")])
def test_a_refresh_that_is_not_good_is_refused_by_its_name(tenant, path, changes, status, error):
    reply = refresh(tenant, "rt_unknown", path, **changes)
    assert (reply.status, reply.json()["error"]) == (status, error)


def test_who_is_shut_out_refreshes_no_more(tenant):
    token = first_tokens(tenant)["refresh_token"]
    tenant.disable(tokens.ALICE)
    assert refresh(tenant, token).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("body, content_type", [
    ("{}", "application/json"), ("a=%zz", "application/x-www-form-urlencoded"),
    ("a=%4", "application/x-www-form-urlencoded")])
def test_a_token_request_is_a_form(tenant, body, content_type):
    assert tenant.post(TOKEN, body, headers={"Content-Type": content_type}).json()["error"] == "invalid_request"


# The state


def test_a_restart_forgets_nothing(own):
    refresh_token = first_tokens(own)["refresh_token"]
    key, keys, token = own.api_key, own.jwks(), own.token(tokens.ALICE)
    secondary = own.post("/api/APIKeys", {"type": "secondary"}, headers=api_key(own)).json()["apiKey"]
    authority = own.ca.read_bytes()
    own.disable(tokens.BOB)
    own.restart()
    assert own.tenant == tokens.TENANT and own.jwks() == keys and own.ca.read_bytes() == authority
    assert own.exchange(tokens.ALICE, key).status == own.exchange(tokens.ALICE, secondary).status == 200
    assert own.exchange(tokens.BOB).status == 404
    assert own.get("/api/Users/me", headers=bearer(token)).status == 200
    assert refresh(own, refresh_token).status == 200
    assert refresh(own, refresh_token).status == 400


def test_a_restart_with_another_key_is_seen_by_who_kept_the_documents(own):
    documents = {path: own.get(path).headers for path in (DISCOVERY, JWKS)}
    time.sleep(1)  # Last-Modified counts in seconds
    own.restart("--alg", "EdDSA", same_port=True)
    for path, headers in documents.items():
        assert own.get(path, headers={"If-None-Match": headers["ETag"]}).status == 200
        assert own.get(path, headers={"If-Modified-Since": headers["Last-Modified"]}).status == 200


def test_a_killed_process_leaves_a_state_that_serves(own):
    kid = own.rotate()
    assert own.stop(signal.SIGKILL) == -signal.SIGKILL
    own.start(*own.options)
    assert pyjwt.get_unverified_header(own.token(tokens.ALICE))["kid"] == kid


def test_the_state_is_for_its_owner_only(own):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in own.directory.iterdir()}
    assert modes == {"state.json": 0o600, "ca.key": 0o600, "ca.pem": 0o644, "control": 0o600}
    assert stat.S_IMODE(own.directory.stat().st_mode) == 0o700


def test_a_tenant_without_a_name_gets_a_random_one(tmp_path):
    ids = set()
    for name in ("a", "b"):
        with Tenant(tmp_path / name, "--alg", "ES256") as tenant:
            ids.add(tenant.tenant)
    assert len(ids) == 2


def test_people_are_added_by_editing_the_state(own):
    own.stop()
    state = own.saved()
    template = state["users"][0]
    for number in range(250):
        user = {"userId": f"00000000-0000-4000-8000-{number:012}", "email": f"{number}@example.org"}
        state["users"].append(template | user)
    own.state.write_text(json.dumps(state))
    own.start(*own.options)
    page = own.get("/api/Users?pageNumber=3&pageSize=100", headers=api_key(own)).json()
    assert len(page["data"]) == 54 and page["totalRecords"] == 254
    assert own.exchange("00000000-0000-4000-8000-000000000249").status == 200


@pytest.mark.parametrize("spoil, complaint", [
    (lambda state: state | {"tenant": "x"}, "tenant is not a UUID"),
    (lambda state: state | {"users": [{}]}, "users[0] is not a user"),
    (lambda state: state | {"apiKeys": {"primary": 1}}, "apiKeys"),
    (lambda state: state | {"refreshTokens": [1]}, "refreshTokens[0]"),
    (lambda state: state | {"keys": {}}, "keys holds no signing keys"),
    (lambda state: state | {"tenant": "00000000-0000-4000-8000-000000000000"}, "is of tenant 0000")])
def test_a_broken_state_is_not_served_and_stays_as_it_is(own, spoil, complaint):
    own.stop()
    spoilt = json.dumps(spoil(own.saved()))
    own.state.write_text(spoilt)
    with pytest.raises(AssertionError, match="does not start"):
        own.start(*own.options)
    assert complaint in own.messages() and own.state.read_text() == spoilt


def test_a_state_that_others_may_read_is_refused(own):
    own.stop()
    own.state.chmod(0o644)
    with pytest.raises(AssertionError, match="readable by group or others"):
        own.start(*own.options)


# Certificates and TLS


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_good_certificate_is_good(tenant, host):
    url = f"https://{host}:{tenant.port}/tenant/{tenant.tenant}{JWKS}"
    with urllib.request.urlopen(url, context=tenant.context()) as reply:
        assert reply.status == 200


@pytest.mark.parametrize("kind, complaint", [
    ("untrusted", "unable to get local issuer certificate|certificate signature"),
    ("expired", "certificate has expired"), ("wrong-name", "IP address mismatch")])
def test_a_bad_certificate_is_bad_in_one_way_only(tmp_path, kind, complaint):
    with Tenant(tmp_path, "--alg", "ES256", "--certificate", kind) as tenant:
        with pytest.raises(ssl.SSLCertVerificationError, match=complaint):
            tenant.get(JWKS)
        stats = tenant.stats()
        assert (stats["connections"], stats["sessions"], stats["requests"]["jwks"]) == (1, 0, 0)
        tenant.restart("--certificate", "good")
        assert tenant.get(JWKS).status == 200


@pytest.mark.parametrize("version, is_spoken", [("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)])
def test_old_tls_is_not_spoken(tenant, version, is_spoken):
    done = run("openssl", "s_client", version, "-cipher", "DEFAULT:@SECLEVEL=0", "-CAfile", tenant.ca,
               "-verify_return_error", "-connect", f"127.0.0.1:{tenant.port}", check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode == 0) == is_spoken, done.stderr


# Faults


def took(action):
    start = time.monotonic()
    result = action()
    return time.monotonic() - start, result


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_status_is_given_as_often_as_planned(tenant, status):
    tenant.fault("exchange", "status", status=status, count=2)
    assert [tenant.exchange(tokens.ALICE).status for _ in range(3)] == [status, status, 200]


def test_a_fault_without_a_count_holds_until_it_is_cleared(tenant):
    tenant.fault("jwks", "status", status=429, retry_after=7)
    for _ in range(3):
        reply = tenant.get(JWKS)
        assert (reply.status, reply.headers["Retry-After"]) == (429, "7")
    assert tenant.get(DISCOVERY).status == 200
    tenant.clear("jwks")
    assert tenant.get(JWKS).status == 200


def test_a_fault_of_an_endpoint_goes_before_one_of_all(tenant):
    tenant.fault("*", "status", status=500)
    tenant.fault("users", "status", status=503)
    assert tenant.get("/api/Users").status == 503
    assert [tenant.get(path).status for path in (JWKS, DISCOVERY, AUTHORIZE, "/api/APIKeys", "/none")] == [500] * 5
    assert tenant.exchange(tokens.ALICE).status == refresh(tenant, "x").status == 500
    tenant.clear("*")
    assert (tenant.get(JWKS).status, tenant.get("/api/Users").status) == (200, 503)


def test_a_planned_failure_changes_nothing_in_the_state(tenant):
    token = first_tokens(tenant)["refresh_token"]
    tenant.fault("token", "status", count=1)
    assert refresh(tenant, token).status == 503
    assert refresh(tenant, token).status == 200


def test_a_redirect_leads_where_it_was_told_to(tenant):
    tenant.fault("jwks", "redirect", text="https://evil.example/jwks")
    reply = tenant.get(JWKS)
    assert (reply.status, reply.headers["Location"]) == (302, "https://evil.example/jwks")
    tenant.fault("jwks", "redirect", text="/elsewhere", status=307)
    assert tenant.get(JWKS).status == 307


def test_a_body_may_be_given_in_full(tenant):
    tenant.fault("exchange", "body", text='{"token":5,"tokenType":"Bearer"}')
    reply = tenant.exchange(tokens.ALICE)
    assert (reply.status, reply.json()) == (200, {"token": 5, "tokenType": "Bearer"})


def test_a_huge_body_is_json_of_the_length_that_was_asked_for(tenant):
    tenant.fault("jwks", "huge", bytes=3000000)
    reply = tenant.get(JWKS)
    assert len(reply.body) == 3000000 == int(reply.headers["Content-Length"]) and set(reply.json()) == {"filler"}


def test_a_huge_body_may_have_no_end(tenant):
    tenant.fault("jwks", "huge")
    connection = tenant.connect()
    connection.request("GET", f"/tenant/{tenant.tenant}{JWKS}")
    reply = connection.getresponse()
    assert reply.getheader("Content-Length") is None
    assert len(reply.read(5000000)) == 5000000
    connection.close()


def test_a_slow_body_comes_bit_by_bit_and_whole(tenant):
    whole = tenant.get(JWKS).body
    tenant.fault("jwks", "slow-body", seconds=1, count=1)
    connection = tenant.connect()
    connection.request("GET", f"/tenant/{tenant.tenant}{JWKS}")
    reply = connection.getresponse()
    parts = []
    seconds, _ = took(lambda: [parts.append(part) for part in iter(lambda: reply.read1(65536), b"")])
    connection.close()
    assert b"".join(parts) == whole and len(parts) > 20 and 0.8 < seconds < 5


def test_a_slow_or_missing_answer_keeps_nobody_else_waiting(tenant):
    tenant.fault("exchange", "never")
    tenant.fault("jwks", "slow-body", seconds=60)
    waiting = [tenant.connect(timeout=60) for _ in range(2)]
    for connection, path in zip(waiting, (JWKS, "/api/Auth/token-exchange")):
        connection.request("GET" if path == JWKS else "POST", f"/tenant/{tenant.tenant}{path}")
    seconds, reply = took(lambda: tenant.get(DISCOVERY))
    assert reply.status == 200 and seconds < 5
    for connection in waiting:
        connection.close()


def test_a_missing_answer_runs_into_the_time_limit_of_the_client(tenant):
    tenant.fault("exchange", "never", count=1)
    with pytest.raises(TimeoutError):
        tenant.exchange(tokens.ALICE, timeout=0.5)
    assert tenant.exchange(tokens.ALICE).status == 200


def read_until_reset(tenant, path):
    """The bytes that came before the reset. TLS over a TCP socket of our own: Python's takes a reset for an end."""
    incoming, outgoing, answer = ssl.MemoryBIO(), ssl.MemoryBIO(), b""
    tls = tenant.context().wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", tenant.port), 10) as tcp:
        def until_done(step):
            while True:
                try:
                    return step()
                except ssl.SSLWantReadError:
                    tcp.sendall(outgoing.read())
                    incoming.write(tcp.recv(65536)) or incoming.write_eof()

        until_done(tls.do_handshake)
        tls.write(f"GET /tenant/{tenant.tenant}{path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        try:
            while True:
                answer += until_done(lambda: tls.read(65536))
        except ConnectionResetError:
            return answer


def test_a_reset_is_a_reset_and_no_end(tenant):
    tenant.fault("jwks", "reset", count=1)
    assert read_until_reset(tenant, JWKS) == b""


def test_a_reset_midway_comes_after_the_header_and_half_of_the_body(tenant):
    whole = tenant.get(JWKS).body
    tenant.fault("jwks", "reset-midway", count=1)
    header, body = read_until_reset(tenant, JWKS).split(b"\r\n\r\n")
    assert header.startswith(b"HTTP/1.1 200") and f"Content-Length: {len(whole)}".encode() in header
    assert body == whole[:len(whole) // 2]


def test_what_is_wrong_with_a_body_is_wrong_with_a_good_one(tenant):
    tenant.fault("jwks", "content-type", count=1)
    tenant.fault("discovery", "content-type", text="application/jwt", count=1)
    reply = tenant.get(JWKS)
    assert reply.headers.get_content_type() == "text/html" and json.loads(reply.body) == tenant.jwks()
    assert reply.headers.get_all("Content-Type") == ["text/html"]
    assert tenant.get(DISCOVERY).headers.get_content_type() == "application/jwt"
    whole = tenant.get(JWKS).body
    tenant.fault("jwks", "broken-json", count=1)
    reply = tenant.get(JWKS)
    assert (reply.status, reply.body) == (200, whole[:-1])
    tenant.fault("jwks", "empty", count=1)
    reply = tenant.get(JWKS)
    assert (reply.status, reply.body, reply.headers.get_content_type()) == (200, b"", "application/json")


def test_a_kept_connection_may_end_unannounced(tenant):
    tenant.fault("jwks", "hang-up", count=1)
    connection = tenant.connect()
    connection.request("GET", f"/tenant/{tenant.tenant}{JWKS}")
    reply = connection.getresponse()
    assert reply.status == 200 and reply.getheader("Connection") is None and json.loads(reply.read())["keys"]
    with pytest.raises((ConnectionError, ssl.SSLError)):
        for _ in range(2):  # the first may still be taken by the kernel
            connection.sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            if not connection.sock.recv(1):
                raise ConnectionError
    connection.close()


def test_a_slow_connect_is_taken_at_once_and_speaks_tls_late(tenant):
    tenant.fault("connection", "slow-connect", seconds=1, count=1)
    with socket.create_connection(("127.0.0.1", tenant.port), 0.5):
        pass  # TCP is there
    tenant.fault("connection", "slow-connect", seconds=1)
    with pytest.raises(TimeoutError):
        tenant.get(JWKS, timeout=0.3)
    seconds, reply = took(lambda: tenant.get(JWKS))
    assert reply.status == 200 and 0.9 < seconds < 5


def test_others_connect_while_one_waits(tenant):
    tenant.fault("connection", "slow-connect", seconds=30, count=1)
    with socket.create_connection(("127.0.0.1", tenant.port)):
        tenant.stats()
        seconds, reply = took(lambda: tenant.get(JWKS))
        assert reply.status == 200 and seconds < 5


@pytest.mark.parametrize("fault, error", [("never", TimeoutError), ("reset", ConnectionResetError),
                                          ("no-tls", (ssl.SSLError, ConnectionResetError))])
def test_a_connection_may_never_come_to_tls(tenant, fault, error):
    tenant.fault("connection", fault, count=1)
    with pytest.raises(error):
        tenant.get(JWKS, timeout=1)
    assert tenant.get(JWKS).status == 200


def test_more_connections_than_are_held_end_the_oldest(tenant):
    tenant.fault("connection", "never", count=65)
    clients = [socket.create_connection(("127.0.0.1", tenant.port), 5) for _ in range(65)]
    assert clients[0].recv(1) == b""
    clients[1].settimeout(0.2)
    with pytest.raises(TimeoutError):
        clients[1].recv(1)
    for client in clients:
        client.close()


# Faults of tokens, seen by a relying party


def test_a_token_of_another_user(tenant):
    tenant.fault("exchange", "other-user", count=2)
    assert verify(tenant, tenant.token(tokens.ALICE))["sub"] == tokens.BOB
    assert verify(tenant, tenant.token(tokens.BACKUP))["sub"] == tokens.ALICE


def test_a_token_of_another_tenant(tenant):
    tenant.fault("exchange", "other-tenant", count=1)
    token = tenant.token(tokens.ALICE)
    [jwk] = tenant.jwks()["keys"]
    claims = pyjwt.decode(token, RSAAlgorithm.from_jwk(json.dumps(jwk)), algorithms=["RS256"],
                          options={"verify_aud": False})
    other = claims[tokens.TENANT_CLAIM]
    assert other != tokens.TENANT and claims["aud"] == other and claims["sub"] == tokens.ALICE
    assert claims["iss"] == tenant.issuer.replace(tokens.TENANT, other)


def test_an_expired_token(tenant):
    tenant.fault("exchange", "expired", count=1)
    token = tenant.token(tokens.ALICE)
    with pytest.raises(pyjwt.ExpiredSignatureError):
        verify(tenant, token)
    claims = verify(tenant, token, options={"verify_exp": False})
    assert claims["exp"] - claims["iat"] == 180 and abs(time.time() - 3600 - claims["exp"]) < 10


def test_an_unsigned_token(tenant):
    tenant.fault("exchange", "unsigned", count=1)
    token = tenant.token(tokens.ALICE)
    assert pyjwt.get_unverified_header(token) == {"alg": "none", "typ": "JWT"} and token.endswith(".")
    assert pyjwt.decode(token, options={"verify_signature": False})["sub"] == tokens.ALICE


def test_a_token_of_an_unpublished_key(tenant):
    tenant.fault("exchange", "unpublished-key", count=1)
    header = pyjwt.get_unverified_header(tenant.token(tokens.ALICE))
    assert header["alg"] == "RS256" and header["kid"] not in [key["kid"] for key in tenant.jwks()["keys"]]


def test_a_token_that_only_claims_a_published_key(tenant):
    tenant.fault("exchange", "forged", count=1)
    with pytest.raises(pyjwt.InvalidSignatureError):
        verify(tenant, tenant.token(tokens.ALICE))


def test_a_refreshed_token_may_be_spoilt_too(tenant):
    first = first_tokens(tenant)
    tenant.fault("token", "other-user", count=1)
    assert verify(tenant, refresh(tenant, first["refresh_token"]).json()["access_token"])["sub"] == tokens.BOB


# The control door


def test_requests_and_connections_are_counted(own):
    connection = own.connect()
    for _ in range(3):
        connection.request("GET", f"/tenant/{own.tenant}{JWKS}")
        connection.getresponse().read()
    connection.close()
    own.exchange(tokens.ALICE)
    own.get("/nothing")
    with socket.create_connection(("127.0.0.1", own.port)):
        wait_until(lambda: own.stats()["connections"] == 4, "the fourth connection is counted")
    stats = own.stats()
    assert (stats["connections"], stats["sessions"]) == (4, 3)
    asked = {name: count for name, count in stats["requests"].items() if count}
    assert asked == {"jwks": 3, "exchange": 1, "unknown": 1}


def test_the_last_request_is_told_once(tenant):
    tenant.exchange(tokens.BOB)
    last = tenant.last("exchange")
    assert (last["method"], last["status"]) == ("POST", 200) and last["path"].endswith("/api/Auth/token-exchange")
    assert last["headers"]["X-API-Key"] == tenant.api_key and json.loads(last["body"]) == {"userId": tokens.BOB}
    assert tenant.last("exchange") is None
    tenant.get("/api/Users?pageSize=2&a=%C3%A9")
    assert tenant.last("users")["query"] == {"pageSize": "2", "a": "é"}
    tenant.post(JWKS, b"\xff\x00", headers={"X-Strange": b"\xff"})
    last = tenant.last("jwks")
    assert last["body"] is None and last["headers"]["X-Strange"] is None


def test_the_log_holds_neither_keys_nor_tokens_nor_paths(own):
    token, key = own.token(tokens.ALICE), own.api_key
    own.get(f"/api/Users/{key}", headers=bearer(token))
    refresh_token = first_tokens(own)["refresh_token"]
    own.fault("jwks", "empty")
    own.get(JWKS)
    own.stop()
    assert own.messages().splitlines()[:2] == ["tenantd: exchange 200", "tenantd: users 403"]
    assert "tenantd: jwks 200 fault=empty" in own.messages()
    assert not [word for word in (token, key, refresh_token, "/api", tokens.TENANT) if word in own.messages()]


@pytest.mark.parametrize("command", [
    "", "nonsense", "fault", "fault jwks", "fault nowhere status", "fault jwks nothing", "fault jwks none",
    "fault jwks status status", "fault jwks status status=99", "fault jwks status status=600",
    "fault jwks status count=-1", "fault jwks status count=", "fault jwks status count=99999999999999999999",
    "fault jwks status colour=red", "fault jwks redirect", "fault jwks expired", "fault * unsigned",
    "fault jwks slow-connect", "fault connection status",
    "fault * slow-connect", "clear nowhere", "rotate twice", "last", "last connection", "last nowhere", "disable",
    "disable nobody", "enable nobody", "fault jwks body text=" + "x" * 1024, "fault \u0001", "x" * 5000])
def test_a_command_that_is_not_understood_is_refused_and_does_nothing(tenant, command):
    before = tenant.saved()
    with pytest.raises(ValueError):
        tenant.tell(command)
    assert tenant.saved() == before and tenant.get(JWKS).status == 200


def test_a_command_may_be_told_from_a_shell(tenant):
    def tell(*words):
        return run(PROGRAM, "--tell", "--state", tenant.directory, *words, check=False)

    done = tell("fault", "jwks", "status", "status=404")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"ok": True})
    assert tenant.get(JWKS).status == 404
    done = tell("fault", "jwks", "nothing")
    assert done.returncode == 1 and json.loads(done.stdout)["ok"] is False
    assert json.loads(tell("stats").stdout)["requests"]["jwks"] > 0


def test_nobody_is_there_to_be_told(tmp_path):
    done = run(PROGRAM, "--tell", "--state", tmp_path, "stats", check=False)
    assert done.returncode == 1 and done.stdout == "" and done.stderr != ""


def test_a_client_that_says_nothing_does_not_keep_the_door_shut(tenant):
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(os.path.relpath(tenant.control))
        seconds, _ = took(tenant.stats)
    assert seconds < 5


# Life


def test_it_ends_in_order_whatever_it_waits_for(own):
    own.fault("jwks", "never")
    own.fault("discovery", "slow-body", seconds=600)
    own.fault("users", "huge")
    clients = [own.connect() for _ in range(4)]
    for client, path in zip(clients, (JWKS, DISCOVERY, "/api/Users", "/api/APIKeys")):
        client.request("GET", f"/tenant/{own.tenant}{path}")
    own.fault("connection", "never")
    held = socket.create_connection(("127.0.0.1", own.port))
    wait_until(lambda: own.stats()["connections"] == 5 and sum(own.stats()["requests"].values()) == 4, "all have come")
    seconds, status = took(own.stop)
    assert status == 0 and seconds < 10 and not own.control.exists()
    for client in (*clients, held):
        client.close()


def test_many_clients_at_once_get_their_own_answers(own):
    key, subs = own.api_key, list(own.users.values())
    wrong = []

    def ask(sub):
        for _ in range(10):
            claims = pyjwt.decode(own.exchange(sub, key).json()["token"], options={"verify_signature": False})
            if claims["sub"] != sub:
                wrong.append(claims)

    threads = [threading.Thread(target=ask, args=(subs[number % len(subs)],)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and own.requests("exchange") == 120


def test_it_may_listen_on_ipv6_and_call_itself_something_else(tmp_path):
    with Tenant(tmp_path, "--alg", "ES256", "--bind", "::1") as tenant:
        assert tenant.url == f"https://[::1]:{tenant.port}"
        tenant.restart("--url", "https://auth.example.com")
        assert tenant.issuer == f"https://auth.example.com/tenant/{tenant.tenant}/v2.0/Auth"


@pytest.mark.parametrize("arguments", [
    [], ["--state"], ["--nonsense"], ["--state", "x", "--tenant", "X"], ["--state", "x", "--port", "65536"],
    ["--state", "x", "--certificate", "odd"], ["--state", "x", "word"], ["--tell", "--state", "x"],
    ["--state", "x", "--exchange-lifetime", "-1"]])
def test_wrong_usage_fails_and_says_so(arguments):
    done = run(PROGRAM, *arguments, check=False)
    assert done.returncode == 2 and done.stdout == "" and done.stderr != ""


@pytest.mark.parametrize("arguments", [["--alg", "none"], ["--bind", "nowhere"], ["--bind", "192.0.2.1"]])
def test_what_cannot_be_done_ends_with_a_message(tmp_path, arguments):
    done = run(PROGRAM, "--state", tmp_path / "state", *arguments, check=False)
    assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith("tenantd: ")


def test_help_lists_what_can_be_planned():
    text = run(PROGRAM, "--help").stdout
    for word in ("exchange", "connection", "slow-connect", "reset-midway", "forged", "rotate [drop]", "wrong-name"):
        assert word in text
