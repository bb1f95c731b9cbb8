"""docs/openapi.yaml is valid, names the routes that there are, and describes the answers that are given."""

import copy
import json
import os
import subprocess

import pytest
import yaml
from daemon import BUILD, PATIENCE, ROOT, Daemon, Problem

DOCUMENT = os.path.join(ROOT, "docs/openapi.yaml")
TOOLS = os.path.join(ROOT, "build/venv/bin")  # contrib/test-tools.sh
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def document():
    with open(DOCUMENT, encoding="utf-8") as f:
        return yaml.safe_load(f)


@pytest.fixture(scope="module")
def daemon():
    """Simulated hosts only: what is generated may name any host."""
    with Daemon({"executors": [{"plugin": "sim"}]}) as daemon:
        task = daemon.submit("sim", "h[1-40]", {"fail": ["h3"], "hang": ["h4"], "output": "h\u00e9llo\n"}, id="t1", timeout=1,
                             name="described", labels={"team": "web"}, note="x", unit_size=7)
        daemon.wait(task)
        yield daemon


def resolve(document, schema):
    while "$ref" in schema:
        place = document
        for word in schema["$ref"].removeprefix("#/").split("/"):
            place = place[word]
        schema = place
    return schema


def operations(document):
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method.upper(), path, item[method], item.get("parameters", []) + item[method].get("parameters", [])


