"""The schema of study files. Field descriptions are what `docs/studies.md` says of each key."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from repscape.compute.memory import parse_bytes
from repscape.errors import InvalidParameterError

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
Stage = Literal["train", "extract", "compare", "describe", "tables", "analyse"]
STAGES: tuple[str, ...] = get_args(Stage)
"""The stages of a study, in the order in which they run."""
SPLIT_OPERATIONS = 1e13
"""About eight minutes of one core."""
DEFAULT_BUDGET = 1e10
"""Operations for the null of two layers: about half a second of one core."""


class Strict(BaseModel):
    """A part of a study: unknown keys are refused, and nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


def _as_use(value: Any) -> Any:
    return {"use": value} if isinstance(value, str) else value


def _off(value: Any) -> Any:
    return None if value in (False, "off", "none") else value


def _memory(value: Any, info: ValidationInfo) -> Any:
    if value is not None:
        parse_bytes(value, info.field_name or "memory_limit")  # raises what to write
    return value if value is None else str(value)


Memory = Annotated[str | None, BeforeValidator(_memory)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_list)]
Scalar = str | int | float | bool
Tags = dict[str, Scalar]
Each = dict[str, list[Scalar]]


class Expect(Strict):
    """What `plan` may assume of a model that is not at hand."""

    layers: int | None = Field(default=None, ge=1, description="layers that are extracted")
    width: int | None = Field(default=None, ge=1, description="features of a layer")
    parameters: float | None = Field(default=None, ge=0, description="parameters of the model")
    tokens: int | None = Field(default=None, ge=1, description="tokens of a sample")


class ExpectSamples(Strict):
    """What `plan` may assume of a data set that is not at hand."""

    samples: int = Field(ge=1, description="number of samples")


