"""What a model's kernels have in common, so that the compiler drops what serves others."""

from dataclasses import dataclass, field


@dataclass
class Kinds:
    """The types that occur, by their names in intact_type."""

    codes: set[str] = field(default_factory=set)
    weights: set[str] = field(default_factory=set)
    wide: bool = False  # whether an accumulator or bias has 64 bits

    def macros(self) -> dict[str, str]:
        """Definitions that the portable headers take in place of their own."""
        macros = {"INTACT_SHIFT": "int8_t"}
        for name, types in (("INTACT_CODES", self.codes), ("INTACT_WEIGHTS", self.weights)):
            if len(types) == 1:
                macros[f"{name}(type)"] = f"((void)(type), {min(types)})"
        if not self.wide:
            macros["INTACT_WIDE(wide)"] = "((void)(wide), 0)"
        return macros