# ------------------------------------------------------------------------------------------ the document
def test_it_is_valid():
    done = subprocess.run([f"{TOOLS}/python", "-m", "openapi_spec_validator", DOCUMENT], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_has_no_loose_ends(document):
    """What the validator lets pass: values that YAML lost, components that nobody uses, operations half described."""
    text = json.dumps(document)
    for section, parts in document["components"].items():
        for name in parts:
            if section != "securitySchemes" and name != "Event":
                assert f'"#/components/{section}/{name}"' in text, f"{section}/{name} is used nowhere"

    def nothing_lost(value, place):
        if isinstance(value, dict):
            for key, inner in value.items():
                assert inner is not None, f"{place}/{key} is empty"
                nothing_lost(inner, f"{place}/{key}")
        elif isinstance(value, list) and not place.endswith("/enum"):
            for index, inner in enumerate(value):
                nothing_lost(inner, f"{place}/{index}")

    nothing_lost(document, "")
    seen = set()
    for method, path, operation, _ in operations(document):
        assert operation["summary"] and operation["tags"] and operation["x-role"], (method, path)
        assert operation["operationId"] not in seen
        seen.add(operation["operationId"])


def test_it_names_the_routes_that_there_are(document):
    described = subprocess.run([os.path.join(BUILD, "drover"), "plugin", "describe", "http", "--json"],
                               capture_output=True, text=True, check=True,
                               env={**os.environ, "DROVER_PLUGIN_PATH": os.path.join(BUILD, "plugins")})
    served = {(r["method"], r["path"]): (r["role"], sorted(r["parameters"]))
              for r in json.loads(described.stdout)["about"]["routes"]}
    documented = {}
    for method, path, operation, parameters in operations(document):
        names = [resolve(document, p)["name"] for p in parameters if resolve(document, p)["in"] == "query"]
        documented[method, path] = (operation["x-role"], sorted(names))
    assert documented == served


def test_it_names_the_problems_that_there_are(document):
    with open(os.path.join(ROOT, "plugins/http/problem.c"), encoding="utf-8") as f:
        lines = [line for line in f if line.strip().startswith("[PROBLEM_")]
    kinds = {line.split('"')[1] for line in lines}
    assert {f"/problems/{kind}" for kind in kinds} == set(document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"])


# -------------------------------------------------------------------------------------- its descriptions
def check_described(document, schema, value, place):
    """Every member of an answer is in its schema."""
    schema = resolve(document, schema)
    if "allOf" in schema:
        properties = {}
        for part in schema["allOf"]:
            properties.update(resolve(document, part).get("properties", {}))
        schema = {"properties": properties}
    if isinstance(value, dict) and "properties" in schema:
        for key, inner in value.items():
            assert key in schema["properties"], f"{place}/{key} is not described"
            check_described(document, schema["properties"][key], inner, f"{place}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            check_described(document, schema["items"], inner, f"{place}/{index}")


ANSWERS = ["/v1/tasks", "/v1/tasks/{id}?payload=true", "/v1/tasks/{id}/units", "/v1/tasks/{id}/verify",
           "/v1/tasks/{id}/results", "/v1/tasks/{id}/outputs?diff=true", "/v1/results?host=h1", "/v1/engines",
           "/v1/executors", "/v1/groups", "/-/healthy", "/-/ready"]


@pytest.mark.parametrize("path", ANSWERS)
def test_all_of_an_answer_is_described(daemon, document, path):
    answer = daemon.get(path.replace("{id}", "t1"))
    operation = document["paths"][path.split("?")[0]]["get"]
    check_described(document, operation["responses"]["200"]["content"]["application/json"]["schema"], answer, path)


def test_all_of_an_acceptance_is_described(daemon, document):
    post = document["paths"]["/v1/tasks"]["post"]["responses"]
    schemas = document["components"]["schemas"]
    body = {"type": "sim", "hosts": "h1", "payload": {}, "id": "accepted"}
    check_described(document, schemas["DryRun"], daemon.post("/v1/tasks?dry_run=true", body), "dry run")
    check_described(document, post["202"]["content"]["application/json"]["schema"], daemon.post("/v1/tasks", body), "202")
    with pytest.raises(Problem) as error:
        daemon.post("/v1/tasks", {**body, "hosts": 7, "unit_size": 0})
    check_described(document, schemas["Problem"], error.value.body, "422")


# ------------------------------------------------------------------------------------------ generated requests
def narrow(document):
    """Tasks of which some are valid here: simulated, on few hosts."""
    narrowed = copy.deepcopy(document)
    members = narrowed["components"]["schemas"]["TaskRequest"]["properties"]
    members["type"] = {"const": "sim"}
    members["payload"] = {"type": "object", "maxProperties": 0}
    members["hosts"] = {"type": "string", "pattern": "^h[0-9]{1,3}$"}
    for name in ("executor", "pool", "credential", "exclude", "concurrency_key"):
        del members[name]
    body = narrowed["paths"]["/v1/tasks"]["post"]["requestBody"]["content"]["application/json"]
    body["examples"] = {"simulated": {"value": {"type": "sim", "hosts": "h7", "payload": {}}}}
    wait = narrowed["paths"]["/v1/tasks/{id}"]["get"]["parameters"][0]
    assert wait["name"] == "wait"
    wait["schema"]["pattern"] = "^[0-9]{1,3}(ms)$"
    return narrowed


def generate(document, daemon, tmp_path, mode, phases):
    """Runs schemathesis: no 5xx, and answers as described; with `negative` every request must be refused."""
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(narrow(document)))
    done = subprocess.run(
        [f"{TOOLS}/schemathesis", "run", str(file), "--url", daemon.url(), "--mode", mode, "--seed", "7",
         "--max-examples", "15", "--phases", phases, "--suppress-health-check", "all",
         # That a valid parameter finds something here, and that a valid task can be executed, no schema says.
         "--exclude-checks", "positive_data_acceptance", "--no-color", "--warnings", "off",
         # The first generation's calls answer 200 to everything: test_first_generation.py has theirs.
         "--exclude-path-regex", "^/api/v1/distribute/"],
        capture_output=True, text=True, cwd=tmp_path, timeout=300 * PATIENCE, check=False)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout, done.stdout[-3000:]


def count(daemon):
    tasks, after = 0, ""
    while True:
        page = daemon.get(f"/v1/tasks?limit=1000{after}")
        tasks += len(page["items"])
        if "next" not in page:
            return tasks
        after = "&after=" + page["next"]


def test_valid_requests_get_what_is_described(daemon, document, tmp_path):
    before, core = count(daemon), daemon.parts()["core"]
    generate(document, daemon, tmp_path, "positive", "examples,coverage,fuzzing")
    assert count(daemon) > before, "none of the generated tasks was taken"
    assert daemon.parts()["core"] == core


def test_invalid_requests_are_refused_and_store_nothing(daemon, document, tmp_path):
    before, core = count(daemon), daemon.parts()["core"]
    generate(document, daemon, tmp_path, "negative", "coverage,fuzzing")
    assert count(daemon) == before
    assert daemon.parts()["core"] == core
    assert daemon.get("/-/healthy")["status"] == "ok"
