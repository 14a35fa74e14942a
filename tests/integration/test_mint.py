"""devel/mint, judged by PyJWT: its key sets and tokens are what others make."""
import json
import time

import jwt as pyjwt
import pytest
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from host import BUILD, run

MINT = BUILD / "mint"
READERS = {"RS": RSAAlgorithm, "PS": RSAAlgorithm, "ES": ECAlgorithm, "Ed": OKPAlgorithm}
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


def mint_key(directory, alg, kid="k"):
    run(MINT, "key", "--alg", alg, "--out", directory / f"{kid}.pem", "--kid", kid, "--jwks", directory / "set.json")
    return directory / f"{kid}.pem"


def mint_token(key, alg, *arguments):
    return run(MINT, "token", "--key", key, "--alg", alg, "--claims", '{"sub":"x"}', *arguments).stdout.strip()


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_token_verifies_with_the_key_of_the_set(tmp_path, alg):
    token = mint_token(mint_key(tmp_path, alg), alg, "--kid", "k", "--lifetime", "60")
    [jwk] = json.loads((tmp_path / "set.json").read_text())["keys"]
    assert (jwk["kid"], jwk["alg"], jwk["use"]) == ("k", alg, "sig") and not {"d", "p", "q", "k"} & set(jwk)
    claims = pyjwt.decode(token, READERS[alg[:2]].from_jwk(json.dumps(jwk)), algorithms=[alg])
    assert claims["sub"] == "x" and claims["exp"] - claims["iat"] == 60 and abs(claims["iat"] - time.time()) < 5


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_an_hmac_secret_is_the_file_less_one_line_end(tmp_path, alg):
    run(MINT, "key", "--alg", alg, "--out", tmp_path / "secret")
    secret = (tmp_path / "secret").read_bytes()[:-1]
    assert len(secret) == int(alg[2:]) // 8
    assert pyjwt.decode(mint_token(tmp_path / "secret", alg), secret, algorithms=[alg]) == {"sub": "x"}


def test_a_second_key_is_added_to_the_set(tmp_path):
    mint_key(tmp_path, "ES256", "first")
    mint_key(tmp_path, "RS256", "second")
    assert [key["kid"] for key in json.loads((tmp_path / "set.json").read_text())["keys"]] == ["first", "second"]


def test_the_private_key_is_for_its_owner_only_and_the_set_for_all(tmp_path):
    key = mint_key(tmp_path, "ES256")
    assert (key.stat().st_mode & 0o777, (tmp_path / "set.json").stat().st_mode & 0o777) == (0o600, 0o644)


@pytest.mark.parametrize("length", range(1000, 1008))
def test_a_token_is_padded_to_the_length_or_to_the_next_that_exists(tmp_path, length):
    token = mint_token(mint_key(tmp_path, "ES256"), "ES256", "--pad-to", length)
    assert length <= len(token) <= length + 1


def test_age_makes_an_expired_token(tmp_path):
    token = mint_token(mint_key(tmp_path, "ES256"), "ES256", "--lifetime", "60", "--age", "3600")
    assert abs(pyjwt.decode(token, options={"verify_signature": False})["exp"] - (time.time() - 3540)) < 5


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["key"], ["key", "--alg", "none", "--out", "/nonexistent"], ["key", "--alg", "ES256"],
    ["token", "--alg", "ES256", "--key", "/nonexistent", "--claims", "{}"], ["key", "--alg", "RS256", "--bits", "x"]])
def test_wrong_usage_fails_and_says_so(arguments):
    done = run(MINT, *arguments, check=False)
    assert done.returncode != 0 and done.stdout == "" and done.stderr != ""


@pytest.mark.parametrize("claims", ["[]", "{", '{"exp":1}', "@/nonexistent"])
def test_wrong_claims_fail_and_say_so(tmp_path, claims):
    key = mint_key(tmp_path, "ES256")
    done = run(MINT, "token", "--key", key, "--alg", "ES256", "--claims", claims, "--lifetime", "60", check=False)
    assert done.returncode != 0 and done.stdout == "" and done.stderr != ""
