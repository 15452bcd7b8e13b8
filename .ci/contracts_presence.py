"""Which fields Stripe always sends, according to the official SDK for Node.

The SDK for Python marks a field that may be null and one that may be absent in the same way. The declarations of the SDK for
Node tell them apart: `a: string | null` is always there, `a?: string` is there only when it has a value.
"""

import collections
import functools
import pathlib
import re

OPENS = re.compile(r"(?:export )?(?:declare )?(namespace|interface) (\w+)\b.*\{$")
FIELD = re.compile(r"['\"]?([\w.-]+)['\"]?(\??): (.*?)(\{|;)$")


class Presence:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.version = re.search(r'ApiVersion = "(.+?)"', (self.folder / "apiVersion.d.ts").read_text()).group(1)

    @functools.cache
    def files(self, folder):
        """The file of each interface of a folder, in the spelling of the SDK for Python: `billing_portal`."""
        plain = folder.replace("_", "").replace("/", "")
        found = {}
        for file in sorted((self.folder / "resources").rglob("*.d.ts")):
            if "".join(file.relative_to(self.folder / "resources").parts[:-1]).lower() == plain:
                for name in re.findall(r"^export interface (\w+) ", file.read_text(), re.M):
                    found.setdefault(name, file)
        return found

    @functools.cache
    def interfaces(self, file):
        """The fields of each interface of a file, by its name with those of its namespaces."""
        found = collections.defaultdict(dict)
        around, comment = [], False
        for line in (line.strip() for line in file.read_text().splitlines()):
            comment = (comment or line.startswith("/*")) and not line.endswith("*/")
            if comment or line.startswith(("*", "/*")):
                continue
            if opened := OPENS.match(line):
                around.append(opened.group(2))
                if opened.group(1) == "interface":
                    found[".".join(around)] = {}
            elif line.startswith("}"):
                around.pop()
            else:
                if (field := FIELD.match(line)) and ".".join(around) in found:
                    name, optional, kind, _ = field.groups()
                    found[".".join(around)][name] = (not optional, bool(re.search(r"\bnull\b|\bany\b", kind)))
                if line.endswith("{"):
                    around.append("")
        return found

    def fields(self, module, names):
        """Whether each field is always there, and whether it may be null; None for a class that the SDK for Node lacks."""
        folder = "/".join(part for part in module.split(".")[1:-1])
        file = self.files(folder).get(names[0])
        return self.interfaces(file).get(".".join(names)) if file else None

    def check(self, module, names, value, joined, fault):
        for name, (always, nullable) in (self.fields(module, names) or {}).items():
            if always and name not in value:
                fault(joined(name), f"{'.'.join(names)} always has it" + (", null where there is none" if nullable else ""))
            elif not nullable and name in value and value[name] is None:
                fault(joined(name), f"{'.'.join(names)} does not have it as null, but {'always' if always else 'not at all'}")
