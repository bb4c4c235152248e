"""Variants: methods and models that stand in the place of a default one, with which they are compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from codetune.base.errors import StudyError
from codetune.study.mistakes import unknown_name
from codetune.study.runs import System

KEY = "variant_of"  # of an entry of the config's `methods` or `models`


@dataclass(frozen=True)
class Variants:
    """What each variant is one of.

    Attributes:
        methods: Name of the default method, by that of the variant.
        models: Name of the default model, by that of the variant.
    """

    methods: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)

    def default_of(self, system: System) -> System | None:
        """The system that a variant is compared with; None for one that is none.

        Args:
            system: A system that is trained.
        """
        if system.method in self.methods:
            return system._replace(method=self.methods[system.method])
        return system._replace(model=self.models[system.model]) if system.model in self.models else None

    def pairs_of(self, systems: list[System]) -> list[tuple[System, System]]:
        """Pairs each of these systems, which all train, that is a variant with its default, if that is among them."""
        found = [(system, self.default_of(system)) for system in systems]
        return [(system, default) for system, default in found if default in systems]


def read_variants(config: Mapping[str, Any]) -> Variants:
    """Reads the variants of a configuration.

    Args:
        config: The configuration.

    Raises:
        StudyError: An entry is a variant of nothing, of itself or of another variant, or a method that is not trained.
    """
    found: dict[str, dict[str, str]] = {"methods": {}, "models": {}}
    for kind, variants in found.items():
        for name, entry in config[kind].items():
            if KEY in entry:
                variants[name] = _default(kind, name, config[kind])
    for method in found["methods"]:
        for name in (method, found["methods"][method]):
            if not {"peft", "full"} & config["methods"][name].keys():
                where = f"config: methods.{method}.{KEY}"
                raise StudyError(f"{where}: variants are of methods that train, and '{name}' does not; leave it out")
    return Variants(**found)


def _default(kind: str, name: str, entries: Mapping[str, Any]) -> str:
    default, where = str(entries[name][KEY]), f"{kind}.{name}.{KEY}"
    if default not in entries:
        raise unknown_name(where, default, entries)
    if KEY in entries[default]:
        raise StudyError(
            f"config: {where}: '{default}' is a variant itself; name the default, which all variants are compared with"
        )
    return default
