"""Requests held to Google's discovery documents, which PyPI's google-api-python-client brings along."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import googleapiclient

DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"


class Refused(Exception):
    """What a service answers instead of doing it: an HTTP status, a reason and a message, as Google words them."""

    def __init__(self, status: int, reason: str, message: str, details: list | None = None, status_word: str = ""):
        super().__init__(message)
        self.status, self.reason, self.message, self.details = status, reason, message, details
        self.status_word = status_word  # "PERMISSION_DENIED", of newer services


@dataclass
class Call:
    """One valid request: the method's id ("compute.instances.insert") and what was given to it."""

    id: str
    parameters: dict[str, str]
    body: dict | None


class Api:
    """One document. `find` takes a request apart and refuses what does not fit the document."""

    def __init__(self, name: str):
        self.document = json.loads((DOCUMENTS / f"{name}.json").read_text())
        self.schemas = self.document["schemas"]
        self.base = "/" + self.document["servicePath"]
        self.routes = list(self._routes(self.document))

    def _routes(self, node: dict):
        for method in node.get("methods", {}).values():
            yield method["httpMethod"], _pattern(self.base + method["path"]), method
            upload = method.get("mediaUpload", {}).get("protocols", {}).get("simple")
            if upload:
                yield method["httpMethod"], _pattern(upload["path"]), method
        for resource in node.get("resources", {}).values():
            yield from self._routes(resource)

    def find(self, verb: str, path: str, query: dict[str, list[str]], body: dict | None) -> Call | None:
        """None: no method of this document has such a path."""
        refused = None
        for method_verb, pattern, method in self.routes:
            match = pattern.fullmatch(path)
            if match and method_verb == verb:
                parameters = {name.replace("__", "."): unquote(value) for name, value in match.groupdict().items()}
                try:
                    self._check_path(method, parameters)
                except Refused as error:  # several methods have paths that look alike
                    refused = refused or error
                    continue
                parameters.update(self._query(method, query))
                self._check_parameters(method, parameters)
                if body is not None and "request" in method:
                    self.check(method["request"], body, "", method["id"])
                elif body:
                    raise Refused(400, "invalid", f"{method['id']} takes no body")
                return Call(method["id"], parameters, body)
        if refused:
            raise refused
        return None

    def _check_path(self, method: dict, given: dict) -> None:
        for name, value in given.items():
            self._check_text(method.get("parameters", {}).get(name, {}), value, name)

    def _query(self, method: dict, query: dict[str, list[str]]) -> dict[str, str]:
        known = {**method.get("parameters", {}), **self.document.get("parameters", {})}
        known["uploadType"] = {"type": "string", "location": "query"}
        given = {}
        for name, values in query.items():
            if name not in known or known[name].get("location") == "path":
                raise Refused(400, "badRequest", f'Invalid JSON payload received. Unknown name "{name}": Cannot bind '
                                                 "query parameter.")  # fmt: skip
            given[name] = values if known[name].get("repeated") else values[0]
        return given

    def _check_parameters(self, method: dict, given: dict) -> None:
        for name, rule in method.get("parameters", {}).items():
            if rule.get("required") and not given.get(name):
                raise Refused(400, "required", f"Required parameter: {name}")
            for value in [given[name]] if isinstance(given.get(name), str) else given.get(name, []):
                self._check_text(rule, value, name)

    @staticmethod
    def _check_text(rule: dict, value: str, where: str) -> None:
        kind = rule.get("type")
        bad = (kind in ("integer", "number") and not re.fullmatch(r"-?\d+(\.\d+)?", value)
               or kind == "boolean" and value not in ("true", "false")
               or "enum" in rule and value not in rule["enum"]
               or "pattern" in rule and not re.fullmatch(rule["pattern"], value))  # fmt: skip
        if bad:
            raise Refused(400, "invalidParameter", f"Invalid value for field '{where}': '{value}'.")

    def check(self, rule: dict, value, where: str, method: str) -> None:
        """Refuses a value that does not fit the schema: names, types, enums, patterns, what the method requires."""
        if value is None:
            return None  # as if it had not been sent
        if "$ref" in rule:
            return self.check(self.schemas[rule["$ref"]], value, where, method)
        kind = rule.get("type", "object")
        if kind == "array":
            self._expect(isinstance(value, list), where, "array", value)
            for index, item in enumerate(value):
                self.check(rule["items"], item, f"{where}[{index}]", method)
        elif kind == "object":
            self._expect(isinstance(value, dict), where, "object", value)
            self._check_object(rule, value, where, method)
        elif kind == "string" and rule.get("format") in ("int64", "uint64"):
            self._expect(re.fullmatch(r"-?\d+", str(value)) is not None, where, "int64", value)
        elif kind == "string":
            self._expect(isinstance(value, str), where, "string", value)
            self._check_text({**rule, "type": "string"}, value, where)
        elif kind == "boolean":
            self._expect(isinstance(value, bool), where, "boolean", value)
        elif kind == "integer":
            self._expect(isinstance(value, int) and not isinstance(value, bool), where, "integer", value)
        elif kind == "number":
            self._expect(isinstance(value, (int, float)), where, "number", value)

    def _check_object(self, rule: dict, value: dict, where: str, method: str) -> None:
        properties, more = rule.get("properties", {}), rule.get("additionalProperties")
        for name, item in value.items():
            if name not in properties and not more:
                raise Refused(400, "badRequest", f'Invalid JSON payload received. Unknown name "{name}" at '
                                                 f"'{where}': Cannot find field.")  # fmt: skip
            self.check(properties.get(name, more), item, f"{where}.{name}".lstrip("."), method)
        for name, inner in properties.items():
            if method in inner.get("annotations", {}).get("required", []) and name not in value:
                raise Refused(400, "required", f"Required field '{where}.{name}' not specified")

    @staticmethod
    def _expect(fits: bool, where: str, kind: str, value) -> None:
        if not fits:
            raise Refused(400, "badRequest", f"Invalid value at '{where}' ({kind}), {json.dumps(value)[:80]}")


def _pattern(path: str) -> re.Pattern:
    """A path of a document, "b/{bucket}/o/{object}" or "{+name}/keys", as a pattern over what is sent."""
    def parameter(match: re.Match) -> str:
        name = match[1].replace(".", "__")
        return f"(?P<{name.lstrip('+')}>{'.+?' if name.startswith('+') else '[^/]+'})"

    parts = re.split(r"(\{[^}]+\})", path)
    return re.compile("".join(re.sub(r"\{([^}]+)\}", parameter, part) if part.startswith("{") else re.escape(part)
                              for part in parts))  # fmt: skip


@functools.cache
def load(name: str) -> Api:
    return Api(name)