class ModelEntry(Strict):
    """One model, or with `each` a product of models. Exactly one of model, train and read."""

    name: str | None = Field(default=None, description="what tables and figures call it")
    model: str | None = Field(default=None, description="a name for `repscape.load_model`")
    train: str | None = Field(default=None, description="a training step that makes the model")
    read: str | None = Field(default=None, description="a reader of representations from files")
    options: dict[str, Any] = Field(
        default={}, description="options of load_model, the step or reader"
    )
    tags: Tags = Field(default={}, description="groups: objective, family, size, seed, …")
    layers: Names | None = Field(default=None, description="instead of the study's layers")
    data: Names | None = Field(
        default=None, description="names of the data sets that it sees; by default all"
    )
    each: Each = Field(
        default={}, description="lists to take every combination of; {name} stands for one"
    )
    expect: Expect = Field(
        default=Expect(), description="for `plan` where the model is not at hand"
    )

    @model_validator(mode="after")
    def _one_origin(self) -> ModelEntry:
        given = [name for name in ("model", "train", "read") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none of them"
            raise InvalidParameterError(
                f"a model has exactly one of model, train and read, and here is {found}"
            )
        return self


class Subset(Strict):
    """Some samples of a data set; one of first, random, per_class and ids."""

    first: int | None = Field(default=None, ge=1, description="the first so many")
    random: int | None = Field(default=None, ge=1, description="so many drawn by the seed")
    per_class: int | None = Field(default=None, ge=1, description="so many of each label")
    ids: list[str | int] | None = Field(default=None, description="these")
    seed: int = Field(default=0, ge=0, description="of the draw")

    @model_validator(mode="after")
    def _one_way(self) -> Subset:
        ways = ("first", "random", "per_class", "ids")
        if sum(getattr(self, way) is not None for way in ways) != 1:
            raise InvalidParameterError(f"a subset has exactly one of {', '.join(ways)}")
        return self


class DataEntry(Strict):
    """One data set, or with `each` a product of them."""

    name: str | None = Field(
        default=None, description="what tables call it; by default its own name"
    )
    data: str = Field(description="a name for `repscape.load_data`")
    split: str | None = Field(default=None, description="its split")
    options: dict[str, Any] = Field(default={}, description="further options of load_data")
    subset: Subset | None = Field(default=None, description="only some samples")
    descriptors: Names | None = Field(
        default=None, description="instead of the study's, e.g. the published scale for these data"
    )
    each: Each = Field(default={}, description="as for models")
    expect: ExpectSamples | None = Field(
        default=None, description="for `plan` where it is not at hand"
    )


class CompareSettings(Strict):
    """Which representations are scored against each other, and how."""

    pairs: Literal["all", "between_models", "within_models"] = Field(
        default="all", description="all pairs of layers, only those of two models, or only of one"
    )
    align: Literal["strict", "intersection"] = Field(
        default="strict", description="refuse different samples, or compare those that all have"
    )
    group: int | None = Field(
        default=None, ge=1, description="models per task side; by default `split` decides"
    )
    split: Annotated[float | None, BeforeValidator(_off)] = Field(
        default=SPLIT_OPERATIONS,
        gt=0,
        description="operations above which the scores of a measure are divided into tasks of "
        "about so many; off: never",
    )
    memory_limit: Memory = Field(default=None, description="beyond the inputs, e.g. 2GiB")
    device: str | None = Field(default=None, description="e.g. cuda; by default the CPU")


class DescribeSettings(Strict):
    """How representations are described."""

    together: bool = Field(
        default=False,
        description="one mask of duplicates and one scale for all models, not per model",
    )
    between: Names = Field(default=(), description="measures between the layers of a profile")
    controls: Names = Field(default=(), description="shuffled, gaussian")
    duplicates: Literal["drop", "keep", "error"] = Field(
        default="drop", description="equal samples"
    )
    seed: int = Field(default=0, ge=0, description="of the controls")
    memory_limit: Memory = Field(default=None, description="beyond the inputs, e.g. 2GiB")
    device: str | None = Field(default=None, description="e.g. cuda; by default the CPU")


class Significance(Strict):
    """The null of every score."""

    method: Literal["permutation"] = Field(
        default="permutation", description="random pairing of samples"
    )
    permutations: int = Field(default=100, ge=1, description="how many")
    seed: int = Field(default=0, ge=0, description="of the permutations")
    measures: Names | None = Field(
        default=None, description="only these; by default all that have a null"
    )
    budget: float | None = Field(
        default=None,
        gt=0,
        description="operations that the null of two layers may take, 1e10 where no measures are "
        "named (about half a second), else unlimited; beyond it there is none, and the table says "
        "so",
    )

    @property
    def affordable(self) -> float | None:
        """The operations that the null of two layers may take; None: any number."""
        return DEFAULT_BUDGET if self.budget is None and self.measures is None else self.budget


class Use(Strict):
    """A named step with its options."""

    use: str = Field(description="name of the step, or package.module:ATTRIBUTE")
    options: dict[str, Any] = Field(default={}, description="its options")


Uses = Annotated[tuple[Annotated[Use, BeforeValidator(_as_use)], ...], BeforeValidator(_as_list)]


class StageResources(Strict):
    """What each task of a stage may use."""

    cpus: int = Field(default=1, ge=1, description="processor cores, and threads of the task")
    gpus: int = Field(default=0, ge=0, description="GPUs")
    memory: Memory = Field(default=None, description="e.g. 16GiB")
    minutes: int | None = Field(default=None, ge=1, description="time limit")


class ExtractSettings(Strict):
    """How models are run."""

    batch_size: int | None = Field(default=None, ge=1, description="samples per forward pass")
    device: str | None = Field(default=None, description="e.g. cuda; by default the CPU")
    on_error: Literal["stop", "skip"] = Field(
        default="stop", description="what to do with a sample that cannot be read"
    )
    output_dtype: Literal["float32", "float16"] = Field(
        default="float32", description="in what representations are kept"
    )


class StudyFile(Strict):
    """A study: the question, the models and data that answer it, what is measured."""

    study: str = Field(pattern=NAME_PATTERN, description="name; also the output folder")
    title: str | None = Field(default=None, description="heading of the report")
    question: str | None = Field(default=None, description="what is asked, in a sentence or two")
    models: tuple[ModelEntry, ...] = Field(min_length=1, description="the models")
    data: tuple[DataEntry, ...] = Field(min_length=1, description="the data sets")
    layers: Names | None = Field(
        default=None,
        description="layers of every model: names or globs, !name leaves out; by default all",
    )
    poolings: Names = Field(default=("mean",), description="over tokens or pixels")
    extract: ExtractSettings = Field(default=ExtractSettings(), description="how models are run")
    measures: Names = Field(default=(), description="printable names, see `repscape measures`")
    compare: CompareSettings = Field(default=CompareSettings(), description="which pairs")
    significance: Annotated[Significance | None, BeforeValidator(_off)] = Field(
        default=Significance(), description="nulls and p-values; `none` switches them off"
    )
    descriptors: Names = Field(default=(), description="printable names, e.g. gride")
    describe: DescribeSettings = Field(default=DescribeSettings(), description="how")
    analyses: Uses | None = Field(default=None, description="steps that make further tables")
    figures: Uses | None = Field(default=None, description="steps that draw figures")
    report: Uses | None = Field(default=None, description="steps that write sections of the report")
    resources: dict[Stage, StageResources] = Field(default={}, description="per stage")
    retries: int = Field(
        default=0, ge=0, le=100, description="how often a failed task is tried again"
    )
