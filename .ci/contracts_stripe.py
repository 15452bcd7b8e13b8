"""Stripe's API as the official SDK describes it: the parameters of each endpoint and the fields of each object.

The SDK is read, not run: its services name method, path, parameters and result, and its classes name every field and type.
"""

import ast
import functools
import json
import pathlib
import re
import urllib.parse

FREE = {"Any", "StripeObject", "UntypedStripeObject"}
# Fields of lists that the SDK handles without declaring them, and `data`, which is compared element by element.
UNDECLARED = {"data", "object", "previous_page_url", "total_count", "url"}
NOT_PARAMETERS = {"RequestOptions", "TypedDict", "StripeObject"}


class Scope:
    """A class of the SDK with the classes and the module around it."""

    def __init__(self, module, node, outer=()):
        self.module, self.node, self.outer = module, node, outer

    @functools.cached_property
    def inner(self):
        return {node.name: node for node in self.node.body if isinstance(node, ast.ClassDef)}

    def within(self, name):
        return Scope(self.module, self.inner[name], (*self.outer, self))


class Sdk:
    def __init__(self, folder, presence):
        self.folder, self.presence = pathlib.Path(folder), presence
        self.version = re.search(r'CURRENT = "(.+?)"', (self.folder / "_api_version.py").read_text()).group(1)

    @functools.cache
    def module(self, name):
        """The classes of a module, the names that it imports, and its functional TypedDicts."""
        file = self.folder.parent / (name.replace(".", "/") + ".py")
        tree = ast.parse((file if file.exists() else file.with_suffix("") / "__init__.py").read_text())
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        imports = {
            alias.asname or alias.name: (node.module, alias.name)
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        values = {
            node.targets[0].id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        return classes, imports, values

    def find(self, scope, name):
        """The class that a name means here, or None for what is not a class of the SDK."""
        first, *rest = name.split(".")
        found = None
        for around in (scope, *reversed(scope.outer)):
            if around.node is not None and first in around.inner:
                found = around.within(first)
                break
            if around.node is not None and first == around.node.name:
                found = around
                break
        if found is None:
            classes, imports, _ = self.module(scope.module)
            if first in classes:
                found = Scope(scope.module, classes[first])
            elif first in imports and imports[first][0].startswith("stripe"):
                module, original = imports[first]
                found = self.find(Scope(module, None), original)
        for part in rest:
            found = found and found.within(part)
        return found

    @functools.cache
    def endpoints(self):
        """Every (method, pattern of the path, path, parameters, result)."""
        found = []
        for file in sorted(self.folder.rglob("*_service.py")):
            name = ".".join(file.relative_to(self.folder.parent).with_suffix("").parts)
            for service in (node for node in ast.parse(file.read_text()).body if isinstance(node, ast.ClassDef)):
                for function in (node for node in service.body if isinstance(node, ast.FunctionDef)):
                    endpoint = self.endpoint(Scope(name, None), function)
                    found += [endpoint] if endpoint else []
        # A fixed path wins over one with an id in the same place.
        return sorted(found, key=lambda endpoint: endpoint[2].count("{"))

    @staticmethod
    def endpoint(scope, function):
        for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
            if not (isinstance(call.func, ast.Attribute) and call.func.attr == "_request" and len(call.args) >= 2):
                continue
            method, path = call.args[:2]
            template = path.func.value.value if isinstance(path, ast.Call) else path.value
            pattern = re.compile(re.sub(r"\\{.+?\\}", "[^/]+", re.escape(template)))
            arguments = {argument.arg: argument.annotation for argument in function.args.args}
            return method.value.upper(), pattern, template, (scope, arguments.get("params")), (scope, function.returns)
        return None

    def endpoint_of(self, method, path):
        for endpoint in self.endpoints():
            if endpoint[0] == method and endpoint[1].fullmatch(path):
                return endpoint
        return None

    @functools.cache
    def objects(self):
        """The class of each `object`, by the word in that field."""
        found = {}
        for file in sorted(self.folder.rglob("_*.py")):
            if "OBJECT_NAME: ClassVar" not in (text := file.read_text()):
                continue
            name = ".".join(file.relative_to(self.folder.parent).with_suffix("").parts)
            for match in re.finditer(r'^class (\w+).*?OBJECT_NAME: ClassVar\[\s*Literal\["(.+?)"\]', text, re.S | re.M):
                found.setdefault(match.group(2), (Scope(name, None), ast.parse(match.group(1), mode="eval").body))
        return found

    def fields(self, scope):
        """Each field of a class: its annotation and the scope of it; fields of parameter classes it inherits too."""
        found = {}
        for base in scope.node.bases:
            if isinstance(base, ast.Name) and base.id not in NOT_PARAMETERS:
                classes, _, values = self.module(scope.module)
                if base.id in classes:
                    found |= self.fields(Scope(scope.module, classes[base.id]))
                elif base.id in values:
                    pairs = values[base.id].args[1]
                    found |= {key.value: (scope, value) for key, value in zip(pairs.keys, pairs.values)}
        for node in scope.node.body:
            if isinstance(node, ast.AnnAssign) and "ClassVar" not in ast.unparse(node.annotation):
                found[node.target.id] = (scope, node.annotation)
        return found


def parts(node):
    """An annotation as its outer name and its arguments: `Optional[int]` as `Optional` and `int`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return parts(ast.parse(node.value, mode="eval").body)
    if isinstance(node, ast.Constant) and node.value is None:
        return "None", []
    if isinstance(node, ast.BinOp):
        return "Union", [node.left, node.right]
    if isinstance(node, ast.Subscript):
        inside = node.slice
        return ast.unparse(node.value), inside.elts if isinstance(inside, ast.Tuple) else [inside]
    return ast.unparse(node), []


def may_lack(node):
    name, inside = parts(node)
    return name in ("NotRequired", "Optional", "Any") or (name == "Union" and any(parts(one)[0] == "None" for one in inside))


class Comparison:
    """Compares values with annotations. `fault(field, reason)` is called for each difference."""

    def __init__(self, sdk, fault):
        self.sdk, self.fault = sdk, fault

    def faults(self, scope, node, value, at):
        faults = []
        type(self)(self.sdk, lambda *fault: faults.append(fault)).check(scope, node, value, at)
        return faults

    def check(self, scope, node, value, at):
        name, inside = parts(node)
        if name in ("NotRequired", "Required", "Optional"):
            if value is not None or name != "Optional":
                self.check(scope, inside[0], value, at)
        elif name in ("Union", "ExpandableField"):
            self.union(scope, [ast.Name("str"), *inside] if name == "ExpandableField" else inside, value, at)
        elif name == "Literal":
            words = [word.value for word in inside]
            if self.literal(value) not in words and value not in words:
                self.fault(at, f"{shown(value)} is none of {words if len(words) < 12 else f'the {len(words)} words'}")
        elif name in ("List", "Dict", "UntypedStripeObject", "ListObject", "SearchResultObject") and inside:
            self.collection(name, scope, inside, value, at)
        elif name in FREE:
            pass
        elif name == "StripeContext":
            self.check(scope, ast.Name("str"), value, at)
        elif (found := self.sdk.find(scope, name)) is not None:
            self.record(found, value, at)
        elif reason := self.scalar(name, value):
            self.fault(at, reason)

    def union(self, scope, options, value, at):
        # `Union[Literal[…], str]` is Stripe's way to say that more words may come with a later version.
        literals = [one for one in options if parts(one)[0] == "Literal"]
        if literals and isinstance(value, str) and any(parts(one)[0] == "str" for one in options):
            empty = any(word.value == "" for one in literals for word in parts(one)[1])
            options = [one for one in options if parts(one)[0] != "str"] if not empty else options
        closest = None
        for option in options:
            faults = self.faults(scope, option, value, at)
            if not faults:
                return
            if closest is None or (isinstance(value, dict) and self.is_record(scope, option)):
                closest = faults
        for field, reason in closest:
            self.fault(field, reason)

    def is_record(self, scope, node):
        name, inside = parts(node)
        return name in ("Dict", "ListObject") or (name not in ("Literal", "List") and self.sdk.find(scope, name) is not None)

    def collection(self, name, scope, inside, value, at):
        if name == "List":
            elements = self.elements(value)
            if elements is None:
                self.fault(at, f"{shown(value)} is no list")
            for number, element in elements or []:
                self.check(scope, inside[0], element, f"{at}[{number}]")
        elif not isinstance(value, dict):
            self.fault(at, f"{shown(value)} is no map")
        elif name in ("Dict", "UntypedStripeObject"):
            for key, element in value.items():
                # An empty value unsets a key, of metadata for example.
                if element != "":
                    self.check(scope, inside[-1], element, f"{at}[{key}]")
        else:
            self.page(name, scope, inside[0], value, at)

    def page(self, name, scope, element, value, at):
        classes = "stripe._list_object", "ListObject"
        if name == "SearchResultObject":
            classes = "stripe._search_result_object", "SearchResultObject"
        elif self.sdk.module(scope.module)[1].get("ListObject", ("",))[0] == "stripe.v2._list_object":
            classes = "stripe.v2._list_object", "ListObject"
        frame = self.sdk.find(Scope(classes[0], None), classes[1])
        kept = {key: inner for key, inner in value.items() if key not in UNDECLARED or key == "url" and name == "ListObject"}
        self.record(frame, kept, at, {"data", "next_page"})
        for number, item in enumerate(value.get("data") if isinstance(value.get("data"), list) else []):
            self.check(scope, element, item, f"{at}.data[{number}]" if at else f"data[{number}]")

    def present(self, scope, value, at):
        """Compares which fields are there."""

    def record(self, scope, value, at, given=frozenset()):
        if not isinstance(value, dict):
            self.fault(at, f"{shown(value)} is no {scope.node.name}")
            return
        fields = self.sdk.fields(scope)
        for key, inner in value.items():
            if key not in fields:
                self.fault(self.joined(at, key), f"{scope.node.name} has no such field")
            else:
                self.check(*fields[key], inner, self.joined(at, key))
        gone = "deleted" in fields and value.get("deleted") is True
        if not gone and not given:
            self.present(scope, value, at)
        for key, (_, annotation) in fields.items():
            if key not in value and key not in given and not may_lack(annotation) and (not gone or key in ("id", "object")):
                self.fault(self.joined(at, key), f"{scope.node.name} requires it")


class Objects(Comparison):
    """JSON that Stripe answers."""

    def scalar(self, name, value):
        right = {
            "str": isinstance(value, str),
            "Decimal": isinstance(value, str),
            "bool": isinstance(value, bool),
            "int": isinstance(value, int) and not isinstance(value, bool),
            "float": isinstance(value, (int, float)) and not isinstance(value, bool),
            "None": value is None,
            "object": True,
        }
        return None if right[name] else f"{shown(value)} is no {name}"

    def present(self, scope, value, at):
        names = [*(one.node.name for one in scope.outer), scope.node.name]
        self.sdk.presence.check(scope.module, names, value, lambda name: self.joined(at, name), self.fault)

    def literal(self, value):
        return value

    def elements(self, value):
        return list(enumerate(value)) if isinstance(value, list) else None

    def joined(self, at, key):
        return f"{at}.{key}" if at else key


class Parameters(Comparison):
    """A form: every value is a text, and brackets in the names make maps and lists."""

    def scalar(self, name, value):
        if not isinstance(value, str):
            return f"it is a map, not {name}"
        form = {
            "str": r"(?s).+",
            "Decimal": r"-?\d+(\.\d+)?",
            "bool": "true|false",
            "int": r"-?\d+",
            "float": r"-?\d+(\.\d+)?",
            "object": r"(?s).*",
            "None": "",
        }[name]
        return None if re.fullmatch(form, value) else f"{shown(value)} is no {name}"

    def literal(self, value):
        return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value

    def elements(self, value):
        if isinstance(value, dict) and all(key == "" or key.isdigit() for key in value):
            return [(key, inner) for key, inners in value.items() for inner in (inners if isinstance(inners, list) else [inners])]
        return None

    def joined(self, at, key):
        return f"{at}[{key}]" if at else key


def shown(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def form(text):
    """The pairs of a form as a tree. `types[]=a&types[]=b` is a list under the empty name."""
    tree = {}
    for name, value in urllib.parse.parse_qsl(text, keep_blank_values=True):
        first, *rest = re.findall(r"^[^\[]+|\[[^\]]*\]", name)
        keys = [first, *(key[1:-1] for key in rest)]
        place = tree
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        if keys[-1] == "":
            place.setdefault("", []).append(value)
        else:
            place[keys[-1]] = value
    return tree


def form_tree(value):
    """A body of the second API, which is JSON, as the tree that a form would be."""
    if isinstance(value, dict):
        return {key: form_tree(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return {str(number): form_tree(inner) for number, inner in enumerate(value)}
    return json.dumps(value) if isinstance(value, bool) else "" if value is None else str(value)


def check_request(sdk, call, fault):
    """Compares one request and its answer. Returns the endpoint as text, or None for one that Stripe does not have."""
    method, path = call["method"], urllib.parse.unquote(call["path"])
    endpoint = sdk.endpoint_of(method, path)
    if endpoint is None:
        fault("request", "", "Stripe has no such endpoint")
        return None
    _, _, template, (scope, parameters), result = endpoint
    if (version := call["headers"].get("stripe-version")) != sdk.version:
        fault("request", "Stripe-Version", f"{version} is not {sdk.version}, which the SDK describes")
    body = call["body"]
    given = form(call["query"] or "") | (form_tree(body) if isinstance(body, dict) else form(body or ""))
    if parameters is None:
        for name in given:
            fault("request", name, "the endpoint takes no parameters")
    else:
        Parameters(sdk, lambda field, reason: fault("request", field, reason)).check(scope, parameters, given, "")
    check_answer(sdk, call, result, lambda field, reason: fault("answer", field, reason))
    return f"{method} {template}"


def check_answer(sdk, call, result, fault):
    if call["status"] == 200 and isinstance(call["answer"], dict) and call["answer"].get("object") == "v2.core.event":
        check_thin_event(sdk, call["answer"], "Event", fault)
    elif call["status"] == 200:
        Objects(sdk, fault).check(*result, call["answer"], "")
    elif not (400 <= call["status"] < 600):
        fault("status", f"Stripe does not answer {call['status']}")
    else:
        error = call["answer"].get("error") if isinstance(call["answer"], dict) else None
        scope = sdk.find(Scope("stripe._error_object", None), "ErrorObject")
        if not isinstance(error, dict):
            fault("error", "an error has an object `error`")
            return
        # Every field of an error may be absent but these two.
        for field in ("type", "message"):
            if not isinstance(error.get(field), str):
                fault(f"error.{field}", "every error has it")
        fields = {key: annotation for key, annotation in sdk.fields(scope).items()}
        for key, value in error.items():
            if key == "request_log_url":
                continue
            if key not in fields:
                fault(f"error.{key}", "ErrorObject has no such field")
            else:
                Objects(sdk, fault).check(*fields[key], value, f"error.{key}")


def check_event(sdk, event, fault):
    """Compares an event with the SDK's Event, and the object in it with the class of that object."""
    if event.get("object") == "v2.core.event":
        check_thin_event(sdk, event, "EventNotification", fault)
        return
    objects = Objects(sdk, fault)
    objects.check(Scope("stripe._event", None), ast.Name("Event"), event, "")
    inside = event.get("data", {}).get("object", {})
    found = sdk.objects().get(inside.get("object"))
    if found is None:
        fault("data.object.object", f"the SDK has no object {inside.get('object')}")
    else:
        objects.check(*found, inside, "data.object")


def check_thin_event(sdk, event, frame, fault):
    """Compares a thin event: as it is delivered (`EventNotification`), or with the data that a call adds (`Event`)."""
    name = f"stripe.events._{event['type'].replace('.', '_')}_event"
    try:
        classes, _, _ = sdk.module(name)
    except FileNotFoundError:
        fault("type", f"the SDK has no event {event['type']}")
        return
    own = next(one for one in classes if one.endswith("Notification") == (frame == "EventNotification"))
    fields = sdk.fields(Scope("stripe.v2.core._event", sdk.module("stripe.v2.core._event")[0][frame]))
    fields |= sdk.fields(Scope(name, classes[own]))
    objects = Objects(sdk, fault)
    for key, value in event.items():
        if key not in fields:
            # An event about no object may say so.
            if (key, value) != ("related_object", None):
                fault(key, f"{own} has no such field")
        else:
            objects.check(*fields[key], value, key)
    for key, (_, annotation) in fields.items():
        if key not in event and not may_lack(annotation):
            fault(key, f"{own} requires it")
